/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch.h - a directory of its own for a test
 *
 * All functions abort on failure: there is no test without a disk.
 */
#ifndef PAWL_TESTS_SCRATCH_H
#define PAWL_TESTS_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

/* A new empty directory below $TMPDIR or /tmp; give it to scratch_free. */
char *scratch_new(void);
/* Removes it with all that is in it, and frees the string. */
void scratch_free(char *dir);

/* "dir/name"; the caller frees it. */
char *scratch_path(const char *dir, const char *name);
/* Makes a file of these bytes. */
void scratch_write(const char *dir, const char *name, const void *data,
                   size_t len_bytes);
/* The whole file and its length, NUL-terminated; the caller frees it. */
char *scratch_read(const char *dir, const char *name, size_t *len_bytes);
/* Whether there is something of that name, a dangling link included. */
bool scratch_exists(const char *dir, const char *name);

/* How many descriptors this process has open. */
int scratch_fd_count(void);

/* Whether valgrind runs this test: twenty times slower, and without the newest
 * system calls. */
bool under_valgrind(void);

#endif
