/* SPDX-License-Identifier: Apache-2.0 */
/* address_map.c - see address_map.h: open addressing, at most half full. */
#include "address_map.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>

struct address_map_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

static struct address_map_slot *find(const struct address_map *map,
                                     uint64_t key)
{
    size_t at = (size_t)((key * 0x9e3779b97f4a7c15u) >> 20);
    for (;; at++) {
        struct address_map_slot *slot = &map->slots[at & (map->capacity - 1)];
        if (slot->value == NULL || slot->key == key) {
            return slot;
        }
    }
}

void *address_map_get(const struct address_map *map, uint64_t key)
{
    return map->capacity == 0 ? NULL : find(map, key)->value;
}

static int grow(struct address_map *map)
{
    struct address_map larger = *map;
    larger.capacity = map->capacity == 0 ? 64 : map->capacity * 2;
    larger.slots = PyMem_Calloc(larger.capacity, sizeof(*larger.slots));
    if (larger.slots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].value != NULL) {
            *find(&larger, map->slots[i].key) = map->slots[i];
        }
    }
    PyMem_Free(map->slots);
    *map = larger;
    return 0;
}

int address_map_put(struct address_map *map, uint64_t key, void *value)
{
    if (2 * (map->count + 1) > map->capacity && grow(map) < 0) {
        return -1;
    }
    *find(map, key) = (struct address_map_slot){key, value};
    map->count++;
    return 0;
}

void address_map_fini(struct address_map *map)
{
    PyMem_Free(map->slots);
    *map = (struct address_map){0, 0, 0};
}
