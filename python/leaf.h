/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leaf.h - values without parts become Python objects
 */
#ifndef PAWL_PYTHON_LEAF_H
#define PAWL_PYTHON_LEAF_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "view.h"

/* A new object for a value that is no container and no OBJECT; NULL with an
 * exception.  `storages` has a slot for each storage of the state: NULL, or
 * the torch storage, which is then used again.  Bytes that are in memory are
 * not copied; others are read with the GIL released.  Needs the GIL. */
PyObject *leaf_object(struct views *views, PyObject **storages,
                      const struct pawl_value *value);

#endif
