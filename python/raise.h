/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raise.h - a pawl_error becomes a Python exception
 */
#ifndef PAWL_PYTHON_RAISE_H
#define PAWL_PYTHON_RAISE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pawl/error.h>

/* Sets the subclass of pawl.Error that stands for `err->code`, with its
 * message, errno, and `path` (str or bytes; may be NULL) as filename.  Returns
 * NULL for the caller to return.  Needs the GIL. */
PyObject *raise_error(const struct pawl_error *err, PyObject *path);

/* The same for an error found here: `format` as PyUnicode_FromFormat has it. */
PyObject *raise_code(int code, const char *format, ...);

#endif
