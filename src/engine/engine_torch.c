/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_torch.c - see engine_torch.h
 *
 * Calls come checked and in order (engine.c).  What load may look at while
 * another thread opens or closes is below `locked`; the lock is never held
 * over I/O.
 */
#include "engine/engine_torch.h"

#include "base/path.h"
#include "engine/commit.h"
#include "engine/discover.h"
#include "engine/load.h"
#include "engine/owner.h"
#include "engine/plan_writer.h"
#include "engine/recovery.h"
#include "engine/retention.h"
#include "engine/single_file.h"
#include "engine/tag_state.h"
#include "engine/verify.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct torch_engine {
    struct pawl_engine_setup setup;
    struct pawl_formats formats;
    uint64_t token; /* see owner.h */

    /* Between create and commit; the saving thread's. */
    bool is_making;
    char *save_dir;
    char *tag_dir; /* save_dir/tag */
    struct pawl_store store;
    struct pawl_commit commit;

    /* Between open and close. */
    struct {
        pthread_mutex_t lock;
        char *dir; /* load_dir/tag; NULL: none is open */
        bool is_signed;
        bool is_proven; /* every byte was verified */
        struct pawl_manifest manifest;
    } locked;
};

static struct pawl_verifier verifier_of(struct torch_engine *engine)
{
    return (struct pawl_verifier){
        .place = engine->setup.place,
        .formats = &engine->formats,
        .level = engine->setup.config->verify,
        .block_bytes = (size_t)engine->setup.config->block_bytes,
    };
}

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
    engine->token = pawl_owner_token();
    pawl_formats_init(&engine->formats, setup->format);
    pthread_mutex_init(&engine->locked.lock, NULL);
    *out = engine;
    return 0;
}

static void end_making(struct torch_engine *engine)
{
    pawl_store_fini(&engine->store);
    free(engine->save_dir);
    free(engine->tag_dir);
    engine->save_dir = NULL;
    engine->tag_dir = NULL;
    engine->is_making = false;
}

static void forget_open_locked(struct torch_engine *engine)
{
    free(engine->locked.dir);
    engine->locked.dir = NULL;
    pawl_manifest_fini(&engine->locked.manifest);
}

static void torch_free(void *impl)
{
    struct torch_engine *engine = impl;
    if (engine == NULL) {
        return;
    }
    if (engine->is_making) {
        pawl_commit_abort(&engine->commit);
        end_making(engine);
    }
    forget_open_locked(engine);
    pthread_mutex_destroy(&engine->locked.lock);
    pawl_place_unref(engine->setup.place);
    free(engine);
}

/* ---- saving ------------------------------------------------------------- */

static int torch_create(void *impl, const char *save_dir, const char *tag,
                        struct pawl_error *err)
{
    struct torch_engine *engine = impl;
    bool durable = engine->setup.config->durable;
    engine->save_dir = strdup(save_dir);
    int rc = engine->save_dir == NULL
                 ? pawl_fail_nomem(err)
                 : pawl_path_join(&engine->tag_dir, save_dir, tag, err);
    if (rc == 0) {
        rc = pawl_place_store(&engine->store, engine->setup.place, save_dir,
                              err);
    }
    if (rc == 0) {
        pawl_recover(&engine->store, engine->token, durable, engine->setup.log);
        engine->commit = (struct pawl_commit){
            .store = &engine->store,
            .log = engine->setup.log,
            .token = engine->token,
            .durable = durable,
        };
        rc = pawl_commit_begin(&engine->commit, tag, err);
    }
    engine->is_making = rc == 0;
    if (rc < 0) {
        end_making(engine);
    }
    return rc;
}

/* What of `path` lies below the checkpoint in the making: "" for its own
 * directory, NULL if there is none or the path lies elsewhere. */
static const char *in_making(const struct torch_engine *engine,
                             const char *path)
{
    if (!engine->is_making) {
        return NULL;
    }
    return strcmp(path, engine->tag_dir) == 0
               ? ""
               : pawl_path_below(path, engine->tag_dir);
}

static int torch_makedirs(void *impl, const char *path, bool exist_ok,
                          struct pawl_error *err)
{
    struct torch_engine *engine = impl;
    const char *below = in_making(engine, path);
    if (below != NULL) {
        return pawl_commit_makedirs(&engine->commit, below, exist_ok, err);
    }
    struct pawl_store store = {0};
    int rc = pawl_place_store(&store, engine->setup.place, path, err);
    if (rc == 0) {
        rc = pawl_store_mkdir(&store, "", err);
        pawl_store_fini(&store);
    }
    return rc == PAWL_EEXIST && exist_ok ? 0 : rc;
}

static int save_staged(struct torch_engine *engine, struct pawl_state *state,
                       const char *below, uint64_t *size,
                       struct pawl_error *err)
{
    const char *slash = strrchr(below, '/');
    struct pawl_manifest_file file = {0};
    char *name = NULL;
    int rc = pawl_commit_stage(&name, &engine->commit, below, err);
    if (rc < 0) {
        return rc;
    }
    struct pawl_write write = {
        .format = engine->setup.format,
        .store = &engine->store,
        .name = name,
        .base_name = slash == NULL ? below : slash + 1,
        .block_bytes = (size_t)engine->setup.config->block_bytes,
        .durable = engine->setup.config->durable,
    };
    rc = pawl_state_write(state, &write, &file.size_bytes, &file.crc32, err);
    free(name);
    if (rc == 0) {
        /* Copied by the callee, which does not change it. */
        file.path = strdup(below);
        rc = file.path == NULL
                 ? pawl_fail_nomem(err)
                 : pawl_manifest_add(&engine->commit.manifest, &file, err);
        free(file.path);
        *size = file.size_bytes;
    }
    return rc;
}

static int save_single(struct torch_engine *engine, struct pawl_state *state,
                       const char *path, uint64_t *size, struct pawl_error *err)
{
    struct pawl_saving how = {
        .place = engine->setup.place,
        .format = engine->setup.format,
        .block_bytes = (size_t)engine->setup.config->block_bytes,
        .durable = engine->setup.config->durable,
        .token = engine->token,
        .path = path,
    };
    return pawl_save_file(state, &how, size, err);
}

static int torch_save(void *impl, struct pawl_state *state, const char *path,
                      struct pawl_error *err)
{
    struct torch_engine *engine = impl;
    const char *below = in_making(engine, path);
    uint64_t size = 0;
    int rc = below != NULL ? save_staged(engine, state, below, &size, err)
                           : save_single(engine, state, path, &size, err);
    if (rc == 0) {
        atomic_fetch_add_explicit(&engine->setup.meter->saved, size,
                                  memory_order_relaxed);
    }
    return rc;
}

/* ---- commit ------------------------------------------------------------- */

/* One more than the highest number of a checkpoint that is there. */
static int next_sequence(struct torch_engine *engine, uint64_t *out,
                         struct pawl_error *err)
{
    struct pawl_candidates all = {0};
    int rc = pawl_discover_signed(&all, &engine->store, err);
    if (rc == 0) {
        *out = all.count > 0 ? all.items[0].sequence + 1 : 1;
    }
    pawl_candidates_fini(&all);
    return rc;
}

/* The tag that this engine has open in the save_dir, allocated, or NULL. */
static char *opened_in_save_dir(struct torch_engine *engine)
{
    char *tag = NULL;
    pthread_mutex_lock(&engine->locked.lock);
    if (engine->locked.dir != NULL) {
        const char *below =
            pawl_path_below(engine->locked.dir, engine->save_dir);
        tag = below == NULL ? NULL : strdup(below);
    }
    pthread_mutex_unlock(&engine->locked.lock);
    return tag;
}

static void retain(struct torch_engine *engine, const char *tag)
{
    char *opened = opened_in_save_dir(engine);
    struct pawl_retention retention = {
        .store = &engine->store,
        .config = engine->setup.config,
        .log = engine->setup.log,
        .token = engine->token,
        .committed = tag,
        .opened = opened,
    };
    pawl_retain(&retention);
    free(opened);
}

static int torch_commit(void *impl, const char *tag, bool keep,
                        struct pawl_error *err)
{
    struct torch_engine *engine = impl;
    uint64_t sequence = 0;
    bool moved = false;
    int rc = 0;
    if (keep) {
        rc = next_sequence(engine, &sequence, err);
    }
    if (keep && rc == 0) {
        rc = pawl_commit_publish(&engine->commit, sequence, &moved, err);
    } else {
        pawl_commit_abort(&engine->commit);
    }
    /* While `latest` names an older one, that one must stay. */
    if (keep && rc == 0 && moved) {
        retain(engine, tag);
    }
    end_making(engine);
    return rc;
}

/* ---- opening ------------------------------------------------------------ */

/* Verifies what was found and remembers it as open.  Takes the manifest over,
 * also on failure. */
static int open_found(struct torch_engine *engine, const char *load_dir,
                      const char *tag, bool is_signed,
                      struct pawl_manifest *manifest, struct pawl_error *err)
{
    struct pawl_verifier verifier = verifier_of(engine);
    char *dir = NULL;
    int rc = pawl_path_join(&dir, load_dir, tag, err);
    if (rc == 0) {
        rc = is_signed ? pawl_verify_signed(&verifier, dir, manifest, err)
                       : pawl_verify_unsigned(&verifier, dir, err);
    }
    if (rc < 0) {
        pawl_manifest_fini(manifest);
        free(dir);
        return rc;
    }
    pthread_mutex_lock(&engine->locked.lock);
    forget_open_locked(engine);
    engine->locked.dir = dir;
    engine->locked.is_signed = is_signed;
    engine->locked.is_proven = verifier.level == PAWL_VERIFY_FULL;
    engine->locked.manifest = *manifest;
    pthread_mutex_unlock(&engine->locked.lock);
    return 0;
}

static int open_tag(struct torch_engine *engine, struct pawl_store *store,
                    const char *load_dir, const char *tag,
                    struct pawl_error *err)
{
    struct pawl_manifest manifest = {0};
    struct pawl_owner owner;
    enum pawl_owner_state maker;
    enum pawl_tag_state state = PAWL_TAG_MISSING;
    int rc = pawl_tag_look(&state, &manifest, &maker, &owner, store, tag,
                           engine->token, err);
    if (rc < 0) {
        return rc;
    }
    switch (state) {
    case PAWL_TAG_SIGNED:
    case PAWL_TAG_UNSIGNED:
        return open_found(engine, load_dir, tag, state == PAWL_TAG_SIGNED,
                          &manifest, err);
    case PAWL_TAG_MAKING:
        rc = pawl_owner_busy(&owner, maker, err);
        /* Within this process it is worth waiting: engine.c does. */
        return maker == PAWL_OWNER_OTHER ? rc : PAWL_ESTATE;
    case PAWL_TAG_HALF:
        return pawl_fail(err, PAWL_ECORRUPT, 0,
                         "checkpoint '%s' is not whole: its commit was "
                         "interrupted",
                         tag);
    default:
        return pawl_fail(err, PAWL_ENOENT, 0,
                         "there is no checkpoint '%s' in "
                         "'%s'",
                         tag, load_dir);
    }
}

static int open_newest(struct torch_engine *engine, struct pawl_store *store,
                       const char *load_dir, char tag_out[PAWL_TAG_MAX + 1],
                       struct pawl_error *err)
{
    struct pawl_candidates all = {0};
    int rc =
        pawl_discover(&all, engine->setup.place, load_dir, &engine->formats,
                      engine->token, engine->setup.log, err);
    bool found = false;
    for (size_t i = 0; rc == 0 && !found && i < all.count; i++) {
        struct pawl_error why;
        int opened = open_tag(engine, store, load_dir, all.items[i].tag, &why);
        found = opened == 0;
        if (opened == PAWL_ENOMEM) {
            rc = pawl_fail_nomem(err);
        } else if (!found) {
            pawl_log_line(engine->setup.log, PAWL_LOG_WARNING,
                          "skipping checkpoint '%s': %s", all.items[i].tag,
                          why.message);
        } else {
            snprintf(tag_out, PAWL_TAG_MAX + 1, "%s", all.items[i].tag);
        }
    }
    if (rc == 0 && !found && all.count > 0) {
        pawl_log_line(engine->setup.log, PAWL_LOG_WARNING,
                      "none of the %zu checkpoints in '%s' is whole", all.count,
                      load_dir);
    }
    pawl_candidates_fini(&all);
    return rc;
}

static int torch_open(void *impl, const char *load_dir, const char *tag,
                      char tag_out[PAWL_TAG_MAX + 1], struct pawl_error *err)
{
    struct torch_engine *engine = impl;
    struct pawl_store store = {0};
    int rc = pawl_place_store(&store, engine->setup.place, load_dir, err);
    if (rc < 0) {
        return rc;
    }
    tag_out[0] = '\0';
    pawl_recover(&store, engine->token, engine->setup.config->durable,
                 engine->setup.log);
    if (tag == NULL) {
        rc = open_newest(engine, &store, load_dir, tag_out, err);
    } else {
        rc = open_tag(engine, &store, load_dir, tag, err);
        if (rc == 0) {
            snprintf(tag_out, PAWL_TAG_MAX + 1, "%s", tag);
        }
    }
    pawl_store_fini(&store);
    return rc;
}

static int torch_close(void *impl, const char *tag, struct pawl_error *err)
{
    struct torch_engine *engine = impl;
    (void)tag;
    (void)err;
    pthread_mutex_lock(&engine->locked.lock);
    forget_open_locked(engine);
    pthread_mutex_unlock(&engine->locked.lock);
    return 0;
}

/* ---- loading ------------------------------------------------------------ */

/* What the open checkpoint's manifest says of `path`; `file->path` is NULL if
 * it says nothing, and the caller's otherwise. */
static int ask_manifest(struct torch_engine *engine, const char *path,
                        struct pawl_manifest_file *file, bool *is_proven,
                        struct pawl_error *err)
{
    const struct pawl_manifest_file *entry = NULL;
    int rc = 0;
    *file = (struct pawl_manifest_file){0};
    *is_proven = false;
    pthread_mutex_lock(&engine->locked.lock);
    if (engine->locked.dir != NULL && engine->locked.is_signed) {
        const char *below = pawl_path_below(path, engine->locked.dir);
        entry = below == NULL
                    ? NULL
                    : pawl_manifest_find(&engine->locked.manifest, below);
    }
    if (entry != NULL) {
        *file = *entry;
        file->path = strdup(entry->path);
        rc = file->path == NULL ? pawl_fail_nomem(err) : 0;
        *is_proven = engine->locked.is_proven;
    }
    pthread_mutex_unlock(&engine->locked.lock);
    return rc;
}

static int torch_load(void *impl, const char *path, unsigned flags,
                      struct pawl_state **out, struct pawl_error *err)
{
    struct torch_engine *engine = impl;
    struct pawl_manifest_file expected;
    struct pawl_loading how = {
        .place = engine->setup.place,
        .formats = &engine->formats,
        .block_bytes = (size_t)engine->setup.config->block_bytes,
        .path = path,
        .flags = flags,
    };
    uint64_t size = 0;
    int rc = ask_manifest(engine, path, &expected, &how.is_proven, err);
    if (rc < 0) {
        return rc;
    }
    how.expected = expected.path == NULL ? NULL : &expected;
    rc = pawl_load_file(out, &how, &size, err);
    free(expected.path);
    if (rc == 0) {
        atomic_fetch_add_explicit(&engine->setup.meter->loaded, size,
                                  memory_order_relaxed);
    }
    return rc;
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
