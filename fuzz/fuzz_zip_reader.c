/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_zip_reader.c - any bytes as a zip file
 *
 * Whatever can be opened is read, record by record, whole and in part.  The
 * checksum of a record that was read must be that of its content, and that of
 * the whole file, if the directory tells it, that of its bytes.
 */
#include "format/zip_reader.h"
#include "format/zip_whole.h"

#include <stdlib.h>

#include "base/crc32.h"
#include "fuzz_target.h"

/* Together: overlapping records are refused, but deflate still gives 1032
 * bytes for one. */
enum { CONTENT_MAX = 1 << 24 };

/* Whether it was read, whole. */
static bool read_record(const struct pawl_zip_reader *reader,
                        const struct pawl_zip_record *record)
{
    struct pawl_error err;
    size_t len = (size_t)record->size_bytes;
    uint8_t *content = malloc(len + 1);
    bool is_read = content != NULL &&
                   pawl_zip_read(reader, record, 0, content, len, &err) == 0;
    if (is_read) {
        if (pawl_zip_has_checksums(reader) &&
            pawl_crc32(0, content, len) != record->crc32) {
            abort();
        }
        uint8_t middle = 0;
        if (len > 0 &&
            (pawl_zip_read(reader, record, len / 2, &middle, 1, NULL) < 0 ||
             middle != content[len / 2])) {
            abort();
        }
    }
    free(content);
    return is_read;
}

/* Where every content is as the directory says, so is the whole; whether it is
 * hoped for or not. */
static void check_whole(const struct fuzz_source *fuzz, bool is_all_read)
{
    uint32_t right = pawl_crc32(0, fuzz->data, fuzz->len);
    for (uint32_t change = 0; change < 2; change++) {
        uint32_t crc = right ^ change;
        struct pawl_error err;
        int rc = pawl_zip_whole_crc(&crc, &fuzz->source, &err);
        if (is_all_read && (rc < 0 || (rc > 0 && crc != right))) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct fuzz_source fuzz;
    struct pawl_zip_reader *reader = NULL;
    struct pawl_error err;
    uint64_t total = 0;
    bool is_all_read = true;
    fuzz_source_init(&fuzz, data, len);
    if (pawl_zip_reader_open(&reader, &fuzz.source, &err) < 0) {
        return 0;
    }
    for (size_t i = 0; i < pawl_zip_count(reader); i++) {
        const struct pawl_zip_record *record = pawl_zip_at(reader, i);
        if (pawl_zip_find(reader, record->name, record->name_len) != record) {
            abort();
        }
        total += record->size_bytes;
        is_all_read =
            total <= CONTENT_MAX && read_record(reader, record) && is_all_read;
    }
    check_whole(&fuzz, is_all_read);
    pawl_zip_reader_free(reader);
    return 0;
}
