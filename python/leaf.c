/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leaf.c - values without parts become Python objects
 *
 * Numbers and texts are made here; what needs torch or a name is asked of the
 * loader.
 */
#include "leaf.h"

#include "raise.h"

static PyObject *build_int(const struct pawl_value *value)
{
    int64_t number = 0;
    if (pawl_get_int(value, &number)) {
        return PyLong_FromLongLong(number);
    }
    size_t len = 0;
    const void *bytes = pawl_get_bigint(value, &len);
    PyObject *method =
        PyObject_GetAttrString((PyObject *)&PyLong_Type, "from_bytes");
    PyObject *args =
        Py_BuildValue("(y#s)", (const char *)bytes, (Py_ssize_t)len, "little");
    PyObject *kwargs = Py_BuildValue("{sO}", "signed", Py_True);
    PyObject *object = NULL;
    if (method != NULL && args != NULL && kwargs != NULL) {
        object = PyObject_Call(method, args, kwargs);
    }
    Py_XDECREF(method);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return object;
}

static PyObject *build_number(const struct pawl_value *value)
{
    double real = 0.0;
    double imag = 0.0;
    if (pawl_get_complex(value, &real, &imag)) {
        return PyComplex_FromDoubles(real, imag);
    }
    (void)pawl_get_float(value, &real);
    return PyFloat_FromDouble(real);
}

static PyObject *build_text(const struct pawl_value *value)
{
    size_t len = 0;
    if (pawl_value_kind(value) == PAWL_KIND_STR) {
        const char *text = pawl_get_str(value, &len);
        return PyUnicode_DecodeUTF8(text, (Py_ssize_t)len, "surrogatepass");
    }
    const char *data = pawl_get_bytes(value, &len);
    return pawl_value_kind(value) == PAWL_KIND_BYTES
               ? PyBytes_FromStringAndSize(data, (Py_ssize_t)len)
               : PyByteArray_FromStringAndSize(data, (Py_ssize_t)len);
}

/* Reads into the memory of a new torch storage. */
static PyObject *read_storage(PyObject *loader, struct pawl_storage *storage)
{
    struct pawl_error err = {0, 0, ""};
    unsigned long long size = pawl_storage_size(storage);
    PyObject *raw = NULL;
    unsigned long long address = 0;
    PyObject *made = PyObject_CallMethod(loader, "new_storage", "K", size);
    if (made == NULL || !PyArg_ParseTuple(made, "OK", &raw, &address)) {
        Py_XDECREF(made);
        return NULL;
    }
    int rc = 0;
    if (address != 0) {
        Py_BEGIN_ALLOW_THREADS;
        rc = pawl_storage_read(storage, (void *)(uintptr_t)address,
                               (size_t)size, &err);
        Py_END_ALLOW_THREADS;
    }
    Py_INCREF(raw);
    Py_DECREF(made);
    if (rc < 0) {
        Py_DECREF(raw);
        return raise_error(&err, NULL);
    }
    return raw;
}

/* The storage's bytes, put where map_location wants them. */
static PyObject *make_storage(struct views *views, struct pawl_storage *storage)
{
    PyObject *raw = view_storage(views, storage);
    if (raw == NULL && !PyErr_Occurred()) {
        raw = read_storage(views->loader, storage);
    }
    PyObject *object =
        raw == NULL ? NULL
                    : PyObject_CallMethod(views->loader, "place_storage", "Os",
                                          raw, pawl_storage_location(storage));
    Py_XDECREF(raw);
    return object;
}

/* The storage's object, borrowed from the table. */
static PyObject *build_storage(struct views *views, PyObject **storages,
                               struct pawl_storage *storage)
{
    PyObject **object = &storages[pawl_storage_id(storage)];
    if (*object == NULL) {
        *object = make_storage(views, storage);
    }
    return *object;
}

static PyObject *counts(const uint64_t *numbers, uint32_t count)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)count);
    for (uint32_t i = 0; tuple != NULL && i < count; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(numbers[i]);
        if (number == NULL) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, number);
    }
    return tuple;
}

static PyObject *build_strided(struct views *views, PyObject **storages,
                               const struct pawl_tensor *tensor)
{
    PyObject *storage = build_storage(views, storages, tensor->storage);
    PyObject *shape = counts(tensor->shape, tensor->ndim);
    PyObject *strides = counts(tensor->strides, tensor->ndim);
    PyObject *object = NULL;
    if (storage != NULL && shape != NULL && strides != NULL) {
        object = PyObject_CallMethod(views->loader, "tensor", "OsKOOiiii",
                                     storage, pawl_dtype_name(tensor->dtype),
                                     (unsigned long long)tensor->offset, shape,
                                     strides, (int)tensor->requires_grad,
                                     (int)tensor->is_parameter,
                                     (int)tensor->is_conj, (int)tensor->is_neg);
    }
    Py_XDECREF(shape);
    Py_XDECREF(strides);
    return object;
}

static PyObject *build_tensor(struct views *views, PyObject **storages,
                              const struct pawl_value *value)
{
    const struct pawl_tensor *tensor = pawl_get_tensor(value);
    PyObject *object = view_whole(views, tensor);
    if (object == NULL && !PyErr_Occurred()) {
        object = build_strided(views, storages, tensor);
    }
    return object;
}

static PyObject *build_storage_value(struct views *views, PyObject **storages,
                                     const struct pawl_value *value)
{
    struct pawl_storage *storage = pawl_get_storage(value);
    PyObject *object = build_storage(views, storages, storage);
    return object == NULL ? NULL
                          : PyObject_CallMethod(
                                views->loader, "typed_storage", "Os", object,
                                pawl_dtype_name(pawl_storage_dtype(storage)));
}

PyObject *leaf_object(struct views *views, PyObject **storages,
                      const struct pawl_value *value)
{
    switch (pawl_value_kind(value)) {
    case PAWL_KIND_BOOL:
        return PyBool_FromLong(pawl_get_bool(value));
    case PAWL_KIND_INT:
        return build_int(value);
    case PAWL_KIND_FLOAT:
    case PAWL_KIND_COMPLEX:
        return build_number(value);
    case PAWL_KIND_STR:
    case PAWL_KIND_BYTES:
    case PAWL_KIND_BYTEARRAY:
        return build_text(value);
    case PAWL_KIND_TENSOR:
        return build_tensor(views, storages, value);
    case PAWL_KIND_STORAGE:
        return build_storage_value(views, storages, value);
    case PAWL_KIND_GLOBAL:
        return PyObject_CallMethod(views->loader, "find_global", "ss",
                                   pawl_global_module(value),
                                   pawl_global_name(value));
    default:
        Py_RETURN_NONE;
    }
}
