/* SPDX-License-Identifier: Apache-2.0 */
/* contract_life.c - an engine is made, waited for, looked at and freed: see
 * contract.h. */
#include "engine/contract.h"

#include <pawl/pawl.h>
#include <pawl/plugin.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int pawl_contract_check_process(const struct pawl_engine *engine,
                                struct pawl_error *err)
{
    if (getpid() == engine->owner) {
        return 0;
    }
    return pawl_fail(err, PAWL_ESTATE, 0,
                     "this engine belongs to the process that made it, %ld: "
                     "after a fork, make one of your own",
                     (long)engine->owner);
}

/* ---- making and freeing ---------------------------------------------------
 */

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
    struct pawl_comm taken = {0};
    int rc = pawl_comm_check(comm, err);
    if (comm != NULL) {
        taken = *comm;
    }
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

/* ---- waiting, looking ---------------------------------------------------- */

int pawl_engine_wait(struct pawl_engine *engine, int64_t timeout_ms,
                     struct pawl_error *err)
{
    int rc = pawl_contract_check_process(engine, err);
    return rc < 0 || engine->ops->wait == NULL
               ? rc
               : engine->ops->wait(engine->impl, 0, timeout_ms, err);
}

int pawl_engine_fence(struct pawl_engine *engine, struct pawl_error *err)
{
    int rc = pawl_contract_check_process(engine, err);
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
    int rc = pawl_contract_check_process(engine, err);
    if (rc < 0) {
        return rc;
    }
    contract_lock(engine);
    status = engine->locked.status;
    contract_unlock(engine);
    pawl_meter_read(&engine->meter, &status);
    memcpy(out, &status, size < sizeof(status) ? size : sizeof(status));
    out->struct_size = size;
    return 0;
}

const char *pawl_version(void)
{
    return PAWL_VERSION;
}
