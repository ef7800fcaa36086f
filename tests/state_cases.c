/* SPDX-License-Identifier: Apache-2.0 */
/* state_cases.c - see state_cases.h. */
#include "case_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pawl_value *case_list(struct pawl_state *s, size_t count,
                             struct pawl_value **items)
{
    struct pawl_value *list = pawl_list(s);
    for (size_t i = 0; i < count; i++) {
        pawl_append(list, items[i]);
    }
    return list;
}

struct pawl_value *case_tuple(struct pawl_state *s, size_t count,
                              struct pawl_value **items)
{
    struct pawl_value *tuple = pawl_tuple(s);
    for (size_t i = 0; i < count; i++) {
        pawl_append(tuple, items[i]);
    }
    return tuple;
}

/* ---- atoms ------------------------------------------------------------- */

static struct pawl_value *none(struct pawl_state *s)
{
    return pawl_none(s);
}

static struct pawl_value *bools(struct pawl_state *s)
{
    return LIST(s, pawl_bool(s, true), pawl_bool(s, false));
}

static struct pawl_value *ints(struct pawl_state *s)
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
    struct pawl_value *list = pawl_list(s);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        pawl_append(list, pawl_int(s, all[i]));
    }
    return list;
}

/* 256 ** exponent, negated or not. */
static struct pawl_value *power(struct pawl_state *s, size_t exponent,
                                bool negative)
{
    unsigned char le[400] = {0};
    le[exponent] = 1;
    if (negative) {
        memset(le + exponent, 0xff, sizeof(le) - exponent);
    }
    return pawl_bigint(s, le, sizeof(le));
}

static struct pawl_value *bigints(struct pawl_state *s)
{
    unsigned char two63[9] = {0, 0, 0, 0, 0, 0, 0, 0x80, 0};
    return LIST(s, pawl_bigint(s, two63, 9), power(s, 8, false),
                power(s, 8, true), power(s, 254, false), power(s, 255, false),
                power(s, 255, true), power(s, 300, false));
}

static struct pawl_value *floats(struct pawl_state *s)
{
    return LIST(s, pawl_float(s, 0.0), pawl_float(s, -0.0), pawl_float(s, 1.5),
                pawl_float(s, -1e300), pawl_float(s, __builtin_inf()),
                pawl_float(s, 5e-324));
}

static struct pawl_value *complexes(struct pawl_state *s)
{
    struct pawl_value *c = pawl_complex(s, 1.5, -2.0);
    return LIST(s, c, pawl_complex(s, 0.0, 3.0), c);
}

static struct pawl_value *strings(struct pawl_state *s)
{
    struct pawl_value *distinct = pawl_str_distinct(s, "twice", 5);
    return LIST(s, pawl_str(s, ""), pawl_str(s, "a"), pawl_str(s, "twice"),
                distinct, pawl_str(s, "twice"), distinct,
                pawl_str(s, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xbe"),
                pawl_str_n(s, "\xed\xb2\x80", 3), pawl_str_n(s, "a\0b", 3),
                pawl_str(s, "a"));
}

static struct pawl_value *long_string(struct pawl_state *s)
{
    char text[3000];
    memset(text, 'x', sizeof(text));
    return pawl_str_n(s, text, sizeof(text));
}

static struct pawl_value *bytes(struct pawl_state *s)
{
    struct pawl_value *twice = pawl_bytes(s, "\0\x7f\x80\xff", 4);
    struct pawl_value *a = pawl_bytes(s, "a", 1);
    return LIST(s, pawl_bytes(s, "", 0), a, pawl_str(s, "a"),
                pawl_bytes(s, "\xe9", 1), pawl_str(s, "\xc3\xa9"), a, twice,
                twice, pawl_bytes(s, "ab", 2), pawl_str(s, "ab"),
                pawl_str(s, "latin1"));
}

static struct pawl_value *bytearrays(struct pawl_state *s)
{
    struct pawl_value *twice = pawl_bytearray(s, "\xff\x01", 2);
    return LIST(s, pawl_bytearray(s, "", 0), pawl_bytearray(s, "b", 1), twice,
                twice, pawl_str(s, "b"));
}

static struct pawl_value *globals(struct pawl_state *s)
{
    return LIST(s, pawl_global(s, "torch", "float32"),
                pawl_global(s, "torch", "float32"),
                pawl_global(s, "state_cases", "Point"),
                pawl_global(s, "collections", "OrderedDict"),
                pawl_ordered_dict(s), pawl_global(s, "__builtin__", "set"),
                pawl_set(s));
}

static struct pawl_value *dotted_globals(struct pawl_state *s)
{
    return LIST(s, pawl_global(s, "state_cases", "Outer.Inner"),
                pawl_global(s, "state_cases", "Outer"),
                pawl_global(s, "state_cases", "Outer.Inner"),
                pawl_global(s, "state_cases", "Outer.Inner.Core"),
                pawl_global(s, "state_cases", "Outer.X"), pawl_str(s, "X"),
                pawl_str(s, "Inner"));
}

/* ---- containers -------------------------------------------------------- */

static struct pawl_value *empties(struct pawl_state *s)
{
    return LIST(s, pawl_list(s), pawl_dict(s), pawl_tuple(s), pawl_set(s),
                pawl_frozenset(s), pawl_ordered_dict(s));
}

static struct pawl_value *number_list(struct pawl_state *s, int count)
{
    struct pawl_value *list = pawl_list(s);
    for (int i = 0; i < count; i++) {
        pawl_append(list, pawl_int(s, i));
    }
    return list;
}

static struct pawl_value *fill_dict(struct pawl_state *s,
                                    struct pawl_value *dict, int count)
{
    for (int i = 0; i < count; i++) {
        pawl_dict_set(dict, pawl_int(s, i), pawl_none(s));
    }
    return dict;
}

#define SIZED(count)                                                           \
    static struct pawl_value *list_##count(struct pawl_state *s)               \
    {                                                                          \
        return number_list(s, count);                                          \
    }                                                                          \
    static struct pawl_value *dict_##count(struct pawl_state *s)               \
    {                                                                          \
        return fill_dict(s, pawl_dict(s), count);                              \
    }                                                                          \
    static struct pawl_value *ordered_##count(struct pawl_state *s)            \
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

static struct pawl_value *tuples(struct pawl_state *s)
{
    struct pawl_value *list = pawl_list(s);
    for (int count = 0; count < 6; count++) {
        struct pawl_value *tuple = pawl_tuple(s);
        for (int i = 0; i < count; i++) {
            pawl_append(tuple, pawl_int(s, i));
        }
        pawl_append(list, tuple);
        pawl_append(list, tuple);
    }
    return list;
}

static struct pawl_value *ordered_attrs(struct pawl_state *s)
{
    struct pawl_value *od = pawl_ordered_dict(s);
    struct pawl_value *attrs = pawl_dict(s);
    struct pawl_value *metadata = pawl_ordered_dict(s);
    pawl_dict_set_str(metadata, "version", pawl_int(s, 2));
    pawl_dict_set_str(attrs, "_metadata", metadata);
    pawl_dict_set_str(od, "weight", pawl_int(s, 1));
    pawl_dict_set_attrs(od, attrs);
    return LIST(s, od, od);
}

static struct pawl_value *sets(struct pawl_state *s)
{
    struct pawl_value *set = pawl_set(s);
    struct pawl_value *frozen = pawl_frozenset(s);
    pawl_append(set, pawl_int(s, 5));
    pawl_append(frozen, pawl_str(s, "k"));
    struct pawl_value *dict = pawl_dict(s);
    pawl_dict_set(dict, frozen, set);
    pawl_dict_set(dict, pawl_str(s, "k"), set);
    return dict;
}

static struct pawl_value *shared_parts(struct pawl_state *s)
{
    struct pawl_value *list = LIST(s, pawl_int(s, 1));
    struct pawl_value *dict = pawl_dict(s);
    struct pawl_value *tuple = TUPLE(s, pawl_float(s, 2.5));
    pawl_dict_set_str(dict, "list", list);
    return LIST(s, list, dict, tuple, list, dict, tuple, pawl_str(s, "list"));
}

static struct pawl_value *many_memos(struct pawl_state *s)
{
    struct pawl_value *list = pawl_list(s);
    for (int i = 0; i < 300; i++) {
        pawl_append(list, pawl_list(s));
    }
    pawl_append(list, pawl_item(list, 3));
    pawl_append(list, pawl_item(list, 254));
    pawl_append(list, pawl_item(list, 255));
    pawl_append(list, pawl_item(list, 299));
    return list;
}

static struct pawl_value *cycles(struct pawl_state *s)
{
    struct pawl_value *list = pawl_list(s);
    struct pawl_value *dict = pawl_dict(s);
    pawl_append(list, list);
    pawl_append(list, dict);
    pawl_dict_set_str(dict, "self", dict);
    pawl_dict_set_str(dict, "list", list);
    return list;
}

/* A tuple of `count` lists that hold the tuple. */
static struct pawl_value *tuple_cycle(struct pawl_state *s, int count)
{
    struct pawl_value *tuple = pawl_tuple(s);
    for (int i = 0; i < count; i++) {
        pawl_append(tuple, LIST(s, tuple));
    }
    return tuple;
}

static struct pawl_value *tuple_cycle_1(struct pawl_state *s)
{
    return tuple_cycle(s, 1);
}

static struct pawl_value *tuple_cycle_3(struct pawl_state *s)
{
    return tuple_cycle(s, 3);
}

static struct pawl_value *tuple_cycle_5(struct pawl_state *s)
{
    return tuple_cycle(s, 5);
}

static struct pawl_value *deep(struct pawl_state *s)
{
    struct pawl_value *list = pawl_list(s);
    for (int i = 0; i < 100; i++) {
        list = i % 2 == 0 ? TUPLE(s, list, pawl_int(s, i)) : LIST(s, list);
    }
    return list;
}

/* ---- objects ----------------------------------------------------------- */

static struct pawl_value *object(struct pawl_state *s, struct pawl_object parts)
{
    struct pawl_value *o = pawl_object(s);
    parts.struct_size = sizeof(parts);
    pawl_object_set(o, &parts);
    return o;
}

static struct pawl_value *point_state(struct pawl_state *s)
{
    struct pawl_value *attrs = pawl_dict(s);
    pawl_dict_set_str(attrs, "x", pawl_int(s, 1));
    pawl_dict_set_str(attrs, "y", pawl_str(s, "x"));
    return attrs;
}

static struct pawl_value *newobj(struct pawl_state *s)
{
    struct pawl_value *o = object(
        s,
        (struct pawl_object){.how = PAWL_NEWOBJ,
                             .callable = pawl_global(s, "state_cases", "Point"),
                             .args = pawl_tuple(s),
                             .state = point_state(s)});
    return LIST(s, o, o, pawl_global(s, "state_cases", "Point"));
}

static struct pawl_value *newobj_items(struct pawl_state *s)
{
    return object(s, (struct pawl_object){
                         .how = PAWL_NEWOBJ,
                         .callable = pawl_global(s, "state_cases", "MyList"),
                         .args = pawl_tuple(s),
                         .items = number_list(s, 1001)});
}

static struct pawl_value *newobj_pairs(struct pawl_state *s)
{
    return object(s, (struct pawl_object){
                         .how = PAWL_NEWOBJ,
                         .callable = pawl_global(s, "state_cases", "MyDict"),
                         .args = pawl_tuple(s),
                         .pairs = fill_dict(s, pawl_dict(s), 1001)});
}

static struct pawl_value *reduce(struct pawl_state *s)
{
    struct pawl_value *counts = pawl_dict(s);
    pawl_dict_set_str(counts, "a", pawl_int(s, 2));
    return object(s, (struct pawl_object){
                         .how = PAWL_REDUCE,
                         .callable = pawl_global(s, "collections", "Counter"),
                         .args = TUPLE(s, counts)});
}

static struct pawl_value *device(struct pawl_state *s)
{
    struct pawl_value *o = object(
        s,
        (struct pawl_object){.how = PAWL_REDUCE,
                             .callable = pawl_global(s, "torch", "device"),
                             .args = TUPLE(s, pawl_str_distinct(s, "cpu", 3))});
    return LIST(s, o, o);
}

static struct pawl_value *set_cycle(struct pawl_state *s)
{
    struct pawl_value *set = pawl_set(s);
    struct pawl_value *attrs = pawl_dict(s);
    struct pawl_value *o = object(
        s,
        (struct pawl_object){.how = PAWL_NEWOBJ,
                             .callable = pawl_global(s, "state_cases", "Point"),
                             .args = pawl_tuple(s),
                             .state = attrs});
    pawl_dict_set_str(attrs, "mine", set);
    pawl_append(set, o);
    return set;
}

static const struct state_case value_cases[] = {
    CASE(none),          CASE(bools),         CASE(ints),
    CASE(bigints),       CASE(floats),        CASE(complexes),
    CASE(strings),       CASE(long_string),   CASE(bytes),
    CASE(bytearrays),    CASE(globals),       CASE(dotted_globals),
    CASE(empties),       CASE(list_1),        CASE(list_2),
    CASE(list_999),      CASE(list_1000),     CASE(list_1001),
    CASE(list_1002),     CASE(list_2000),     CASE(list_2001),
    CASE(dict_1),        CASE(dict_2),        CASE(dict_999),
    CASE(dict_1000),     CASE(dict_1001),     CASE(dict_1002),
    CASE(dict_2000),     CASE(dict_2001),     CASE(ordered_1),
    CASE(ordered_2),     CASE(ordered_999),   CASE(ordered_1000),
    CASE(ordered_1001),  CASE(ordered_1002),  CASE(ordered_2000),
    CASE(ordered_2001),  CASE(tuples),        CASE(ordered_attrs),
    CASE(sets),          CASE(shared_parts),  CASE(many_memos),
    CASE(cycles),        CASE(tuple_cycle_1), CASE(tuple_cycle_3),
    CASE(tuple_cycle_5), CASE(deep),          CASE(newobj),
    CASE(newobj_items),  CASE(newobj_pairs),  CASE(reduce),
    CASE(device),        CASE(set_cycle),
};
static const size_t value_case_count =
    sizeof(value_cases) / sizeof(value_cases[0]);

const struct state_case *state_case_at(size_t index)
{
    if (index < value_case_count) {
        return &value_cases[index];
    }
    index -= value_case_count;
    return index < tensor_case_count ? &tensor_cases[index] : NULL;
}

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
    const struct state_case *c = NULL;
    for (size_t i = 0; (c = state_case_at(i)) != NULL; i++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    fprintf(stderr, "there is no case %s\n", name);
    abort();
}
