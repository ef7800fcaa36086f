/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random_state.h - states from a seed, of all kinds and with shared parts
 *
 * What they hold survives a pickle and back with all identities: no two
 * objects that Python would make one of (the empty frozenset, a string of one
 * character, empty bytes), no string that torch itself puts in, no two dtypes
 * over a storage, and nothing that torch.load gives back as something else (an
 * untyped storage by itself, the class of a storage).
 */
#ifndef PAWL_TESTS_RANDOM_STATE_H
#define PAWL_TESTS_RANDOM_STATE_H

#include <pawl/state.h>

/* A new state; aborts when out of memory.  The same seed, the same state. */
struct pawl_state *random_state_new(uint64_t seed);

/* A number from a generator whose state is `*seed`. */
uint64_t random_next(uint64_t *seed);

#endif
