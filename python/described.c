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

/* ---- storages ------------------------------------------------------------ */

/* torch cannot load storages that view the same memory as different types, so
 * it refuses to save them; untyped ones count as uint8. */
static int check_dtype(struct walk *walk, uint64_t address,
                       enum pawl_dtype dtype)
{
    bool has_class = pawl_dtype_storage_class(dtype) != NULL;
    uintptr_t as = has_class && dtype != PAWL_UNTYPED ? dtype : PAWL_UINT8;
    void *seen = address_map_get(&walk->dtypes, address);
    if (address == 0 || (uintptr_t)seen == as + 1) {
        return 0;
    }
    if (seen == NULL) {
        return address_map_put(&walk->dtypes, address, (void *)(as + 1));
    }
    raise_code(PAWL_ENOTSUP,
               "cannot save tensors or storages that view the same data as "
               "different types: %s and %s",
               pawl_dtype_name((enum pawl_dtype)((uintptr_t)seen - 1)),
               pawl_dtype_name((enum pawl_dtype)as));
    return -1;
}

/* Which storage it is. */
struct which_storage {
    enum pawl_dtype dtype;
    uint64_t identity;    /* torch's */
    uint64_t seen_at;     /* address of its memory, 0 if there is none */
    const char *location; /* NULL: "cpu" */
    const void *data;     /* on the CPU */
    uint64_t len_bytes;
    PyObject *owner; /* of the memory */
};

/* The state is freed with the walk, which needs the GIL. */
static void let_go(void *owner)
{
    Py_DECREF((PyObject *)owner);
}

static struct pawl_storage *walk_storage(struct walk *walk,
                                         const struct which_storage *which)
{
    uint64_t key = which->identity ^ (uint64_t)which->dtype << 56;
    struct pawl_storage *storage = address_map_get(&walk->storages, key);
    if (check_dtype(walk, which->seen_at, which->dtype) < 0) {
        return NULL;
    }
    if (storage != NULL) {
        return storage;
    }
    storage = pawl_storage_borrow(walk->state, which->dtype, which->data,
                                  which->len_bytes);
    if (storage == NULL ||
        (which->location != NULL &&
         pawl_storage_set_location(storage, which->location) < 0)) {
        walk_fail(walk);
        return NULL;
    }
    /* The identity holds while the owner lives: until the state is freed. */
    if (pawl_storage_on_release(storage, let_go, which->owner) < 0) {
        walk_fail(walk);
        return NULL;
    }
    Py_INCREF(which->owner);
    return address_map_put(&walk->storages, key, storage) < 0 ? NULL : storage;
}

static struct pawl_storage *described_storage(struct walk *walk, PyObject *desc)
{
    struct which_storage which = {0};
    PyObject *dtype_name = NULL;
    unsigned long long identity = 0;
    unsigned long long seen_at = 0;
    unsigned long long address = 0;
    unsigned long long len_bytes = 0;
    if (!PyArg_ParseTuple(desc, "UsKKKKO:storage", &dtype_name, &which.location,
                          &identity, &seen_at, &address, &len_bytes,
                          &which.owner)) {
        return NULL;
    }
    int dtype = dtype_from(dtype_name);
    if (dtype < 0) {
        return NULL;
    }
    which.dtype = (enum pawl_dtype)dtype;
    which.identity = identity;
    which.seen_at = seen_at;
    which.data = (const void *)(uintptr_t)address;
    which.len_bytes = len_bytes;
    return walk_storage(walk, &which);
}

/* ---- tensors ------------------------------------------------------------- */

/* Takes the reference to its storage. */
static struct pawl_value *plain_value(struct walk *walk, PyObject *obj,
                                      const struct plain_tensor *plain)
{
    struct which_storage which = {
        .dtype = plain->dtype,
        .identity = plain->storage_key,
        .seen_at = (uint64_t)(uintptr_t)plain->storage_data,
        .data = plain->storage_bytes > 0 ? plain->storage_data : NULL,
        .len_bytes = plain->storage_bytes,
        .owner = plain->storage,
    };
    struct pawl_tensor tensor = PAWL_TENSOR_INIT;
    tensor.dtype = plain->dtype;
    tensor.ndim = plain->ndim;
    tensor.shape = plain->shape;
    tensor.strides = plain->strides;
    tensor.offset = plain->offset;
    tensor.requires_grad = plain->requires_grad != 0;
    tensor.is_parameter = plain->is_parameter != 0;
    tensor.storage = walk_storage(walk, &which);
    Py_DECREF(plain->storage);
    return tensor.storage == NULL
               ? NULL
               : walk_remember(walk, obj, pawl_tensor(walk->state, &tensor));
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
    tensor.storage = dtype < 0 ? NULL : described_storage(walk, storage);
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
        storage = described_storage(walk, PyTuple_GET_ITEM(desc, 1));
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
    struct plain_tensor plain;
    int is_plain = plain_tensor_look(&plain, &walk->torch, obj);
    if (is_plain != 0) {
        return is_plain < 0 ? NULL : plain_value(walk, obj, &plain);
    }
    PyObject *desc =
        PyObject_CallFunctionObjArgs(walk->describe, obj, (PyObject *)NULL);
    if (desc == NULL) {
        return NULL;
    }
    struct pawl_value *value = walk_tagged(walk, obj, desc);
    Py_DECREF(desc);
    return value;
}
