/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_direct.h - synchronous, at the speed of the disk
 *
 * engine_torch with a lane: payload is copied and checksummed into staging
 * blocks while threads write earlier blocks past the page cache.  The same
 * contract, the same bytes, the same protocol.
 */
#ifndef PAWL_ENGINE_ENGINE_DIRECT_H
#define PAWL_ENGINE_ENGINE_DIRECT_H

#include "engine/engine_torch.h"

/* As pawl_engine_torch_make, with a lane made from the config. */
int pawl_engine_direct_make(void **out, const struct pawl_engine_setup *setup,
                            struct pawl_error *err);

#endif
