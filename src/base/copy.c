/* SPDX-License-Identifier: Apache-2.0 */
/* copy.c - see copy.h. */
#include "base/copy.h"

#include "base/crc32.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    LINE = 64,
    STREAM_MIN = 4096,   /* below, a plain copy is faster */
    CRC_CHUNK = 64 << 10 /* stays in the second-level cache */
};

#ifdef __SSE2__
static void stream_lines(unsigned char *restrict dst,
                         const unsigned char *restrict src, size_t lines)
{
    for (size_t i = 0; i < lines; i++, dst += LINE, src += LINE) {
        __m128i a = _mm_loadu_si128((const void *)src);
        __m128i b = _mm_loadu_si128((const void *)(src + 16));
        __m128i c = _mm_loadu_si128((const void *)(src + 32));
        __m128i d = _mm_loadu_si128((const void *)(src + 48));
        _mm_stream_si128((void *)dst, a);
        _mm_stream_si128((void *)(dst + 16), b);
        _mm_stream_si128((void *)(dst + 32), c);
        _mm_stream_si128((void *)(dst + 48), d);
    }
    _mm_sfence(); /* before another thread is told that the copy is there */
}
#endif

void pawl_copy_streaming(void *restrict dst, const void *restrict src,
                         size_t len)
{
#ifdef __SSE2__
    unsigned char *to = dst;
    const unsigned char *from = src;
    if (len >= STREAM_MIN) {
        size_t head = (size_t)(-(uintptr_t)to % LINE);
        memcpy(to, from, head);
        size_t lines = (len - head) / LINE;
        stream_lines(to + head, from + head, lines);
        size_t done = head + lines * LINE;
        memcpy(to + done, from + done, len - done);
        return;
    }
#endif
    memcpy(dst, src, len);
}

uint32_t pawl_copy_crc32(uint32_t crc, void *restrict dst,
                         const void *restrict src, size_t len)
{
    unsigned char *to = dst;
    const unsigned char *from = src;
    while (len > 0) {
        size_t chunk = len < CRC_CHUNK ? len : CRC_CHUNK;
        memcpy(to, from, chunk);
        crc = pawl_crc32(crc, to, chunk);
        to += chunk;
        from += chunk;
        len -= chunk;
    }
    return crc;
}
