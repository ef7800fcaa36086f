/* SPDX-License-Identifier: Apache-2.0 */
/* crc32.c - the zip CRC-32, by ISA-L and zlib; see crc32.h. */
#include "base/crc32.h"

#include <isa-l/crc.h>
#include <zlib.h>

uint32_t pawl_crc32(uint32_t crc, const void *data, size_t len)
{
    return len == 0 ? crc : crc32_gzip_refl(crc, data, len);
}

uint32_t pawl_crc32_combine(uint32_t crc_a, uint32_t crc_b,
                            uint64_t len_b_bytes)
{
    return (uint32_t)crc32_combine64(crc_a, crc_b, (z_off64_t)len_b_bytes);
}
