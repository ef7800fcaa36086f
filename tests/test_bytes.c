/* SPDX-License-Identifier: Apache-2.0 */
/* test_bytes.c - the layout of packed fields, overflow, the growing buffer. */
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "seed.h"

static void test_fields_are_little_endian(void **state)
{
    (void)state;
    unsigned char at[9]; /* + 1: no alignment is needed */
    memset(at, 0xee, sizeof(at));
    put_le16(at + 1, 0x0102);
    assert_memory_equal(at + 1, "\x02\x01\xee", 3);
    assert_int_equal(get_le16(at + 1), 0x0102);
    put_le32(at + 1, 0x01020304);
    assert_memory_equal(at + 1, "\x04\x03\x02\x01\xee", 5);
    assert_int_equal(get_le32(at + 1), 0x01020304);
    put_le64(at + 1, 0x0102030405060708);
    assert_memory_equal(at + 1, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    assert_true(get_le64(at + 1) == 0x0102030405060708);
    assert_int_equal(at[0], 0xee);
}

static void test_overflow_is_found_and_leaves_the_result_alone(void **state)
{
    (void)state;
    uint64_t out = 77;
    assert_false(pawl_add_u64(UINT64_MAX, 1, &out));
    assert_false(pawl_add_u64(UINT64_MAX / 2 + 1, UINT64_MAX / 2 + 1, &out));
    assert_false(pawl_mul_u64(UINT64_MAX / 2 + 1, 2, &out));
    assert_false(pawl_mul_u64(1ull << 32, 1ull << 32, &out));
    assert_int_equal(out, 77);
    assert_true(pawl_add_u64(UINT64_MAX, 0, &out));
    assert_true(out == UINT64_MAX);
    assert_true(pawl_mul_u64(UINT64_MAX, 1, &out));
    assert_true(out == UINT64_MAX);
    assert_true(pawl_mul_u64(0, UINT64_MAX, &out));
    assert_int_equal(out, 0);

    size_t size = 0;
    assert_true(pawl_to_size(4096, &size));
    assert_int_equal(size, 4096);
}

/* Compared with a plain array, over sizes around each growth. */
static void test_a_buffer_holds_what_was_appended(void **state)
{
    (void)state;
    enum { MAX = 200000 };
    uint64_t seed = test_seed();
    unsigned char *model = malloc(MAX);
    struct pawl_buffer buf = {0};
    size_t len = 0;
    while (len < MAX - 5000) {
        unsigned char piece[5000];
        size_t piece_len = (size_t)test_draw(&seed, 5000);
        memset(piece, (int)test_draw(&seed, 256), sizeof(piece));
        memcpy(model + len, piece, piece_len);
        len += piece_len;
        if (test_draw(&seed, 2) == 0) {
            pawl_buffer_append(&buf, piece, piece_len);
        } else {
            unsigned char *at = pawl_buffer_extend(&buf, piece_len);
            assert_non_null(at);
            memcpy(at, piece, piece_len);
        }
        assert_int_equal(buf.len, len);
        assert_true(buf.len <= buf.capacity);
    }
    assert_false(buf.failed);
    assert_memory_equal(buf.data, model, len);
    pawl_buffer_fini(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.len, 0);
    free(model);
}

static void test_a_buffer_that_failed_stays_as_it_was(void **state)
{
    (void)state;
    struct pawl_buffer buf = {0};
    pawl_buffer_append(&buf, "abc", 3);
    pawl_buffer_append(&buf, NULL, 0);
    assert_null(pawl_buffer_extend(&buf, SIZE_MAX)); /* overflows */
    assert_true(buf.failed);
    pawl_buffer_append(&buf, "def", 3);
    assert_null(pawl_buffer_extend(&buf, 1));
    assert_int_equal(buf.len, 3);
    assert_memory_equal(buf.data, "abc", 3);
    pawl_buffer_fini(&buf);

    assert_null(pawl_buffer_extend(&buf, SIZE_MAX / 2 + 1));
    assert_true(buf.failed);
    pawl_buffer_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_are_little_endian),
        cmocka_unit_test(test_overflow_is_found_and_leaves_the_result_alone),
        cmocka_unit_test(test_a_buffer_holds_what_was_appended),
        cmocka_unit_test(test_a_buffer_that_failed_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
