/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_writer.c - see plan_writer.h
 *
 * Small extents (headers, small tensors) are gathered in one block, large ones
 * are written from where they lie, a block at a time, so that a block is still
 * in the cache when it is written after its CRC was computed.  The file's CRC
 * is combined from the extents', or for small ones computed once more, which is
 * faster.
 */
#include "engine/plan_writer.h"

#include "base/crc32.h"
#include "base/digest.h"
#include "base/error.h"
#include "engine/spare.h"

#include <stdlib.h>
#include <string.h>

struct writer {
    struct pawl_object_handle object;
    uint8_t *block; /* gathered bytes, to be written at `at` */
    size_t filled;
    size_t block_bytes;
    uint64_t at;
    uint32_t file_crc;
    struct pawl_hasher *hasher; /* NULL: no digest is asked for */
};

static int flush_block(struct writer *to, struct pawl_error *err)
{
    if (to->filled == 0) {
        return 0;
    }
    int rc = pawl_object_write(&to->object, to->at, to->block, to->filled, err);
    to->at += to->filled;
    to->filled = 0;
    return rc;
}

/* At most a block. */
static int put_piece(struct writer *to, const uint8_t *data, size_t len,
                     struct pawl_error *err)
{
    if (to->filled + len > to->block_bytes) {
        int rc = flush_block(to, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (len == to->block_bytes) {
        int rc = pawl_object_write(&to->object, to->at, data, len, err);
        to->at += len;
        return rc;
    }
    memcpy(to->block + to->filled, data, len);
    to->filled += len;
    return 0;
}

static int put_extent(struct writer *to, struct pawl_plan *plan,
                      const struct pawl_extent *extent, struct pawl_error *err)
{
    const uint8_t *data = extent->data;
    uint64_t left = extent->len_bytes;
    uint32_t crc = 0;
    while (left > 0) {
        size_t len = left < to->block_bytes ? (size_t)left : to->block_bytes;
        crc = pawl_crc32(crc, data, len);
        pawl_hasher_add(to->hasher, data, len);
        int rc = put_piece(to, data, len, err);
        if (rc < 0) {
            return rc;
        }
        data += len;
        left -= len;
    }
    if (extent->record != PAWL_NO_RECORD) {
        pawl_plan_set_crc(plan, extent->record, crc);
    }
    to->file_crc =
        extent->len_bytes >= PAWL_CRC32_COMBINE_MIN
            ? pawl_crc32_combine(to->file_crc, crc, extent->len_bytes)
            : pawl_crc32(to->file_crc, extent->data, extent->len_bytes);
    return 0;
}

/* A format may be a plugin's, so its plan is checked. */
static int put_extents(struct writer *to, struct pawl_plan *plan,
                       struct pawl_error *err)
{
    size_t count = 0;
    const struct pawl_extent *extents = pawl_plan_extents(plan, &count);
    for (size_t i = 0; i < count; i++) {
        if (extents[i].offset != to->at + to->filled) {
            return pawl_fail(err, PAWL_EBUG, 0,
                             "the format left a gap in its plan");
        }
        int rc = put_extent(to, plan, &extents[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    int rc = flush_block(to, err);
    if (rc == 0 && to->at != pawl_plan_size(plan)) {
        rc = pawl_fail(err, PAWL_EBUG, 0,
                       "the format's plan is not as long as it says");
    }
    return rc;
}

static int write_plan(struct writer *to, struct pawl_plan *plan,
                      const struct pawl_write *how, struct pawl_error *err)
{
    int rc = pawl_spare_create(how->store, how->name, 0, pawl_plan_size(plan),
                               &to->object, err);
    if (rc < 0) {
        return rc;
    }
    rc = put_extents(to, plan, err);
    if (rc < 0) {
        pawl_object_close(&to->object, false, NULL);
        return rc;
    }
    return pawl_object_close(&to->object, how->durable, err);
}

/* Takes the plan over. */
static int write_in_order(struct pawl_plan *plan, const struct pawl_write *how,
                          struct pawl_written *out, struct pawl_error *err)
{
    uint64_t start = pawl_now_ns();
    uint64_t size = pawl_plan_size(plan);
    struct writer to = {.block_bytes = size == 0 || size > how->block_bytes
                                           ? how->block_bytes
                                           : (size_t)size};
    to.block = malloc(to.block_bytes);
    to.hasher = how->digest ? pawl_hasher_new() : NULL;
    int rc = to.block == NULL || (how->digest && to.hasher == NULL)
                 ? pawl_fail_nomem(err)
                 : write_plan(&to, plan, how, err);
    *out = (struct pawl_written){
        .size_bytes = size,
        .crc32 = to.file_crc,
        .digest = pawl_hasher_digest(to.hasher),
        .times = {.write_ns = pawl_now_ns() - start},
    };
    pawl_hasher_free(to.hasher);
    free(to.block);
    pawl_plan_free(plan);
    return rc;
}

/* Takes the plan over. */
static int write_by_lane(struct pawl_plan *plan, const struct pawl_write *how,
                         struct pawl_written *out, struct pawl_error *err)
{
    struct pawl_transfer *transfer = NULL;
    int rc =
        pawl_lane_start(&transfer, how->lane, plan, how->store, how->name, err);
    if (rc == 0) {
        rc = pawl_transfer_run(transfer, how->durable, out, err);
    }
    pawl_transfer_free(transfer);
    return rc;
}

int pawl_state_plan(struct pawl_plan **out, struct pawl_state *state,
                    const struct pawl_format_ops *format, const char *base_name,
                    struct pawl_error *err)
{
    if (format->plan == NULL) {
        return pawl_fail(err, PAWL_ENOTSUP, 0, "format '%s' cannot be written",
                         format->name);
    }
    int rc = pawl_state_status(state, err);
    if (rc == 0) {
        rc = pawl_state_read_all(state, err);
    }
    return rc < 0 ? rc : format->plan(out, state, base_name, err);
}

int pawl_state_write(struct pawl_state *state, const struct pawl_write *how,
                     struct pawl_written *out, struct pawl_error *err)
{
    struct pawl_plan *plan = NULL;
    int rc = pawl_state_plan(&plan, state, how->format, how->base_name, err);
    if (rc < 0) {
        return rc;
    }
    return how->lane != NULL ? write_by_lane(plan, how, out, err)
                             : write_in_order(plan, how, out, err);
}
