/* SPDX-License-Identifier: Apache-2.0 */
/* tensor_cases.c - the cases of state_cases.h that hold tensors. */
#include "case_parts.h"

#include <stdio.h>

/* Payload: byte i is 7 * i + 3, and (for bool) 0 or 1 by turns. */
static const void *payload(enum pawl_dtype dtype)
{
    static unsigned char any[4096];
    static unsigned char bools[256];
    for (size_t i = 0; i < sizeof(any); i++) {
        any[i] = (unsigned char)(7 * i + 3);
    }
    for (size_t i = 0; i < sizeof(bools); i++) {
        bools[i] = i & 1;
    }
    return dtype == PAWL_BOOL ? bools : any;
}

static struct pawl_storage *storage(struct pawl_state *s, enum pawl_dtype dtype,
                                    size_t len)
{
    bool typed = pawl_dtype_storage_class(dtype) != NULL;
    return pawl_storage_borrow(s, typed ? dtype : PAWL_UNTYPED, payload(dtype),
                               len);
}

static struct pawl_value *vector(struct pawl_state *s, enum pawl_dtype dtype,
                                 uint64_t count)
{
    return pawl_array(s, dtype, 1, &count, payload(dtype));
}

/* A vector over the whole of a storage. */
static struct pawl_value *over(struct pawl_state *s, struct pawl_storage *st,
                               enum pawl_dtype dtype)
{
    uint64_t count = pawl_storage_size(st) / pawl_dtype_size(dtype);
    struct pawl_tensor t = PAWL_TENSOR_INIT;
    t.dtype = dtype;
    t.ndim = 1;
    t.shape = &count;
    t.storage = st;
    return pawl_tensor(s, &t);
}

static struct pawl_value *dtypes(struct pawl_state *s)
{
    struct pawl_value *dict = pawl_dict(s);
    for (int d = 0; d < PAWL_DTYPE_COUNT; d++) {
        const char *name = pawl_dtype_name((enum pawl_dtype)d);
        if (name[0] != 'q') {
            pawl_dict_set_str(dict, name, vector(s, (enum pawl_dtype)d, 5));
        }
    }
    return dict;
}

static struct pawl_value *shapes(struct pawl_state *s)
{
    static const uint64_t ones[6] = {2, 1, 3, 2, 1, 2};
    struct pawl_value *list = pawl_list(s);
    for (uint32_t ndim = 0; ndim <= 6; ndim++) {
        pawl_append(list, pawl_array(s, PAWL_FLOAT32, ndim, ones,
                                     payload(PAWL_FLOAT32)));
    }
    uint64_t empty[2] = {0, 3};
    pawl_append(list, pawl_array(s, PAWL_INT64, 2, empty, NULL));
    pawl_append(list, pawl_array(s, PAWL_INT64, 1, empty, NULL));
    return list;
}

static struct pawl_value *views(struct pawl_state *s)
{
    struct pawl_storage *st = storage(s, PAWL_FLOAT32, 24 * 4);
    uint64_t shape[2] = {4, 6};
    uint64_t turned[2] = {6, 4};
    uint64_t strides[2] = {1, 6};
    uint64_t three = 3;
    uint64_t six = 6;
    struct pawl_tensor all = PAWL_TENSOR_INIT;
    all.ndim = 2;
    all.shape = shape;
    all.storage = st;
    struct pawl_tensor transposed = all;
    transposed.shape = turned;
    transposed.strides = strides;
    struct pawl_tensor row = all;
    row.ndim = 1;
    row.shape = &six;
    row.offset = 12;
    struct pawl_tensor spread = row;
    spread.shape = &three;
    spread.strides = &six;
    spread.offset = 1;
    struct pawl_value *t = pawl_tensor(s, &all);
    return LIST(s, t, pawl_tensor(s, &transposed), pawl_tensor(s, &row),
                pawl_tensor(s, &spread), t);
}

static struct pawl_value *flagged(struct pawl_state *s, bool parameter,
                                  bool grad)
{
    uint64_t count = 3;
    struct pawl_tensor t = PAWL_TENSOR_INIT;
    t.ndim = 1;
    t.shape = &count;
    t.storage = storage(s, PAWL_FLOAT32, 12);
    t.is_parameter = parameter;
    t.requires_grad = grad;
    return pawl_tensor(s, &t);
}

static struct pawl_value *parameters(struct pawl_state *s)
{
    struct pawl_value *p = flagged(s, true, true);
    struct pawl_value *list =
        LIST(s, p, flagged(s, true, false), flagged(s, false, true), p);
    return list;
}

static struct pawl_value *complex_bits(struct pawl_state *s)
{
    struct pawl_storage *st = storage(s, PAWL_COMPLEX64, 16);
    uint64_t count = 2;
    uint64_t stride = 1;
    struct pawl_value *list = pawl_list(s);
    for (int bits = 1; bits < 4; bits++) {
        struct pawl_tensor t = PAWL_TENSOR_INIT;
        t.dtype = PAWL_COMPLEX64;
        t.ndim = 1;
        t.shape = &count;
        t.strides = &stride;
        t.storage = st;
        t.is_conj = bits & 1;
        t.is_neg = bits & 2;
        pawl_append(list, pawl_tensor(s, &t));
    }
    pawl_append(list, pawl_str(s, "conj"));
    struct pawl_tensor half = PAWL_TENSOR_INIT;
    half.dtype = PAWL_COMPLEX32;
    half.ndim = 1;
    half.shape = &count;
    half.storage = storage(s, PAWL_COMPLEX32, 8);
    half.is_conj = true;
    pawl_append(list, pawl_tensor(s, &half));
    return list;
}

static struct pawl_value *storages(struct pawl_state *s)
{
    struct pawl_storage *typed = storage(s, PAWL_FLOAT64, 24);
    struct pawl_storage *untyped =
        pawl_storage_borrow(s, PAWL_UNTYPED, payload(PAWL_UINT8), 10);
    struct pawl_storage *quantized = storage(s, PAWL_QINT8, 6);
    struct pawl_value *v = pawl_storage_value(typed);
    return LIST(s, v, v, over(s, typed, PAWL_FLOAT64),
                pawl_storage_value(untyped), over(s, untyped, PAWL_UINT8),
                pawl_storage_value(quantized));
}

static struct pawl_value *many_storages(struct pawl_state *s)
{
    struct pawl_value *dict = pawl_dict(s);
    struct pawl_value *again = NULL;
    for (int i = 0; i < 13; i++) {
        char name[32];
        snprintf(name, sizeof(name), "layer.%d", i);
        struct pawl_storage *st = storage(s, PAWL_FLOAT32, 4 * (size_t)i);
        pawl_dict_set_str(dict, name, over(s, st, PAWL_FLOAT32));
        if (i == 11) {
            again = over(s, st, PAWL_FLOAT32);
        }
    }
    pawl_dict_set_str(dict, "again", again);
    return dict;
}

/* Strings that torch and the pickler put in by themselves. */
static struct pawl_value *constant_strings(struct pawl_state *s)
{
    struct pawl_value *dict = pawl_dict(s);
    pawl_dict_set_str(dict, "storage", vector(s, PAWL_INT32, 2));
    pawl_dict_set_str(dict, "cpu", pawl_str(s, "0"));
    pawl_dict_set_str(dict, "1", vector(s, PAWL_FLOAT8_E5M2, 2));
    pawl_dict_set_str(dict, "latin1", pawl_bytes(s, "xyz", 3));
    pawl_dict_set_str(dict, "2", vector(s, PAWL_INT16, 2));
    pawl_dict_set_str(dict, "3", pawl_str_distinct(s, "cpu", 3));
    return dict;
}

static struct pawl_value *shared_names(struct pawl_state *s)
{
    return LIST(s, pawl_global(s, "torch", "LongStorage"),
                pawl_global(s, "torch", "float8_e5m2"),
                pawl_global(s, "torch._utils", "_rebuild_tensor_v2"),
                pawl_global(s, "torch.storage", "UntypedStorage"),
                vector(s, PAWL_INT64, 1), vector(s, PAWL_FLOAT8_E5M2, 1),
                pawl_complex(s, 1, 1),
                pawl_global(s, "__builtin__", "complex"));
}

static struct pawl_value *locations(struct pawl_state *s)
{
    struct pawl_value *list = pawl_list(s);
    for (int i = 0; i < 3; i++) {
        struct pawl_storage *st = storage(s, PAWL_FLOAT32, 8);
        pawl_storage_set_location(st, "cuda:0");
        pawl_append(list, over(s, st, PAWL_FLOAT32));
    }
    pawl_append(list, pawl_str(s, "cuda:0"));
    return list;
}

static struct pawl_value *state_dict(struct pawl_state *s)
{
    static const char *const names[] = {"0.weight", "0.bias", "2.weight",
                                        "2.bias"};
    static const uint64_t shape[4][2] = {{4, 3}, {4, 0}, {2, 4}, {2, 0}};
    struct pawl_value *od = pawl_ordered_dict(s);
    struct pawl_value *metadata = pawl_ordered_dict(s);
    static const char *const modules[] = {"", "0", "1", "2"};
    for (int i = 0; i < 4; i++) {
        pawl_dict_set_str(od, names[i],
                          pawl_array(s, PAWL_FLOAT32, shape[i][1] > 0 ? 2 : 1,
                                     shape[i], payload(PAWL_FLOAT32)));
        struct pawl_value *version = pawl_dict(s);
        pawl_dict_set_str(version, "version", pawl_int(s, 1));
        pawl_dict_set_str(metadata, modules[i], version);
    }
    struct pawl_value *attrs = pawl_dict(s);
    pawl_dict_set_str(attrs, "_metadata", metadata);
    pawl_dict_set_attrs(od, attrs);
    struct pawl_value *root = pawl_dict(s);
    pawl_dict_set_str(root, "model", od);
    pawl_dict_set_str(root, "step", pawl_int(s, 100000));
    pawl_dict_set_str(root, "lr", pawl_float(s, 0.001));
    return root;
}

const struct state_case tensor_cases[] = {
    CASE(dtypes),        CASE(shapes),           CASE(views),
    CASE(parameters),    CASE(complex_bits),     CASE(storages),
    CASE(many_storages), CASE(constant_strings), CASE(shared_names),
    CASE(locations),     CASE(state_dict),
};
const size_t tensor_case_count = sizeof(tensor_cases) / sizeof(tensor_cases[0]);
