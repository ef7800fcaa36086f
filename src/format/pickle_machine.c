/* SPDX-License-Identifier: Apache-2.0 */
/* pickle_machine.c - stack, marks and memo; see pickle_machine.h. */
#include "format/pickle_machine.h"

#include <stdlib.h>

enum { COPY_FACTOR = 8, COPY_FLOOR = 4096 };

int pawl_pickle_malformed(struct pawl_error *err, const char *what)
{
    return pawl_fail(err, PAWL_EFORMAT, 0, "%s", what);
}

/* Doubles an array of `width`-byte entries until it holds `need`. */
static bool reserve(void *array, size_t *capacity, size_t need, size_t width)
{
    void *old;
    size_t larger = *capacity == 0 ? 64 : *capacity;
    while (larger < need) {
        if (larger > SIZE_MAX / 4 / width) {
            return false;
        }
        larger *= 2;
    }
    if (larger == *capacity) {
        return true;
    }
    memcpy(&old, array, sizeof(old));
    uint8_t *grown = realloc(old, larger * width);
    if (grown == NULL) {
        return false;
    }
    memset(grown + *capacity * width, 0, (larger - *capacity) * width);
    memcpy(array, &grown, sizeof(grown));
    *capacity = larger;
    return true;
}

/* ---- stack ------------------------------------------------------------- */

int pawl_pickle_push(struct pawl_pickle_machine *m, struct pawl_value *value,
                     struct pawl_error *err)
{
    if (value == NULL) {
        return pawl_fail_nomem(err);
    }
    if (m->depth == m->stack_capacity &&
        !reserve(&m->stack, &m->stack_capacity, m->depth + 1,
                 sizeof(*m->stack))) {
        return pawl_fail_nomem(err);
    }
    m->stack[m->depth++] = value;
    return 0;
}

static size_t floor_of(const struct pawl_pickle_machine *m)
{
    return m->mark_count == 0 ? 0 : m->marks[m->mark_count - 1];
}

int pawl_pickle_top(struct pawl_pickle_machine *m, struct pawl_value **out,
                    struct pawl_error *err)
{
    if (m->depth == floor_of(m)) {
        return pawl_pickle_malformed(err, "there is no value on the stack");
    }
    *out = m->stack[m->depth - 1];
    return 0;
}

int pawl_pickle_pop(struct pawl_pickle_machine *m, struct pawl_value **out,
                    struct pawl_error *err)
{
    int rc = pawl_pickle_top(m, out, err);
    if (rc == 0) {
        m->depth--;
    }
    return rc;
}

int pawl_pickle_push_mark(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    if (m->mark_count == m->mark_capacity &&
        !reserve(&m->marks, &m->mark_capacity, m->mark_count + 1,
                 sizeof(*m->marks))) {
        return pawl_fail_nomem(err);
    }
    m->marks[m->mark_count++] = m->depth;
    return 0;
}

int pawl_pickle_pop_mark(struct pawl_pickle_machine *m,
                         struct pawl_value ***items, size_t *count,
                         struct pawl_error *err)
{
    if (m->mark_count == 0) {
        return pawl_pickle_malformed(err, "there is no mark on the stack");
    }
    size_t mark = m->marks[--m->mark_count];
    *items = m->depth > mark ? m->stack + mark : NULL;
    *count = m->depth - mark;
    m->depth = mark;
    return 0;
}

/* ---- memo -------------------------------------------------------------- */

int pawl_pickle_memo_put(struct pawl_pickle_machine *m, uint64_t index,
                         struct pawl_value *value, struct pawl_error *err)
{
    /* Each put takes two bytes or more, and picklers number from 0 or 1. */
    if (index > pawl_pickle_tell(m->in) - m->start) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "memo %llu is beyond what so short a pickle can have",
                         (unsigned long long)index);
    }
    if (index >= m->memo_capacity &&
        !reserve(&m->memo, &m->memo_capacity, (size_t)index + 1,
                 sizeof(*m->memo))) {
        return pawl_fail_nomem(err);
    }
    if (m->memo[index] == NULL) {
        m->memo_count++;
    }
    m->memo[index] = value;
    return 0;
}

int pawl_pickle_memo_get(const struct pawl_pickle_machine *m, uint64_t index,
                         struct pawl_value **out, struct pawl_error *err)
{
    if (index >= m->memo_capacity || m->memo[index] == NULL) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "memo %llu is asked for but was never put",
                         (unsigned long long)index);
    }
    *out = m->memo[index];
    return 0;
}

/* ---- hashing ----------------------------------------------------------- */

static bool is_hashable(const struct pawl_pickle_machine *m,
                        const struct pawl_value *value)
{
    switch ((enum pawl_kind)value->kind) {
    case PAWL_KIND_LIST:
    case PAWL_KIND_DICT:
    case PAWL_KIND_SET:
    case PAWL_KIND_BYTEARRAY:
        return false;
    case PAWL_KIND_TUPLE:
        return value->id / 8 >= m->unhashable_bytes ||
               ((m->unhashable[value->id / 8] >> (value->id % 8)) & 1) == 0;
    default:
        return true;
    }
}

static bool mark_unhashable(struct pawl_pickle_machine *m, uint32_t id)
{
    if (!reserve(&m->unhashable, &m->unhashable_bytes, (size_t)id / 8 + 1, 1)) {
        return false;
    }
    m->unhashable[id / 8] |= (uint8_t)(1u << (id % 8));
    return true;
}

int pawl_pickle_check_key(const struct pawl_pickle_machine *m,
                          const struct pawl_value *value,
                          struct pawl_error *err)
{
    if (!is_hashable(m, value)) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "a %s as a key or in a set, which has no hash",
                         pawl_kind_name((enum pawl_kind)value->kind));
    }
    return 0;
}

/* ---- making ------------------------------------------------------------ */

int pawl_pickle_sequence(struct pawl_pickle_machine *m, struct pawl_value **out,
                         enum pawl_kind kind, struct pawl_value *const *items,
                         size_t count, struct pawl_error *err)
{
    bool is_set = kind == PAWL_KIND_SET || kind == PAWL_KIND_FROZENSET;
    bool hashable = true;
    for (size_t i = 0; i < count && kind != PAWL_KIND_LIST; i++) {
        hashable = hashable && is_hashable(m, items[i]);
        if (is_set && !hashable) {
            return pawl_pickle_check_key(m, items[i], err);
        }
    }
    struct pawl_value *value = pawl_value_new(m->state, kind);
    if (value == NULL || (!hashable && !mark_unhashable(m, value->id))) {
        return pawl_fail_nomem(err);
    }
    if (count > 0) {
        size_t len = count * sizeof(struct pawl_value *);
        value->as.seq.items = pawl_arena_alloc(&m->state->arena, len);
        if (value->as.seq.items == NULL) {
            return pawl_fail_nomem(err);
        }
        memcpy(value->as.seq.items, items, len);
    }
    value->as.seq.count = count;
    value->as.seq.capacity = count;
    *out = value;
    return 0;
}

int pawl_pickle_charge(struct pawl_pickle_machine *m, uint64_t len,
                       struct pawl_error *err)
{
    uint64_t most =
        COPY_FLOOR + COPY_FACTOR * (pawl_pickle_tell(m->in) - m->start);
    if (len > most || m->copied_bytes > most - len) {
        return pawl_pickle_malformed(
            err, "the values grow far beyond the length of the pickle");
    }
    m->copied_bytes += len;
    return 0;
}
