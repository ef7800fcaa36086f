/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_emit.h - the opcodes of the pickle writer, and its memo
 *
 * A mark is the place where the writer keeps an object's number in the memo:
 * 0 while it has none, else number + 1.  Values have theirs in an array by
 * value id.  Names and constant strings that the writer itself puts in may be
 * the same objects as values of the state, so they share those marks.
 *
 * Memory: bytes go to a buffer that remembers when it ran out; functions that
 * return a mark return NULL then, and all take a NULL mark.
 */
#ifndef PAWL_FORMAT_PICKLE_EMIT_H
#define PAWL_FORMAT_PICKLE_EMIT_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/strmap.h"
#include "format/pickle_ops.h"
#include "state/value.h"

/* Names that the writer puts in by itself. */
enum pawl_pickle_name {
    PAWL_NAME_REBUILD_TENSOR_V2,
    PAWL_NAME_REBUILD_TENSOR_V3,
    PAWL_NAME_REBUILD_PARAMETER,
    PAWL_NAME_ORDERED_DICT,
    PAWL_NAME_ENCODE,
    PAWL_NAME_BYTES,
    PAWL_NAME_BYTEARRAY,
    PAWL_NAME_COMPLEX,
    PAWL_NAME_SET,
    PAWL_NAME_FROZENSET,
    PAWL_NAME_GETATTR,
    PAWL_NAME_STORAGE, /* + dtype: its storage class */
    PAWL_NAME_DTYPE = PAWL_NAME_STORAGE + PAWL_DTYPE_COUNT + 1, /* + dtype */
    PAWL_NAME_COUNT = PAWL_NAME_DTYPE + PAWL_DTYPE_COUNT
};

/* What the writer knows of a storage, by storage id. */
struct pawl_storage_use {
    uint32_t number;   /* + 1; 0: not met yet */
    uint32_t key_mark; /* of the string of its number */
    int dtype;         /* what its bytes are, or -1: not known yet */
};

struct pawl_pickler {
    const struct pawl_state *state;
    struct pawl_buffer buf;
    uint64_t memo_count;
    uint64_t mark_count; /* how many marks were set */
    uint32_t *marks;     /* by value id */
    /* Marks of names and constant texts: of the state's own value where it
     * has one, else one in the arena.  Filled as they are met. */
    uint32_t *name_marks[PAWL_NAME_COUNT];
    struct pawl_strmap global_marks; /* "module\nname" */
    struct pawl_strmap text_marks;
    struct pawl_arena arena;
    uint32_t *storage_mark;    /* of 'storage' */
    const char *last_location; /* the one that was met last, and its mark */
    uint32_t *last_location_mark;
    struct pawl_storage_use *uses;
    const struct pawl_storage **storages; /* in order of number */
    uint32_t storage_count;
    struct pawl_error *err;
};

/* ---- opcodes ----------------------------------------------------------- */

void pawl_emit_op(struct pawl_pickler *p, enum pawl_pickle_opcode op);
void pawl_emit_bool(struct pawl_pickler *p, bool b);
void pawl_emit_int(struct pawl_pickler *p, int64_t i);
/* Little-endian two's complement, as short as may be.  PAWL_ENOTSUP. */
int pawl_emit_bigint(struct pawl_pickler *p, const void *le, size_t len);
void pawl_emit_float(struct pawl_pickler *p, double f);
/* BINUNICODE without memo.  PAWL_ENOTSUP from 4 GiB on. */
int pawl_emit_text(struct pawl_pickler *p, const char *text, size_t len);
/* The opcode that makes a tuple of `count` items; of more than 3 there is a
 * MARK before them.  No memo. */
void pawl_emit_tuple(struct pawl_pickler *p, size_t count);

/* ---- memo -------------------------------------------------------------- */

/* The object on the stack gets the next number; NULL for one that nothing
 * will refer to, which takes a number all the same. */
void pawl_emit_put(struct pawl_pickler *p, uint32_t *mark);
/* If the object has a number: fetches it, and returns true. */
bool pawl_emit_get(struct pawl_pickler *p, const uint32_t *mark);

/* ---- names and constant strings ---------------------------------------- */

/* A GLOBAL, or a reference to it.  A dotted name is fetched by getattr, as
 * the pickler does before protocol 4.  PAWL_ENOTSUP: not ASCII;
 * PAWL_EINVAL: a newline. */
int pawl_emit_global(struct pawl_pickler *p, const char *module,
                     const char *name);
void pawl_emit_name(struct pawl_pickler *p, enum pawl_pickle_name name);

/* The mark of the constant string `text`. */
uint32_t *pawl_text_mark(struct pawl_pickler *p, const char *text, size_t len);
/* A string that shares `mark` with others, or a reference to it. */
void pawl_emit_shared_text(struct pawl_pickler *p, uint32_t *mark,
                           const char *text, size_t len);

#endif
