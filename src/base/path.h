/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.h - paths and names as text
 *
 * Nothing here asks the file system, but pawl_path_absolute for the working
 * directory.  Returned strings are the caller's to free().  Thread-safe.
 */
#ifndef PAWL_BASE_PATH_H
#define PAWL_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* `path` made absolute, without "//", "/./" and a trailing '/'.  A ".." is
 * kept: only the file system knows what it means behind a symbolic link.
 * PAWL_EINVAL (empty), PAWL_ENOMEM, PAWL_EIO. */
int pawl_path_absolute(char **out, const char *path, struct pawl_error *err);

/* What is left of `path` after `dir` and '/', or NULL when `path` does not lie
 * below `dir` or climbs with a ".." component.  Both absolute as
 * pawl_path_absolute makes them.  Points into `path`. */
const char *pawl_path_below(const char *path, const char *dir);

/* Whether a component of `path` is "..". */
bool pawl_path_climbs(const char *path);

/* "a/b"; neither may be empty.  PAWL_ENOMEM. */
int pawl_path_join(char **out, const char *dir, const char *name,
                   struct pawl_error *err);

/* Splits an absolute path into its directory and last component.  `dir_out`
 * is allocated, `*name_out` points into `path`.  PAWL_EINVAL for "/". */
int pawl_path_split(char **dir_out, const char **name_out, const char *path,
                    struct pawl_error *err);

/* 0 if `tag` can name a checkpoint (engine.h says which can), else
 * PAWL_EINVAL with the reason. */
int pawl_tag_check(const char *tag, struct pawl_error *err);

#endif
