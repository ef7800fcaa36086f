/* SPDX-License-Identifier: Apache-2.0 */
/* address_map.h - a map from numbers, such as addresses, to pointers. */
#ifndef PAWL_PYTHON_ADDRESS_MAP_H
#define PAWL_PYTHON_ADDRESS_MAP_H

#include <stddef.h>
#include <stdint.h>

/* Init with {0}. */
struct address_map {
    struct address_map_slot *slots; /* capacity entries, a power of two */
    size_t capacity;
    size_t count;
};

/* What was put for `key`, or NULL. */
void *address_map_get(const struct address_map *map, uint64_t key);

/* Remembers `value`, not NULL, for a key that is not there yet.  0, or -1 with
 * MemoryError set. */
int address_map_put(struct address_map *map, uint64_t key, void *value);

void address_map_fini(struct address_map *map);

#endif
