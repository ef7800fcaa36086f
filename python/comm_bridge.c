/* SPDX-License-Identifier: Apache-2.0 */
/*
 * comm_bridge.c - a Python object with `gather` and `broadcast` is a pawl_comm
 *
 * The engine calls from any of its threads, and holds no GIL then: each call
 * takes it, and lets go of it again before it hands on what the ranks gave,
 * since the taker may wait for locks of the engine.  An exception becomes a
 * pawl_error with its text: PAWL_ETIMEDOUT of a TimeoutError, whose `rank` is
 * the missing one, else PAWL_EIO.
 */
#include "comm_bridge.h"

#include <pawl/plugin.h>

/* The attribute `rank` of an exception; UINT32_MAX if it has none. */
static uint32_t rank_of(PyObject *exc)
{
    PyObject *value = PyObject_GetAttrString(exc, "rank");
    unsigned long rank = UINT32_MAX;
    if (value != NULL && PyLong_Check(value)) {
        rank = PyLong_AsUnsignedLong(value);
    }
    Py_XDECREF(value);
    PyErr_Clear();
    return rank < UINT32_MAX ? (uint32_t)rank : UINT32_MAX;
}

/* Takes the exception that is set away, as an error. */
static int take_exception(uint32_t *missing_rank, struct pawl_error *err)
{
    PyObject *kind = NULL;
    PyObject *exc = NULL;
    PyObject *trace = NULL;
    int code = PAWL_EIO;
    PyErr_Fetch(&kind, &exc, &trace);
    PyErr_NormalizeException(&kind, &exc, &trace);
    if (exc != NULL &&
        PyErr_GivenExceptionMatches(exc, PyExc_TimeoutError) != 0) {
        code = PAWL_ETIMEDOUT;
        *missing_rank = rank_of(exc);
    }
    PyObject *text = exc == NULL ? NULL : PyObject_Str(exc);
    const char *utf8 = text == NULL ? NULL : PyUnicode_AsUTF8(text);
    pawl_fail(err, code, 0, "%s",
              utf8 != NULL ? utf8 : "the ranks cannot talk");
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(kind);
    Py_XDECREF(exc);
    Py_XDECREF(trace);
    return code;
}

/* What gather returned, as a tuple of bytes; NULL with an exception. */
static PyObject *check_parts(PyObject *returned)
{
    PyObject *parts = PySequence_Tuple(returned);
    for (Py_ssize_t i = 0; parts != NULL && i < PyTuple_GET_SIZE(parts); i++) {
        if (!PyBytes_Check(PyTuple_GET_ITEM(parts, i))) {
            PyErr_SetString(PyExc_TypeError,
                            "the comm gave something else than bytes");
            Py_CLEAR(parts);
        }
    }
    return parts;
}

static int hand_on(PyObject *parts, pawl_comm_part_fn part, void *part_ctx)
{
    Py_ssize_t count = PyTuple_GET_SIZE(parts);
    int rc = 0;
    Py_BEGIN_ALLOW_THREADS;
    for (Py_ssize_t i = 0; i < count && rc == 0; i++) {
        PyObject *data = PyTuple_GET_ITEM(parts, i);
        rc = part(part_ctx, (uint32_t)i, PyBytes_AS_STRING(data),
                  (size_t)PyBytes_GET_SIZE(data));
    }
    Py_END_ALLOW_THREADS;
    return rc;
}

/* Calls gather or broadcast.  Needs the GIL; NULL with an exception. */
static PyObject *call(PyObject *object, const char *method, const char *key,
                      const void *data, size_t len_bytes, int64_t timeout_ms)
{
    return PyObject_CallMethod(
        object, method, "sy#d", key, len_bytes > 0 ? (const char *)data : "",
        (Py_ssize_t)len_bytes, (double)timeout_ms / 1000.0);
}

/* Takes the references over: `parts` is what was made of `returned`. */
static int finish(PyObject *returned, PyObject *parts, pawl_comm_part_fn part,
                  void *part_ctx, uint32_t *missing, struct pawl_error *err)
{
    int rc = 0;
    if (PyErr_Occurred() != NULL) {
        rc = take_exception(missing, err);
    } else if (parts != NULL) {
        rc = hand_on(parts, part, part_ctx);
    }
    Py_XDECREF(parts);
    Py_XDECREF(returned);
    return rc;
}

static int fail_ended(struct pawl_error *err)
{
    return pawl_fail(err, PAWL_EIO, 0, "the interpreter has ended");
}

static int bridge_gather(void *ctx, const char *key, const void *data,
                         size_t len_bytes, int64_t timeout_ms,
                         pawl_comm_part_fn part, void *part_ctx,
                         uint32_t *missing_rank, struct pawl_error *err)
{
    *missing_rank = UINT32_MAX;
    if (!Py_IsInitialized()) {
        return fail_ended(err);
    }
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *returned = call(ctx, "gather", key, data, len_bytes, timeout_ms);
    PyObject *parts = returned == NULL ? NULL : check_parts(returned);
    int rc = finish(returned, parts, part, part_ctx, missing_rank, err);
    PyGILState_Release(gil);
    return rc;
}

static int bridge_broadcast(void *ctx, const char *key, const void *data,
                            size_t len_bytes, int64_t timeout_ms,
                            pawl_comm_part_fn part, void *part_ctx,
                            struct pawl_error *err)
{
    uint32_t missing = UINT32_MAX;
    if (!Py_IsInitialized()) {
        return fail_ended(err);
    }
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *returned =
        call(ctx, "broadcast", key, data, len_bytes, timeout_ms);
    PyObject *one = returned == NULL ? NULL : PyTuple_Pack(1, returned);
    PyObject *parts = one == NULL ? NULL : check_parts(one);
    Py_XDECREF(one);
    int rc = finish(returned, parts, part, part_ctx, &missing, err);
    PyGILState_Release(gil);
    return rc;
}

static void bridge_free(void *ctx)
{
    if (Py_IsInitialized()) {
        PyGILState_STATE gil = PyGILState_Ensure();
        Py_DECREF((PyObject *)ctx);
        PyGILState_Release(gil);
    }
}

static const struct pawl_comm_ops bridge_ops = {
    .struct_size = sizeof(struct pawl_comm_ops),
    .name = "python",
    .gather = bridge_gather,
    .broadcast = bridge_broadcast,
    .free = bridge_free,
};

static int read_number(uint32_t *out, PyObject *object, const char *name)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    if (value == NULL) {
        return -1;
    }
    unsigned long number = PyLong_AsUnsignedLong(value);
    Py_DECREF(value);
    if (PyErr_Occurred() != NULL) {
        return -1;
    }
    if (number > UINT32_MAX) {
        PyErr_Format(PyExc_ValueError, "%s of the comm is too large", name);
        return -1;
    }
    *out = (uint32_t)number;
    return 0;
}

int comm_bridge_init(struct pawl_comm *out, PyObject *object)
{
    struct pawl_comm comm = {&bridge_ops, object, 0, 0};
    if (read_number(&comm.rank, object, "rank") < 0 ||
        read_number(&comm.size, object, "size") < 0) {
        return -1;
    }
    Py_INCREF(object);
    *out = comm;
    return 0;
}
