/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_type.h - the Python type pawl._pawl.Engine
 */
#ifndef PAWL_PYTHON_ENGINE_TYPE_H
#define PAWL_PYTHON_ENGINE_TYPE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* A new reference to the type, or NULL with an exception. */
PyObject *engine_type_new(void);

#endif
