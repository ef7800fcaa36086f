/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.c - the plans of pawl/plugin.h
 *
 * While a plan is built, `bytes` may move, so container extents have no
 * pointer; they follow one another in `bytes` as they do in the list, hence
 * sealing needs no more than their lengths.
 */
#include <pawl/plugin.h>

#include "base/bytes.h"

#include <stdlib.h>

#define NO_FIXUP UINT32_MAX

struct fixup {
    size_t place;
    uint32_t next; /* of the same record */
};

struct record {
    uint32_t crc;
    uint32_t fixups; /* newest first */
    bool has_crc;
};

struct pawl_plan {
    struct pawl_buffer bytes; /* of the container */
    struct pawl_extent *extents;
    size_t extent_count;
    size_t extent_capacity;
    struct record *records;
    size_t record_count;
    size_t record_capacity;
    struct fixup *fixups;
    size_t fixup_count;
    size_t fixup_capacity;
    uint64_t size; /* of the file */
    uint32_t awaited;
    int status; /* the first failure */
    pawl_plan_finish_fn finish;
    void *finish_ctx;
};

struct pawl_plan *pawl_plan_new(void)
{
    return calloc(1, sizeof(struct pawl_plan));
}

void pawl_plan_free(struct pawl_plan *plan)
{
    if (plan == NULL) {
        return;
    }
    pawl_buffer_fini(&plan->bytes);
    free(plan->extents);
    free(plan->records);
    free(plan->fixups);
    free(plan->finish_ctx);
    free(plan);
}

const struct pawl_extent *pawl_plan_extents(const struct pawl_plan *plan,
                                            size_t *count)
{
    *count = plan->extent_count;
    return plan->extents;
}

uint64_t pawl_plan_size(const struct pawl_plan *plan)
{
    return plan->size;
}

uint32_t pawl_plan_record_count(const struct pawl_plan *plan)
{
    return (uint32_t)plan->record_count;
}

/* ---- building ---------------------------------------------------------- */

static void failed(struct pawl_plan *plan, int code)
{
    if (plan->status == 0) {
        plan->status = code;
    }
}

/* `array` with room for one entry more; NULL when out of memory. */
static void *grown(void *array, size_t count, size_t *capacity, size_t width)
{
    if (count < *capacity) {
        return array;
    }
    size_t larger = *capacity == 0 ? 16 : *capacity * 2;
    if (larger > SIZE_MAX / 2 / width) {
        return NULL;
    }
    void *moved = realloc(array, larger * width);
    if (moved != NULL) {
        *capacity = larger;
    }
    return moved;
}

/* Puts `len` bytes of the file to the last extent, or to a new one. */
static bool add_extent(struct pawl_plan *plan, const void *data, uint64_t len,
                       uint32_t record)
{
    uint64_t offset = plan->size;
    if (plan->status != 0) {
        return false;
    }
    if (!pawl_add_u64(plan->size, len, &plan->size) || plan->size > INT64_MAX) {
        failed(plan, PAWL_EINVAL);
        return false;
    }
    struct pawl_extent *last =
        plan->extent_count == 0 ? NULL : &plan->extents[plan->extent_count - 1];
    if (last != NULL && record == PAWL_NO_RECORD &&
        last->record == PAWL_NO_RECORD) {
        last->len_bytes += len;
        return true;
    }
    struct pawl_extent *extents =
        grown(plan->extents, plan->extent_count, &plan->extent_capacity,
              sizeof(*extents));
    if (extents == NULL) {
        failed(plan, PAWL_ENOMEM);
        return false;
    }
    plan->extents = extents;
    extents[plan->extent_count++] =
        (struct pawl_extent){offset, len, data, record};
    return true;
}

uint8_t *pawl_plan_extend(struct pawl_plan *plan, size_t len)
{
    uint8_t *at = pawl_buffer_extend(&plan->bytes, len);
    if (at == NULL) {
        failed(plan, PAWL_ENOMEM);
        return NULL;
    }
    return add_extent(plan, NULL, len, PAWL_NO_RECORD) ? at : NULL;
}

void pawl_plan_append(struct pawl_plan *plan, const void *src, size_t len)
{
    uint8_t *at = len == 0 ? NULL : pawl_plan_extend(plan, len);
    if (at != NULL) {
        memcpy(at, src, len);
    }
}

uint32_t pawl_plan_payload(struct pawl_plan *plan, const void *data,
                           uint64_t len_bytes)
{
    struct record *records = NULL;
    if (plan->record_count < PAWL_NO_RECORD) {
        records = grown(plan->records, plan->record_count,
                        &plan->record_capacity, sizeof(*records));
    }
    if (records == NULL) {
        failed(plan, PAWL_ENOMEM);
        return PAWL_NO_RECORD;
    }
    plan->records = records;
    uint32_t number = (uint32_t)plan->record_count;
    if (!add_extent(plan, data, len_bytes, number)) {
        return PAWL_NO_RECORD;
    }
    records[plan->record_count++] = (struct record){0, NO_FIXUP, false};
    plan->awaited++;
    return number;
}

uint64_t pawl_plan_offset(const struct pawl_plan *plan)
{
    return plan->size;
}

size_t pawl_plan_here(const struct pawl_plan *plan)
{
    return plan->bytes.len;
}

void pawl_plan_put_crc(struct pawl_plan *plan, uint32_t record, size_t place)
{
    if (record >= plan->record_count) {
        return; /* pawl_plan_payload failed */
    }
    struct fixup *fixups = NULL;
    if (plan->fixup_count < NO_FIXUP) {
        fixups = grown(plan->fixups, plan->fixup_count, &plan->fixup_capacity,
                       sizeof(*fixups));
    }
    if (fixups == NULL) {
        failed(plan, PAWL_ENOMEM);
        return;
    }
    plan->fixups = fixups;
    fixups[plan->fixup_count] =
        (struct fixup){place, plan->records[record].fixups};
    plan->records[record].fixups = (uint32_t)plan->fixup_count++;
}

void pawl_plan_on_last_crc(struct pawl_plan *plan, pawl_plan_finish_fn finish,
                           void *ctx)
{
    plan->finish = finish;
    plan->finish_ctx = ctx;
}

int pawl_plan_seal(struct pawl_plan *plan, struct pawl_error *err)
{
    if (plan->status == PAWL_ENOMEM) {
        return pawl_fail_nomem(err);
    }
    if (plan->status != 0) {
        return pawl_fail(err, plan->status, 0,
                         "the file would be larger than 2^63-1 bytes");
    }
    const uint8_t *next = plan->bytes.data;
    for (size_t i = 0; i < plan->extent_count; i++) {
        struct pawl_extent *extent = &plan->extents[i];
        if (extent->record == PAWL_NO_RECORD) {
            extent->data = next;
            next += extent->len_bytes;
        }
    }
    if (plan->awaited == 0 && plan->finish != NULL) {
        plan->finish(plan, plan->finish_ctx);
    }
    return 0;
}

/* ---- checksums --------------------------------------------------------- */

void pawl_plan_set_crc(struct pawl_plan *plan, uint32_t record, uint32_t crc32)
{
    if (record >= plan->record_count || plan->records[record].has_crc) {
        return;
    }
    struct record *it = &plan->records[record];
    it->crc = crc32;
    it->has_crc = true;
    for (uint32_t i = it->fixups; i != NO_FIXUP; i = plan->fixups[i].next) {
        put_le32(plan->bytes.data + plan->fixups[i].place, crc32);
    }
    plan->awaited--;
    if (plan->awaited == 0 && plan->finish != NULL) {
        plan->finish(plan, plan->finish_ctx);
    }
}

uint32_t pawl_plan_crc(const struct pawl_plan *plan, uint32_t record)
{
    return plan->records[record].crc;
}

uint8_t *pawl_plan_at(struct pawl_plan *plan, size_t place)
{
    return plan->bytes.data + place;
}
