/* SPDX-License-Identifier: Apache-2.0 */
/* engine_torch.c - see engine_torch.h.  Calls come checked and in order. */
#include "engine/engine_torch.h"

#include "base/error.h"
#include "engine/lane.h"
#include "engine/making.h"
#include "engine/owner.h"
#include "engine/plan_writer.h"
#include "engine/reading.h"
#include "engine/single_file.h"

#include <stdlib.h>
#include <string.h>

struct torch_engine {
    struct pawl_engine_setup setup;
    uint64_t token;            /* see owner.h */
    struct pawl_making making; /* the saving thread's */
    struct pawl_reading reading;
};

/* ---- life --------------------------------------------------------------- */

int pawl_engine_torch_make(void **out, const struct pawl_engine_setup *setup,
                           struct pawl_error *err)
{
    struct torch_engine *engine = calloc(1, sizeof(*engine));
    int rc = 0;
    if (engine == NULL) {
        return pawl_fail_nomem(err);
    }
    engine->setup = *setup;
    if (setup->place != NULL) {
        pawl_place_ref(setup->place);
    } else {
        rc = pawl_place_new(&engine->setup.place, NULL, "{}", err);
    }
    if (rc < 0) {
        free(engine);
        return rc;
    }
    pawl_lane_ref(engine->setup.lane);
    engine->token = pawl_owner_token();
    pawl_reading_init(&engine->reading, &engine->setup, engine->token);
    *out = engine;
    return 0;
}

static void torch_free(void *impl)
{
    struct torch_engine *engine = impl;
    if (engine == NULL) {
        return;
    }
    pawl_making_abort(&engine->making, NULL);
    pawl_reading_fini(&engine->reading);
    pawl_lane_unref(engine->setup.lane);
    pawl_place_unref(engine->setup.place);
    free(engine);
}

/* ---- saving ------------------------------------------------------------- */

static int torch_create(void *impl, const char *save_dir, const char *tag,
                        struct pawl_error *err)
{
    struct torch_engine *engine = impl;
    return pawl_making_begin(&engine->making, &engine->setup, engine->token,
                             true, save_dir, tag, err);
}

static int torch_makedirs(void *impl, const char *path, bool exist_ok,
                          struct pawl_error *err)
{
    struct torch_engine *engine = impl;
    return pawl_making_makedirs(&engine->making, &engine->setup, path, exist_ok,
                                err);
}

static int save_staged(struct torch_engine *engine, struct pawl_state *state,
                       const char *below, struct pawl_written *written,
                       struct pawl_error *err)
{
    const char *slash = strrchr(below, '/');
    char *name = NULL;
    int rc = pawl_commit_stage(&name, &engine->making.commit, below, err);
    if (rc < 0) {
        return rc;
    }
    struct pawl_write write = {
        .format = engine->setup.format,
        .store = &engine->making.store,
        .name = name,
        .base_name = slash == NULL ? below : slash + 1,
        .block_bytes = (size_t)engine->setup.config->block_bytes,
        .durable = engine->setup.config->durable,
        .digest = engine->setup.config->digest == PAWL_DIGEST_XXH3,
        .lane = engine->setup.lane,
    };
    rc = pawl_state_write(state, &write, written, err);
    free(name);
    return rc < 0 ? rc : pawl_making_add(&engine->making, below, written, err);
}

static int torch_save(void *impl, struct pawl_state *state, const char *path,
                      struct pawl_error *err)
{
    struct torch_engine *engine = impl;
    const char *below = pawl_making_below(&engine->making, path);
    struct pawl_written written;
    int rc = below != NULL ? save_staged(engine, state, below, &written, err)
                           : pawl_save_single(&engine->setup, engine->token,
                                              state, path, &written, err);
    if (rc == 0) {
        pawl_meter_saved(engine->setup.meter, written.size_bytes,
                         &written.times);
    }
    return rc;
}

static int torch_commit(void *impl, const char *tag, bool keep,
                        struct pawl_error *err)
{
    struct torch_engine *engine = impl;
    if (!keep) {
        pawl_making_abort(&engine->making, err);
        return 0;
    }
    struct pawl_error why;
    uint64_t start = pawl_now_ns();
    int rc = pawl_making_publish(&engine->making, &engine->reading, &why);
    if (rc < 0) {
        pawl_error_prefix(&why, "cannot commit checkpoint '%s'", tag);
        pawl_meter_failed(engine->setup.meter, tag, &why);
        return pawl_error_copy(err, &why);
    }
    pawl_meter_committed(engine->setup.meter, tag, pawl_now_ns() - start);
    return 0;
}

/* ---- reading ------------------------------------------------------------ */

static int torch_open(void *impl, const char *load_dir, const char *tag,
                      char tag_out[PAWL_TAG_MAX + 1], struct pawl_error *err)
{
    struct torch_engine *engine = impl;
    return pawl_reading_open(&engine->reading, engine->making.setup == NULL,
                             load_dir, tag, tag_out, err);
}

static int torch_load(void *impl, const char *path, unsigned flags,
                      struct pawl_state **out, struct pawl_error *err)
{
    struct torch_engine *engine = impl;
    return pawl_reading_load(&engine->reading, path, flags, out, err);
}

static int torch_close(void *impl, const char *tag, struct pawl_error *err)
{
    struct torch_engine *engine = impl;
    (void)tag;
    (void)err;
    pawl_reading_close(&engine->reading);
    return 0;
}

const struct pawl_engine_ops pawl_engine_torch = {
    .struct_size = sizeof(struct pawl_engine_ops),
    .name = "torch",
    .free = torch_free,
    .create = torch_create,
    .makedirs = torch_makedirs,
    .save = torch_save,
    .commit = torch_commit,
    .open = torch_open,
    .load = torch_load,
    .close = torch_close,
};
