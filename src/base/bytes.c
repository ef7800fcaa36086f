/* SPDX-License-Identifier: Apache-2.0 */
/* bytes.c - the growing buffer of bytes.h. */
#include "base/bytes.h"

#include <stdlib.h>

static bool reserve(struct pawl_buffer *buf, size_t extra)
{
    if (buf->failed) {
        return false;
    }
    if (extra <= buf->capacity - buf->len) {
        return true;
    }
    size_t need;
    if (__builtin_add_overflow(buf->len, extra, &need) || need > SIZE_MAX / 2) {
        buf->failed = true;
        return false;
    }
    size_t capacity = buf->capacity < 256 ? 256 : buf->capacity;
    while (capacity < need) {
        capacity *= 2;
    }
    uint8_t *data = realloc(buf->data, capacity);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

uint8_t *pawl_buffer_extend(struct pawl_buffer *buf, size_t len)
{
    if (!reserve(buf, len)) {
        return NULL;
    }
    uint8_t *at = buf->data + buf->len;
    buf->len += len;
    return at;
}

void pawl_buffer_append(struct pawl_buffer *buf, const void *src, size_t len)
{
    if (len == 0) {
        return;
    }
    uint8_t *at = pawl_buffer_extend(buf, len);
    if (at != NULL) {
        memcpy(at, src, len);
    }
}

void pawl_buffer_fini(struct pawl_buffer *buf)
{
    free(buf->data);
    *buf = (struct pawl_buffer){0};
}
