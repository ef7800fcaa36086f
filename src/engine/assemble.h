/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assemble.h - one manifest of the files of all ranks
 *
 * Each rank describes its files by a manifest of their own, as text, which is
 * read as strictly as one from the disk.
 */
#ifndef PAWL_ENGINE_ASSEMBLE_H
#define PAWL_ENGINE_ASSEMBLE_H

#include "comm/comm.h"
#include "engine/manifest.h"

/* Adds to `manifest`, which has the files of one rank, those of the ranks of
 * which there is a text; no manifest is an empty one.
 * PAWL_EINVAL if two ranks saved the same file, or one speaks of another tag;
 * PAWL_EFORMAT and others, with the rank, for a text that is no manifest. */
int pawl_assemble(struct pawl_manifest *manifest,
                  const struct pawl_comm_parts *texts, struct pawl_error *err);

#endif
