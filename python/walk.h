/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.h - a graph of Python objects becomes a pawl_state
 *
 * One value per object, as pickle's memo has it: what is shared or refers to
 * itself in Python is so in the state.  Types that pickle treats by itself are
 * known here; for all others `describe` (pawl.pickling.Session.describe) says
 * in a tuple what pickle would do with the object.
 *
 * The state borrows tensor memory from objects that the walk keeps alive, so
 * free the walk only when the state is no longer used.  Needs the GIL.
 */
#ifndef PAWL_PYTHON_WALK_H
#define PAWL_PYTHON_WALK_H

#include "address_map.h"
#include "object_map.h"
#include "plain_tensor.h"

#include <pawl/state.h>

/* First item of the tuples that describe returns, and what follows it. */
enum walk_tag {
    WALK_GLOBAL,  /* module, qualname */
    WALK_REDUCE,  /* callable, args, state, items, pairs; last three or None */
    WALK_NEWOBJ,  /* the same, with a class for callable */
    WALK_TENSOR,  /* storage, dtype, offset, shape, strides, requires_grad,
                     is_parameter, is_conj, is_neg */
    WALK_STORAGE, /* storage */
};
/* A storage is a tuple: dtype, location, torch's identity of it, the address of
 * its memory (0: none), the address of its bytes on the CPU, its size in bytes,
 * and an owner that keeps both. */

struct walk {
    struct pawl_state *state; /* owned */
    PyObject *describe;       /* during the walk */
    struct object_map values; /* object -> pawl_value */
    /* torch's storages: by identity and dtype -> pawl_storage; by address ->
     * what they were first seen as. */
    struct address_map storages;
    struct address_map dtypes;
    struct torch_parts torch;
};

/* Walks `root`, and has `session` (pawl.pickling.Session) finish what it began
 * when it described: only then are all bytes in memory.  0, or -1 with an
 * exception set; fini in both cases. */
int walk_object(struct walk *walk, PyObject *root, PyObject *session);
void walk_fini(struct walk *walk);

/* ---- between walk.c and described.c ------------------------------------ */

/* These return NULL or -1 with an exception set when they fail. */

/* The value of `obj`, walked unless it was. */
struct pawl_value *walk_value(struct walk *walk, PyObject *obj);
/* The value of an object whose type is not known here. */
struct pawl_value *walk_described(struct walk *walk, PyObject *obj);
/* Adds to `dict` what an iterable of (key, item) tuples yields. */
int walk_pairs(struct walk *walk, struct pawl_value *dict, PyObject *pairs);
/* Notes that `obj` is `value`, which may be NULL. */
struct pawl_value *walk_remember(struct walk *walk, PyObject *obj,
                                 struct pawl_value *value);
/* `value`; sets an exception if it is NULL. */
struct pawl_value *walk_checked(const struct walk *walk,
                                struct pawl_value *value);
/* Sets an exception for what went wrong in the state; returns -1. */
int walk_fail(const struct walk *walk);

#endif
