/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_async.c - see engine_async.h
 *
 * Two threads of the engine's own: the drainer, which does all that is behind
 * the copy, in order; and the snapshotter, which makes the copies of a lazy
 * engine, in order.  Order is what keeps staging from deadlock: a file gets
 * blocks only when all files before it have theirs.
 *
 * A checkpoint belongs to the saving thread until commit gives it to the
 * drainer; meanwhile the drainer enters finished files into it.  What both
 * touch (`error`, `files`) is guarded by the engine's lock, which is never
 * held over I/O or while waiting for staging.
 */
#include "engine/engine_async.h"

#include "base/error.h"
#include "engine/lane.h"
#include "engine/making.h"
#include "engine/owner.h"
#include "engine/plan_writer.h"
#include "engine/reading.h"
#include "engine/single_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_MAX = 1024 };

struct async_engine;

/* A checkpoint on its way to the disk. */
struct checkpoint {
    struct async_engine *engine;
    char tag[PAWL_TAG_MAX + 1];
    bool is_skipped; /* too many were pending: nothing is written */
    bool keep;       /* commit it; else forget it */
    struct pawl_making making;
    struct pawl_error error; /* the first failure; code 0: none */
    uint64_t size_bytes;     /* the drainer's */
    uint64_t started_ns;
    bool *is_over; /* set when the drainer is done; may be NULL */
};

/* One file of it. */
struct file_job {
    struct checkpoint *checkpoint;
    struct pawl_transfer *transfer;
    bool is_copied; /* nobody copies any more; guarded by the lock */
    char below[];
};

struct async_engine {
    struct pawl_engine_setup setup;
    uint64_t token;
    struct pawl_reading reading;
    struct pawl_pool *drainer;
    struct pawl_pool *snapshotter; /* NULL unless snapshots are lazy */
    struct checkpoint *making;     /* the saving thread's; or NULL */

    struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint64_t pending;          /* checkpoints that were committed */
        uint64_t snapshots;        /* lazy copies under way */
        struct pawl_error failure; /* not yet told; code 0: none */
    } locked;
};

static void lock(struct async_engine *engine)
{
    pthread_mutex_lock(&engine->locked.lock);
}

static void unlock(struct async_engine *engine)
{
    pthread_mutex_unlock(&engine->locked.lock);
}

static void announce(struct async_engine *engine)
{
    pthread_cond_broadcast(&engine->locked.changed);
}

/* ---- waiting ------------------------------------------------------------ */

struct deadline {
    bool is_never;
    struct timespec at;
};

static struct deadline deadline_in(int64_t timeout_ms)
{
    struct deadline deadline = {.is_never = timeout_ms < 0};
    if (timeout_ms >= 0) {
        uint64_t at = pawl_now_ns() + (uint64_t)timeout_ms * 1000000u;
        deadline.at = (struct timespec){(time_t)(at / 1000000000u),
                                        (long)(at % 1000000000u)};
    }
    return deadline;
}

/* Waits for a change; false when the time is over. */
static bool wait_locked(struct async_engine *engine,
                        const struct deadline *deadline)
{
    if (deadline->is_never) {
        pthread_cond_wait(&engine->locked.changed, &engine->locked.lock);
        return true;
    }
    return pthread_cond_timedwait(&engine->locked.changed, &engine->locked.lock,
                                  &deadline->at) != ETIMEDOUT;
}

/* Until at most `most` checkpoints are pending. */
static int wait_pending(struct async_engine *engine, uint64_t most,
                        int64_t timeout_ms, struct pawl_error *err)
{
    struct deadline deadline = deadline_in(timeout_ms);
    bool in_time = true;
    lock(engine);
    while (engine->locked.pending > most && in_time) {
        in_time = wait_locked(engine, &deadline);
    }
    uint64_t left = engine->locked.pending;
    unlock(engine);
    if (left <= most) {
        return 0;
    }
    return pawl_fail(err, PAWL_ETIMEDOUT, ETIMEDOUT,
                     "%llu checkpoints are still being written after %lld ms",
                     (unsigned long long)left, (long long)timeout_ms);
}

static int wait_snapshots(struct async_engine *engine, int64_t timeout_ms,
                          struct pawl_error *err)
{
    struct deadline deadline = deadline_in(timeout_ms);
    bool in_time = true;
    lock(engine);
    while (engine->locked.snapshots > 0 && in_time) {
        in_time = wait_locked(engine, &deadline);
    }
    bool done = engine->locked.snapshots == 0;
    unlock(engine);
    return done ? 0
                : pawl_fail(err, PAWL_ETIMEDOUT, ETIMEDOUT,
                            "tensors are still being copied after %lld ms",
                            (long long)timeout_ms);
}

/* ---- failures ----------------------------------------------------------- */

/* The first one stays. */
static void fail_checkpoint(struct checkpoint *checkpoint,
                            const struct pawl_error *why)
{
    lock(checkpoint->engine);
    if (checkpoint->error.code == 0) {
        checkpoint->error = *why;
    }
    unlock(checkpoint->engine);
}

static int error_of(struct checkpoint *checkpoint, struct pawl_error *err)
{
    lock(checkpoint->engine);
    struct pawl_error why = checkpoint->error;
    unlock(checkpoint->engine);
    if (why.code < 0 && err != NULL) {
        *err = why;
    }
    return why.code;
}

/* What is to be told to the caller; 0 if nothing is. */
static int take_failure(struct async_engine *engine, struct pawl_error *err)
{
    lock(engine);
    struct pawl_error failure = engine->locked.failure;
    engine->locked.failure.code = 0;
    unlock(engine);
    if (failure.code < 0 && err != NULL) {
        *err = failure;
    }
    return failure.code;
}

/* ---- the drainer -------------------------------------------------------- */

static void log_commit(struct checkpoint *checkpoint, int rc,
                       const struct pawl_error *why)
{
    struct pawl_log *log = checkpoint->engine->setup.log;
    if (rc < 0) {
        pawl_log_line(log, PAWL_LOG_WARNING, "checkpoint '%s' is lost: %s",
                      checkpoint->tag, why->message);
        return;
    }
    double seconds = (double)(pawl_now_ns() - checkpoint->started_ns) / 1e9;
    pawl_log_line(log, PAWL_LOG_INFO,
                  "committed '%s': %.3f GB, durable %.3f s after create",
                  checkpoint->tag, (double)checkpoint->size_bytes / 1e9,
                  seconds);
}

/* Seals and writes one file. */
static void drain_file(void *ctx)
{
    struct file_job *job = ctx;
    struct checkpoint *checkpoint = job->checkpoint;
    struct async_engine *engine = checkpoint->engine;
    struct pawl_written written = {0};
    struct pawl_error err;
    int rc = pawl_transfer_drain(job->transfer, engine->setup.config->durable,
                                 &written, &err);
    if (rc == 0) {
        rc = pawl_making_add(&checkpoint->making, job->below, &written, &err);
    }
    if (rc < 0) {
        fail_checkpoint(checkpoint, &err);
    } else {
        checkpoint->size_bytes += written.size_bytes;
        pawl_meter_saved(engine->setup.meter, written.size_bytes,
                         &written.times);
    }
    lock(engine);
    while (!job->is_copied) {
        pthread_cond_wait(&engine->locked.changed, &engine->locked.lock);
    }
    unlock(engine);
    pawl_transfer_free(job->transfer);
    free(job);
}

/* Whether a caller waits for this one and will tell of its failure itself. */
static void end_checkpoint(struct checkpoint *checkpoint, int rc,
                           const struct pawl_error *why)
{
    struct async_engine *engine = checkpoint->engine;
    lock(engine);
    if (checkpoint->is_over != NULL) {
        *checkpoint->is_over = true;
    } else if (rc < 0 && engine->locked.failure.code == 0) {
        engine->locked.failure = *why;
    }
    uint64_t pending = --engine->locked.pending;
    announce(engine);
    pawl_meter_pending(engine->setup.meter, pending);
    unlock(engine);
    free(checkpoint);
}

/* Publishes or forgets a checkpoint; all its files went before. */
static void end_task(void *ctx)
{
    struct checkpoint *checkpoint = ctx;
    struct async_engine *engine = checkpoint->engine;
    struct pawl_error err = {0};
    uint64_t start = pawl_now_ns();
    int rc = error_of(checkpoint, &err);
    if (!checkpoint->keep || rc < 0) {
        pawl_making_abort(&checkpoint->making);
    } else {
        rc = pawl_making_publish(&checkpoint->making, &engine->reading, &err);
    }
    if (checkpoint->keep) {
        if (rc < 0) {
            pawl_error_prefix(&err, "cannot commit checkpoint '%s'",
                              checkpoint->tag);
        }
        pawl_meter_committed(engine->setup.meter, checkpoint->tag, rc,
                             pawl_now_ns() - start);
        log_commit(checkpoint, rc, &err);
    }
    end_checkpoint(checkpoint, rc, &err);
}

/* ---- life --------------------------------------------------------------- */

static int make_threads(struct async_engine *engine, struct pawl_error *err)
{
    const struct pawl_config *config = engine->setup.config;
    struct pawl_pool_options drainer = {1, QUEUE_MAX, (int)config->nice,
                                        "pawl-drain"};
    struct pawl_pool_options snapshotter = {1, QUEUE_MAX, 0, "pawl-snap"};
    int rc = pawl_pool_new(&engine->drainer, &drainer, err);
    if (rc == 0 && config->snapshot == PAWL_SNAPSHOT_LAZY) {
        rc = pawl_pool_new(&engine->snapshotter, &snapshotter, err);
    }
    return rc;
}

static void async_free(void *impl)
{
    struct async_engine *engine = impl;
    if (engine == NULL) {
        return;
    }
    pawl_pool_free(engine->snapshotter);
    pawl_pool_free(engine->drainer);
    pawl_reading_fini(&engine->reading);
    pthread_cond_destroy(&engine->locked.changed);
    pthread_mutex_destroy(&engine->locked.lock);
    pawl_lane_unref(engine->setup.lane);
    pawl_place_unref(engine->setup.place);
    free(engine);
}

static void init_locked(struct async_engine *engine)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&engine->locked.lock, NULL);
    pthread_cond_init(&engine->locked.changed, &attr);
    pthread_condattr_destroy(&attr);
}

int pawl_engine_async_make(void **out, const struct pawl_engine_setup *setup,
                           struct pawl_error *err)
{
    struct async_engine *engine = calloc(1, sizeof(*engine));
    if (engine == NULL) {
        return pawl_fail_nomem(err);
    }
    engine->setup = *setup;
    engine->setup.lane = NULL;
    engine->token = pawl_owner_token();
    if (setup->place != NULL) {
        pawl_place_ref(setup->place);
    }
    init_locked(engine);
    pawl_reading_init(&engine->reading, &engine->setup, engine->token);
    int rc = pawl_lane_new(&engine->setup.lane, setup->config, err);
    if (rc == 0 && setup->place == NULL) {
        rc = pawl_place_new(&engine->setup.place, NULL, "{}", err);
    }
    if (rc == 0) {
        rc = make_threads(engine, err);
    }
    if (rc < 0) {
        async_free(engine);
        return rc;
    }
    *out = engine;
    return 0;
}

/* ---- create ------------------------------------------------------------- */

/* Whether there is room for one more; waits for it if that is the policy. */
static int make_room(struct async_engine *engine, bool *is_skipped,
                     struct pawl_error *err)
{
    const struct pawl_config *config = engine->setup.config;
    bool skip = config->when_full == PAWL_WHEN_FULL_SKIP;
    int rc = wait_pending(engine, config->max_pending - 1,
                          skip ? 0 : (int64_t)config->write_timeout_ms, err);
    *is_skipped = skip && rc == PAWL_ETIMEDOUT;
    return *is_skipped ? 0 : rc;
}

static int begin_checkpoint(struct checkpoint *checkpoint, const char *save_dir,
                            struct pawl_error *err)
{
    struct async_engine *engine = checkpoint->engine;
    lock(engine);
    bool is_alone = engine->locked.pending == 0;
    unlock(engine);
    return pawl_making_begin(&checkpoint->making, &engine->setup, engine->token,
                             is_alone, save_dir, checkpoint->tag, err);
}

static void note_skipped(struct checkpoint *checkpoint)
{
    struct async_engine *engine = checkpoint->engine;
    pawl_meter_skipped(engine->setup.meter);
    pawl_log_line(engine->setup.log, PAWL_LOG_WARNING,
                  "skipping checkpoint '%s': the one before is still being "
                  "written",
                  checkpoint->tag);
}

static int async_create(void *impl, const char *save_dir, const char *tag,
                        struct pawl_error *err)
{
    struct async_engine *engine = impl;
    bool is_skipped = false;
    int rc = make_room(engine, &is_skipped, err);
    if (rc == 0) {
        rc = take_failure(engine, err);
    }
    if (rc < 0) {
        return rc;
    }
    struct checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));
    if (checkpoint == NULL) {
        return pawl_fail_nomem(err);
    }
    checkpoint->engine = engine;
    checkpoint->is_skipped = is_skipped;
    checkpoint->started_ns = pawl_now_ns();
    memcpy(checkpoint->tag, tag, strlen(tag) + 1);
    if (is_skipped) {
        note_skipped(checkpoint);
    } else {
        rc = begin_checkpoint(checkpoint, save_dir, err);
        if (rc == PAWL_EBUSY) {
            /* Perhaps the same tag is on its way: it is ours to wait for. */
            rc = wait_pending(engine, 0,
                              (int64_t)engine->setup.config->write_timeout_ms,
                              err);
            rc = rc < 0 ? rc : begin_checkpoint(checkpoint, save_dir, err);
        }
    }
    if (rc < 0) {
        free(checkpoint);
        return rc;
    }
    engine->making = checkpoint;
    return 0;
}

/* ---- save --------------------------------------------------------------- */

static int async_makedirs(void *impl, const char *path, bool exist_ok,
                          struct pawl_error *err)
{
    struct async_engine *engine = impl;
    struct pawl_making none = {0};
    if (engine->making != NULL && engine->making->is_skipped) {
        return 0;
    }
    return pawl_making_makedirs(
        engine->making == NULL ? &none : &engine->making->making,
        &engine->setup, path, exist_ok, err);
}

/* Opens the staged file and starts a transfer to it. */
static int start_job(struct file_job **out, struct checkpoint *checkpoint,
                     struct pawl_state *state, const char *below,
                     struct pawl_error *err)
{
    const struct pawl_engine_setup *setup = &checkpoint->engine->setup;
    const char *slash = strrchr(below, '/');
    struct pawl_plan *plan = NULL;
    char *name = NULL;
    struct file_job *job = calloc(1, sizeof(*job) + strlen(below) + 1);
    if (job == NULL) {
        return pawl_fail_nomem(err);
    }
    job->checkpoint = checkpoint;
    memcpy(job->below, below, strlen(below) + 1);
    int rc = pawl_commit_stage(&name, &checkpoint->making.commit, below, err);
    if (rc == 0) {
        rc = pawl_state_plan(&plan, state, setup->format,
                             slash == NULL ? below : slash + 1, err);
    }
    if (rc == 0) {
        rc = pawl_lane_start(&job->transfer, setup->lane, plan,
                             &checkpoint->making.store, name, err);
    }
    free(name);
    if (rc < 0) {
        free(job);
        return rc;
    }
    *out = job;
    return 0;
}

/* All copies of the file are made, or given up: the drainer may free it. */
static int copy_job(struct file_job *job, struct pawl_error *err)
{
    struct async_engine *engine = job->checkpoint->engine;
    int rc = pawl_lane_copy(engine->setup.lane, job->transfer, err);
    lock(engine);
    job->is_copied = true;
    announce(engine);
    unlock(engine);
    return rc;
}

static void snapshot_task(void *ctx)
{
    struct file_job *job = ctx;
    struct async_engine *engine = job->checkpoint->engine;
    copy_job(job, NULL); /* the drainer notes what failed */
    lock(engine);
    engine->locked.snapshots--;
    announce(engine);
    unlock(engine);
}

static int async_save(void *impl, struct pawl_state *state, const char *path,
                      struct pawl_error *err)
{
    struct async_engine *engine = impl;
    struct checkpoint *checkpoint = engine->making;
    if (checkpoint == NULL) {
        struct pawl_written written;
        int rc = pawl_save_single(&engine->setup, engine->token, state, path,
                                  &written, err);
        if (rc == 0) {
            pawl_meter_saved(engine->setup.meter, written.size_bytes,
                             &written.times);
        }
        return rc;
    }
    if (checkpoint->is_skipped) {
        return 0;
    }
    struct file_job *job = NULL;
    int rc = start_job(&job, checkpoint, state,
                       pawl_making_below(&checkpoint->making, path), err);
    if (rc < 0) {
        return rc;
    }
    pawl_pool_submit(engine->drainer, drain_file, job);
    if (engine->snapshotter == NULL) {
        return copy_job(job, err);
    }
    lock(engine);
    engine->locked.snapshots++;
    unlock(engine);
    pawl_pool_submit(engine->snapshotter, snapshot_task, job);
    return 0;
}

/* ---- commit ------------------------------------------------------------- */

/* Gives the checkpoint to the drainer. */
static void submit_end(struct checkpoint *checkpoint)
{
    struct async_engine *engine = checkpoint->engine;
    lock(engine);
    uint64_t pending = ++engine->locked.pending;
    pawl_meter_pending(engine->setup.meter, pending);
    unlock(engine);
    pawl_pool_submit(engine->drainer, end_task, checkpoint);
}

/* Forgetting is waited for: the caller may make the same tag again. */
static void forget(struct checkpoint *checkpoint)
{
    struct async_engine *engine = checkpoint->engine;
    bool is_over = false;
    checkpoint->is_over = &is_over;
    submit_end(checkpoint);
    lock(engine);
    while (!is_over) {
        pthread_cond_wait(&engine->locked.changed, &engine->locked.lock);
    }
    unlock(engine);
}

static int async_commit(void *impl, const char *tag, bool keep,
                        struct pawl_error *err)
{
    struct async_engine *engine = impl;
    struct checkpoint *checkpoint = engine->making;
    engine->making = NULL;
    if (checkpoint->is_skipped) {
        free(checkpoint);
        return 0;
    }
    int rc = keep ? error_of(checkpoint, err) : 0;
    checkpoint->keep = keep && rc == 0;
    if (checkpoint->keep) {
        submit_end(checkpoint);
        return 0;
    }
    forget(checkpoint);
    if (rc < 0) {
        pawl_error_prefix(err, "cannot commit checkpoint '%s'", tag);
        pawl_meter_committed(engine->setup.meter, tag, rc, 0);
    }
    return rc;
}

static int async_wait(void *impl, int what, int64_t timeout_ms,
                      struct pawl_error *err)
{
    struct async_engine *engine = impl;
    if (what == 1) {
        return wait_snapshots(engine, timeout_ms, err);
    }
    int rc = wait_pending(engine, 0, timeout_ms, err);
    return rc < 0 ? rc : take_failure(engine, err);
}

/* ---- reading ------------------------------------------------------------ */

/* What was committed before is what may be opened, so that is waited for. */
static int async_open(void *impl, const char *load_dir, const char *tag,
                      char tag_out[PAWL_TAG_MAX + 1], struct pawl_error *err)
{
    struct async_engine *engine = impl;
    int rc = wait_pending(engine, 0,
                          (int64_t)engine->setup.config->open_timeout_ms, err);
    return rc < 0 ? rc
                  : pawl_reading_open(&engine->reading, engine->making == NULL,
                                      load_dir, tag, tag_out, err);
}

static int async_load(void *impl, const char *path, unsigned flags,
                      struct pawl_state **out, struct pawl_error *err)
{
    struct async_engine *engine = impl;
    return pawl_reading_load(&engine->reading, path, flags, out, err);
}

static int async_close(void *impl, const char *tag, struct pawl_error *err)
{
    struct async_engine *engine = impl;
    (void)tag;
    (void)err;
    pawl_reading_close(&engine->reading);
    return 0;
}

const struct pawl_engine_ops pawl_engine_async = {
    .struct_size = sizeof(struct pawl_engine_ops),
    .name = "async",
    .free = async_free,
    .create = async_create,
    .makedirs = async_makedirs,
    .save = async_save,
    .commit = async_commit,
    .open = async_open,
    .load = async_load,
    .close = async_close,
    .wait = async_wait,
};
