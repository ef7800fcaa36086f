/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.c - the contract: what pawl/engine.h promises of every engine
 *
 * Each call checks its arguments and the order of calls, passes a path that is
 * absolute and a tag that is good to the engine's table, and keeps the books.
 * The state below `locked` is changed before and after a call of the table,
 * never during one: the lock is not held over I/O.
 *
 *              create                     commit, abort
 *     idle  ------------->  making a tag  ------------->  idle
 *              open (found one)           close
 *     idle  ------------->  reading a tag ------------->  idle
 *
 * The two are independent of each other.
 */
#include "engine/engine.h"

#include "base/log.h"
#include "base/path.h"
#include "comm/agreement.h"
#include "engine/config.h"
#include "engine/registry.h"
#include "state/value.h"

#include <errno.h>
#include <pawl/pawl.h>
#include <pawl/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct pawl_engine {
    struct pawl_config config;
    struct pawl_registry_pick pick;
    const struct pawl_engine_ops *ops; /* pick.engine */
    struct pawl_place *place;
    struct pawl_agreement agreement;
    void *impl;
    bool keeps_latest; /* checkpoints that are created now leave it alone */
    pid_t owner;       /* the process that made it */
    struct pawl_log log;
    struct pawl_meter meter;

    struct {
        pthread_mutex_t lock;
        char *making_dir; /* save_dir/tag while a checkpoint is made */
        char *making_save_dir;
        struct pawl_error save_error; /* the first save that failed, or 0 */
        struct pawl_status status;
    } locked;
};

static void lock(struct pawl_engine *engine)
{
    pthread_mutex_lock(&engine->locked.lock);
}

static void unlock(struct pawl_engine *engine)
{
    pthread_mutex_unlock(&engine->locked.lock);
}

/* ---- life --------------------------------------------------------------- */

/* For the table, which knows nothing of struct pawl_log. */
static void log_for_table(void *ctx, enum pawl_log_level level,
                          const char *line)
{
    pawl_log_line(ctx, level, "%s", line);
}

/* A store that the config asks for; else the engine has its own. */
static int make_place(struct pawl_engine *engine, struct pawl_error *err)
{
    if (engine->place != NULL) {
        return 0;
    }
    if (engine->pick.store_in_memory) {
        return pawl_place_new_memory(&engine->place, err);
    }
    return engine->pick.store == NULL
               ? 0
               : pawl_place_new(&engine->place, engine->pick.store,
                                engine->config.options, err);
}

/* Several ranks need a directory that all of them see, and must do the same. */
static int check_ranks(struct pawl_engine *engine, struct pawl_error *err)
{
    const char *cause = NULL;
    if (pawl_agreement_is_alone(&engine->agreement)) {
        return 0;
    }
    if (engine->pick.make == NULL) {
        cause = "is a plugin's, which knows nothing of them";
    } else if (engine->pick.store_in_memory ||
               strcmp(engine->pick.engine_name, "memory") == 0) {
        cause = "keeps files in the memory of each alone";
    } else if (engine->config.when_full == PAWL_WHEN_FULL_SKIP) {
        cause = "cannot \"skip\" a checkpoint on some of them: set "
                "'when_full' to \"wait\"";
    }
    return cause == NULL
               ? 0
               : pawl_fail(err, PAWL_ENOTSUP, 0, "%u ranks: engine '%s' %s",
                           engine->agreement.comm.size,
                           engine->pick.engine_name, cause);
}

static int make_impl(struct pawl_engine *engine, struct pawl_error *err)
{
    int rc = check_ranks(engine, err);
    if (rc < 0) {
        return rc;
    }
    if (engine->pick.make == NULL) {
        return engine->ops->make(&engine->impl, engine->config.options,
                                 log_for_table, &engine->log, err);
    }
    if (strcmp(engine->config.options, "{}") != 0 &&
        engine->pick.store == NULL) {
        return pawl_fail(err, PAWL_ECONFIG, 0,
                         "config: engine '%s' takes no 'options'",
                         engine->pick.engine_name);
    }
    rc = make_place(engine, err);
    struct pawl_engine_setup setup = {
        .config = &engine->config,
        .log = &engine->log,
        .meter = &engine->meter,
        .place = engine->place,
        .format = engine->pick.format,
        .agreement = &engine->agreement,
        .keeps_latest = &engine->keeps_latest,
    };
    return rc < 0 ? rc : engine->pick.make(&engine->impl, &setup, err);
}

static void free_parts(struct pawl_engine *engine)
{
    pawl_place_unref(engine->place);
    pawl_comm_fini(&engine->agreement.comm);
    pawl_registry_fini(&engine->pick);
    pawl_config_fini(&engine->config);
    pawl_meter_fini(&engine->meter);
    pawl_log_fini(&engine->log);
    pthread_mutex_destroy(&engine->locked.lock);
    free(engine->locked.making_dir);
    free(engine->locked.making_save_dir);
    free(engine);
}

/* Takes `comm` over, also on failure. */
static int new_engine(struct pawl_engine **out,
                      const struct pawl_engine_ops *ops,
                      struct pawl_place *place, struct pawl_comm comm,
                      const char *config_json, struct pawl_error *err)
{
    struct pawl_engine *engine = calloc(1, sizeof(*engine));
    if (engine == NULL) {
        pawl_comm_fini(&comm);
        return pawl_fail_nomem(err);
    }
    engine->agreement.comm = comm;
    engine->owner = getpid();
    pawl_log_init(&engine->log, NULL, NULL);
    pthread_mutex_init(&engine->locked.lock, NULL);
    pawl_meter_init(&engine->meter);
    engine->place = place == NULL ? NULL : pawl_place_ref(place);
    int rc = pawl_config_parse(&engine->config, config_json, err);
    if (rc == 0) {
        rc = pawl_registry_find(&engine->pick, &engine->config, ops, err);
    }
    if (rc == 0) {
        engine->agreement.timeout_ms = (int64_t)engine->config.rank_timeout_ms;
        engine->ops = &engine->pick.engine;
        engine->locked.status.engine = engine->pick.engine_name;
        rc = make_impl(engine, err);
    }
    if (rc < 0) {
        free_parts(engine);
        return rc;
    }
    *out = engine;
    return 0;
}

int pawl_engine_new(struct pawl_engine **out, const char *config_json,
                    struct pawl_error *err)
{
    return new_engine(out, NULL, NULL, pawl_comm_self(), config_json, err);
}

int pawl_engine_new_with(struct pawl_engine **out,
                         const struct pawl_engine_ops *ops,
                         const char *config_json, struct pawl_error *err)
{
    return new_engine(out, ops, NULL, pawl_comm_self(), config_json, err);
}

int pawl_engine_new_at(struct pawl_engine **out, struct pawl_place *place,
                       const char *config_json, struct pawl_error *err)
{
    return new_engine(out, NULL, place, pawl_comm_self(), config_json, err);
}

int pawl_engine_new_ranks_at(struct pawl_engine **out, struct pawl_place *place,
                             const char *config_json,
                             const struct pawl_comm *comm,
                             struct pawl_error *err)
{
    struct pawl_comm taken = comm == NULL ? (struct pawl_comm){0} : *comm;
    int rc = pawl_comm_check(comm, err);
    if (rc < 0) {
        pawl_comm_fini(&taken);
        return rc;
    }
    return new_engine(out, NULL, place, taken, config_json, err);
}

int pawl_engine_new_ranks(struct pawl_engine **out, const char *config_json,
                          const struct pawl_comm *comm, struct pawl_error *err)
{
    return pawl_engine_new_ranks_at(out, NULL, config_json, comm, err);
}

void pawl_engine_set_log(struct pawl_engine *engine, pawl_log_fn fn, void *ctx)
{
    if (getpid() == engine->owner) { /* else the lock may be held for ever */
        pawl_log_set(&engine->log, fn, ctx);
    }
}

void pawl_engine_set_event(struct pawl_engine *engine, pawl_event_fn fn,
                           void *ctx)
{
    pawl_meter_listen(&engine->meter, fn, ctx);
}

/* Ends what the caller left open, and says so.  False if something still runs
 * in the background after the deadline. */
static bool finish(struct pawl_engine *engine)
{
    struct pawl_status status = PAWL_STATUS_INIT;
    struct pawl_error err;
    pawl_engine_status(engine, &status, NULL);
    if (status.creating[0] != '\0') {
        pawl_log_line(&engine->log, PAWL_LOG_WARNING,
                      "checkpoint '%s' was never committed: it is forgotten",
                      status.creating);
        pawl_engine_abort(engine, status.creating, NULL);
    }
    if (status.opened[0] != '\0') {
        pawl_log_line(&engine->log, PAWL_LOG_WARNING,
                      "checkpoint '%s' was never closed", status.opened);
        pawl_engine_close(engine, status.opened, NULL);
    }
    int rc = pawl_engine_wait(engine, (int64_t)engine->config.close_timeout_ms,
                              &err);
    if (rc < 0) {
        pawl_log_line(&engine->log, PAWL_LOG_WARNING, "%s", err.message);
    }
    return rc != PAWL_ETIMEDOUT;
}

void pawl_engine_free(struct pawl_engine *engine)
{
    if (engine == NULL) {
        return;
    }
    /* After a fork the child has a copy, whose checkpoint is the parent's.
     * And threads that hang on a dead disk cannot be ended, only left. */
    if (getpid() != engine->owner) {
        return;
    }
    if (!finish(engine)) {
        pawl_log_set(&engine->log, NULL, NULL); /* its owner may go */
        return;
    }
    if (engine->ops->free != NULL) {
        engine->ops->free(engine->impl);
    }
    free_parts(engine);
}

/* ---- making ------------------------------------------------------------- */

/* Threads do not survive a fork, and a tag has one maker. */
static int check_process(struct pawl_engine *engine, struct pawl_error *err)
{
    if (getpid() == engine->owner) {
        return 0;
    }
    return pawl_fail(err, PAWL_ESTATE, 0,
                     "this engine belongs to the process that made it, %ld: "
                     "after a fork, make one of your own",
                     (long)engine->owner);
}

static int check_idle(struct pawl_engine *engine, const char *tag,
                      struct pawl_error *err)
{
    int rc = 0;
    lock(engine);
    if (engine->locked.making_dir != NULL) {
        rc = pawl_fail(err, PAWL_ESTATE, 0,
                       "cannot create checkpoint '%s' while '%s' is not "
                       "committed",
                       tag, engine->locked.status.creating);
    }
    unlock(engine);
    return rc;
}

/* Takes the two strings over. */
static void begin_making(struct pawl_engine *engine, const char *tag,
                         char *save_dir, char *dir)
{
    lock(engine);
    engine->locked.making_save_dir = save_dir;
    engine->locked.making_dir = dir;
    engine->locked.save_error = (struct pawl_error){0};
    snprintf(engine->locked.status.creating,
             sizeof(engine->locked.status.creating), "%s", tag);
    unlock(engine);
}

static void end_making(struct pawl_engine *engine)
{
    lock(engine);
    free(engine->locked.making_save_dir);
    free(engine->locked.making_dir);
    engine->locked.making_save_dir = NULL;
    engine->locked.making_dir = NULL;
    engine->locked.status.creating[0] = '\0';
    unlock(engine);
}

int pawl_engine_keep_latest(struct pawl_engine *engine, bool keep,
                            struct pawl_error *err)
{
    if (keep && engine->pick.make == NULL) {
        return pawl_fail(err, PAWL_ENOTSUP, 0,
                         "engine '%s' decides itself about 'latest'",
                         engine->pick.engine_name);
    }
    engine->keeps_latest = keep;
    return 0;
}

/* What create does on this rank; the strings are the caller's to free. */
static int create(struct pawl_engine *engine, const char *save_dir,
                  const char *tag, char **absolute, char **dir,
                  struct pawl_error *err)
{
    int rc = pawl_tag_check(tag, err);
    if (rc == 0) {
        rc = check_idle(engine, tag, err);
    }
    if (rc == 0) {
        rc = pawl_path_absolute(absolute, save_dir, err);
    }
    if (rc == 0) {
        rc = pawl_path_join(dir, strcmp(*absolute, "/") == 0 ? "" : *absolute,
                            tag, err);
    }
    if (rc == 0) {
        uint64_t start = pawl_now_ns();
        rc = engine->ops->create(engine->impl, *absolute, tag, err);
        pawl_meter_stalled(&engine->meter, pawl_now_ns() - start);
    }
    return rc;
}

int pawl_engine_create(struct pawl_engine *engine, const char *save_dir,
                       const char *tag, struct pawl_error *err)
{
    char *absolute = NULL;
    char *dir = NULL;
    int rc = check_process(engine, err);
    if (rc < 0) {
        return rc;
    }
    uint64_t round = engine->agreement.creates;
    rc = create(engine, save_dir, tag, &absolute, &dir, err);
    if (rc < 0 && !pawl_agreement_is_alone(&engine->agreement) &&
        engine->agreement.creates == round) {
        rc = pawl_agreement_create(&engine->agreement, tag == NULL ? "" : tag,
                                   rc, NULL, err);
    }
    if (rc < 0) {
        free(absolute);
        free(dir);
        return rc;
    }
    begin_making(engine, tag, absolute, dir);
    return 0;
}

/* Makes `path` absolute and, while a checkpoint is made, checks that it lies
 * below it; its own directory is allowed if `dir_too`.  1 while one is made, 0
 * otherwise, or an error. */
static int resolve(char **out, struct pawl_engine *engine, const char *path,
                   bool dir_too, struct pawl_error *err)
{
    char *absolute = NULL;
    int rc = check_process(engine, err);
    if (rc == 0) {
        rc = pawl_path_absolute(&absolute, path, err);
    }
    if (rc < 0) {
        return rc;
    }
    lock(engine);
    const char *dir = engine->locked.making_dir;
    if (dir != NULL) {
        rc = 1;
        if (pawl_path_below(absolute, dir) == NULL &&
            !(dir_too && strcmp(absolute, dir) == 0)) {
            rc = pawl_fail(err, PAWL_EINVAL, 0,
                           "'%s' does not lie in the open checkpoint '%s'",
                           path, engine->locked.status.creating);
        }
    }
    unlock(engine);
    if (rc < 0) {
        free(absolute);
        return rc;
    }
    *out = absolute;
    return rc;
}

/* The default of `makedirs`: as `mkdir -p`. */
static int make_local_dirs(char *path, bool exist_ok, struct pawl_error *err)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int made = mkdir(path, 0777);
        int cause = errno;
        *slash = '/';
        if (made < 0 && cause != EEXIST) {
            return pawl_fail_sys(err, cause, "cannot make directory '%s'",
                                 path);
        }
    }
    if (mkdir(path, 0777) < 0 && !(errno == EEXIST && exist_ok)) {
        return pawl_fail_sys(err, errno, "cannot make directory '%s'", path);
    }
    return 0;
}

int pawl_engine_makedirs(struct pawl_engine *engine, const char *path,
                         bool exist_ok, struct pawl_error *err)
{
    char *absolute = NULL;
    int rc = resolve(&absolute, engine, path, true, err);
    if (rc >= 0) {
        rc = engine->ops->makedirs == NULL
                 ? make_local_dirs(absolute, exist_ok, err)
                 : engine->ops->makedirs(engine->impl, absolute, exist_ok, err);
    }
    free(absolute);
    return rc;
}

static uint64_t payload_bytes(const struct pawl_state *state)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < state->storage_count; i++) {
        sum += state->storages[i]->len_bytes;
    }
    return sum;
}

/* A save that failed fails the commit, whatever the reason: the caller asked
 * for a checkpoint with that file in it. */
static void remember_failure(struct pawl_engine *engine,
                             const struct pawl_error *why)
{
    lock(engine);
    if (engine->locked.making_dir != NULL &&
        engine->locked.save_error.code == 0) {
        engine->locked.save_error = *why;
    }
    unlock(engine);
}

static void count_save(struct pawl_engine *engine,
                       const struct pawl_state *state)
{
    if (engine->pick.make == NULL) { /* it has no meter: what is known */
        pawl_meter_saved(&engine->meter, payload_bytes(state),
                         &(struct pawl_file_times){0});
    }
}

int pawl_engine_save(struct pawl_engine *engine, struct pawl_state *state,
                     const char *path, struct pawl_error *err)
{
    struct pawl_error why = {0};
    char *absolute = NULL;
    int rc = resolve(&absolute, engine, path, false, &why);
    if (rc >= 0 && state == NULL) {
        rc = pawl_fail(&why, PAWL_EINVAL, 0,
                       "there is no state to save as "
                       "'%s'",
                       path);
    }
    if (rc >= 0) {
        rc = pawl_state_status(state, &why);
    }
    if (rc >= 0) {
        uint64_t start = pawl_now_ns();
        rc = engine->ops->save(engine->impl, state, absolute, &why);
        pawl_meter_stalled(&engine->meter, pawl_now_ns() - start);
    }
    free(absolute);
    if (rc < 0) {
        remember_failure(engine, &why);
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    count_save(engine, state);
    return 0;
}

/* Whether `tag` is what is being made. */
static int check_making(struct pawl_engine *engine, const char *what,
                        const char *tag, struct pawl_error *err)
{
    int rc = check_process(engine, err);
    if (rc < 0) {
        return rc;
    }
    lock(engine);
    const char *making = engine->locked.status.creating;
    if (tag == NULL || making[0] == '\0' || strcmp(making, tag) != 0) {
        rc = pawl_fail(err, PAWL_ESTATE, 0,
                       "cannot %s checkpoint '%s': it is not being made", what,
                       tag == NULL ? "" : tag);
    }
    unlock(engine);
    return rc;
}

static void count_commit(struct pawl_engine *engine, const char *tag, int rc,
                         const struct pawl_error *why)
{
    if (rc < 0) {
        pawl_meter_failed(&engine->meter, tag, why);
    } else {
        pawl_meter_committed(&engine->meter, tag, 0);
    }
}

int pawl_engine_commit(struct pawl_engine *engine, const char *tag,
                       struct pawl_error *err)
{
    char copy[PAWL_TAG_MAX + 1]; /* `tag` may be status.creating's text */
    int rc = check_making(engine, "commit", tag, err);
    if (rc < 0) {
        return rc;
    }
    snprintf(copy, sizeof(copy), "%s", tag);
    lock(engine);
    struct pawl_error why = engine->locked.save_error;
    unlock(engine);

    bool is_lost = why.code < 0;
    if (is_lost) {
        struct pawl_error reason = why;
        engine->ops->commit(engine->impl, copy, false, &reason);
        pawl_error_prefix(&why, "cannot commit checkpoint '%s'", copy);
        rc = why.code;
    } else {
        uint64_t start = pawl_now_ns();
        rc = engine->ops->commit(engine->impl, copy, true, &why);
        pawl_meter_stalled(&engine->meter, pawl_now_ns() - start);
    }
    end_making(engine);
    if (is_lost || engine->pick.make == NULL) { /* else it counts itself */
        count_commit(engine, copy, rc, &why);
    }
    return rc < 0 ? pawl_error_copy(err, &why) : 0;
}

int pawl_engine_abort(struct pawl_engine *engine, const char *tag,
                      struct pawl_error *err)
{
    int rc = check_making(engine, "abort", tag, err);
    if (rc < 0) {
        return rc;
    }
    struct pawl_error why = {0};
    rc = engine->ops->commit(engine->impl, tag, false, &why);
    end_making(engine);
    return rc < 0 ? pawl_error_copy(err, &why) : 0;
}

/* ---- reading ------------------------------------------------------------ */

static int check_none_open(struct pawl_engine *engine, struct pawl_error *err)
{
    int rc = 0;
    lock(engine);
    if (engine->locked.status.opened[0] != '\0') {
        rc = pawl_fail(err, PAWL_ESTATE, 0,
                       "cannot open a checkpoint while '%s' is not closed",
                       engine->locked.status.opened);
    }
    unlock(engine);
    return rc;
}

/* Whether this engine makes `tag` in `dir` now. */
static bool is_making(struct pawl_engine *engine, const char *dir,
                      const char *tag)
{
    lock(engine);
    bool making = engine->locked.making_dir != NULL &&
                  strcmp(engine->locked.making_save_dir, dir) == 0 &&
                  strcmp(engine->locked.status.creating, tag) == 0;
    unlock(engine);
    return making;
}

static void sleep_ms(uint64_t ms)
{
    struct timespec pause = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL); /* woken early: we only look once more */
}

/* Opens, and while the tag is being made within this process looks again now
 * and then until it is committed.  One thread that opens what it makes itself
 * waits for nothing: hence the timeout. */
static int open_and_wait(struct pawl_engine *engine, const char *dir,
                         const char *tag, char tag_out[PAWL_TAG_MAX + 1],
                         struct pawl_error *err)
{
    uint64_t start = pawl_now_ns();
    uint64_t pause = 1;
    for (;;) {
        tag_out[0] = '\0';
        int rc = engine->ops->open(engine->impl, dir, tag, tag_out, err);
        bool wait = tag != NULL &&
                    pawl_agreement_is_alone(&engine->agreement) &&
                    (rc == PAWL_ESTATE ||
                     (rc == PAWL_ENOENT && is_making(engine, dir, tag)));
        if (!wait) {
            return rc;
        }
        uint64_t waited = (pawl_now_ns() - start) / 1000000;
        uint64_t timeout = engine->config.open_timeout_ms;
        if (waited >= timeout) {
            return pawl_fail(err, PAWL_EBUSY, 0,
                             "checkpoint '%s' is being made by this process, "
                             "and was not committed within %llu ms",
                             tag, (unsigned long long)timeout);
        }
        uint64_t left = timeout - waited;
        sleep_ms(pause < left ? pause : left);
        pause = pause < 64 ? pause * 2 : pause;
    }
}

/* What open does on this rank. */
static int open_checked(struct pawl_engine *engine, const char *load_dir,
                        const char *tag, char opened[PAWL_TAG_MAX + 1],
                        struct pawl_error *err)
{
    char *dir = NULL;
    int rc = tag == NULL ? 0 : pawl_tag_check(tag, err);
    if (rc == 0) {
        rc = check_none_open(engine, err);
    }
    if (rc == 0) {
        rc = pawl_path_absolute(&dir, load_dir, err);
    }
    if (rc == 0) {
        rc = open_and_wait(engine, dir, tag, opened, err);
    }
    free(dir);
    return rc;
}

int pawl_engine_open(const char **out_tag, struct pawl_engine *engine,
                     const char *load_dir, const char *tag,
                     struct pawl_error *err)
{
    char opened[PAWL_TAG_MAX + 1] = "";
    int rc = check_process(engine, err);
    if (rc < 0) {
        return rc;
    }
    if (tag != NULL && strcmp(tag, "latest") == 0) {
        tag = NULL;
    }
    uint64_t round = engine->agreement.opens;
    rc = open_checked(engine, load_dir, tag, opened, err);
    if (rc < 0 && !pawl_agreement_is_alone(&engine->agreement) &&
        engine->agreement.opens == round) {
        pawl_agreement_refuse_open(&engine->agreement, rc, err);
    }
    if (rc < 0) {
        return rc;
    }
    opened[PAWL_TAG_MAX] = '\0';
    lock(engine);
    char *kept = engine->locked.status.opened;
    memcpy(kept, opened, sizeof(opened));
    unlock(engine);
    *out_tag = opened[0] == '\0' ? NULL : kept;
    return 0;
}

int pawl_engine_load(struct pawl_state **out, struct pawl_engine *engine,
                     const char *path, unsigned flags, struct pawl_error *err)
{
    char *absolute = NULL;
    struct pawl_state *state = NULL;
    if ((flags &
         ~(unsigned)(PAWL_LOAD_LAZY | PAWL_LOAD_VERIFY | PAWL_LOAD_MAP)) != 0) {
        return pawl_fail(err, PAWL_EINVAL, 0, "unknown flags 0x%x for load",
                         flags);
    }
    int rc = check_process(engine, err);
    if (rc == 0) {
        rc = pawl_path_absolute(&absolute, path, err);
    }
    if (rc == 0) {
        rc = engine->ops->load(engine->impl, absolute, flags, &state, err);
    }
    free(absolute);
    if (rc < 0) {
        return rc;
    }
    lock(engine);
    engine->locked.status.files_loaded++;
    unlock(engine);
    if (engine->pick.make == NULL) {
        pawl_meter_loaded(&engine->meter, payload_bytes(state));
    }
    *out = state;
    return 0;
}

int pawl_engine_close(struct pawl_engine *engine, const char *tag,
                      struct pawl_error *err)
{
    char copy[PAWL_TAG_MAX + 1] = ""; /* `tag` may be what open returned */
    int rc = check_process(engine, err);
    if (rc < 0) {
        return rc;
    }
    lock(engine);
    char *opened = engine->locked.status.opened;
    if (tag == NULL || opened[0] == '\0' || strcmp(opened, tag) != 0) {
        rc = pawl_fail(err, PAWL_ESTATE, 0,
                       "cannot close checkpoint '%s': it is not open",
                       tag == NULL ? "" : tag);
    } else {
        memcpy(copy, opened, sizeof(copy));
    }
    unlock(engine);
    if (rc < 0) {
        return rc;
    }
    if (engine->ops->close != NULL) {
        rc = engine->ops->close(engine->impl, copy, err);
    }
    lock(engine);
    opened[0] = '\0';
    unlock(engine);
    return rc;
}

/* ---- waiting, looking ---------------------------------------------------- */

int pawl_engine_wait(struct pawl_engine *engine, int64_t timeout_ms,
                     struct pawl_error *err)
{
    int rc = check_process(engine, err);
    return rc < 0 || engine->ops->wait == NULL
               ? rc
               : engine->ops->wait(engine->impl, 0, timeout_ms, err);
}

int pawl_engine_fence(struct pawl_engine *engine, struct pawl_error *err)
{
    int rc = check_process(engine, err);
    return rc < 0 || engine->ops->wait == NULL
               ? rc
               : engine->ops->wait(engine->impl, 1,
                                   (int64_t)engine->config.write_timeout_ms,
                                   err);
}

int pawl_engine_status(struct pawl_engine *engine, struct pawl_status *out,
                       struct pawl_error *err)
{
    struct pawl_status status;
    size_t size = out->struct_size;
    if (size < sizeof(size)) {
        return pawl_fail(err, PAWL_EINVAL, 0,
                         "'struct_size' of a pawl_status is not set");
    }
    int rc = check_process(engine, err);
    if (rc < 0) {
        return rc;
    }
    lock(engine);
    status = engine->locked.status;
    unlock(engine);
    pawl_meter_read(&engine->meter, &status);
    memcpy(out, &status, size < sizeof(status) ? size : sizeof(status));
    out->struct_size = size;
    return 0;
}

const char *pawl_version(void)
{
    return PAWL_VERSION;
}
