/* SPDX-License-Identifier: Apache-2.0 */
<<<<<<< HEAD
/* test_arena.c - pieces are zeroed, aligned, and do not overlap. */
=======
/* test_arena.c - zeroed, aligned memory that does not overlap. */
>>>>>>> fd3409f (base: test what everything stands on)
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
<<<<<<< HEAD
#include <stdint.h>
#include <stdlib.h>
=======
#include <stdbool.h>
#include <stdint.h>
>>>>>>> fd3409f (base: test what everything stands on)
#include <string.h>

#include <cmocka.h>

<<<<<<< HEAD
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
    pawl_arena_fini(&arena);
}

static void test_impossible_sizes_are_null(void **state)
{
    (void)state;
    struct pawl_arena arena = {0};
    assert_null(pawl_arena_alloc(&arena, SIZE_MAX));
    assert_null(pawl_arena_alloc(&arena, SIZE_MAX / 2));
    assert_null(pawl_arena_copy(&arena, "", SIZE_MAX));
    assert_non_null(pawl_arena_alloc(&arena, 1)); /* still in order */
=======
static bool is_zero(const unsigned char *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (at[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Sizes around the ends of chunks: each piece keeps what was written to it. */
static void test_pieces_are_apart(void **unused)
{
    (void)unused;
    enum { COUNT = 3000 };
    static unsigned char *pieces[COUNT];
    struct pawl_arena arena = {0};
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i * 37 % 5000;
        pieces[i] = pawl_arena_alloc(&arena, size);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        assert_true(is_zero(pieces[i], size));
        memset(pieces[i], (int)(i % 255) + 1, size);
    }
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i * 37 % 5000;
        for (size_t k = 0; k < size; k++) {
            assert_int_equal(pieces[i][k], i % 255 + 1);
        }
    }
    pawl_arena_fini(&arena);
}

static void test_a_piece_larger_than_any_chunk(void **unused)
{
    (void)unused;
    struct pawl_arena arena = {0};
    size_t size = (size_t)5 << 20;
    unsigned char *large = pawl_arena_alloc(&arena, size);
    assert_non_null(large);
    assert_true(is_zero(large, size));
    large[size - 1] = 1;
    assert_non_null(pawl_arena_alloc(&arena, 1));
    assert_int_equal(large[size - 1], 1);
    pawl_arena_fini(&arena);
}

static void test_a_copy_ends_with_nul(void **unused)
{
    (void)unused;
    struct pawl_arena arena = {0};
    char *text = pawl_arena_copy(&arena, "a\0bc", 3);
    assert_memory_equal(text, "a\0b", 4);
    char *empty = pawl_arena_copy(&arena, NULL, 0);
    assert_string_equal(empty, "");
    /* The NUL is the copy's own even where the text fills whole units. */
    char *full = pawl_arena_copy(&arena, "0123456789abcdef", 16);
    memset(pawl_arena_alloc(&arena, 16), 'x', 16);
    assert_string_equal(full, "0123456789abcdef");
    pawl_arena_fini(&arena);
}

static void test_sizes_that_cannot_be(void **unused)
{
    (void)unused;
    struct pawl_arena arena = {0};
    assert_null(pawl_arena_alloc(&arena, SIZE_MAX));
    assert_null(pawl_arena_alloc(&arena, SIZE_MAX / 2 + 1));
    assert_null(pawl_arena_copy(&arena, "", SIZE_MAX));
    assert_non_null(pawl_arena_alloc(&arena, 1));
    pawl_arena_fini(&arena);
}

static void test_fini_makes_it_new(void **unused)
{
    (void)unused;
    struct pawl_arena arena = {0};
    pawl_arena_fini(&arena);
    assert_non_null(pawl_arena_alloc(&arena, 100));
    pawl_arena_fini(&arena);
    assert_null(arena.chunks);
    assert_non_null(pawl_arena_alloc(&arena, 100));
>>>>>>> fd3409f (base: test what everything stands on)
    pawl_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
<<<<<<< HEAD
        cmocka_unit_test(test_pieces_keep_what_is_written_to_them),
        cmocka_unit_test(test_copies_end_in_nul),
        cmocka_unit_test(test_impossible_sizes_are_null),
=======
        cmocka_unit_test(test_pieces_are_apart),
        cmocka_unit_test(test_a_piece_larger_than_any_chunk),
        cmocka_unit_test(test_a_copy_ends_with_nul),
        cmocka_unit_test(test_sizes_that_cannot_be),
        cmocka_unit_test(test_fini_makes_it_new),
>>>>>>> fd3409f (base: test what everything stands on)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
