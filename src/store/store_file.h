/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_file.h - objects are files below a directory
 *
 * Nothing outside the root is ever read, written or removed: links that lead
 * out of it are refused (PAWL_EINVAL), those that stay in it too where
 * something is made, renamed or removed beyond them, and a new object takes the
 * place of a link or file of its name rather than going through it.  The root
 * itself may be a link.  It and its parents are made when the first thing is
 * put into it; modes are 0666 and 0777, less the umask.
 *
 * What is durable, and when:
 *   close(durable)   the bytes of that file, but not its name
 *   sync(D)          the names in directory D; and D itself, as well as each
 *                    directory above it that this store made or renamed and
 *                    that was not synced since, the root and its parents too
 * So a rename is durable after a sync of the directory it went to, and the
 * vanishing of the old name after a sync of the one it came from.
 *
 * Reading one file by a path that may be a link: root the store at the
 * directory that realpath(3) gives.
 */
#ifndef PAWL_STORE_STORE_FILE_H
#define PAWL_STORE_STORE_FILE_H

#include "base/io.h"
#include "store/store.h"

extern const struct pawl_store_ops pawl_store_file;

/* As pawl_store_file.make, with the system calls of `io` (borrowed until the
 * store is freed): for tests that make them fail. */
int pawl_store_file_make(struct pawl_store *out, const char *root,
                         const struct pawl_io *io, struct pawl_error *err);

#endif
