/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show_value.h - a value as one line of text, for comparing
 *
 *     None True 12 1.5 complex(1, 2) 'text' b'bytes' bytearray'...'
 *     [1, 2] (1,) set[1] frozenset[1] {k: v} ordered{k: v}@attrs
 *     <module.name> call(<f>, (args)) new(<cls>, (args)[, kwargs])
 *         each with .state= .items= .pairs= behind it, if it has them
 *     tensor(float32 (2, 3) (3, 1) +0 s0) parameter(...) storage(float32 s0)
 *
 * A list, tuple, set, dict or object that was shown before is "#n": n counts
 * them in the order met, empty tuples left out.  Bytes that are not printable
 * ASCII are \xNN.  tests/golden/make.py writes the same of Python's objects.
 */
#ifndef PAWL_TESTS_SHOW_VALUE_H
#define PAWL_TESTS_SHOW_VALUE_H

#include <pawl/state.h>

/* The caller frees it.  Never NULL; nesting beyond 200 is "...". */
char *show_value(const struct pawl_value *value);

#endif
