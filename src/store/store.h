/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - a store as the engines hold it, and the calls that dispatch to it
 *
 * What each call promises is written at struct pawl_store_ops in
 * pawl/plugin.h.  Names are relative to the store's root.
 */
#ifndef PAWL_STORE_STORE_H
#define PAWL_STORE_STORE_H

#include "base/error.h"

#include <pawl/plugin.h>

struct pawl_store {
    const struct pawl_store_ops *ops;
    void *impl; /* owned; NULL in a store that is not there */
};

/* An object that is open in a store. */
struct pawl_object_handle {
    const struct pawl_store_ops *ops;
    void *impl; /* owned until closed; NULL: not open */
};

static inline void pawl_store_fini(struct pawl_store *store)
{
    if (store->impl != NULL) {
        store->ops->free(store->impl);
        store->impl = NULL;
    }
}

static inline int pawl_store_open(struct pawl_store *store, const char *name,
                                  enum pawl_store_mode mode, uint64_t size_hint,
                                  struct pawl_object_handle *out,
                                  uint64_t *size_out, struct pawl_error *err)
{
    *out = (struct pawl_object_handle){store->ops, NULL};
    return store->ops->open(store->impl, name, mode, size_hint, &out->impl,
                            size_out, err);
}

static inline int pawl_object_read(struct pawl_object_handle *object,
                                   uint64_t offset, void *dst, size_t len_bytes,
                                   struct pawl_error *err)
{
    return object->ops->read(object->impl, offset, dst, len_bytes, err);
}

static inline int pawl_object_write(struct pawl_object_handle *object,
                                    uint64_t offset, const void *src,
                                    size_t len_bytes, struct pawl_error *err)
{
    return object->ops->write(object->impl, offset, src, len_bytes, err);
}

/* PAWL_ENOTSUP from a store that cannot. */
static inline int pawl_object_map(struct pawl_object_handle *object,
                                  size_t size_bytes, void **out,
                                  struct pawl_error *err)
{
    const struct pawl_store_ops *ops = object->ops;
    if (ops->struct_size < sizeof(*ops) || ops->map == NULL) {
        return pawl_fail(err, PAWL_ENOTSUP, 0,
                         "store '%s' cannot map its objects", ops->name);
    }
    return ops->map(object->impl, size_bytes, out, err);
}

/* No-op on a handle that is not open. */
static inline int pawl_object_close(struct pawl_object_handle *object,
                                    bool durable, struct pawl_error *err)
{
    if (object->impl == NULL) {
        return 0;
    }
    void *impl = object->impl;
    object->impl = NULL;
    return object->ops->close(impl, durable, err);
}

static inline int pawl_store_list(struct pawl_store *store, const char *name,
                                  pawl_store_entry_fn fn, void *ctx,
                                  struct pawl_error *err)
{
    return store->ops->list(store->impl, name, fn, ctx, err);
}

static inline int pawl_store_mkdir(struct pawl_store *store, const char *name,
                                   struct pawl_error *err)
{
    return store->ops->mkdir(store->impl, name, err);
}

static inline int pawl_store_rename(struct pawl_store *store, const char *from,
                                    const char *to, enum pawl_store_rename how,
                                    struct pawl_error *err)
{
    return store->ops->rename(store->impl, from, to, how, err);
}

static inline int pawl_store_remove(struct pawl_store *store, const char *name,
                                    struct pawl_error *err)
{
    return store->ops->remove(store->impl, name, err);
}

static inline int pawl_store_sync(struct pawl_store *store, const char *name,
                                  struct pawl_error *err)
{
    return store->ops->sync(store->impl, name, err);
}

#endif
