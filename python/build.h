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

/* The root of `state`, which it takes over, as a new reference, or NULL with an
 * exception.  Tensors are views of what is in memory; lazy payload is read, and
 * verified, with the GIL released.  Depth is not limited.  Needs
 * the GIL. */
PyObject *build_object(struct pawl_state *state, PyObject *loader);

/* What to load a file with for that loader: nothing of the payload is read
 * before it is asked for if none will be, and the file is mapped if it wants
 * that.  0, or -1 with an exception. */
int build_flags(unsigned *flags, PyObject *loader);

#endif
