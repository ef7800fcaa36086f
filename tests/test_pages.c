/* SPDX-License-Identifier: Apache-2.0 */
/* test_pages.c - memory from the system: zeroed, aligned, given back. */
#include "base/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_sizes(void **state)
{
    static const size_t sizes[] = {1,       4096,    4097,    2097151,
                                   2097152, 2097153, 6291456, 10000000};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        unsigned char *memory = pawl_pages_map(sizes[i]);
        size_t align = sizes[i] < PAWL_HUGE_PAGE - 4095 ? 4096 : PAWL_HUGE_PAGE;
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % align, 0);
        for (size_t k = 0; k < sizes[i]; k += 4095) {
            assert_int_equal(memory[k], 0);
            memory[k] = 1;
        }
        memory[sizes[i] - 1] = 1;
        pawl_pages_unmap(memory, sizes[i]);
    }
}

static void test_more_than_there_is(void **state)
{
    (void)state;
    assert_null(pawl_pages_map(SIZE_MAX));
    assert_null(pawl_pages_map(SIZE_MAX / 2 + 1));
    assert_null(pawl_pages_map((size_t)1 << 60));
    pawl_pages_unmap(NULL, 4096);
}

/* Nothing of the slack stays mapped. */
static void test_all_is_given_back(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        void *memory = pawl_pages_map(3 * PAWL_HUGE_PAGE + 4096);
        assert_non_null(memory);
        pawl_pages_unmap(memory, 3 * PAWL_HUGE_PAGE + 4096);
    }
    FILE *maps = fopen("/proc/self/maps", "r");
    size_t lines = 0;
    assert_non_null(maps);
    for (int c = fgetc(maps); c != EOF; c = fgetc(maps)) {
        lines += c == '\n';
    }
    fclose(maps);
    assert_true(lines < 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_more_than_there_is),
        cmocka_unit_test(test_all_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
