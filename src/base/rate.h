/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rate.h - keeping to so many bytes a second
 *
 * Whoever is about to move bytes asks first, and sleeps until they are due.
 * Thread-safe: those who share a rate keep to it together.
 */
#ifndef PAWL_BASE_RATE_H
#define PAWL_BASE_RATE_H

#include <pthread.h>
#include <stdint.h>

struct pawl_rate {
    uint64_t bytes_per_second; /* 0: as fast as it goes */
    struct {
        pthread_mutex_t lock;
        uint64_t free_ns; /* monotonic: when the bytes before are through */
    } locked;
};

void pawl_rate_init(struct pawl_rate *rate, uint64_t bytes_per_second);
void pawl_rate_fini(struct pawl_rate *rate);

/* Returns when `len_bytes` may be moved; time that was not used is not saved
 * up. */
void pawl_rate_wait(struct pawl_rate *rate, uint64_t len_bytes);

#endif
