/* SPDX-License-Identifier: Apache-2.0 */
/* reading.c - see reading.h. */
#include "engine/reading.h"

#include "base/path.h"
#include "engine/discover.h"
#include "engine/load.h"
#include "engine/manifest_file.h"
#include "engine/nodes.h"
#include "engine/owner.h"
#include "engine/parts.h"
#include "engine/recovery.h"
#include "engine/tag_state.h"
#include "engine/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often is looked at what another job changes meanwhile. */
#define LOOKS_MAX 4

void pawl_reading_init(struct pawl_reading *reading,
                       const struct pawl_engine_setup *setup, uint64_t token)
{
    uint64_t block = setup->config->block_bytes;
    *reading = (struct pawl_reading){.setup = setup, .token = token};
    pawl_formats_init(&reading->formats, setup->format);
    reading->images = (struct pawl_image_options){
        .block_bytes = block < PAWL_READ_BLOCK_BYTES ? (size_t)block
                                                     : PAWL_READ_BLOCK_BYTES,
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
        .share = reading->share,
    };
}

/* ---- opening ------------------------------------------------------------ */

/* Who opens it decides what a checkpoint of another world is good for. */
static void note_world(const struct pawl_engine_setup *setup, const char *tag,
                       uint32_t world_size)
{
    uint32_t ranks = pawl_agreement_size(setup->agreement);
    if (pawl_agreement_leads(setup->agreement) && world_size != ranks) {
        pawl_log_line(setup->log, PAWL_LOG_INFO,
                      "checkpoint '%s' was made by %u ranks, and is opened by "
                      "%u",
                      tag, world_size, ranks);
    }
}

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
    if (is_signed) {
        note_world(reading->setup, tag, manifest->world_size);
    }
    pthread_mutex_lock(&reading->locked.lock);
    forget_locked(reading);
    reading->locked.dir = dir;
    reading->locked.is_signed = is_signed;
    reading->locked.is_proven = verifier.level == PAWL_VERIFY_FULL;
    reading->locked.share = reading->share;
    reading->locked.manifest = *manifest;
    pthread_mutex_unlock(&reading->locked.lock);
    return 0;
}

/* `sequence` is the number of what was looked at, 0 if it has none. */
static int open_once(struct pawl_reading *reading, struct pawl_store *store,
                     const char *load_dir, const char *tag, uint64_t *sequence,
                     struct pawl_error *err)
{
    struct pawl_manifest manifest = {0};
    struct pawl_owner owner;
    enum pawl_owner_state maker;
    enum pawl_tag_state state = PAWL_TAG_MISSING;
    int rc = pawl_tag_look(&state, &manifest, &maker, &owner, store, tag,
                           reading->token, err);
    *sequence = rc == 0 ? manifest.sequence : 0;
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
        /* Within this process it is worth waiting: contract_load.c does. */
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

/* Whether `tag` is another checkpoint by now than number `sequence`. */
static bool has_changed(struct pawl_store *store, const char *tag,
                        uint64_t sequence)
{
    struct pawl_manifest manifest = {0};
    bool changed = pawl_manifest_read(&manifest, store, tag, NULL) == 0 &&
                   manifest.sequence != sequence;
    pawl_manifest_fini(&manifest);
    return changed;
}

/* If another job commits `tag` anew while it is read, the manifest is of one
 * and the files are of the other: that is no damage. */
static int open_tag(struct pawl_reading *reading, struct pawl_store *store,
                    const char *load_dir, const char *tag,
                    struct pawl_error *err)
{
    struct pawl_error why;
    uint64_t sequence = 0;
    int rc = open_once(reading, store, load_dir, tag, &sequence, &why);
    for (int i = 1; i < LOOKS_MAX && rc < 0 && rc != PAWL_ENOMEM &&
                    has_changed(store, tag, sequence);
         i++) {
        rc = open_once(reading, store, load_dir, tag, &sequence, &why);
    }
    if (rc < 0) { /* the code may say more than the error's */
        pawl_error_copy(err, &why);
    }
    return rc;
}

/* ---- which one ----------------------------------------------------------- */

static bool is_among(const struct pawl_candidates *list,
                     const struct pawl_candidate *item)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct pawl_candidate *other = &list->items[i];
        if (strcmp(other->tag, item->tag) == 0 &&
            other->sequence == item->sequence &&
            other->time_ms == item->time_ms) {
            return true;
        }
    }
    return false;
}

/* What there is to open next: the tag asked for, or the newest that was not
 * tried yet; or nothing.  What is no checkpoint is told of in the first look.
 */
static int find_candidate(struct pawl_candidates *next,
                          struct pawl_reading *reading, const char *load_dir,
                          const char *tag, const struct pawl_candidates *tried,
                          bool is_first, struct pawl_error *err)
{
    struct pawl_candidates all = {0};
    if (tag != NULL) {
        return pawl_candidates_add(next, tag, err);
    }
    int rc = pawl_discover(&all, reading->setup->place, load_dir,
                           &reading->formats, reading->token,
                           is_first ? reading->setup->log : NULL, err);
    for (size_t i = 0; rc == 0 && next->count == 0 && i < all.count; i++) {
        if (!is_among(tried, &all.items[i])) {
            rc = pawl_candidates_copy(next, &all.items[i], err);
        }
    }
    pawl_candidates_fini(&all);
    return rc;
}

/* Rank 0 tells the others what there is: tags, each with its NUL. */
static int share_candidates(struct pawl_candidates *all,
                            const struct pawl_agreement *agreement,
                            size_t index, int rc, struct pawl_error *err)
{
    struct pawl_buffer told = {0};
    char key[PAWL_AGREEMENT_KEY_MAX];
    bool leads = pawl_agreement_leads(agreement);
    pawl_agreement_key(key, PAWL_AGREEMENT_OPEN, agreement->opens, index);
    for (size_t i = 0; leads && i < all->count; i++) {
        pawl_buffer_append(&told, all->items[i].tag,
                           strlen(all->items[i].tag) + 1);
    }
    if (rc == 0 && told.failed) {
        rc = pawl_fail_nomem(err);
    }
    if (leads && rc < 0) {
        pawl_agreement_sign(agreement, err);
    }
    rc = pawl_agreement_tell(agreement, key, rc, &told, NULL, err);
    for (size_t at = 0; rc == 0 && !leads && at < told.len;) {
        const char *tag = (const char *)told.data + at;
        size_t len = strnlen(tag, told.len - at);
        rc = len < told.len - at && pawl_tag_check(tag, NULL) == 0
                 ? pawl_candidates_add(all, tag, err)
                 : pawl_fail(err, PAWL_EBUG, 0, "rank 0 told no tags");
        at += len + 1;
    }
    pawl_buffer_fini(&told);
    return rc;
}

/* Whether the ranks of each node read a directory of their own. */
static bool is_local(const struct pawl_reading *reading)
{
    return !pawl_agreement_is_alone(reading->setup->agreement) &&
           reading->setup->config->layout == PAWL_LAYOUT_LOCAL;
}

/* Opens `tag` if it is whole as far as this rank has to prove it; with several
 * ranks all do, or none. */
static int open_together(struct pawl_reading *reading, struct pawl_store *store,
                         const char *load_dir, const char *tag,
                         const char *asked, size_t index,
                         struct pawl_error *err)
{
    const struct pawl_agreement *agreement = reading->setup->agreement;
    char key[PAWL_AGREEMENT_KEY_MAX];
    int rc = open_tag(reading, store, load_dir, tag, err);
    if (pawl_agreement_is_alone(agreement)) {
        return rc;
    }
    bool opened = rc == 0;
    if (rc == PAWL_ESTATE) { /* nobody waits for it here */
        rc = PAWL_EBUSY;
    }
    pawl_agreement_key(key, PAWL_AGREEMENT_PROVE, agreement->opens, index);
    rc = pawl_agreement_settle(agreement, key, asked == NULL ? "" : asked, rc,
                               NULL, err);
    if (rc == 0 && is_local(reading)) {
        rc = pawl_parts_fit(agreement, agreement->opens, index,
                            &reading->locked.manifest, err);
    }
    if (rc < 0 && opened) {
        pawl_reading_close(reading);
    }
    return rc;
}

/* Whether what happened with one candidate ends the search: no memory, ranks
 * that do not come, or that were called out of order. */
static bool is_end(const struct pawl_reading *reading, int rc)
{
    bool alone = pawl_agreement_is_alone(reading->setup->agreement);
    return rc == PAWL_ENOMEM ||
           (!alone && (rc == PAWL_ETIMEDOUT || rc == PAWL_ECANCELED ||
                       rc == PAWL_ESTATE || rc == PAWL_EINVAL));
}

static void recover(struct pawl_reading *reading, struct pawl_store *store)
{
    struct pawl_recovery recovery = {
        .store = store,
        .log = reading->setup->log,
        .token = reading->token,
        .durable = reading->setup->config->durable,
        .ours_too = reading->is_alone,
    };
    pawl_recover(&recovery);
}

/* Finds out what this rank has to verify, and clears its node's directory. */
static int meet_nodes(struct pawl_reading *reading, struct pawl_store *store,
                      const char *load_dir, struct pawl_error *err)
{
    const struct pawl_agreement *agreement = reading->setup->agreement;
    uint32_t rank = pawl_agreement_rank(agreement);
    struct pawl_nodes nodes = {0};
    char key[PAWL_AGREEMENT_KEY_MAX];
    pawl_agreement_key(key, PAWL_AGREEMENT_MEET, agreement->opens, 0);
    int rc = pawl_nodes_meet(&nodes, agreement, key, load_dir, err);
    if (rc < 0) {
        return rc;
    }
    reading->share.rank = pawl_nodes_index(&nodes, rank, &reading->share.ranks);
    if (rank != 0 && reading->share.rank == 0) { /* rank 0 did so before */
        recover(reading, store);
    }
    pawl_nodes_fini(&nodes);
    return 0;
}

/* Finds what to open next, which all ranks then know; `look` counts from 0. */
static int agree_on_next(struct pawl_candidates *next,
                         struct pawl_reading *reading, struct pawl_store *store,
                         const char *load_dir, const char *tag,
                         const struct pawl_candidates *tried, size_t look,
                         struct pawl_error *err)
{
    struct pawl_agreement *agreement = reading->setup->agreement;
    int rc = 0;
    if (pawl_agreement_leads(agreement)) {
        rc =
            find_candidate(next, reading, load_dir, tag, tried, look == 0, err);
    }
    if (!pawl_agreement_is_alone(agreement)) {
        rc = share_candidates(next, agreement, look, rc, err);
    }
    if (rc == 0 && look == 0 && is_local(reading)) {
        rc = meet_nodes(reading, store, load_dir, err);
    }
    return rc;
}

static void log_outcome(struct pawl_reading *reading, const char *load_dir,
                        const char *opened, size_t tried)
{
    if (opened[0] == '\0' && tried > 0) {
        pawl_log_line(reading->setup->log, PAWL_LOG_WARNING,
                      "none of the %zu checkpoints in '%s' is whole", tried,
                      load_dir);
    }
}

/* Opens the newest that is whole.  Another job may commit, and delete, all the
 * while: after each that could not be opened, and where there was nothing, it
 * looks again, so that a directory that always had a whole one has one. */
static int open_newest(struct pawl_reading *reading, struct pawl_store *store,
                       const char *load_dir, char tag_out[PAWL_TAG_MAX + 1],
                       struct pawl_error *err)
{
    struct pawl_candidates tried = {0};
    int rc = 0;
    int empty = 0;
    for (size_t look = 0; rc == 0 && tag_out[0] == '\0' && empty < LOOKS_MAX;
         look++) {
        struct pawl_candidates next = {0};
        struct pawl_error why;
        rc = agree_on_next(&next, reading, store, load_dir, NULL, &tried, look,
                           err);
        empty = next.count > 0 ? 0 : empty + 1;
        if (rc < 0 || next.count == 0) {
            pawl_candidates_fini(&next);
            continue;
        }
        const char *tag = next.items[0].tag;
        int opened =
            open_together(reading, store, load_dir, tag, NULL, look, &why);
        if (opened == 0) {
            snprintf(tag_out, PAWL_TAG_MAX + 1, "%s", tag);
        } else if (is_end(reading, opened)) {
            rc = pawl_error_copy(err, &why);
        } else {
            pawl_log_line(reading->setup->log, PAWL_LOG_WARNING,
                          "skipping checkpoint '%s': %s", tag, why.message);
            rc = pawl_candidates_copy(&tried, &next.items[0], err);
        }
        pawl_candidates_fini(&next);
    }
    if (rc == 0) {
        log_outcome(reading, load_dir, tag_out, tried.count);
    }
    pawl_candidates_fini(&tried);
    return rc;
}

static int open_named(struct pawl_reading *reading, struct pawl_store *store,
                      const char *load_dir, const char *tag,
                      char tag_out[PAWL_TAG_MAX + 1], struct pawl_error *err)
{
    struct pawl_candidates next = {0};
    int rc = agree_on_next(&next, reading, store, load_dir, tag, NULL, 0, err);
    pawl_candidates_fini(&next);
    if (rc == 0) {
        rc = open_together(reading, store, load_dir, tag, tag, 0, err);
    }
    if (rc == 0) {
        snprintf(tag_out, PAWL_TAG_MAX + 1, "%s", tag);
    }
    return rc;
}

int pawl_reading_open(struct pawl_reading *reading, bool is_alone,
                      const char *load_dir, const char *tag,
                      char tag_out[PAWL_TAG_MAX + 1], struct pawl_error *err)
{
    struct pawl_agreement *agreement = reading->setup->agreement;
    struct pawl_store store = {0};
    int rc = pawl_place_store(&store, reading->setup->place, load_dir, err);
    if (rc < 0) {
        return rc;
    }
    tag_out[0] = '\0';
    reading->is_alone = is_alone;
    reading->share = (struct pawl_share){
        .rank = pawl_agreement_rank(agreement),
        .ranks = pawl_agreement_size(agreement),
    };
    if (pawl_agreement_leads(agreement)) {
        recover(reading, &store);
    }
    if (!pawl_agreement_is_alone(agreement)) {
        agreement->opens++;
    }
    rc = tag == NULL ? open_newest(reading, &store, load_dir, tag_out, err)
                     : open_named(reading, &store, load_dir, tag, tag_out, err);
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
    const struct pawl_manifest *manifest = &reading->locked.manifest;
    const struct pawl_manifest_file *entry = NULL;
    int rc = 0;
    *file = (struct pawl_manifest_file){0};
    *is_proven = false;
    pthread_mutex_lock(&reading->locked.lock);
    if (reading->locked.dir != NULL && reading->locked.is_signed) {
        const char *below = pawl_path_below(path, reading->locked.dir);
        entry = below == NULL ? NULL : pawl_manifest_find(manifest, below);
    }
    if (entry != NULL) {
        *file = *entry;
        file->path = strdup(entry->path);
        rc = file->path == NULL ? pawl_fail_nomem(err) : 0;
        /* What another rank proved is proved again: it may see other bytes. */
        *is_proven = reading->locked.is_proven &&
                     pawl_share_has(&reading->locked.share, manifest,
                                    (size_t)(entry - manifest->files));
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
        .block_bytes = reading->images.block_bytes,
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
