/* SPDX-License-Identifier: Apache-2.0 */
/* place.c - see place.h. */
#include "engine/place.h"

#include "base/path.h"
#include "store/store_file.h"
#include "store/store_memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct pawl_place {
    atomic_size_t refs; /* relaxed up; acquire-release down, before freeing */
    int (*make)(void *ctx, struct pawl_store *out, const char *root,
                struct pawl_error *err);
    void *ctx;
    const struct pawl_store_ops *ops; /* or this */
    char *options_json;               /* owned; for ops */
    struct pawl_memory_tree *tree;    /* owned; or this */

    struct {
        pthread_mutex_t lock;
        char *root; /* owned; the way to it is durable */
    } settled;
};

static int new_place(struct pawl_place **out, struct pawl_error *err)
{
    struct pawl_place *place = calloc(1, sizeof(*place));
    if (place == NULL) {
        return pawl_fail_nomem(err);
    }
    atomic_init(&place->refs, 1);
    pthread_mutex_init(&place->settled.lock, NULL);
    *out = place;
    return 0;
}

int pawl_place_new(struct pawl_place **out, const struct pawl_store_ops *store,
                   const char *options_json, struct pawl_error *err)
{
    struct pawl_place *place = NULL;
    int rc = new_place(&place, err);
    if (rc < 0) {
        return rc;
    }
    place->ops = store == NULL ? &pawl_store_file : store;
    place->options_json = strdup(options_json);
    if (place->options_json == NULL) {
        pawl_place_unref(place);
        return pawl_fail_nomem(err);
    }
    *out = place;
    return 0;
}

int pawl_place_new_memory(struct pawl_place **out, struct pawl_error *err)
{
    struct pawl_place *place = NULL;
    int rc = new_place(&place, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_memory_tree_new(&place->tree, err);
    if (rc < 0) {
        pawl_place_unref(place);
        return rc;
    }
    *out = place;
    return 0;
}

int pawl_place_new_with(struct pawl_place **out,
                        int (*make)(void *ctx, struct pawl_store *out,
                                    const char *root, struct pawl_error *err),
                        void *ctx, struct pawl_error *err)
{
    struct pawl_place *place = NULL;
    int rc = new_place(&place, err);
    if (rc == 0) {
        place->make = make;
        place->ctx = ctx;
        *out = place;
    }
    return rc;
}

struct pawl_place *pawl_place_ref(struct pawl_place *place)
{
    atomic_fetch_add_explicit(&place->refs, 1, memory_order_relaxed);
    return place;
}

void pawl_place_unref(struct pawl_place *place)
{
    if (place == NULL ||
        atomic_fetch_sub_explicit(&place->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    if (place->tree != NULL) {
        pawl_memory_tree_free(place->tree);
    }
    pthread_mutex_destroy(&place->settled.lock);
    free(place->settled.root);
    free(place->options_json);
    free(place);
}

int pawl_place_store(struct pawl_store *out, struct pawl_place *place,
                     const char *root, struct pawl_error *err)
{
    struct pawl_store store = {place->ops, NULL};
    int rc = 0;
    if (place->make != NULL) {
        rc = place->make(place->ctx, &store, root, err);
    } else if (place->tree != NULL) {
        rc = pawl_store_memory_make(&store, place->tree, root, err);
    } else {
        rc = place->ops->make(&store.impl, root, place->options_json, err);
    }
    if (rc == 0) {
        *out = store;
    }
    return rc;
}

/* ---- the way to a root -------------------------------------------------- */

static int sync_dir(struct pawl_place *place, const char *dir,
                    struct pawl_error *err)
{
    struct pawl_store store;
    int rc = pawl_place_store(&store, place, dir, err);
    if (rc == 0) {
        bool is_file = store.ops == &pawl_store_file;
        rc = is_file ? pawl_store_sync(&store, "", err) : 0;
        pawl_store_fini(&store);
    }
    return rc == PAWL_ENOENT || rc == PAWL_EACCES ? 0 : rc;
}

static int sync_above(struct pawl_place *place, const char *root,
                      struct pawl_error *err)
{
    char *path = strdup(root);
    int rc = path == NULL ? pawl_fail_nomem(err) : 0;
    while (rc == 0 && strcmp(path, "/") != 0) {
        char *dir = NULL;
        const char *name = NULL;
        rc = pawl_path_split(&dir, &name, path, err);
        free(path);
        path = dir;
        if (rc == 0) {
            rc = sync_dir(place, dir, err);
        }
    }
    free(path);
    return rc;
}

int pawl_place_settle(struct pawl_place *place, const char *root,
                      struct pawl_error *err)
{
    int rc = 0;
    if (place->tree != NULL ||
        (place->ops != NULL && place->ops != &pawl_store_file)) {
        return 0;
    }
    pthread_mutex_lock(&place->settled.lock);
    const char *known = place->settled.root;
    bool done = known != NULL && strcmp(known, root) == 0;
    pthread_mutex_unlock(&place->settled.lock);
    if (done) {
        return 0;
    }
    rc = sync_above(place, root, err);
    if (rc < 0) {
        pawl_error_prefix(err, "cannot make the way to '%s' durable", root);
    }
    char *copy = rc == 0 ? strdup(root) : NULL;
    if (copy != NULL) { /* else it is done again */
        pthread_mutex_lock(&place->settled.lock);
        free(place->settled.root);
        place->settled.root = copy;
        pthread_mutex_unlock(&place->settled.lock);
    }
    return rc;
}
