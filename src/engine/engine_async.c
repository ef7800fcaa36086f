/* SPDX-License-Identifier: Apache-2.0 */
/* engine_async.c - see engine_async.h.  Calls come checked and in order. */
#include "engine/engine_async.h"

#include "base/error.h"
#include "engine/background.h"
#include "engine/lane.h"
#include "engine/owner.h"
#include "engine/single_file.h"

#include <stdlib.h>

struct async_engine {
    struct pawl_engine_setup setup;
    uint64_t token;
    struct pawl_reading reading;
    struct pawl_background *background;
    /* The saving thread's: what is being made. */
    struct pawl_draft *draft;
    bool is_skipping; /* instead: too many were pending */
};

static int64_t write_timeout_ms(const struct async_engine *engine)
{
    return (int64_t)engine->setup.config->write_timeout_ms;
}

/* ---- life --------------------------------------------------------------- */

static void async_free(void *impl)
{
    struct async_engine *engine = impl;
    if (engine == NULL) {
        return;
    }
    pawl_background_free(engine->background);
    pawl_reading_fini(&engine->reading);
    pawl_lane_unref(engine->setup.lane);
    pawl_place_unref(engine->setup.place);
    free(engine);
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
    pawl_reading_init(&engine->reading, &engine->setup, engine->token);
    int rc = pawl_lane_new(&engine->setup.lane, setup->config, err);
    if (rc == 0 && setup->place == NULL) {
        rc = pawl_place_new(&engine->setup.place, NULL, "{}", err);
    }
    if (rc == 0) {
        rc = pawl_background_new(&engine->background, &engine->setup,
                                 &engine->reading, err);
    }
    if (rc < 0) {
        async_free(engine);
        return rc;
    }
    *out = engine;
    return 0;
}

/* ---- create ------------------------------------------------------------- */

/* Waits for room for one more, or sees that it is to be skipped. */
static int make_room(struct async_engine *engine, bool *is_skipped,
                     struct pawl_error *err)
{
    const struct pawl_config *config = engine->setup.config;
    bool skip = config->when_full == PAWL_WHEN_FULL_SKIP;
    int rc = pawl_background_wait(engine->background, config->max_pending - 1,
                                  skip ? 0 : write_timeout_ms(engine), err);
    *is_skipped = skip && rc == PAWL_ETIMEDOUT;
    return *is_skipped ? 0 : rc;
}

static void note_skipped(struct async_engine *engine, const char *tag)
{
    pawl_meter_skipped(engine->setup.meter, tag);
    pawl_log_line(engine->setup.log, PAWL_LOG_WARNING,
                  "skipping checkpoint '%s': the one before is still being "
                  "written",
                  tag);
}

static int begin_draft(struct async_engine *engine, const char *save_dir,
                       const char *tag, struct pawl_error *err)
{
    int rc = pawl_draft_new(&engine->draft, engine->background, engine->token,
                            save_dir, tag, err);
    if (rc != PAWL_EBUSY) {
        return rc;
    }
    /* Perhaps the same tag is on its way: it is ours to wait for. */
    rc = pawl_background_wait(engine->background, 0, write_timeout_ms(engine),
                              err);
    return rc < 0 ? rc
                  : pawl_draft_new(&engine->draft, engine->background,
                                   engine->token, save_dir, tag, err);
}

static int async_create(void *impl, const char *save_dir, const char *tag,
                        struct pawl_error *err)
{
    struct async_engine *engine = impl;
    bool is_skipped = false;
    int rc = make_room(engine, &is_skipped, err);
    if (rc == 0) {
        rc = pawl_background_failure(engine->background, err);
    }
    if (rc < 0) {
        return rc;
    }
    engine->is_skipping = is_skipped;
    if (is_skipped) {
        note_skipped(engine, tag);
        return 0;
    }
    return begin_draft(engine, save_dir, tag, err);
}

/* ---- save --------------------------------------------------------------- */

static int async_makedirs(void *impl, const char *path, bool exist_ok,
                          struct pawl_error *err)
{
    struct async_engine *engine = impl;
    struct pawl_making none = {0};
    if (engine->is_skipping) {
        return 0;
    }
    return pawl_making_makedirs(
        engine->draft == NULL ? &none : pawl_draft_making(engine->draft),
        &engine->setup, path, exist_ok, err);
}

static int save_single(struct async_engine *engine, struct pawl_state *state,
                       const char *path, struct pawl_error *err)
{
    struct pawl_written written;
    int rc = pawl_save_single(&engine->setup, engine->token, state, path,
                              &written, err);
    if (rc == 0) {
        pawl_meter_saved(engine->setup.meter, written.size_bytes,
                         &written.times);
    }
    return rc;
}

static int async_save(void *impl, struct pawl_state *state, const char *path,
                      struct pawl_error *err)
{
    struct async_engine *engine = impl;
    if (engine->is_skipping) {
        return 0;
    }
    if (engine->draft == NULL) {
        return save_single(engine, state, path, err);
    }
    return pawl_draft_save(
        engine->draft, state,
        pawl_making_below(pawl_draft_making(engine->draft), path), err);
}

/* ---- commit ------------------------------------------------------------- */

static int async_commit(void *impl, const char *tag, bool keep,
                        struct pawl_error *err)
{
    struct async_engine *engine = impl;
    struct pawl_draft *draft = engine->draft;
    engine->draft = NULL;
    if (engine->is_skipping) {
        engine->is_skipping = false;
        return 0;
    }
    struct pawl_error why = {0};
    if (!keep) {
        if (err != NULL) {
            why = *err;
        }
        return pawl_draft_forget(draft, &why, err);
    }
    int rc = pawl_draft_commit(draft, &why);
    if (rc < 0) {
        pawl_error_prefix(&why, "cannot commit checkpoint '%s'", tag);
        pawl_meter_failed(engine->setup.meter, tag, &why);
        return pawl_error_copy(err, &why);
    }
    return 0;
}

static int async_wait(void *impl, int what, int64_t timeout_ms,
                      struct pawl_error *err)
{
    struct async_engine *engine = impl;
    if (what == 1) {
        return pawl_background_fence(engine->background, timeout_ms, err);
    }
    int rc = pawl_background_wait(engine->background, 0, timeout_ms, err);
    return rc < 0 ? rc : pawl_background_failure(engine->background, err);
}

/* ---- reading ------------------------------------------------------------ */

/* What was committed before is what may be opened, so that is waited for. */
static int async_open(void *impl, const char *load_dir, const char *tag,
                      char tag_out[PAWL_TAG_MAX + 1], struct pawl_error *err)
{
    struct async_engine *engine = impl;
    int rc = pawl_background_wait(
        engine->background, 0, (int64_t)engine->setup.config->open_timeout_ms,
        err);
    if (rc == PAWL_ETIMEDOUT) {
        if (err != NULL) {
            err->code = PAWL_EBUSY;
        }
        return PAWL_EBUSY;
    }
    return pawl_reading_open(&engine->reading, engine->draft == NULL, load_dir,
                             tag, tag_out, err);
}

/* A file that is not there may lie in a checkpoint that is on its way. */
static int async_load(void *impl, const char *path, unsigned flags,
                      struct pawl_state **out, struct pawl_error *err)
{
    struct async_engine *engine = impl;
    int rc = pawl_reading_load(&engine->reading, path, flags, out, err);
    if (rc != PAWL_ENOENT) {
        return rc;
    }
    rc = pawl_background_wait(engine->background, 0,
                              (int64_t)engine->setup.config->open_timeout_ms,
                              err);
    return rc < 0 ? rc
                  : pawl_reading_load(&engine->reading, path, flags, out, err);
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
