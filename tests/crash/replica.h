/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replica.h - a disk of the model, as a directory for the engine to find
 *
 * The processes that had written it are dead, and the engine must see that:
 * records of owners are changed to be of another boot, or, after a kill and
 * where the machine has no id, of a process that had our number earlier.
 */
#ifndef PAWL_TESTS_CRASH_REPLICA_H
#define PAWL_TESTS_CRASH_REPLICA_H

#include "disk_model.h"

enum replica_death { REPLICA_REBOOT, REPLICA_KILL };

/* Writes all of a settled disk below `dir`, which is there and empty. */
void replica_write(const struct disk *disk, const char *dir,
                   enum replica_death death);

/* Removes all that is below `dir`. */
void replica_clear(const char *dir);

/* All bytes of a file, NUL-terminated, or NULL if there is none; the caller
 * frees them. */
char *replica_read(const char *dir, const char *path, size_t *len);

#endif
