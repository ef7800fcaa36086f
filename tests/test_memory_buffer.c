/* SPDX-License-Identifier: Apache-2.0 */
/* test_memory_buffer.c - random writes and reads against plain memory. */
#include "store/memory_buffer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "seed.h"

enum { SIZE = 2 * 1024 * 1024, ROUNDS = 400 };

static void test_it_holds_what_plain_memory_holds(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    struct pawl_memory_buffer *buffer = pawl_memory_buffer_new();
    unsigned char *model = calloc(1, SIZE);
    unsigned char *bytes = malloc(SIZE);
    size_t model_size = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t at = (size_t)test_draw(&seed, SIZE);
        size_t len = (size_t)test_draw(&seed, SIZE - at) % 600000;
        if (round % 2 == 0) {
            memset(bytes, round + 1, len);
            assert_int_equal(pawl_memory_buffer_write(buffer, at, bytes, len),
                             0);
            memcpy(model + at, bytes, len);
            if (len > 0 && at + len > model_size) {
                model_size = at + len;
            }
        } else {
            int rc = pawl_memory_buffer_read(buffer, at, bytes, len);
            bool inside = len == 0 || at + len <= model_size;
            assert_int_equal(rc, inside ? 0 : -ENODATA);
            if (inside) {
                assert_memory_equal(bytes, model + at, len);
            }
        }
        assert_int_equal(pawl_memory_buffer_size(buffer), model_size);
    }
    free(bytes);
    free(model);
    pawl_memory_buffer_unref(buffer);
}

static void test_the_last_reference_frees_it(void **state)
{
    (void)state;
    struct pawl_memory_buffer *buffer = pawl_memory_buffer_new();
    pawl_memory_buffer_ref(buffer);
    assert_int_equal(pawl_memory_buffer_write(buffer, 0, "abc", 3), 0);
    pawl_memory_buffer_unref(buffer);
    char back[3];
    assert_int_equal(pawl_memory_buffer_read(buffer, 0, back, 3), 0);
    assert_memory_equal(back, "abc", 3);
    pawl_memory_buffer_unref(buffer); /* a leak would show under sanitizers */
    pawl_memory_buffer_unref(NULL);
}

static void test_offsets_beyond_all_bounds_are_refused(void **state)
{
    (void)state;
    struct pawl_memory_buffer *buffer = pawl_memory_buffer_new();
    char byte = 'x';
    const uint64_t far[] = {INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pawl_memory_buffer_write(buffer, far[i], &byte, 1),
                         -EFBIG);
        assert_int_equal(pawl_memory_buffer_read(buffer, far[i], &byte, 1),
                         -EFBIG);
    }
    assert_int_equal(pawl_memory_buffer_size(buffer), 0);
    pawl_memory_buffer_unref(buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_holds_what_plain_memory_holds),
        cmocka_unit_test(test_the_last_reference_frees_it),
        cmocka_unit_test(test_offsets_beyond_all_bounds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
