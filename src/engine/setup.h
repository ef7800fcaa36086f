/* SPDX-License-Identifier: Apache-2.0 */
/* setup.h - what a built-in engine is made of. */
#ifndef PAWL_ENGINE_SETUP_H
#define PAWL_ENGINE_SETUP_H

#include "base/log.h"
#include "comm/agreement.h"
#include "engine/config.h"
#include "engine/meter.h"
#include "engine/place.h"

#include <pawl/plugin.h>
#include <stdbool.h>

struct pawl_lane;

/* All borrowed until the engine is freed, but the place and the lane, of which
 * it takes a reference. */
struct pawl_engine_setup {
    const struct pawl_config *config;
    struct pawl_log *log;
    struct pawl_meter *meter;
    struct pawl_place *place;             /* NULL: the engine makes its own */
    struct pawl_lane *lane;               /* NULL: writes in order, alone */
    const struct pawl_format_ops *format; /* what it writes */
    struct pawl_agreement *agreement;     /* of the ranks; NULL: one rank */
    const bool *keeps_latest; /* asked when a checkpoint begins; NULL: no */
};

#endif
