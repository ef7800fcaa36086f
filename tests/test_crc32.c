/* SPDX-License-Identifier: Apache-2.0 */
/* test_crc32.c - against zlib's crc32 and the catalogue's check value. */
#include "base/crc32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "seed.h"

enum { SIZE = 300000 };

static unsigned char *random_bytes(uint64_t *seed)
{
    unsigned char *data = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        data[i] = (unsigned char)test_draw(seed, 256);
    }
    return data;
}

static void test_known_values(void **state)
{
    (void)state;
    assert_int_equal(pawl_crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(pawl_crc32(0, "", 0), 0);
    assert_int_equal(pawl_crc32(0x12345678, NULL, 0), 0x12345678);
    assert_int_equal(pawl_crc32_combine(0xcbf43926, 0, 0), 0xcbf43926);
}

static void test_it_is_zlibs_crc(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    unsigned char *data = random_bytes(&seed);
    for (size_t len = 0; len < 300; len++) {
        assert_int_equal(pawl_crc32(0, data + len % 17, len),
                         crc32(0, data + len % 17, (uInt)len));
    }
    for (int i = 0; i < 200; i++) {
        size_t at = (size_t)test_draw(&seed, SIZE);
        size_t len = (size_t)test_draw(&seed, SIZE - at);
        uint32_t start = (uint32_t)test_draw(&seed, UINT32_MAX);
        assert_int_equal(pawl_crc32(start, data + at, len),
                         crc32(start, data + at, (uInt)len));
    }
    free(data);
}

static void test_pieces_give_the_crc_of_the_whole(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    unsigned char *data = random_bytes(&seed);
    uint32_t whole = (uint32_t)crc32(0, data, SIZE);
    for (int i = 0; i < 200; i++) {
        size_t cut = (size_t)test_draw(&seed, SIZE + 1);
        uint32_t a = pawl_crc32(0, data, cut);
        uint32_t b = pawl_crc32(0, data + cut, SIZE - cut);
        assert_int_equal(pawl_crc32_combine(a, b, SIZE - cut), whole);
        assert_int_equal(pawl_crc32(a, data + cut, SIZE - cut), whole);
    }
    free(data);
}

/* Python's zlib.crc32 over "head", over 5 GiB of zeros, and over both. */
static void test_pieces_may_be_larger_than_4_gib(void **state)
{
    (void)state;
    assert_int_equal(pawl_crc32_combine(0xa7f3f69c, 0x193838c3, 5ull << 30),
                     0x51a3f275);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_it_is_zlibs_crc),
        cmocka_unit_test(test_pieces_give_the_crc_of_the_whole),
        cmocka_unit_test(test_pieces_may_be_larger_than_4_gib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
