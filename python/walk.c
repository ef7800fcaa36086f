/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.c - a graph of Python objects becomes a pawl_state
 *
 * The invariant that makes our files equal to pickle's: an object that pickle
 * would memoise has exactly one value, an object that it would not (None,
 * bool, int, float) may have many.  A value is remembered before its parts are
 * walked, so a cycle ends at the value that is being filled.
 *
 * The depth is bounded by Python's recursion limit, and ends, as in pickle, in
 * a RecursionError.  Python code may run between any two steps (describe calls
 * __reduce_ex__), so nothing is borrowed from a container across a step.
 */
#include "walk.h"

#include "raise.h"

int walk_fail(const struct walk *walk)
{
    struct pawl_error err = {PAWL_ENOMEM, 0, "out of memory"};
    (void)pawl_state_status(walk->state, &err);
    raise_error(&err, NULL);
    return -1;
}

struct pawl_value *walk_checked(const struct walk *walk,
                                struct pawl_value *value)
{
    if (value == NULL) {
        walk_fail(walk);
    }
    return value;
}

struct pawl_value *walk_remember(struct walk *walk, PyObject *obj,
                                 struct pawl_value *value)
{
    if (walk_checked(walk, value) == NULL ||
        object_map_put(&walk->values, obj, value) < 0) {
        return NULL;
    }
    return value;
}

/* ---- atoms ------------------------------------------------------------- */

/* Puts obj.to_bytes(...) in two's complement to a new bytes object. */
static PyObject *int_to_bytes(PyObject *obj)
{
    PyObject *bits = PyObject_CallMethod(obj, "bit_length", NULL);
    if (bits == NULL) {
        return NULL;
    }
    Py_ssize_t len = PyLong_AsSsize_t(bits) / 8 + 1;
    Py_DECREF(bits);
    PyObject *method = PyObject_GetAttrString(obj, "to_bytes");
    PyObject *args = Py_BuildValue("(ns)", len, "little");
    PyObject *kwargs = Py_BuildValue("{sO}", "signed", Py_True);
    PyObject *bytes = NULL;
    if (method != NULL && args != NULL && kwargs != NULL) {
        bytes = PyObject_Call(method, args, kwargs);
    }
    Py_XDECREF(method);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return bytes;
}

static struct pawl_value *walk_bigint(struct walk *walk, PyObject *obj)
{
    PyObject *bytes = int_to_bytes(obj);
    if (bytes == NULL) {
        return NULL;
    }
    const unsigned char *data = (unsigned char *)PyBytes_AS_STRING(bytes);
    size_t len = (size_t)PyBytes_GET_SIZE(bytes);
    /* -2**(8n-1) fits n bytes, one less than to_bytes was given. */
    if (len > 1 && data[len - 1] == 0xFF && (data[len - 2] & 0x80)) {
        len--;
    }
    struct pawl_value *value =
        walk_checked(walk, pawl_bigint(walk->state, data, len));
    Py_DECREF(bytes);
    return value;
}

static struct pawl_value *walk_int(struct walk *walk, PyObject *obj)
{
    int overflow = 0;
    long long number = PyLong_AsLongLongAndOverflow(obj, &overflow);
    if (overflow) {
        return walk_bigint(walk, obj);
    }
    return walk_checked(walk, pawl_int(walk->state, number));
}

/* Whether `obj` is the string that pawl_str stands for: the interned one of
 * its text, or, of a single character of Latin-1, the one that Python makes
 * whenever a string comes out that short (docs/formats.md, identity). */
static bool is_the_one(PyObject *obj)
{
    Py_ssize_t len = PyUnicode_GET_LENGTH(obj);
    if (len != 1 || PyUnicode_READ_CHAR(obj, 0) > 255) {
        return len == 0 || PyUnicode_CHECK_INTERNED(obj);
    }
    PyObject *made = PyUnicode_FromOrdinal((int)PyUnicode_READ_CHAR(obj, 0));
    if (made == NULL) {
        PyErr_Clear(); /* it exists, so this does not happen */
    }
    Py_XDECREF(made);
    return made == obj;
}

static struct pawl_value *walk_str(struct walk *walk, PyObject *obj)
{
    Py_ssize_t len = 0;
    PyObject *encoded = NULL;
    const char *text = PyUnicode_AsUTF8AndSize(obj, &len);
    if (text == NULL) { /* lone surrogates */
        PyErr_Clear();
        encoded = PyUnicode_AsEncodedString(obj, "utf-8", "surrogatepass");
        if (encoded == NULL) {
            return NULL;
        }
        text = PyBytes_AS_STRING(encoded);
        len = PyBytes_GET_SIZE(encoded);
    }
    struct pawl_value *value =
        is_the_one(obj) ? pawl_str_n(walk->state, text, (size_t)len)
                        : pawl_str_distinct(walk->state, text, (size_t)len);
    Py_XDECREF(encoded);
    return walk_remember(walk, obj, value);
}

static struct pawl_value *walk_bytes(struct walk *walk, PyObject *obj)
{
    return walk_remember(walk, obj,
                         pawl_bytes(walk->state, PyBytes_AS_STRING(obj),
                                    (size_t)PyBytes_GET_SIZE(obj)));
}

static struct pawl_value *walk_bytearray(struct walk *walk, PyObject *obj)
{
    return walk_remember(walk, obj,
                         pawl_bytearray(walk->state, PyByteArray_AS_STRING(obj),
                                        (size_t)PyByteArray_GET_SIZE(obj)));
}

static struct pawl_value *walk_complex(struct walk *walk, PyObject *obj)
{
    return walk_remember(walk, obj,
                         pawl_complex(walk->state, PyComplex_RealAsDouble(obj),
                                      PyComplex_ImagAsDouble(obj)));
}

/* ---- containers -------------------------------------------------------- */

/* Walks `item`, whose reference it takes, and appends it. */
static int append_item(struct walk *walk, struct pawl_value *seq,
                       PyObject *item)
{
    struct pawl_value *value = walk_value(walk, item);
    Py_DECREF(item);
    if (value == NULL) {
        return -1;
    }
    return pawl_append(seq, value) < 0 ? walk_fail(walk) : 0;
}

static struct pawl_value *walk_list(struct walk *walk, PyObject *obj)
{
    struct pawl_value *list = walk_remember(walk, obj, pawl_list(walk->state));
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(obj); i++) {
        PyObject *item = PyList_GET_ITEM(obj, i);
        Py_INCREF(item);
        if (append_item(walk, list, item) < 0) {
            return NULL;
        }
    }
    return list;
}

static struct pawl_value *walk_tuple(struct walk *walk, PyObject *obj)
{
    struct pawl_value *tuple =
        walk_remember(walk, obj, pawl_tuple(walk->state));
    for (Py_ssize_t i = 0; tuple != NULL && i < PyTuple_GET_SIZE(obj); i++) {
        PyObject *item = PyTuple_GET_ITEM(obj, i);
        Py_INCREF(item);
        if (append_item(walk, tuple, item) < 0) {
            return NULL;
        }
    }
    return tuple;
}

static struct pawl_value *walk_set(struct walk *walk, PyObject *obj)
{
    struct pawl_value *set =
        walk_remember(walk, obj,
                      PyFrozenSet_CheckExact(obj) ? pawl_frozenset(walk->state)
                                                  : pawl_set(walk->state));
    PyObject *iter = set != NULL ? PyObject_GetIter(obj) : NULL;
    PyObject *item = NULL;
    while (iter != NULL && (item = PyIter_Next(iter)) != NULL) {
        if (append_item(walk, set, item) < 0) {
            break;
        }
    }
    Py_XDECREF(iter);
    return PyErr_Occurred() ? NULL : set;
}

/* Walks both, whose references it takes, and adds the pair. */
static int add_pair(struct walk *walk, struct pawl_value *dict, PyObject *key,
                    PyObject *item)
{
    struct pawl_value *key_value = walk_value(walk, key);
    struct pawl_value *item_value =
        key_value != NULL ? walk_value(walk, item) : NULL;
    Py_DECREF(key);
    Py_DECREF(item);
    if (item_value == NULL) {
        return -1;
    }
    return pawl_dict_set(dict, key_value, item_value) < 0 ? walk_fail(walk) : 0;
}

static struct pawl_value *walk_dict(struct walk *walk, PyObject *obj)
{
    struct pawl_value *dict = walk_remember(walk, obj, pawl_dict(walk->state));
    Py_ssize_t size = PyDict_GET_SIZE(obj);
    Py_ssize_t at = 0;
    PyObject *key = NULL;
    PyObject *item = NULL;
    while (dict != NULL && PyDict_Next(obj, &at, &key, &item)) {
        Py_INCREF(key);
        Py_INCREF(item);
        if (add_pair(walk, dict, key, item) < 0) {
            return NULL;
        }
        if (PyDict_GET_SIZE(obj) != size) {
            PyErr_SetString(PyExc_RuntimeError,
                            "dictionary changed size while it was saved");
            return NULL;
        }
    }
    return dict;
}

int walk_pairs(struct walk *walk, struct pawl_value *dict, PyObject *pairs)
{
    PyObject *iter = PyObject_GetIter(pairs);
    PyObject *pair = NULL;
    while (iter != NULL && (pair = PyIter_Next(iter)) != NULL) {
        PyObject *key = NULL;
        PyObject *item = NULL;
        int rc = -1;
        if (PyTuple_Check(pair) &&
            PyArg_ParseTuple(pair, "OO:pair", &key, &item)) {
            Py_INCREF(key);
            Py_INCREF(item);
            rc = add_pair(walk, dict, key, item);
        } else if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "dict items are not pairs");
        }
        Py_DECREF(pair);
        if (rc < 0) {
            break;
        }
    }
    Py_XDECREF(iter);
    return PyErr_Occurred() ? -1 : 0;
}

/* An OrderedDict's order is its own, not that of the dict below it. */
static struct pawl_value *walk_ordered_dict(struct walk *walk, PyObject *obj)
{
    struct pawl_value *dict =
        walk_remember(walk, obj, pawl_ordered_dict(walk->state));
    PyObject *items =
        dict != NULL ? PyObject_CallMethod(obj, "items", NULL) : NULL;
    if (items == NULL) {
        return NULL;
    }
    int rc = walk_pairs(walk, dict, items);
    Py_DECREF(items);
    PyObject *attrs = rc == 0 ? PyObject_GetAttrString(obj, "__dict__") : NULL;
    if (attrs == NULL) {
        return NULL;
    }
    if (PyDict_Check(attrs) && PyDict_GET_SIZE(attrs) > 0) {
        struct pawl_value *value = walk_value(walk, attrs);
        if (value != NULL && pawl_dict_set_attrs(dict, value) < 0) {
            walk_fail(walk);
            value = NULL;
        }
        dict = value != NULL ? dict : NULL;
    }
    Py_DECREF(attrs);
    return dict;
}

/* ---- the walk ---------------------------------------------------------- */

static struct pawl_value *walk_memoised(struct walk *walk, PyObject *obj)
{
    const PyTypeObject *type = Py_TYPE(obj);
    if (type == &PyUnicode_Type) {
        return walk_str(walk, obj);
    }
    if (type == &PyDict_Type) {
        return walk_dict(walk, obj);
    }
    if (type == &PyList_Type) {
        return walk_list(walk, obj);
    }
    if (type == &PyTuple_Type) {
        return walk_tuple(walk, obj);
    }
    if (type == &PyODict_Type) {
        return walk_ordered_dict(walk, obj);
    }
    if (type == &PyBytes_Type) {
        return walk_bytes(walk, obj);
    }
    if (type == &PySet_Type || type == &PyFrozenSet_Type) {
        return walk_set(walk, obj);
    }
    if (type == &PyByteArray_Type) {
        return walk_bytearray(walk, obj);
    }
    if (type == &PyComplex_Type) {
        return walk_complex(walk, obj);
    }
    return walk_described(walk, obj);
}

struct pawl_value *walk_value(struct walk *walk, PyObject *obj)
{
    if (obj == Py_None) {
        return walk_checked(walk, pawl_none(walk->state));
    }
    if (PyBool_Check(obj)) {
        return walk_checked(walk, pawl_bool(walk->state, obj == Py_True));
    }
    if (PyLong_CheckExact(obj)) {
        return walk_int(walk, obj);
    }
    if (PyFloat_CheckExact(obj)) {
        return walk_checked(walk,
                            pawl_float(walk->state, PyFloat_AS_DOUBLE(obj)));
    }
    struct pawl_value *value = object_map_get(&walk->values, obj);
    if (value != NULL || Py_EnterRecursiveCall(" while saving an object")) {
        return value;
    }
    value = walk_memoised(walk, obj);
    Py_LeaveRecursiveCall();
    return value;
}

int walk_object(struct walk *walk, PyObject *root, PyObject *session)
{
    *walk = (struct walk){.state = pawl_state_new()};
    if (walk->state == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    walk->describe = PyObject_GetAttrString(session, "describe");
    struct pawl_value *value =
        walk->describe == NULL ? NULL : walk_value(walk, root);
    Py_CLEAR(walk->describe);
    PyObject *done =
        value == NULL ? NULL : PyObject_CallMethod(session, "finish", NULL);
    if (done == NULL) {
        return -1;
    }
    Py_DECREF(done);
    pawl_state_set_root(walk->state, value);
    return 0;
}

void walk_fini(struct walk *walk)
{
    pawl_state_free(walk->state);
    torch_parts_fini(&walk->torch);
    address_map_fini(&walk->dtypes);
    address_map_fini(&walk->storages);
    object_map_fini(&walk->values);
}
