/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_tensor.c - see pickle_tensor.h
 *
 * What torch.Tensor.__reduce_ex__, Parameter.__reduce_ex__ and torch.save's
 * persistent_id return, in the order in which the pickler meets it.  Their
 * argument tuples are made anew for each tensor and so are in the memo but
 * never referred to.
 */
#include "format/pickle_tensor.h"

#include <stdio.h>
#include <string.h>

/* ---- storages ---------------------------------------------------------- */

/* The dtype that torch compares: untyped storages count as uint8. */
static int compared(enum pawl_dtype dtype)
{
    return dtype == PAWL_UNTYPED ? (int)PAWL_UINT8 : (int)dtype;
}

/* The dtype that a storage has in the file when its elements are `dtype`. */
static enum pawl_dtype filed(enum pawl_dtype dtype)
{
    return pawl_dtype_storage_class(dtype) == NULL ? PAWL_UNTYPED : dtype;
}

static int check_dtype(struct pawl_pickler *p,
                       const struct pawl_storage *storage,
                       struct pawl_storage_use *use, enum pawl_dtype dtype)
{
    if (storage->len_bytes == 0) {
        return 0;
    }
    if (use->dtype < 0) {
        use->dtype = storage->dtype == PAWL_UNTYPED
                         ? compared(dtype)
                         : compared(filed(storage->dtype));
    }
    if (use->dtype != compared(dtype)) {
        return pawl_fail(p->err, PAWL_ENOTSUP, 0,
                         "one storage is used as '%s' and as '%s'",
                         pawl_dtype_name((enum pawl_dtype)use->dtype),
                         pawl_dtype_name(dtype));
    }
    return 0;
}

static int first_use(struct pawl_pickler *p, const struct pawl_storage *storage,
                     struct pawl_storage_use *use)
{
    if (storage->len_bytes > 0 && storage->data == NULL) {
        return pawl_fail(p->err, PAWL_ESTATE, 0,
                         "storage %u is not in memory yet", storage->id);
    }
    if (storage->len_bytes > INT64_MAX) {
        return pawl_fail(p->err, PAWL_EINVAL, 0,
                         "storage %u is larger than 2^63-1 bytes", storage->id);
    }
    p->storages[p->storage_count++] = storage;
    use->number = p->storage_count;
    use->dtype = -1;
    return 0;
}

/* The key is one string object for each storage, of one digit too. */
static void emit_key(struct pawl_pickler *p, struct pawl_storage_use *use)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "%u", use->number - 1);
    pawl_emit_shared_text(p, &use->key_mark, text, (size_t)len);
}

/* 'cpu' and its like are constants; 'cuda:0' is put together each time. */
static int emit_location(struct pawl_pickler *p, const char *location)
{
    if (location == p->last_location) {
        pawl_emit_shared_text(p, p->last_location_mark, location,
                              strlen(location));
        return 0;
    }
    size_t len = strlen(location);
    if (strchr(location, ':') != NULL) {
        int rc = pawl_emit_text(p, location, len);
        pawl_emit_put(p, NULL);
        return rc;
    }
    p->last_location = location;
    p->last_location_mark = pawl_text_mark(p, location, len);
    pawl_emit_shared_text(p, p->last_location_mark, location, len);
    return 0;
}

/* ('storage', class, key, location, number of elements), as a persistent id. */
static int emit_persistent_id(struct pawl_pickler *p,
                              const struct pawl_storage *storage,
                              enum pawl_dtype dtype)
{
    struct pawl_storage_use *use = &p->uses[storage->id];
    int rc = use->number > 0 ? 0 : first_use(p, storage, use);
    if (rc == 0) {
        rc = check_dtype(p, storage, use, dtype);
    }
    if (rc < 0) {
        return rc;
    }
    if (p->storage_mark == NULL) {
        p->storage_mark = pawl_text_mark(p, "storage", 7);
    }
    pawl_emit_op(p, PICKLE_MARK);
    pawl_emit_shared_text(p, p->storage_mark, "storage", 7);
    pawl_emit_name(p, (enum pawl_pickle_name)(PAWL_NAME_STORAGE + (int)dtype));
    emit_key(p, use);
    rc = emit_location(p, storage->location);
    pawl_emit_int(p, (int64_t)(storage->len_bytes / pawl_dtype_size(dtype)));
    pawl_emit_op(p, PICKLE_TUPLE);
    pawl_emit_put(p, NULL);
    pawl_emit_op(p, PICKLE_BINPERSID);
    return rc;
}

int pawl_emit_storage(struct pawl_pickler *p,
                      const struct pawl_storage *storage)
{
    return emit_persistent_id(p, storage, filed(storage->dtype));
}

/* ---- tensors ----------------------------------------------------------- */

static void emit_dims(struct pawl_pickler *p, const uint64_t *dims,
                      uint32_t ndim)
{
    if (ndim > 3) {
        pawl_emit_op(p, PICKLE_MARK);
    }
    for (uint32_t i = 0; i < ndim; i++) {
        pawl_emit_int(p, (int64_t)dims[i]); /* pawl_tensor_check: <= 2^63-1 */
    }
    pawl_emit_tuple(p, ndim);
    if (ndim > 0) {
        pawl_emit_put(p, NULL);
    }
}

/* The place of hooks, which torch never saves. */
static void emit_no_hooks(struct pawl_pickler *p)
{
    pawl_emit_name(p, PAWL_NAME_ORDERED_DICT);
    pawl_emit_op(p, PICKLE_EMPTY_TUPLE);
    pawl_emit_op(p, PICKLE_REDUCE);
    pawl_emit_put(p, NULL);
}

static void emit_flag(struct pawl_pickler *p, const char *name)
{
    (void)pawl_emit_text(p, name, strlen(name));
    pawl_emit_put(p, NULL);
    pawl_emit_bool(p, true);
}

/* {'neg': True, 'conj': True}, in the order of torch's hash table. */
static void emit_metadata(struct pawl_pickler *p,
                          const struct pawl_tensor *tensor)
{
    bool both = tensor->is_conj && tensor->is_neg;
    if (!tensor->is_conj && !tensor->is_neg) {
        return;
    }
    pawl_emit_op(p, PICKLE_EMPTY_DICT);
    pawl_emit_put(p, NULL);
    if (both) {
        pawl_emit_op(p, PICKLE_MARK);
    }
    if (tensor->is_neg) {
        emit_flag(p, "neg");
    }
    if (tensor->is_conj) {
        emit_flag(p, "conj");
    }
    pawl_emit_op(p, both ? PICKLE_SETITEMS : PICKLE_SETITEM);
}

static bool is_quantized(enum pawl_dtype dtype)
{
    return dtype == PAWL_QINT8 || dtype == PAWL_QUINT8 ||
           dtype == PAWL_QINT32 || dtype == PAWL_QUINT4X2 ||
           dtype == PAWL_QUINT2X4;
}

/* A torch.Tensor: _rebuild_tensor_v2(storage, offset, size, stride,
 * requires_grad, hooks[, metadata]), or _v3, with the dtype after the hooks,
 * where the dtype has no storage class. */
static int emit_plain(struct pawl_pickler *p, const struct pawl_tensor *tensor,
                      bool requires_grad, uint32_t *mark)
{
    enum pawl_dtype dtype = filed(tensor->dtype);
    bool typed = dtype != PAWL_UNTYPED;
    if (is_quantized(dtype)) {
        return pawl_fail(p->err, PAWL_ENOTSUP, 0,
                         "a tensor of '%s' needs its scale: it is an object of "
                         "torch._utils._rebuild_qtensor",
                         pawl_dtype_name(dtype));
    }
    pawl_emit_name(p, typed ? PAWL_NAME_REBUILD_TENSOR_V2
                            : PAWL_NAME_REBUILD_TENSOR_V3);
    pawl_emit_op(p, PICKLE_MARK);
    int rc = emit_persistent_id(p, tensor->storage, dtype);
    if (rc < 0) {
        return rc;
    }
    pawl_emit_int(p, (int64_t)tensor->offset);
    emit_dims(p, tensor->shape, tensor->ndim);
    emit_dims(p, tensor->strides, tensor->ndim);
    pawl_emit_bool(p, requires_grad);
    emit_no_hooks(p);
    if (!typed) {
        pawl_emit_name(
            p, (enum pawl_pickle_name)(PAWL_NAME_DTYPE + (int)tensor->dtype));
    }
    emit_metadata(p, tensor);
    pawl_emit_op(p, PICKLE_TUPLE);
    pawl_emit_put(p, NULL);
    pawl_emit_op(p, PICKLE_REDUCE);
    pawl_emit_put(p, mark);
    return 0;
}

int pawl_emit_tensor(struct pawl_pickler *p, const struct pawl_value *value)
{
    const struct pawl_tensor *tensor = value->as.tensor;
    uint32_t *mark = &p->marks[value->id];
    if (!tensor->is_parameter) {
        return emit_plain(p, tensor, tensor->requires_grad, mark);
    }
    /* _rebuild_parameter(data, requires_grad, hooks) */
    pawl_emit_name(p, PAWL_NAME_REBUILD_PARAMETER);
    int rc = emit_plain(p, tensor, false, NULL);
    if (rc < 0) {
        return rc;
    }
    pawl_emit_bool(p, tensor->requires_grad);
    emit_no_hooks(p);
    pawl_emit_tuple(p, 3);
    pawl_emit_put(p, NULL);
    pawl_emit_op(p, PICKLE_REDUCE);
    pawl_emit_put(p, mark);
    return 0;
}
