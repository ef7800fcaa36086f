/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts.h - several ranks make one checkpoint on the disks of their nodes
 *
 * With `"layout": "local"` each node has a part of the checkpoint in a
 * directory of its own, with a manifest of its own, which the first rank of the
 * node publishes.  All parts of a checkpoint have the same number and time, and
 * say how many they are; it is whole when all are there.  In three rounds:
 *
 *   1 all tell rank 0 their files, and it tells all of them, and the number
 *   2 the first of each node has its manifest staged, durably
 *   3 the first of each node has made its part visible, durably
 *
 * What fails before 3 was never visible; what fails in it is taken back where
 * it was visible.  A node that dies in between has a part of a checkpoint that
 * the others have or have not, which `open` finds out.  So a checkpoint that is
 * there cannot be made again: while it is replaced there would be a moment at
 * which some nodes have the one and some the other, and none is whole.  Parts
 * that do not make a whole one are replaced.
 */
#ifndef PAWL_ENGINE_PARTS_H
#define PAWL_ENGINE_PARTS_H

#include "engine/making.h"

/* As the functions of together.h. */
int pawl_parts_begin(struct pawl_making *making, const char *tag, int status,
                     struct pawl_error *err);
int pawl_parts_publish(struct pawl_making *making, struct pawl_reading *reading,
                       struct pawl_error *err);

/* A round of open, number `index` of `round`: whether the parts that the nodes
 * have belong together.  `manifest` is of this node's.  PAWL_ECORRUPT if not.
 */
int pawl_parts_fit(const struct pawl_agreement *agreement, uint64_t round,
                   size_t index, const struct pawl_manifest *manifest,
                   struct pawl_error *err);

#endif
