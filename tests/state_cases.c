/* SPDX-License-Identifier: Apache-2.0 */
/* state_cases.c - see state_cases.h. */
#include "state_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct pawl_value *value;
typedef struct pawl_state *state;

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

static struct pawl_storage *storage(state s, enum pawl_dtype dtype, size_t len)
{
    bool typed = pawl_dtype_storage_class(dtype) != NULL;
    return pawl_storage_borrow(s, typed ? dtype : PAWL_UNTYPED, payload(dtype),
                               len);
}

static value vector(state s, enum pawl_dtype dtype, uint64_t count)
{
    return pawl_array(s, dtype, 1, &count, payload(dtype));
}

/* A vector over the whole of a storage. */
static value over(state s, struct pawl_storage *st, enum pawl_dtype dtype)
{
    uint64_t count = pawl_storage_size(st) / pawl_dtype_size(dtype);
    struct pawl_tensor t = PAWL_TENSOR_INIT;
    t.dtype = dtype;
    t.ndim = 1;
    t.shape = &count;
    t.storage = st;
    return pawl_tensor(s, &t);
}

static value list_of(state s, size_t count, value *items)
{
    value list = pawl_list(s);
    for (size_t i = 0; i < count; i++) {
        pawl_append(list, items[i]);
    }
    return list;
}
#define LIST(s, ...)                                                           \
    list_of(s, sizeof((value[]){__VA_ARGS__}) / sizeof(value),                 \
            (value[]){__VA_ARGS__})

static value tuple_of(state s, size_t count, value *items)
{
    value tuple = pawl_tuple(s);
    for (size_t i = 0; i < count; i++) {
        pawl_append(tuple, items[i]);
    }
    return tuple;
}
#define TUPLE(s, ...)                                                          \
    tuple_of(s, sizeof((value[]){__VA_ARGS__}) / sizeof(value),                \
             (value[]){__VA_ARGS__})

/* ---- atoms ------------------------------------------------------------- */

static value none(state s)
{
    return pawl_none(s);
}

static value bools(state s)
{
    return LIST(s, pawl_bool(s, true), pawl_bool(s, false));
}

static value ints(state s)
{
    static const int64_t all[] = {0,
                                  1,
                                  -1,
                                  255,
                                  256,
                                  65535,
                                  65536,
                                  -128,
                                  -129,
                                  INT32_MAX,
                                  INT32_MIN,
                                  2147483648,
                                  -2147483649,
                                  4294967295,
                                  4294967296,
                                  549755813887,
                                  549755813888,
                                  -549755813888,
                                  -549755813889,
                                  INT64_MAX,
                                  INT64_MIN};
    value list = pawl_list(s);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        pawl_append(list, pawl_int(s, all[i]));
    }
    return list;
}

/* 256 ** exponent, negated or not. */
static value power(state s, size_t exponent, bool negative)
{
    unsigned char le[400] = {0};
    le[exponent] = 1;
    if (negative) {
        memset(le + exponent, 0xff, sizeof(le) - exponent);
    }
    return pawl_bigint(s, le, sizeof(le));
}

static value bigints(state s)
{
    unsigned char two63[9] = {0, 0, 0, 0, 0, 0, 0, 0x80, 0};
    return LIST(s, pawl_bigint(s, two63, 9), power(s, 8, false),
                power(s, 8, true), power(s, 254, false), power(s, 255, false),
                power(s, 255, true), power(s, 300, false));
}

static value floats(state s)
{
    return LIST(s, pawl_float(s, 0.0), pawl_float(s, -0.0), pawl_float(s, 1.5),
                pawl_float(s, -1e300), pawl_float(s, __builtin_inf()),
                pawl_float(s, 5e-324));
}

static value complexes(state s)
{
    value c = pawl_complex(s, 1.5, -2.0);
    return LIST(s, c, pawl_complex(s, 0.0, 3.0), c);
}

static value strings(state s)
{
    value distinct = pawl_str_distinct(s, "twice", 5);
    return LIST(s, pawl_str(s, ""), pawl_str(s, "a"), pawl_str(s, "twice"),
                distinct, pawl_str(s, "twice"), distinct,
                pawl_str(s, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xbe"),
                pawl_str_n(s, "\xed\xb2\x80", 3), pawl_str_n(s, "a\0b", 3),
                pawl_str(s, "a"));
}

static value long_string(state s)
{
    char text[3000];
    memset(text, 'x', sizeof(text));
    return pawl_str_n(s, text, sizeof(text));
}

static value bytes(state s)
{
    value twice = pawl_bytes(s, "\0\x7f\x80\xff", 4);
    value a = pawl_bytes(s, "a", 1);
    return LIST(s, pawl_bytes(s, "", 0), a, pawl_str(s, "a"),
                pawl_bytes(s, "\xe9", 1), pawl_str(s, "\xc3\xa9"), a, twice,
                twice, pawl_bytes(s, "ab", 2), pawl_str(s, "ab"),
                pawl_str(s, "latin1"));
}

static value bytearrays(state s)
{
    value twice = pawl_bytearray(s, "\xff\x01", 2);
    return LIST(s, pawl_bytearray(s, "", 0), pawl_bytearray(s, "b", 1), twice,
                twice, pawl_str(s, "b"));
}

static value globals(state s)
{
    return LIST(s, pawl_global(s, "torch", "float32"),
                pawl_global(s, "torch", "float32"),
                pawl_global(s, "state_cases", "Point"),
                pawl_global(s, "collections", "OrderedDict"),
                pawl_ordered_dict(s), pawl_global(s, "__builtin__", "set"),
                pawl_set(s));
}

static value dotted_globals(state s)
{
    return LIST(s, pawl_global(s, "state_cases", "Outer.Inner"),
                pawl_global(s, "state_cases", "Outer"),
                pawl_global(s, "state_cases", "Outer.Inner"),
                pawl_global(s, "state_cases", "Outer.Inner.Core"),
                pawl_global(s, "state_cases", "Outer.X"), pawl_str(s, "X"),
                pawl_str(s, "Inner"));
}

/* ---- containers -------------------------------------------------------- */

static value empties(state s)
{
    return LIST(s, pawl_list(s), pawl_dict(s), pawl_tuple(s), pawl_set(s),
                pawl_frozenset(s), pawl_ordered_dict(s));
}

static value number_list(state s, int count)
{
    value list = pawl_list(s);
    for (int i = 0; i < count; i++) {
        pawl_append(list, pawl_int(s, i));
    }
    return list;
}

static value fill_dict(state s, value dict, int count)
{
    for (int i = 0; i < count; i++) {
        pawl_dict_set(dict, pawl_int(s, i), pawl_none(s));
    }
    return dict;
}

#define SIZED(count)                                                           \
    static value list_##count(state s)                                         \
    {                                                                          \
        return number_list(s, count);                                          \
    }                                                                          \
    static value dict_##count(state s)                                         \
    {                                                                          \
        return fill_dict(s, pawl_dict(s), count);                              \
    }                                                                          \
    static value ordered_##count(state s)                                      \
    {                                                                          \
        return fill_dict(s, pawl_ordered_dict(s), count);                      \
    }
SIZED(1)
SIZED(2)
SIZED(999)
SIZED(1000)
SIZED(1001)
SIZED(1002)
SIZED(2000)
SIZED(2001)

static value tuples(state s)
{
    value list = pawl_list(s);
    for (int count = 0; count < 6; count++) {
        value tuple = pawl_tuple(s);
        for (int i = 0; i < count; i++) {
            pawl_append(tuple, pawl_int(s, i));
        }
        pawl_append(list, tuple);
        pawl_append(list, tuple);
    }
    return list;
}

static value ordered_attrs(state s)
{
    value od = pawl_ordered_dict(s);
    value attrs = pawl_dict(s);
    value metadata = pawl_ordered_dict(s);
    pawl_dict_set_str(metadata, "version", pawl_int(s, 2));
    pawl_dict_set_str(attrs, "_metadata", metadata);
    pawl_dict_set_str(od, "weight", pawl_int(s, 1));
    pawl_dict_set_attrs(od, attrs);
    return LIST(s, od, od);
}

static value sets(state s)
{
    value set = pawl_set(s);
    value frozen = pawl_frozenset(s);
    pawl_append(set, pawl_int(s, 5));
    pawl_append(frozen, pawl_str(s, "k"));
    value dict = pawl_dict(s);
    pawl_dict_set(dict, frozen, set);
    pawl_dict_set(dict, pawl_str(s, "k"), set);
    return dict;
}

static value shared_parts(state s)
{
    value list = LIST(s, pawl_int(s, 1));
    value dict = pawl_dict(s);
    value tuple = TUPLE(s, pawl_float(s, 2.5));
    pawl_dict_set_str(dict, "list", list);
    return LIST(s, list, dict, tuple, list, dict, tuple, pawl_str(s, "list"));
}

static value many_memos(state s)
{
    value list = pawl_list(s);
    for (int i = 0; i < 300; i++) {
        pawl_append(list, pawl_list(s));
    }
    pawl_append(list, pawl_item(list, 3));
    pawl_append(list, pawl_item(list, 254));
    pawl_append(list, pawl_item(list, 255));
    pawl_append(list, pawl_item(list, 299));
    return list;
}

static value cycles(state s)
{
    value list = pawl_list(s);
    value dict = pawl_dict(s);
    pawl_append(list, list);
    pawl_append(list, dict);
    pawl_dict_set_str(dict, "self", dict);
    pawl_dict_set_str(dict, "list", list);
    return list;
}

/* A tuple of `count` lists that hold the tuple. */
static value tuple_cycle(state s, int count)
{
    value tuple = pawl_tuple(s);
    for (int i = 0; i < count; i++) {
        pawl_append(tuple, LIST(s, tuple));
    }
    return tuple;
}

static value tuple_cycle_1(state s)
{
    return tuple_cycle(s, 1);
}

static value tuple_cycle_3(state s)
{
    return tuple_cycle(s, 3);
}

static value tuple_cycle_5(state s)
{
    return tuple_cycle(s, 5);
}

static value deep(state s)
{
    value list = pawl_list(s);
    for (int i = 0; i < 100; i++) {
        list = i % 2 == 0 ? TUPLE(s, list, pawl_int(s, i)) : LIST(s, list);
    }
    return list;
}

/* ---- objects ----------------------------------------------------------- */

static value object(state s, struct pawl_object parts)
{
    value o = pawl_object(s);
    parts.struct_size = sizeof(parts);
    pawl_object_set(o, &parts);
    return o;
}

static value point_state(state s)
{
    value attrs = pawl_dict(s);
    pawl_dict_set_str(attrs, "x", pawl_int(s, 1));
    pawl_dict_set_str(attrs, "y", pawl_str(s, "x"));
    return attrs;
}

static value newobj(state s)
{
    value o = object(s, (struct pawl_object){
                            .how = PAWL_NEWOBJ,
                            .callable = pawl_global(s, "state_cases", "Point"),
                            .args = pawl_tuple(s),
                            .state = point_state(s)});
    return LIST(s, o, o, pawl_global(s, "state_cases", "Point"));
}

static value newobj_items(state s)
{
    return object(s, (struct pawl_object){
                         .how = PAWL_NEWOBJ,
                         .callable = pawl_global(s, "state_cases", "MyList"),
                         .args = pawl_tuple(s),
                         .items = number_list(s, 1001)});
}

static value newobj_pairs(state s)
{
    return object(s, (struct pawl_object){
                         .how = PAWL_NEWOBJ,
                         .callable = pawl_global(s, "state_cases", "MyDict"),
                         .args = pawl_tuple(s),
                         .pairs = fill_dict(s, pawl_dict(s), 1001)});
}

static value reduce(state s)
{
    value counts = pawl_dict(s);
    pawl_dict_set_str(counts, "a", pawl_int(s, 2));
    return object(s, (struct pawl_object){
                         .how = PAWL_REDUCE,
                         .callable = pawl_global(s, "collections", "Counter"),
                         .args = TUPLE(s, counts)});
}

static value device(state s)
{
    value o = object(s, (struct pawl_object){
                            .how = PAWL_REDUCE,
                            .callable = pawl_global(s, "torch", "device"),
                            .args = TUPLE(s, pawl_str_distinct(s, "cpu", 3))});
    return LIST(s, o, o);
}

static value set_cycle(state s)
{
    value set = pawl_set(s);
    value attrs = pawl_dict(s);
    value o = object(s, (struct pawl_object){
                            .how = PAWL_NEWOBJ,
                            .callable = pawl_global(s, "state_cases", "Point"),
                            .args = pawl_tuple(s),
                            .state = attrs});
    pawl_dict_set_str(attrs, "mine", set);
    pawl_append(set, o);
    return set;
}

/* ---- tensors ----------------------------------------------------------- */

static value dtypes(state s)
{
    value dict = pawl_dict(s);
    for (int d = 0; d < PAWL_DTYPE_COUNT; d++) {
        const char *name = pawl_dtype_name((enum pawl_dtype)d);
        if (name[0] != 'q') {
            pawl_dict_set_str(dict, name, vector(s, (enum pawl_dtype)d, 5));
        }
    }
    return dict;
}

static value shapes(state s)
{
    static const uint64_t ones[6] = {2, 1, 3, 2, 1, 2};
    value list = pawl_list(s);
    for (uint32_t ndim = 0; ndim <= 6; ndim++) {
        pawl_append(list, pawl_array(s, PAWL_FLOAT32, ndim, ones,
                                     payload(PAWL_FLOAT32)));
    }
    uint64_t empty[2] = {0, 3};
    pawl_append(list, pawl_array(s, PAWL_INT64, 2, empty, NULL));
    pawl_append(list, pawl_array(s, PAWL_INT64, 1, empty, NULL));
    return list;
}

static value views(state s)
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
    value t = pawl_tensor(s, &all);
    return LIST(s, t, pawl_tensor(s, &transposed), pawl_tensor(s, &row),
                pawl_tensor(s, &spread), t);
}

static value flagged(state s, bool parameter, bool grad)
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

static value parameters(state s)
{
    value p = flagged(s, true, true);
    value list =
        LIST(s, p, flagged(s, true, false), flagged(s, false, true), p);
    return list;
}

static value complex_bits(state s)
{
    struct pawl_storage *st = storage(s, PAWL_COMPLEX64, 16);
    uint64_t count = 2;
    uint64_t stride = 1;
    value list = pawl_list(s);
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

static value storages(state s)
{
    struct pawl_storage *typed = storage(s, PAWL_FLOAT64, 24);
    struct pawl_storage *untyped =
        pawl_storage_borrow(s, PAWL_UNTYPED, payload(PAWL_UINT8), 10);
    struct pawl_storage *quantized = storage(s, PAWL_QINT8, 6);
    value v = pawl_storage_value(typed);
    return LIST(s, v, v, over(s, typed, PAWL_FLOAT64),
                pawl_storage_value(untyped), over(s, untyped, PAWL_UINT8),
                pawl_storage_value(quantized));
}

static value many_storages(state s)
{
    value dict = pawl_dict(s);
    value again = NULL;
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
static value constant_strings(state s)
{
    value dict = pawl_dict(s);
    pawl_dict_set_str(dict, "storage", vector(s, PAWL_INT32, 2));
    pawl_dict_set_str(dict, "cpu", pawl_str(s, "0"));
    pawl_dict_set_str(dict, "1", vector(s, PAWL_FLOAT8_E5M2, 2));
    pawl_dict_set_str(dict, "latin1", pawl_bytes(s, "xyz", 3));
    pawl_dict_set_str(dict, "2", vector(s, PAWL_INT16, 2));
    pawl_dict_set_str(dict, "3", pawl_str_distinct(s, "cpu", 3));
    return dict;
}

static value shared_names(state s)
{
    return LIST(s, pawl_global(s, "torch", "LongStorage"),
                pawl_global(s, "torch", "float8_e5m2"),
                pawl_global(s, "torch._utils", "_rebuild_tensor_v2"),
                pawl_global(s, "torch.storage", "UntypedStorage"),
                vector(s, PAWL_INT64, 1), vector(s, PAWL_FLOAT8_E5M2, 1),
                pawl_complex(s, 1, 1),
                pawl_global(s, "__builtin__", "complex"));
}

static value locations(state s)
{
    value list = pawl_list(s);
    for (int i = 0; i < 3; i++) {
        struct pawl_storage *st = storage(s, PAWL_FLOAT32, 8);
        pawl_storage_set_location(st, "cuda:0");
        pawl_append(list, over(s, st, PAWL_FLOAT32));
    }
    pawl_append(list, pawl_str(s, "cuda:0"));
    return list;
}

static value state_dict(state s)
{
    static const char *const names[] = {"0.weight", "0.bias", "2.weight",
                                        "2.bias"};
    static const uint64_t shape[4][2] = {{4, 3}, {4, 0}, {2, 4}, {2, 0}};
    value od = pawl_ordered_dict(s);
    value metadata = pawl_ordered_dict(s);
    static const char *const modules[] = {"", "0", "1", "2"};
    for (int i = 0; i < 4; i++) {
        pawl_dict_set_str(od, names[i],
                          pawl_array(s, PAWL_FLOAT32, shape[i][1] > 0 ? 2 : 1,
                                     shape[i], payload(PAWL_FLOAT32)));
        value version = pawl_dict(s);
        pawl_dict_set_str(version, "version", pawl_int(s, 1));
        pawl_dict_set_str(metadata, modules[i], version);
    }
    value attrs = pawl_dict(s);
    pawl_dict_set_str(attrs, "_metadata", metadata);
    pawl_dict_set_attrs(od, attrs);
    value root = pawl_dict(s);
    pawl_dict_set_str(root, "model", od);
    pawl_dict_set_str(root, "step", pawl_int(s, 100000));
    pawl_dict_set_str(root, "lr", pawl_float(s, 0.001));
    return root;
}

#define CASE(name)                                                             \
    {                                                                          \
#name, name                                                            \
    }
const struct state_case state_cases[] = {
    CASE(none),
    CASE(bools),
    CASE(ints),
    CASE(bigints),
    CASE(floats),
    CASE(complexes),
    CASE(strings),
    CASE(long_string),
    CASE(bytes),
    CASE(bytearrays),
    CASE(globals),
    CASE(dotted_globals),
    CASE(empties),
    CASE(list_1),
    CASE(list_2),
    CASE(list_999),
    CASE(list_1000),
    CASE(list_1001),
    CASE(list_1002),
    CASE(list_2000),
    CASE(list_2001),
    CASE(dict_1),
    CASE(dict_2),
    CASE(dict_999),
    CASE(dict_1000),
    CASE(dict_1001),
    CASE(dict_1002),
    CASE(dict_2000),
    CASE(dict_2001),
    CASE(ordered_1),
    CASE(ordered_2),
    CASE(ordered_999),
    CASE(ordered_1000),
    CASE(ordered_1001),
    CASE(ordered_1002),
    CASE(ordered_2000),
    CASE(ordered_2001),
    CASE(tuples),
    CASE(ordered_attrs),
    CASE(sets),
    CASE(shared_parts),
    CASE(many_memos),
    CASE(cycles),
    CASE(tuple_cycle_1),
    CASE(tuple_cycle_3),
    CASE(tuple_cycle_5),
    CASE(deep),
    CASE(newobj),
    CASE(newobj_items),
    CASE(newobj_pairs),
    CASE(reduce),
    CASE(device),
    CASE(set_cycle),
    CASE(dtypes),
    CASE(shapes),
    CASE(views),
    CASE(parameters),
    CASE(complex_bits),
    CASE(storages),
    CASE(many_storages),
    CASE(constant_strings),
    CASE(shared_names),
    CASE(locations),
    CASE(state_dict),
};
const size_t state_case_count = sizeof(state_cases) / sizeof(state_cases[0]);

struct pawl_state *state_case_new(const struct state_case *c)
{
    struct pawl_error err = {0};
    struct pawl_state *s = pawl_state_new();
    if (s == NULL) {
        abort();
    }
    pawl_state_set_root(s, c->build(s));
    if (pawl_state_status(s, &err) < 0) {
        fprintf(stderr, "case %s: %s\n", c->name, err.message);
        abort();
    }
    return s;
}

const struct state_case *state_case_find(const char *name)
{
    for (size_t i = 0; i < state_case_count; i++) {
        if (strcmp(state_cases[i].name, name) == 0) {
            return &state_cases[i];
        }
    }
    abort();
}
