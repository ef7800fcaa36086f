/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_plan.c - laying out extents, and checksums that come late
 *
 * The random test builds the same file by hand in a flat array, and prints its
 * seed; PAWL_TEST_SEED repeats it.
 */
#include <pawl/plugin.h>

#include "base/bytes.h"
#include "plan_file.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include <cmocka.h>

static int new_plan(void **fixture)
{
    *fixture = pawl_plan_new();
    return *fixture == NULL ? -1 : 0;
}

static int free_plan(void **fixture)
{
    pawl_plan_free(*fixture);
    return 0;
}

static void test_extents_follow_one_another(void **fixture)
{
    struct pawl_plan *plan = *fixture;
    char payload[5] = "12345";
    size_t count = 0;
    pawl_plan_append(plan, "ab", 2);
    pawl_plan_append(plan, "cd", 2);
    assert_int_equal(pawl_plan_payload(plan, payload, 3), 0);
    assert_int_equal(pawl_plan_payload(plan, payload + 3, 2), 1);
    assert_int_equal(pawl_plan_offset(plan), 9);
    assert_int_equal(pawl_plan_here(plan), 4);
    pawl_plan_append(plan, "ef", 2);
    assert_int_equal(pawl_plan_seal(plan, NULL), 0);

    const struct pawl_extent *e = pawl_plan_extents(plan, &count);
    assert_int_equal(count, 4);
    assert_memory_equal(e[0].data, "abcd", 4);
    assert_int_equal(e[0].record, PAWL_NO_RECORD);
    assert_ptr_equal(e[1].data, payload);
    assert_int_equal(e[1].offset, 4);
    assert_int_equal(e[2].len_bytes, 2);
    assert_int_equal(e[2].record, 1);
    assert_memory_equal(e[3].data, "ef", 2);
    assert_int_equal(e[3].offset, 9);
    assert_int_equal(pawl_plan_size(plan), 11);
    assert_int_equal(pawl_plan_record_count(plan), 2);
}

static void test_a_crc_goes_to_all_its_places(void **fixture)
{
    struct pawl_plan *plan = *fixture;
    size_t count = 0;
    uint32_t record = pawl_plan_payload(plan, "x", 1);
    pawl_plan_append(plan, "................", 16);
    pawl_plan_put_crc(plan, record, 1);
    pawl_plan_put_crc(plan, record, 9);
    pawl_plan_put_crc(plan, PAWL_NO_RECORD, 0);
    assert_int_equal(pawl_plan_seal(plan, NULL), 0);
    pawl_plan_set_crc(plan, record, 0x01020304);
    const struct pawl_extent *e = pawl_plan_extents(plan, &count);
    assert_memory_equal(e[1].data, ".\4\3\2\1....\4\3\2\1...", 16);
    pawl_plan_set_crc(plan, record, 0); /* once for each record */
    pawl_plan_set_crc(plan, 7, 0);      /* there is none */
    assert_memory_equal(e[1].data, ".\4\3\2\1....\4\3\2\1...", 16);
}

static void sum_of_crcs(struct pawl_plan *plan, void *ctx)
{
    uint32_t *runs = ctx;
    uint32_t sum = 0;
    (*runs)++;
    for (uint32_t i = 0; i < pawl_plan_record_count(plan); i++) {
        sum += pawl_plan_crc(plan, i);
    }
    put_le32(pawl_plan_at(plan, 0), sum + *runs);
}

static void test_the_last_crc_finishes(void **fixture)
{
    struct pawl_plan *plan = *fixture;
    size_t count = 0;
    pawl_plan_on_last_crc(plan, sum_of_crcs, calloc(1, sizeof(uint32_t)));
    pawl_plan_payload(plan, "x", 1);
    pawl_plan_payload(plan, "y", 1);
    pawl_plan_append(plan, "\0\0\0\0", 4);
    assert_int_equal(pawl_plan_seal(plan, NULL), 0);
    const void *sum = pawl_plan_extents(plan, &count)[2].data;
    pawl_plan_set_crc(plan, 1, 30);
    assert_int_equal(get_le32(sum), 0);
    pawl_plan_set_crc(plan, 0, 10);
    assert_int_equal(get_le32(sum), 41);
    pawl_plan_set_crc(plan, 0, 10);
    assert_int_equal(get_le32(sum), 41);
}

static void test_without_payload_it_is_finished_at_once(void **fixture)
{
    struct pawl_plan *plan = *fixture;
    size_t count = 0;
    pawl_plan_on_last_crc(plan, sum_of_crcs, calloc(1, sizeof(uint32_t)));
    pawl_plan_append(plan, "\0\0\0\0", 4);
    assert_int_equal(pawl_plan_seal(plan, NULL), 0);
    assert_int_equal(get_le32(pawl_plan_extents(plan, &count)[0].data), 1);
    assert_int_equal(count, 1);
}

static void test_a_file_too_large_is_refused(void **fixture)
{
    struct pawl_plan *plan = *fixture;
    struct pawl_error err = {0};
    pawl_plan_payload(plan, "x", (uint64_t)INT64_MAX);
    assert_int_equal(pawl_plan_payload(plan, "x", 1), PAWL_NO_RECORD);
    pawl_plan_append(plan, "x", 1);
    assert_int_equal(pawl_plan_seal(plan, &err), PAWL_EINVAL);
    assert_non_null(strstr(err.message, "2^63-1"));
}

static void test_an_empty_plan_is_an_empty_file(void **fixture)
{
    struct pawl_plan *plan = *fixture;
    size_t count = 1;
    assert_int_equal(pawl_plan_seal(plan, NULL), 0);
    pawl_plan_extents(plan, &count);
    assert_int_equal(count, 0);
    assert_int_equal(pawl_plan_size(plan), 0);
}

/* ---- random plans against a flat array --------------------------------- */

struct model {
    unsigned char bytes[65536];
    size_t len;
    size_t here; /* of these, container bytes */
};

static uint64_t next(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void add_container(struct pawl_plan *plan, struct model *model,
                          size_t len)
{
    memset(model->bytes + model->len, (int)len, len);
    assert_int_equal(pawl_plan_here(plan), model->here);
    assert_int_equal(pawl_plan_offset(plan), model->len);
    pawl_plan_append(plan, model->bytes + model->len, len);
    model->len += len;
    model->here += len;
}

/* A payload from `pool`, and container bytes whose middle holds its CRC. */
static void add_record(struct pawl_plan *plan, struct model *model,
                       const unsigned char *pool, uint64_t dice)
{
    size_t len = 1 + dice % 200;
    const unsigned char *data = pool + dice % 100;
    uint32_t record = pawl_plan_payload(plan, data, len);
    memcpy(model->bytes + model->len, data, len);
    model->len += len;
    if (dice & 1024) {
        return; /* a record whose CRC nobody wants */
    }
    size_t place = model->here + 3;
    add_container(plan, model, 10);
    put_le32(model->bytes + model->len - 7, (uint32_t)crc32_z(0, data, len));
    pawl_plan_put_crc(plan, record, place);
}

static void one_random_plan(uint64_t *seed)
{
    static unsigned char pool[512];
    struct model *model = calloc(1, sizeof(*model));
    struct pawl_plan *plan = pawl_plan_new();
    size_t len = 0;
    assert_true(model != NULL && plan != NULL);
    for (size_t i = 0; i < sizeof(pool); i++) {
        pool[i] = (unsigned char)next(seed);
    }
    uint64_t steps = next(seed) % 200;
    for (uint64_t i = 0; i < steps; i++) {
        uint64_t dice = next(seed);
        if (dice >> 63) {
            add_container(plan, model, 1 + dice % 70);
        } else {
            add_record(plan, model, pool, dice);
        }
    }
    assert_int_equal(pawl_plan_seal(plan, NULL), 0);
    unsigned char *bytes = plan_file_bytes(plan, &len);
    assert_int_equal(len, model->len);
    assert_memory_equal(bytes, model->bytes, len);
    free(bytes);
    pawl_plan_free(plan);
    free(model);
}

static void test_random_plans(void **fixture)
{
    (void)fixture;
    const char *given = getenv("PAWL_TEST_SEED");
    uint64_t seed =
        given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("seed %" PRIu64 "\n", seed);
    for (int i = 0; i < 300; i++) {
        one_random_plan(&seed);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_plan, free_plan)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_extents_follow_one_another),
        TEST(test_a_crc_goes_to_all_its_places),
        TEST(test_the_last_crc_finishes),
        TEST(test_without_payload_it_is_finished_at_once),
        TEST(test_a_file_too_large_is_refused),
        TEST(test_an_empty_plan_is_an_empty_file),
        cmocka_unit_test(test_random_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
