/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nodes.h - which ranks share a directory
 *
 * With `"layout": "shared"` all do, and rank 0 publishes for all.  With "local"
 * those do which run under one kernel, see the same mounts, and say the same
 * path; of these, the first publishes for its node.
 */
#ifndef PAWL_ENGINE_NODES_H
#define PAWL_ENGINE_NODES_H

#include "comm/agreement.h"

/* {0}: all share one. */
struct pawl_nodes {
    uint32_t *first_of; /* of each rank: the first of its node; owned */
    uint32_t ranks;
};
void pawl_nodes_fini(struct pawl_nodes *nodes);

/* The first rank of the node of `rank`. */
uint32_t pawl_nodes_first(const struct pawl_nodes *nodes, uint32_t rank);
/* How many ranks before `rank` are of its node, and in `*size` (may be NULL)
 * how many are in all. */
uint32_t pawl_nodes_index(const struct pawl_nodes *nodes, uint32_t rank,
                          uint32_t *size);
/* How many nodes have a first rank below `rank`; with the number of ranks: how
 * many there are. */
uint32_t pawl_nodes_before(const struct pawl_nodes *nodes, uint32_t rank);

/* A round of all ranks with that key, in which each says where `dir` is. */
int pawl_nodes_meet(struct pawl_nodes *out,
                    const struct pawl_agreement *agreement, const char *key,
                    const char *dir, struct pawl_error *err);

#endif
