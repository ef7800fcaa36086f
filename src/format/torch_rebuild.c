/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torch_rebuild.c - torch's functions that rebuild tensors
 *
 *   _rebuild_tensor(storage, offset, shape, strides)
 *   _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks
 *                      [, metadata])
 *   _rebuild_tensor_v3(storage, offset, shape, strides, requires_grad, hooks,
 *                      dtype [, metadata])
 *   _rebuild_parameter(tensor, requires_grad, hooks)
 *
 * all of module torch._utils.  Others (sparse, quantized, nested tensors,
 * subclasses, parameters with attributes) stay inert objects, and so does a
 * tensor with backward hooks or metadata that is not known: nothing of them is
 * lost, and their arguments hold the plain tensors.
 */
#include "format/torch_rebuild.h"
#include "base/bytes.h"
#include "state/value.h"

#include <string.h>

static int malformed(struct pawl_error *err, const char *what)
{
    return pawl_fail(err, PAWL_EFORMAT, 0, "%s", what);
}

/* ---- arguments --------------------------------------------------------- */

static bool to_count(const struct pawl_value *value, uint64_t *out)
{
    int64_t number = -1;
    if (!pawl_get_int(value, &number) || number < 0) {
        return false;
    }
    *out = (uint64_t)number;
    return true;
}

/* A tuple or list of at most PAWL_MAX_NDIM sizes; false if it is not. */
static bool to_counts(const struct pawl_value *sequence, uint64_t *out,
                      uint32_t *count)
{
    enum pawl_kind kind = pawl_value_kind(sequence);
    size_t n = pawl_count(sequence);
    if ((kind != PAWL_KIND_TUPLE && kind != PAWL_KIND_LIST) ||
        n > PAWL_MAX_NDIM) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!to_count(pawl_item(sequence, i), &out[i])) {
            return false;
        }
    }
    *count = (uint32_t)n;
    return true;
}

static bool no_hooks(const struct pawl_value *hooks)
{
    enum pawl_kind kind = pawl_value_kind(hooks);
    return kind == PAWL_KIND_NONE ||
           (kind == PAWL_KIND_DICT && pawl_count(hooks) == 0);
}

/* The two bits that torch knows; false when there is more. */
static bool take_metadata(struct pawl_tensor *desc,
                          const struct pawl_value *metadata)
{
    enum pawl_kind kind = pawl_value_kind(metadata);
    if (kind == PAWL_KIND_NONE) {
        return true;
    }
    if (kind != PAWL_KIND_DICT) {
        return false;
    }
    for (size_t i = 0; i < pawl_count(metadata); i++) {
        const char *key = pawl_get_str(pawl_key(metadata, i), NULL);
        const struct pawl_value *bit = pawl_item(metadata, i);
        if (key == NULL || pawl_value_kind(bit) != PAWL_KIND_BOOL) {
            return false;
        }
        if (strcmp(key, "conj") == 0) {
            desc->is_conj = pawl_get_bool(bit);
        } else if (strcmp(key, "neg") == 0) {
            desc->is_neg = pawl_get_bool(bit);
        } else {
            return false;
        }
    }
    return true;
}

/* ---- tensors ----------------------------------------------------------- */

/* A tensor over a view of a storage is one over the storage. */
static int move_to_base(const struct pawl_torch_table *table,
                        struct pawl_tensor *desc, struct pawl_error *err)
{
    const struct pawl_torch_entry *entry = table->entries[desc->storage->id];
    if (entry->base == NULL) {
        return 0;
    }
    size_t item = pawl_dtype_size(desc->dtype);
    if (entry->base_offset_bytes % item != 0) {
        return malformed(err, "a view that begins within an element");
    }
    desc->offset += entry->base_offset_bytes / item;
    desc->storage = entry->base;
    return 0;
}

static int make_tensor(struct pawl_torch_table *table, struct pawl_tensor *desc,
                       struct pawl_value **out, struct pawl_error *err)
{
    int rc = pawl_tensor_check(desc, err);
    if (rc == 0) {
        rc = move_to_base(table, desc, err);
    }
    if (rc < 0) {
        return rc;
    }
    *out = pawl_tensor(table->state, desc);
    return *out != NULL ? 0 : pawl_fail_nomem(err);
}

/* The four arguments that all versions begin with.  `shape` and `strides`
 * have room for PAWL_MAX_NDIM. */
static int take_geometry(struct pawl_tensor *desc,
                         const struct pawl_value *args, uint64_t *shape,
                         uint64_t *strides, struct pawl_error *err)
{
    uint32_t stride_count = 0;
    desc->storage = pawl_get_storage(pawl_item(args, 0));
    if (desc->storage == NULL || !to_count(pawl_item(args, 1), &desc->offset) ||
        !to_counts(pawl_item(args, 2), shape, &desc->ndim) ||
        !to_counts(pawl_item(args, 3), strides, &stride_count) ||
        stride_count != desc->ndim) {
        return malformed(err, "it is called with wrong arguments");
    }
    desc->shape = shape;
    desc->strides = strides;
    desc->dtype = desc->storage->dtype == PAWL_UNTYPED ? PAWL_UINT8
                                                       : desc->storage->dtype;
    return 0;
}

static int rebuild_tensor(struct pawl_torch_table *table,
                          const struct pawl_value *args,
                          struct pawl_value **out, struct pawl_error *err)
{
    struct pawl_tensor desc = PAWL_TENSOR_INIT;
    uint64_t shape[PAWL_MAX_NDIM];
    uint64_t strides[PAWL_MAX_NDIM];
    if (pawl_count(args) != 4) {
        return malformed(err, "it is called with wrong arguments");
    }
    int rc = take_geometry(&desc, args, shape, strides, err);
    return rc < 0 ? rc : make_tensor(table, &desc, out, err);
}

/* v2 and v3: `extra` is the number of arguments between the hooks and the
 * metadata. */
static int rebuild_with_grad(struct pawl_torch_table *table,
                             const struct pawl_value *args, size_t extra,
                             struct pawl_value **out, struct pawl_error *err)
{
    struct pawl_tensor desc = PAWL_TENSOR_INIT;
    uint64_t shape[PAWL_MAX_NDIM];
    uint64_t strides[PAWL_MAX_NDIM];
    size_t count = pawl_count(args);
    const struct pawl_value *grad = pawl_item(args, 4);
    if (count < 6 + extra || count > 7 + extra ||
        pawl_value_kind(grad) != PAWL_KIND_BOOL) {
        return malformed(err, "it is called with wrong arguments");
    }
    int rc = take_geometry(&desc, args, shape, strides, err);
    if (rc < 0) {
        return rc;
    }
    desc.requires_grad = pawl_get_bool(grad);
    if (extra > 0) {
        const char *name = pawl_global_name(pawl_item(args, 6));
        int dtype = name == NULL ? -1 : pawl_dtype_from_name(name);
        if (dtype < 0) {
            return 0; /* of a newer torch: inert */
        }
        desc.dtype = (enum pawl_dtype)dtype;
    }
    if (!no_hooks(pawl_item(args, 5)) ||
        !take_metadata(&desc, pawl_item(args, 6 + extra))) {
        return 0;
    }
    return make_tensor(table, &desc, out, err);
}

static int rebuild_parameter(struct pawl_torch_table *table,
                             const struct pawl_value *args,
                             struct pawl_value **out, struct pawl_error *err)
{
    const struct pawl_value *grad = pawl_item(args, 1);
    if (pawl_count(args) != 3 || pawl_value_kind(grad) != PAWL_KIND_BOOL) {
        return malformed(err, "it is called with wrong arguments");
    }
    const struct pawl_tensor *data = pawl_get_tensor(pawl_item(args, 0));
    if (data == NULL || !no_hooks(pawl_item(args, 2))) {
        return 0; /* of a sparse tensor, say: inert */
    }
    struct pawl_tensor desc = *data;
    desc.is_parameter = true;
    desc.requires_grad = pawl_get_bool(grad);
    *out = pawl_tensor(table->state, &desc);
    return *out != NULL ? 0 : pawl_fail_nomem(err);
}

int pawl_torch_call(void *ctx, const struct pawl_value *callable,
                    const struct pawl_value *args, struct pawl_value **out,
                    struct pawl_error *err)
{
    const char *name = callable->as.global.name;
    if (strcmp(callable->as.global.module, "torch._utils") != 0) {
        return 0;
    }
    if (strcmp(name, "_rebuild_tensor_v2") == 0) {
        return rebuild_with_grad(ctx, args, 0, out, err);
    }
    if (strcmp(name, "_rebuild_parameter") == 0) {
        return rebuild_parameter(ctx, args, out, err);
    }
    if (strcmp(name, "_rebuild_tensor_v3") == 0) {
        return rebuild_with_grad(ctx, args, 1, out, err);
    }
    if (strcmp(name, "_rebuild_tensor") == 0) {
        return rebuild_tensor(ctx, args, out, err);
    }
    return 0;
}
