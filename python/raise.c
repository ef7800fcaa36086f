/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raise.c - a pawl_error becomes a Python exception
 *
 * The classes are Python's own business: pawl.errors.make picks one.  It is
 * looked up at each raise, which is rare, so that nothing is cached here.
 */
#include "raise.h"

#include <stdarg.h>

static PyObject *raise_made(int code, int sys_errno, PyObject *message,
                            PyObject *path)
{
    PyObject *errors = PyImport_ImportModule("pawl.errors");
    if (errors == NULL) {
        return NULL;
    }
    PyObject *exc =
        PyObject_CallMethod(errors, "make", "siOO", pawl_error_name(code),
                            sys_errno, message, path != NULL ? path : Py_None);
    Py_DECREF(errors);
    if (exc != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
        Py_DECREF(exc);
    }
    return NULL;
}

PyObject *raise_error(const struct pawl_error *err, PyObject *path)
{
    /* A message may have been cut inside a character. */
    PyObject *message = PyUnicode_DecodeUTF8(
        err->message, (Py_ssize_t)strlen(err->message), "replace");
    if (message == NULL) {
        return NULL;
    }
    raise_made(err->code, err->sys_errno, message, path);
    Py_DECREF(message);
    return NULL;
}

PyObject *raise_code(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    PyObject *message = PyUnicode_FromFormatV(format, args);
    va_end(args);
    if (message == NULL) {
        return NULL;
    }
    raise_made(code, 0, message, NULL);
    Py_DECREF(message);
    return NULL;
}
