/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_reader.h - pickles of protocols 0 to 5, read without running them
 *
 * A pickle is a program for a small stack machine.  Some of its instructions
 * call a Python function by its name.  Here a name is just a value (a GLOBAL),
 * and a call becomes
 *
 *   - the value that it would give, for what Python itself writes for bytes,
 *     bytearray, set, frozenset, complex and OrderedDict;
 *   - what the `call` hook makes of it, for torch's own functions;
 *   - an inert OBJECT that keeps name, arguments, state, items and pairs, for
 *     everything else.
 *
 * Limits, so that a small file cannot take much memory or time: the memo is no
 * larger than the pickle, what calls copy is bounded by 8 times the pickle,
 * every length is checked against what is left, no recursion.  Memory stays
 * below a constant (some hundreds) times the length of the pickle.
 *
 * Refused: the extension registry and out-of-band buffers (PAWL_ENOTSUP: their
 * content is not in the file); keys that Python could not hash; a state given
 * twice to one object, or to a value that has none; a call whose result is
 * thrown away (PAWL_ENOTSUP).
 */
#ifndef PAWL_FORMAT_PICKLE_READER_H
#define PAWL_FORMAT_PICKLE_READER_H

#include <pawl/state.h>

#include "format/pickle_input.h"

/* What the pickle's surroundings know.  Each may be NULL. */
struct pawl_pickle_hooks {
    /* The value behind a persistent id.  NULL: PAWL_ENOTSUP. */
    int (*persistent)(void *ctx, struct pawl_value *id, struct pawl_value **out,
                      struct pawl_error *err);
    /* What calling the GLOBAL `callable` with the TUPLE `args` would give.
     * Leaves `*out` NULL, and returns 0, if it does not know. */
    int (*call)(void *ctx, const struct pawl_value *callable,
                const struct pawl_value *args, struct pawl_value **out,
                struct pawl_error *err);
    void *ctx;
};

/* Reads one pickle; `in` then stands behind its STOP.  The values belong to
 * `state`, which holds remains of them after a failure and should be freed.
 * PAWL_EFORMAT, PAWL_ENOTSUP, PAWL_ENOMEM, errors of the source and the hooks;
 * the message tells the byte and the instruction.  Blocks as the source does.
 */
int pawl_pickle_read(struct pawl_value **out, struct pawl_state *state,
                     struct pawl_pickle_input *in,
                     const struct pawl_pickle_hooks *hooks,
                     struct pawl_error *err);

#endif
