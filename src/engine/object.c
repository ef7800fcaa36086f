/* SPDX-License-Identifier: Apache-2.0 */
/* object.c - see object.h. */
#include "engine/object.h"

#include "base/crc32.h"

#include <stdlib.h>

int pawl_object_get(struct pawl_store *store, const char *name,
                    size_t max_bytes, struct pawl_buffer *out,
                    struct pawl_error *err)
{
    struct pawl_object_handle object;
    uint64_t size = 0;
    int rc =
        pawl_store_open(store, name, PAWL_STORE_READ, 0, &object, &size, err);
    if (rc < 0) {
        return rc;
    }
    if (size > max_bytes) {
        rc = pawl_fail(err, PAWL_EFORMAT, 0, "'%s' is too large: %llu bytes",
                       name, (unsigned long long)size);
    } else if (size > 0) {
        uint8_t *to = pawl_buffer_extend(out, (size_t)size);
        rc = to == NULL ? pawl_fail_nomem(err)
                        : pawl_object_read(&object, 0, to, (size_t)size, err);
    }
    pawl_object_close(&object, false, NULL);
    return rc;
}

int pawl_object_put(struct pawl_store *store, const char *name,
                    const void *data, size_t len_bytes, bool durable,
                    struct pawl_error *err)
{
    struct pawl_object_handle object;
    int rc = pawl_store_open(store, name, PAWL_STORE_CREATE, len_bytes, &object,
                             NULL, err);
    if (rc < 0) {
        return rc;
    }
    if (len_bytes > 0) {
        rc = pawl_object_write(&object, 0, data, len_bytes, err);
    }
    if (rc < 0) {
        pawl_object_close(&object, false, NULL);
        return rc;
    }
    return pawl_object_close(&object, durable, err);
}

int pawl_object_exists(struct pawl_store *store, const char *name,
                       uint64_t *size_out, struct pawl_error *err)
{
    struct pawl_object_handle object;
    int rc = pawl_store_open(store, name, PAWL_STORE_READ, 0, &object, size_out,
                             err);
    if (rc < 0) {
        return rc == PAWL_ENOENT ? 0 : rc;
    }
    pawl_object_close(&object, false, NULL);
    return 1;
}

void pawl_object_advance(const struct pawl_object_listener *listener,
                         uint64_t len_bytes)
{
    if (listener != NULL) {
        listener->advance(listener->ctx, len_bytes);
    }
}

/* Block by block through `block`, which has room for one. */
static int add_all(struct pawl_object_handle *object, uint64_t size_bytes,
                   void *block, size_t block_bytes,
                   const struct pawl_object_listener *listener, uint32_t *crc,
                   struct pawl_hasher *hasher, struct pawl_error *err)
{
    int rc = 0;
    for (uint64_t at = 0; rc == 0 && at < size_bytes; at += block_bytes) {
        uint64_t left = size_bytes - at;
        size_t len = left < block_bytes ? (size_t)left : block_bytes;
        rc = pawl_object_read(object, at, block, len, err);
        if (rc == 0) {
            *crc = pawl_crc32(*crc, block, len);
            pawl_hasher_add(hasher, block, len);
            pawl_object_advance(listener, len);
        }
    }
    return rc;
}

int pawl_object_sums(struct pawl_object_handle *object, uint64_t size_bytes,
                     size_t block_bytes,
                     const struct pawl_object_listener *listener, bool digest,
                     struct pawl_sums *out, struct pawl_error *err)
{
    if (size_bytes < block_bytes) {
        block_bytes = (size_t)size_bytes;
    }
    void *block = malloc(block_bytes + 1);
    struct pawl_hasher *hasher = digest ? pawl_hasher_new() : NULL;
    uint32_t crc = 0;
    int rc = block == NULL || (digest && hasher == NULL)
                 ? pawl_fail_nomem(err)
                 : add_all(object, size_bytes, block, block_bytes, listener,
                           &crc, hasher, err);
    if (rc == 0) {
        *out = (struct pawl_sums){crc, pawl_hasher_digest(hasher)};
    }
    pawl_hasher_free(hasher);
    free(block);
    return rc;
}
