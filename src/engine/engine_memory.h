/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_memory.h - checkpoints in the memory of the engine
 *
 * engine_torch over a store in memory: the same contract, the same bytes, the
 * same protocol.  Checkpoints and single files live as long as the engine that
 * saved them, and no other engine sees them.
 */
#ifndef PAWL_ENGINE_ENGINE_MEMORY_H
#define PAWL_ENGINE_ENGINE_MEMORY_H

#include "engine/engine_torch.h"

/* As pawl_engine_torch_make, with a place in memory if the setup has none. */
int pawl_engine_memory_make(void **out, const struct pawl_engine_setup *setup,
                            struct pawl_error *err);

#endif
