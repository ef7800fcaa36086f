/* SPDX-License-Identifier: Apache-2.0 */
/* rate.c - see rate.h. */
#include "base/rate.h"

#include <time.h>

void pawl_rate_init(struct pawl_rate *rate, uint64_t bytes_per_second)
{
    rate->bytes_per_second = bytes_per_second;
    rate->locked.free_ns = 0;
    pthread_mutex_init(&rate->locked.lock, NULL);
}

void pawl_rate_fini(struct pawl_rate *rate)
{
    pthread_mutex_destroy(&rate->locked.lock);
}

/* Books the bytes, and returns when they are due. */
static uint64_t book(struct pawl_rate *rate, uint64_t len_bytes)
{
    struct timespec clock;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    uint64_t now = (uint64_t)clock.tv_sec * 1000000000u;
    now += (uint64_t)clock.tv_nsec;
    double seconds = (double)len_bytes / (double)rate->bytes_per_second;
    pthread_mutex_lock(&rate->locked.lock);
    uint64_t due = rate->locked.free_ns > now ? rate->locked.free_ns : now;
    rate->locked.free_ns = due + (uint64_t)(seconds * 1e9);
    pthread_mutex_unlock(&rate->locked.lock);
    return due;
}

void pawl_rate_wait(struct pawl_rate *rate, uint64_t len_bytes)
{
    if (rate->bytes_per_second == 0) {
        return;
    }
    uint64_t due = book(rate, len_bytes);
    struct timespec until = {(time_t)(due / 1000000000u),
                             (long)(due % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
    }
}
