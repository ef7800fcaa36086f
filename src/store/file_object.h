/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_object.h - an open file, with a way past the page cache
 *
 * A file opened for direct transfers has a second descriptor with O_DIRECT.
 * What is aligned (address, offset and length to 4096 bytes, or the aligned
 * front of a transfer) goes through it, the rest through the page cache; the
 * two never touch the same page in one transfer.  Where the file system
 * refuses O_DIRECT (tmpfs, some on the network) all goes through the cache;
 * so does a read of what is there already, which is faster than the disk.
 *
 * Functions return 0 or -errno, as base/io.h.  read and write are safe from
 * several threads on different ranges.
 */
#ifndef PAWL_STORE_FILE_OBJECT_H
#define PAWL_STORE_FILE_OBJECT_H

#include "base/io.h"

#include <stdatomic.h>

struct pawl_file_object {
    const struct pawl_io *io;
    int fd;
    int direct_fd; /* -1: none */
    bool is_written;
    bool cut;                 /* at the end of what was written, on close */
    atomic_bool direct_fails; /* once refused, not asked again */
    atomic_uint_fast64_t end; /* of what was written */
};

/* Takes `fd` over.  `flags` of O_DIRECT asks for the second descriptor. */
void pawl_file_object_init(struct pawl_file_object *object,
                           const struct pawl_io *io, int fd, bool is_written,
                           bool direct);

/* Reserves room for `size_bytes` (0: nothing) to come.  -ENOSPC, -EDQUOT,
 * -EFBIG; what else goes wrong is left to the writes. */
int pawl_file_object_reserve(struct pawl_file_object *object,
                             uint64_t size_bytes);

int pawl_file_object_read(struct pawl_file_object *object, uint64_t offset,
                          void *dst, size_t len_bytes);
/* Maps its first bytes for the caller alone: writable, and nothing that is
 * written reaches the file.  Outlives the object; unmapped by munmap. */
int pawl_file_object_map(const struct pawl_file_object *object,
                         size_t size_bytes, void **out);
int pawl_file_object_write(struct pawl_file_object *object, uint64_t offset,
                           const void *src, size_t len_bytes);

/* Cuts the file if need be and, if `durable`, syncs its bytes. */
int pawl_file_object_finish(struct pawl_file_object *object, bool durable);
/* Closes; to be called whatever happened before. */
int pawl_file_object_close(struct pawl_file_object *object);

#endif
