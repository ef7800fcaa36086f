/* SPDX-License-Identifier: Apache-2.0 */
/* merge.c - see merge.h. */
#include "engine/merge.h"

#include "base/path.h"
#include "engine/manifest_file.h"
#include "engine/object.h"

#include <stdlib.h>
#include <string.h>

/* Renames `path` from one directory to another. */
static int move(struct pawl_store *store, const char *from_dir,
                const char *to_dir, const char *path,
                enum pawl_store_rename how, struct pawl_error *err)
{
    char *from = NULL;
    char *to = NULL;
    int rc = pawl_path_join(&from, from_dir, path, err);
    if (rc == 0) {
        rc = pawl_path_join(&to, to_dir, path, err);
    }
    if (rc == 0) {
        rc = pawl_store_rename(store, from, to, how, err);
    }
    free(from);
    free(to);
    return rc;
}

/* Puts the caller's file of that name out of the way, if there is one.  A
 * directory in its place is an error: Pawl would have to delete it. */
static int set_aside(struct pawl_merge *merge, const char *path,
                     struct pawl_error *err)
{
    char *name = NULL;
    char *aside = NULL;
    int rc = pawl_path_join(&name, merge->layout->tag, path, err);
    if (rc == 0) {
        rc = pawl_object_exists(merge->store, name, NULL, err);
    }
    if (rc > 0) {
        rc = pawl_path_join(&aside, merge->layout->aside, path, err);
        if (rc == 0) {
            rc = pawl_tree_make_room(merge->store, aside, merge->durable, err);
        }
        if (rc == 0) {
            rc = pawl_store_rename(merge->store, name, aside,
                                   PAWL_RENAME_REPLACE, err);
        }
    }
    free(name);
    free(aside);
    return rc;
}

/* The names in each directory that the merge wrote to, the tag's last. */
static int sync_all(struct pawl_merge *merge, struct pawl_error *err)
{
    for (size_t i = merge->staged.count; i > 0; i--) {
        const struct pawl_listing_item *item = &merge->staged.items[i - 1];
        char *name = NULL;
        int rc = 0;
        if (item->is_dir) {
            rc = pawl_path_join(&name, merge->layout->tag, item->path, err);
            if (rc == 0) {
                rc = pawl_store_sync(merge->store, name, err);
            }
            free(name);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return pawl_store_sync(merge->store, merge->layout->tag, err);
}

static int make_dir(struct pawl_merge *merge, struct pawl_listing_item *item,
                    struct pawl_error *err)
{
    char *name = NULL;
    int rc = pawl_path_join(&name, merge->layout->tag, item->path, err);
    if (rc == 0) {
        rc = pawl_store_mkdir(merge->store, name, err);
    }
    free(name);
    item->mark = rc == 0;
    return rc == PAWL_EEXIST ? 0 : rc;
}

/* First all directories, durably, as in pawl_tree_make_room. */
static int make_dirs(struct pawl_merge *merge, struct pawl_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < merge->staged.count; i++) {
        if (merge->staged.items[i].is_dir) {
            rc = make_dir(merge, &merge->staged.items[i], err);
        }
    }
    return rc == 0 && merge->durable ? sync_all(merge, err) : rc;
}

static int move_in(struct pawl_merge *merge, struct pawl_listing_item *item,
                   struct pawl_error *err)
{
    const struct pawl_layout *layout = merge->layout;
    if (item->is_dir || strcmp(item->path, PAWL_MANIFEST_NAME) == 0) {
        return 0; /* made before; goes last */
    }
    int rc = set_aside(merge, item->path, err);
    if (rc == 0) {
        item->mark = true; /* from here on there is something to undo */
        rc = move(merge->store, layout->merge, layout->tag, item->path,
                  PAWL_RENAME_NEW, err);
    }
    return rc;
}

/* That every file is in its place: the caller, or the process before us, may
 * have removed one. */
static int check_all(struct pawl_merge *merge, struct pawl_error *err)
{
    for (size_t i = 0; i < merge->manifest->count; i++) {
        const struct pawl_manifest_file *file = &merge->manifest->files[i];
        char *name = NULL;
        uint64_t size = 0;
        int rc = pawl_path_join(&name, merge->layout->tag, file->path, err);
        if (rc == 0) {
            rc = pawl_object_exists(merge->store, name, &size, err);
        }
        free(name);
        if (rc == 0 || (rc > 0 && size != file->size_bytes)) {
            return pawl_fail(err, PAWL_ECORRUPT, 0,
                             "'%s/%s' is missing or was changed",
                             merge->layout->tag, file->path);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int pawl_merge_begin(struct pawl_merge *merge, struct pawl_error *err)
{
    int rc = pawl_store_rename(merge->store, merge->layout->part,
                               merge->layout->merge, PAWL_RENAME_NEW, err);
    merge->begun = rc == 0;
    if (rc == 0 && merge->durable) {
        rc = pawl_store_sync(merge->store, PAWL_WORK_DIR, err);
    }
    return rc;
}

int pawl_merge_run(struct pawl_merge *merge, struct pawl_error *err)
{
    const struct pawl_layout *layout = merge->layout;
    int rc =
        pawl_listing_tree(&merge->staged, merge->store, layout->merge, err);
    if (rc == 0) {
        rc = make_dirs(merge, err);
    }
    for (size_t i = 0; rc == 0 && i < merge->staged.count; i++) {
        rc = move_in(merge, &merge->staged.items[i], err);
    }
    if (rc == 0) {
        rc = check_all(merge, err);
    }
    if (rc == 0 && merge->durable) {
        rc = sync_all(merge, err);
    }
    if (rc == 0) {
        rc = move(merge->store, layout->merge, layout->tag, PAWL_MANIFEST_NAME,
                  PAWL_RENAME_REPLACE, err);
        merge->committed = rc == 0;
    }
    if (rc == 0 && merge->durable) {
        rc = pawl_store_sync(merge->store, layout->tag, err);
    }
    return rc;
}

static int move_out(struct pawl_merge *merge,
                    const struct pawl_listing_item *item,
                    struct pawl_error *err)
{
    const struct pawl_layout *layout = merge->layout;
    if (item->is_dir) {
        char *name = NULL;
        if (pawl_path_join(&name, layout->tag, item->path, err) == 0) {
            pawl_store_remove(merge->store, name, NULL); /* if it is empty */
        }
        free(name);
        return 0;
    }
    int rc = move(merge->store, layout->tag, layout->merge, item->path,
                  PAWL_RENAME_NEW, err);
    if (rc < 0 && rc != PAWL_ENOENT && rc != PAWL_EEXIST) {
        return rc; /* those two: it had not moved yet */
    }
    rc = move(merge->store, layout->aside, layout->tag, item->path,
              PAWL_RENAME_NEW, err);
    return rc == PAWL_ENOENT ? 0 : rc;
}

int pawl_merge_undo(struct pawl_merge *merge, struct pawl_error *err)
{
    int rc = 0;
    if (merge->committed) {
        rc = move(merge->store, merge->layout->tag, merge->layout->merge,
                  PAWL_MANIFEST_NAME, PAWL_RENAME_NEW, err);
        if (rc == 0 && merge->durable) { /* no manifest without its files */
            rc = pawl_store_sync(merge->store, merge->layout->tag, err);
        }
    }
    for (size_t i = merge->staged.count; rc == 0 && i > 0; i--) {
        if (merge->staged.items[i - 1].mark) {
            rc = move_out(merge, &merge->staged.items[i - 1], err);
        }
    }
    if (rc == 0 && merge->durable && merge->staged.count > 0) {
        rc = pawl_tree_sync(merge->store, merge->layout->tag, err);
    }
    if (rc == 0 && merge->begun) {
        rc = pawl_store_rename(merge->store, merge->layout->merge,
                               merge->layout->part, PAWL_RENAME_NEW, err);
    }
    return rc;
}

void pawl_merge_fini(struct pawl_merge *merge)
{
    pawl_listing_fini(&merge->staged);
}
