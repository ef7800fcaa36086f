/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tensor.c - storages, and that no tensor reaches past its own
 *
 * The property test draws shapes, strides and offsets and compares the check
 * with a walk over every element.  PAWL_TEST_SEED repeats a run.
 */
#include "base/error.h"
#include "state/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* ---- storages ---------------------------------------------------------- */

static void test_a_borrowed_storage_is_the_caller_s(void **fixture)
{
    struct pawl_state *s = *fixture;
    const float data[3] = {1, 2, 3};
    float copy[3] = {0};
    struct pawl_storage *st =
        pawl_storage_borrow(s, PAWL_FLOAT32, data, sizeof(data));

    assert_ptr_equal(pawl_storage_data(st), data);
    assert_int_equal(pawl_storage_size(st), sizeof(data));
    assert_int_equal(pawl_storage_dtype(st), PAWL_FLOAT32);
    assert_string_equal(pawl_storage_location(st), "cpu");
    assert_int_equal(pawl_storage_read(st, copy, sizeof(copy), NULL), 0);
    assert_memory_equal(copy, data, sizeof(data));
    assert_ptr_equal(pawl_get_storage(pawl_storage_value(st)), st);
}

static void test_a_storage_is_read_whole(void **fixture)
{
    struct pawl_state *s = *fixture;
    const char data[4] = "abc";
    char copy[8];
    struct pawl_error err = {0};
    struct pawl_storage *st = pawl_storage_borrow(s, PAWL_UINT8, data, 4);
    assert_int_equal(pawl_storage_read(st, copy, 3, &err), PAWL_EINVAL);
    assert_int_equal(pawl_storage_read(st, copy, 5, &err), PAWL_EINVAL);
    assert_string_equal(err.message,
                        "a storage of 4 bytes cannot be read as 5");
}

static void test_an_empty_storage_needs_no_memory(void **fixture)
{
    struct pawl_state *s = *fixture;
    struct pawl_storage *st = pawl_storage_borrow(s, PAWL_INT64, NULL, 0);
    assert_non_null(st);
    assert_null(pawl_storage_data(st));
    assert_int_equal(pawl_storage_read(st, NULL, 0, NULL), 0);
    assert_int_equal(pawl_state_read_all(s, NULL), 0);
}

static void test_a_storage_holds_whole_elements(void **fixture)
{
    struct pawl_state *s = *fixture;
    const char data[8] = {0};
    assert_null(pawl_storage_borrow(s, PAWL_FLOAT32, data, 7));
    assert_int_equal(pawl_state_status(s, NULL), PAWL_EINVAL);
}

static void test_wrong_storages_are_refused(void **fixture)
{
    struct pawl_state *s = *fixture;
    assert_null(pawl_storage_borrow(s, PAWL_FLOAT32, NULL, 4));
    assert_null(pawl_storage_borrow(s, (enum pawl_dtype)99, "abc", 4));
    assert_null(pawl_storage_borrow(NULL, PAWL_FLOAT32, NULL, 4));
    assert_int_equal(pawl_state_status(s, NULL), PAWL_EINVAL);
    assert_int_equal(pawl_state_storage_count(s), 0);
}

static void test_storages_are_numbered_and_placed(void **fixture)
{
    struct pawl_state *s = *fixture;
    char where[] = "cuda:0";
    for (uint32_t i = 0; i < 40; i++) {
        struct pawl_storage *st = pawl_storage_borrow(s, PAWL_UINT8, "x", 1);
        assert_int_equal(pawl_storage_id(st), i);
        assert_int_equal(pawl_storage_set_location(st, where), 0);
        where[0] = 'C'; /* it was copied */
        assert_string_equal(pawl_storage_location(st), "cuda:0");
        where[0] = 'c';
    }
    assert_int_equal(pawl_state_storage_count(s), 40);
    assert_int_equal(pawl_storage_set_location(NULL, where), PAWL_ENOMEM);
}

static void count_up(void *ctx)
{
    ++*(int *)ctx;
}

static void test_release_runs_once_with_the_state(void **unused)
{
    (void)unused;
    int released = 0;
    struct pawl_state *s = pawl_state_new();
    struct pawl_storage *st = pawl_storage_borrow(s, PAWL_UINT8, "x", 1);
    assert_int_equal(pawl_storage_on_release(st, count_up, &released), 0);
    assert_int_equal(pawl_storage_on_release(st, count_up, &released),
                     PAWL_EINVAL);
    assert_int_equal(pawl_storage_on_release(NULL, count_up, &released),
                     PAWL_ENOMEM);
    assert_int_equal(released, 0);
    pawl_state_free(s);
    assert_int_equal(released, 1);
}

/* ---- lazy storages ----------------------------------------------------- */

struct counting_source {
    int reads;
    int releases;
    int rc; /* what read returns */
};

static int counting_read(void *ctx, uint64_t offset, void *dst,
                         size_t len_bytes, struct pawl_error *err)
{
    struct counting_source *source = ctx;
    (void)err;
    source->reads++;
    memset(dst, (int)('a' + offset), len_bytes);
    return source->rc;
}

static void counting_release(void *ctx)
{
    ((struct counting_source *)ctx)->releases++;
}

static const struct pawl_storage_ops counting_ops = {
    .struct_size = sizeof(struct pawl_storage_ops),
    .read = counting_read,
    .release = counting_release};

static void test_lazy_payload_is_fetched_when_asked_for(void **unused)
{
    (void)unused;
    struct counting_source source = {0, 0, 0};
    char copy[6];
    struct pawl_state *s = pawl_state_new();
    struct pawl_storage *st =
        pawl_storage_lazy(s, PAWL_INT16, 6, &counting_ops, &source);

    assert_null(pawl_storage_data(st));
    assert_int_equal(source.reads, 0);
    assert_int_equal(pawl_storage_read(st, copy, sizeof(copy), NULL), 0);
    assert_memory_equal(copy, "aaaaaa", 6);
    assert_null(pawl_storage_data(st)); /* still lazy */

    assert_int_equal(pawl_state_read_all(s, NULL), 0);
    assert_memory_equal(pawl_storage_data(st), "aaaaaa", 6);
    assert_int_equal(source.reads, 2);
    assert_int_equal(pawl_state_read_all(s, NULL), 0);
    assert_int_equal(source.reads, 2);

    pawl_state_free(s);
    assert_int_equal(source.releases, 1);
}

static void test_a_fetch_that_fails_leaves_it_lazy(void **unused)
{
    (void)unused;
    struct counting_source source = {0, 0, PAWL_ECORRUPT};
    struct pawl_state *s = pawl_state_new();
    struct pawl_storage *st =
        pawl_storage_lazy(s, PAWL_INT16, 6, &counting_ops, &source);
    assert_int_equal(pawl_state_read_all(s, NULL), PAWL_ECORRUPT);
    assert_null(pawl_storage_data(st));
    source.rc = 0;
    assert_int_equal(pawl_state_read_all(s, NULL), 0);
    assert_non_null(pawl_storage_data(st));
    pawl_state_free(s);
}

static int map_given(void *ctx, void **out, struct pawl_error *err)
{
    (void)err;
    *out = ctx;
    return 0;
}

static int map_damaged(void *ctx, void **out, struct pawl_error *err)
{
    (void)ctx;
    *out = NULL;
    return pawl_fail(err, PAWL_ECORRUPT, 0, "damaged");
}

static void test_mapped_payload_is_not_copied(void **unused)
{
    (void)unused;
    static const struct pawl_storage_ops given = {
        .struct_size = sizeof(given), .read = counting_read, .map = map_given};
    static const struct pawl_storage_ops older = {
        .struct_size = offsetof(struct pawl_storage_ops, map),
        .read = counting_read,
        .map = map_given};
    static const struct pawl_storage_ops damaged = {
        .struct_size = sizeof(damaged), .map = map_damaged};
    struct counting_source source = {0, 0, 0};
    struct pawl_state *s = pawl_state_new();
    struct pawl_storage *st =
        pawl_storage_lazy(s, PAWL_UINT8, 6, &given, &source);
    struct pawl_storage *copied =
        pawl_storage_lazy(s, PAWL_UINT8, 6, &older, &source);
    assert_int_equal(pawl_state_read_all(s, NULL), 0);
    assert_ptr_equal(pawl_storage_data(st), &source);
    assert_memory_equal(pawl_storage_data(copied), "aaaaaa", 6);
    assert_int_equal(source.reads, 1);
    struct pawl_storage *none =
        pawl_storage_lazy(s, PAWL_UINT8, 6, &damaged, NULL);
    assert_int_equal(pawl_state_read_all(s, NULL), PAWL_ECORRUPT);
    assert_null(pawl_storage_data(none));
    pawl_state_free(s);
}

static void test_memory_outlives_the_state(void **unused)
{
    (void)unused;
    static const uint8_t mine[4] = {1, 2, 3, 4};
    struct counting_source source = {0, 0, 0};
    int released = 0;
    struct pawl_state *s = pawl_state_new();
    struct pawl_storage *lazy =
        pawl_storage_lazy(s, PAWL_UINT8, 6, &counting_ops, &source);
    struct pawl_storage *borrowed =
        pawl_storage_borrow(s, PAWL_UINT8, mine, sizeof(mine));
    pawl_storage_borrow(s, PAWL_UINT8, mine, sizeof(mine));
    pawl_storage_on_release(borrowed, count_up, &released);
    assert_int_equal(pawl_state_read_all(s, NULL), 0);
    const void *bytes = pawl_storage_data(lazy);
    struct pawl_memory *memory = pawl_state_free_but_memory(s);
    assert_non_null(memory);
    assert_memory_equal(bytes, "aaaaaa", 6);
    assert_int_equal(source.releases + released, 0);
    pawl_memory_free(memory);
    assert_int_equal(source.releases, 1);
    assert_int_equal(released, 1);
    pawl_memory_free(NULL);
}

/* ---- tensors ----------------------------------------------------------- */

static struct pawl_tensor view(struct pawl_storage *st, uint32_t ndim,
                               const uint64_t *shape, const uint64_t *strides)
{
    struct pawl_tensor desc = PAWL_TENSOR_INIT;
    desc.dtype = PAWL_UINT8;
    desc.storage = st;
    desc.ndim = ndim;
    desc.shape = shape;
    desc.strides = strides;
    return desc;
}

static void test_strides_default_to_contiguous(void **fixture)
{
    struct pawl_state *s = *fixture;
    const uint8_t data[24] = {0};
    const uint64_t shape[3] = {2, 3, 4};
    struct pawl_value *value = pawl_array(s, PAWL_UINT8, 3, shape, data);
    const struct pawl_tensor *t = pawl_get_tensor(value);
    assert_int_equal(t->struct_size, sizeof(*t));
    assert_int_equal(t->strides[0], 12);
    assert_int_equal(t->strides[1], 4);
    assert_int_equal(t->strides[2], 1);
    assert_ptr_not_equal(t->shape, shape); /* copied */
    assert_int_equal(pawl_tensor_numel(t), 24);
}

/* torch gives (2, 0, 3) the strides (3, 3, 1). */
static void test_strides_of_an_empty_tensor_are_torch_s(void **fixture)
{
    struct pawl_state *s = *fixture;
    const uint64_t shape[3] = {2, 0, 3};
    struct pawl_value *value = pawl_array(s, PAWL_UINT8, 3, shape, NULL);
    const struct pawl_tensor *t = pawl_get_tensor(value);
    assert_int_equal(t->strides[0], 3);
    assert_int_equal(t->strides[1], 3);
    assert_int_equal(t->strides[2], 1);
    assert_int_equal(pawl_tensor_numel(t), 0);
}

static void test_a_scalar_has_one_element(void **fixture)
{
    struct pawl_state *s = *fixture;
    const double pi = 3.14;
    struct pawl_value *value = pawl_array(s, PAWL_FLOAT64, 0, NULL, &pi);
    assert_int_equal(pawl_tensor_numel(pawl_get_tensor(value)), 1);
    assert_int_equal(pawl_get_tensor(value)->ndim, 0);
}

static void test_a_dtype_without_a_class_lies_in_plain_bytes(void **fixture)
{
    struct pawl_state *s = *fixture;
    const uint64_t shape[1] = {4};
    const uint16_t data[4] = {1, 2, 3, 4};
    const struct pawl_tensor *t =
        pawl_get_tensor(pawl_array(s, PAWL_UINT16, 1, shape, data));
    assert_int_equal(t->dtype, PAWL_UINT16);
    assert_int_equal(pawl_storage_dtype(t->storage), PAWL_UNTYPED);
    assert_int_equal(pawl_storage_size(t->storage), 8);
}

static void test_two_tensors_share_a_storage(void **fixture)
{
    struct pawl_state *s = *fixture;
    const uint64_t two[1] = {2};
    struct pawl_storage *st = pawl_storage_borrow(s, PAWL_UINT8, "abcd", 4);
    struct pawl_tensor desc = view(st, 1, two, NULL);
    struct pawl_value *head = pawl_tensor(s, &desc);
    desc.offset = 2;
    struct pawl_value *tail = pawl_tensor(s, &desc);
    assert_ptr_equal(pawl_get_tensor(head)->storage,
                     pawl_get_tensor(tail)->storage);
    assert_int_equal(pawl_get_tensor(tail)->offset, 2);
    assert_int_equal(pawl_state_storage_count(s), 1);
}

static void assert_refused(struct pawl_state *s, const struct pawl_tensor *desc)
{
    assert_null(pawl_tensor(s, desc));
    assert_int_equal(pawl_state_status(s, NULL), PAWL_EINVAL);
}

static void test_wrong_descriptions_are_refused(void **fixture)
{
    struct pawl_state *s = *fixture;
    uint64_t shape[PAWL_MAX_NDIM + 1];
    for (size_t i = 0; i <= PAWL_MAX_NDIM; i++) {
        shape[i] = 1;
    }
    struct pawl_storage *st = pawl_storage_borrow(s, PAWL_UINT8, "abcd", 4);
    struct pawl_tensor good = view(st, PAWL_MAX_NDIM, shape, NULL);
    assert_non_null(pawl_tensor(s, &good));

    struct pawl_tensor bad = good;
    bad.ndim = PAWL_MAX_NDIM + 1;
    assert_refused(s, &bad);
    bad = good;
    bad.dtype = PAWL_UNTYPED;
    assert_refused(s, &bad);
    bad = good;
    bad.dtype = (enum pawl_dtype)77;
    assert_refused(s, &bad);
    bad = good;
    bad.struct_size = 8;
    assert_refused(s, &bad);
    bad = good;
    bad.offset = 4;
    assert_refused(s, &bad);
    assert_null(pawl_array(s, PAWL_UINT8, PAWL_MAX_NDIM + 1, shape, "x"));
}

/* Each would wrap around in 64 bits to something that seems to fit, or does
 * not fit torch's signed numbers. */
static void test_numbers_that_overflow_are_refused(void **fixture)
{
    struct pawl_state *s = *fixture;
    struct pawl_storage *st = pawl_storage_borrow(s, PAWL_UINT8, "abcd", 4);
    const uint64_t large = UINT64_C(1) << 32;
    const uint64_t square[2] = {large, large};
    const uint64_t signed_square[2] = {large, large / 2}; /* 2**63 */
    const uint64_t with_hole[3] = {large, 0, large};
    const uint64_t two[2] = {2, 2};
    const uint64_t wrap[2] = {UINT64_MAX, 1};
    const uint64_t huge[2] = {INT64_MAX, INT64_MAX};
    const uint64_t zero[2] = {0, 0};

    struct pawl_tensor desc = view(st, 2, square, zero);
    assert_refused(s, &desc);
    desc = view(st, 2, signed_square, zero);
    assert_refused(s, &desc);
    desc = view(st, 3, with_hole, (const uint64_t[3]){0, 0, 0});
    assert_refused(s, &desc);
    desc = view(st, 2, two, wrap);
    assert_refused(s, &desc);
    desc = view(st, 2, two, huge);
    assert_refused(s, &desc);
    desc = view(st, 0, NULL, NULL);
    desc.offset = UINT64_MAX;
    assert_refused(s, &desc);
    assert_null(pawl_array(s, PAWL_FLOAT64, 2, square, "x"));
}

static void test_a_check_says_what_is_wrong(void **fixture)
{
    struct pawl_state *s = *fixture;
    struct pawl_error err = {0};
    const uint64_t shape[1] = {5};
    const uint64_t strides[1] = {1};
    struct pawl_storage *st = pawl_storage_borrow(s, PAWL_UINT8, "abcd", 4);
    struct pawl_tensor desc = view(st, 1, shape, strides);
    assert_int_equal(pawl_tensor_check(&desc, &err), PAWL_EFORMAT);
    assert_string_equal(err.message,
                        "a tensor reaches past its storage of 4 elements");
}

/* ---- the property: accepted if and only if every element lies inside --- */

struct dice {
    uint64_t state;
};

static uint64_t roll(struct dice *dice, uint64_t sides)
{
    /* splitmix64 */
    uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % sides;
}

/* Visits every element as nested loops would. */
static bool every_element_inside(const struct pawl_tensor *t, uint64_t have)
{
    uint64_t index[PAWL_MAX_NDIM] = {0};
    uint64_t numel = pawl_tensor_numel(t);
    for (uint64_t n = 0; n < numel; n++) {
        uint64_t at = t->offset;
        for (uint32_t d = 0; d < t->ndim; d++) {
            at += index[d] * t->strides[d];
        }
        if (at >= have) {
            return false;
        }
        for (uint32_t d = t->ndim; d > 0; d--) {
            if (++index[d - 1] < t->shape[d - 1]) {
                break;
            }
            index[d - 1] = 0;
        }
    }
    return true;
}

static uint64_t choose_seed(void)
{
    const char *given = getenv("PAWL_TEST_SEED");
    uint64_t seed =
        given == NULL ? (uint64_t)time(NULL) : strtoull(given, NULL, 10);
    print_message("PAWL_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void test_accepted_means_that_every_element_is_inside(void **unused)
{
    (void)unused;
    static const int16_t data[64];
    struct dice dice = {choose_seed()};
    int accepted = 0;
    int refused = 0;
    for (int round = 0; round < 20000; round++) {
        struct pawl_state *s = pawl_state_new();
        uint64_t have = roll(&dice, 64);
        uint64_t shape[5];
        uint64_t strides[5];
        struct pawl_tensor t = PAWL_TENSOR_INIT;
        t.dtype = PAWL_INT16;
        t.ndim = (uint32_t)roll(&dice, 5);
        for (uint32_t d = 0; d < t.ndim; d++) {
            shape[d] = roll(&dice, 5);
            strides[d] = roll(&dice, 14);
        }
        t.shape = shape;
        t.strides = strides;
        t.offset = roll(&dice, 10);
        t.storage = pawl_storage_borrow(s, PAWL_INT16, data, have * 2);
        bool inside = every_element_inside(&t, have);
        assert_int_equal(pawl_tensor(s, &t) != NULL, inside);
        inside ? accepted++ : refused++;
        pawl_state_free(s);
    }
    /* Both answers must occur often, or the draw proves nothing. */
    assert_true(accepted > 2000 && refused > 2000);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, new_state, free_state)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_borrowed_storage_is_the_caller_s),
        TEST(test_a_storage_is_read_whole),
        TEST(test_an_empty_storage_needs_no_memory),
        TEST(test_a_storage_holds_whole_elements),
        TEST(test_wrong_storages_are_refused),
        TEST(test_storages_are_numbered_and_placed),
        cmocka_unit_test(test_release_runs_once_with_the_state),
        cmocka_unit_test(test_lazy_payload_is_fetched_when_asked_for),
        cmocka_unit_test(test_a_fetch_that_fails_leaves_it_lazy),
        cmocka_unit_test(test_mapped_payload_is_not_copied),
        cmocka_unit_test(test_memory_outlives_the_state),
        TEST(test_strides_default_to_contiguous),
        TEST(test_strides_of_an_empty_tensor_are_torch_s),
        TEST(test_a_scalar_has_one_element),
        TEST(test_a_dtype_without_a_class_lies_in_plain_bytes),
        TEST(test_two_tensors_share_a_storage),
        TEST(test_wrong_descriptions_are_refused),
        TEST(test_numbers_that_overflow_are_refused),
        TEST(test_a_check_says_what_is_wrong),
        cmocka_unit_test(test_accepted_means_that_every_element_is_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
