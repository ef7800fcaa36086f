/* SPDX-License-Identifier: Apache-2.0 */
/*
 * single_file.h - one file outside any checkpoint, written atomically
 *
 * As torch.save(state, path), but the old file is there, or the new one: the
 * bytes go to `.pawl/<name>.file` beside it, are made durable, and are renamed
 * over it.  `<name>` is taken meanwhile as a tag is (owner.h), so what a killed
 * save left is known for what it is; `.pawl/` goes again if it is empty.
 */
#ifndef PAWL_ENGINE_SINGLE_FILE_H
#define PAWL_ENGINE_SINGLE_FILE_H

#include "engine/lane.h"
#include "engine/place.h"
#include "engine/setup.h"
#include "engine/state_file.h"

struct pawl_saving {
    struct pawl_place *place;
    const struct pawl_format_ops *format;
    size_t block_bytes;
    bool durable;
    uint64_t token;         /* see owner.h */
    const char *path;       /* absolute; its directory must exist */
    struct pawl_lane *lane; /* NULL: in order, by this thread */
};

/* The same with an engine's setup. */
int pawl_save_single(const struct pawl_engine_setup *setup, uint64_t token,
                     struct pawl_state *state, const char *path,
                     struct pawl_written *out, struct pawl_error *err);

/* Writes the file.  PAWL_ENOENT (no directory),
 * PAWL_EBUSY (another saves to this path), and what the store says. */
int pawl_save_file(struct pawl_state *state, const struct pawl_saving *how,
                   struct pawl_written *out, struct pawl_error *err);

#endif
