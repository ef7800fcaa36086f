/* SPDX-License-Identifier: Apache-2.0 */
/*
 * neighbour.h - a process that lives, and makes a checkpoint beside us
 *
 * Its record says that it began in 1970: age proves nothing.  Whoever recovers
 * must leave it alone.
 */
#ifndef PAWL_TESTS_CRASH_NEIGHBOUR_H
#define PAWL_TESTS_CRASH_NEIGHBOUR_H

#include <stdbool.h>

/* Starts the process; it sleeps until this one ends. */
void neighbour_start(void);

/* Puts its record and a file that it has staged into the save_dir, which is
 * made if need be. */
void neighbour_put(const char *save_dir);

/* Whether both are as they were. */
bool neighbour_is_whole(const char *save_dir);

/* Whether an entry of `.pawl/` is its. */
bool neighbour_has(const char *entry);

#endif
