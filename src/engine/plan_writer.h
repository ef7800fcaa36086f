/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_writer.h - a format's plan into a store's object, in order
 *
 * The simple way, and the reference for faster ones: one thread, one block.
 */
#ifndef PAWL_ENGINE_PLAN_WRITER_H
#define PAWL_ENGINE_PLAN_WRITER_H

#include "engine/lane.h"
#include "store/store.h"

#include <pawl/plugin.h>

/* Lays `state` out in `format`; reads what it still lacks.  PAWL_ENOTSUP for
 * a format that is only read; and what the format says. */
int pawl_state_plan(struct pawl_plan **out, struct pawl_state *state,
                    const struct pawl_format_ops *format, const char *base_name,
                    struct pawl_error *err);

/* Lays `state` out in `format` under the file name `base_name` and writes it
 * as object `name`, in place of an older one, in blocks of `block_bytes`; reads
 * what the state still lacks.  `durable`: it survives a power cut when this
 * returns 0.  On failure an incomplete object may be left.  Blocks. */
struct pawl_write {
    const struct pawl_format_ops *format;
    struct pawl_store *store;
    const char *name;
    const char *base_name;
    size_t block_bytes;
    bool durable;
    bool digest;            /* of the file, too; a lane knows by itself */
    struct pawl_lane *lane; /* the threads and blocks to use, or NULL */
};
int pawl_state_write(struct pawl_state *state, const struct pawl_write *how,
                     struct pawl_written *out, struct pawl_error *err);

#endif
