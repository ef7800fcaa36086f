/* SPDX-License-Identifier: Apache-2.0 */
/* plan_file.c - see plan_file.h. */
#include "plan_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "plan_file: %s\n", what);
        abort();
    }
}

unsigned char *plan_file_bytes(struct pawl_plan *plan, size_t *len_bytes)
{
    size_t count = 0;
    uint64_t offset = 0;
    uint32_t records = 0;
    const struct pawl_extent *extents = pawl_plan_extents(plan, &count);
    size_t size = (size_t)pawl_plan_size(plan);
    unsigned char *bytes = malloc(size + 1);
    must(bytes != NULL, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const struct pawl_extent *e = &extents[i];
        must(e->offset == offset && e->len_bytes > 0, "a gap");
        offset += e->len_bytes;
        must(offset <= size, "extents beyond the size");
        memcpy(bytes + e->offset, e->data, (size_t)e->len_bytes);
        if (e->record != PAWL_NO_RECORD) {
            must(e->record == records++, "records out of order");
            uLong crc = crc32_z(0, e->data, (size_t)e->len_bytes);
            pawl_plan_set_crc(plan, e->record, (uint32_t)crc);
        } else {
            must(i == 0 || extents[i - 1].record != PAWL_NO_RECORD,
                 "two container extents in a row");
        }
    }
    must(offset == size, "a size that is not the extents'");
    must(records == pawl_plan_record_count(plan), "a wrong record count");
    *len_bytes = size;
    return bytes;
}
