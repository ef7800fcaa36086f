/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zip_whole.c - see zip_whole.h
 *
 *   gap | content | gap | content | ... | gap
 *
 * A gap is what is not content: header, padding, descriptor, directory and
 * ends.  Records do not overlap, as the reader saw to, so one walk through the
 * file in the order of their places covers every byte once.
 *
 * Before, without reading gaps, the writer is asked what it would put there:
 * it is given the records of the directory, and their CRCs in place of their
 * contents.
 */
#include "format/zip_whole.h"

#include "base/crc32.h"
#include "base/error.h"
#include "format/zip_internal.h"
#include "format/zip_writer.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 1 << 16 };

struct walk {
    const struct pawl_zip_reader *reader;
    uint64_t at;  /* the file up to here */
    uint32_t crc; /* has this CRC */
    uint8_t piece[PIECE_BYTES];
};

/* ---- as it is ----------------------------------------------------------- */

/* Every content has a CRC, and lies in the file as it was when that was taken.
 */
static bool is_known(const struct pawl_zip_reader *reader)
{
    for (size_t i = 0; i < pawl_zip_count(reader); i++) {
        const struct pawl_zip_record *record = pawl_zip_at(reader, i);
        if (record->method != ZIP_STORED ||
            (record->size_bytes > 0 && !pawl_zip_has_checksums(reader))) {
            return false;
        }
    }
    return true;
}

/* Reads up to `end`. */
static int cover_gap(struct walk *walk, uint64_t end, struct pawl_error *err)
{
    while (walk->at < end) {
        uint64_t left = end - walk->at;
        size_t len = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        int rc = pawl_zip_fetch(walk->reader, walk->at, walk->piece, len, err);
        if (rc < 0) {
            return rc;
        }
        walk->crc = pawl_crc32(walk->crc, walk->piece, len);
        walk->at += len;
    }
    return 0;
}

static int cover_record(struct walk *walk, const struct pawl_zip_record *record,
                        struct pawl_error *err)
{
    uint64_t content = 0;
    int rc = pawl_zip_locate(walk->reader, record, &content, err);
    if (rc == 0) {
        rc = cover_gap(walk, content, err);
    }
    if (rc < 0) {
        return pawl_zip_blame(walk->reader, record, rc, err);
    }
    walk->crc =
        pawl_crc32_combine(walk->crc, record->crc32, record->size_bytes);
    walk->at += record->size_bytes;
    return 0;
}

static int cover_file(struct walk *walk, struct pawl_error *err)
{
    const struct pawl_zip_reader *reader = walk->reader;
    struct pawl_zip_record **order = pawl_zip_in_order(reader);
    int rc = order == NULL ? pawl_fail_nomem(err) : 0;
    for (size_t i = 0; rc == 0 && i < pawl_zip_count(reader); i++) {
        rc = cover_record(walk, order[i], err);
    }
    free(order);
    return rc < 0 ? rc : cover_gap(walk, reader->source.size_bytes, err);
}

static int walk_file(uint32_t *crc, const struct pawl_zip_reader *reader,
                     struct pawl_error *err)
{
    struct walk *walk = malloc(sizeof(*walk));
    if (walk == NULL) {
        return pawl_fail_nomem(err);
    }
    walk->reader = reader;
    walk->at = 0;
    walk->crc = 0;
    int rc = cover_file(walk, err);
    *crc = walk->crc;
    free(walk);
    return rc < 0 ? rc : 1;
}

/* ---- as it would be written --------------------------------------------- */

/* Lays the records out anew; whether each came to lie where it does. */
static bool lay_out(struct pawl_zip *zip, const struct pawl_zip_reader *reader)
{
    char name[ZIP_NAME_MAX + 1];
    uint64_t limit = 0;
    for (size_t i = 0; i < pawl_zip_count(reader); i++) {
        const struct pawl_zip_record *record = pawl_zip_at(reader, i);
        if (record->header_offset != pawl_plan_offset(zip->plan) ||
            (record->size_bytes == 0 && record->crc32 != 0)) {
            return false;
        }
        memcpy(name, record->name, record->name_len);
        name[record->name_len] = '\0';
        /* Of the content the place alone matters, which nobody looks at. */
        pawl_zip_add_payload(zip, name, record, record->size_bytes);
        limit = record->end_limit;
    }
    return limit == pawl_plan_offset(zip->plan);
}

static void set_crcs(struct pawl_plan *plan,
                     const struct pawl_zip_reader *reader)
{
    uint32_t number = 0;
    for (size_t i = 0; i < pawl_zip_count(reader); i++) {
        const struct pawl_zip_record *record = pawl_zip_at(reader, i);
        if (record->size_bytes > 0) { /* as the writer counts them */
            pawl_plan_set_crc(plan, number++, record->crc32);
        }
    }
}

static uint32_t crc_of_plan(const struct pawl_plan *plan)
{
    size_t count = 0;
    const struct pawl_extent *extents = pawl_plan_extents(plan, &count);
    uint32_t crc = 0;
    for (size_t i = 0; i < count; i++) {
        const struct pawl_extent *it = &extents[i];
        crc = it->record == PAWL_NO_RECORD
                  ? pawl_crc32(crc, it->data, (size_t)it->len_bytes)
                  : pawl_crc32_combine(crc, pawl_plan_crc(plan, it->record),
                                       it->len_bytes);
    }
    return crc;
}

/* 1 if the file written anew has the same layout and CRC `wanted`, else 0. */
static int is_as_written(const struct pawl_zip_reader *reader, uint32_t wanted,
                         struct pawl_error *err)
{
    char prefix[ZIP_NAME_MAX + 1];
    size_t prefix_len = reader->prefix_len - 1; /* without the '/' */
    struct pawl_zip zip;
    struct pawl_plan *plan = pawl_plan_new();
    if (plan == NULL) {
        return pawl_fail_nomem(err);
    }
    memcpy(prefix, pawl_zip_at(reader, 0)->name - reader->prefix_len,
           prefix_len);
    prefix[prefix_len] = '\0';
    pawl_zip_init(&zip, plan, prefix, TORCH_ALIGNMENT);
    int rc = 0;
    bool is_same = lay_out(&zip, reader);
    if (is_same) {
        rc = pawl_zip_end(&zip, NULL, err);
    }
    if (is_same && rc == 0) {
        rc = pawl_plan_seal(plan, err);
    }
    if (is_same && rc == 0 &&
        pawl_plan_size(plan) == reader->source.size_bytes) {
        set_crcs(plan, reader);
        rc = crc_of_plan(plan) == wanted;
    }
    pawl_zip_fini(&zip);
    pawl_plan_free(plan);
    return rc;
}

/* ---- the call ----------------------------------------------------------- */

static int whole_crc(uint32_t *crc, const struct pawl_zip_reader *reader,
                     struct pawl_error *err)
{
    if (!is_known(reader)) {
        return 0;
    }
    int rc = is_as_written(reader, *crc, err);
    return rc != 0 ? rc : walk_file(crc, reader, err);
}

int pawl_zip_whole_crc(uint32_t *crc, const struct pawl_source *source,
                       struct pawl_error *err)
{
    struct pawl_zip_reader *reader = NULL;
    int rc = pawl_zip_reader_open(&reader, source, err);
    if (rc == 0) {
        rc = whole_crc(crc, reader, err);
    }
    pawl_zip_reader_free(reader);
    return rc;
}
