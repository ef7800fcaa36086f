/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.h - torch tensors over the bytes of a state, without a copy
 *
 * What was loaded lies in memory that the state owns.  Each storage is given
 * to torch once, by DLPack, and counts as a reference to that memory: it is
 * freed when the last of them is gone, on whatever thread that happens.
 *
 * Needs the GIL, but for the end of a tensor.
 */
#ifndef PAWL_PYTHON_VIEW_H
#define PAWL_PYTHON_VIEW_H

#include "dlpack.h"

struct view_keeper;

struct views {
    PyObject *loader; /* borrowed */
    int is_looked_up;
    const struct dlpack_exchange *exchange; /* NULL: no views */
    PyObject *make_parameter;               /* Tensor._make_subclass */
    PyObject *parameter_type;
    PyObject *grad_name;
    PyObject *storage_name;
    struct view_keeper *keeper;
    PyObject **given; /* by storage id: the tensor that it was given as */
    size_t count;
    const char *location; /* that was asked about last */
    int stays;            /* and the answer */
};

/* For a state whose bytes are in memory.  0, or -1 with an exception; fini in
 * both cases. */
int views_init(struct views *views, struct pawl_state *state, PyObject *loader);
/* Ends the building; frees the state, also when views_init failed. */
void views_fini(struct views *views, struct pawl_state *state);

/* A new tensor that is all of its storage, in order, where it was loaded to; or
 * NULL: with an exception, or because it is not such a tensor. */
PyObject *view_whole(struct views *views, const struct pawl_tensor *tensor);

/* A new torch.UntypedStorage over the bytes; or NULL: with an exception, or
 * because they are not in memory. */
PyObject *view_storage(struct views *views, const struct pawl_storage *storage);

#endif
