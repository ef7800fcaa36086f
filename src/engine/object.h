/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object.h - whole objects of a store: small texts, and the checksum of any
 */
#ifndef PAWL_ENGINE_OBJECT_H
#define PAWL_ENGINE_OBJECT_H

#include "base/bytes.h"
#include "base/digest.h"
#include "store/store.h"

/* Appends all of object `name` to `out` if it has at most `max_bytes`.
 * PAWL_EFORMAT if it has more; PAWL_ENOENT and what the store says. */
int pawl_object_get(struct pawl_store *store, const char *name,
                    size_t max_bytes, struct pawl_buffer *out,
                    struct pawl_error *err);

/* Writes an object, in place of an older one.  On failure an incomplete one
 * may be left. */
int pawl_object_put(struct pawl_store *store, const char *name,
                    const void *data, size_t len_bytes, bool durable,
                    struct pawl_error *err);

/* Whether `name` can be opened for reading: 1 or 0, or what the store says. */
int pawl_object_exists(struct pawl_store *store, const char *name,
                       uint64_t *size_out, struct pawl_error *err);

/* Who wants to know how far a long reading is. */
struct pawl_object_listener {
    /* So many bytes more were read; in the thread that reads. */
    void (*advance)(void *ctx, uint64_t len_bytes);
    void *ctx;
};
/* `listener` may be NULL: nobody does. */
void pawl_object_advance(const struct pawl_object_listener *listener,
                         uint64_t len_bytes);

/* Reads `size_bytes` of an open object, `block_bytes` at a time, and puts
 * their checksum to `*out`, and with `digest` that too.  Tells `listener`,
 * unless that is NULL, of each block that was read. */
int pawl_object_sums(struct pawl_object_handle *object, uint64_t size_bytes,
                     size_t block_bytes,
                     const struct pawl_object_listener *listener, bool digest,
                     struct pawl_sums *out, struct pawl_error *err);

#endif
