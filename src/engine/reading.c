/* SPDX-License-Identifier: Apache-2.0 */
/* reading.c - see reading.h. */
#include "engine/reading.h"

#include "base/path.h"
#include "engine/discover.h"
#include "engine/load.h"
#include "engine/owner.h"
#include "engine/recovery.h"
#include "engine/tag_state.h"
#include "engine/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pawl_reading_init(struct pawl_reading *reading,
                       const struct pawl_engine_setup *setup, uint64_t token)
{
    *reading = (struct pawl_reading){.setup = setup, .token = token};
    pawl_formats_init(&reading->formats, setup->format);
    reading->images = (struct pawl_image_options){
        .block_bytes = (size_t)setup->config->block_bytes,
        .threads = (unsigned)setup->config->read_threads,
        .mode = setup->config->direct_io ? PAWL_STORE_DIRECT : 0,
    };
    pawl_image_cache_init(&reading->cache, setup->config->load_cache_bytes);
    pthread_mutex_init(&reading->locked.lock, NULL);
}

static void forget_locked(struct pawl_reading *reading)
{
    free(reading->locked.dir);
    reading->locked.dir = NULL;
    pawl_manifest_fini(&reading->locked.manifest);
}

void pawl_reading_fini(struct pawl_reading *reading)
{
    forget_locked(reading);
    pawl_image_cache_fini(&reading->cache);
    pthread_mutex_destroy(&reading->locked.lock);
}

/* The engines without threads of their own are the plain reference in reading
 * too. */
static const struct pawl_image_options *
images_of(const struct pawl_reading *reading)
{
    return reading->setup->lane == NULL ? NULL : &reading->images;
}

static struct pawl_verifier verifier_of(struct pawl_reading *reading)
{
    return (struct pawl_verifier){
        .place = reading->setup->place,
        .formats = &reading->formats,
        .level = reading->setup->config->verify,
        .block_bytes = (size_t)reading->setup->config->block_bytes,
        .images = images_of(reading),
        .cache = &reading->cache,
    };
}

/* ---- opening ------------------------------------------------------------ */

/* Verifies what was found and remembers it as open.  Takes the manifest over,
 * also on failure. */
static int open_found(struct pawl_reading *reading, const char *load_dir,
                      const char *tag, bool is_signed,
                      struct pawl_manifest *manifest, struct pawl_error *err)
{
    struct pawl_verifier verifier = verifier_of(reading);
    char *dir = NULL;
    int rc = pawl_path_join(&dir, load_dir, tag, err);
    pawl_image_cache_open(&reading->cache, ++reading->opens);
    if (rc == 0) {
        rc = is_signed ? pawl_verify_signed(&verifier, dir, manifest, err)
                       : pawl_verify_unsigned(&verifier, dir, err);
    }
    if (rc < 0) {
        pawl_image_cache_close(&reading->cache);
        pawl_manifest_fini(manifest);
        free(dir);
        return rc;
    }
    pthread_mutex_lock(&reading->locked.lock);
    forget_locked(reading);
    reading->locked.dir = dir;
    reading->locked.is_signed = is_signed;
    reading->locked.is_proven = verifier.level == PAWL_VERIFY_FULL;
    reading->locked.manifest = *manifest;
    pthread_mutex_unlock(&reading->locked.lock);
    return 0;
}

static int open_tag(struct pawl_reading *reading, struct pawl_store *store,
                    const char *load_dir, const char *tag,
                    struct pawl_error *err)
{
    struct pawl_manifest manifest = {0};
    struct pawl_owner owner;
    enum pawl_owner_state maker;
    enum pawl_tag_state state = PAWL_TAG_MISSING;
    int rc = pawl_tag_look(&state, &manifest, &maker, &owner, store, tag,
                           reading->token, err);
    if (rc < 0) {
        return rc;
    }
    switch (state) {
    case PAWL_TAG_SIGNED:
    case PAWL_TAG_UNSIGNED:
        return open_found(reading, load_dir, tag, state == PAWL_TAG_SIGNED,
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

static int open_newest(struct pawl_reading *reading, struct pawl_store *store,
                       const char *load_dir, char tag_out[PAWL_TAG_MAX + 1],
                       struct pawl_error *err)
{
    struct pawl_candidates all = {0};
    int rc =
        pawl_discover(&all, reading->setup->place, load_dir, &reading->formats,
                      reading->token, reading->setup->log, err);
    bool found = false;
    for (size_t i = 0; rc == 0 && !found && i < all.count; i++) {
        struct pawl_error why;
        int opened = open_tag(reading, store, load_dir, all.items[i].tag, &why);
        found = opened == 0;
        if (opened == PAWL_ENOMEM) {
            rc = pawl_fail_nomem(err);
        } else if (!found) {
            pawl_log_line(reading->setup->log, PAWL_LOG_WARNING,
                          "skipping checkpoint '%s': %s", all.items[i].tag,
                          why.message);
        } else {
            snprintf(tag_out, PAWL_TAG_MAX + 1, "%s", all.items[i].tag);
        }
    }
    if (rc == 0 && !found && all.count > 0) {
        pawl_log_line(reading->setup->log, PAWL_LOG_WARNING,
                      "none of the %zu checkpoints in '%s' is whole", all.count,
                      load_dir);
    }
    pawl_candidates_fini(&all);
    return rc;
}

int pawl_reading_open(struct pawl_reading *reading, bool is_alone,
                      const char *load_dir, const char *tag,
                      char tag_out[PAWL_TAG_MAX + 1], struct pawl_error *err)
{
    const struct pawl_engine_setup *setup = reading->setup;
    struct pawl_store store = {0};
    int rc = pawl_place_store(&store, setup->place, load_dir, err);
    if (rc < 0) {
        return rc;
    }
    tag_out[0] = '\0';
    struct pawl_recovery recovery = {
        .store = &store,
        .log = setup->log,
        .token = reading->token,
        .durable = setup->config->durable,
        .ours_too = is_alone,
    };
    pawl_recover(&recovery);
    if (tag == NULL) {
        rc = open_newest(reading, &store, load_dir, tag_out, err);
    } else {
        rc = open_tag(reading, &store, load_dir, tag, err);
        if (rc == 0) {
            snprintf(tag_out, PAWL_TAG_MAX + 1, "%s", tag);
        }
    }
    pawl_store_fini(&store);
    return rc;
}

void pawl_reading_close(struct pawl_reading *reading)
{
    pawl_image_cache_close(&reading->cache);
    pthread_mutex_lock(&reading->locked.lock);
    forget_locked(reading);
    pthread_mutex_unlock(&reading->locked.lock);
}

char *pawl_reading_opened(struct pawl_reading *reading, const char *save_dir)
{
    char *tag = NULL;
    pthread_mutex_lock(&reading->locked.lock);
    if (reading->locked.dir != NULL) {
        const char *below = pawl_path_below(reading->locked.dir, save_dir);
        tag = below == NULL ? NULL : strdup(below);
    }
    pthread_mutex_unlock(&reading->locked.lock);
    return tag;
}

/* ---- loading ------------------------------------------------------------ */

/* What the open checkpoint's manifest says of `path`; `file->path` is NULL if
 * it says nothing, and the caller's otherwise. */
static int ask_manifest(struct pawl_reading *reading, const char *path,
                        struct pawl_manifest_file *file, bool *is_proven,
                        struct pawl_error *err)
{
    const struct pawl_manifest_file *entry = NULL;
    int rc = 0;
    *file = (struct pawl_manifest_file){0};
    *is_proven = false;
    pthread_mutex_lock(&reading->locked.lock);
    if (reading->locked.dir != NULL && reading->locked.is_signed) {
        const char *below = pawl_path_below(path, reading->locked.dir);
        entry = below == NULL
                    ? NULL
                    : pawl_manifest_find(&reading->locked.manifest, below);
    }
    if (entry != NULL) {
        *file = *entry;
        file->path = strdup(entry->path);
        rc = file->path == NULL ? pawl_fail_nomem(err) : 0;
        *is_proven = reading->locked.is_proven;
    }
    pthread_mutex_unlock(&reading->locked.lock);
    return rc;
}

static bool is_inside(struct pawl_reading *reading, const char *path)
{
    pthread_mutex_lock(&reading->locked.lock);
    bool inside = reading->locked.dir != NULL &&
                  pawl_path_below(path, reading->locked.dir) != NULL;
    pthread_mutex_unlock(&reading->locked.lock);
    return inside;
}

int pawl_reading_load(struct pawl_reading *reading, const char *path,
                      unsigned flags, struct pawl_state **out,
                      struct pawl_error *err)
{
    const struct pawl_engine_setup *setup = reading->setup;
    struct pawl_manifest_file expected;
    struct pawl_loading how = {
        .place = setup->place,
        .formats = &reading->formats,
        .block_bytes = (size_t)setup->config->block_bytes,
        .path = path,
        .flags = flags,
        .images = images_of(reading),
        .cache = is_inside(reading, path) ? &reading->cache : NULL,
        .cache_generation = pawl_image_cache_generation(&reading->cache),
    };
    uint64_t size = 0;
    int rc = ask_manifest(reading, path, &expected, &how.is_proven, err);
    if (rc < 0) {
        return rc;
    }
    how.expected = expected.path == NULL ? NULL : &expected;
    rc = pawl_load_file(out, &how, &size, err);
    free(expected.path);
    if (rc == 0) {
        pawl_meter_loaded(setup->meter, size);
    }
    return rc;
}
