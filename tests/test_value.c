/* SPDX-License-Identifier: Apache-2.0 */
/* test_value.c - making and reading the values of pawl/state.h. */
#include "state/value.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int new_state(void **fixture)
{
    *fixture = pawl_state_new();
    return *fixture == NULL ? -1 : 0;
}

static int free_state(void **fixture)
{
    pawl_state_free(*fixture);
    return 0;
}

static void assert_failed_with(struct pawl_state *s, int code)
{
    struct pawl_error err = {0};
    assert_int_equal(pawl_state_status(s, &err), code);
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.message, pawl_error_text(code)));
}

/* ---- atoms ------------------------------------------------------------- */

static void test_atoms_come_back(void **fixture)
{
    struct pawl_state *s = *fixture;
    int64_t i = 0;
    double f = 0;
    double re = 0;
    double im = 0;

    assert_int_equal(pawl_value_kind(pawl_none(s)), PAWL_KIND_NONE);
    assert_true(pawl_get_bool(pawl_bool(s, true)));
    assert_false(pawl_get_bool(pawl_bool(s, false)));
    assert_true(pawl_get_int(pawl_int(s, INT64_MIN), &i));
    assert_true(i == INT64_MIN);
    assert_true(pawl_get_float(pawl_float(s, -0.0), &f));
    assert_true(f == 0 && signbit(f));
    assert_true(pawl_get_complex(pawl_complex(s, 1.5, -2.5), &re, &im));
    assert_true(re == 1.5 && im == -2.5);
    assert_int_equal(pawl_state_status(s, NULL), 0);
}

static void test_an_accessor_of_another_kind_says_no(void **fixture)
{
    struct pawl_state *s = *fixture;
    struct pawl_value *str = pawl_str(s, "x");
    struct pawl_value *one = pawl_int(s, 1);
    int64_t i = 77;
    double f = 77;
    size_t len = 77;

    assert_false(pawl_get_bool(one));
    assert_false(pawl_get_int(str, &i));
    assert_false(pawl_get_int(pawl_bool(s, true), &i));
    assert_false(pawl_get_float(one, &f));
    assert_false(pawl_get_complex(one, &f, &f));
    assert_null(pawl_get_str(pawl_bytes(s, "x", 1), &len));
    assert_null(pawl_get_bytes(str, &len));
    assert_null(pawl_get_bigint(one, &len));
    assert_null(pawl_get_object(one));
    assert_null(pawl_get_tensor(one));
    assert_null(pawl_get_storage(one));
    assert_null(pawl_global_module(str));
    assert_null(pawl_global_name(str));
    assert_null(pawl_item(str, 0));
    assert_null(pawl_key(pawl_list(s), 0));
    assert_null(pawl_lookup(str, "x"));
    assert_null(pawl_dict_attrs(one));
    assert_int_equal(pawl_count(str), 0);
    assert_true(i == 77 && f == 77 && len == 77);
}

static void test_null_reads_as_nothing(void **fixture)
{
    (void)fixture;
    assert_int_equal(pawl_value_kind(NULL), PAWL_KIND_NONE);
    assert_int_equal(pawl_count(NULL), 0);
    assert_null(pawl_item(NULL, 0));
    assert_null(pawl_key(NULL, 0));
    assert_null(pawl_lookup(NULL, "x"));
    assert_null(pawl_get_str(NULL, NULL));
    assert_false(pawl_dict_is_ordered(NULL));
    pawl_state_free(NULL);
}

static void test_every_kind_has_a_name_of_its_own(void **fixture)
{
    (void)fixture;
    for (int a = PAWL_KIND_NONE; a <= PAWL_KIND_OBJECT; a++) {
        const char *name = pawl_kind_name((enum pawl_kind)a);
        assert_string_not_equal(name, "?");
        for (int b = PAWL_KIND_NONE; b < a; b++) {
            assert_string_not_equal(name, pawl_kind_name((enum pawl_kind)b));
        }
    }
    assert_string_equal(pawl_kind_name((enum pawl_kind)(-1)), "?");
    assert_string_equal(pawl_kind_name((enum pawl_kind)9999), "?");
}

/* ---- integers of any size ---------------------------------------------- */

static void assert_small(struct pawl_state *s, const char *le, size_t len,
                         int64_t expected)
{
    int64_t got = ~expected;
    size_t big_len = 0;
    struct pawl_value *value = pawl_bigint(s, le, len);
    assert_true(pawl_get_int(value, &got));
    assert_true(got == expected);
    assert_null(pawl_get_bigint(value, &big_len));
}

static void assert_big(struct pawl_state *s, const char *le, size_t len,
                       size_t expected_len)
{
    int64_t small = 0;
    size_t got_len = 0;
    struct pawl_value *value = pawl_bigint(s, le, len);
    assert_int_equal(pawl_value_kind(value), PAWL_KIND_INT);
    assert_false(pawl_get_int(value, &small));
    const void *got = pawl_get_bigint(value, &got_len);
    assert_non_null(got);
    assert_int_equal(got_len, expected_len);
    assert_memory_equal(got, le, expected_len);
}

/* The expected numbers are what Python's int.from_bytes(b, "little",
 * signed=True) makes of the bytes. */
static void test_a_bigint_that_fits_is_an_int(void **fixture)
{
    struct pawl_state *s = *fixture;
    assert_small(s, "", 0, 0);
    assert_small(s, "\0\0\0", 3, 0);
    assert_small(s, "\x7f", 1, 127);
    assert_small(s, "\xff", 1, -1);
    assert_small(s, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10, -1);
    assert_small(s, "\xff\0", 2, 255);
    assert_small(s, "\x80", 1, -128);
    assert_small(s, "\x80\xff\xff", 3, -128);
    assert_small(s, "\x80\0\0\0", 4, 128);
    assert_small(s, "\0\0\0\0\0\0\0\x80", 8, INT64_MIN);
    assert_small(s, "\0\0\0\0\0\0\0\x80\xff\xff", 10, INT64_MIN);
    assert_small(s, "\xff\xff\xff\xff\xff\xff\xff\x7f\0", 9, INT64_MAX);
}

static void test_a_bigint_is_kept_as_short_as_may_be(void **fixture)
{
    struct pawl_state *s = *fixture;
    /* 2**63 needs a ninth byte for its sign, -2**63 - 1 too. */
    assert_big(s, "\0\0\0\0\0\0\0\x80\0", 9, 9);
    assert_big(s, "\0\0\0\0\0\0\0\x80\0\0\0\0", 12, 9);
    assert_big(s, "\xff\xff\xff\xff\xff\xff\xff\x7f\xff", 9, 9);
    assert_big(s, "\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff", 11, 9);
    assert_big(s, "\1\2\3\4\5\6\7\x8\x9\xa\xb\xc", 12, 12);
}

/* ---- texts ------------------------------------------------------------- */

static void test_equal_strings_are_one_value(void **fixture)
{
    struct pawl_state *s = *fixture;
    char text[] = "weight";
    struct pawl_value *a = pawl_str(s, text);
    text[0] = 'W'; /* the state has a copy */
    struct pawl_value *b = pawl_str(s, "weight");
    struct pawl_value *distinct = pawl_str_distinct(s, "weight", 6);

    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, distinct);
    assert_ptr_equal(pawl_str(s, "weight"), a);
    assert_string_equal(pawl_get_str(distinct, NULL), "weight");
    assert_ptr_equal(pawl_state_find_str(s, "weight", 6), a);
    assert_null(pawl_state_find_str(s, "weigh", 5));
}

static void test_a_string_may_hold_nul(void **fixture)
{
    struct pawl_state *s = *fixture;
    size_t len = 0;
    struct pawl_value *ab = pawl_str_n(s, "a\0b", 3);
    assert_memory_equal(pawl_get_str(ab, &len), "a\0b", 4);
    assert_int_equal(len, 3);
    assert_ptr_not_equal(ab, pawl_str(s, "a"));
    assert_ptr_not_equal(ab, pawl_str_n(s, "a\0c", 3));
    assert_ptr_equal(ab, pawl_str_n(s, "a\0b", 3));
}

static void test_bytes_are_never_shared(void **fixture)
{
    struct pawl_state *s = *fixture;
    size_t len = 9;
    struct pawl_value *a = pawl_bytes(s, "x\0y", 3);
    assert_ptr_not_equal(a, pawl_bytes(s, "x\0y", 3));
    assert_memory_equal(pawl_get_bytes(a, &len), "x\0y", 3);
    assert_int_equal(len, 3);
    struct pawl_value *empty = pawl_bytearray(s, NULL, 0);
    assert_int_equal(pawl_value_kind(empty), PAWL_KIND_BYTEARRAY);
    assert_non_null(pawl_get_bytes(empty, &len));
    assert_int_equal(len, 0);
}

/* Many strings: the table behind the interning grows several times. */
static void test_interning_holds_for_many(void **fixture)
{
    enum { COUNT = 5000 };
    struct pawl_state *s = *fixture;
    struct pawl_value *first[COUNT];
    char name[32];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "layer.%d.weight", i);
        first[i] = pawl_str(s, name);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "layer.%d.weight", i);
        assert_ptr_equal(pawl_str(s, name), first[i]);
    }
    assert_int_equal(pawl_state_value_count(s), COUNT);
}

/* ---- containers -------------------------------------------------------- */

static void test_sequences_keep_order(void **fixture)
{
    enum { COUNT = 1000 };
    struct pawl_state *s = *fixture;
    struct pawl_value *seqs[] = {pawl_list(s), pawl_tuple(s), pawl_set(s),
                                 pawl_frozenset(s)};
    for (size_t k = 0; k < sizeof(seqs) / sizeof(seqs[0]); k++) {
        for (int64_t i = 0; i < COUNT; i++) {
            assert_int_equal(pawl_append(seqs[k], pawl_int(s, i)), 0);
        }
        assert_int_equal(pawl_count(seqs[k]), COUNT);
        for (int64_t i = 0; i < COUNT; i++) {
            int64_t got = -1;
            assert_true(pawl_get_int(pawl_item(seqs[k], (size_t)i), &got));
            assert_true(got == i);
        }
        assert_null(pawl_item(seqs[k], COUNT));
        assert_null(pawl_item(seqs[k], SIZE_MAX));
    }
}

static void test_a_dict_keeps_order_and_any_key(void **fixture)
{
    struct pawl_state *s = *fixture;
    struct pawl_value *dict = pawl_dict(s);
    struct pawl_value *tuple = pawl_tuple(s);
    pawl_dict_set(dict, pawl_int(s, 7), pawl_str(s, "seven"));
    pawl_dict_set(dict, tuple, pawl_str(s, "empty tuple"));
    pawl_dict_set_str(dict, "lr", pawl_float(s, 0.1));

    assert_int_equal(pawl_count(dict), 3);
    assert_ptr_equal(pawl_key(dict, 1), tuple);
    assert_string_equal(pawl_get_str(pawl_item(dict, 0), NULL), "seven");
    assert_string_equal(pawl_get_str(pawl_key(dict, 2), NULL), "lr");
    assert_null(pawl_key(dict, 3));
    assert_null(pawl_item(dict, 3));
}

static void test_lookup_sees_the_last_of_equal_keys(void **fixture)
{
    struct pawl_state *s = *fixture;
    int64_t got = 0;
    struct pawl_value *dict = pawl_dict(s);
    pawl_dict_set_str(dict, "step", pawl_int(s, 1));
    pawl_dict_set_str(dict, "other", pawl_int(s, 2));
    pawl_dict_set(dict, pawl_str_distinct(s, "step", 4), pawl_int(s, 3));
    pawl_dict_set(dict, pawl_bytes(s, "step", 4), pawl_int(s, 4));
    pawl_dict_set(dict, pawl_str_n(s, "step\0x", 6), pawl_int(s, 5));

    assert_int_equal(pawl_count(dict), 5);
    assert_true(pawl_get_int(pawl_lookup(dict, "step"), &got));
    assert_int_equal(got, 3);
    assert_null(pawl_lookup(dict, "ste"));
    assert_null(pawl_lookup(dict, ""));
}

static void test_only_an_ordered_dict_has_attributes(void **fixture)
{
    struct pawl_state *s = *fixture;
    struct pawl_value *attrs = pawl_dict(s);
    struct pawl_value *ordered = pawl_ordered_dict(s);
    struct pawl_value *plain = pawl_dict(s);

    assert_true(pawl_dict_is_ordered(ordered));
    assert_false(pawl_dict_is_ordered(plain));
    assert_null(pawl_dict_attrs(ordered));
    assert_int_equal(pawl_dict_set_attrs(ordered, attrs), 0);
    assert_ptr_equal(pawl_dict_attrs(ordered), attrs);
    assert_int_equal(pawl_dict_set_attrs(plain, attrs), PAWL_EINVAL);
    assert_failed_with(s, PAWL_EINVAL);
}

static void test_a_list_may_hold_itself(void **fixture)
{
    struct pawl_state *s = *fixture;
    struct pawl_value *list = pawl_list(s);
    assert_int_equal(pawl_append(list, list), 0);
    assert_ptr_equal(pawl_item(pawl_item(list, 0), 0), list);
}

/* ---- globals and objects ----------------------------------------------- */

static void test_equal_globals_are_one_value(void **fixture)
{
    struct pawl_state *s = *fixture;
    struct pawl_value *a = pawl_global(s, "torch", "Size");
    assert_ptr_equal(a, pawl_global(s, "torch", "Size"));
    assert_ptr_not_equal(a, pawl_global(s, "torch", "size"));
    assert_ptr_not_equal(pawl_global(s, "a.b", "c"),
                         pawl_global(s, "a", "b.c"));
    assert_ptr_equal(pawl_state_find_global(s, "torch", "Size"), a);
    assert_null(pawl_state_find_global(s, "torch", "Tensor"));
    assert_string_equal(pawl_global_module(a), "torch");
    assert_string_equal(pawl_global_name(a), "Size");
    assert_null(pawl_get_str(a, NULL));
}

static void test_an_object_keeps_its_parts(void **fixture)
{
    struct pawl_state *s = *fixture;
    struct pawl_object parts = PAWL_OBJECT_INIT;
    struct pawl_value *object = pawl_object(s);
    parts.how = PAWL_NEWOBJ;
    parts.callable = pawl_global(s, "argparse", "Namespace");
    parts.args = pawl_tuple(s);
    parts.state = pawl_dict(s);
    pawl_dict_set_str(parts.state, "self", object);

    assert_int_equal(pawl_object_set(object, &parts), 0);
    const struct pawl_object *got = pawl_get_object(object);
    assert_int_equal(got->how, PAWL_NEWOBJ);
    assert_ptr_equal(got->callable, parts.callable);
    assert_ptr_equal(got->args, parts.args);
    assert_ptr_equal(pawl_lookup(got->state, "self"), object);
    assert_null(got->kwargs);
}

static void test_an_object_needs_a_callable(void **fixture)
{
    struct pawl_state *s = *fixture;
    struct pawl_object parts = PAWL_OBJECT_INIT;
    assert_int_equal(pawl_object_set(pawl_object(s), &parts), PAWL_EINVAL);
    assert_failed_with(s, PAWL_EINVAL);
}

static void test_an_object_of_an_older_size_is_refused(void **fixture)
{
    struct pawl_state *s = *fixture;
    struct pawl_object parts = PAWL_OBJECT_INIT;
    parts.callable = pawl_global(s, "a", "b");
    parts.struct_size--;
    assert_int_equal(pawl_object_set(pawl_object(s), &parts), PAWL_EINVAL);
}

/* ---- failures are remembered ------------------------------------------- */

static void test_null_in_nothing_out(void **fixture)
{
    (void)fixture;
    struct pawl_object parts = PAWL_OBJECT_INIT;
    assert_null(pawl_none(NULL));
    assert_null(pawl_int(NULL, 1));
    assert_null(pawl_bigint(NULL, "\1\2\3\4\5\6\7\10\11", 9));
    assert_null(pawl_str(NULL, "x"));
    assert_null(pawl_bytes(NULL, "x", 1));
    assert_null(pawl_list(NULL));
    assert_null(pawl_ordered_dict(NULL));
    assert_null(pawl_global(NULL, "a", "b"));
    assert_null(pawl_object(NULL));
    assert_null(pawl_storage_value(NULL));
    assert_int_equal(pawl_append(NULL, NULL), PAWL_ENOMEM);
    assert_int_equal(pawl_dict_set(NULL, NULL, NULL), PAWL_ENOMEM);
    assert_int_equal(pawl_dict_set_str(NULL, "x", NULL), PAWL_ENOMEM);
    assert_int_equal(pawl_dict_set_attrs(NULL, NULL), PAWL_ENOMEM);
    assert_int_equal(pawl_object_set(NULL, &parts), PAWL_ENOMEM);
}

static void test_wrong_kinds_are_refused(void **fixture)
{
    struct pawl_state *s = *fixture;
    struct pawl_value *none = pawl_none(s);
    struct pawl_object parts = PAWL_OBJECT_INIT;
    parts.callable = pawl_global(s, "a", "b");
    assert_int_equal(pawl_append(pawl_dict(s), none), PAWL_EINVAL);
    assert_int_equal(pawl_append(pawl_str(s, "x"), none), PAWL_EINVAL);
    assert_int_equal(pawl_append(pawl_list(s), NULL), PAWL_EINVAL);
    assert_int_equal(pawl_dict_set(pawl_list(s), none, none), PAWL_EINVAL);
    assert_int_equal(pawl_dict_set(pawl_dict(s), NULL, none), PAWL_EINVAL);
    assert_int_equal(pawl_dict_set(pawl_dict(s), none, NULL), PAWL_EINVAL);
    assert_int_equal(pawl_dict_set_str(none, "x", none), PAWL_EINVAL);
    assert_int_equal(pawl_dict_set_attrs(pawl_list(s), none), PAWL_EINVAL);
    assert_int_equal(pawl_object_set(none, &parts), PAWL_EINVAL);
    assert_failed_with(s, PAWL_EINVAL);
}

static void test_the_first_failure_stays(void **fixture)
{
    struct pawl_state *s = *fixture;
    assert_int_equal(pawl_append(pawl_list(s), NULL), PAWL_EINVAL);
    assert_null(pawl_str_n(s, "x", SIZE_MAX)); /* cannot be allocated */
    assert_int_equal(pawl_append(pawl_list(s), pawl_none(s)), 0);
    assert_failed_with(s, PAWL_EINVAL);
}

static void test_memory_that_is_not_there(void **fixture)
{
    struct pawl_state *s = *fixture;
    assert_null(pawl_bytes(s, "x", SIZE_MAX / 2));
    assert_failed_with(s, PAWL_ENOMEM);
}

/* ---- ids --------------------------------------------------------------- */

static void test_ids_are_dense(void **fixture)
{
    struct pawl_state *s = *fixture;
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(pawl_value_id(pawl_none(s)), i);
    }
    assert_int_equal(pawl_state_value_count(s), 100);
}

static void test_a_value_becomes_another_in_place(void **fixture)
{
    struct pawl_state *s = *fixture;
    struct pawl_value *object = pawl_object(s);
    uint32_t id = pawl_value_id(object);
    pawl_value_become(object, pawl_str(s, "now a string"));
    assert_int_equal(pawl_value_kind(object), PAWL_KIND_STR);
    assert_int_equal(pawl_value_id(object), id);
}

static void test_the_root_is_what_was_set(void **fixture)
{
    struct pawl_state *s = *fixture;
    assert_null(pawl_state_root(s));
    struct pawl_value *root = pawl_dict(s);
    pawl_state_set_root(s, root);
    assert_ptr_equal(pawl_state_root(s), root);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, new_state, free_state)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_atoms_come_back),
        TEST(test_an_accessor_of_another_kind_says_no),
        TEST(test_null_reads_as_nothing),
        TEST(test_every_kind_has_a_name_of_its_own),
        TEST(test_a_bigint_that_fits_is_an_int),
        TEST(test_a_bigint_is_kept_as_short_as_may_be),
        TEST(test_equal_strings_are_one_value),
        TEST(test_a_string_may_hold_nul),
        TEST(test_bytes_are_never_shared),
        TEST(test_interning_holds_for_many),
        TEST(test_sequences_keep_order),
        TEST(test_a_dict_keeps_order_and_any_key),
        TEST(test_lookup_sees_the_last_of_equal_keys),
        TEST(test_only_an_ordered_dict_has_attributes),
        TEST(test_a_list_may_hold_itself),
        TEST(test_equal_globals_are_one_value),
        TEST(test_an_object_keeps_its_parts),
        TEST(test_an_object_needs_a_callable),
        TEST(test_an_object_of_an_older_size_is_refused),
        TEST(test_null_in_nothing_out),
        TEST(test_wrong_kinds_are_refused),
        TEST(test_the_first_failure_stays),
        TEST(test_memory_that_is_not_there),
        TEST(test_ids_are_dense),
        TEST(test_a_value_becomes_another_in_place),
        TEST(test_the_root_is_what_was_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
