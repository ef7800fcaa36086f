/* SPDX-License-Identifier: Apache-2.0 */
/* store_memory.h - objects are buffers in this process. */
#ifndef PAWL_STORE_STORE_MEMORY_H
#define PAWL_STORE_STORE_MEMORY_H

#include "store/store.h"

/* Its make() gives each store a tree of its own. */
extern const struct pawl_store_ops pawl_store_memory;

/* A tree of directories and buffers that several stores can look into, each
 * at its own root: what "/" is for files. */
struct pawl_memory_tree;
int pawl_memory_tree_new(struct pawl_memory_tree **out, struct pawl_error *err);
/* After the stores that use it are gone. */
void pawl_memory_tree_free(struct pawl_memory_tree *tree);
/* A store over `tree` at the absolute path `root`. */
int pawl_store_memory_make(struct pawl_store *out,
                           struct pawl_memory_tree *tree, const char *root,
                           struct pawl_error *err);

#endif
