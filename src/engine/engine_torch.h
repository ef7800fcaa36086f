/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_torch.h - the simple engine: one thread, in order, the reference
 *
 * save writes to the disk before it returns and commit publishes before it
 * returns, so there is nothing to wait for.  Faster engines are tested against
 * this one.
 */
#ifndef PAWL_ENGINE_ENGINE_TORCH_H
#define PAWL_ENGINE_ENGINE_TORCH_H

#include "engine/setup.h"

int pawl_engine_torch_make(void **out, const struct pawl_engine_setup *setup,
                           struct pawl_error *err);

/* `make` is NULL: the registry has pawl_engine_torch_make instead. */
extern const struct pawl_engine_ops pawl_engine_torch;

#endif
