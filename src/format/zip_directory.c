/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zip_directory.c - finding and checking a zip file's central directory
 *
 * From the end of the file:
 *
 *   records ... | directory | [end64 | locator] | end | [comment]
 *
 *   end      22 bytes: "PK\5\6", this disk u16, directory's disk u16, entries
 *            on this disk u16, entries u16, directory size u32, its offset
 *            u32, comment length u16
 *   locator  20 bytes: "PK\6\7", disk u32, offset of end64 u64, disks u32
 *   end64    56 bytes or more: "PK\6\6", size of the rest u64, made by u16,
 *            needed u16, this disk u32, directory's disk u32, entries on this
 *            disk u64, entries u64, directory size u64, its offset u64
 *   entry    46 bytes: "PK\1\2", made by u16, needed u16, flags u16, method
 *            u16, time u16, date u16, crc u32, stored size u32, size u32, name
 *            length u16, extra length u16, comment length u16, disk u16,
 *            attributes u16 + u32, header offset u32; name, extra, comment
 *
 * A 32-bit field of all ones means that the true value is in end64, or in the
 * entry's zip64 extra field (id 1: size, stored size, header offset, of which
 * only those are there that the entry lacks).
 */
#include "base/bytes.h"
#include "format/printable.h"
#include "format/zip_internal.h"

#include <stdlib.h>

enum {
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR_SIZE = 20,
    TAIL_MAX = END_SIZE + 65535, /* an end with the longest comment */
    EXTRA_ZIP64 = 1,
    DEFLATE_RATIO_MAX = 1032
};

#define SIGNATURE_ENTRY 0x02014b50u
#define SIGNATURE_END 0x06054b50u
#define SIGNATURE_END64 0x06064b50u
#define SIGNATURE_LOCATOR 0x07064b50u

/* What the ends of the file say about the directory. */
struct zip_end {
    uint64_t at; /* where the ends begin: the directory lies before */
    uint64_t count;
    uint64_t size_bytes;
    uint64_t offset;
};

static int malformed(struct pawl_error *err, const char *what)
{
    return pawl_fail(err, PAWL_EFORMAT, 0, "%s", what);
}

/* ---- the ends ---------------------------------------------------------- */

static bool one_disk(uint32_t disk, uint32_t directory_disk)
{
    return disk == directory_disk && disk <= 1;
}

/* The last end record, as torch and zipfile find it. */
static int find_end(const struct pawl_zip_reader *reader, uint8_t *end,
                    uint64_t *at, struct pawl_error *err)
{
    uint64_t size = reader->source.size_bytes;
    size_t len = size < TAIL_MAX ? (size_t)size : TAIL_MAX;
    if (len < END_SIZE) {
        return malformed(err, "the file is too short for a zip file");
    }
    uint8_t *tail = malloc(len);
    if (tail == NULL) {
        return pawl_fail_nomem(err);
    }
    int rc = pawl_zip_fetch(reader, size - len, tail, len, err);
    if (rc < 0) {
        goto out;
    }
    size_t i = len - END_SIZE + 1;
    while (i > 0 && get_le32(tail + i - 1) != SIGNATURE_END) {
        i--;
    }
    if (i == 0) {
        rc = malformed(err, "the end of the zip file is missing (cut short?)");
        goto out;
    }
    memcpy(end, tail + i - 1, END_SIZE);
    *at = size - len + (i - 1);
out:
    free(tail);
    return rc;
}

/* A 32-bit (16-bit) field is the 64-bit value, or all ones. */
static bool agrees(uint64_t narrow, uint64_t all_ones, uint64_t wide)
{
    return narrow == wide || narrow == all_ones;
}

/* Takes the 64-bit values, if the file has them. */
static int apply_end64(const struct pawl_zip_reader *reader,
                       struct zip_end *end, struct pawl_error *err)
{
    uint8_t locator[LOCATOR_SIZE] = {0};
    uint8_t end64[END64_SIZE] = {0};
    if (end->at < LOCATOR_SIZE + END64_SIZE) {
        return 0;
    }
    uint64_t locator_at = end->at - LOCATOR_SIZE;
    int rc = pawl_zip_fetch(reader, locator_at, locator, LOCATOR_SIZE, err);
    if (rc < 0 || get_le32(locator) != SIGNATURE_LOCATOR) {
        return rc;
    }
    uint64_t at = get_le64(locator + 8);
    if (at > locator_at - END64_SIZE) {
        return malformed(err, "the zip64 end lies outside the file");
    }
    rc = pawl_zip_fetch(reader, at, end64, END64_SIZE, err);
    if (rc < 0) {
        return rc;
    }
    uint64_t rest = get_le64(end64 + 4);
    if (get_le32(end64) != SIGNATURE_END64 || rest < END64_SIZE - 12 ||
        rest > locator_at - at - 12) {
        return malformed(err, "the zip64 end is malformed");
    }
    if (!one_disk(get_le32(end64 + 16), get_le32(end64 + 20)) ||
        get_le64(end64 + 24) != get_le64(end64 + 32)) {
        return pawl_fail(err, PAWL_ENOTSUP, 0, "a zip file of several disks");
    }
    struct zip_end wide = {at, get_le64(end64 + 32), get_le64(end64 + 40),
                           get_le64(end64 + 48)};
    if (!agrees(end->count, UINT16_MAX, wide.count) ||
        !agrees(end->size_bytes, UINT32_MAX, wide.size_bytes) ||
        !agrees(end->offset, UINT32_MAX, wide.offset)) {
        return malformed(err, "the zip end and the zip64 end disagree");
    }
    *end = wide;
    return 0;
}

static int read_end(const struct pawl_zip_reader *reader, struct zip_end *end,
                    struct pawl_error *err)
{
    uint8_t raw[END_SIZE] = {0};
    int rc = find_end(reader, raw, &end->at, err);
    if (rc < 0) {
        return rc;
    }
    if (!one_disk(get_le16(raw + 4), get_le16(raw + 6)) ||
        get_le16(raw + 8) != get_le16(raw + 10)) {
        return pawl_fail(err, PAWL_ENOTSUP, 0, "a zip file of several disks");
    }
    end->count = get_le16(raw + 10);
    end->size_bytes = get_le32(raw + 12);
    end->offset = get_le32(raw + 16);
    rc = apply_end64(reader, end, err);
    if (rc < 0) {
        return rc;
    }
    uint64_t stop;
    if (!pawl_add_u64(end->offset, end->size_bytes, &stop) || stop > end->at) {
        return malformed(err, "the zip directory lies outside the file");
    }
    if (end->count == 0) {
        return malformed(err, "the zip file is empty");
    }
    if (end->count > end->size_bytes / ZIP_CENTRAL_SIZE) {
        return malformed(err, "the zip directory is too short for its entries");
    }
    return 0;
}

/* ---- entries ----------------------------------------------------------- */

/* The next 64-bit value of a zip64 extra field, for a narrow one that is all
 * ones; false when the field is too short. */
static bool widen(uint64_t *value, const uint8_t **at, const uint8_t *end)
{
    if (*value != UINT32_MAX) {
        return true;
    }
    if (end - *at < 8) {
        return false;
    }
    *value = get_le64(*at);
    *at += 8;
    return true;
}

/* Walks the extra fields for the zip64 one. */
static int apply_zip64_extra(struct pawl_zip_record *record,
                             const uint8_t *extra, size_t len,
                             struct pawl_error *err)
{
    while (len >= 4) {
        size_t field_len = get_le16(extra + 2);
        if (field_len > len - 4) {
            return malformed(err, "an extra field is malformed");
        }
        const uint8_t *at = extra + 4;
        const uint8_t *end = at + field_len;
        if (get_le16(extra) == EXTRA_ZIP64) {
            if (!widen(&record->size_bytes, &at, end) ||
                !widen(&record->stored_bytes, &at, end) ||
                !widen(&record->header_offset, &at, end)) {
                return malformed(err, "a zip64 extra field is too short");
            }
            return 0;
        }
        extra = end;
        len -= 4 + field_len;
    }
    return 0;
}

static int check_method(const struct pawl_zip_record *record,
                        struct pawl_error *err)
{
    if ((record->flags & ZIP_FLAGS_REFUSED) != 0) {
        return pawl_fail(err, PAWL_ENOTSUP, 0, "the record is encrypted");
    }
    uint64_t most;
    switch (record->method) {
    case ZIP_STORED:
        if (record->stored_bytes != record->size_bytes) {
            return malformed(err, "the two sizes of a stored record differ");
        }
        return 0;
    case ZIP_DEFLATED:
        if (pawl_mul_u64(record->stored_bytes, DEFLATE_RATIO_MAX, &most) &&
            record->size_bytes > most) {
            return malformed(err,
                             "the record cannot be as large as it says it is");
        }
        return 0;
    default:
        return pawl_fail(err, PAWL_ENOTSUP, 0, "zip compression method %u",
                         record->method);
    }
}

/* The fixed part of an entry and its extra field. */
static int parse_fields(struct pawl_zip_record *record, const uint8_t *entry,
                        struct pawl_error *err)
{
    size_t name_len = get_le16(entry + 28);
    record->flags = get_le16(entry + 8);
    record->method = get_le16(entry + 10);
    record->crc32 = get_le32(entry + 16);
    record->stored_bytes = get_le32(entry + 20);
    record->size_bytes = get_le32(entry + 24);
    record->header_offset = get_le32(entry + 42);
    int rc = apply_zip64_extra(record, entry + ZIP_CENTRAL_SIZE + name_len,
                               get_le16(entry + 30), err);
    if (rc < 0) {
        return rc;
    }
    if (get_le16(entry + 34) > 1) {
        return pawl_fail(err, PAWL_ENOTSUP, 0, "a record on another disk");
    }
    return check_method(record, err);
}

/* "PREFIX/" of the first entry, with which all others must begin. */
static int check_prefix(struct pawl_zip_reader *reader, const char *name,
                        size_t len, struct pawl_error *err)
{
    if (reader->prefix_len == 0) {
        const char *slash = memchr(name, '/', len);
        if (slash == NULL) {
            return malformed(err, "a record that lies in no folder");
        }
        reader->prefix_len = (size_t)(slash - name) + 1;
        return 0;
    }
    const char *first = reader->records[0].name - reader->prefix_len;
    if (len < reader->prefix_len ||
        memcmp(name, first, reader->prefix_len) != 0) {
        return malformed(err,
                         "a record that lies not in the folder of the first");
    }
    return 0;
}

/* Parses the entry at `*at`, which it moves behind it. */
static int parse_entry(struct pawl_zip_reader *reader,
                       struct pawl_zip_record *record, const uint8_t **at,
                       const uint8_t *end, struct pawl_error *err)
{
    const uint8_t *entry = *at;
    if (end - entry < ZIP_CENTRAL_SIZE || get_le32(entry) != SIGNATURE_ENTRY) {
        return malformed(err, "the zip directory is malformed");
    }
    size_t name_len = get_le16(entry + 28);
    size_t len = (size_t)ZIP_CENTRAL_SIZE + name_len + get_le16(entry + 30) +
                 get_le16(entry + 32);
    if (len > (size_t)(end - entry)) {
        return malformed(err, "the zip directory is cut short");
    }
    const char *name = (const char *)entry + ZIP_CENTRAL_SIZE;
    if (name_len > ZIP_NAME_MAX || memchr(name, '\0', name_len) != NULL) {
        return malformed(err, "the name of a record is malformed");
    }
    int rc = check_prefix(reader, name, name_len, err);
    if (rc < 0) {
        goto fail;
    }
    record->name = name + reader->prefix_len;
    record->name_len = name_len - reader->prefix_len;
    rc = parse_fields(record, entry, err);
    if (rc < 0) {
        goto fail;
    }
    *at = entry + len;
    return 0;
fail:
    pawl_error_prefix(err, "record '%s'", pawl_printable(name, name_len).text);
    return rc;
}

/* ---- names ------------------------------------------------------------- */

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

const char *pawl_zip_lower(struct pawl_arena *arena, const char *name,
                           size_t len)
{
    size_t i = 0;
    while (i < len && !is_upper(name[i])) {
        i++;
    }
    if (i == len) {
        return name;
    }
    char *lower = pawl_arena_copy(arena, name, len);
    for (; lower != NULL && i < len; i++) {
        if (is_upper(lower[i])) {
            lower[i] = (char)(lower[i] - 'A' + 'a');
        }
    }
    return lower;
}

static int add_name(struct pawl_zip_reader *reader,
                    struct pawl_zip_record *record, struct pawl_error *err)
{
    const char *lower =
        pawl_zip_lower(&reader->lower_case, record->name, record->name_len);
    if (lower == NULL) {
        return pawl_fail_nomem(err);
    }
    if (pawl_strmap_get(&reader->by_name, lower, record->name_len) != NULL) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "record '%s': two records of that name",
                         pawl_printable(record->name, record->name_len).text);
    }
    if (!pawl_strmap_put(&reader->by_name, lower, record->name_len, record)) {
        return pawl_fail_nomem(err);
    }
    return 0;
}

/* ---- places ------------------------------------------------------------ */

static int by_offset(const void *a, const void *b)
{
    const struct pawl_zip_record *const *left = a;
    const struct pawl_zip_record *const *right = b;
    uint64_t x = (*left)->header_offset;
    uint64_t y = (*right)->header_offset;
    return (x > y) - (x < y);
}

/* The least that a record takes must end before the next begins.  That its
 * local header is no longer than room allows is seen when it is read. */
static int check_room(const struct pawl_zip_reader *reader,
                      struct pawl_zip_record *record, uint64_t limit,
                      struct pawl_error *err)
{
    uint64_t end;
    uint64_t header = ZIP_LOCAL_SIZE + reader->prefix_len + record->name_len;
    record->end_limit = limit;
    if (!pawl_add_u64(record->header_offset, header, &end) ||
        !pawl_add_u64(end, record->stored_bytes, &end) || end > limit) {
        return pawl_fail(
            err, PAWL_EFORMAT, 0,
            "record '%s': it reaches into what follows it or past the file",
            pawl_printable(record->name, record->name_len).text);
    }
    return 0;
}

struct pawl_zip_record **pawl_zip_in_order(const struct pawl_zip_reader *reader)
{
    size_t count = reader->record_count;
    struct pawl_zip_record **order =
        calloc(count, sizeof(struct pawl_zip_record *));
    bool sorted = true;
    for (size_t i = 0; order != NULL && i < count; i++) {
        order[i] = &reader->records[i];
        sorted = sorted && (i == 0 || by_offset(&order[i - 1], &order[i]) < 0);
    }
    if (!sorted) {
        qsort(order, count, sizeof(*order), by_offset);
    }
    return order;
}

static int check_places(struct pawl_zip_reader *reader,
                        uint64_t directory_offset, struct pawl_error *err)
{
    size_t count = reader->record_count;
    struct pawl_zip_record **order = pawl_zip_in_order(reader);
    if (order == NULL) {
        return pawl_fail_nomem(err);
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        uint64_t limit =
            i + 1 < count ? order[i + 1]->header_offset : directory_offset;
        rc = check_room(reader, order[i], limit, err);
    }
    free(order);
    return rc;
}

/* ---- the whole --------------------------------------------------------- */

static int parse_directory(struct pawl_zip_reader *reader, size_t len,
                           struct pawl_error *err)
{
    const uint8_t *at = reader->directory;
    const uint8_t *end = at + len;
    for (size_t i = 0; i < reader->record_count; i++) {
        struct pawl_zip_record *record = &reader->records[i];
        int rc = parse_entry(reader, record, &at, end, err);
        if (rc == 0) {
            rc = add_name(reader, record, err);
        }
        if (rc < 0) {
            return rc;
        }
        if (record->size_bytes > 0 && record->crc32 != 0) {
            reader->has_checksums = true;
        }
    }
    if (at != end) {
        return malformed(err, "the zip directory is longer than its entries");
    }
    return 0;
}

int pawl_zip_read_directory(struct pawl_zip_reader *reader,
                            struct pawl_error *err)
{
    struct zip_end end = {0};
    size_t len = 0;
    size_t count = 0;
    int rc = read_end(reader, &end, err);
    if (rc < 0) {
        return rc;
    }
    if (!pawl_to_size(end.size_bytes, &len) ||
        !pawl_to_size(end.count, &count)) {
        return pawl_fail_nomem(err);
    }
    reader->directory = malloc(len);
    reader->records = calloc(count, sizeof(*reader->records));
    reader->claimed = calloc(count, sizeof(*reader->claimed));
    if (reader->directory == NULL || reader->records == NULL ||
        reader->claimed == NULL) {
        return pawl_fail_nomem(err);
    }
    reader->record_count = count;
    rc = pawl_zip_fetch(reader, end.offset, reader->directory, len, err);
    if (rc == 0) {
        rc = parse_directory(reader, len, err);
    }
    return rc < 0 ? rc : check_places(reader, end.offset, err);
}
