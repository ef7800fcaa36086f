/* SPDX-License-Identifier: Apache-2.0 */
/* engine_direct.c - see engine_direct.h. */
#include "engine/engine_direct.h"

#include "engine/lane.h"

int pawl_engine_direct_make(void **out, const struct pawl_engine_setup *setup,
                            struct pawl_error *err)
{
    struct pawl_engine_setup with_lane = *setup;
    struct pawl_config config = *setup->config;
    config.nice = 0; /* the caller waits for all that the threads do */
    int rc = pawl_lane_new(&with_lane.lane, &config, err);
    if (rc == 0) {
        rc = pawl_engine_torch_make(out, &with_lane, err);
        pawl_lane_unref(with_lane.lane);
    }
    return rc;
}
