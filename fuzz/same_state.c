/* SPDX-License-Identifier: Apache-2.0 */
/*
 * same_state.c - see same_state.h
 *
 * Goes through both at once, by a stack of pairs.  A value that can be changed
 * is met as often on one side as on the other: each has one counterpart.
 */
#include "same_state.h"

#include <stdlib.h>
#include <string.h>

struct pair {
    const struct pawl_value *a, *b;
};

struct walk {
    struct pair *stack;
    size_t count;
    size_t capacity;
    uint32_t *values_a; /* by id: 1 + the id of the counterpart, or 0 */
    uint32_t *values_b;
    uint32_t *storages_a;
    uint32_t *storages_b;
    const char *fault;
};

static void differ(struct walk *w, const char *what)
{
    if (w->fault == NULL) {
        w->fault = what;
    }
}

static void expect(struct walk *w, bool same, const char *what)
{
    if (!same) {
        differ(w, what);
    }
}

static void push(struct walk *w, const struct pawl_value *a,
                 const struct pawl_value *b)
{
    if (a == NULL || b == NULL) {
        expect(w, a == b, "a part is missing");
        return;
    }
    if (w->count == w->capacity) {
        w->capacity = w->capacity == 0 ? 64 : 2 * w->capacity;
        w->stack = realloc(w->stack, w->capacity * sizeof(*w->stack));
        if (w->stack == NULL) {
            abort();
        }
    }
    w->stack[w->count++] = (struct pair){a, b};
}

/* False if these were met before, as each other's counterparts or not. */
static bool meet(struct walk *w, uint32_t *of_a, uint32_t *of_b, uint32_t a,
                 uint32_t b)
{
    if (of_a[a] != 0 || of_b[b] != 0) {
        expect(w, of_a[a] == b + 1 && of_b[b] == a + 1,
               "what is shared is not shared, or the other way round");
        return false;
    }
    of_a[a] = b + 1;
    of_b[b] = a + 1;
    return true;
}

/* ---- kinds ------------------------------------------------------------- */

static bool same_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

typedef const void *(*content_fn)(const struct pawl_value *value, size_t *len);

static const void *get_str(const struct pawl_value *value, size_t *len)
{
    return pawl_get_str(value, len);
}

static bool same_content(const struct pawl_value *a, const struct pawl_value *b,
                         content_fn get)
{
    size_t a_len = 0;
    size_t b_len = 0;
    const void *a_data = get(a, &a_len);
    const void *b_data = get(b, &b_len);
    return same_bytes(a_data, a_len, b_data, b_len);
}

static void atom(struct walk *w, const struct pawl_value *a,
                 const struct pawl_value *b)
{
    double x[4] = {0, 0, 0, 0};
    switch (pawl_value_kind(a)) {
    case PAWL_KIND_BOOL:
        expect(w, pawl_get_bool(a) == pawl_get_bool(b), "a bool");
        break;
    case PAWL_KIND_INT:
        expect(w, same_content(a, b, pawl_get_bigint), "an int");
        break;
    case PAWL_KIND_FLOAT:
        pawl_get_float(a, &x[0]);
        pawl_get_float(b, &x[2]);
        expect(w, memcmp(x, x + 2, 2 * sizeof(*x)) == 0, "a float");
        break;
    case PAWL_KIND_COMPLEX:
        pawl_get_complex(a, &x[0], &x[1]);
        pawl_get_complex(b, &x[2], &x[3]);
        expect(w, memcmp(x, x + 2, 2 * sizeof(*x)) == 0, "a complex");
        break;
    case PAWL_KIND_STR:
        expect(w, same_content(a, b, get_str), "a str");
        break;
    case PAWL_KIND_BYTES:
    case PAWL_KIND_BYTEARRAY:
        expect(w, same_content(a, b, pawl_get_bytes), "bytes");
        break;
    case PAWL_KIND_GLOBAL:
        expect(w,
               strcmp(pawl_global_module(a), pawl_global_module(b)) == 0 &&
                   strcmp(pawl_global_name(a), pawl_global_name(b)) == 0,
               "a name");
        break;
    default:
        break;
    }
}

static void storage(struct walk *w, struct pawl_storage *a,
                    struct pawl_storage *b)
{
    if (meet(w, w->storages_a, w->storages_b, pawl_storage_id(a),
             pawl_storage_id(b))) {
        expect(w,
               pawl_storage_dtype(a) == pawl_storage_dtype(b) &&
                   strcmp(pawl_storage_location(a), pawl_storage_location(b)) ==
                       0,
               "a storage");
        expect(w,
               same_bytes(pawl_storage_data(a), pawl_storage_size(a),
                          pawl_storage_data(b), pawl_storage_size(b)),
               "payload");
    }
}

static void tensor(struct walk *w, const struct pawl_tensor *a,
                   const struct pawl_tensor *b)
{
    size_t len = a->ndim * sizeof(*a->shape);
    expect(w,
           a->dtype == b->dtype && a->ndim == b->ndim &&
               a->offset == b->offset && a->is_parameter == b->is_parameter &&
               a->requires_grad == b->requires_grad &&
               a->is_conj == b->is_conj && a->is_neg == b->is_neg,
           "a tensor");
    expect(w,
           a->ndim != b->ndim || len == 0 ||
               (memcmp(a->shape, b->shape, len) == 0 &&
                memcmp(a->strides, b->strides, len) == 0),
           "a shape");
    storage(w, a->storage, b->storage);
}

static void container(struct walk *w, const struct pawl_value *a,
                      const struct pawl_value *b)
{
    bool is_dict = pawl_value_kind(a) == PAWL_KIND_DICT;
    expect(w, pawl_count(a) == pawl_count(b), "a count");
    if (is_dict) {
        expect(w, pawl_dict_is_ordered(a) == pawl_dict_is_ordered(b), "a dict");
        push(w, pawl_dict_attrs(a), pawl_dict_attrs(b));
    }
    for (size_t i = 0; w->fault == NULL && i < pawl_count(a); i++) {
        push(w, pawl_item(a, i), pawl_item(b, i));
        if (is_dict) {
            push(w, pawl_key(a, i), pawl_key(b, i));
        }
    }
}

static void object(struct walk *w, const struct pawl_object *a,
                   const struct pawl_object *b)
{
    expect(w, a->how == b->how, "how an object is made");
    push(w, a->callable, b->callable);
    push(w, a->args, b->args);
    push(w, a->kwargs, b->kwargs);
    push(w, a->state, b->state);
    push(w, a->items, b->items);
    push(w, a->pairs, b->pairs);
}

/* The empty tuple is one object in Python, wherever it comes from. */
static bool has_identity(const struct pawl_value *value)
{
    switch (pawl_value_kind(value)) {
    case PAWL_KIND_LIST:
    case PAWL_KIND_SET:
    case PAWL_KIND_DICT:
    case PAWL_KIND_OBJECT:
        return true;
    case PAWL_KIND_TUPLE:
    case PAWL_KIND_FROZENSET:
        return pawl_count(value) > 0;
    default:
        return false;
    }
}

static void compare(struct walk *w, const struct pawl_value *a,
                    const struct pawl_value *b)
{
    if (pawl_value_kind(a) != pawl_value_kind(b)) {
        differ(w, "a kind");
        return;
    }
    if (has_identity(a) && !meet(w, w->values_a, w->values_b, pawl_value_id(a),
                                 pawl_value_id(b))) {
        return;
    }
    switch (pawl_value_kind(a)) {
    case PAWL_KIND_LIST:
    case PAWL_KIND_TUPLE:
    case PAWL_KIND_SET:
    case PAWL_KIND_FROZENSET:
    case PAWL_KIND_DICT:
        container(w, a, b);
        break;
    case PAWL_KIND_OBJECT:
        object(w, pawl_get_object(a), pawl_get_object(b));
        break;
    case PAWL_KIND_TENSOR:
        tensor(w, pawl_get_tensor(a), pawl_get_tensor(b));
        break;
    case PAWL_KIND_STORAGE:
        storage(w, pawl_get_storage(a), pawl_get_storage(b));
        break;
    default:
        atom(w, a, b);
        break;
    }
}

static uint32_t *table(uint32_t count)
{
    uint32_t *made = calloc((size_t)count + 1, sizeof(*made));
    if (made == NULL) {
        abort();
    }
    return made;
}

const char *same_state(const struct pawl_state *a, const struct pawl_state *b)
{
    struct walk w = {
        .values_a = table(pawl_state_value_count(a)),
        .values_b = table(pawl_state_value_count(b)),
        .storages_a = table(pawl_state_storage_count(a)),
        .storages_b = table(pawl_state_storage_count(b)),
    };
    push(&w, pawl_state_root(a), pawl_state_root(b));
    while (w.fault == NULL && w.count > 0) {
        struct pair next = w.stack[--w.count];
        compare(&w, next.a, next.b);
    }
    free(w.storages_b);
    free(w.storages_a);
    free(w.values_b);
    free(w.values_a);
    free(w.stack);
    return w.fault;
}
