/* SPDX-License-Identifier: Apache-2.0 */
/*
 * described.c - what pawl.pickling tells of an object becomes a value
 *
 * The tuples come from our own Python code, yet their form is checked: a
 * mistake there must end in a TypeError.
 */
#include "raise.h"
#include "walk.h"

static int dtype_from(PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    int dtype = -1;
    if (text != NULL && strcmp(text, "untyped") == 0) {
        return PAWL_UNTYPED;
    }
    if (text != NULL) {
        dtype = pawl_dtype_from_name(text);
        if (dtype < 0) {
            raise_code(PAWL_ENOTSUP, "dtype '%s' is not supported", text);
        }
    }
    return dtype;
}

static struct pawl_storage *walk_storage(struct walk *walk, PyObject *desc)
{
    struct pawl_storage *storage = object_map_get(&walk->values, desc);
    PyObject *dtype_name = NULL;
    PyObject *owner = NULL;
    const char *location = NULL;
    unsigned long long address = 0;
    unsigned long long len_bytes = 0;
    if (storage != NULL) {
        return storage;
    }
    if (!PyArg_ParseTuple(desc, "UsKKO:storage", &dtype_name, &location,
                          &address, &len_bytes, &owner)) {
        return NULL;
    }
    int dtype = dtype_from(dtype_name);
    if (dtype < 0) {
        return NULL;
    }
    storage = pawl_storage_borrow(walk->state, (enum pawl_dtype)dtype,
                                  (const void *)(uintptr_t)address, len_bytes);
    if (storage == NULL || pawl_storage_set_location(storage, location) < 0) {
        walk_fail(walk);
        return NULL;
    }
    return object_map_put(&walk->values, desc, storage) < 0 ? NULL : storage;
}

/* Puts a tuple of counts to `out`, which has room for PAWL_MAX_NDIM. */
static int read_counts(PyObject *tuple, uint64_t *out)
{
    Py_ssize_t count = PyTuple_GET_SIZE(tuple);
    if (count > PAWL_MAX_NDIM) {
        raise_code(PAWL_ENOTSUP, "a tensor has %zd dimensions, more than %d",
                   count, PAWL_MAX_NDIM);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        out[i] = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(tuple, i));
    }
    return PyErr_Occurred() ? -1 : 0;
}

static struct pawl_value *walk_tensor(struct walk *walk, PyObject *obj,
                                      PyObject *desc)
{
    struct pawl_tensor tensor = PAWL_TENSOR_INIT;
    uint64_t shape[PAWL_MAX_NDIM];
    uint64_t strides[PAWL_MAX_NDIM];
    PyObject *storage = NULL;
    PyObject *dtype_name = NULL;
    PyObject *sizes = NULL;
    PyObject *steps = NULL;
    unsigned long long offset = 0;
    int tag = 0;
    int flags[4] = {0, 0, 0, 0};
    if (!PyArg_ParseTuple(desc, "iO!UKO!O!pppp:tensor", &tag, &PyTuple_Type,
                          &storage, &dtype_name, &offset, &PyTuple_Type, &sizes,
                          &PyTuple_Type, &steps, &flags[0], &flags[1],
                          &flags[2], &flags[3]) ||
        read_counts(sizes, shape) < 0 || read_counts(steps, strides) < 0) {
        return NULL;
    }
    int dtype = dtype_from(dtype_name);
    tensor.storage = dtype < 0 ? NULL : walk_storage(walk, storage);
    if (tensor.storage == NULL) {
        return NULL;
    }
    tensor.dtype = (enum pawl_dtype)dtype;
    tensor.offset = offset;
    tensor.ndim = (uint32_t)PyTuple_GET_SIZE(sizes);
    tensor.shape = shape;
    tensor.strides = strides;
    tensor.requires_grad = flags[0];
    tensor.is_parameter = flags[1];
    tensor.is_conj = flags[2];
    tensor.is_neg = flags[3];
    return walk_remember(walk, obj, pawl_tensor(walk->state, &tensor));
}

static struct pawl_value *walk_global(struct walk *walk, PyObject *obj,
                                      PyObject *desc)
{
    const char *module = NULL;
    const char *qualname = NULL;
    int tag = 0;
    if (!PyArg_ParseTuple(desc, "iss:global", &tag, &module, &qualname)) {
        return NULL;
    }
    return walk_remember(walk, obj, pawl_global(walk->state, module, qualname));
}

/* Walks a part of an object; None is no part. */
static int walk_part(struct walk *walk, PyObject *part, struct pawl_value **out)
{
    *out = part == Py_None ? NULL : walk_value(walk, part);
    return part != Py_None && *out == NULL ? -1 : 0;
}

static int walk_pairs_part(struct walk *walk, PyObject *part,
                           struct pawl_value **out)
{
    if (part == Py_None) {
        return 0;
    }
    *out = walk_checked(walk, pawl_dict(walk->state));
    return *out == NULL ? -1 : walk_pairs(walk, *out, part);
}

static struct pawl_value *walk_reduced(struct walk *walk, PyObject *obj,
                                       PyObject *desc)
{
    struct pawl_object parts = PAWL_OBJECT_INIT;
    PyObject *callable = NULL;
    PyObject *args = NULL;
    PyObject *state = NULL;
    PyObject *items = NULL;
    PyObject *pairs = NULL;
    int tag = 0;
    if (!PyArg_ParseTuple(desc, "iOO!OOO:reduced", &tag, &callable,
                          &PyTuple_Type, &args, &state, &items, &pairs)) {
        return NULL;
    }
    parts.how = tag == WALK_NEWOBJ ? PAWL_NEWOBJ : PAWL_REDUCE;
    struct pawl_value *value =
        walk_remember(walk, obj, pawl_object(walk->state));
    if (value == NULL || walk_part(walk, callable, &parts.callable) < 0 ||
        walk_part(walk, args, &parts.args) < 0 ||
        walk_part(walk, items, &parts.items) < 0 ||
        walk_pairs_part(walk, pairs, &parts.pairs) < 0 ||
        walk_part(walk, state, &parts.state) < 0) {
        return NULL;
    }
    return pawl_object_set(value, &parts) < 0 ? walk_checked(walk, NULL)
                                              : value;
}

static struct pawl_value *walk_tagged(struct walk *walk, PyObject *obj,
                                      PyObject *desc)
{
    if (!PyTuple_Check(desc) || PyTuple_GET_SIZE(desc) < 2) {
        PyErr_SetString(PyExc_TypeError, "describe returned no description");
        return NULL;
    }
    long tag = PyLong_AsLong(PyTuple_GET_ITEM(desc, 0));
    struct pawl_storage *storage = NULL;
    switch (tag) {
    case WALK_GLOBAL:
        return walk_global(walk, obj, desc);
    case WALK_REDUCE:
    case WALK_NEWOBJ:
        return walk_reduced(walk, obj, desc);
    case WALK_TENSOR:
        return walk_tensor(walk, obj, desc);
    case WALK_STORAGE:
        storage = walk_storage(walk, PyTuple_GET_ITEM(desc, 1));
        return storage == NULL
                   ? NULL
                   : walk_remember(walk, obj, pawl_storage_value(storage));
    default:
        PyErr_SetString(PyExc_TypeError, "describe returned an unknown tag");
        return NULL;
    }
}

struct pawl_value *walk_described(struct walk *walk, PyObject *obj)
{
    PyObject *desc =
        PyObject_CallFunctionObjArgs(walk->describe, obj, (PyObject *)NULL);
    if (desc == NULL) {
        return NULL;
    }
    struct pawl_value *value = walk_tagged(walk, obj, desc);
    Py_DECREF(desc);
    return value;
}
