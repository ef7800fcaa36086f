/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes.h - little-endian fields, checked arithmetic, a growing buffer
 *
 * Structures on disk are packed and unpacked field by field, never cast.
 * Numbers from outside are added and multiplied with the checked functions,
 * which return false on overflow and then leave `*out` alone.
 */
#ifndef PAWL_BASE_BYTES_H
#define PAWL_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensor payload is written as it lies in memory: little-endian only"
#endif

static inline uint16_t get_le16(const void *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static inline uint32_t get_le32(const void *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static inline uint64_t get_le64(const void *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static inline void put_le16(void *at, uint16_t value)
{
    memcpy(at, &value, sizeof(value));
}

static inline void put_le32(void *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}

static inline void put_le64(void *at, uint64_t value)
{
    memcpy(at, &value, sizeof(value));
}

static inline bool pawl_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return false;
    }
    *out = sum;
    return true;
}

static inline bool pawl_mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t product;
    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *out = product;
    return true;
}

static inline bool pawl_to_size(uint64_t value, size_t *out)
{
    if (value > SIZE_MAX) {
        return false;
    }
    *out = (size_t)value;
    return true;
}

/* Bytes that grow at the end.  Appending to a buffer that failed does nothing,
 * so a writer checks `failed` once at its end.  Init with {0}; free with
 * pawl_buffer_fini. */
struct pawl_buffer {
    uint8_t *data;
    size_t len;
    size_t capacity;
    bool failed; /* out of memory */
};

void pawl_buffer_append(struct pawl_buffer *buf, const void *src, size_t len);
/* Makes room for `len` bytes and returns where to write them; NULL if failed.
 * Valid until the next call. */
uint8_t *pawl_buffer_extend(struct pawl_buffer *buf, size_t len);
void pawl_buffer_fini(struct pawl_buffer *buf);

#endif
