/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - see arena.h. */
#include "base/arena.h"

#include "base/pages.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 16, CHUNK_MIN = 4096, CHUNK_MAX = 16 << 20 };

struct pawl_arena_chunk {
    struct pawl_arena_chunk *older;
    size_t size; /* of all of it */
    _Alignas(ALIGN) unsigned char data[];
};

/* Chunks double up to 16 MiB, so small states stay small and large ones cost
 * few allocations. */
static size_t next_chunk_size(const struct pawl_arena *arena, size_t need)
{
    size_t size = CHUNK_MIN;
    if (arena->chunks != NULL) {
        size = arena->chunks->size * 2;
    }
    if (size > CHUNK_MAX) {
        size = CHUNK_MAX;
    }
    return size < need ? need : size;
}

static bool is_pages(size_t size)
{
    return size >= PAWL_HUGE_PAGE;
}

static void *grow(struct pawl_arena *arena, size_t need)
{
    struct pawl_arena_chunk *chunk;
    size_t size = next_chunk_size(arena, sizeof(*chunk) + need);
    chunk = is_pages(size) ? pawl_pages_map(size) : calloc(1, size);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->size = size;
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    arena->next = chunk->data + need;
    arena->left = size - sizeof(*chunk) - need;
    return chunk->data;
}

void *pawl_arena_alloc(struct pawl_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    /* At least one unit: NULL must mean that memory is out. */
    size_t need = (size / ALIGN + (size % ALIGN != 0 || size == 0)) * ALIGN;
    if (need > arena->left) {
        return grow(arena, need);
    }
    void *at = arena->next;
    arena->next += need;
    arena->left -= need;
    return at;
}

char *pawl_arena_copy(struct pawl_arena *arena, const void *src, size_t len)
{
    if (len == SIZE_MAX) {
        return NULL;
    }
    char *copy = pawl_arena_alloc(arena, len + 1);
    if (copy != NULL && len > 0) {
        memcpy(copy, src, len);
    }
    return copy;
}

void pawl_arena_fini(struct pawl_arena *arena)
{
    struct pawl_arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct pawl_arena_chunk *older = chunk->older;
        if (is_pages(chunk->size)) {
            pawl_pages_unmap(chunk, chunk->size);
        } else {
            free(chunk);
        }
        chunk = older;
    }
    *arena = (struct pawl_arena){0};
}
