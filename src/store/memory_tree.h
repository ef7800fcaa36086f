/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_tree.h - directories and files in memory, as the kernel would have it
 *
 * What store_memory stands on, and the twin of file_tree.h: the same calls,
 * the same rules, the same errnos.  Several roots may look into one tree.
 *
 * `root` is an absolute path without ".."; names were checked by
 * pawl_store_name_check.  Results are 0 or a negative errno.  Thread-safe:
 * each call is one step for all others.
 */
#ifndef PAWL_STORE_MEMORY_TREE_H
#define PAWL_STORE_MEMORY_TREE_H

#include "store/memory_buffer.h"
#include "store/store_memory.h"

/* The buffer of a file, and a reference to it for the caller. */
int pawl_memory_tree_open(struct pawl_memory_tree *tree, const char *root,
                          const char *name, struct pawl_memory_buffer **out);

/* A new empty buffer under that name, in place of an older one, and a
 * reference to it for the caller.  Makes missing directories. */
int pawl_memory_tree_create(struct pawl_memory_tree *tree, const char *root,
                            const char *name, struct pawl_memory_buffer **out);

/* -EEXIST if it is there.  Makes missing directories above it. */
int pawl_memory_tree_mkdir(struct pawl_memory_tree *tree, const char *root,
                           const char *name);

/* 0 if it is a directory. */
int pawl_memory_tree_check_dir(struct pawl_memory_tree *tree, const char *root,
                               const char *name);

/* A copy of a directory's entries; free it with pawl_memory_entries_free. */
int pawl_memory_tree_list(struct pawl_memory_tree *tree, const char *root,
                          const char *name, struct pawl_store_entry **out,
                          size_t *count_out);
void pawl_memory_entries_free(struct pawl_store_entry *entries, size_t count);

/* Neither name may lie in the other: pawl_store_rename_check. */
int pawl_memory_tree_rename(struct pawl_memory_tree *tree, const char *root,
                            const char *from, const char *to,
                            enum pawl_store_rename how);

/* A file or an empty directory. */
int pawl_memory_tree_remove(struct pawl_memory_tree *tree, const char *root,
                            const char *name);

#endif
