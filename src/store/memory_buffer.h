/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_buffer.h - the bytes of a file that is kept in memory
 *
 * Shared by the tree that names it and by everyone who has it open: who reads
 * a file that was replaced or removed goes on reading the old bytes.  Made of
 * chunks that never move, so bytes are copied without a lock; two threads that
 * write one place, or write and read it, get what they deserve.
 *
 * Thread-safe but for that.  Errors are negative errnos.
 */
#ifndef PAWL_STORE_MEMORY_BUFFER_H
#define PAWL_STORE_MEMORY_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct pawl_memory_buffer;

/* Empty, with one reference; NULL when out of memory. */
struct pawl_memory_buffer *pawl_memory_buffer_new(void);
void pawl_memory_buffer_ref(struct pawl_memory_buffer *buffer);
/* The last one frees it.  NULL is fine. */
void pawl_memory_buffer_unref(struct pawl_memory_buffer *buffer);

uint64_t pawl_memory_buffer_size(struct pawl_memory_buffer *buffer);

/* Writes at any place; a gap reads as zeros.  -EFBIG, -ENOMEM. */
int pawl_memory_buffer_write(struct pawl_memory_buffer *buffer, uint64_t offset,
                             const void *src, size_t len_bytes);
/* Reads all of `len_bytes`, or -ENODATA if it ends before; -EFBIG. */
int pawl_memory_buffer_read(struct pawl_memory_buffer *buffer, uint64_t offset,
                            void *dst, size_t len_bytes);

#endif
