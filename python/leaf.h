/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leaf.h - values without parts become Python objects
 */
#ifndef PAWL_PYTHON_LEAF_H
#define PAWL_PYTHON_LEAF_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pawl/state.h>

/* A new object for a value that is no container and no OBJECT; NULL with an
 * exception.  `storages` has a slot for each storage of the state: NULL, or
 * the torch storage, which is then used again.  A storage's payload is read
 * with the GIL released.  Needs the GIL. */
PyObject *leaf_object(PyObject *loader, PyObject **storages,
                      const struct pawl_value *value);

#endif
