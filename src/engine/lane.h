/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lane.h - the staging blocks and threads on which an engine moves files
 *
 * Made once with the engine and shared by all its transfers, so memory and
 * threads are bounded whatever is saved.  Counted.  Thread-safe.
 */
#ifndef PAWL_ENGINE_LANE_H
#define PAWL_ENGINE_LANE_H

#include "engine/config.h"
#include "engine/transfer.h"

struct pawl_lane;

/* Staging of the config's `staging_bytes`, threads to write and to copy.
 * PAWL_ENOMEM, PAWL_EIO. */
int pawl_lane_new(struct pawl_lane **out, const struct pawl_config *config,
                  struct pawl_error *err);
/* Both are fine with NULL. */
struct pawl_lane *pawl_lane_ref(struct pawl_lane *lane);
void pawl_lane_unref(struct pawl_lane *lane);

/* Opens object `name` of the store and begins a transfer of `plan` to it,
 * which it takes over, also on failure. */
int pawl_lane_start(struct pawl_transfer **out, struct pawl_lane *lane,
                    struct pawl_plan *plan, struct pawl_store *store,
                    const char *name, struct pawl_error *err);

/* Copies all of a transfer with the calling thread and the lane's copiers;
 * meanwhile another thread must drain it.  Returns when all is copied, or the
 * transfer failed, which it does when no block comes back within
 * `write_timeout_ms`: a disk that hangs holds nobody up for longer. */
int pawl_lane_copy(struct pawl_lane *lane, struct pawl_transfer *transfer,
                   struct pawl_error *err);

void pawl_lane_stats(struct pawl_lane *lane, struct pawl_staging_stats *out);

#endif
