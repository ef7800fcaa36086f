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

/* Step 2, of what is there: a file behind a link that somebody put in the
 * place of a directory is not in the list.  Removed ones are marked. */
static int remove_named(struct pawl_store *store, const char *dir,
                        struct pawl_listing *tree,
                        const struct pawl_strmap *named, struct pawl_error *err)
{
    size_t room = pawl_spare_room(store, named->count);
    for (size_t i = 0; i < tree->count; i++) {
        struct pawl_listing_item *item = &tree->items[i];
        char *name = NULL;
        if (item->is_dir ||
            pawl_strmap_get(named, item->path, strlen(item->path)) == NULL) {
            continue;
        }
        int rc = pawl_path_join(&name, dir, item->path, err);
        if (rc == 0 && room > 0 && !item->is_link &&
            pawl_spare_put(store, name, NULL) == 0) {
            room--;
        } else if (rc == 0) {
            rc = pawl_store_remove(store, name, err);
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
static int move_back(struct pawl_store *store, const char *dir, const char *tag,
                     const char *path, struct pawl_error *err)
{
    char *from = NULL;
    char *to = NULL;
    int rc = pawl_path_join(&from, dir, path, err);
    if (rc == 0) {
        rc = pawl_path_join(&to, tag, path, err);
    }
    if (rc == 0) {
        rc = pawl_tree_mkdir_above(store, to, err);
    }
    if (rc == 0) {
        rc = pawl_store_rename(store, from, to, PAWL_RENAME_NEW, err);
    }
    free(from);
    free(to);
    return rc;
}

/* Step 3, with all that was not removed.  The number of files that could not
 * move. */
static size_t move_all_back(struct pawl_store *store,
                            const struct pawl_layout *layout, const char *dir,
                            const struct pawl_listing *tree,
                            struct pawl_log *log)
{
    size_t stuck = 0;
    for (size_t i = 0; i < tree->count; i++) {
        const char *path = tree->items[i].path;
        struct pawl_error err;
        bool is_real_dir = tree->items[i].is_dir && !tree->items[i].is_link;
        if (tree->items[i].mark || is_real_dir ||
            strcmp(path, PAWL_MANIFEST_NAME) == 0) {
            continue;
        }
        if (move_back(store, dir, layout->tag, path, &err) < 0) {
            pawl_log_line(log, PAWL_LOG_WARNING,
                          "'%s/%s' is not Pawl's and cannot move back: %s",
                          layout->tag, path, err.message);
            stuck++;
        }
    }
    return stuck;
}

/* Where files that cannot go home stay, out of the way of the tag. */
static int keep(struct pawl_store *store, const struct pawl_layout *layout,
                const char *dir, uint64_t sequence, struct pawl_log *log,
                struct pawl_error *err)
{
    char kept[PAWL_WORK_NAME_MAX];
    char manifest[PAWL_WORK_NAME_MAX + sizeof("/" PAWL_MANIFEST_NAME)];
    snprintf(kept, sizeof(kept), PAWL_WORK_DIR "/%s.%llu.kept", layout->stem,
             (unsigned long long)sequence);
    int rc = pawl_store_rename(store, dir, kept, PAWL_RENAME_NEW, err);
    if (rc < 0) {
        return rc;
    }
    pawl_log_line(log, PAWL_LOG_WARNING,
                  "files that are not Pawl's are kept in '%s'", kept);
    snprintf(manifest, sizeof(manifest), "%s/%s", kept, PAWL_MANIFEST_NAME);
    return pawl_store_remove(store, manifest, err);
}

/* Step 4, the directories: those that are not empty stay. */
static void remove_dirs(struct pawl_store *store, const char *dir,
                        const struct pawl_listing *tree)
{
    for (size_t i = tree->count; i > 0; i--) {
        char *name = NULL;
        if (tree->items[i - 1].is_dir && !tree->items[i - 1].is_link &&
            pawl_path_join(&name, dir, tree->items[i - 1].path, NULL) == 0) {
            pawl_store_remove(store, name, NULL);
        }
        free(name);
    }
}

static int finish(struct pawl_store *store, const char *dir,
                  const struct pawl_listing *tree, struct pawl_error *err)
{
    char *name = NULL;
    int rc = pawl_manifest_name(&name, dir, err);
    if (rc < 0) {
        return rc;
    }
    remove_dirs(store, dir, tree);
    rc = pawl_store_remove(store, name, err);
    free(name);
    if (rc == 0 || rc == PAWL_ENOENT) {
        rc = pawl_store_remove(store, dir, err);
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

static int scrap_named(struct pawl_store *store,
                       const struct pawl_layout *layout, const char *dir,
                       const struct pawl_manifest *manifest,
                       struct pawl_log *log, struct pawl_error *err)
{
    struct pawl_listing tree = {0};
    struct pawl_strmap named = {0};
    int rc = name_files(&named, manifest, err);
    if (rc == 0) {
        rc = pawl_listing_tree(&tree, store, dir, err);
    }
    if (rc == 0) {
        rc = remove_named(store, dir, &tree, &named, err);
    }
    if (rc == 0) {
        rc = move_all_back(store, layout, dir, &tree, log) > 0
                 ? keep(store, layout, dir, manifest->sequence, log, err)
                 : finish(store, dir, &tree, err);
    }
    pawl_listing_fini(&tree);
    pawl_strmap_fini(&named);
    return rc;
}

int pawl_scrap(struct pawl_store *store, const struct pawl_layout *layout,
               const char *dir, struct pawl_log *log, struct pawl_error *err)
{
    struct pawl_manifest manifest = {0};
    if (pawl_store_remove(store, dir, NULL) == 0) {
        return 0; /* a link, of which what it leads to is not ours; or empty */
    }
    int rc = pawl_manifest_read(&manifest, store, dir, err);
    if (rc == 0) {
        rc = scrap_named(store, layout, dir, &manifest, log, err);
        pawl_manifest_fini(&manifest);
        return rc;
    }
    if (rc != PAWL_ENOENT) {
        return rc;
    }
    /* The manifest went last: only directories can be left. */
    struct pawl_listing tree = {0};
    rc = pawl_listing_tree(&tree, store, dir, err);
    if (rc == 0) {
        rc = finish(store, dir, &tree, err);
    }
    pawl_listing_fini(&tree);
    return rc == PAWL_ENOENT ? 0 : rc;
}
