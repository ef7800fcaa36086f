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

#include "base/log.h"
#include "engine/config.h"
#include "engine/place.h"

#include <pawl/plugin.h>
#include <stdatomic.h>

/* Bytes of files, as they are on disk; counted by the engine, read by
 * pawl_engine_status.  Relaxed: each is a number of its own. */
struct pawl_meter {
    atomic_uint_fast64_t saved;
    atomic_uint_fast64_t loaded;
};

/* What a built-in engine is made of.  All borrowed until it is freed, but the
 * place, of which it takes a reference; NULL: the engine makes its own. */
struct pawl_engine_setup {
    const struct pawl_config *config;
    struct pawl_log *log;
    struct pawl_meter *meter;
    struct pawl_place *place;
    const struct pawl_format_ops *format; /* what it writes */
};

int pawl_engine_torch_make(void **out, const struct pawl_engine_setup *setup,
                           struct pawl_error *err);

/* `make` is NULL: the registry has pawl_engine_torch_make instead. */
extern const struct pawl_engine_ops pawl_engine_torch;

#endif
