/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object_map.c - a hash table from object identity to a pointer
 *
 * Linear probing, at most two thirds full, never shrinks.  Objects are aligned
 * to 16 bytes, so the low bits of an address say nothing; the multiplication
 * spreads the rest.
 */
#include "object_map.h"

#include <stdint.h>
#include <stdlib.h>

struct object_map_slot {
    PyObject *key; /* owned; NULL: free */
    void *value;
};

#define FIRST_CAPACITY 256

static size_t probe(const struct object_map *map, const PyObject *key)
{
    uint64_t hash = (uint64_t)(uintptr_t)key >> 4;
    hash *= UINT64_C(0x9E3779B97F4A7C15);
    size_t at = (size_t)(hash >> 32) & (map->capacity - 1);

    while (map->slots[at].key != NULL && map->slots[at].key != key) {
        at = (at + 1) & (map->capacity - 1);
    }
    return at;
}

void *object_map_get(const struct object_map *map, const PyObject *key)
{
    if (map->capacity == 0) {
        return NULL;
    }
    return map->slots[probe(map, key)].value;
}

static int grow(struct object_map *map)
{
    struct object_map bigger = OBJECT_MAP_INIT;
    bigger.capacity = map->capacity ? map->capacity * 2 : FIRST_CAPACITY;
    bigger.count = map->count;
    bigger.slots = calloc(bigger.capacity, sizeof(bigger.slots[0]));
    if (bigger.slots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].key != NULL) {
            bigger.slots[probe(&bigger, map->slots[i].key)] = map->slots[i];
        }
    }
    free(map->slots);
    *map = bigger;
    return 0;
}

int object_map_put(struct object_map *map, PyObject *key, void *value)
{
    if (map->count * 3 >= map->capacity * 2 && grow(map) < 0) {
        return -1;
    }
    struct object_map_slot *slot = &map->slots[probe(map, key)];
    Py_INCREF(key);
    slot->key = key;
    slot->value = value;
    map->count++;
    return 0;
}

void object_map_fini(struct object_map *map)
{
    for (size_t i = 0; i < map->capacity; i++) {
        Py_XDECREF(map->slots[i].key);
    }
    free(map->slots);
    *map = (struct object_map)OBJECT_MAP_INIT;
}
