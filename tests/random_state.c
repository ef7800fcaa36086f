/* SPDX-License-Identifier: Apache-2.0 */
/* random_state.c - see random_state.h. */
#include "random_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLD_MAX = 64, STORAGE_MAX = 12, DEPTH_MAX = 6 };

struct maker {
    struct pawl_state *state;
    uint64_t seed;
    struct pawl_value *old[OLD_MAX]; /* what may be used again */
    size_t old_count;
    struct pawl_storage *storages[STORAGE_MAX];
    enum pawl_dtype dtypes[STORAGE_MAX];
    size_t storage_count;
    int attr_count;
    int budget; /* of values */
};

uint64_t random_next(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int dice(struct maker *m, int sides)
{
    return (int)(random_next(&m->seed) % (uint64_t)sides);
}

static void keep(struct maker *m, struct pawl_value *value)
{
    m->old[m->old_count < OLD_MAX ? m->old_count++ : (size_t)dice(m, OLD_MAX)] =
        value;
}

static struct pawl_value *make(struct maker *m, int depth);

/* ---- scalars ----------------------------------------------------------- */

static struct pawl_value *make_int(struct maker *m)
{
    unsigned char le[300];
    size_t len = (size_t)dice(m, dice(m, 8) == 0 ? 300 : 12);
    for (size_t i = 0; i < len; i++) {
        le[i] = (unsigned char)random_next(&m->seed);
    }
    return pawl_bigint(m->state, le, len);
}

static struct pawl_value *make_str(struct maker *m)
{
    static const char *const words[] = {
        "weight", "bias", "exp_avg", "\xc3\xa4\xe2\x82\xac", "step", "lr"};
    char text[400];
    int len = snprintf(text, sizeof(text), "%s.%*d", words[dice(m, 6)],
                       dice(m, 20) == 0 ? 300 : 1, dice(m, 20));
    return dice(m, 3) == 0 ? pawl_str_distinct(m->state, text, (size_t)len)
                           : pawl_str_n(m->state, text, (size_t)len);
}

static struct pawl_value *make_bytes(struct maker *m)
{
    unsigned char data[40];
    size_t len = 2 + (size_t)dice(m, 38);
    for (size_t i = 0; i < len; i++) {
        data[i] = (unsigned char)random_next(&m->seed);
    }
    return dice(m, 2) == 0 ? pawl_bytes(m->state, data, len)
                           : pawl_bytearray(m->state, data, len);
}

static struct pawl_value *make_global(struct maker *m)
{
    static const char *const names[][2] = {
        {"torch", "float32"},           {"torch", "int8"},
        {"collections", "OrderedDict"}, {"state_cases", "Point"},
        {"state_cases", "Outer.Inner"}, {"__builtin__", "set"},
        {"state_cases", "Outer"},       {"torch._utils", "_rebuild_parameter"}};
    int i = dice(m, 8);
    return pawl_global(m->state, names[i][0], names[i][1]);
}

static struct pawl_value *make_scalar(struct maker *m)
{
    switch (dice(m, 8)) {
    case 0:
        return pawl_none(m->state);
    case 1:
        return pawl_bool(m->state, dice(m, 2) == 0);
    case 2:
        return pawl_float(m->state, dice(m, 1000) / 7.0);
    case 3:
        return pawl_complex(m->state, dice(m, 9), -dice(m, 9));
    case 4:
        return make_bytes(m);
    case 5:
        return make_global(m);
    case 6:
        return make_str(m);
    default:
        return make_int(m);
    }
}

/* ---- tensors ----------------------------------------------------------- */

static int make_storage(struct maker *m)
{
    static const unsigned char payload[1024] = {1, 0, 1};
    if (m->storage_count == STORAGE_MAX ||
        (m->storage_count > 0 && dice(m, 2) == 0)) {
        return dice(m, (int)m->storage_count);
    }
    enum pawl_dtype dtype;
    do {
        dtype = (enum pawl_dtype)dice(m, PAWL_DTYPE_COUNT);
    } while (pawl_dtype_name(dtype)[0] == 'q');
    int i = (int)m->storage_count++;
    bool typed = pawl_dtype_storage_class(dtype) != NULL;
    m->dtypes[i] = dtype;
    m->storages[i] = pawl_storage_borrow(
        m->state, typed ? dtype : PAWL_UNTYPED, payload,
        pawl_dtype_size(dtype) * (16 + (size_t)dice(m, 40)));
    return i;
}

static bool is_float(enum pawl_dtype dtype)
{
    return dtype == PAWL_FLOAT32 || dtype == PAWL_FLOAT64 ||
           dtype == PAWL_BFLOAT16 || dtype == PAWL_FLOAT16;
}

static struct pawl_value *make_tensor(struct maker *m)
{
    int i = make_storage(m);
    uint64_t shape[4];
    uint64_t strides[4];
    struct pawl_tensor t = PAWL_TENSOR_INIT;
    if (dice(m, 8) == 0 && pawl_storage_dtype(m->storages[i]) != PAWL_UNTYPED) {
        return pawl_storage_value(m->storages[i]);
    }
    t.dtype = m->dtypes[i];
    t.storage = m->storages[i];
    t.ndim = (uint32_t)dice(m, 5);
    t.shape = shape;
    t.strides = strides;
    t.offset = (uint64_t)dice(m, 4);
    for (uint32_t d = 0; d < t.ndim; d++) {
        shape[d] = 1 + (uint64_t)dice(m, 2);
        strides[d] = (uint64_t)dice(m, 4);
    }
    t.is_parameter = is_float(t.dtype) && dice(m, 3) == 0;
    t.requires_grad = is_float(t.dtype) && dice(m, 3) == 0;
    t.is_conj = t.dtype == PAWL_COMPLEX64 && dice(m, 2) == 0;
    return pawl_tensor(m->state, &t);
}

/* ---- containers -------------------------------------------------------- */

static int some_count(struct maker *m)
{
    int kind = dice(m, 12);
    return kind == 0 ? 990 + dice(m, 20) : kind == 1 ? 100 : dice(m, 6);
}

static void fill(struct maker *m, struct pawl_value *seq, int depth)
{
    for (int count = some_count(m); count > 0; count--) {
        pawl_append(seq, make(m, depth));
    }
}

static void fill_dict(struct maker *m, struct pawl_value *dict, int depth)
{
    int count = some_count(m);
    for (int i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof(key), "key.%d", i);
        pawl_dict_set(dict,
                      dice(m, 2) == 0 ? pawl_int(m->state, i)
                                      : pawl_str(m->state, key),
                      make(m, depth));
    }
}

/* A dict for an object's __dict__: its keys occur nowhere else, since loading
 * interns them. */
static struct pawl_value *make_attrs(struct maker *m, int depth)
{
    struct pawl_value *attrs = pawl_dict(m->state);
    for (int count = 1 + dice(m, 3); count > 0; count--) {
        char key[32];
        snprintf(key, sizeof(key), "attr_%d", m->attr_count++);
        pawl_dict_set_str(attrs, key, make(m, depth));
    }
    return attrs;
}

static struct pawl_value *make_object(struct maker *m, int depth)
{
    static const char *const names[] = {"Point", "MyList", "MyDict"};
    int which = dice(m, 3);
    struct pawl_value *object = pawl_object(m->state);
    struct pawl_object parts = PAWL_OBJECT_INIT;
    keep(m, object);
    parts.how = PAWL_NEWOBJ;
    parts.callable = pawl_global(m->state, "state_cases", names[which]);
    parts.args = pawl_tuple(m->state);
    if (which == 1) {
        parts.items = pawl_list(m->state);
        fill(m, parts.items, depth);
    } else if (which == 2) {
        parts.pairs = pawl_dict(m->state);
        fill_dict(m, parts.pairs, depth);
    }
    if (dice(m, 2) == 0) {
        parts.state = make_attrs(m, depth);
    }
    pawl_object_set(object, &parts);
    return object;
}

static struct pawl_value *make_set(struct maker *m)
{
    bool frozen = dice(m, 2) == 0;
    struct pawl_value *set =
        frozen ? pawl_frozenset(m->state) : pawl_set(m->state);
    if (frozen || dice(m, 4) > 0) {
        pawl_append(set, pawl_int(m->state, dice(m, 100)));
    }
    return set;
}

/* A tuple is kept before its items are there only if a list keeps Python from
 * needing it for itself. */
static struct pawl_value *make_tuple(struct maker *m, int depth)
{
    struct pawl_value *tuple = pawl_tuple(m->state);
    int count = 1 + dice(m, 5);
    if (dice(m, 4) == 0) {
        struct pawl_value *list = pawl_list(m->state);
        pawl_append(tuple, list);
        pawl_append(list, tuple);
    }
    for (; count > 0; count--) {
        pawl_append(tuple, make(m, depth));
    }
    keep(m, tuple);
    return tuple;
}

static struct pawl_value *make_container(struct maker *m, int depth)
{
    struct pawl_value *made = NULL;
    switch (dice(m, 6)) {
    case 0:
        return make_tuple(m, depth);
    case 1:
        made = make_set(m);
        keep(m, made);
        return made;
    case 2:
        return make_object(m, depth);
    case 3:
        made = pawl_ordered_dict(m->state);
        keep(m, made);
        fill_dict(m, made, depth);
        if (dice(m, 3) == 0) {
            pawl_dict_set_attrs(made, make_attrs(m, depth));
        }
        return made;
    case 4:
        made = pawl_dict(m->state);
        keep(m, made);
        fill_dict(m, made, depth);
        return made;
    default:
        made = pawl_list(m->state);
        keep(m, made);
        fill(m, made, depth);
        return made;
    }
}

static struct pawl_value *make(struct maker *m, int depth)
{
    struct pawl_value *made = NULL;
    int kind = dice(m, 10);
    if (m->old_count > 0 && kind < 2) {
        return m->old[dice(m, (int)m->old_count)];
    }
    m->budget--;
    if (depth < DEPTH_MAX && m->budget > 0 && kind < 6) {
        return make_container(m, depth + 1);
    }
    made = kind < 8 ? make_tensor(m) : make_scalar(m);
    keep(m, made);
    return made;
}

struct pawl_state *random_state_new(uint64_t seed)
{
    struct pawl_error err = {0};
    struct maker m = {.state = pawl_state_new(), .seed = seed, .budget = 3000};
    if (m.state == NULL) {
        abort();
    }
    struct pawl_value *root = pawl_list(m.state);
    for (int i = 0; i < 4; i++) {
        pawl_append(root, make(&m, 0));
    }
    pawl_state_set_root(m.state, root);
    if (pawl_state_status(m.state, &err) < 0) {
        fprintf(stderr, "random state %llu: %s\n", (unsigned long long)seed,
                err.message);
        abort();
    }
    return m.state;
}
