/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_tree.h - a directory of the file system and the names below it
 *
 * What store_file stands on: it finds, makes, renames and removes names, and
 * makes them durable.  Names were checked by pawl_store_name_check; "" is the
 * root itself where a directory is meant.
 *
 * Nothing outside the root is reached, whatever links somebody put below it:
 * names are resolved from the root's descriptor.  Who reads follows links that
 * stay below it (pawl_io_open_beneath); what is made, written over, renamed or
 * removed is reached through no link at all (pawl_io_open_no_link).  The root's
 * own path may go through links: it is the user's word.
 *
 * Results are 0, or a descriptor that the caller closes, or a negative errno;
 * a link that is not followed is -ELOOP.  The root is looked up anew by each
 * call, so it may be removed and made again meanwhile.  Thread-safe for
 * different names.
 *
 * Durability.  A new name survives a power cut once its directory was synced
 * (pawl_file_tree_sync).  Directories that were made on the way to it need the
 * same, up to one that was there before; who asks for a sync does not know
 * those, so the tree remembers what it made or renamed: a sync of directory D
 * syncs D, and then the directory above each directory of D's path, the root's
 * own included, that this tree made or renamed since that was last done.
 */
#ifndef PAWL_STORE_FILE_TREE_H
#define PAWL_STORE_FILE_TREE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/io.h"
#include "store/unsynced.h"

struct pawl_file_tree {
    const struct pawl_io *io; /* borrowed */
    char *root;               /* absolute */
    struct pawl_unsynced unsynced;
};

/* `root` is absolute, as pawl_path_absolute makes it; it is copied, and not
 * touched on the disk.  -ENOMEM. */
int pawl_file_tree_init(struct pawl_file_tree *tree, const char *root,
                        const struct pawl_io *io);
void pawl_file_tree_fini(struct pawl_file_tree *tree);

/* Opens directory `name` for reading. */
int pawl_file_tree_open_dir(struct pawl_file_tree *tree, const char *name);

/* Opens a regular file for reading and puts its size to `*size_bytes`. */
int pawl_file_tree_open_file(struct pawl_file_tree *tree, const char *name,
                             uint64_t *size_bytes);

/* Opens a regular file that is there for writing and reading.  -EMLINK if it
 * has other hard links, whose bytes would change with it; -EPERM if it has
 * another owner or other permissions than a new file would have, or that
 * cannot be told. */
int pawl_file_tree_reopen_file(struct pawl_file_tree *tree, const char *name);

/* What `name` is, links followed. */
int pawl_file_tree_stat(struct pawl_file_tree *tree, const char *name,
                        struct stat *out);

/* Makes an empty regular file, open for writing and reading, and the
 * directories above it.  A file or link of that name is removed first: who
 * reads it goes on reading the old bytes, and other hard links keep them.
 * -EISDIR, or -EINVAL for a device and the like. */
int pawl_file_tree_create_file(struct pawl_file_tree *tree, const char *name);

/* Makes a directory (modes are 0777 and the umask) and those above it.
 * -EEXIST. */
int pawl_file_tree_mkdir(struct pawl_file_tree *tree, const char *name);

/* As renameat2.  Where the file system lacks RENAME_NOREPLACE it looks before
 * it renames, which is two steps; where it lacks RENAME_EXCHANGE, the result
 * is -EOPNOTSUPP. */
int pawl_file_tree_rename(struct pawl_file_tree *tree, const char *from,
                          const char *to, unsigned flags);

/* Removes a file, a link, or an empty directory.  -ENOTEMPTY. */
int pawl_file_tree_remove(struct pawl_file_tree *tree, const char *name);

/* Makes the names in directory `name` durable; see above.  A file system that
 * cannot sync directories counts as one that need not. */
int pawl_file_tree_sync(struct pawl_file_tree *tree, const char *name);

#endif
