/* SPDX-License-Identifier: Apache-2.0 */
/* listing.c - see listing.h. */
#include "engine/listing.h"

#include "base/path.h"

#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX 1000000

void pawl_listing_fini(struct pawl_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) {
        free(listing->items[i].path);
    }
    free(listing->items);
    *listing = (struct pawl_listing){0};
}

struct collect {
    struct pawl_listing *out;
    const char *below; /* put before the names, or "" */
    struct pawl_error *err;
    int rc;
};

static int grow(struct pawl_listing *out, struct pawl_error *err)
{
    if (out->count < out->capacity) {
        return 0;
    }
    if (out->count >= ITEMS_MAX) {
        return pawl_fail(err, PAWL_EINVAL, 0,
                         "a directory has too many "
                         "entries");
    }
    size_t capacity = out->capacity == 0 ? 32 : out->capacity * 2;
    struct pawl_listing_item *items =
        realloc(out->items, capacity * sizeof(*items));
    if (items == NULL) {
        return pawl_fail_nomem(err);
    }
    out->items = items;
    out->capacity = capacity;
    return 0;
}

static int add_item(struct collect *to, const struct pawl_store_entry *entry)
{
    int rc = grow(to->out, to->err);
    if (rc < 0) {
        return rc;
    }
    struct pawl_listing_item item = {
        .is_dir = entry->is_dir,
        .is_link = entry->is_link,
        .size_bytes = entry->size_bytes,
        .mtime_ns = entry->mtime_ns,
    };
    if (to->below[0] == '\0') {
        item.path = strdup(entry->name);
        rc = item.path == NULL ? pawl_fail_nomem(to->err) : 0;
    } else {
        rc = pawl_path_join(&item.path, to->below, entry->name, to->err);
    }
    if (rc == 0) {
        to->out->items[to->out->count++] = item;
    }
    return rc;
}

static int on_entry(void *ctx, const struct pawl_store_entry *entry)
{
    struct collect *to = ctx;
    to->rc = add_item(to, entry);
    return to->rc;
}

/* Lists `dir` and puts `below` before each name. */
static int collect(struct pawl_listing *out, struct pawl_store *store,
                   const char *dir, const char *below, struct pawl_error *err)
{
    struct collect to = {out, below, err, 0};
    int rc = pawl_store_list(store, dir, on_entry, &to, err);
    return to.rc < 0 ? to.rc : rc;
}

int pawl_listing_dir(struct pawl_listing *out, struct pawl_store *store,
                     const char *dir, struct pawl_error *err)
{
    struct pawl_listing listing = {0};
    int rc = collect(&listing, store, dir, "", err);
    if (rc < 0) {
        pawl_listing_fini(&listing);
        return rc;
    }
    *out = listing;
    return 0;
}

/* The list is its own queue of directories to look into. */
static int collect_below(struct pawl_listing *listing, struct pawl_store *store,
                         const char *dir, struct pawl_error *err)
{
    for (size_t i = 0; i < listing->count; i++) {
        if (!listing->items[i].is_dir || listing->items[i].is_link) {
            continue;
        }
        char *whole = NULL;
        char *below = strdup(listing->items[i].path);
        int rc = below == NULL ? pawl_fail_nomem(err) : 0;
        if (rc == 0 && dir[0] != '\0') {
            rc = pawl_path_join(&whole, dir, below, err);
        }
        if (rc == 0) {
            rc = collect(listing, store, whole == NULL ? below : whole, below,
                         err);
        }
        free(whole);
        free(below);
        if (rc < 0 && rc != PAWL_ENOENT) { /* gone meanwhile: fine */
            return rc;
        }
    }
    return 0;
}

int pawl_listing_tree(struct pawl_listing *out, struct pawl_store *store,
                      const char *dir, struct pawl_error *err)
{
    struct pawl_listing listing = {0};
    int rc = collect(&listing, store, dir, "", err);
    if (rc == 0) {
        rc = collect_below(&listing, store, dir, err);
    }
    if (rc < 0) {
        pawl_listing_fini(&listing);
        return rc;
    }
    *out = listing;
    return 0;
}

static int remove_below(struct pawl_store *store, const char *dir,
                        const char *path, struct pawl_error *err)
{
    char *whole = NULL;
    int rc = pawl_path_join(&whole, dir, path, err);
    if (rc == 0) {
        rc = pawl_store_remove(store, whole, err);
    }
    free(whole);
    return rc == PAWL_ENOENT ? 0 : rc;
}

int pawl_tree_remove(struct pawl_store *store, const char *dir,
                     struct pawl_error *err)
{
    struct pawl_listing listing = {0};
    int rc = pawl_store_remove(store, dir, NULL);
    if (rc == 0 || rc == PAWL_ENOENT) {
        return 0; /* it was empty, or a link, which must not be looked into */
    }
    rc = pawl_listing_tree(&listing, store, dir, err);
    if (rc == PAWL_ENOENT) {
        rc = 0;
    }
    for (size_t i = listing.count; i > 0; i--) {
        int failed = remove_below(store, dir, listing.items[i - 1].path,
                                  rc == 0 ? err : NULL);
        rc = rc == 0 ? failed : rc;
    }
    pawl_listing_fini(&listing);
    int failed = pawl_store_remove(store, dir, rc == 0 ? err : NULL);
    if (failed == PAWL_ENOENT) {
        failed = 0;
    }
    return rc == 0 ? failed : rc;
}

int pawl_tree_sync(struct pawl_store *store, const char *dir,
                   struct pawl_error *err)
{
    struct pawl_listing tree = {0};
    int rc = pawl_listing_tree(&tree, store, dir, err);
    for (size_t i = tree.count; rc == 0 && i > 0; i--) {
        const struct pawl_listing_item *item = &tree.items[i - 1];
        char *name = NULL;
        if (!item->is_dir || item->is_link) {
            continue;
        }
        rc = pawl_path_join(&name, dir, item->path, err);
        if (rc == 0) {
            rc = pawl_store_sync(store, name, err);
        }
        free(name);
    }
    pawl_listing_fini(&tree);
    return rc < 0 ? rc : pawl_store_sync(store, dir, err);
}

int pawl_tree_mkdir(struct pawl_store *store, const char *dir,
                    struct pawl_error *err)
{
    int rc = pawl_store_mkdir(store, dir, err);
    return rc == PAWL_EEXIST ? 0 : rc;
}

int pawl_tree_mkdir_above(struct pawl_store *store, const char *name,
                          struct pawl_error *err)
{
    return strchr(name, '/') == NULL
               ? 0
               : pawl_tree_make_room(store, name, false, err);
}

int pawl_tree_make_room(struct pawl_store *store, const char *name,
                        bool durable, struct pawl_error *err)
{
    char *dir = strndup(name, (size_t)(strrchr(name, '/') - name));
    int rc =
        dir == NULL ? pawl_fail_nomem(err) : pawl_tree_mkdir(store, dir, err);
    if (rc == 0 && durable) {
        rc = pawl_store_sync(store, dir, err);
    }
    free(dir);
    return rc;
}
