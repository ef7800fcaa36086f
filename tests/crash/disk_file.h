/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_file.h - the bytes of a file of the model: durable, and in doubt
 *
 * See disk_model.h.  Aborts when out of memory.
 */
#ifndef PAWL_TESTS_CRASH_DISK_FILE_H
#define PAWL_TESTS_CRASH_DISK_FILE_H

#include "disk_model.h"

/* Bytes that several disks share, never changed. */
struct disk_blob {
    size_t refs;
    size_t len;
    unsigned char bytes[];
};

struct disk_change;

struct disk_file {
    struct disk_blob *durable;
    struct disk_change *changes; /* in doubt, in order */
    size_t change_count;
};

void disk_file_init(struct disk_file *file);
void disk_file_fini(struct disk_file *file);
/* With what is in doubt, or without. */
void disk_file_copy(struct disk_file *to, const struct disk_file *from,
                    bool doubts);

/* Bytes are copied. */
void disk_file_write(struct disk_file *file, uint64_t offset, const void *bytes,
                     size_t len);
void disk_file_set_length(struct disk_file *file, uint64_t len);
/* The length that programs see. */
uint64_t disk_file_seen_length(const struct disk_file *file);

/* A sync that succeeded, or failed. */
void disk_file_sync(struct disk_file *file);
void disk_file_doubt(struct disk_file *file);

/* Makes durable what of `from` a cut keeps; `file` is a copy of it. */
void disk_file_cut(struct disk_file *file, const struct disk_file *from,
                   enum disk_writes how, uint64_t seed);

#endif
