/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tensor.c - storages and the strided views over them
 *
 * A tensor is checked when it is made: no element may lie outside its storage.
 * So whoever holds a tensor may compute addresses without another check.
 */
#include "base/bytes.h"
#include "state/value.h"

#include <stdlib.h>
#include <string.h>

/* ---- storages ---------------------------------------------------------- */

static bool register_storage(struct pawl_state *state,
                             struct pawl_storage *storage)
{
    if (state->storage_count == state->storage_capacity) {
        uint32_t capacity =
            state->storage_capacity == 0 ? 16 : state->storage_capacity * 2;
        if (capacity < state->storage_capacity) {
            return false;
        }
        struct pawl_storage **grown =
            realloc(state->storages, capacity * sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        state->storages = grown;
        state->storage_capacity = capacity;
    }
    storage->id = state->storage_count;
    state->storages[state->storage_count++] = storage;
    return true;
}

static struct pawl_storage *
new_storage(struct pawl_state *state, enum pawl_dtype dtype, uint64_t len_bytes)
{
    if (state == NULL) {
        return NULL;
    }
    size_t item = pawl_dtype_size(dtype);
    if (item == 0 || len_bytes % item != 0) {
        pawl_state_failed(state, PAWL_EINVAL);
        return NULL;
    }
    struct pawl_storage *storage =
        pawl_arena_alloc(&state->arena, sizeof(*storage));
    if (storage == NULL || !register_storage(state, storage)) {
        pawl_state_failed(state, PAWL_ENOMEM);
        return NULL;
    }
    storage->state = state;
    storage->dtype = dtype;
    storage->len_bytes = len_bytes;
    storage->location = "cpu";
    return storage;
}

struct pawl_storage *pawl_storage_borrow(struct pawl_state *state,
                                         enum pawl_dtype dtype,
                                         const void *data, uint64_t len_bytes)
{
    if (state != NULL && data == NULL && len_bytes > 0) {
        pawl_state_failed(state, PAWL_EINVAL);
        return NULL;
    }
    struct pawl_storage *storage = new_storage(state, dtype, len_bytes);
    if (storage != NULL) {
        storage->data = len_bytes == 0 ? NULL : data;
    }
    return storage;
}

int pawl_storage_on_release(struct pawl_storage *storage,
                            void (*release)(void *ctx), void *ctx)
{
    if (storage == NULL) {
        return PAWL_ENOMEM;
    }
    if (storage->release != NULL) {
        return pawl_state_failed(storage->state, PAWL_EINVAL);
    }
    storage->release = release;
    storage->release_ctx = ctx;
    return 0;
}

struct pawl_storage *pawl_storage_lazy(struct pawl_state *state,
                                       enum pawl_dtype dtype,
                                       uint64_t len_bytes,
                                       const struct pawl_storage_ops *ops,
                                       void *ctx)
{
    struct pawl_storage *storage = new_storage(state, dtype, len_bytes);
    if (storage != NULL) {
        storage->ops = ops;
        storage->ops_ctx = ctx;
    }
    return storage;
}

int pawl_storage_set_location(struct pawl_storage *storage,
                              const char *location)
{
    if (storage == NULL) {
        return PAWL_ENOMEM;
    }
    const char *copy =
        pawl_arena_copy(&storage->state->arena, location, strlen(location));
    if (copy == NULL) {
        return pawl_state_failed(storage->state, PAWL_ENOMEM);
    }
    storage->location = copy;
    return 0;
}

enum pawl_dtype pawl_storage_dtype(const struct pawl_storage *st)
{
    return st->dtype;
}

uint64_t pawl_storage_size(const struct pawl_storage *st)
{
    return st->len_bytes;
}

const char *pawl_storage_location(const struct pawl_storage *st)
{
    return st->location;
}

uint32_t pawl_storage_id(const struct pawl_storage *st)
{
    return st->id;
}

uint32_t pawl_state_storage_count(const struct pawl_state *state)
{
    return state->storage_count;
}

const void *pawl_storage_data(const struct pawl_storage *st)
{
    return st->data;
}

int pawl_storage_read(struct pawl_storage *st, void *dst, size_t len_bytes,
                      struct pawl_error *err)
{
    if (len_bytes != st->len_bytes) {
        return pawl_fail(err, PAWL_EINVAL, 0,
                         "a storage of %llu bytes cannot be read as %zu",
                         (unsigned long long)st->len_bytes, len_bytes);
    }
    if (len_bytes == 0) {
        return 0;
    }
    if (st->data != NULL) {
        memcpy(dst, st->data, len_bytes);
        return 0;
    }
    return st->ops->read(st->ops_ctx, 0, dst, len_bytes, err);
}

static bool can_map(const struct pawl_storage_ops *ops)
{
    return ops->struct_size >= sizeof(*ops) && ops->map != NULL;
}

static int read_one(struct pawl_storage *st, struct pawl_error *err)
{
    size_t len;
    void *mapped = NULL;
    if (st->data != NULL || st->len_bytes == 0) {
        return 0;
    }
    int map_rc = can_map(st->ops) ? st->ops->map(st->ops_ctx, &mapped, err) : 0;
    if (map_rc < 0 || mapped != NULL) {
        st->data = mapped;
        return map_rc;
    }
    /* malloc aligns to 16; torch and vector code like 64. */
    if (!pawl_to_size(st->len_bytes, &len) || len > SIZE_MAX - 64) {
        return pawl_fail_nomem(err);
    }
    void *memory = aligned_alloc(64, (len + 63) / 64 * 64);
    if (memory == NULL) {
        return pawl_fail_nomem(err);
    }
    int rc = st->ops->read(st->ops_ctx, 0, memory, len, err);
    if (rc < 0) {
        free(memory);
        return rc;
    }
    st->owned = memory;
    st->data = memory;
    return 0;
}

int pawl_state_read_all(struct pawl_state *state, struct pawl_error *err)
{
    for (uint32_t i = 0; i < state->storage_count; i++) {
        int rc = read_one(state->storages[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

struct pawl_value *pawl_storage_value(struct pawl_storage *st)
{
    if (st == NULL) {
        return NULL;
    }
    struct pawl_value *value = pawl_value_new(st->state, PAWL_KIND_STORAGE);
    if (value != NULL) {
        value->as.storage = st;
    }
    return value;
}

/* ---- tensors ----------------------------------------------------------- */

uint64_t pawl_tensor_numel(const struct pawl_tensor *tensor)
{
    uint64_t numel = 1;
    for (uint32_t i = 0; i < tensor->ndim; i++) {
        if (!pawl_mul_u64(numel, tensor->shape[i], &numel)) {
            return UINT64_MAX; /* never of a tensor that was checked */
        }
    }
    return numel;
}

/* One past the last element that the tensor reaches; false on overflow. */
static bool reach(const struct pawl_tensor *tensor, uint64_t *out)
{
    uint64_t last = tensor->offset;
    for (uint32_t i = 0; i < tensor->ndim; i++) {
        uint64_t step;
        if (!pawl_mul_u64(tensor->shape[i] - 1, tensor->strides[i], &step) ||
            !pawl_add_u64(last, step, &last)) {
            return false;
        }
    }
    return pawl_add_u64(last, 1, out);
}

/* An empty dimension makes numel 0 whatever the others are, so it must not
 * hide their overflow: torch computes with them all the same. */
static bool numel_fits(const struct pawl_tensor *tensor, bool *is_empty)
{
    uint64_t numel = 1;
    *is_empty = false;
    for (uint32_t i = 0; i < tensor->ndim; i++) {
        uint64_t extent = tensor->shape[i];
        if (extent > INT64_MAX || tensor->strides[i] > INT64_MAX) {
            return false;
        }
        if (extent == 0) {
            *is_empty = true;
        } else if (!pawl_mul_u64(numel, extent, &numel) || numel > INT64_MAX) {
            return false;
        }
    }
    return true;
}

int pawl_tensor_check(const struct pawl_tensor *tensor, struct pawl_error *err)
{
    bool is_empty = false;
    if (tensor->ndim > PAWL_MAX_NDIM) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "a tensor has %u dimensions, more than %d",
                         tensor->ndim, PAWL_MAX_NDIM);
    }
    if (!numel_fits(tensor, &is_empty) || tensor->offset > INT64_MAX) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "the shape of a tensor overflows");
    }
    uint64_t item = pawl_dtype_size(tensor->dtype);
    uint64_t have = tensor->storage->len_bytes / item;
    uint64_t need = 0;
    if (!is_empty && (!reach(tensor, &need) || need > have)) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "a tensor reaches past its storage of %llu elements",
                         (unsigned long long)have);
    }
    return 0;
}

static void contiguous_strides(const struct pawl_tensor *tensor,
                               uint64_t *strides)
{
    uint64_t stride = 1;
    for (uint32_t i = tensor->ndim; i > 0; i--) {
        strides[i - 1] = stride;
        uint64_t extent = tensor->shape[i - 1];
        if (!pawl_mul_u64(stride, extent > 0 ? extent : 1, &stride)) {
            stride = UINT64_MAX; /* pawl_tensor_check refuses it */
        }
    }
}

/* The caller's description, with shape and strides in the arena. */
static struct pawl_tensor *copy_tensor(struct pawl_state *state,
                                       const struct pawl_tensor *desc)
{
    struct pawl_tensor *copy = pawl_arena_alloc(&state->arena, sizeof(*copy));
    size_t len = desc->ndim * sizeof(uint64_t);
    uint64_t *shape = pawl_arena_alloc(&state->arena, 2 * len);
    if (copy == NULL || shape == NULL) {
        return NULL;
    }
    uint64_t *strides = shape + desc->ndim;
    *copy = *desc;
    copy->struct_size = sizeof(*copy);
    if (desc->ndim > 0) {
        memcpy(shape, desc->shape, len);
    }
    if (desc->strides == NULL) {
        contiguous_strides(desc, strides);
    } else if (desc->ndim > 0) {
        memcpy(strides, desc->strides, len);
    }
    copy->shape = shape;
    copy->strides = strides;
    return copy;
}

struct pawl_value *pawl_tensor(struct pawl_state *state,
                               const struct pawl_tensor *desc)
{
    if (state == NULL || desc->storage == NULL) {
        return NULL; /* the storage's constructor noted why */
    }
    if (desc->struct_size < sizeof(*desc) || desc->ndim > PAWL_MAX_NDIM ||
        pawl_dtype_size(desc->dtype) == 0 || desc->dtype == PAWL_UNTYPED) {
        pawl_state_failed(state, PAWL_EINVAL);
        return NULL;
    }
    struct pawl_value *value = pawl_value_new(state, PAWL_KIND_TENSOR);
    struct pawl_tensor *copy = copy_tensor(state, desc);
    if (value == NULL || copy == NULL) {
        pawl_state_failed(state, PAWL_ENOMEM);
        return NULL;
    }
    if (pawl_tensor_check(copy, NULL) < 0) {
        pawl_state_failed(state, PAWL_EINVAL);
        return NULL;
    }
    value->as.tensor = copy;
    return value;
}

struct pawl_value *pawl_array(struct pawl_state *state, enum pawl_dtype dtype,
                              uint32_t ndim, const uint64_t *shape,
                              const void *data)
{
    struct pawl_tensor desc = PAWL_TENSOR_INIT;
    desc.dtype = dtype;
    desc.ndim = ndim;
    desc.shape = shape;
    uint64_t len_bytes;
    if (state == NULL) {
        return NULL;
    }
    if (ndim > PAWL_MAX_NDIM ||
        !pawl_mul_u64(pawl_tensor_numel(&desc), pawl_dtype_size(dtype),
                      &len_bytes)) {
        pawl_state_failed(state, PAWL_EINVAL);
        return NULL;
    }
    bool typed = pawl_dtype_storage_class(dtype) != NULL;
    desc.storage = pawl_storage_borrow(state, typed ? dtype : PAWL_UNTYPED,
                                       data, len_bytes);
    return pawl_tensor(state, &desc);
}
