/* SPDX-License-Identifier: Apache-2.0 */
/* plain_tensor.c - see plain_tensor.h. */
#include "plain_tensor.h"

#include "dlpack.h"

enum name {
    DICT,
    LAYOUT,
    HOOKS,
    REQUIRES_GRAD,
    IS_NEG,
    IS_CONJ,
    UNTYPED_STORAGE,
    CDATA,
    DATA_PTR,
    NAME_COUNT
};

static const char *const texts[NAME_COUNT] = {
    "__dict__", "layout",          "_backward_hooks", "requires_grad", "is_neg",
    "is_conj",  "untyped_storage", "_cdata",          "data_ptr",
};

/* ---- torch --------------------------------------------------------------- */

static int look_up(struct torch_parts *torch)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *module = PyDict_GetItemString(modules, "torch"); /* borrowed */
    torch->is_looked_up = 1;
    if (module == NULL) {
        return 0;
    }
    PyObject *nn = PyObject_GetAttrString(module, "nn");
    torch->tensor_type = PyObject_GetAttrString(module, "Tensor");
    torch->strided = PyObject_GetAttrString(module, "strided");
    torch->parameter_type =
        nn == NULL ? NULL : PyObject_GetAttrString(nn, "Parameter");
    Py_XDECREF(nn);
    for (int i = 0; i < NAME_COUNT; i++) {
        torch->names[i] = PyUnicode_InternFromString(texts[i]);
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    torch->exchange = dlpack_find(torch->tensor_type);
    return 0;
}

void torch_parts_fini(struct torch_parts *torch)
{
    Py_XDECREF(torch->tensor_type);
    Py_XDECREF(torch->parameter_type);
    Py_XDECREF(torch->strided);
    for (int i = 0; i < NAME_COUNT; i++) {
        Py_XDECREF(torch->names[i]);
    }
    *torch = (struct torch_parts){0};
}

/* ---- attributes ---------------------------------------------------------- */

/* Whether obj.name is `wanted`: 1, 0 or -1. */
static int attr_is(const struct torch_parts *torch, PyObject *obj,
                   enum name name, const PyObject *wanted)
{
    PyObject *value = PyObject_GetAttr(obj, torch->names[name]);
    if (value == NULL) {
        return -1;
    }
    int is = value == wanted;
    Py_DECREF(value);
    return is;
}

/* Whether obj.name() is False: 1, 0 or -1. */
static int is_false(const struct torch_parts *torch, PyObject *obj,
                    enum name name)
{
    PyObject *value = PyObject_CallMethodNoArgs(obj, torch->names[name]);
    if (value == NULL) {
        return -1;
    }
    int is = value == Py_False;
    Py_DECREF(value);
    return is;
}

static int has_no_attributes(const struct torch_parts *torch, PyObject *obj)
{
    PyObject *dict = PyObject_GetAttr(obj, torch->names[DICT]);
    if (dict == NULL) {
        return -1;
    }
    int none = PyDict_Check(dict) && PyDict_GET_SIZE(dict) == 0;
    Py_DECREF(dict);
    return none;
}

/* Takes the reference; -1 with an exception. */
static int to_u64(PyObject *number, uint64_t *out)
{
    if (number == NULL) {
        return -1;
    }
    *out = PyLong_AsUnsignedLongLongMask(number);
    Py_DECREF(number);
    return PyErr_Occurred() ? -1 : 0;
}

/* ---- the tensor ---------------------------------------------------------- */

/* 1, 0 or -1. */
static int is_plain(const struct torch_parts *torch, PyObject *obj)
{
    int plain = attr_is(torch, obj, LAYOUT, torch->strided);
    if (plain > 0) {
        plain = has_no_attributes(torch, obj);
    }
    if (plain > 0) {
        plain = attr_is(torch, obj, HOOKS, Py_None);
    }
    if (plain > 0) {
        plain = is_false(torch, obj, IS_NEG);
    }
    if (plain > 0) {
        plain = is_false(torch, obj, IS_CONJ);
    }
    return plain;
}

static int look_at_storage(struct plain_tensor *out,
                           const struct torch_parts *torch, PyObject *obj,
                           const struct dlpack_tensor *tensor)
{
    uint64_t address = 0;
    PyObject *st =
        PyObject_CallMethodNoArgs(obj, torch->names[UNTYPED_STORAGE]);
    if (st == NULL) {
        return -1;
    }
    Py_ssize_t size = PyObject_Length(st);
    if (size < 0 ||
        to_u64(PyObject_GetAttr(st, torch->names[CDATA]), &out->storage_key) <
            0 ||
        to_u64(PyObject_CallMethodNoArgs(st, torch->names[DATA_PTR]),
               &address) < 0) {
        Py_DECREF(st);
        return -1;
    }
    size_t item = pawl_dtype_size(out->dtype);
    uint64_t first = (uint64_t)(uintptr_t)tensor->data + tensor->byte_offset;
    out->storage = st;
    out->storage_bytes = (uint64_t)size;
    out->storage_data = (const void *)(uintptr_t)address;
    /* An empty tensor has no address of its own. */
    out->offset = first >= address ? (first - address) / item : 0;
    return 0;
}

int plain_tensor_look(struct plain_tensor *out, struct torch_parts *torch,
                      PyObject *obj)
{
    struct dlpack_tensor tensor;
    if (!torch->is_looked_up && look_up(torch) < 0) {
        return -1;
    }
    PyObject *type = (PyObject *)Py_TYPE(obj);
    if (torch->exchange == NULL ||
        (type != torch->tensor_type && type != torch->parameter_type)) {
        return 0;
    }
    int plain = is_plain(torch, obj);
    if (plain <= 0) {
        return plain;
    }
    if (torch->exchange->look(obj, &tensor) != 0) {
        PyErr_Clear(); /* of a dtype or device that DLPack does not know */
        return 0;
    }
    int dtype = dlpack_dtype(&tensor);
    uint64_t numel = 1;
    for (int32_t i = 0; i < tensor.ndim; i++) {
        numel *= (uint64_t)tensor.shape[i];
    }
    if (dtype < 0 || tensor.device_type != DLPACK_CPU || numel == 0) {
        return 0; /* the offset of an empty one cannot be told from here */
    }
    out->dtype = (enum pawl_dtype)dtype;
    out->is_parameter = type == torch->parameter_type;
    out->requires_grad = attr_is(torch, obj, REQUIRES_GRAD, Py_True);
    out->ndim = (uint32_t)tensor.ndim;
    out->shape = (const uint64_t *)tensor.shape;
    out->strides = (const uint64_t *)tensor.strides;
    if (out->requires_grad < 0 ||
        look_at_storage(out, torch, obj, &tensor) < 0) {
        return -1;
    }
    return 1;
}
