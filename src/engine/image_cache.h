/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_cache.h - the files of an open checkpoint that were read already
 *
 * The open verifies every file, and DeepSpeed loads the model's twice and
 * more: within a budget of bytes an image that was read is kept until the
 * checkpoint is closed.
 *
 * No two loads share memory.  The first one gets the image itself, at no cost,
 * so its user may write to what is kept here; a later one gets a copy, if its
 * checksums show that nobody did, and reads the file anew otherwise.
 *
 * Thread-safe; the lock is not held while bytes are copied.
 */
#ifndef PAWL_ENGINE_IMAGE_CACHE_H
#define PAWL_ENGINE_IMAGE_CACHE_H

#include "engine/file_image.h"

#include <pthread.h>

struct pawl_cached_image;

struct pawl_image_cache {
    uint64_t budget_bytes;
    struct {
        pthread_mutex_t lock;
        struct pawl_cached_image *items; /* newest first */
        uint64_t used_bytes;
        uint64_t generation; /* of the open; 0: none, nothing is kept */
    } locked;
};

void pawl_image_cache_init(struct pawl_image_cache *cache,
                           uint64_t budget_bytes);
void pawl_image_cache_fini(struct pawl_image_cache *cache);

/* Keeps from now on what it is given, if that was read since: `generation` is
 * not 0 and no other's. */
void pawl_image_cache_open(struct pawl_image_cache *cache, uint64_t generation);
/* Lets go of all, and keeps nothing more. */
void pawl_image_cache_close(struct pawl_image_cache *cache);

/* That of the open checkpoint, or 0. */
uint64_t pawl_image_cache_generation(struct pawl_image_cache *cache);

/* Whether an image of that size would be kept. */
bool pawl_image_cache_has_room(struct pawl_image_cache *cache,
                               uint64_t size_bytes);

struct pawl_image_facts {
    uint64_t generation; /* when the reading began */
    bool is_proven;      /* compared with its checksum */
    bool is_given;       /* a load has it, and its user may write to it */
};
/* Keeps a reference of the image of `path`, if there is room, no other is kept
 * and the checkpoint is still open. */
void pawl_image_cache_put(struct pawl_image_cache *cache, const char *path,
                          struct pawl_file_image *image,
                          const struct pawl_image_facts *facts);

/* A reference to an image that nobody else will get, or NULL: then it has to
 * be read. */
struct pawl_file_image *
pawl_image_cache_take(struct pawl_image_cache *cache, const char *path,
                      const struct pawl_image_options *options,
                      bool *is_proven);

#endif
