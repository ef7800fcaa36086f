/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_journal.c - an engine of one's own: it keeps a journal of commits
 *
 * A config brings it to life:
 *
 *     {
 *         "plugin": "./libengine_journal.so",
 *         "engine": "journal",
 *         "options": {
 *             "inner": {"engine": "torch", "keep_last": 3},
 *             "journal": "commits.txt"
 *         }
 *     }
 *
 * It saves nothing itself.  Every call goes on to an inner engine, made from
 * the config "inner", which keeps all the promises; and whenever a commit
 * succeeded, one line is added to the file "journal":
 *
 *     2026-03-14T15:09:26Z step-10 69791232
 *
 * (when, which tag, how many bytes were saved for it).  Copy this file to make
 * an engine that counts, encrypts, asks a scheduler first, or calls you up.
 *
 *     cc -shared -fPIC engine_journal.c -o libengine_journal.so
 *         $(pkg-config --cflags --libs pawl jansson)
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <pawl/plugin.h>

/* One of these for each engine that a user makes.  Pawl knows it as a
 * `void *`, which `make` hands out and every other function gets back. */
struct journal {
    struct pawl_engine *inner;
    char *path;
    uint64_t bytes_before; /* what inner had saved when create was called */
    pawl_log_fn log;
    void *log_ctx;
};

/* ---- the journal ------------------------------------------------------- */

static uint64_t bytes_saved(struct journal *self)
{
    struct pawl_status status = PAWL_STATUS_INIT;
    pawl_engine_status(self->inner, &status, NULL);
    return status.bytes_saved;
}

/* Adds a line to the journal.  0, or PAWL_EIO. */
static int append(struct journal *self, const char *tag, uint64_t bytes,
                  struct pawl_error *err)
{
    char when[32];
    struct tm utc;
    time_t now = time(NULL);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));

    FILE *file = fopen(self->path, "a");
    if (file == NULL) {
        return pawl_fail(err, PAWL_EIO, errno, "cannot open '%s': %s",
                         self->path, strerror(errno));
    }
    int written = fprintf(file, "%s %s %" PRIu64 "\n", when, tag, bytes);
    /* The line is on its way only now, so a full disk shows here. */
    if (fclose(file) != 0 || written < 0) {
        return pawl_fail(err, PAWL_EIO, errno, "cannot write '%s': %s",
                         self->path, strerror(errno));
    }
    return 0;
}

/* ---- making and freeing ------------------------------------------------ */

static void journal_free(void *engine)
{
    struct journal *self = engine;
    if (self == NULL) {
        return;
    }
    pawl_engine_free(self->inner);
    free(self->path);
    free(self);
}

/* Makes the inner engine, whose config is the JSON object `config`. */
static int make_inner(struct journal *self, const json_t *config,
                      struct pawl_error *err)
{
    char *text = json_dumps(config, 0);
    if (text == NULL) {
        return pawl_fail(err, PAWL_ECONFIG, 0,
                         "the journal's options need 'inner', a config");
    }
    int rc = pawl_engine_new(&self->inner, text, err);
    free(text);
    if (rc == 0) {
        /* What the inner engine has to tell goes where ours would. */
        pawl_engine_set_log(self->inner, self->log, self->log_ctx);
    }
    return rc;
}

/* Reads the config's "options".  Words we do not know are errors: a user who
 * misspelt one should hear of it today. */
static int configure(struct journal *self, json_t *options,
                     struct pawl_error *err)
{
    for (void *at = json_object_iter(options); at != NULL;
         at = json_object_iter_next(options, at)) {
        const char *key = json_object_iter_key(at);
        if (strcmp(key, "inner") != 0 && strcmp(key, "journal") != 0) {
            return pawl_fail(err, PAWL_ECONFIG, 0,
                             "unknown key '%s' in the journal's options", key);
        }
    }
    const char *path = json_string_value(json_object_get(options, "journal"));
    if (path == NULL) {
        return pawl_fail(err, PAWL_ECONFIG, 0,
                         "the journal's options need 'journal', a path");
    }
    self->path = strdup(path);
    if (self->path == NULL) {
        return pawl_fail(err, PAWL_ENOMEM, 0, "no memory for the journal");
    }
    return make_inner(self, json_object_get(options, "inner"), err);
}

static int journal_make(void **out, const char *options_json, pawl_log_fn log,
                        void *log_ctx, struct pawl_error *err)
{
    json_error_t at;
    json_t *options = json_loads(options_json, JSON_REJECT_DUPLICATES, &at);
    if (options == NULL) {
        return pawl_fail(err, PAWL_ECONFIG, 0, "bad options: %s", at.text);
    }
    struct journal *self = calloc(1, sizeof(*self));
    if (self == NULL) {
        json_decref(options);
        return pawl_fail(err, PAWL_ENOMEM, 0, "no memory for the journal");
    }
    self->log = log;
    self->log_ctx = log_ctx;
    int rc = configure(self, options, err);
    json_decref(options);
    if (rc < 0) {
        journal_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

/* ---- saving ------------------------------------------------------------ */

/* Pawl has checked the tag, and that no checkpoint is open, before it calls
 * this; there is no need to do so again. */
static int journal_create(void *engine, const char *save_dir, const char *tag,
                          struct pawl_error *err)
{
    struct journal *self = engine;
    self->bytes_before = bytes_saved(self);
    return pawl_engine_create(self->inner, save_dir, tag, err);
}

static int journal_makedirs(void *engine, const char *path, bool exist_ok,
                            struct pawl_error *err)
{
    struct journal *self = engine;
    return pawl_engine_makedirs(self->inner, path, exist_ok, err);
}

static int journal_save(void *engine, struct pawl_state *state,
                        const char *path, struct pawl_error *err)
{
    struct journal *self = engine;
    return pawl_engine_save(self->inner, state, path, err);
}

/* Commit and abort are one function: `keep` tells which. */
static int journal_commit(void *engine, const char *tag, bool keep,
                          struct pawl_error *err)
{
    struct journal *self = engine;
    if (!keep) {
        return pawl_engine_abort(self->inner, tag, err);
    }
    int rc = pawl_engine_commit(self->inner, tag, err);
    if (rc < 0) {
        return rc;
    }
    /* The checkpoint is whole and visible now.  To fail because a line of
     * text could not be written would be a lie: so that is only logged. */
    struct pawl_error journal_err;
    if (append(self, tag, bytes_saved(self) - self->bytes_before,
               &journal_err) < 0) {
        self->log(self->log_ctx, PAWL_LOG_WARNING, journal_err.message);
    }
    return 0;
}

/* `what` is 0 for wait and 1 for fence. */
static int journal_wait(void *engine, int what, int64_t timeout_ms,
                        struct pawl_error *err)
{
    struct journal *self = engine;
    return what == 0 ? pawl_engine_wait(self->inner, timeout_ms, err)
                     : pawl_engine_fence(self->inner, err);
}

/* ---- loading ----------------------------------------------------------- */

static int journal_open(void *engine, const char *load_dir, const char *tag,
                        char tag_out[PAWL_TAG_MAX + 1], struct pawl_error *err)
{
    struct journal *self = engine;
    const char *opened = NULL;
    int rc = pawl_engine_open(&opened, self->inner, load_dir, tag, err);
    if (rc == 0) {
        /* NULL, when there is no checkpoint at all, is "" to our caller. */
        snprintf(tag_out, PAWL_TAG_MAX + 1, "%s", opened ? opened : "");
    }
    return rc;
}

static int journal_load(void *engine, const char *path, unsigned flags,
                        struct pawl_state **out, struct pawl_error *err)
{
    struct journal *self = engine;
    return pawl_engine_load(out, self->inner, path, flags, err);
}

static int journal_close(void *engine, const char *tag, struct pawl_error *err)
{
    struct journal *self = engine;
    return pawl_engine_close(self->inner, tag, err);
}

/* ---- what Pawl finds --------------------------------------------------- */

static const struct pawl_engine_ops journal_ops = {
    .struct_size = sizeof(journal_ops),
    .name = "journal", /* the config's "engine" */
    .make = journal_make,
    .free = journal_free,
    .create = journal_create,
    .makedirs = journal_makedirs,
    .save = journal_save,
    .commit = journal_commit,
    .open = journal_open,
    .load = journal_load,
    .close = journal_close,
    .wait = journal_wait,
};

static const struct pawl_plugin journal_plugin = {
    .struct_size = sizeof(journal_plugin),
    .abi = PAWL_PLUGIN_ABI,
    .engine = &journal_ops,
};

/* The one name that a plugin exports. */
PAWL_API const struct pawl_plugin *pawl_plugin_entry(void);

const struct pawl_plugin *pawl_plugin_entry(void)
{
    return &journal_plugin;
}
