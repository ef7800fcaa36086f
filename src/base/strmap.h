/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strmap.h - a map from strings to pointers
 *
 * Open addressing, hashed by XXH3 with a seed per map, so that names chosen by
 * an attacker do not collide on purpose.  Keys are borrowed, and may hold NUL.
 * Init with {0}.  One writer, or many readers.
 */
#ifndef PAWL_BASE_STRMAP_H
#define PAWL_BASE_STRMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pawl_strmap_slot;

struct pawl_strmap {
    struct pawl_strmap_slot *slots;
    size_t slot_count; /* 0 or a power of two */
    size_t count;
    uint64_t seed;
};

/* The value of a key, or NULL. */
void *pawl_strmap_get(const struct pawl_strmap *map, const char *key,
                      size_t key_len);
/* Sets a key to a value that is not NULL; false when out of memory. */
bool pawl_strmap_put(struct pawl_strmap *map, const char *key, size_t key_len,
                     void *value);
void pawl_strmap_fini(struct pawl_strmap *map);

#endif
