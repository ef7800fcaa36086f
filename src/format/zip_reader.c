/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zip_reader.c - opening a zip file and reading its records
 *
 * A record is read from its start to its end in pieces that stay in the cache
 * until their checksum is taken.  What the caller wants goes straight to his
 * memory; what lies before and behind it goes through a small one of ours.
 */
#include "base/bytes.h"
#include "base/crc32.h"
#include "format/printable.h"
#include "format/zip_internal.h"

#include <stdlib.h>
#include <zlib.h>

enum {
    PIECE_BYTES = 1 << 20,
    SCRATCH_BYTES = 1 << 16,
    TORCH_EXTRA_MAX = 32 /* of a local header, without padding */
};

/* The part of a record that the caller wants. */
struct wanted {
    uint64_t start;
    uint64_t end;
    uint8_t *dst;
};

/* Where the bytes from `pos` on go: `len` of them at most. */
struct target {
    uint8_t *at;
    size_t len;
};

static struct target target_at(const struct wanted *wanted, uint64_t pos,
                               uint64_t size, uint8_t *scratch)
{
    uint64_t end = pos < wanted->start ? wanted->start : size;
    size_t most = SCRATCH_BYTES;
    struct target target = {scratch, 0};
    if (pos >= wanted->start && pos < wanted->end) {
        target.at = wanted->dst + (pos - wanted->start);
        end = wanted->end;
        most = PIECE_BYTES;
    }
    target.len = end - pos < most ? (size_t)(end - pos) : most;
    return target;
}

/* ---- opening ----------------------------------------------------------- */

int pawl_zip_fetch(const struct pawl_zip_reader *reader, uint64_t offset,
                   void *dst, size_t len, struct pawl_error *err)
{
    const struct pawl_source *source = &reader->source;
    if (offset > source->size_bytes || len > source->size_bytes - offset) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "the file is cut short");
    }
    if (source->memory != NULL && !source->is_mapped && len > 0) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
        memcpy(dst, (const uint8_t *)source->memory + offset, len);
        return 0;
    }
    return len == 0 ? 0 : source->read(source->ctx, offset, dst, len, err);
}

int pawl_zip_reader_open(struct pawl_zip_reader **out,
                         const struct pawl_source *source,
                         struct pawl_error *err)
{
    struct pawl_zip_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return pawl_fail_nomem(err);
    }
    reader->source = *source;
    reader->source.name = strdup(source->name != NULL ? source->name : "?");
    if (reader->source.name == NULL) {
        pawl_zip_reader_free(reader);
        return pawl_fail_nomem(err);
    }
    int rc = pawl_zip_read_directory(reader, err);
    if (rc < 0) {
        pawl_zip_blame(reader, NULL, rc, err);
        pawl_zip_reader_free(reader);
        return rc;
    }
    *out = reader;
    return 0;
}

void pawl_zip_reader_free(struct pawl_zip_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    pawl_strmap_fini(&reader->by_name);
    pawl_arena_fini(&reader->lower_case);
    free(reader->claimed);
    free(reader->records);
    free(reader->directory);
    free((void *)(uintptr_t)reader->source.name);
    free(reader);
}

size_t pawl_zip_count(const struct pawl_zip_reader *reader)
{
    return reader->record_count;
}

const struct pawl_zip_record *pawl_zip_at(const struct pawl_zip_reader *reader,
                                          size_t index)
{
    return index < reader->record_count ? &reader->records[index] : NULL;
}

const struct pawl_zip_record *
pawl_zip_find(const struct pawl_zip_reader *reader, const char *name,
              size_t name_len)
{
    struct pawl_arena scratch = {0};
    const char *lower = pawl_zip_lower(&scratch, name, name_len);
    const struct pawl_zip_record *record =
        lower == NULL ? NULL
                      : pawl_strmap_get(&reader->by_name, lower, name_len);
    pawl_arena_fini(&scratch);
    return record;
}

bool pawl_zip_claim(const struct pawl_zip_reader *reader,
                    const struct pawl_zip_record *record)
{
    bool *is_claimed = &reader->claimed[record - reader->records];
    bool is_first = !*is_claimed;
    *is_claimed = true;
    return is_first;
}

bool pawl_zip_has_checksums(const struct pawl_zip_reader *reader)
{
    return reader->has_checksums;
}

int pawl_zip_blame(const struct pawl_zip_reader *reader,
                   const struct pawl_zip_record *record, int rc,
                   struct pawl_error *err)
{
    if (rc != PAWL_EFORMAT && rc != PAWL_ECORRUPT && rc != PAWL_ENOTSUP) {
        return rc; /* of the source or of memory: not the content's fault */
    }
    if (record != NULL) {
        pawl_error_prefix(err, "record '%s'",
                          pawl_printable(record->name, record->name_len).text);
    }
    pawl_error_prefix(err, "'%s'", reader->source.name);
    return rc;
}

/* ---- reading ----------------------------------------------------------- */

int pawl_zip_locate(const struct pawl_zip_reader *reader,
                    const struct pawl_zip_record *record, uint64_t *data_offset,
                    struct pawl_error *err)
{
    uint8_t header[ZIP_LOCAL_SIZE + ZIP_NAME_MAX];
    size_t name_len = reader->prefix_len + record->name_len;
    int rc = pawl_zip_fetch(reader, record->header_offset, header,
                            ZIP_LOCAL_SIZE + name_len, err);
    if (rc < 0) {
        return rc;
    }
    if (get_le32(header) != ZIP_LOCAL_SIGNATURE ||
        (get_le16(header + 6) & ZIP_FLAGS_REFUSED) != 0 ||
        get_le16(header + 8) != record->method ||
        get_le16(header + 26) != name_len ||
        memcmp(header + ZIP_LOCAL_SIZE, record->name - reader->prefix_len,
               name_len) != 0) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "its header differs from the zip directory");
    }
    /* Opening showed that the sum without the extra field fits. */
    uint64_t start = record->header_offset + ZIP_LOCAL_SIZE + name_len +
                     get_le16(header + 28);
    if (start > record->end_limit ||
        record->stored_bytes > record->end_limit - start) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "it reaches into what follows it");
    }
    *data_offset = start;
    return 0;
}

static int read_stored(const struct pawl_zip_reader *reader,
                       const struct pawl_zip_record *record, uint64_t offset,
                       const struct wanted *wanted, uint32_t *crc,
                       struct pawl_error *err)
{
    if (!reader->has_checksums) {
        return pawl_zip_fetch(reader, offset + wanted->start, wanted->dst,
                              (size_t)(wanted->end - wanted->start), err);
    }
    uint8_t *scratch = NULL;
    if (wanted->end - wanted->start != record->size_bytes) {
        scratch = malloc(SCRATCH_BYTES);
        if (scratch == NULL) {
            return pawl_fail_nomem(err);
        }
    }
    int rc = 0;
    for (uint64_t pos = 0; pos < record->size_bytes;) {
        struct target target =
            target_at(wanted, pos, record->size_bytes, scratch);
        rc = pawl_zip_fetch(reader, offset + pos, target.at, target.len, err);
        if (rc < 0) {
            break;
        }
        *crc = pawl_crc32(*crc, target.at, target.len);
        pos += target.len;
    }
    free(scratch);
    return rc;
}

/* Deflated bytes on their way in. */
struct inflater {
    const struct pawl_zip_reader *reader;
    z_stream stream;
    uint64_t next; /* place in the file */
    uint64_t left; /* stored bytes not fetched yet */
    uint8_t in[SCRATCH_BYTES];
    uint8_t scratch[SCRATCH_BYTES];
};

/* Fills `target`; tells in `*ended` whether the stream came to its end, and in
 * `*made` how many bytes it gave. */
static int inflate_some(struct inflater *inflater, struct target target,
                        size_t *made, bool *ended, struct pawl_error *err)
{
    z_stream *stream = &inflater->stream;
    stream->next_out = target.at;
    stream->avail_out = (uInt)target.len;
    while (!*ended) {
        if (stream->avail_in == 0 && inflater->left > 0) {
            size_t len = inflater->left < SCRATCH_BYTES ? (size_t)inflater->left
                                                        : SCRATCH_BYTES;
            int rc = pawl_zip_fetch(inflater->reader, inflater->next,
                                    inflater->in, len, err);
            if (rc < 0) {
                return rc;
            }
            inflater->next += len;
            inflater->left -= len;
            stream->next_in = inflater->in;
            stream->avail_in = (uInt)len;
        }
        int zrc = inflate(stream, Z_NO_FLUSH);
        if (zrc == Z_MEM_ERROR) {
            return pawl_fail_nomem(err);
        }
        if (zrc != Z_OK && zrc != Z_STREAM_END && zrc != Z_BUF_ERROR) {
            return pawl_fail(err, PAWL_EFORMAT, 0,
                             "its compressed data is malformed");
        }
        *ended = zrc == Z_STREAM_END;
        bool starved = stream->avail_in == 0 && inflater->left == 0;
        if (stream->avail_out == 0 || (starved && zrc == Z_BUF_ERROR)) {
            break;
        }
    }
    *made = target.len - stream->avail_out;
    return 0;
}

static int inflate_all(struct inflater *inflater,
                       const struct pawl_zip_record *record,
                       const struct wanted *wanted, uint32_t *crc,
                       struct pawl_error *err)
{
    bool ended = false;
    size_t made = 0;
    for (uint64_t pos = 0; pos < record->size_bytes; pos += made) {
        struct target target =
            target_at(wanted, pos, record->size_bytes, inflater->scratch);
        int rc = inflate_some(inflater, target, &made, &ended, err);
        if (rc < 0) {
            return rc;
        }
        if (made == 0) {
            return pawl_fail(err, PAWL_EFORMAT, 0,
                             "its compressed data ends too early");
        }
        *crc = pawl_crc32(*crc, target.at, made);
    }
    /* The end of the stream may still wait to be read. */
    struct target one_more = {inflater->scratch, 1};
    int rc = inflate_some(inflater, one_more, &made, &ended, err);
    if (rc < 0) {
        return rc;
    }
    if (made != 0 || !ended || inflater->left > 0 ||
        inflater->stream.avail_in > 0) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "its compressed data is longer than its size");
    }
    return 0;
}

static int read_deflated(const struct pawl_zip_reader *reader,
                         const struct pawl_zip_record *record, uint64_t offset,
                         const struct wanted *wanted, uint32_t *crc,
                         struct pawl_error *err)
{
    struct inflater *inflater = calloc(1, sizeof(*inflater));
    if (inflater == NULL) {
        return pawl_fail_nomem(err);
    }
    inflater->reader = reader;
    inflater->next = offset;
    inflater->left = record->stored_bytes;
    int rc;
    if (inflateInit2(&inflater->stream, -MAX_WBITS) == Z_OK) {
        rc = inflate_all(inflater, record, wanted, crc, err);
        inflateEnd(&inflater->stream);
    } else {
        rc = pawl_fail_nomem(err);
    }
    free(inflater);
    return rc;
}

static int check_crc(const struct pawl_zip_reader *reader,
                     const struct pawl_zip_record *record, uint32_t crc,
                     struct pawl_error *err)
{
    if (reader->has_checksums && crc != record->crc32) {
        return pawl_fail(err, PAWL_ECORRUPT, 0,
                         "checksum mismatch (it says %08x, its bytes say %08x)",
                         record->crc32, crc);
    }
    return 0;
}

static int read_verified(const struct pawl_zip_reader *reader,
                         const struct pawl_zip_record *record,
                         const struct wanted *wanted, struct pawl_error *err)
{
    uint32_t crc = 0;
    uint64_t offset = 0;
    int rc = pawl_zip_locate(reader, record, &offset, err);
    if (rc < 0) {
        return rc;
    }
    rc = record->method == ZIP_STORED
             ? read_stored(reader, record, offset, wanted, &crc, err)
             : read_deflated(reader, record, offset, wanted, &crc, err);
    return rc < 0 ? rc : check_crc(reader, record, crc, err);
}

/* ---- in place ---------------------------------------------------------- */

static int check_in_place(const struct pawl_zip_reader *reader,
                          const struct pawl_zip_record *record, uint64_t offset,
                          struct pawl_error *err)
{
    const struct pawl_source *source = &reader->source;
    if (source->is_proven || !reader->has_checksums) {
        return 0;
    }
    uint32_t crc =
        source->checksum != NULL
            ? source->checksum(source->ctx, offset, record->size_bytes)
            : pawl_crc32(0, (const uint8_t *)source->memory + offset,
                         (size_t)record->size_bytes);
    return check_crc(reader, record, crc, err);
}

/* Tells from the directory alone where torch put the content: aligned, behind
 * the local header, and with its descriptor up to what follows.  A page of the
 * file for each header is what opening a large file would cost otherwise. */
static bool foresee(const struct pawl_zip_reader *reader,
                    const struct pawl_zip_record *record, uint64_t *offset)
{
    static const uint64_t descriptors[] = {ZIP_DESCRIPTOR_SIZE,
                                           ZIP_DESCRIPTOR64_SIZE};
    uint64_t first = record->header_offset + ZIP_LOCAL_SIZE +
                     reader->prefix_len + record->name_len;
    for (size_t i = 0; i < 2; i++) {
        uint64_t rest = record->stored_bytes + descriptors[i];
        if ((record->flags & ZIP_FLAG_DESCRIPTOR) == 0 ||
            rest > record->end_limit - first) {
            return false;
        }
        *offset = record->end_limit - rest;
        if (*offset % TORCH_ALIGNMENT == 0 &&
            *offset - first < TORCH_ALIGNMENT + TORCH_EXTRA_MAX) {
            return true;
        }
    }
    return false;
}

int pawl_zip_map(const struct pawl_zip_reader *reader,
                 const struct pawl_zip_record *record, void **out,
                 struct pawl_error *err)
{
    uint64_t offset = 0;
    *out = NULL;
    if (reader->source.memory == NULL || record->method != ZIP_STORED) {
        return 0;
    }
    bool is_foreseen =
        reader->source.is_mapped && foresee(reader, record, &offset);
    int rc = is_foreseen ? 0 : pawl_zip_locate(reader, record, &offset, err);
    if (rc == 0) {
        rc = check_in_place(reader, record, offset, err);
    }
    if (rc < 0) {
        return pawl_zip_blame(reader, record, rc, err);
    }
    *out = (uint8_t *)reader->source.memory + offset;
    return 0;
}

/* ---- reading, the call ------------------------------------------------- */

int pawl_zip_read(const struct pawl_zip_reader *reader,
                  const struct pawl_zip_record *record, uint64_t offset,
                  void *dst, size_t len, struct pawl_error *err)
{
    if (offset > record->size_bytes || len > record->size_bytes - offset) {
        return pawl_fail(err, PAWL_EINVAL, 0,
                         "a read past the end of a record");
    }
    struct wanted wanted = {offset, offset + len, dst};
    int rc = read_verified(reader, record, &wanted, err);
    return rc < 0 ? pawl_zip_blame(reader, record, rc, err) : 0;
}
