/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.h - copying large memory
 *
 * Thread-safe; the ranges must not overlap.
 */
#ifndef PAWL_BASE_COPY_H
#define PAWL_BASE_COPY_H

#include <stddef.h>
#include <stdint.h>

/* Copies past the caches (non-temporal stores where the processor has them):
 * for destinations that are not read again soon.  Saves reading the
 * destination first, and leaves the caller's working set in the cache. */
void pawl_copy_streaming(void *restrict dst, const void *restrict src,
                         size_t len);

/* Copies, and returns the CRC-32 of `crc` followed by what was written to
 * `dst`: the copy's bytes, not the source's, so the checksum holds for what
 * goes to the disk even if someone writes to the source meanwhile. */
uint32_t pawl_copy_crc32(uint32_t crc, void *restrict dst,
                         const void *restrict src, size_t len);

#endif
