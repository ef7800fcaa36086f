/* SPDX-License-Identifier: Apache-2.0 */
/* same_state.h - whether two states hold the same, sharing and payload too. */
#ifndef PAWL_FUZZ_SAME_STATE_H
#define PAWL_FUZZ_SAME_STATE_H

#include <pawl/state.h>

/* NULL if so, else what differs.  The payload of both is in memory. */
const char *same_state(const struct pawl_state *a, const struct pawl_state *b);

#endif
