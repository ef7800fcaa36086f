/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_machine.h - the stack machine behind pickle_reader.h
 *
 * A stack of values, marks on it, and a memo.  Values below the newest mark
 * are out of reach until the mark is gone.  pickle_atoms.c and
 * pickle_objects.c hold the instructions, pickle_meaning.c the functions that
 * are known by name.
 */
#ifndef PAWL_FORMAT_PICKLE_MACHINE_H
#define PAWL_FORMAT_PICKLE_MACHINE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "format/pickle_reader.h"
#include "state/value.h"

enum { PICKLE_SMALL_INTS = 256 };

struct pawl_pickle_machine {
    struct pawl_state *state;
    struct pawl_pickle_input *in;
    const struct pawl_pickle_hooks *hooks;
    uint64_t start; /* of the pickle in the input */
    uint8_t opcode; /* the instruction being run */
    bool stopped;

    struct pawl_value **stack;
    size_t depth;
    size_t stack_capacity;
    size_t *marks; /* depths of the stack, rising */
    size_t mark_count;
    size_t mark_capacity;
    struct pawl_value **memo; /* NULL where nothing was put */
    size_t memo_capacity;
    uint64_t memo_count;

    uint8_t
        *unhashable; /* a bit for each value id: a tuple with a list in it */
    size_t unhashable_bytes;
    uint64_t copied_bytes;         /* by calls, not read from the input */
    const struct pawl_value *call; /* an OBJECT made just now by a call */
    struct pawl_buffer scratch;    /* decoded text */

    /* One value each: they have no identity of their own in Python either. */
    struct pawl_value *none;
    struct pawl_value *booleans[2];
    struct pawl_value *empty_tuple;
    struct pawl_value *ints[PICKLE_SMALL_INTS];
};

/* PAWL_EFORMAT with that message. */
int pawl_pickle_malformed(struct pawl_error *err, const char *what);

/* Pushes `value`; NULL, from a constructor that failed, is PAWL_ENOMEM. */
int pawl_pickle_push(struct pawl_pickle_machine *m, struct pawl_value *value,
                     struct pawl_error *err);
/* Takes the top value, above the newest mark. */
int pawl_pickle_pop(struct pawl_pickle_machine *m, struct pawl_value **out,
                    struct pawl_error *err);
/* The top value, which stays. */
int pawl_pickle_top(struct pawl_pickle_machine *m, struct pawl_value **out,
                    struct pawl_error *err);
int pawl_pickle_push_mark(struct pawl_pickle_machine *m,
                          struct pawl_error *err);
/* Takes the newest mark and all above it; `*items` is valid until the next
 * push. */
int pawl_pickle_pop_mark(struct pawl_pickle_machine *m,
                         struct pawl_value ***items, size_t *count,
                         struct pawl_error *err);

int pawl_pickle_memo_put(struct pawl_pickle_machine *m, uint64_t index,
                         struct pawl_value *value, struct pawl_error *err);
int pawl_pickle_memo_get(const struct pawl_pickle_machine *m, uint64_t index,
                         struct pawl_value **out, struct pawl_error *err);

/* Fails if Python could not use `value` as a key. */
int pawl_pickle_check_key(const struct pawl_pickle_machine *m,
                          const struct pawl_value *value,
                          struct pawl_error *err);

/* A list, tuple, set or frozenset of `count` items, which for the last two
 * must be hashable. */
int pawl_pickle_sequence(struct pawl_pickle_machine *m, struct pawl_value **out,
                         enum pawl_kind kind, struct pawl_value *const *items,
                         size_t count, struct pawl_error *err);

/* Notes that a call copies `len` bytes; fails when calls copied much more than
 * the pickle is long. */
int pawl_pickle_charge(struct pawl_pickle_machine *m, uint64_t len,
                       struct pawl_error *err);

/* What calling the GLOBAL `callable` gives, if it is one of Python's own that
 * are known; else leaves `*out` NULL. */
int pawl_pickle_call_builtin(struct pawl_pickle_machine *m,
                             const struct pawl_value *callable,
                             const struct pawl_value *args,
                             struct pawl_value **out, struct pawl_error *err);

#endif
