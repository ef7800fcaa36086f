/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.h - memory that is freed all at once
 *
 * For trees of many small nodes: no free per node, no recursion to free.
 * Init with {0}.  One thread at a time.
 */
#ifndef PAWL_BASE_ARENA_H
#define PAWL_BASE_ARENA_H

#include <stddef.h>

struct pawl_arena_chunk;

struct pawl_arena {
    struct pawl_arena_chunk *chunks; /* newest first */
    unsigned char *next;             /* free space of the newest */
    size_t left;
};

/* `size` bytes, zeroed, aligned to 16; NULL when out of memory. */
void *pawl_arena_alloc(struct pawl_arena *arena, size_t size);
/* A copy of `len` bytes with a NUL behind it. */
char *pawl_arena_copy(struct pawl_arena *arena, const void *src, size_t len);
void pawl_arena_fini(struct pawl_arena *arena);

#endif
