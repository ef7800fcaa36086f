/* SPDX-License-Identifier: Apache-2.0 */
/* strmap.c - see strmap.h. */
#include "base/strmap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct pawl_strmap_slot {
    const char *key; /* NULL with a NULL value: free */
    size_t key_len;
    uint64_t hash;
    void *value;
};

static uint64_t hash_of(const struct pawl_strmap *map, const char *key,
                        size_t key_len)
{
    return XXH3_64bits_withSeed(key, key_len, map->seed);
}

/* The slot that holds the key, or the free one where it belongs.  There is
 * always a free one: at most three quarters are taken. */
static struct pawl_strmap_slot *find(const struct pawl_strmap *map,
                                     uint64_t hash, const char *key,
                                     size_t key_len)
{
    size_t mask = map->slot_count - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct pawl_strmap_slot *slot = &map->slots[i];
        if (slot->value == NULL ||
            (slot->hash == hash && slot->key_len == key_len &&
             memcmp(slot->key, key, key_len) == 0)) {
            return slot;
        }
    }
}

void *pawl_strmap_get(const struct pawl_strmap *map, const char *key,
                      size_t key_len)
{
    if (map->slot_count == 0) {
        return NULL;
    }
    return find(map, hash_of(map, key, key_len), key, key_len)->value;
}

static bool grow(struct pawl_strmap *map)
{
    struct pawl_strmap larger = *map;
    larger.slot_count = map->slot_count == 0 ? 16 : map->slot_count * 2;
    larger.slots = calloc(larger.slot_count, sizeof(*larger.slots));
    if (larger.slots == NULL) {
        return false;
    }
    if (map->slot_count == 0 &&
        getrandom(&larger.seed, sizeof(larger.seed), GRND_NONBLOCK) < 0) {
        larger.seed = (uint64_t)(uintptr_t)larger.slots;
    }
    for (size_t i = 0; i < map->slot_count; i++) {
        const struct pawl_strmap_slot *slot = &map->slots[i];
        if (slot->value != NULL) {
            *find(&larger, slot->hash, slot->key, slot->key_len) = *slot;
        }
    }
    free(map->slots);
    *map = larger;
    return true;
}

bool pawl_strmap_put(struct pawl_strmap *map, const char *key, size_t key_len,
                     void *value)
{
    if (map->count + 1 > map->slot_count / 4 * 3 && !grow(map)) {
        return false;
    }
    uint64_t hash = hash_of(map, key, key_len);
    struct pawl_strmap_slot *slot = find(map, hash, key, key_len);
    if (slot->value == NULL) {
        map->count++;
    }
    *slot = (struct pawl_strmap_slot){key, key_len, hash, value};
    return true;
}

void pawl_strmap_fini(struct pawl_strmap *map)
{
    free(map->slots);
    *map = (struct pawl_strmap){0};
}
