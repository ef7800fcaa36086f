/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pickle_writer.c - pickles against those that torch.save made
 *
 * golden_pickles.h holds torch's; this program needs no Python.
 */
#include "format/pickle_writer.h"

#include "base/crc32.h"
#include "golden_pickles.h"
#include "state_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *hex_of(const uint8_t *data, size_t len)
{
    char *text = malloc(2 * len + 1);
    assert_non_null(text);
    text[0] = '\0';
    for (size_t i = 0; i < len; i++) {
        snprintf(text + 2 * i, 3, "%02x", data[i]);
    }
    return text;
}

/* The state's pickle as hex, which the caller frees; frees the state. */
static char *pickle_hex(struct pawl_state *s)
{
    struct pawl_error err = {0};
    struct pawl_pickle pickle = {0};
    if (pawl_pickle_write(&pickle, s, &err) < 0) {
        fail_msg("%s", err.message);
    }
    char *hex = hex_of(pickle.bytes.data, pickle.bytes.len);
    pawl_pickle_fini(&pickle);
    pawl_state_free(s);
    return hex;
}

static void assert_refused(struct pawl_state *s, int code, const char *words)
{
    struct pawl_error err = {0};
    struct pawl_pickle pickle = {0};
    assert_int_equal(pawl_pickle_write(&pickle, s, &err), code);
    assert_int_equal(err.code, code);
    if (strstr(err.message, words) == NULL) {
        fail_msg("'%s' does not say '%s'", err.message, words);
    }
    assert_null(pickle.bytes.data);
    pawl_state_free(s);
}

/* ---- against torch ----------------------------------------------------- */

static void check_golden(const struct golden_pickle *golden)
{
    struct pawl_error err = {0};
    struct pawl_pickle pickle = {0};
    struct pawl_state *s = state_case_new(state_case_find(golden->name));
    if (pawl_pickle_write(&pickle, s, &err) < 0) {
        fail_msg("%s: %s", golden->name, err.message);
    }
    if (golden->hex != NULL) {
        char *hex = hex_of(pickle.bytes.data, pickle.bytes.len);
        if (strcmp(hex, golden->hex) != 0) {
            fail_msg("%s:\n  %s\nshould be\n  %s", golden->name, hex,
                     golden->hex);
        }
        free(hex);
    }
    if (pickle.bytes.len != golden->len ||
        pawl_crc32(0, pickle.bytes.data, pickle.bytes.len) != golden->crc) {
        fail_msg("%s: %zu bytes, or their CRC, are wrong", golden->name,
                 pickle.bytes.len);
    }
    pawl_pickle_fini(&pickle);
    pawl_state_free(s);
}

static void test_equals_torch(void **fixture)
{
    (void)fixture;
    size_t count = sizeof(golden_pickles) / sizeof(golden_pickles[0]);
    assert_non_null(state_case_at(count - 1));
    assert_null(state_case_at(count));
    for (size_t i = 0; i < count; i++) {
        check_golden(&golden_pickles[i]);
    }
}

/* ---- what Python has no twin for ---------------------------------------- */

static struct pawl_state *
state_of(struct pawl_value *(*build)(struct pawl_state *s))
{
    struct pawl_state *s = pawl_state_new();
    assert_non_null(s);
    pawl_state_set_root(s, build(s));
    assert_int_equal(pawl_state_status(s, NULL), 0);
    return s;
}

static void assert_pickles_as(struct pawl_value *(*build)(struct pawl_state *s),
                              const char *hex)
{
    char *ours = pickle_hex(state_of(build));
    assert_string_equal(ours, hex);
    free(ours);
}

static struct pawl_value *newobj_ex(struct pawl_state *s)
{
    struct pawl_object parts = PAWL_OBJECT_INIT;
    struct pawl_value *o = pawl_object(s);
    parts.how = PAWL_NEWOBJ_EX;
    parts.callable = pawl_global(s, "m", "C");
    parts.kwargs = pawl_dict(s);
    pawl_object_set(o, &parts);
    return o;
}

static struct pawl_value *object_without_args(struct pawl_state *s)
{
    struct pawl_object parts = PAWL_OBJECT_INIT;
    struct pawl_value *o = pawl_object(s);
    parts.callable = pawl_global(s, "m", "C");
    pawl_object_set(o, &parts);
    return o;
}

/* An object that is in a list in its own arguments: the inner one is built
 * first and takes the outer one's place. */
static struct pawl_value *object_in_its_args(struct pawl_state *s)
{
    struct pawl_object parts = PAWL_OBJECT_INIT;
    struct pawl_value *o = pawl_object(s);
    struct pawl_value *list = pawl_list(s);
    pawl_append(list, o);
    parts.callable = pawl_global(s, "m", "C");
    parts.args = pawl_tuple(s);
    parts.state = pawl_none(s);
    pawl_append(parts.args, list);
    pawl_object_set(o, &parts);
    return o;
}

static void test_objects(void **fixture)
{
    (void)fixture;
    /* C, (), {}, NEWOBJ_EX.  That is of protocol 4, but any unpickler takes
     * it, and what Python writes in its place needs the class. */
    assert_pickles_as(newobj_ex, "8002"
                                 "636d0a430a7100"
                                 "29"
                                 "7d7101"
                                 "92"
                                 "7102"
                                 "2e");
    assert_pickles_as(object_without_args, "8002"
                                           "636d0a430a7100"
                                           "29"
                                           "52"
                                           "7101"
                                           "2e");
    /* C, [; inside: C, the list, (list,), REDUCE, None BUILD; APPEND; then the
     * outer tuple and object give way to those that were built inside. */
    assert_pickles_as(object_in_its_args, "8002"
                                          "636d0a430a7100"
                                          "5d7101"
                                          "6800"
                                          "6801"
                                          "857102"
                                          "52"
                                          "7103"
                                          "4e62"
                                          "61"
                                          "306802"
                                          "52"
                                          "306803"
                                          "2e");
}

static void test_a_deep_list_needs_no_stack(void **fixture)
{
    (void)fixture;
    enum { DEPTH = 100000 };
    struct pawl_pickle pickle = {0};
    struct pawl_state *s = pawl_state_new();
    struct pawl_value *list = pawl_list(s);
    for (int i = 1; i < DEPTH; i++) {
        struct pawl_value *outer = i % 2 == 0 ? pawl_list(s) : pawl_tuple(s);
        pawl_append(outer, list);
        list = outer;
    }
    pawl_state_set_root(s, list);
    assert_int_equal(pawl_pickle_write(&pickle, s, NULL), 0);
    assert_memory_equal(pickle.bytes.data, "\x80\2]q\0]q\1", 8);
    assert_int_equal(pickle.bytes.data[pickle.bytes.len - 1], '.');
    pawl_pickle_fini(&pickle);
    pawl_state_free(s);
}

/* ---- refusals ---------------------------------------------------------- */

static struct pawl_value *tuple_of_itself(struct pawl_state *s)
{
    struct pawl_value *tuple = pawl_tuple(s);
    struct pawl_value *inner = pawl_tuple(s);
    pawl_append(tuple, inner);
    pawl_append(inner, tuple);
    return tuple;
}

static struct pawl_value *object_of_itself(struct pawl_state *s)
{
    struct pawl_object parts = PAWL_OBJECT_INIT;
    struct pawl_value *o = pawl_object(s);
    parts.callable = o;
    pawl_object_set(o, &parts);
    return o;
}

static struct pawl_value *set_of_itself(struct pawl_state *s)
{
    struct pawl_value *set = pawl_set(s);
    pawl_append(set, set);
    return set;
}

static struct pawl_value *empty_object(struct pawl_state *s)
{
    return pawl_object(s);
}

static struct pawl_value *list_for_args(struct pawl_state *s)
{
    struct pawl_object parts = PAWL_OBJECT_INIT;
    struct pawl_value *o = pawl_object(s);
    parts.callable = pawl_global(s, "m", "C");
    parts.args = pawl_list(s);
    pawl_object_set(o, &parts);
    return o;
}

static struct pawl_value *module_with_newline(struct pawl_state *s)
{
    return pawl_global(s, "os\nsystem\n", "C");
}

static struct pawl_value *name_with_newline(struct pawl_state *s)
{
    return pawl_global(s, "m", "C\n");
}

static struct pawl_value *name_beyond_ascii(struct pawl_state *s)
{
    return pawl_global(s, "m", "\xc3\xa4");
}

static struct pawl_value *name_of_dots(struct pawl_state *s)
{
    char name[300];
    memset(name, '.', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    return pawl_global(s, "m", name);
}

static struct pawl_value *lazy_storage(struct pawl_state *s)
{
    static const struct pawl_storage_ops ops = {.struct_size = sizeof(ops)};
    return pawl_storage_value(
        pawl_storage_lazy(s, PAWL_UNTYPED, 8, &ops, NULL));
}

/* A vector of 8 bytes over `storage`. */
static struct pawl_value *eight_bytes(struct pawl_state *s,
                                      struct pawl_storage *storage,
                                      enum pawl_dtype dtype)
{
    uint64_t count = 8 / pawl_dtype_size(dtype);
    struct pawl_tensor t = PAWL_TENSOR_INIT;
    t.dtype = dtype;
    t.ndim = 1;
    t.shape = &count;
    t.storage = storage;
    return pawl_tensor(s, &t);
}

static struct pawl_value *two_dtypes(struct pawl_state *s)
{
    struct pawl_storage *st =
        pawl_storage_borrow(s, PAWL_UNTYPED, "12345678", 8);
    struct pawl_value *list = pawl_list(s);
    pawl_append(list, eight_bytes(s, st, PAWL_FLOAT32));
    pawl_append(list, eight_bytes(s, st, PAWL_INT16));
    return list;
}

static struct pawl_value *other_dtype(struct pawl_state *s)
{
    struct pawl_storage *st =
        pawl_storage_borrow(s, PAWL_FLOAT32, "12345678", 8);
    return eight_bytes(s, st, PAWL_INT64);
}

static struct pawl_value *quantized(struct pawl_state *s)
{
    uint64_t count = 8;
    return pawl_array(s, PAWL_QINT8, 1, &count, "12345678");
}

static void test_refusals(void **fixture)
{
    static const struct {
        struct pawl_value *(*build)(struct pawl_state *s);
        int code;
        const char *words;
    } all[] = {
        {tuple_of_itself, PAWL_EINVAL,
         "this tuple is needed to rebuild itself"},
        {object_of_itself, PAWL_EINVAL, "this object is needed"},
        {set_of_itself, PAWL_EINVAL, "this set is needed to rebuild itself"},
        {empty_object, PAWL_EINVAL, "no callable"},
        {list_for_args, PAWL_EINVAL, "no tuple"},
        {module_with_newline, PAWL_EINVAL, "newline"},
        {name_with_newline, PAWL_EINVAL, "newline"},
        {name_beyond_ascii, PAWL_ENOTSUP, "not ascii"},
        {name_of_dots, PAWL_ENOTSUP, "more than 64 dots"},
        {lazy_storage, PAWL_ESTATE, "not in memory"},
        {two_dtypes, PAWL_ENOTSUP, "'float32' and as 'int16'"},
        {other_dtype, PAWL_ENOTSUP, "'float32' and as 'int64'"},
        {quantized, PAWL_ENOTSUP, "_rebuild_qtensor"},
    };
    (void)fixture;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        assert_refused(state_of(all[i].build), all[i].code, all[i].words);
    }
}

static void test_a_state_that_failed_is_refused(void **fixture)
{
    (void)fixture;
    struct pawl_state *s = pawl_state_new();
    pawl_append(pawl_none(s), pawl_none(s));
    pawl_state_set_root(s, pawl_none(s));
    assert_refused(s, PAWL_EINVAL, "not complete");
    assert_refused(pawl_state_new(), PAWL_EINVAL, "no root");
}

/* ---- storages ---------------------------------------------------------- */

/* uint8 and a dtype without storage class are one dtype to torch. */
static void test_storages_are_numbered_as_met(void **fixture)
{
    (void)fixture;
    struct pawl_pickle pickle = {0};
    struct pawl_state *s = pawl_state_new();
    struct pawl_storage *unused =
        pawl_storage_borrow(s, PAWL_UNTYPED, "12345678", 8);
    struct pawl_storage *second =
        pawl_storage_borrow(s, PAWL_UNTYPED, "12345678", 8);
    struct pawl_storage *first =
        pawl_storage_borrow(s, PAWL_FLOAT64, "12345678", 8);
    struct pawl_value *list = pawl_list(s);
    pawl_append(list, eight_bytes(s, first, PAWL_FLOAT64));
    pawl_append(list, eight_bytes(s, second, PAWL_FLOAT8_E5M2));
    pawl_append(list, eight_bytes(s, second, PAWL_UINT8));
    pawl_append(list, pawl_storage_value(second));
    pawl_append(list, pawl_storage_value(first));
    pawl_state_set_root(s, list);
    assert_int_equal(pawl_pickle_write(&pickle, s, NULL), 0);
    assert_non_null(unused);
    assert_int_equal(pickle.storage_count, 2);
    assert_ptr_equal(pickle.storages[0], first);
    assert_ptr_equal(pickle.storages[1], second);
    pawl_pickle_fini(&pickle);
    pawl_state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_torch),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_a_deep_list_needs_no_stack),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_state_that_failed_is_refused),
        cmocka_unit_test(test_storages_are_numbered_as_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
