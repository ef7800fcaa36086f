/* SPDX-License-Identifier: Apache-2.0 */
/* tag_state.c - see tag_state.h. */
#include "engine/tag_state.h"

#include "engine/manifest_file.h"
#include "engine/object.h"

#include <stdio.h>

static int stop_at_first(void *ctx, const struct pawl_store_entry *entry)
{
    (void)ctx;
    (void)entry;
    return 1;
}

static int is_half(struct pawl_store *store, const struct pawl_layout *layout,
                   struct pawl_error *err)
{
    char name[PAWL_WORK_NAME_MAX + sizeof("/" PAWL_MANIFEST_NAME)];
    snprintf(name, sizeof(name), "%s/%s", layout->merge, PAWL_MANIFEST_NAME);
    return pawl_object_exists(store, name, NULL, err);
}

static int look_without_manifest(enum pawl_tag_state *out,
                                 enum pawl_owner_state *maker,
                                 struct pawl_owner *owner,
                                 struct pawl_store *store,
                                 const struct pawl_layout *layout,
                                 uint64_t token, struct pawl_error *err)
{
    int rc = pawl_owner_look(maker, owner, store, layout, token, err);
    if (rc < 0) {
        return rc;
    }
    if (*maker != PAWL_OWNER_NONE && *maker != PAWL_OWNER_DEAD) {
        *out = PAWL_TAG_MAKING;
        return 0;
    }
    int half = is_half(store, layout, err);
    if (half < 0) {
        return half;
    }
    rc = pawl_store_list(store, layout->tag, stop_at_first, NULL, err);
    *out = rc == PAWL_ENOENT ? PAWL_TAG_MISSING
           : half            ? PAWL_TAG_HALF
                             : PAWL_TAG_UNSIGNED;
    return rc == PAWL_ENOENT ? 0 : rc;
}

int pawl_tag_look(enum pawl_tag_state *out, struct pawl_manifest *manifest,
                  enum pawl_owner_state *maker, struct pawl_owner *owner,
                  struct pawl_store *store, const char *tag, uint64_t token,
                  struct pawl_error *err)
{
    struct pawl_layout layout;
    pawl_layout_init(&layout, tag);
    int rc = pawl_manifest_read(manifest, store, tag, err);
    if (rc == PAWL_ENOENT) {
        rc = look_without_manifest(out, maker, owner, store, &layout, token,
                                   err);
        if (rc < 0 || *out == PAWL_TAG_MAKING) {
            return rc;
        }
        /* It may have been committed, and given back, after we missed the
         * manifest and before we looked for an owner. */
        rc = pawl_manifest_read(manifest, store, tag, err);
        if (rc == PAWL_ENOENT) {
            return 0;
        }
    }
    if (rc == 0) {
        *out = PAWL_TAG_SIGNED;
    }
    return rc;
}
