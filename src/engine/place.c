/* SPDX-License-Identifier: Apache-2.0 */
/* place.c - see place.h. */
#include "engine/place.h"

#include "base/error.h"
#include "store/store_file.h"
#include "store/store_memory.h"

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
};

static int new_place(struct pawl_place **out, struct pawl_error *err)
{
    struct pawl_place *place = calloc(1, sizeof(*place));
    if (place == NULL) {
        return pawl_fail_nomem(err);
    }
    atomic_init(&place->refs, 1);
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
