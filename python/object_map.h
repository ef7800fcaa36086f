/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object_map.h - what the walk already made of a Python object
 *
 * Open addressing over object addresses.  The map holds a reference to each
 * key: an object that was seen cannot die, so its address stays its identity
 * until the map is freed.  Needs the GIL.
 */
#ifndef PAWL_PYTHON_OBJECT_MAP_H
#define PAWL_PYTHON_OBJECT_MAP_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

struct object_map {
    struct object_map_slot *slots; /* capacity entries, a power of two */
    size_t capacity;
    size_t count;
};
#define OBJECT_MAP_INIT                                                        \
    {                                                                          \
        0, 0, 0                                                                \
    }

/* What was put for `key`, or NULL. */
void *object_map_get(const struct object_map *map, const PyObject *key);

/* Remembers `value` for a key that is not there yet.  0, or -1 with
 * MemoryError set. */
int object_map_put(struct object_map *map, PyObject *key, void *value);

/* Lets go of the keys. */
void object_map_fini(struct object_map *map);

#endif
