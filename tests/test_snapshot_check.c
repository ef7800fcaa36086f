/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_snapshot_check.c - pieces in any order make the checksum of the whole,
 * and one changed bit anywhere does not
 */
#include "engine/snapshot_check.h"

#include "seed.h"
#include <pawl/plugin.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RECORDS = 3, PIECES_MAX = 64, ROUNDS = 300 };

static unsigned char payload[RECORDS][5000];
static const size_t lens[RECORDS] = {1, 4096, 5000};

static struct pawl_snapshot_check *new_check(void)
{
    struct pawl_snapshot_check *check = NULL;
    struct pawl_plan *plan = pawl_plan_new();
    for (size_t i = 0; i < RECORDS; i++) {
        pawl_plan_append(plan, "between", 7);
        pawl_plan_payload(plan, payload[i], lens[i]);
    }
    assert_int_equal(pawl_plan_seal(plan, NULL), 0);
    assert_int_equal(pawl_snapshot_check_new(&check, plan, NULL), 0);
    pawl_plan_free(plan);
    return check;
}

/* Tells all of a record in random pieces, in random order. */
static void tell(struct pawl_snapshot_check *check, uint32_t record,
                 uint64_t *seed)
{
    size_t cuts[PIECES_MAX + 1] = {0};
    size_t count = 0;
    while (count < PIECES_MAX && cuts[count] < lens[record]) {
        size_t left = lens[record] - cuts[count];
        bool is_last = count + 1 == PIECES_MAX;
        cuts[count + 1] =
            cuts[count] + (is_last ? left : 1 + test_draw(seed, left));
        count++;
    }
    size_t first = test_draw(seed, count);
    for (size_t i = 0; i < count; i++) {
        size_t at = (first + i) % count;
        pawl_snapshot_check_copied(check, record, cuts[at],
                                   payload[record] + cuts[at],
                                   cuts[at + 1] - cuts[at]);
    }
}

static void test_any_order(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < RECORDS; i++) {
            memset(payload[i], round, lens[i]);
            payload[i][test_draw(&seed, lens[i])] = (unsigned char)i;
        }
        struct pawl_snapshot_check *check = new_check();
        uint32_t changed = (uint32_t)test_draw(&seed, RECORDS + 1);
        if (changed < RECORDS) {
            payload[changed][test_draw(&seed, lens[changed])] ^=
                (unsigned char)(1u << test_draw(&seed, 8));
        }
        for (uint32_t i = 0; i < RECORDS; i++) {
            tell(check, i, &seed);
        }
        struct pawl_error err = {0};
        int rc = pawl_snapshot_check_compare(check, "one", "model.pt", &err);
        if (changed < RECORDS) {
            char name[16] = "'data/0'";
            name[6] = (char)('0' + changed);
            assert_int_equal(rc, PAWL_EINVAL);
            assert_non_null(strstr(err.message, name));
            assert_non_null(strstr(err.message, "'one/model.pt'"));
        } else {
            assert_int_equal(rc, 0);
        }
        pawl_snapshot_check_free(check);
    }
}

static void test_missing_piece(void **state)
{
    (void)state;
    uint64_t seed = 1;
    memset(payload, 7, sizeof(payload));
    struct pawl_snapshot_check *check = new_check();
    tell(check, 0, &seed);
    tell(check, 2, &seed);
    assert_int_equal(pawl_snapshot_check_compare(check, "a", "b", NULL),
                     PAWL_EINVAL);
    pawl_snapshot_check_copied(check, PAWL_NO_RECORD, 0, payload, 7);
    tell(check, 1, &seed);
    assert_int_equal(pawl_snapshot_check_compare(check, "a", "b", NULL), 0);
    pawl_snapshot_check_free(check);
    pawl_snapshot_check_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_missing_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
