/* SPDX-License-Identifier: Apache-2.0 */
/* test_rate.c - bytes go at the rate that was set, whoever moves them. */
#include "base/rate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

enum { CHUNKS = 20, CHUNK_BYTES = 5000 };

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *move(void *rate)
{
    for (int i = 0; i < CHUNKS; i++) {
        pawl_rate_wait(rate, CHUNK_BYTES);
    }
    return NULL;
}

/* 40 chunks, of which the last may go when the 39 before are through. */
static void test_two_threads_share_it(void **state)
{
    (void)state;
    struct pawl_rate rate;
    pthread_t other;
    pawl_rate_init(&rate, 1000000);
    double start = now_s();
    assert_int_equal(pthread_create(&other, NULL, move, &rate), 0);
    move(&rate);
    pthread_join(other, NULL);
    double seconds = now_s() - start;
    assert_true(seconds >= 0.195 - 1e-6);
    assert_true(seconds < 5);
    pawl_rate_fini(&rate);
}

static void test_pauses_are_not_saved_up(void **state)
{
    (void)state;
    struct pawl_rate rate;
    pawl_rate_init(&rate, 1000000);
    pawl_rate_wait(&rate, 1);
    nanosleep(&(struct timespec){0, 100000000}, NULL);
    double start = now_s();
    pawl_rate_wait(&rate, 50000);
    pawl_rate_wait(&rate, 1);
    assert_true(now_s() - start >= 0.05 - 1e-6);
    pawl_rate_fini(&rate);
}

static void test_no_limit(void **state)
{
    (void)state;
    struct pawl_rate rate;
    pawl_rate_init(&rate, 0);
    double start = now_s();
    for (int i = 0; i < 1000; i++) {
        pawl_rate_wait(&rate, UINT64_MAX);
    }
    assert_true(now_s() - start < 5);
    pawl_rate_fini(&rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_threads_share_it),
        cmocka_unit_test(test_pauses_are_not_saved_up),
        cmocka_unit_test(test_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
