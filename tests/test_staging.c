/* SPDX-License-Identifier: Apache-2.0 */
/* test_staging.c - blocks are distinct, bounded, waited for, and come back. */
#include "base/staging.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct pawl_staging *make(uint64_t total, size_t block)
{
    struct pawl_staging *staging = NULL;
    struct pawl_staging_options options = {total, block, false};
    assert_int_equal(pawl_staging_new(&staging, &options, NULL), 0);
    return staging;
}

static void test_blocks_are_distinct(void **state)
{
    (void)state;
    struct pawl_staging *staging = make(10 * 8192 + 100, 8192);
    unsigned char *blocks[10];
    pawl_staging_touch(staging);
    for (int i = 0; i < 10; i++) {
        blocks[i] = pawl_staging_take(staging, 0);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 4096, 0);
        memset(blocks[i], i, 8192);
    }
    assert_null(pawl_staging_take(staging, 0));
    assert_null(pawl_staging_take(staging, 20));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(blocks[i][0], i);
        assert_int_equal(blocks[i][8191], i);
        pawl_staging_give(staging, blocks[i]);
    }
    struct pawl_staging_stats stats;
    pawl_staging_stats(staging, &stats);
    assert_int_equal(stats.block_count, 10);
    assert_int_equal(stats.out_count, 0);
    assert_int_equal(stats.out_max, 10);
    assert_int_equal(stats.wait_count, 2);
    assert_true(stats.wait_ns >= 15000000);
    pawl_staging_free(staging);
}

static void test_two_blocks_at_least(void **state)
{
    (void)state;
    struct pawl_staging *staging = make(1, 4096);
    struct pawl_staging_stats stats;
    pawl_staging_stats(staging, &stats);
    assert_int_equal(stats.block_count, 2);
    pawl_staging_free(staging);
}

struct giver {
    struct pawl_staging *staging;
    void *block;
};

static void *give_later(void *arg)
{
    struct giver *giver = arg;
    usleep(30 * 1000);
    pawl_staging_give(giver->staging, giver->block);
    return NULL;
}

static void test_take_waits(void **state)
{
    (void)state;
    struct pawl_staging *staging = make(2 * 4096, 4096);
    void *first = pawl_staging_take(staging, 0);
    void *second = pawl_staging_take(staging, 0);
    struct giver giver = {staging, first};
    pthread_t thread;
    pthread_create(&thread, NULL, give_later, &giver);
    assert_ptr_equal(pawl_staging_take(staging, 10000), first);
    pthread_join(thread, NULL);
    pawl_staging_give(staging, first);
    pawl_staging_give(staging, second);
    pawl_staging_free(staging);
}

static void *take_and_give(void *arg)
{
    struct pawl_staging *staging = arg;
    for (int i = 0; i < 2000; i++) {
        unsigned char *block = pawl_staging_take(staging, -1);
        block[0] = 1; /* a race with another holder shows under TSan */
        pawl_staging_give(staging, block);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    (void)state;
    struct pawl_staging *staging = make(3 * 4096, 4096);
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) {
        pthread_create(&threads[i], NULL, take_and_give, staging);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    struct pawl_staging_stats stats;
    pawl_staging_stats(staging, &stats);
    assert_int_equal(stats.out_count, 0);
    assert_true(stats.out_max <= 3);
    pawl_staging_free(staging);
}

/* A DataLoader's worker must be able to end normally. */
static void test_fork_child_can_free(void **state)
{
    (void)state;
    struct pawl_staging *staging = make(1 << 20, 4096);
    pid_t child = fork();
    if (child == 0) {
        pawl_staging_free(staging);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    pawl_staging_free(staging);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_distinct),
        cmocka_unit_test(test_two_blocks_at_least),
        cmocka_unit_test(test_take_waits),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_fork_child_can_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
