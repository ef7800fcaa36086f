/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_name.h - which names a store takes, and how its messages show them
 *
 * The same for every store of ours.  Pure text; thread-safe.
 */
#ifndef PAWL_STORE_STORE_NAME_H
#define PAWL_STORE_STORE_NAME_H

#include <stdbool.h>

#include "base/error.h"

#define PAWL_STORE_COMPONENT_MAX 255

/* 0 if `name` is a relative path of components that are neither empty, "." nor
 * ".." and have at most 255 bytes; "" too if `root_too`.  Else PAWL_EINVAL
 * with the name and the reason. */
int pawl_store_name_check(const char *name, bool root_too,
                          struct pawl_error *err);

/* 0 if both are good names and neither lies in the other; else PAWL_EINVAL. */
int pawl_store_rename_check(const char *from, const char *to,
                            struct pawl_error *err);

/* "cannot VERB 'root/name': cause", from a negative errno; returns the code.
 * `name` may be "". */
int pawl_store_fail(struct pawl_error *err, int rc, const char *verb,
                    const char *root, const char *name);
/* "cannot rename 'root/from' to 'root/to': cause" */
int pawl_store_fail_rename(struct pawl_error *err, int rc, const char *root,
                           const char *from, const char *to);

#endif
