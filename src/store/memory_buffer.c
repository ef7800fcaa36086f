/* SPDX-License-Identifier: Apache-2.0 */
/* memory_buffer.c - see memory_buffer.h. */
#include "store/memory_buffer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum { CHUNK = 256 * 1024 };

struct pawl_memory_buffer {
    struct {
        pthread_mutex_t lock;
        size_t refs;
        uint64_t size_bytes;
        unsigned char **chunks; /* NULL ones are zeros */
        size_t chunk_count;
    } locked;
};

struct pawl_memory_buffer *pawl_memory_buffer_new(void)
{
    struct pawl_memory_buffer *buffer = calloc(1, sizeof(*buffer));
    if (buffer != NULL) {
        pthread_mutex_init(&buffer->locked.lock, NULL);
        buffer->locked.refs = 1;
    }
    return buffer;
}

static void lock(struct pawl_memory_buffer *buffer)
{
    pthread_mutex_lock(&buffer->locked.lock);
}

static void unlock(struct pawl_memory_buffer *buffer)
{
    pthread_mutex_unlock(&buffer->locked.lock);
}

void pawl_memory_buffer_ref(struct pawl_memory_buffer *buffer)
{
    lock(buffer);
    buffer->locked.refs++;
    unlock(buffer);
}

static void buffer_free(struct pawl_memory_buffer *buffer)
{
    for (size_t i = 0; i < buffer->locked.chunk_count; i++) {
        free(buffer->locked.chunks[i]);
    }
    free(buffer->locked.chunks);
    pthread_mutex_destroy(&buffer->locked.lock);
    free(buffer);
}

void pawl_memory_buffer_unref(struct pawl_memory_buffer *buffer)
{
    if (buffer == NULL) {
        return;
    }
    lock(buffer);
    size_t refs = --buffer->locked.refs;
    unlock(buffer);
    if (refs == 0) {
        buffer_free(buffer);
    }
}

uint64_t pawl_memory_buffer_size(struct pawl_memory_buffer *buffer)
{
    lock(buffer);
    uint64_t size_bytes = buffer->locked.size_bytes;
    unlock(buffer);
    return size_bytes;
}

/* ---- chunks ------------------------------------------------------------ */

static int grow_locked(struct pawl_memory_buffer *buffer, size_t need)
{
    size_t old_count = buffer->locked.chunk_count;
    size_t count = old_count * 2 < need ? need : old_count * 2;
    if (count > SIZE_MAX / sizeof(unsigned char *)) {
        return -ENOMEM;
    }
    unsigned char **chunks =
        realloc(buffer->locked.chunks, count * sizeof(*chunks));
    if (chunks == NULL) {
        return -ENOMEM;
    }
    memset(chunks + old_count, 0, (count - old_count) * sizeof(*chunks));
    buffer->locked.chunks = chunks;
    buffer->locked.chunk_count = count;
    return 0;
}

/* Puts the chunk that `offset` lies in to `*out`, making it if need be. */
static int chunk_to_write(struct pawl_memory_buffer *buffer, uint64_t offset,
                          unsigned char **out)
{
    size_t index = (size_t)(offset / CHUNK);
    int rc = 0;
    lock(buffer);
    if (index >= buffer->locked.chunk_count) {
        rc = grow_locked(buffer, index + 1);
    }
    if (rc == 0 && buffer->locked.chunks[index] == NULL) {
        buffer->locked.chunks[index] = calloc(1, CHUNK);
        rc = buffer->locked.chunks[index] == NULL ? -ENOMEM : 0;
    }
    if (rc == 0) {
        *out = buffer->locked.chunks[index];
    }
    unlock(buffer);
    return rc;
}

/* The chunk that `offset` lies in; NULL: zeros. */
static const unsigned char *chunk_to_read(struct pawl_memory_buffer *buffer,
                                          uint64_t offset)
{
    size_t index = (size_t)(offset / CHUNK);
    const unsigned char *chunk = NULL;
    lock(buffer);
    if (index < buffer->locked.chunk_count) {
        chunk = buffer->locked.chunks[index];
    }
    unlock(buffer);
    return chunk;
}

/* How much of [offset, offset + len) lies in its first chunk. */
static size_t in_chunk(uint64_t offset, size_t len_bytes)
{
    size_t room = CHUNK - (size_t)(offset % CHUNK);
    return len_bytes < room ? len_bytes : room;
}

/* ---- copying ----------------------------------------------------------- */

static bool in_range(uint64_t offset, size_t len_bytes, uint64_t *end)
{
    return pawl_add_u64(offset, len_bytes, end) && *end <= INT64_MAX;
}

int pawl_memory_buffer_write(struct pawl_memory_buffer *buffer, uint64_t offset,
                             const void *src, size_t len_bytes)
{
    uint64_t end;
    if (!in_range(offset, len_bytes, &end)) {
        return -EFBIG;
    }
    if (len_bytes == 0) {
        return 0;
    }
    const unsigned char *from = src;
    while (offset < end) {
        unsigned char *chunk = NULL;
        int rc = chunk_to_write(buffer, offset, &chunk);
        if (rc < 0) {
            return rc;
        }
        size_t part = in_chunk(offset, (size_t)(end - offset));
        memcpy(chunk + offset % CHUNK, from, part);
        from += part;
        offset += part;
    }
    lock(buffer);
    if (end > buffer->locked.size_bytes) {
        buffer->locked.size_bytes = end;
    }
    unlock(buffer);
    return 0;
}

int pawl_memory_buffer_read(struct pawl_memory_buffer *buffer, uint64_t offset,
                            void *dst, size_t len_bytes)
{
    uint64_t end;
    if (!in_range(offset, len_bytes, &end)) {
        return -EFBIG;
    }
    if (len_bytes == 0) {
        return 0;
    }
    if (end > pawl_memory_buffer_size(buffer)) {
        return -ENODATA;
    }
    unsigned char *to = dst;
    while (offset < end) {
        size_t part = in_chunk(offset, (size_t)(end - offset));
        const unsigned char *chunk = chunk_to_read(buffer, offset);
        if (chunk != NULL) {
            memcpy(to, chunk + offset % CHUNK, part);
        } else {
            memset(to, 0, part);
        }
        to += part;
        offset += part;
    }
    return 0;
}
