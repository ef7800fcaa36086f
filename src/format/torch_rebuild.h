/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torch_rebuild.h - torch's part of a pickle: storages and tensors
 *
 * A tensor is written as a call, torch._utils._rebuild_tensor_v2(storage,
 * offset, shape, strides, ...), and a storage as a persistent id, a tuple
 * ('storage', class, key, location, number of elements) whose bytes are found
 * under that key.  The two hooks below turn both into values; docs/formats.md
 * has the details.
 *
 * One table serves the reading of one file and is gone after it; the state
 * needs it no more.
 */
#ifndef PAWL_FORMAT_TORCH_REBUILD_H
#define PAWL_FORMAT_TORCH_REBUILD_H

#include <pawl/state.h>

#include "base/strmap.h"

/* Where the bytes of storages come from. */
struct pawl_torch_backing {
    /* Finds the storage `key`, which must have `len_bytes`, and tells the
     * context for `ops`.  PAWL_EFORMAT if it is not there or too short. */
    int (*find)(void *ctx, const char *key, size_t key_len, uint64_t len_bytes,
                void **storage_ctx, struct pawl_error *err);
    void *ctx;
    const struct pawl_storage_ops *ops; /* outlives the state */
};

struct pawl_torch_entry {
    struct pawl_value *value; /* STORAGE */
    void *storage_ctx;
    struct pawl_storage *base; /* of a view of another storage, else NULL */
    uint64_t base_offset_bytes;
};

struct pawl_torch_table {
    struct pawl_state *state;
    struct pawl_torch_backing backing;
    struct pawl_torch_entry **entries; /* by the id of their storage */
    size_t capacity;
    struct pawl_strmap by_key;
};

void pawl_torch_table_init(struct pawl_torch_table *table,
                           struct pawl_state *state,
                           const struct pawl_torch_backing *backing);
void pawl_torch_table_fini(struct pawl_torch_table *table);

/* The entry of a key, or NULL. */
struct pawl_torch_entry *
pawl_torch_table_find(const struct pawl_torch_table *table,
                      const struct pawl_value *key);

/* What a persistent id says of a storage. */
struct pawl_torch_id {
    enum pawl_dtype dtype;
    const struct pawl_value *key;      /* STR */
    const struct pawl_value *location; /* STR */
    uint64_t numel;                    /* of the dtype */
    uint64_t len_bytes;
};
/* Takes apart the first five items of the tuple `id`.  PAWL_EFORMAT,
 * PAWL_ENOTSUP (a storage class that is not known). */
int pawl_torch_parse_id(struct pawl_torch_id *out, const struct pawl_value *id,
                        struct pawl_error *err);

/* The entry of that storage, made when the key is new; the same key must mean
 * the same size and type every time. */
int pawl_torch_table_add(struct pawl_torch_table *table,
                         const struct pawl_torch_id *id,
                         struct pawl_torch_entry **out, struct pawl_error *err);

/* Hooks for pawl_pickle_read; `ctx` is a struct pawl_torch_table. */
int pawl_torch_persistent(void *ctx, struct pawl_value *id,
                          struct pawl_value **out, struct pawl_error *err);
int pawl_torch_call(void *ctx, const struct pawl_value *callable,
                    const struct pawl_value *args, struct pawl_value **out,
                    struct pawl_error *err);

#endif
