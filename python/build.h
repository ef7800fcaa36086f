/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build.h - a pawl_state becomes Python objects
 *
 * One object per value, so what is shared or refers to itself in the file does
 * so in Python.  No name from the file is looked up and nothing is called here:
 * globals, objects, tensors and storages are made by `loader`
 * (pawl.loading.Loader), which decides what it trusts.
 */
#ifndef PAWL_PYTHON_BUILD_H
#define PAWL_PYTHON_BUILD_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pawl/state.h>

/* The root of `state` as a new reference, or NULL with an exception.  Payload
 * is read, and verified, with the GIL released.  Depth is not limited.  Needs
 * the GIL. */
PyObject *build_object(struct pawl_state *state, PyObject *loader);

#endif
