/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_batch.h - how the pickler adds items to lists and dicts
 *
 * In batches of 1000, each between MARK and APPENDS or SETITEMS; one by itself
 * by APPEND or SETITEM.  For a list or dict itself ("exact") and for items that
 * come from an iterator the pickler has two different loops, which differ in
 * what they make of a batch of one and of a dict of n * 1000.
 */
#ifndef PAWL_FORMAT_PICKLE_BATCH_H
#define PAWL_FORMAT_PICKLE_BATCH_H

#include "format/pickle_emit.h"

struct pawl_batch {
    struct pawl_value *const *children; /* of pairs: key, item, key, ... */
    size_t count;                       /* of items or pairs */
    size_t width;                       /* children of one: 1 or 2 */
    bool exact;
};

/* Of a list, tuple or set; of a dict. */
struct pawl_batch pawl_batch_items(const struct pawl_value *value, bool exact);
struct pawl_batch pawl_batch_pairs(const struct pawl_value *value, bool exact);

/* Writes what stands before child number `at`, and after the one before it.
 * Returns that child; NULL behind the last. */
const struct pawl_value *pawl_batch_next(const struct pawl_batch *batch,
                                         struct pawl_pickler *p, size_t at);

#endif
