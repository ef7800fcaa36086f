/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_scalar.h - values without parts, as the pickle writer puts them
 *
 * None, bool, int, float, complex, str, bytes and bytearray.
 */
#ifndef PAWL_FORMAT_PICKLE_SCALAR_H
#define PAWL_FORMAT_PICKLE_SCALAR_H

#include "format/pickle_emit.h"

/* Writes a scalar that is not in the memo.  0; PAWL_ENOTSUP: too large for
 * protocol 2; PAWL_ENOMEM; PAWL_EBUG: no scalar. */
int pawl_emit_scalar(struct pawl_pickler *p, const struct pawl_value *value);

/* (..., ...) REDUCE: makes a tuple, which nothing else refers to, of what is
 * on the stack, calls what is below it, and gives the result a number. */
void pawl_emit_call(struct pawl_pickler *p, size_t arg_count, uint32_t *mark);

#endif
