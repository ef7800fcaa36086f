/* SPDX-License-Identifier: Apache-2.0 */
/* store_file.h - objects are files below a directory. */
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
