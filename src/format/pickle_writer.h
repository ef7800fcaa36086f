/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_writer.h - a state as the pickle that torch.save would write
 *
 * Protocol 2, opcode for opcode what CPython's C pickler makes of the same
 * object graph with torch's persistent ids.  That includes the memo: a value
 * that occurs again is a reference, and whether two equal strings are one
 * object shows in the bytes.  The graph says so:
 *
 *   a value node is an object; the same node again is the same object
 *   pawl_str is an interned string: also the same as the constant of that
 *     text that torch or the pickler itself puts in ('storage', 'cpu',
 *     'latin1'); of one character, the object that CPython makes whenever a
 *     string comes out that short
 *   pawl_global is the object of that name, wherever it comes from
 *
 * Payload stays where it is: the pickle only numbers the storages.
 */
#ifndef PAWL_FORMAT_PICKLE_WRITER_H
#define PAWL_FORMAT_PICKLE_WRITER_H

#include "base/bytes.h"

#include <pawl/state.h>

struct pawl_pickle {
    struct pawl_buffer bytes;
    const struct pawl_storage **storages; /* number k is record data/k */
    uint32_t storage_count;
};

/* Pickles the state's root.  On success the caller frees `out` with
 * pawl_pickle_fini; the storages are borrowed from the state, and all are in
 * memory.  PAWL_ENOMEM; PAWL_ESTATE: a storage is still lazy; PAWL_ENOTSUP:
 * two dtypes over one storage, a string of 4 GiB, a quantized tensor that is
 * not an object; PAWL_EINVAL: a state without root or that failed, an object
 * without callable, a name with a newline. */
int pawl_pickle_write(struct pawl_pickle *out, const struct pawl_state *state,
                      struct pawl_error *err);
void pawl_pickle_fini(struct pawl_pickle *pickle);

#endif
