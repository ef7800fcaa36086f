/* SPDX-License-Identifier: Apache-2.0 */
/* pickle_batch.c - see pickle_batch.h. */
#include "format/pickle_batch.h"

#define BATCH 1000

struct pawl_batch pawl_batch_items(const struct pawl_value *value, bool exact)
{
    return (struct pawl_batch){value->as.seq.items, value->as.seq.count, 1,
                               exact};
}

struct pawl_batch pawl_batch_pairs(const struct pawl_value *value, bool exact)
{
    return (struct pawl_batch){value->as.dict.pairs, value->as.dict.count, 2,
                               exact};
}

/* Whether item number `i` is added by itself. */
static bool is_single(const struct pawl_batch *b, size_t i)
{
    return b->exact ? b->count == 1 : i % BATCH == 0 && i + 1 == b->count;
}

static void end_item(const struct pawl_batch *b, struct pawl_pickler *p,
                     size_t i)
{
    bool pairs = b->width == 2;
    if (is_single(b, i)) {
        pawl_emit_op(p, pairs ? PICKLE_SETITEM : PICKLE_APPEND);
    } else if ((i + 1) % BATCH == 0 || i + 1 == b->count) {
        pawl_emit_op(p, pairs ? PICKLE_SETITEMS : PICKLE_APPENDS);
    }
}

/* The loop over a dict notices only by an empty batch that there is no more,
 * if the last one was full. */
static void end_all(const struct pawl_batch *b, struct pawl_pickler *p)
{
    if (b->exact && b->width == 2 && b->count > 0 && b->count % BATCH == 0) {
        pawl_emit_op(p, PICKLE_MARK);
        pawl_emit_op(p, PICKLE_SETITEMS);
    }
}

const struct pawl_value *pawl_batch_next(const struct pawl_batch *b,
                                         struct pawl_pickler *p, size_t at)
{
    size_t i = at / b->width;
    if (at % b->width != 0) {
        return b->children[at]; /* between key and item stands nothing */
    }
    if (i > 0) {
        end_item(b, p, i - 1);
    }
    if (i == b->count) {
        end_all(b, p);
        return NULL;
    }
    if (i % BATCH == 0 && !is_single(b, i)) {
        pawl_emit_op(p, PICKLE_MARK);
    }
    return b->children[at];
}
