/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_comm.h - a comm of processes that see one directory
 *
 * What is given is a file, renamed to where the others look for it again and
 * again.  A process that is killed leaves what it gave, and nothing else: what
 * tests of dying ranks need, and slow enough for nothing else.
 */
#ifndef PAWL_TESTS_FILE_COMM_H
#define PAWL_TESTS_FILE_COMM_H

#include <pawl/comm.h>

/* `dir` must be there, empty, and outlive the comm. */
struct pawl_comm file_comm_new(const char *dir, uint32_t rank, uint32_t size);

#endif
