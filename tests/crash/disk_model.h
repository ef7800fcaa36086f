/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_model.h - what is on the disk, and what only seems to be
 *
 * Follows the system calls of a fault_io record and knows, of each moment,
 * what a power cut could leave:
 *
 *   a file has bytes that are durable, and writes that are not.  A sync of the
 *   file makes them durable; one that failed leaves them in doubt for ever.
 *
 *   a directory has names that are durable, and steps (a name made, removed,
 *   renamed) that are not.  A sync of the directory makes the steps durable
 *   that have a name in it, along with earlier steps on the same names. Syncing
 *   a file does nothing for its name, syncing a directory nothing for its own.
 *
 * A cut keeps any subset of the steps, in any order but that of steps on one
 * name: a step whose names are not as they were before it cannot have been.  A
 * rename or exchange is one step, in both directories or in neither.  Of the
 * writes of each file all are lost, all are kept, or each sector of 512 bytes
 * by itself.
 *
 * Aborts when out of memory, or when a call cannot have been: the model is
 * wrong then.
 */
#ifndef PAWL_TESTS_CRASH_DISK_MODEL_H
#define PAWL_TESTS_CRASH_DISK_MODEL_H

#include "fault_io.h"

struct disk;

/* An empty disk whose root is seen by the record as directory `root`. */
struct disk *disk_new(const char *root);
struct disk *disk_copy(const struct disk *disk);
void disk_free(struct disk *disk);
/* The record that comes sees it as another directory. */
void disk_set_root(struct disk *disk, const char *root);

/* Follows one call.  Whether it changed what a cut could leave. */
bool disk_apply(struct disk *disk, const struct fault_record *record);

/* What is in doubt: steps, and files with writes. */
size_t disk_step_count(const struct disk *disk);
size_t disk_dirty_count(const struct disk *disk);

enum disk_writes { DISK_LOST, DISK_KEPT, DISK_TORN };

/* How a cut turns out. */
struct disk_cut {
    const bool *steps;              /* of each step: kept */
    const enum disk_writes *writes; /* of each dirty file */
    uint64_t seed;                  /* for what is torn */
};

/* The disk after a cut; nothing on it is in doubt. */
struct disk *disk_after(const struct disk *disk, const struct disk_cut *cut);
/* The disk as programs see it; nothing on it is in doubt. */
struct disk *disk_as_seen(const struct disk *disk);

/* Two disks with the same hash have the same names and bytes, durably. */
uint64_t disk_hash(const struct disk *disk);

/* Calls `fn` with each durable name, a directory before what is in it;
 * `bytes` is NULL for a directory.  `path` is relative to the root. */
void disk_walk(const struct disk *disk,
               void (*fn)(void *ctx, const char *path,
                          const unsigned char *bytes, size_t len),
               void *ctx);

#endif
