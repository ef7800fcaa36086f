/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seed.h - random numbers that can be had again
 *
 * A test that draws begins with test_seed(), which prints what to set
 * PAWL_TEST_SEED to for the same run.
 */
#ifndef PAWL_TESTS_SEED_H
#define PAWL_TESTS_SEED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* PAWL_TEST_SEED of the environment, or one of the clock. */
static inline uint64_t test_seed(void)
{
    const char *given = getenv("PAWL_TEST_SEED");
    uint64_t seed = (uint64_t)time(NULL);
    if (given != NULL) {
        seed = strtoull(given, NULL, 10);
    }
    printf("PAWL_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

/* The next number below `bound`, which is not 0 (splitmix64). */
static inline uint64_t test_draw(uint64_t *seed, uint64_t bound)
{
    *seed += 0x9e3779b97f4a7c15u;
    uint64_t z = *seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % bound;
}

#endif
