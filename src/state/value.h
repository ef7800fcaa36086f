/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.h - the nodes behind pawl/state.h, for the formats
 *
 * Every node, array and string lies in the state's arena.  Nodes have dense
 * ids, so that a pass over the graph (a writer's memo, a converter's table)
 * keeps its marks in an array of its own and leaves the graph alone.
 */
#ifndef PAWL_STATE_VALUE_H
#define PAWL_STATE_VALUE_H

#include "base/arena.h"
#include "base/strmap.h"

#include <pawl/state.h>

struct pawl_value {
    struct pawl_state *state;
    uint32_t id;
    uint8_t kind;     /* enum pawl_kind */
    bool is_big;      /* INT: `text` holds it */
    bool is_ordered;  /* DICT: a collections.OrderedDict */
    bool is_interned; /* STR: the only one with this text that is shared */
    union {
        bool boolean;
        int64_t integer;
        double real; /* FLOAT */
        struct {
            double real;
            double imag;
        } complex;
        struct {
            const char *data; /* NUL-terminated */
            size_t len;
        } text; /* STR, BYTES, BYTEARRAY, big INT */
        struct {
            struct pawl_value **items; /* LIST, TUPLE, SET, FROZENSET */
            size_t count;
            size_t capacity;
        } seq;
        struct {
            struct pawl_value **pairs; /* key, item, key, item ... */
            size_t count;              /* of pairs */
            size_t capacity;           /* of pairs */
            struct pawl_value *attrs;
        } dict;
        struct {
            const char *module;
            const char *name;
        } global;
        struct pawl_object *object;
        struct pawl_tensor *tensor;
        struct pawl_storage *storage;
    } as;
};

struct pawl_state {
    struct pawl_arena arena;
    struct pawl_value *root;
    uint32_t value_count;
    int status;                 /* first failure of a constructor */
    struct pawl_strmap strings; /* text -> interned STR */
    struct pawl_strmap globals; /* "module\nname" -> GLOBAL */
    struct pawl_storage **storages;
    uint32_t storage_count;
    uint32_t storage_capacity;
    void (*on_free)(void *ctx); /* a loader's, which all storages share */
    void *on_free_ctx;
};

/* Runs `on_free(ctx)` once, when the state is freed, after the storages were
 * released: for the file that lazy storages read from.  At most one. */
void pawl_state_on_free(struct pawl_state *state, void (*on_free)(void *ctx),
                        void *ctx);

/* A new node of `kind`, zeroed; NULL when out of memory. */
struct pawl_value *pawl_value_new(struct pawl_state *state,
                                  enum pawl_kind kind);

/* Notes that a constructor failed; returns `code`. */
int pawl_state_failed(struct pawl_state *state, int code);

/* The interned string of that text if the state has one, else NULL. */
const struct pawl_value *pawl_state_find_str(const struct pawl_state *state,
                                             const char *text, size_t len);

/* The GLOBAL of that name if the state has one, else NULL. */
const struct pawl_value *pawl_state_find_global(const struct pawl_state *state,
                                                const char *module,
                                                const char *name);

/* Turns `value` into what `other` is, id and identity kept: for a reader that
 * learns the meaning of an object after it gave the object away. */
void pawl_value_become(struct pawl_value *value,
                       const struct pawl_value *other);

/* Checks a tensor against its storage: PAWL_EFORMAT with what is wrong. */
int pawl_tensor_check(const struct pawl_tensor *tensor, struct pawl_error *err);

/* A storage with no bytes of its own yet; dtype may be set once later. */
struct pawl_storage {
    struct pawl_state *state;
    uint32_t id;
    enum pawl_dtype dtype;
    uint64_t len_bytes;
    const void *data; /* NULL: lazy, or empty */
    void *owned;      /* what pawl_state_read_all allocated */
    const char *location;
    const struct pawl_storage_ops *ops; /* lazy */
    void *ops_ctx;
    void (*release)(void *ctx);
    void *release_ctx;
};

#endif
