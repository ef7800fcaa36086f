/* SPDX-License-Identifier: Apache-2.0 */
/* scrap.c - see scrap.h. */
#include "engine/scrap.h"

#include "base/path.h"
#include "base/strmap.h"
#include "engine/listing.h"
#include "engine/manifest_file.h"
#include "engine/spare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A checkpoint on its way out. */
struct scrap {
    struct pawl_store *store;
    const struct pawl_layout *layout;
    const char *dir;
    bool durable;
    struct pawl_log *log;
    struct pawl_listing tree; /* what is in `dir`; mark: removed */
    size_t stuck;             /* files that are not Pawl's and cannot move */
};

/* Step 2, of what is there: a file behind a link that somebody put in the
 * place of a directory is not in the list.  Removed ones are marked. */
static int remove_named(struct scrap *scrap, const struct pawl_strmap *named,
                        struct pawl_error *err)
{
    size_t room = pawl_spare_room(scrap->store, named->count);
    for (size_t i = 0; i < scrap->tree.count; i++) {
        struct pawl_listing_item *item = &scrap->tree.items[i];
        char *name = NULL;
        if (item->is_dir ||
            pawl_strmap_get(named, item->path, strlen(item->path)) == NULL) {
            continue;
        }
        int rc = pawl_path_join(&name, scrap->dir, item->path, err);
        if (rc == 0 && room > 0 && !item->is_link &&
            pawl_spare_put(scrap->store, name, NULL) == 0) {
            room--;
        } else if (rc == 0) {
            rc = pawl_store_remove(scrap->store, name, err);
        }
        free(name);
        if (rc < 0 && rc != PAWL_ENOENT) {
            return rc;
        }
        item->mark = true;
    }
    return 0;
}

/* Moves one file back.  PAWL_EEXIST if its place is taken. */
static int move_back(struct scrap *scrap, const char *path,
                     struct pawl_error *err)
{
    char *from = NULL;
    char *to = NULL;
    int rc = pawl_path_join(&from, scrap->dir, path, err);
    if (rc == 0) {
        rc = pawl_path_join(&to, scrap->layout->tag, path, err);
    }
    if (rc == 0) {
        rc = pawl_tree_make_room(scrap->store, to, scrap->durable, err);
    }
    if (rc == 0) {
        rc = pawl_store_rename(scrap->store, from, to, PAWL_RENAME_NEW, err);
    }
    free(from);
    free(to);
    return rc;
}

/* Step 3, with all that was not removed.  A file whose place is taken is stuck;
 * one that cannot move for another reason is tried again by the next recovery.
 */
static int move_all_back(struct scrap *scrap, struct pawl_error *err)
{
    for (size_t i = 0; i < scrap->tree.count; i++) {
        const struct pawl_listing_item *item = &scrap->tree.items[i];
        bool is_real_dir = item->is_dir && !item->is_link;
        if (item->mark || is_real_dir ||
            strcmp(item->path, PAWL_MANIFEST_NAME) == 0) {
            continue;
        }
        int rc = move_back(scrap, item->path, err);
        if (rc < 0 && rc != PAWL_EEXIST && rc != PAWL_EINVAL) {
            return rc;
        }
        if (rc < 0) {
            pawl_log_line(scrap->log, PAWL_LOG_WARNING,
                          "'%s/%s' is not Pawl's and cannot move back: its "
                          "place is taken",
                          scrap->layout->tag, item->path);
            scrap->stuck++;
        }
    }
    return 0;
}

/* What moved back, now or by one who died then, is home for good, and what the
 * manifest names is gone for good: without a manifest nobody could tell the one
 * from the other. */
static int settle(struct scrap *scrap, struct pawl_error *err)
{
    if (!scrap->durable) {
        return 0;
    }
    int rc = pawl_tree_sync(scrap->store, scrap->layout->tag, err);
    return rc < 0 && rc != PAWL_ENOENT
               ? rc
               : pawl_tree_sync(scrap->store, scrap->dir, err);
}

/* Where files that cannot go home stay, out of the way of the tag. */
static int keep(struct scrap *scrap, uint64_t sequence, struct pawl_error *err)
{
    char kept[PAWL_WORK_NAME_MAX];
    char manifest[PAWL_WORK_NAME_MAX + sizeof("/" PAWL_MANIFEST_NAME)];
    snprintf(kept, sizeof(kept), PAWL_WORK_DIR "/%s.%llu.kept",
             scrap->layout->stem, (unsigned long long)sequence);
    int rc =
        pawl_store_rename(scrap->store, scrap->dir, kept, PAWL_RENAME_NEW, err);
    if (rc == 0 && scrap->durable) {
        rc = pawl_store_sync(scrap->store, PAWL_WORK_DIR, err);
    }
    if (rc < 0) {
        return rc;
    }
    pawl_log_line(scrap->log, PAWL_LOG_WARNING,
                  "files that are not Pawl's are kept in '%s'", kept);
    snprintf(manifest, sizeof(manifest), "%s/%s", kept, PAWL_MANIFEST_NAME);
    return pawl_store_remove(scrap->store, manifest, err);
}

/* Step 4, the directories: those that are not empty stay. */
static void remove_dirs(struct scrap *scrap)
{
    for (size_t i = scrap->tree.count; i > 0; i--) {
        const struct pawl_listing_item *item = &scrap->tree.items[i - 1];
        char *name = NULL;
        if (item->is_dir && !item->is_link &&
            pawl_path_join(&name, scrap->dir, item->path, NULL) == 0) {
            pawl_store_remove(scrap->store, name, NULL);
        }
        free(name);
    }
}

static int finish(struct scrap *scrap, struct pawl_error *err)
{
    char *name = NULL;
    int rc = pawl_manifest_name(&name, scrap->dir, err);
    if (rc < 0) {
        return rc;
    }
    remove_dirs(scrap);
    rc = pawl_store_remove(scrap->store, name, err);
    free(name);
    if (rc == 0 || rc == PAWL_ENOENT) {
        rc = pawl_store_remove(scrap->store, scrap->dir, err);
    }
    return rc == PAWL_ENOENT ? 0 : rc;
}

static int name_files(struct pawl_strmap *named,
                      const struct pawl_manifest *manifest,
                      struct pawl_error *err)
{
    for (size_t i = 0; i < manifest->count; i++) {
        char *path = manifest->files[i].path;
        if (!pawl_strmap_put(named, path, strlen(path), path)) {
            return pawl_fail_nomem(err);
        }
    }
    return 0;
}

static int scrap_named(struct scrap *scrap,
                       const struct pawl_manifest *manifest,
                       struct pawl_error *err)
{
    struct pawl_strmap named = {0};
    int rc = name_files(&named, manifest, err);
    if (rc == 0) {
        rc = pawl_listing_tree(&scrap->tree, scrap->store, scrap->dir, err);
    }
    if (rc == 0) {
        rc = remove_named(scrap, &named, err);
    }
    if (rc == 0) {
        rc = move_all_back(scrap, err);
    }
    if (rc == 0) {
        rc = settle(scrap, err);
    }
    if (rc == 0) {
        rc = scrap->stuck > 0 ? keep(scrap, manifest->sequence, err)
                              : finish(scrap, err);
    }
    pawl_strmap_fini(&named);
    return rc;
}

int pawl_scrap(struct pawl_store *store, const struct pawl_layout *layout,
               const char *dir, bool durable, struct pawl_log *log,
               struct pawl_error *err)
{
    struct pawl_manifest manifest = {0};
    struct scrap scrap = {
        .store = store,
        .layout = layout,
        .dir = dir,
        .durable = durable,
        .log = log,
    };
    if (pawl_store_remove(store, dir, NULL) == 0) {
        return 0; /* a link, of which what it leads to is not ours; or empty */
    }
    int rc = pawl_manifest_read(&manifest, store, dir, err);
    if (rc == 0) {
        rc = scrap_named(&scrap, &manifest, err);
        pawl_manifest_fini(&manifest);
    } else if (rc == PAWL_ENOENT) {
        /* The manifest went last: only directories can be left. */
        rc = pawl_listing_tree(&scrap.tree, store, dir, err);
        rc = rc == 0 ? finish(&scrap, err) : rc == PAWL_ENOENT ? 0 : rc;
    }
    pawl_listing_fini(&scrap.tree);
    return rc;
}
