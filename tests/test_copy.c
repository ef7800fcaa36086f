/* SPDX-License-Identifier: Apache-2.0 */
/* test_copy.c - every length and alignment, against memcpy and zlib. */
#include "base/copy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { ROOM = 300000, GUARD = 64 };

static unsigned char from[ROOM], to[ROOM + 2 * GUARD];

static void fill(void)
{
    uint32_t word = 12345;
    for (size_t i = 0; i < ROOM; i++) {
        word = word * 1664525u + 1013904223u;
        from[i] = (unsigned char)(word >> 24);
    }
}

static void check(size_t src_at, size_t dst_at, size_t len)
{
    unsigned char *dst = to + GUARD + dst_at;
    memset(to, 0xEE, sizeof(to));
    pawl_copy_streaming(dst, from + src_at, len);
    assert_memory_equal(dst, from + src_at, len);
    assert_int_equal(dst[-1], 0xEE);
    assert_int_equal(dst[len], 0xEE);

    memset(to, 0xEE, sizeof(to));
    uint32_t crc = pawl_copy_crc32(7, dst, from + src_at, len);
    assert_memory_equal(dst, from + src_at, len);
    assert_int_equal(dst[-1], 0xEE);
    assert_int_equal(dst[len], 0xEE);
    assert_int_equal(crc, crc32(7, from + src_at, (uInt)len));
}

static void test_lengths_and_alignments(void **state)
{
    (void)state;
    static const size_t lengths[] = {0,    1,    63,    64,    65,    4095,
                                     4096, 4097, 65535, 65536, 65537, 200003};
    fill();
    for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
        for (size_t src_at = 0; src_at < 20; src_at += 3) {
            for (size_t dst_at = 0; dst_at < 70; dst_at += 7) {
                check(src_at, dst_at, lengths[l]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths_and_alignments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
