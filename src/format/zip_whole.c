/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zip_whole.c - see zip_whole.h
 *
 *   gap | content | gap | content | ... | gap
 *
 * A gap is what is not content: header, padding, descriptor, directory and
 * ends.  Records do not overlap, as the reader saw to, so one walk through the
 * file in the order of their places covers every byte once.
 */
#include "format/zip_whole.h"

#include "base/crc32.h"
#include "base/error.h"
#include "format/zip_internal.h"

#include <stdlib.h>

enum { PIECE_BYTES = 1 << 16 };

struct walk {
    const struct pawl_zip_reader *reader;
    uint64_t at;  /* the file up to here */
    uint32_t crc; /* has this CRC */
    uint8_t piece[PIECE_BYTES];
};

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

static int whole_crc(uint32_t *crc, const struct pawl_zip_reader *reader,
                     struct pawl_error *err)
{
    if (!is_known(reader)) {
        return 0;
    }
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
