/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.c - pawl/inspect.h: checkpoints as people who look after them see
 * them
 *
 * Uses what the engines use to find and verify, at the level of sizes; only
 * the reading of every byte is done here, block by block, so that damage is
 * told file by file, and progress as it is made.
 */
#include "base/path.h"
#include "engine/discover.h"
#include "engine/layout.h"
#include "engine/listing.h"
#include "engine/manifest_file.h"
#include "engine/owner.h"
#include "engine/tag_state.h"
#include "engine/verify.h"
#include "state/value.h"

#include <pawl/engine.h>
#include <pawl/inspect.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 4 << 20 };

/* A directory that is looked at. */
struct inspection {
    struct pawl_place *place;
    struct pawl_store store; /* rooted at dir */
    struct pawl_formats formats;
    char *dir; /* absolute */
};

static void inspection_fini(struct inspection *in)
{
    pawl_store_fini(&in->store);
    pawl_place_unref(in->place);
    free(in->dir);
}

static int inspection_init(struct inspection *in, const char *dir,
                           struct pawl_error *err)
{
    *in = (struct inspection){0};
    pawl_formats_init(&in->formats, NULL);
    int rc = pawl_path_absolute(&in->dir, dir, err);
    if (rc == 0) {
        rc = pawl_place_new(&in->place, NULL, "{}", err);
    }
    if (rc == 0) {
        rc = pawl_place_store(&in->store, in->place, in->dir, err);
    }
    if (rc < 0) {
        inspection_fini(in);
    }
    return rc;
}

/* ---- list ---------------------------------------------------------------- */

struct lister {
    struct inspection in;
    char latest[PAWL_TAG_MAX + 1];
    pawl_checkpoint_fn fn;
    void *ctx;
    bool is_stopped;
};

static void tell(struct lister *lister, struct pawl_checkpoint *checkpoint)
{
    checkpoint->struct_size = sizeof(*checkpoint);
    checkpoint->is_latest = strcmp(checkpoint->tag, lister->latest) == 0;
    if (!lister->is_stopped && lister->fn(lister->ctx, checkpoint) != 0) {
        lister->is_stopped = true;
    }
}

static void count_listed(struct pawl_checkpoint *checkpoint,
                         const struct pawl_listing *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (!tree->items[i].is_dir) {
            checkpoint->file_count++;
            checkpoint->size_bytes += tree->items[i].size_bytes;
        }
    }
}

/* Counts what is there, for those without a manifest that can be read. */
static void count_files(struct lister *lister,
                        struct pawl_checkpoint *checkpoint)
{
    struct pawl_listing tree = {0};
    if (pawl_listing_tree(&tree, &lister->in.store, checkpoint->tag, NULL) ==
        0) {
        count_listed(checkpoint, &tree);
    }
    pawl_listing_fini(&tree);
}

static int verify_sizes(struct lister *lister, const char *tag,
                        const struct pawl_manifest *manifest,
                        struct pawl_error *why)
{
    struct pawl_verifier verifier = {
        .place = lister->in.place,
        .formats = &lister->in.formats,
        .level = PAWL_VERIFY_SIZE,
        .block_bytes = BLOCK_BYTES,
    };
    char *dir = NULL;
    int rc = pawl_path_join(&dir, lister->in.dir, tag, why);
    if (rc == 0) {
        rc = manifest != NULL
                 ? pawl_verify_signed(&verifier, dir, manifest, why)
                 : pawl_verify_unsigned(&verifier, dir, why);
    }
    free(dir);
    return rc;
}

static void list_candidate(struct lister *lister,
                           const struct pawl_candidate *item)
{
    struct pawl_manifest manifest = {0};
    struct pawl_error why = {0};
    struct pawl_checkpoint checkpoint = {
        .tag = item->tag,
        .state = item->is_signed ? PAWL_CHECKPOINT_COMMITTED
                                 : PAWL_CHECKPOINT_UNSIGNED,
        .sequence = item->sequence,
        .time_unix_ms = item->time_ms,
    };
    int rc = 0;
    if (item->is_signed) {
        rc = pawl_manifest_read(&manifest, &lister->in.store, item->tag, &why);
    }
    for (size_t i = 0; i < manifest.count; i++) {
        checkpoint.size_bytes += manifest.files[i].size_bytes;
    }
    checkpoint.file_count = manifest.count;
    checkpoint.world_size = manifest.world_size;
    checkpoint.part = manifest.part;
    checkpoint.parts = manifest.parts;
    if (!item->is_signed) {
        count_files(lister, &checkpoint);
    }
    if (rc == 0) {
        rc = verify_sizes(lister, item->tag, item->is_signed ? &manifest : NULL,
                          &why);
    }
    if (rc < 0) {
        checkpoint.state = PAWL_CHECKPOINT_BROKEN;
    }
    checkpoint.reason = why.message;
    tell(lister, &checkpoint);
    pawl_manifest_fini(&manifest);
}

static bool is_candidate(const struct pawl_candidates *all, const char *tag)
{
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->items[i].tag, tag) == 0) {
            return true;
        }
    }
    return false;
}

/* A tag that open would not consider: what it is instead. */
static void list_other(struct lister *lister, const char *tag, int64_t time_ms)
{
    struct pawl_manifest manifest = {0};
    struct pawl_owner owner;
    enum pawl_owner_state maker = PAWL_OWNER_NONE;
    enum pawl_tag_state state = PAWL_TAG_MISSING;
    struct pawl_error why = {0};
    struct pawl_checkpoint checkpoint = {
        .tag = tag,
        .state = PAWL_CHECKPOINT_BROKEN,
        .time_unix_ms = time_ms,
    };
    int rc = pawl_tag_look(&state, &manifest, &maker, &owner, &lister->in.store,
                           tag, 0, &why);
    if (rc == 0 && state == PAWL_TAG_MAKING) {
        checkpoint.state = PAWL_CHECKPOINT_MAKING;
        checkpoint.time_unix_ms = (int64_t)owner.created_unix_ms;
        pawl_owner_busy(&owner, maker, &why);
    } else if (rc == 0 && state == PAWL_TAG_HALF) {
        pawl_fail(&why, PAWL_ECORRUPT, 0, "its commit was interrupted");
    } else if (rc == 0) {
        pawl_manifest_fini(&manifest);
        return; /* a directory of something else, or committed meanwhile */
    }
    count_files(lister, &checkpoint);
    checkpoint.reason = why.message;
    tell(lister, &checkpoint);
}

/* Directories of the root that are no candidates. */
static int list_others(struct lister *lister,
                       const struct pawl_candidates *known,
                       struct pawl_error *err)
{
    struct pawl_listing root = {0};
    int rc = pawl_listing_dir(&root, &lister->in.store, "", err);
    for (size_t i = 0; rc == 0 && i < root.count; i++) {
        const struct pawl_listing_item *item = &root.items[i];
        if (item->is_dir && pawl_tag_check(item->path, NULL) == 0 &&
            !is_candidate(known, item->path)) {
            list_other(lister, item->path, item->mtime_ns / 1000000);
        }
    }
    pawl_listing_fini(&root);
    return rc;
}

/* Tags in the making of which there is no directory yet. */
static void list_making(struct lister *lister,
                        const struct pawl_candidates *known)
{
    struct pawl_listing work = {0};
    struct pawl_listing root = {0};
    if (pawl_listing_dir(&work, &lister->in.store, PAWL_WORK_DIR, NULL) < 0 ||
        pawl_listing_dir(&root, &lister->in.store, "", NULL) < 0) {
        pawl_listing_fini(&work);
        return;
    }
    for (size_t i = 0; i < work.count; i++) {
        char *entry = work.items[i].path;
        size_t len = strlen(entry);
        bool is_part = len > 5 && strcmp(entry + len - 5, ".part") == 0;
        bool has_dir = false;
        if (!is_part || !pawl_layout_stem(entry) ||
            is_candidate(known, entry)) {
            continue;
        }
        for (size_t k = 0; k < root.count; k++) {
            has_dir |= strcmp(root.items[k].path, entry) == 0;
        }
        if (!has_dir) {
            list_other(lister, entry, work.items[i].mtime_ns / 1000000);
        }
    }
    pawl_listing_fini(&root);
    pawl_listing_fini(&work);
}

int pawl_checkpoint_list(const char *dir, pawl_checkpoint_fn fn, void *ctx,
                         struct pawl_error *err)
{
    struct lister lister = {.fn = fn, .ctx = ctx};
    struct pawl_candidates all = {0};
    struct pawl_listing root = {0};
    int rc = inspection_init(&lister.in, dir, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_listing_dir(&root, &lister.in.store, "", err); /* PAWL_ENOENT */
    pawl_listing_fini(&root);
    if (rc == 0) {
        pawl_read_latest(lister.latest, &lister.in.store, NULL);
        rc = pawl_discover(&all, lister.in.place, lister.in.dir,
                           &lister.in.formats, 0, NULL, err);
    }
    for (size_t i = 0; rc == 0 && i < all.count; i++) {
        list_candidate(&lister, &all.items[i]);
    }
    if (rc == 0) {
        rc = list_others(&lister, &all, err);
    }
    if (rc == 0) {
        list_making(&lister, &all);
    }
    pawl_candidates_fini(&all);
    inspection_fini(&lister.in);
    return rc;
}
