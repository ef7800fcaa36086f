/* SPDX-License-Identifier: Apache-2.0 */
/* test_strmap.c - random keys against an array that is searched. */
#include "base/strmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "seed.h"

static void test_an_empty_map_has_nothing(void **state)
{
    (void)state;
    struct pawl_strmap map = {0};
    assert_null(pawl_strmap_get(&map, "a", 1));
    assert_null(pawl_strmap_get(&map, "", 0));
    pawl_strmap_fini(&map);
}

static void test_keys_are_bytes_and_lengths(void **state)
{
    (void)state;
    struct pawl_strmap map = {0};
    int a;
    int b;
    int c;
    assert_true(pawl_strmap_put(&map, "x\0a", 3, &a));
    assert_true(pawl_strmap_put(&map, "x\0b", 3, &b));
    assert_true(pawl_strmap_put(&map, "", 0, &c));
    assert_ptr_equal(pawl_strmap_get(&map, "x\0a", 3), &a);
    assert_ptr_equal(pawl_strmap_get(&map, "x\0b", 3), &b);
    assert_ptr_equal(pawl_strmap_get(&map, "", 0), &c);
    assert_null(pawl_strmap_get(&map, "x", 1));
    assert_null(pawl_strmap_get(&map, "x\0", 2));
    assert_int_equal(map.count, 3);
    assert_true(pawl_strmap_put(&map, "x\0a", 3, &c));
    assert_ptr_equal(pawl_strmap_get(&map, "x\0a", 3), &c);
    assert_int_equal(map.count, 3);
    pawl_strmap_fini(&map);
}

static void test_random_keys_are_found_again(void **state)
{
    (void)state;
    enum { KEYS = 5000, ROUNDS = 40000, KEY_MAX = 24 };
    uint64_t seed = test_seed();
    char(*keys)[KEY_MAX] = calloc(KEYS, sizeof(*keys));
    void **values = calloc(KEYS, sizeof(*values)); /* the model */
    for (size_t i = 0; i < KEYS; i++) {
        snprintf(keys[i], KEY_MAX, "%zu.%u", i,
                 (unsigned)test_draw(&seed, 1000));
    }
    struct pawl_strmap map = {0};
    size_t count = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t i = (size_t)test_draw(&seed, KEYS);
        char copy[KEY_MAX]; /* looked up by value, not by address */
        memcpy(copy, keys[i], KEY_MAX);
        assert_ptr_equal(pawl_strmap_get(&map, copy, strlen(copy)), values[i]);
        if (test_draw(&seed, 2) == 0) {
            count += values[i] == NULL;
            values[i] = &keys[test_draw(&seed, KEYS)];
            assert_true(
                pawl_strmap_put(&map, keys[i], strlen(keys[i]), values[i]));
        }
        assert_int_equal(map.count, count);
    }
    assert_true(count > KEYS * 9 / 10);
    assert_true(map.count < map.slot_count); /* a search always ends */
    pawl_strmap_fini(&map);
    assert_null(map.slots);
    free(values);
    free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_map_has_nothing),
        cmocka_unit_test(test_keys_are_bytes_and_lengths),
        cmocka_unit_test(test_random_keys_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
