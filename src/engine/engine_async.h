/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_async.h - training waits for a copy, the disk is waited for behind it
 *
 * save lays the file out, copies its payload into staging blocks with all
 * cores, and returns; with `snapshot` "lazy" it returns before the copy, which
 * fence waits for.  One thread in the background seals and writes the files in
 * order, publishes the checkpoints that were committed, and lets retention run.
 *
 * A failure is never lost.  What went wrong in the background fails the commit
 * of its checkpoint if that is still to come; else it is logged, and returned
 * once, by the next wait or create, whichever comes first; a create that
 * returns it has begun nothing.  Several are returned one by one, in order.
 */
#ifndef PAWL_ENGINE_ENGINE_ASYNC_H
#define PAWL_ENGINE_ENGINE_ASYNC_H

#include "engine/setup.h"

int pawl_engine_async_make(void **out, const struct pawl_engine_setup *setup,
                           struct pawl_error *err);

/* `make` is NULL: the registry has pawl_engine_async_make instead. */
extern const struct pawl_engine_ops pawl_engine_async;

#endif
