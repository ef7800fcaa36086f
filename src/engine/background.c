/* SPDX-License-Identifier: Apache-2.0 */
/*
 * background.c - see background.h
 *
 * One lock, `locked.lock`, guards what both threads and the caller touch: the
 * counts, the failures, and the `locked` part of each draft and job.  It is
 * never held over I/O or while waiting for staging.  Lock order: this one, then
 * a transfer's or the meter's.
 */
#include "engine/background.h"

#include "base/error.h"
#include "engine/lane.h"
#include "engine/plan_writer.h"
#include "engine/snapshot_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Files between save and the end of their write, after which save waits; and
 * drafts that are pending, which create keeps below `max_pending`.  Both bound
 * the queues, so that no submit ever waits for a disk that hangs, and the
 * descriptors: two a file, of the 1,024 that a process mostly may have. */
enum { FILES_MAX = 128, DRAFTS_MAX = 128 };

struct file_job;

struct pawl_draft {
    struct pawl_background *background;
    char tag[PAWL_TAG_MAX + 1];
    bool keep;     /* commit it; else forget it ... */
    bool given_up; /* ... since the caller wants to, not for a failure */
    struct pawl_making making;
    uint64_t size_bytes; /* the drainer's */
    uint64_t started_ns;
    struct pawl_draft *next; /* in the list of failures */
    struct {
        struct pawl_error error;   /* the first failure; code 0: none */
        struct file_job *draining; /* a file of it that is written now */
        bool *is_over; /* to be set when the drainer is done; may be NULL */
    } locked;          /* by the background's lock */
};

/* One file of it. */
struct file_job {
    struct pawl_draft *draft;
    struct pawl_transfer *transfer;
    struct pawl_snapshot_check *check; /* NULL: none */
    bool is_copied; /* nobody copies any more; by the background's lock */
    char below[];
};

struct pawl_background {
    const struct pawl_engine_setup *setup;
    struct pawl_reading *reading;
    struct pawl_pool *drainer;
    struct pawl_pool *snapshotter; /* NULL unless snapshots are lazy */

    struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint64_t pending;            /* drafts that the drainer has to end */
        uint64_t files;              /* jobs that are not freed */
        uint64_t snapshots;          /* lazy copies under way */
        struct pawl_draft *failures; /* not yet told, oldest first */
    } locked;
};

static void lock(struct pawl_background *background)
{
    pthread_mutex_lock(&background->locked.lock);
}

static void unlock(struct pawl_background *background)
{
    pthread_mutex_unlock(&background->locked.lock);
}

static void announce(struct pawl_background *background)
{
    pthread_cond_broadcast(&background->locked.changed);
}

/* ---- life --------------------------------------------------------------- */

static void init_locked(struct pawl_background *background)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&background->locked.lock, NULL);
    pthread_cond_init(&background->locked.changed, &attr);
    pthread_condattr_destroy(&attr);
}

int pawl_background_new(struct pawl_background **out,
                        const struct pawl_engine_setup *setup,
                        struct pawl_reading *reading, struct pawl_error *err)
{
    struct pawl_background *background = calloc(1, sizeof(*background));
    if (background == NULL) {
        return pawl_fail_nomem(err);
    }
    background->setup = setup;
    background->reading = reading;
    init_locked(background);
    struct pawl_pool_options drainer = {1, FILES_MAX + DRAFTS_MAX,
                                        (int)setup->config->nice, "pawl-drain"};
    struct pawl_pool_options snapshotter = {1, FILES_MAX, 0, "pawl-snap"};
    int rc = pawl_pool_new(&background->drainer, &drainer, err);
    if (rc == 0 && setup->config->snapshot == PAWL_SNAPSHOT_LAZY) {
        rc = pawl_pool_new(&background->snapshotter, &snapshotter, err);
    }
    if (rc < 0) {
        pawl_background_free(background);
        return rc;
    }
    *out = background;
    return 0;
}

void pawl_background_free(struct pawl_background *background)
{
    if (background == NULL) {
        return;
    }
    pawl_pool_free(background->snapshotter);
    pawl_pool_free(background->drainer);
    while (background->locked.failures != NULL) {
        pawl_background_failure(background, NULL);
    }
    pthread_cond_destroy(&background->locked.changed);
    pthread_mutex_destroy(&background->locked.lock);
    free(background);
}

/* ---- waiting ------------------------------------------------------------ */

/* So that nanoseconds fit: longer is for ever. */
#define TIMEOUT_MS_MAX (INT64_MAX / 1000000)

/* Waits until `*count`, guarded by the lock, is at most `most`.  False when the
 * time is over. */
static bool wait_locked(struct pawl_background *background,
                        const uint64_t *count, uint64_t most,
                        int64_t timeout_ms)
{
    bool is_never = timeout_ms < 0 || timeout_ms > TIMEOUT_MS_MAX;
    uint64_t at = pawl_now_ns();
    at += is_never ? 0 : (uint64_t)timeout_ms * 1000000u;
    struct timespec deadline = {(time_t)(at / 1000000000u),
                                (long)(at % 1000000000u)};
    int error = 0;
    while (*count > most && error != ETIMEDOUT) {
        error = is_never ? pthread_cond_wait(&background->locked.changed,
                                             &background->locked.lock)
                         : pthread_cond_timedwait(&background->locked.changed,
                                                  &background->locked.lock,
                                                  &deadline);
    }
    return *count <= most;
}

int pawl_background_wait(struct pawl_background *background, uint64_t most,
                         int64_t timeout_ms, struct pawl_error *err)
{
    lock(background);
    bool done =
        wait_locked(background, &background->locked.pending, most, timeout_ms);
    uint64_t left = background->locked.pending;
    unlock(background);
    return done ? 0
                : pawl_fail(err, PAWL_ETIMEDOUT, ETIMEDOUT,
                            "%llu checkpoints are still being written after "
                            "%lld ms",
                            (unsigned long long)left, (long long)timeout_ms);
}

int pawl_background_fence(struct pawl_background *background,
                          int64_t timeout_ms, struct pawl_error *err)
{
    lock(background);
    bool done =
        wait_locked(background, &background->locked.snapshots, 0, timeout_ms);
    unlock(background);
    return done ? 0
                : pawl_fail(err, PAWL_ETIMEDOUT, ETIMEDOUT,
                            "tensors are still being copied after %lld ms",
                            (long long)timeout_ms);
}

/* Takes one of the places for files. */
static int take_place(struct pawl_background *background,
                      struct pawl_error *err)
{
    int64_t timeout_ms = (int64_t)background->setup->config->write_timeout_ms;
    lock(background);
    bool done = wait_locked(background, &background->locked.files,
                            FILES_MAX - 1, timeout_ms);
    background->locked.files += done ? 1 : 0;
    unlock(background);
    return done ? 0
                : pawl_fail(err, PAWL_ETIMEDOUT, ETIMEDOUT,
                            "none of %d files was written within %lld ms: the "
                            "disk hangs",
                            FILES_MAX, (long long)timeout_ms);
}

static void leave_place(struct pawl_background *background)
{
    lock(background);
    background->locked.files--;
    announce(background);
    unlock(background);
}

/* ---- failures ----------------------------------------------------------- */

/* The first one stays. */
static void fail_draft(struct pawl_draft *draft, const struct pawl_error *why)
{
    lock(draft->background);
    if (draft->locked.error.code == 0) {
        draft->locked.error = *why;
    }
    unlock(draft->background);
}

static int error_of(struct pawl_draft *draft, struct pawl_error *err)
{
    lock(draft->background);
    struct pawl_error why = draft->locked.error;
    unlock(draft->background);
    if (why.code < 0 && err != NULL) {
        *err = why;
    }
    return why.code;
}

int pawl_background_failure(struct pawl_background *background,
                            struct pawl_error *err)
{
    lock(background);
    struct pawl_draft *oldest = background->locked.failures;
    if (oldest != NULL) {
        background->locked.failures = oldest->next;
    }
    unlock(background);
    int rc = oldest == NULL ? 0 : error_of(oldest, err);
    free(oldest);
    return rc;
}

static void keep_failure_locked(struct pawl_background *background,
                                struct pawl_draft *draft)
{
    struct pawl_draft **end = &background->locked.failures;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = draft;
}

/* ---- the drainer -------------------------------------------------------- */

/* Makes `job` the one that pawl_draft_forget may cut short; cuts it short
 * itself if the draft is lost already. */
static void begin_draining(struct file_job *job)
{
    struct pawl_draft *draft = job->draft;
    lock(draft->background);
    draft->locked.draining = job;
    if (draft->locked.error.code < 0) {
        pawl_transfer_cancel(job->transfer, &draft->locked.error);
    }
    unlock(draft->background);
}

/* Copies end, since each wait for a block does: see lane.h. */
static void end_draining(struct file_job *job)
{
    struct pawl_background *background = job->draft->background;
    lock(background);
    job->draft->locked.draining = NULL;
    while (!job->is_copied) {
        pthread_cond_wait(&background->locked.changed,
                          &background->locked.lock);
    }
    unlock(background);
}

static void free_job(struct file_job *job)
{
    pawl_transfer_free(job->transfer);
    pawl_snapshot_check_free(job->check);
    free(job);
}

/* Seals and writes one file. */
static void drain_file(void *ctx)
{
    struct file_job *job = ctx;
    struct pawl_draft *draft = job->draft;
    struct pawl_background *background = draft->background;
    struct pawl_written written = {0};
    struct pawl_error err;
    begin_draining(job);
    int rc = pawl_transfer_drain(
        job->transfer, background->setup->config->durable, &written, &err);
    end_draining(job);
    if (rc == 0) {
        rc = pawl_making_add(&draft->making, job->below, &written, &err);
    }
    if (rc < 0) {
        fail_draft(draft, &err);
    } else {
        draft->size_bytes += written.size_bytes;
        pawl_meter_saved(background->setup->meter, written.size_bytes,
                         &written.times);
    }
    free_job(job);
    leave_place(background);
}

static void log_commit(struct pawl_draft *draft, int rc,
                       const struct pawl_error *why)
{
    struct pawl_log *log = draft->background->setup->log;
    if (rc < 0) {
        pawl_log_line(log, PAWL_LOG_WARNING, "checkpoint '%s' is lost: %s",
                      draft->tag, why->message);
        return;
    }
    double seconds = (double)(pawl_now_ns() - draft->started_ns) / 1e9;
    pawl_log_line(log, PAWL_LOG_INFO,
                  "committed '%s': %.3f GB, durable %.3f s after create",
                  draft->tag, (double)draft->size_bytes / 1e9, seconds);
}

/* Publishes it or, if it is lost, forgets it. */
static int publish(struct pawl_draft *draft)
{
    const struct pawl_engine_setup *setup = draft->background->setup;
    struct pawl_error err = {0};
    uint64_t start = pawl_now_ns();
    int rc = error_of(draft, &err);
    if (rc < 0) {
        pawl_making_abort(&draft->making, &err);
        pawl_agreement_sign(setup->agreement, &err);
    } else {
        rc = pawl_making_publish(&draft->making, draft->background->reading,
                                 &err);
    }
    if (rc < 0) {
        pawl_error_prefix(&err, "cannot commit checkpoint '%s'", draft->tag);
    }
    log_commit(draft, rc, &err);
    if (rc < 0) {
        pawl_meter_failed(setup->meter, draft->tag, &err);
    } else {
        pawl_meter_committed(setup->meter, draft->tag, pawl_now_ns() - start);
    }
    draft->locked.error = err; /* nobody else has the draft any more */
    return rc;
}

/* The end of a draft; all its files went before. */
static void end_draft(void *ctx)
{
    struct pawl_draft *draft = ctx;
    struct pawl_background *background = draft->background;
    int rc = 0;
    if (draft->keep) {
        rc = publish(draft);
    } else {
        pawl_making_abort(&draft->making,
                          draft->given_up ? NULL : &draft->locked.error);
    }
    lock(background);
    if (rc < 0) {
        keep_failure_locked(background, draft);
    }
    if (draft->locked.is_over != NULL) {
        *draft->locked.is_over = true;
    }
    background->locked.pending--;
    pawl_meter_pending(background->setup->meter, background->locked.pending);
    announce(background);
    unlock(background);
    if (rc == 0) {
        free(draft);
    }
}

static void submit_end(struct pawl_draft *draft)
{
    struct pawl_background *background = draft->background;
    lock(background);
    background->locked.pending++;
    pawl_meter_pending(background->setup->meter, background->locked.pending);
    unlock(background);
    pawl_pool_submit(background->drainer, end_draft, draft);
}

/* ---- drafts ------------------------------------------------------------- */

int pawl_draft_new(struct pawl_draft **out, struct pawl_background *background,
                   uint64_t token, const char *save_dir, const char *tag,
                   struct pawl_error *err)
{
    struct pawl_draft *draft = calloc(1, sizeof(*draft));
    if (draft == NULL) {
        return pawl_fail_nomem(err);
    }
    draft->background = background;
    draft->started_ns = pawl_now_ns();
    memcpy(draft->tag, tag, strlen(tag) + 1);
    lock(background);
    bool is_alone = background->locked.pending == 0;
    unlock(background);
    int rc = pawl_making_begin(&draft->making, background->setup, token,
                               is_alone, save_dir, tag, err);
    if (rc < 0) {
        free(draft);
        return rc;
    }
    *out = draft;
    return 0;
}

struct pawl_making *pawl_draft_making(struct pawl_draft *draft)
{
    return &draft->making;
}

/* Opens the staged file and starts a transfer of `plan`, which is taken over,
 * to it. */
static int start_transfer(struct file_job *job, struct pawl_plan *plan,
                          struct pawl_error *err)
{
    const struct pawl_engine_setup *setup = job->draft->background->setup;
    struct pawl_making *making = &job->draft->making;
    char *name = NULL;
    int rc = pawl_commit_stage(&name, &making->commit, job->below, err);
    if (rc < 0) {
        pawl_plan_free(plan);
        return rc;
    }
    rc = pawl_lane_start(&job->transfer, setup->lane, plan, &making->store,
                         name, err);
    free(name);
    if (rc == 0 && job->check != NULL) {
        pawl_transfer_check(job->transfer, job->check);
    }
    return rc;
}

static int start_job(struct file_job **out, struct pawl_draft *draft,
                     struct pawl_state *state, const char *below,
                     struct pawl_error *err)
{
    const struct pawl_engine_setup *setup = draft->background->setup;
    const char *slash = strrchr(below, '/');
    struct pawl_plan *plan = NULL;
    struct file_job *job = calloc(1, sizeof(*job) + strlen(below) + 1);
    if (job == NULL) {
        return pawl_fail_nomem(err);
    }
    job->draft = draft;
    memcpy(job->below, below, strlen(below) + 1);
    int rc = pawl_state_plan(&plan, state, setup->format,
                             slash == NULL ? below : slash + 1, err);
    if (rc == 0 && setup->config->check_snapshots &&
        draft->background->snapshotter != NULL) {
        rc = pawl_snapshot_check_new(&job->check, plan, err);
    }
    if (rc == 0) {
        rc = start_transfer(job, plan, err);
        plan = NULL;
    }
    if (rc < 0) {
        pawl_plan_free(plan);
        free_job(job);
        return rc;
    }
    *out = job;
    return 0;
}

/* All copies of the file are made, or given up: the drainer may free it. */
static int copy_job(struct file_job *job, struct pawl_error *err)
{
    struct pawl_background *background = job->draft->background;
    int rc = pawl_lane_copy(background->setup->lane, job->transfer, err);
    lock(background);
    job->is_copied = true;
    announce(background);
    unlock(background);
    return rc;
}

/* A task of the snapshotter.  The drainer notes a failure of the copy itself.
 */
static void snapshot(void *ctx)
{
    struct file_job *job = ctx;
    struct pawl_draft *draft = job->draft;
    struct pawl_background *background = draft->background;
    struct pawl_error err;
    int rc = pawl_lane_copy(background->setup->lane, job->transfer, NULL);
    if (rc == 0 && job->check != NULL &&
        pawl_snapshot_check_compare(job->check, draft->tag, job->below, &err) <
            0) {
        fail_draft(draft, &err);
    }
    lock(background);
    job->is_copied = true;
    background->locked.snapshots--;
    announce(background);
    unlock(background);
}

int pawl_draft_save(struct pawl_draft *draft, struct pawl_state *state,
                    const char *below, struct pawl_error *err)
{
    struct pawl_background *background = draft->background;
    struct file_job *job = NULL;
    int rc = error_of(draft, err);
    if (rc == 0) {
        rc = take_place(background, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = start_job(&job, draft, state, below, err);
    if (rc < 0) {
        leave_place(background);
        return rc;
    }
    pawl_pool_submit(background->drainer, drain_file, job);
    if (background->snapshotter == NULL) {
        return copy_job(job, err);
    }
    lock(background);
    background->locked.snapshots++;
    unlock(background);
    pawl_pool_submit(background->snapshotter, snapshot, job);
    return 0;
}

int pawl_draft_commit(struct pawl_draft *draft, struct pawl_error *err)
{
    struct pawl_error why;
    int rc = error_of(draft, &why);
    if (rc < 0) {
        const struct pawl_agreement *agreement =
            draft->background->setup->agreement;
        pawl_draft_forget(draft, &why, NULL);
        pawl_agreement_sign(agreement, &why);
        return pawl_error_copy(err, &why);
    }
    draft->keep = true;
    submit_end(draft);
    return 0;
}

/* What is under way need not be finished. */
static void give_up(struct pawl_draft *draft, const struct pawl_error *why)
{
    struct pawl_error forgotten;
    draft->given_up = why->code >= 0;
    if (draft->given_up) {
        pawl_fail(&forgotten, PAWL_ESTATE, 0, "checkpoint '%s' was forgotten",
                  draft->tag);
        why = &forgotten;
    }
    fail_draft(draft, why);
    lock(draft->background);
    if (draft->locked.draining != NULL) {
        pawl_transfer_cancel(draft->locked.draining->transfer, why);
    }
    unlock(draft->background);
}

int pawl_draft_forget(struct pawl_draft *draft, const struct pawl_error *why,
                      struct pawl_error *err)
{
    struct pawl_background *background = draft->background;
    int64_t timeout_ms = (int64_t)background->setup->config->write_timeout_ms;
    char tag[PAWL_TAG_MAX + 1];
    bool is_over = false;
    memcpy(tag, draft->tag, sizeof(tag));
    give_up(draft, why);
    draft->locked.is_over = &is_over;
    submit_end(draft);
    lock(background);
    /* Drafts end in order and this is the last: none is left when it ends. */
    wait_locked(background, &background->locked.pending, 0, timeout_ms);
    if (!is_over) {
        draft->locked.is_over = NULL;
    }
    bool done = is_over;
    unlock(background);
    return done ? 0
                : pawl_fail(err, PAWL_ETIMEDOUT, ETIMEDOUT,
                            "checkpoint '%s' is still being forgotten after "
                            "%lld ms: the disk hangs",
                            tag, (long long)timeout_ms);
}
