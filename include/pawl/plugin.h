/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pawl/plugin.h - engines, stores and formats of your own
 *
 * Three tables of functions.  A format turns a state into bytes and back and
 * never does I/O.  A store is a place for named objects and knows no tensor.
 * An engine decides order, threads and waiting.
 *
 * A shared object that exports
 *
 *     const struct pawl_plugin *pawl_plugin_entry(void);
 *
 * is loaded when a config names it: {"plugin": "./libmine.so", "engine":
 * "mine"}.  examples/engine_journal.c is a whole one.
 *
 * Tables grow at their end only: struct_size tells which fields yours has,
 * and a field beyond that, or NULL, means the default its comment names.
 * Tables and what they point to must live until the engine is freed.
 */
#ifndef PAWL_PLUGIN_H
#define PAWL_PLUGIN_H

#include <pawl/engine.h>
#include <pawl/error.h>
#include <pawl/state.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- engine ------------------------------------------------------------ */

/* What pawl_engine_* promises in engine.h is checked before these are called:
 * an engine sees valid tags and absolute, normal paths, and calls in order.
 * Each returns 0 or a PAWL_E* and fills `err`. */
struct pawl_engine_ops {
    size_t struct_size; /* sizeof(struct pawl_engine_ops) */
    const char *name;   /* what the config's "engine" says */

    /* Makes an instance.  `options_json` is the config's "options" object as
     * text ("{}" when absent).  `log` may be called until `free`. */
    int (*make)(void **out, const char *options_json, pawl_log_fn log,
                void *log_ctx, struct pawl_error *err);
    /* Frees it, with all that is open.  NULL: nothing to free. */
    void (*free)(void *engine);
    /* Begins a checkpoint; `save_dir` is absolute. */
    int (*create)(void *engine, const char *save_dir, const char *tag,
                  struct pawl_error *err);
    /* NULL: the directory is made on the local file system. */
    int (*makedirs)(void *engine, const char *path, bool exist_ok,
                    struct pawl_error *err);
    /* `path` lies below save_dir/tag, or anywhere outside create. */
    int (*save)(void *engine, struct pawl_state *state, const char *path,
                struct pawl_error *err);
    /* Ends the checkpoint: makes it visible, or forgets it (`keep` false; if
     * `err` is there, it then holds the reason, or the code 0 if the caller
     * gave it up).
     * After a failure the engine holds no open checkpoint. */
    int (*commit)(void *engine, const char *tag, bool keep,
                  struct pawl_error *err);
    /* Writes the tag that it opened to `tag_out`, or "" for none.
     * `tag` is NULL for the newest.  PAWL_ESTATE: it is being made in this
     * process; asked again until `open_timeout_ms` is over. */
    int (*open)(void *engine, const char *load_dir, const char *tag,
                char tag_out[PAWL_TAG_MAX + 1], struct pawl_error *err);
    int (*load)(void *engine, const char *path, unsigned flags,
                struct pawl_state **out, struct pawl_error *err);
    /* NULL: nothing to do. */
    int (*close)(void *engine, const char *tag, struct pawl_error *err);
    /* Waits for commits (`what` 0) or for snapshots (`what` 1, the fence).
     * NULL: everything is done when the calls return. */
    int (*wait)(void *engine, int what, int64_t timeout_ms,
                struct pawl_error *err);
};

/* ---- bytes ------------------------------------------------------------- */

/* Something that can be read at any place; `read` is safe from several
 * threads, blocks, and delivers all of `len_bytes` or fails. */
struct pawl_source {
    int (*read)(void *ctx, uint64_t offset, void *dst, size_t len_bytes,
                struct pawl_error *err);
    void *ctx;
    uint64_t size_bytes;
    const char *name; /* for messages */
    /* All the bytes, when they are in memory, or NULL.  The memory stays until
     * the source is released and belongs to the state that is read from it:
     * storages may lie in it, each byte in one of them at most, and whoever
     * has the state may write to those. */
    void *memory;
    /* The zip CRC-32 of bytes of `memory` that nobody wrote to, for less than
     * it costs to compute; NULL: compute it. */
    uint32_t (*checksum)(void *ctx, uint64_t offset, uint64_t len_bytes);
    /* The whole was compared with its checksum: `memory` need not be verified
     * piece by piece. */
    bool is_proven;
    /* `memory` is a mapping of the file, and need not be verified: none of it
     * is to be touched before it is used; what a format needs it gets by
     * `read`. */
    bool is_mapped;
};

/* No record: bytes of the container itself. */
#define PAWL_NO_RECORD UINT32_MAX

/* A piece of a file to be written.  Extents of a plan follow one another
 * without gaps, from offset 0. */
struct pawl_extent {
    uint64_t offset;
    uint64_t len_bytes;
    const void *data;
    uint32_t record; /* payload of that record, or PAWL_NO_RECORD */
};

/* A file's layout, computed before the first byte moves.  Owned by whoever
 * called the format; borrows the state.
 *
 * Payload is described, not copied.  The checksum of a record's payload stands
 * behind it in the file, so: go through the extents in order; when a record's
 * extent has been read, tell its CRC with pawl_plan_set_crc before the data of
 * a later extent is looked at. */
struct pawl_plan;
PAWL_API void pawl_plan_free(struct pawl_plan *plan);
PAWL_API const struct pawl_extent *
pawl_plan_extents(const struct pawl_plan *plan, size_t *count);
PAWL_API uint64_t pawl_plan_size(const struct pawl_plan *plan);
/* How many records have payload whose CRC is awaited; numbered from 0 in
 * file order. */
PAWL_API uint32_t pawl_plan_record_count(const struct pawl_plan *plan);
/* The zip CRC-32 of a record's payload; once for each record. */
PAWL_API void pawl_plan_set_crc(struct pawl_plan *plan, uint32_t record,
                                uint32_t crc32);

/* ---- building a plan ---------------------------------------------------- */

/*
 * A format goes through its file from front to back.  Bytes of the container
 * (headers, an index) are appended to memory of the plan; payload is described
 * where it lies.  Neighbouring container bytes become one extent.
 *
 *     struct pawl_plan *plan = pawl_plan_new();
 *     pawl_plan_append(plan, header, sizeof(header));
 *     uint32_t record = pawl_plan_payload(plan, data, len);
 *     size_t at = pawl_plan_here(plan);
 *     pawl_plan_append(plan, footer, sizeof(footer));
 *     pawl_plan_put_crc(plan, record, at + FOOTER_CRC);
 *     int rc = pawl_plan_seal(plan, err);
 *
 * Checksums come later, by pawl_plan_set_crc: each is then written to all the
 * places that pawl_plan_put_crc named.  When the last one is there, and what
 * depends on all of them can be computed, the finish function runs, once; in a
 * plan without payload records it runs in pawl_plan_seal.
 *
 * Places in container bytes are positions in the plan's own memory, not in the
 * file (pawl_plan_here against pawl_plan_offset).  Building never fails on the
 * spot: pawl_plan_seal tells.  Cost: linear, and amortised constant
 * allocations.  One thread at a time.
 */

/* An empty plan, NULL when out of memory; free it with pawl_plan_free. */
PAWL_API struct pawl_plan *pawl_plan_new(void);

/* Room for `len` > 0 container bytes at the end; NULL after a failure.  The
 * pointer is valid until the next call. */
PAWL_API uint8_t *pawl_plan_extend(struct pawl_plan *plan, size_t len);
PAWL_API void pawl_plan_append(struct pawl_plan *plan, const void *src,
                               size_t len);

/* The payload of a new record, `len_bytes` > 0 at `data`, which is borrowed.
 * Its number, from 0; PAWL_NO_RECORD after a failure. */
PAWL_API uint32_t pawl_plan_payload(struct pawl_plan *plan, const void *data,
                                    uint64_t len_bytes);

/* Where the next byte will be: in the file, and in the container bytes. */
PAWL_API uint64_t pawl_plan_offset(const struct pawl_plan *plan);
PAWL_API size_t pawl_plan_here(const struct pawl_plan *plan);

/* The CRC of `record` belongs, little-endian, into the four container bytes at
 * `place`, which lie behind the record in the file.  Does nothing for
 * PAWL_NO_RECORD. */
PAWL_API void pawl_plan_put_crc(struct pawl_plan *plan, uint32_t record,
                                size_t place);

/* Computes what depends on all CRCs; `ctx` is what pawl_plan_on_last_crc was
 * given.  May change container bytes behind the last payload record. */
typedef void (*pawl_plan_finish_fn)(struct pawl_plan *plan, void *ctx);

/* Sets the finish function.  `ctx` belongs to the plan, which free()s it. */
PAWL_API void pawl_plan_on_last_crc(struct pawl_plan *plan,
                                    pawl_plan_finish_fn finish, void *ctx);

/* Ends the building: extents now point at their memory.  PAWL_ENOMEM, or
 * PAWL_EINVAL when the file would be larger than 2^63-1 bytes. */
PAWL_API int pawl_plan_seal(struct pawl_plan *plan, struct pawl_error *err);

/* For a finish function: the CRC of a record, and the container bytes. */
PAWL_API uint32_t pawl_plan_crc(const struct pawl_plan *plan, uint32_t record);
PAWL_API uint8_t *pawl_plan_at(struct pawl_plan *plan, size_t place);

/* ---- format ------------------------------------------------------------ */

struct pawl_format_ops {
    size_t struct_size;
    const char *name;
    /* Lays `state` out as a file called `name` (its base name matters to
     * torch's format).  All payload must be in memory.  The plan borrows the
     * state until it is freed. */
    int (*plan)(struct pawl_plan **out, struct pawl_state *state,
                const char *name, struct pawl_error *err);
    /* Whether the source begins like a file of this format; never fails.
     * `head` are its first bytes, up to 64. */
    bool (*probe)(const void *head, size_t len_bytes);
    /* Reads the structure; payload becomes lazy storages that use `source`,
     * which is copied and must stay readable until the state is freed (its
     * `release`, if given, is called then). */
    int (*read)(struct pawl_state **out, const struct pawl_source *source,
                void (*release)(void *ctx), struct pawl_error *err);
};

/* ---- store ------------------------------------------------------------- */

enum pawl_store_mode {
    PAWL_STORE_READ,
    PAWL_STORE_CREATE, /* write a new object, in place of an older one */
    /* Write over the bytes of an object that is there, keeping its space;
     * close cuts it to what was written.  PAWL_ENOENT if there is none.
     * A store may say PAWL_ENOTSUP. */
    PAWL_STORE_REUSE,
    /* Or'ed to one of the above, a wish: transfers are large and aligned, so
     * caches of the system may be passed by. */
    PAWL_STORE_DIRECT = 16
};

struct pawl_store_entry {
    const char *name; /* last component; borrowed during the callback */
    bool is_dir;      /* or a link to one */
    uint64_t size_bytes;
    int64_t mtime_ns; /* Unix time */
    bool is_link;     /* a symbolic link; the others tell of what it leads to */
};
/* Return nonzero to stop. */
typedef int (*pawl_store_entry_fn)(void *ctx,
                                   const struct pawl_store_entry *entry);

enum pawl_store_rename {
    PAWL_RENAME_REPLACE, /* over what is there, in one step */
    PAWL_RENAME_NEW,     /* PAWL_EEXIST if something is there */
    PAWL_RENAME_EXCHANGE /* both exist, and swap; may be PAWL_ENOTSUP */
};

/* A place for objects with names like "step-10/model.pt", relative, with
 * directories.  All calls block and are safe from several threads on
 * different names. */
struct pawl_store_ops {
    size_t struct_size;
    const char *name; /* what the config's "store" says */
    /* A store rooted at the absolute path `root`, which need not exist.
     * `options_json` as for engines. */
    int (*make)(void **out, const char *root, const char *options_json,
                struct pawl_error *err);
    /* Frees the store; its objects are closed before. */
    void (*free)(void *store);
    /* Opens an object; CREATE makes missing parent directories.
     * `size_hint` is the size to come, or 0: space may be reserved for it, and
     * PAWL_ENOSPC told early.  `size_out` (may be NULL) is the size of an
     * object opened for reading. */
    int (*open)(void *store, const char *name, enum pawl_store_mode mode,
                uint64_t size_hint, void **object, uint64_t *size_out,
                struct pawl_error *err);
    int (*read)(void *object, uint64_t offset, void *dst, size_t len_bytes,
                struct pawl_error *err);
    int (*write)(void *object, uint64_t offset, const void *src,
                 size_t len_bytes, struct pawl_error *err);
    /* Ends with the object, which is gone even on failure.  `durable`: its
     * bytes survive a power cut once this returned 0. */
    int (*close)(void *object, bool durable, struct pawl_error *err);
    /* Calls `fn` for each entry of directory `name` ("" is the root), in any
     * order.  PAWL_ENOENT. */
    int (*list)(void *store, const char *name, pawl_store_entry_fn fn,
                void *ctx, struct pawl_error *err);
    /* Makes a directory and its parents; PAWL_EEXIST if it is there. */
    int (*mkdir)(void *store, const char *name, struct pawl_error *err);
    /* Renames a file or a directory. */
    int (*rename)(void *store, const char *from, const char *to,
                  enum pawl_store_rename how, struct pawl_error *err);
    /* Removes one file or one empty directory. */
    int (*remove)(void *store, const char *name, struct pawl_error *err);
    /* Names made, renamed or removed in directory `name` survive a power cut
     * once this returned 0; so does the directory itself, if this store made
     * or renamed it or a directory above it. */
    int (*sync)(void *store, const char *name, struct pawl_error *err);
    /* May be NULL.  Maps the first `size_bytes` > 0 of an object, which has as
     * many: writable memory of the caller's own (MAP_PRIVATE), which outlives
     * the object and is unmapped by munmap. */
    int (*map)(void *object, size_t size_bytes, void **out,
               struct pawl_error *err);
};

/* ---- the plugin -------------------------------------------------------- */

#define PAWL_PLUGIN_ABI 1

struct pawl_plugin {
    size_t struct_size;                   /* sizeof(struct pawl_plugin) */
    int abi;                              /* PAWL_PLUGIN_ABI */
    const struct pawl_engine_ops *engine; /* each may be NULL */
    const struct pawl_store_ops *store;
    const struct pawl_format_ops *format;
};

typedef const struct pawl_plugin *(*pawl_plugin_entry_fn)(void);

/* Makes an engine of `ops` without a shared object; the config's "engine" is
 * ignored.  `ops` must outlive the engine. */
PAWL_API int pawl_engine_new_with(struct pawl_engine **out,
                                  const struct pawl_engine_ops *ops,
                                  const char *config_json,
                                  struct pawl_error *err);

/* Fills `err` (may be NULL) and returns `code`: what a plugin's functions end
 * with.  printf-like. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
PAWL_API int
pawl_fail(struct pawl_error *err, int code, int sys_errno, const char *format,
          ...);

#ifdef __cplusplus
}
#endif
#endif
