/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin_sample.c - plugins for test_registry.c, good and bad, by VARIANT
 *
 * The engine keeps one number in memory.  Built against the public headers
 * alone.
 */
#include <pawl/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOOD 0
#define WRONG_ABI 1
#define NO_TABLE 2
#define SHORT_TABLE 3
#define NO_SAVE 4
#define NO_ENTRY 5

struct sample {
    int64_t number; /* of what was committed; -1: none */
    int64_t staged;
};

static int sample_make(void **out, const char *options_json, pawl_log_fn log,
                       void *log_ctx, struct pawl_error *err)
{
    if (strcmp(options_json, "{\"fail\":true}") == 0) {
        return pawl_fail(err, PAWL_ECONFIG, 0, "the sample was asked to fail");
    }
    struct sample *sample = calloc(1, sizeof(*sample));
    if (sample == NULL) {
        return PAWL_ENOMEM;
    }
    sample->number = -1;
    log(log_ctx, PAWL_LOG_INFO, options_json);
    *out = sample;
    return 0;
}

static void sample_free(void *engine)
{
    free(engine);
}

static int sample_create(void *engine, const char *save_dir, const char *tag,
                         struct pawl_error *err)
{
    struct sample *sample = engine;
    (void)tag;
    if (save_dir[0] != '/') {
        return pawl_fail(err, PAWL_EINVAL, 0, "'%s' is relative", save_dir);
    }
    sample->staged = -1;
    return 0;
}

static int sample_save(void *engine, struct pawl_state *state, const char *path,
                       struct pawl_error *err)
{
    struct sample *sample = engine;
    const struct pawl_value *root = pawl_state_root(state);
    if (!pawl_get_int(pawl_lookup(root, "number"), &sample->staged)) {
        return pawl_fail(err, PAWL_ENOTSUP, 0, "'%s' has no number", path);
    }
    return 0;
}

static int sample_commit(void *engine, const char *tag, bool keep,
                         struct pawl_error *err)
{
    struct sample *sample = engine;
    if (keep && strcmp(tag, "bad") == 0) {
        return pawl_fail(err, PAWL_EIO, 0, "the sample cannot keep '%s'", tag);
    }
    if (keep) {
        sample->number = sample->staged;
    }
    return 0;
}

static int sample_open(void *engine, const char *load_dir, const char *tag,
                       char tag_out[PAWL_TAG_MAX + 1], struct pawl_error *err)
{
    const struct sample *sample = engine;
    (void)load_dir;
    if (sample->number >= 0) {
        snprintf(tag_out, PAWL_TAG_MAX + 1, "%s", tag == NULL ? "one" : tag);
    } else if (tag != NULL) {
        return pawl_fail(err, PAWL_ENOENT, 0, "there is no '%s'", tag);
    }
    return 0;
}

static int sample_load(void *engine, const char *path, unsigned flags,
                       struct pawl_state **out, struct pawl_error *err)
{
    const struct sample *sample = engine;
    struct pawl_state *state = pawl_state_new();
    struct pawl_value *root = pawl_dict(state);
    (void)path;
    (void)flags;
    (void)err;
    pawl_dict_set_str(root, "number", pawl_int(state, sample->number));
    pawl_state_set_root(state, root);
    *out = state;
    return 0;
}

static const struct pawl_engine_ops engine = {
    .struct_size = sizeof(struct pawl_engine_ops),
    .name = "sample",
    .make = sample_make,
    .free = sample_free,
    .create = sample_create,
    .save = VARIANT == NO_SAVE ? NULL : sample_save,
    .commit = sample_commit,
    .open = sample_open,
    .load = sample_load,
};

static const struct pawl_plugin plugin = {
#if VARIANT == SHORT_TABLE
    .struct_size = sizeof(size_t),
#else
    .struct_size = sizeof(struct pawl_plugin),
#endif
    .abi = VARIANT == WRONG_ABI ? PAWL_PLUGIN_ABI + 1 : PAWL_PLUGIN_ABI,
    .engine = &engine,
};

#if VARIANT == NO_ENTRY
#define ENTRY some_other_name
#else
#define ENTRY pawl_plugin_entry
#endif

__attribute__((visibility("default"))) const struct pawl_plugin *ENTRY(void);
const struct pawl_plugin *ENTRY(void)
{
    return VARIANT == NO_TABLE ? NULL : &plugin;
}
