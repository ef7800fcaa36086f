/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32.h - the CRC-32 of zip files (reflected polynomial 0xEDB88320)
 *
 * ISA-L computes it (carry-less multiplication, tens of GB/s), zlib combines
 * the CRCs of neighbouring pieces.  Thread-safe.
 */
#ifndef PAWL_BASE_CRC32_H
#define PAWL_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of what `crc` covers followed by `len` bytes at `data`; start with
 * crc 0. */
uint32_t pawl_crc32(uint32_t crc, const void *data, size_t len);

/* Below this length, computing a CRC once more is faster than combining: 50 ns
 * against 18 for 256 bytes, 84 for 4096. */
#define PAWL_CRC32_COMBINE_MIN 2048

/* The CRC of A followed by B, from their CRCs and the length of B. */
uint32_t pawl_crc32_combine(uint32_t crc_a, uint32_t crc_b,
                            uint64_t len_b_bytes);

#endif
