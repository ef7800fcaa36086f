/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_check.c - see snapshot_check.h
 *
 * Pieces come in any order, from several threads.  The CRC-32 of a whole is the
 * exclusive or of what each piece makes of it alone: its own CRC, carried past
 * the bytes behind it, which is combining it with the CRC 0 of their length.
 */
#include "engine/snapshot_check.h"

#include "base/crc32.h"
#include "base/error.h"

#include <stdatomic.h>
#include <stdlib.h>

struct record {
    uint64_t len_bytes;
    uint32_t expected;
    atomic_uint_least32_t copied; /* relaxed: compare comes after a lock */
};

struct pawl_snapshot_check {
    uint32_t count;
    struct record records[];
};

int pawl_snapshot_check_new(struct pawl_snapshot_check **out,
                            const struct pawl_plan *plan,
                            struct pawl_error *err)
{
    size_t extent_count = 0;
    uint32_t count = pawl_plan_record_count(plan);
    const struct pawl_extent *extents = pawl_plan_extents(plan, &extent_count);
    struct pawl_snapshot_check *check =
        calloc(1, sizeof(*check) + count * sizeof(struct record));
    if (check == NULL) {
        return pawl_fail_nomem(err);
    }
    check->count = count;
    for (size_t i = 0; i < extent_count; i++) {
        const struct pawl_extent *extent = &extents[i];
        if (extent->record < count) {
            struct record *record = &check->records[extent->record];
            record->len_bytes = extent->len_bytes;
            record->expected =
                pawl_crc32(0, extent->data, (size_t)extent->len_bytes);
        }
    }
    *out = check;
    return 0;
}

void pawl_snapshot_check_free(struct pawl_snapshot_check *check)
{
    free(check);
}

void pawl_snapshot_check_copied(struct pawl_snapshot_check *check,
                                uint32_t record, uint64_t offset,
                                const void *copy, size_t len_bytes)
{
    if (record >= check->count) {
        return; /* no payload */
    }
    struct record *of = &check->records[record];
    uint64_t behind = of->len_bytes - offset - len_bytes;
    uint32_t share =
        pawl_crc32_combine(pawl_crc32(0, copy, len_bytes), 0, behind);
    atomic_fetch_xor_explicit(&of->copied, share, memory_order_relaxed);
}

int pawl_snapshot_check_compare(const struct pawl_snapshot_check *check,
                                const char *tag, const char *path,
                                struct pawl_error *err)
{
    for (uint32_t i = 0; i < check->count; i++) {
        const struct record *record = &check->records[i];
        if (atomic_load_explicit(&record->copied, memory_order_relaxed) !=
            record->expected) {
            return pawl_fail(err, PAWL_EINVAL, 0,
                             "a tensor of '%s/%s' was changed after save and "
                             "before the fence: record 'data/%lu', of %llu "
                             "bytes, is not what it was",
                             tag, path, (unsigned long)i,
                             (unsigned long long)record->len_bytes);
        }
    }
    return 0;
}
