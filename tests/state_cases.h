/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_cases.h - states that show what a torch pickle can hold
 *
 * Each has a twin of the same name in tests/oracle/state_cases.py, an object
 * which torch.save must make the same bytes of.  Same identities too: what is
 * one node here is one object there.
 */
#ifndef PAWL_TESTS_STATE_CASES_H
#define PAWL_TESTS_STATE_CASES_H

#include <pawl/state.h>

struct state_case {
    const char *name;
    struct pawl_value *(*build)(struct pawl_state *s);
};

/* Case number `index`, NULL behind the last. */
const struct state_case *state_case_at(size_t index);

/* A state whose root is the case's; aborts on failure. */
struct pawl_state *state_case_new(const struct state_case *c);
/* The case of that name; aborts if there is none. */
const struct state_case *state_case_find(const char *name);

#endif
