/* SPDX-License-Identifier: Apache-2.0 */
/*
 * comm_bridge.h - a Python object with `gather` and `broadcast` is a pawl_comm
 */
#ifndef PAWL_PYTHON_COMM_BRIDGE_H
#define PAWL_PYTHON_COMM_BRIDGE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pawl/comm.h>

/* Fills `out` for `object`, which is as pawl.ranks.Comm says, and holds a
 * reference to it until its free is called.  0, or -1 with an exception.
 * Needs the GIL. */
int comm_bridge_init(struct pawl_comm *out, PyObject *object);

#endif
