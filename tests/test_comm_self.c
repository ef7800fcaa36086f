/* SPDX-License-Identifier: Apache-2.0 */
/* test_comm_self.c - a rank alone, and what becomes of bad comms */
#include "comm/comm.h"

#include <pawl/comm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int part_of_wrong_rank(void *ctx, const char *key, const void *data,
                              size_t len_bytes, int64_t timeout_ms,
                              pawl_comm_part_fn part, void *part_ctx,
                              uint32_t *missing_rank, struct pawl_error *err)
{
    (void)ctx;
    (void)key;
    (void)timeout_ms;
    (void)err;
    *missing_rank = UINT32_MAX;
    return part(part_ctx, 1, data, len_bytes);
}

static int nobody_comes(void *ctx, const char *key, const void *data,
                        size_t len_bytes, int64_t timeout_ms,
                        pawl_comm_part_fn part, void *part_ctx,
                        uint32_t *missing_rank, struct pawl_error *err)
{
    (void)ctx;
    (void)key;
    (void)data;
    (void)len_bytes;
    (void)timeout_ms;
    (void)part;
    (void)part_ctx;
    (void)err;
    *missing_rank = 1;
    return PAWL_ETIMEDOUT;
}

static int rank_0_says(void *ctx, const char *key, const void *data,
                       size_t len_bytes, int64_t timeout_ms,
                       pawl_comm_part_fn part, void *part_ctx,
                       struct pawl_error *err)
{
    (void)ctx;
    (void)key;
    (void)data;
    (void)len_bytes;
    (void)err;
    return timeout_ms < 100 ? PAWL_ETIMEDOUT : part(part_ctx, 0, "said", 4);
}

static void count_free(void *ctx)
{
    ++*(int *)ctx;
}

static struct pawl_comm_ops ops = {
    .struct_size = sizeof(struct pawl_comm_ops),
    .name = "sample",
    .gather = nobody_comes,
    .broadcast = rank_0_says,
    .free = count_free,
};

static void gather_gives_back_what_was_given(void **state)
{
    struct pawl_comm comm = pawl_comm_self();
    struct pawl_comm_parts parts = {0};
    struct pawl_error err;
    (void)state;
    assert_int_equal(pawl_comm_check(&comm, &err), 0);
    assert_int_equal(pawl_comm_gather(&parts, &comm, "k", "abc", 3, 0, &err),
                     0);
    assert_int_equal(parts.count, 1);
    assert_int_equal(parts.of_rank[0].len, 3);
    assert_memory_equal(parts.of_rank[0].data, "abc", 3);
    pawl_comm_parts_fini(&parts);
    struct pawl_buffer text = {0};
    assert_int_equal(pawl_comm_broadcast(&text, &comm, "k2", 0, &err), 0);
    assert_int_equal(text.len, 0);
    pawl_comm_fini(&comm);
}

static void gather_names_who_did_not_come(void **state)
{
    struct pawl_comm comm = {.ops = &ops, .size = 2};
    struct pawl_comm_parts parts = {0};
    struct pawl_error err;
    (void)state;
    assert_int_equal(pawl_comm_gather(&parts, &comm, "k", "", 0, 500, &err),
                     PAWL_ETIMEDOUT);
    assert_string_equal(err.message, "rank 1 did not come within 500 ms");
    assert_null(parts.of_rank);
}

static void gather_finds_out_wrong_parts(void **state)
{
    struct pawl_comm_ops wrong = ops;
    struct pawl_comm comm = {.ops = &wrong, .size = 2};
    struct pawl_comm_parts parts = {0};
    struct pawl_error err;
    (void)state;
    wrong.gather = part_of_wrong_rank;
    assert_int_equal(pawl_comm_gather(&parts, &comm, "k", "", 0, 500, &err),
                     PAWL_EBUG);
    assert_non_null(strstr(err.message, "sample"));
}

static void broadcast_gives_what_rank_0_said(void **state)
{
    struct pawl_comm comm = {.ops = &ops, .rank = 1, .size = 2};
    struct pawl_buffer text = {0};
    struct pawl_error err;
    (void)state;
    assert_int_equal(pawl_comm_broadcast(&text, &comm, "k", 500, &err), 0);
    assert_int_equal(text.len, 4);
    assert_memory_equal(text.data, "said", 4);
    assert_int_equal(pawl_comm_broadcast(&text, &comm, "k", 50, &err),
                     PAWL_ETIMEDOUT);
    assert_string_equal(err.message, "rank 0 did not come within 50 ms");
    pawl_buffer_fini(&text);
}

static void bad_comms_are_refused_and_freed(void **state)
{
    int freed = 0;
    struct pawl_comm comm = {&ops, &freed, 2, 2};
    struct pawl_engine *engine = NULL;
    struct pawl_error err;
    (void)state;
    assert_int_equal(pawl_engine_new_ranks(&engine, NULL, &comm, &err),
                     PAWL_EINVAL);
    assert_non_null(strstr(err.message, "rank 2 of 2"));
    assert_int_equal(freed, 1);
    assert_int_equal(pawl_engine_new_ranks(&engine, NULL, NULL, &err),
                     PAWL_EINVAL);
    assert_null(engine);
}

static void an_engine_frees_its_comm(void **state)
{
    int freed = 0;
    struct pawl_comm comm = {&ops, &freed, 0, 1};
    struct pawl_engine *engine = NULL;
    struct pawl_error err;
    (void)state;
    assert_int_equal(
        pawl_engine_new_ranks(&engine, "{\"engine\": \"torch\"}", &comm, &err),
        0);
    assert_int_equal(freed, 0);
    pawl_engine_free(engine);
    assert_int_equal(freed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather_gives_back_what_was_given),
        cmocka_unit_test(gather_names_who_did_not_come),
        cmocka_unit_test(gather_finds_out_wrong_parts),
        cmocka_unit_test(broadcast_gives_what_rank_0_said),
        cmocka_unit_test(bad_comms_are_refused_and_freed),
        cmocka_unit_test(an_engine_frees_its_comm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
