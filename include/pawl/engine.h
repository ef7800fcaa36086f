/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pawl/engine.h - the checkpoint engine: eight calls, and four more
 *
 *     struct pawl_engine *engine = NULL;
 *     pawl_engine_new(&engine, "{\"engine\": \"torch\"}", &err);
 *
 *     pawl_engine_create(engine, "run", "step-10", &err);
 *     pawl_engine_save(engine, state, "run/step-10/model.pt", &err);
 *     pawl_engine_commit(engine, "step-10", &err);
 *
 *     const char *tag = NULL;
 *     pawl_engine_open(&tag, engine, "run", NULL, &err);   the newest, or NULL
 *     pawl_engine_load(&state, engine, "run/step-10/model.pt", 0, &err);
 *     pawl_engine_close(engine, tag, &err);
 *     pawl_engine_free(engine);
 *
 * A checkpoint is a directory `save_dir/tag` of files.  Between create and
 * commit nothing of it can be seen under that name; the commit makes all of it
 * visible at once, or none.  Which engine does the work (files on disk, in
 * memory, one of your own) is a word in the config, and changes none of the
 * promises below.
 *
 * What holds for every engine, whoever wrote it, since pawl_engine_* checks it
 * before the engine is called:
 *
 *   a tag that is empty, longer than 255 bytes, begins with '.', holds '/' or
 *     a NUL or control character, or is "latest"       PAWL_EINVAL, names it
 *   create, while a checkpoint of this engine is open  PAWL_ESTATE
 *   create, while another process makes that tag       PAWL_EBUSY
 *   save or makedirs, between create and commit, of a path that is not below
 *     save_dir/tag (a ".." in it included)             PAWL_EINVAL
 *   two saves to one path                              the second replaces it
 *   the same tag again                                 the old checkpoint
 *     stays whole and readable until the new one is committed
 *   commit or abort of a tag that is not being made    PAWL_ESTATE
 *   a save that failed                                 commit fails too, with
 *     its error; nothing becomes visible
 *   open of NULL or "latest"                           the newest whole
 *     checkpoint; broken ones are skipped, each with a reason in the log; none
 *     at all: 0 and a NULL tag
 *   open of a named tag that is not there              PAWL_ENOENT; that is
 *     broken: PAWL_ECORRUPT or PAWL_EFORMAT, with what is wrong
 *   open of a tag that is being made and was never committed: waits while
 *     this process makes it, `open_timeout_ms` at most, then PAWL_EBUSY;
 *     made by another process                          PAWL_EBUSY at once
 *   open, while one is open                            PAWL_ESTATE
 *   load of a path outside the opened checkpoint       allowed: one file, as
 *     without open; verified against the manifest beside it if there is one
 *   load outside open                                  likewise
 *   save outside create                                one file, atomic
 *   close of a tag that is not open                    PAWL_ESTATE
 *   a missing close                                    freed with the engine,
 *     and logged
 *   a missing commit                                   aborted with the
 *     engine, and logged
 *
 * Threads: create, makedirs, save, commit, abort, open and close of one engine
 * are called by one thread at a time.  load may be called by any number of
 * threads meanwhile; status and wait by any thread at any time.  Engines share
 * nothing, so different engines need no care.
 * Blocking: every call may block on the disk, but wait and open never longer
 * than their timeouts, and no call of engine "async" in a checkpoint longer
 * than `write_timeout_ms` for what is written in the background.
 * Processes: an engine belongs to the process that made it.  In a child of a
 * fork each call is PAWL_ESTATE, and freeing does nothing.
 * Files: docs/durability.md says what is on the disk at each moment and why
 * that survives a crash.
 */
#ifndef PAWL_ENGINE_H
#define PAWL_ENGINE_H

#include <pawl/error.h>
#include <pawl/state.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pawl_engine;

/* Makes an engine from `config_json`, a JSON object; NULL or "" means "{}",
 * which is the engine "async".  docs/config.md lists the keys.  An unknown key
 * is an error that names it and the nearest known one.  Sizes are numbers of
 * bytes or strings like "2GiB". Free it with pawl_engine_free.  PAWL_ECONFIG,
 * PAWL_ENOENT (plugin), PAWL_ENOTSUP (a plugin for another version),
 * PAWL_ENOMEM. */
PAWL_API int pawl_engine_new(struct pawl_engine **out, const char *config_json,
                             struct pawl_error *err);

/* Aborts what was not committed, closes what was not closed, waits (for
 * `close_timeout_ms` of the config at most) for what runs in the background.
 * If that hangs longer, on a dead disk, it is left as it is, with its memory.
 * NULL is fine. */
PAWL_API void pawl_engine_free(struct pawl_engine *engine);

enum pawl_log_level { PAWL_LOG_DEBUG, PAWL_LOG_INFO, PAWL_LOG_WARNING };

/* Called with one line, without newline.  May be called from any thread of the
 * engine, but by one at a time; must not call the engine back. */
typedef void (*pawl_log_fn)(void *ctx, enum pawl_log_level level,
                            const char *line);

/* Where the engine's log goes; NULL (the default): nowhere. */
PAWL_API void pawl_engine_set_log(struct pawl_engine *engine, pawl_log_fn fn,
                                  void *ctx);

enum pawl_event_kind {
    PAWL_EVENT_COMMITTED, /* durable and visible */
    PAWL_EVENT_FAILED,    /* its commit failed, here or in the background */
    PAWL_EVENT_SKIPPED    /* create left it out, since too many were pending */
};

/* What became of a checkpoint; borrowed during the call. */
struct pawl_event {
    size_t struct_size;
    enum pawl_event_kind kind;
    const char *tag;
    const char *message; /* of a failure, or "" */
};

/* Called once for each checkpoint that was committed, failed or skipped, on the
 * thread that found out.  May call pawl_engine_status, nothing else of the
 * engine, and holds up later commits while it runs. */
typedef void (*pawl_event_fn)(void *ctx, const struct pawl_event *event);

/* Where events go; NULL (the default): nowhere. */
PAWL_API void pawl_engine_set_event(struct pawl_engine *engine,
                                    pawl_event_fn fn, void *ctx);

/* Begins checkpoint `tag` below `save_dir`, making `save_dir` if need be, and
 * clears away what dead processes left there.  PAWL_EINVAL, PAWL_ESTATE,
 * PAWL_EBUSY, and what the disk says. */
PAWL_API int pawl_engine_create(struct pawl_engine *engine,
                                const char *save_dir, const char *tag,
                                struct pawl_error *err);

/* Whether checkpoints that are created from now on leave `latest` as it is
 * (`keep` true), or move it when they are committed (false, the default).
 * open finds the newest all the same.  With several ranks the word of rank 0
 * counts.  For the thread that calls create.  PAWL_ENOTSUP with `keep`, if the
 * engine is a plugin's. */
PAWL_API int pawl_engine_keep_latest(struct pawl_engine *engine, bool keep,
                                     struct pawl_error *err);

/* Makes a directory and its parents.  Within the open checkpoint it is made
 * where the checkpoint is being made, so it cannot be seen yet.
 * PAWL_EEXIST if it is there and not `exist_ok`. */
PAWL_API int pawl_engine_makedirs(struct pawl_engine *engine, const char *path,
                                  bool exist_ok, struct pawl_error *err);

/* Takes the state of one file of the open checkpoint; outside create: writes
 * one file, atomically.  On return the caller may change or free the state and
 * its tensors; with `snapshot` "lazy", when fence returned.  What a lazy state
 * still lacks is read.  PAWL_EINVAL (path, or a state that failed),
 * PAWL_ENOTSUP (two dtypes over one storage), and what the disk says. */
PAWL_API int pawl_engine_save(struct pawl_engine *engine,
                              struct pawl_state *state, const char *path,
                              struct pawl_error *err);

/* All files are there: makes the checkpoint durable and visible, and moves
 * `latest`.  A synchronous engine returns when that is done, an asynchronous
 * one when it is scheduled: its outcome comes from wait, or the next call.
 * On failure nothing became visible, the staged files are gone and the engine
 * is ready for the next create. */
PAWL_API int pawl_engine_commit(struct pawl_engine *engine, const char *tag,
                                struct pawl_error *err);

/* Forgets the open checkpoint; its staged files are removed. */
PAWL_API int pawl_engine_abort(struct pawl_engine *engine, const char *tag,
                               struct pawl_error *err);

/* Finds and prepares a checkpoint for reading (see the table above).  Puts to
 * `*out_tag` the tag that it opened, borrowed until close, or NULL.  With
 * `verify` "full" (the default) every file has been read and its checksum
 * compared before this returns; with "size" only sizes and structure. */
PAWL_API int pawl_engine_open(const char **out_tag, struct pawl_engine *engine,
                              const char *load_dir, const char *tag,
                              struct pawl_error *err);

enum pawl_load_flags {
    /* Read the structure only; payload is fetched, and verified, by
     * pawl_storage_read.  The state keeps the file open.  If there is a
     * manifest, the checksum that the file has by its zip directory is held
     * against it, so that no other file is taken for this one. */
    PAWL_LOAD_LAZY = 1,
    /* With LAZY or MAP: compare all bytes with the manifest first, if there is
     * one, as a load that is neither does.  For callers that read all payload,
     * to memory of their own. */
    PAWL_LOAD_VERIFY = 2,
    /* Map the file: storages are memory whose pages are fetched from it when
     * they are touched, so their bytes are not verified.  The structure is:
     * the zip directory, also against the manifest as with LAZY, and data.pkl.
     * What is written to the memory stays in it.  Compressed records, and such
     * as are not aligned to 64 bytes, are read as ever.  The mapping lasts as
     * long as the state's memory, and the file must neither shrink nor be
     * written to meanwhile (as `recycle` does with a checkpoint that retention
     * dropped); a disk that fails is a SIGBUS. PAWL_ENOTSUP: torch's legacy
     * format, or a store that has no files. */
    PAWL_LOAD_MAP = 4
};

/* Reads one file; the caller frees the state.  Everything is verified before
 * it is returned.  PAWL_ENOENT, PAWL_EFORMAT, PAWL_ECORRUPT, PAWL_EIO, ... */
PAWL_API int pawl_engine_load(struct pawl_state **out,
                              struct pawl_engine *engine, const char *path,
                              unsigned flags, struct pawl_error *err);

/* Ends reading and frees what open took.  States that were loaded stay. */
PAWL_API int pawl_engine_close(struct pawl_engine *engine, const char *tag,
                               struct pawl_error *err);

/* Waits until everything committed is durable, `timeout_ms` at most (-1: no
 * limit).  The error of a commit that failed in the background, once.
 * PAWL_ETIMEDOUT. */
PAWL_API int pawl_engine_wait(struct pawl_engine *engine, int64_t timeout_ms,
                              struct pawl_error *err);

/* Waits until every state given to save, and its tensors, may be changed or
 * freed; `write_timeout_ms` at most, then PAWL_ETIMEDOUT.  At once where save
 * copies or writes (all engines but those that snapshot lazily). */
PAWL_API int pawl_engine_fence(struct pawl_engine *engine,
                               struct pawl_error *err);

#define PAWL_TAG_MAX 255

struct pawl_status {
    size_t struct_size; /* set by the caller: sizeof(struct pawl_status) */
    const char *engine; /* its name; static or the engine's */
    char creating[PAWL_TAG_MAX + 1];  /* tag being made, or "" */
    char opened[PAWL_TAG_MAX + 1];    /* tag open for reading, or "" */
    char committed[PAWL_TAG_MAX + 1]; /* last tag this engine committed */
    uint64_t commits;  /* that succeeded, since the engine was made */
    uint64_t failures; /* commits that failed */
    uint64_t files_saved;
    uint64_t bytes_saved; /* of files, as they are on disk */
    uint64_t files_loaded;
    uint64_t bytes_loaded;
    /* Of engines that write in the background; 0 for the others. */
    uint64_t pending; /* checkpoints committed and not yet durable */
    uint64_t skipped; /* left out, since too many were pending */
    /* Nanoseconds, in sum since the engine was made: what the caller spent in
     * create, save and commit; and what the work took, on whatever thread. */
    uint64_t stall_ns;
    uint64_t copy_ns;    /* from tensors to staging */
    uint64_t wait_ns;    /* for staging to become free */
    uint64_t write_ns;   /* of files, the sync included */
    uint64_t publish_ns; /* manifest, rename, latest, retention */
};
#define PAWL_STATUS_INIT                                                       \
    {                                                                          \
        sizeof(struct pawl_status), 0, {0}, {0}, {0}, 0, 0, 0, 0, 0, 0, 0, 0,  \
            0, 0, 0, 0, 0                                                      \
    }

/* What the engine did and does; never blocks on the disk. */
PAWL_API int pawl_engine_status(struct pawl_engine *engine,
                                struct pawl_status *out,
                                struct pawl_error *err);

/* ---- one file, no engine ----------------------------------------------- */

/* Writes `state` to `path` as torch.save does, but atomically and durably:
 * the old file is there, or the new one.  Errors: as pawl_engine_save. */
PAWL_API int pawl_save(struct pawl_state *state, const char *path,
                       struct pawl_error *err);

/* Reads `path`; every byte is verified.  Errors: as pawl_engine_load. */
PAWL_API int pawl_load(struct pawl_state **out, const char *path,
                       unsigned flags, struct pawl_error *err);

#ifdef __cplusplus
}
#endif
#endif
