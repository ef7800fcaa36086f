/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pawl/inspect.h - what lies in a directory of checkpoints, and is it whole?
 *
 * For people and scripts that look after checkpoints: the `pawl` command is
 * made of it.  Nothing here changes anything on the disk.  All calls block, and
 * are safe from several threads.
 */
#ifndef PAWL_INSPECT_H
#define PAWL_INSPECT_H

#include <pawl/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum pawl_checkpoint_state {
    PAWL_CHECKPOINT_COMMITTED, /* has a manifest, and its files have the sizes
                                  that it says */
    PAWL_CHECKPOINT_UNSIGNED,  /* has none: others wrote it */
    PAWL_CHECKPOINT_BROKEN,    /* `reason` says why */
    PAWL_CHECKPOINT_MAKING     /* not committed; `reason` says who makes it */
};

/* Borrowed during the callback. */
struct pawl_checkpoint {
    size_t struct_size;
    const char *tag;
    enum pawl_checkpoint_state state;
    const char *reason;   /* or "" */
    uint64_t sequence;    /* its number in the directory; 0 if unsigned */
    int64_t time_unix_ms; /* of the commit; if unsigned: of its newest file */
    uint64_t size_bytes;  /* of its files */
    uint64_t file_count;
    uint32_t world_size; /* ranks that wrote it; 0 if unsigned */
    bool is_latest;      /* `latest` names it */
    uint32_t part;       /* which part of it this is, from 0 ... */
    uint32_t parts;      /* ... of how many, on as many nodes; 0: it is all */
};

/* Return nonzero to stop. */
typedef int (*pawl_checkpoint_fn)(void *ctx,
                                  const struct pawl_checkpoint *checkpoint);

/* Calls `fn` for each checkpoint below `dir`, the newest first, in the order in
 * which an engine's open tries them; broken ones and those in the making come
 * last.  Sizes and structure are looked at, not every byte.  PAWL_ENOENT,
 * PAWL_ENOMEM, and what the disk says. */
PAWL_API int pawl_checkpoint_list(const char *dir, pawl_checkpoint_fn fn,
                                  void *ctx, struct pawl_error *err);

/* What pawl_verify tells; each may be NULL. */
struct pawl_verify_listener {
    size_t struct_size;
    /* A file was read: whole if `why` is NULL, else what is wrong with it. */
    void (*file)(void *ctx, const char *path, uint64_t size_bytes,
                 const struct pawl_error *why);
    /* So far, of all that must be read (0: not known). */
    void (*progress)(void *ctx, uint64_t done_bytes, uint64_t total_bytes);
    void *ctx;
};

/* Reads every byte of `path`, which is a file or a checkpoint's directory, and
 * compares all checksums that there are: the manifest's, and those within the
 * files.  Goes on after a file that is damaged.  0: all is whole.
 * PAWL_ECORRUPT, PAWL_EFORMAT: the first thing that is not.  PAWL_ENOENT, and
 * what the disk says. */
PAWL_API int pawl_verify(const char *path,
                         const struct pawl_verify_listener *listener,
                         struct pawl_error *err);

#ifdef __cplusplus
}
#endif
#endif
