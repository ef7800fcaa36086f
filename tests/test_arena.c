/* SPDX-License-Identifier: Apache-2.0 */
/* test_arena.c - pieces are zeroed, aligned, and do not overlap. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "seed.h"

static void test_pieces_keep_what_is_written_to_them(void **state)
{
    (void)state;
    enum { PIECES = 3000 };
    uint64_t seed = test_seed();
    struct pawl_arena arena = {0};
    static unsigned char *at[PIECES];
    static size_t len[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        /* Mostly small, sometimes larger than any chunk. */
        uint64_t bound = i % 500 == 499 ? 3 << 20 : 400;
        len[i] = (size_t)test_draw(&seed, bound);
        at[i] = pawl_arena_alloc(&arena, len[i]);
        assert_non_null(at[i]);
        assert_int_equal((uintptr_t)at[i] % 16, 0);
        for (size_t k = 0; k < len[i]; k++) {
            assert_int_equal(at[i][k], 0);
        }
        memset(at[i], (int)(i % 255) + 1, len[i]);
    }
    for (size_t i = 0; i < PIECES; i++) {
        for (size_t k = 0; k < len[i]; k++) {
            assert_int_equal(at[i][k], i % 255 + 1);
        }
    }
    pawl_arena_fini(&arena);
    assert_null(arena.chunks);
}

static void test_copies_end_in_nul(void **state)
{
    (void)state;
    struct pawl_arena arena = {0};
    const char *copy = pawl_arena_copy(&arena, "a\0bcd", 4);
    assert_memory_equal(copy, "a\0bc\0", 5);
    copy = pawl_arena_copy(&arena, NULL, 0);
    assert_string_equal(copy, "");
    /* The NUL is the copy's own even where the text fills whole units. */
    copy = pawl_arena_copy(&arena, "0123456789abcdef", 16);
    memset(pawl_arena_alloc(&arena, 16), 'x', 16);
    assert_string_equal(copy, "0123456789abcdef");
    pawl_arena_fini(&arena);
}

static void test_impossible_sizes_are_null(void **state)
{
    (void)state;
    struct pawl_arena arena = {0};
    assert_null(pawl_arena_alloc(&arena, SIZE_MAX));
    assert_null(pawl_arena_alloc(&arena, SIZE_MAX / 2 + 1));
    assert_null(pawl_arena_copy(&arena, "", SIZE_MAX));
    assert_non_null(pawl_arena_alloc(&arena, 1)); /* still in order */
    pawl_arena_fini(&arena);
}

/* NULL means that memory is out, and nothing else. */
static void test_no_bytes_are_a_piece_too(void **state)
{
    (void)state;
    struct pawl_arena arena = {0};
    assert_non_null(pawl_arena_alloc(&arena, 0));
    pawl_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_keep_what_is_written_to_them),
        cmocka_unit_test(test_copies_end_in_nul),
        cmocka_unit_test(test_impossible_sizes_are_null),
        cmocka_unit_test(test_no_bytes_are_a_piece_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
