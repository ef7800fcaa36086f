/* SPDX-License-Identifier: Apache-2.0 */
/* image_cache.c - see image_cache.h. */
#include "engine/image_cache.h"

#include <stdlib.h>
#include <string.h>

struct pawl_cached_image {
    struct pawl_cached_image *next;
    struct pawl_file_image *image; /* a reference */
    struct pawl_image_facts facts;
    char path[];
};

void pawl_image_cache_init(struct pawl_image_cache *cache,
                           uint64_t budget_bytes)
{
    *cache = (struct pawl_image_cache){.budget_bytes = budget_bytes};
    pthread_mutex_init(&cache->locked.lock, NULL);
}

void pawl_image_cache_fini(struct pawl_image_cache *cache)
{
    pawl_image_cache_close(cache);
    pthread_mutex_destroy(&cache->locked.lock);
}

void pawl_image_cache_open(struct pawl_image_cache *cache, uint64_t generation)
{
    pthread_mutex_lock(&cache->locked.lock);
    cache->locked.generation = generation;
    pthread_mutex_unlock(&cache->locked.lock);
}

uint64_t pawl_image_cache_generation(struct pawl_image_cache *cache)
{
    pthread_mutex_lock(&cache->locked.lock);
    uint64_t generation = cache->locked.generation;
    pthread_mutex_unlock(&cache->locked.lock);
    return generation;
}

void pawl_image_cache_close(struct pawl_image_cache *cache)
{
    pthread_mutex_lock(&cache->locked.lock);
    struct pawl_cached_image *item = cache->locked.items;
    cache->locked.items = NULL;
    cache->locked.used_bytes = 0;
    cache->locked.generation = 0;
    pthread_mutex_unlock(&cache->locked.lock);
    while (item != NULL) {
        struct pawl_cached_image *next = item->next;
        pawl_file_image_unref(item->image);
        free(item);
        item = next;
    }
}

static bool has_room_locked(const struct pawl_image_cache *cache,
                            uint64_t size_bytes)
{
    return cache->locked.generation != 0 &&
           size_bytes <= cache->budget_bytes - cache->locked.used_bytes;
}

static struct pawl_cached_image *find_locked(struct pawl_image_cache *cache,
                                             const char *path)
{
    struct pawl_cached_image *item = cache->locked.items;
    while (item != NULL && strcmp(item->path, path) != 0) {
        item = item->next;
    }
    return item;
}

bool pawl_image_cache_has_room(struct pawl_image_cache *cache,
                               uint64_t size_bytes)
{
    pthread_mutex_lock(&cache->locked.lock);
    bool has_room = has_room_locked(cache, size_bytes);
    pthread_mutex_unlock(&cache->locked.lock);
    return has_room;
}

void pawl_image_cache_put(struct pawl_image_cache *cache, const char *path,
                          struct pawl_file_image *image,
                          const struct pawl_image_facts *facts)
{
    uint64_t size = pawl_file_image_size(image);
    size_t path_size = strlen(path) + 1;
    struct pawl_cached_image *item = malloc(sizeof(*item) + path_size);
    if (item == NULL) {
        return; /* it will be read again */
    }
    item->facts = *facts;
    memcpy(item->path, path, path_size);
    pthread_mutex_lock(&cache->locked.lock);
    if (facts->generation == cache->locked.generation &&
        has_room_locked(cache, size) && find_locked(cache, path) == NULL) {
        item->image = pawl_file_image_ref(image);
        item->next = cache->locked.items;
        cache->locked.items = item;
        cache->locked.used_bytes += size;
        item = NULL;
    }
    pthread_mutex_unlock(&cache->locked.lock);
    free(item);
}

struct pawl_file_image *
pawl_image_cache_take(struct pawl_image_cache *cache, const char *path,
                      const struct pawl_image_options *options, bool *is_proven)
{
    struct pawl_file_image *image = NULL;
    bool is_given = false;
    pthread_mutex_lock(&cache->locked.lock);
    struct pawl_cached_image *item = find_locked(cache, path);
    if (item != NULL) {
        image = pawl_file_image_ref(item->image);
        *is_proven = item->facts.is_proven;
        is_given = item->facts.is_given;
        item->facts.is_given = true;
    }
    pthread_mutex_unlock(&cache->locked.lock);
    if (!is_given) {
        return image;
    }
    struct pawl_file_image *copy = NULL;
    /* Changed meanwhile, or no memory: the file is the way out of both. */
    (void)pawl_file_image_copy(&copy, image, options, NULL);
    pawl_file_image_unref(image);
    return copy;
}
