/* SPDX-License-Identifier: Apache-2.0 */
/* zip_internal.h - what the files that read zip share, and of what lies in a
 * file what the writer does too. */
#ifndef PAWL_FORMAT_ZIP_INTERNAL_H
#define PAWL_FORMAT_ZIP_INTERNAL_H

#include "base/arena.h"
#include "base/strmap.h"
#include "format/zip_reader.h"

enum {
    ZIP_STORED = 0,
    ZIP_DEFLATED = 8,
    ZIP_LOCAL_SIZE = 30,        /* a local header without name and extra */
    ZIP_CENTRAL_SIZE = 46,      /* likewise, an entry of the directory */
    ZIP_DESCRIPTOR_SIZE = 16,   /* with its signature */
    ZIP_DESCRIPTOR64_SIZE = 24, /* likewise, of a zip64 record */
    ZIP_NAME_MAX = 512,         /* torch knows no longer ones */
    TORCH_ALIGNMENT = 64        /* of content, unless torch is told otherwise */
};
#define ZIP_LOCAL_SIGNATURE 0x04034b50u

/* Flag bits that mean the content is not what the method says: encrypted,
 * patch data, strongly encrypted, masked header. */
#define ZIP_FLAGS_REFUSED (0x0001u | 0x0020u | 0x0040u | 0x2000u)

/* A data descriptor follows the content. */
#define ZIP_FLAG_DESCRIPTOR 0x0008u

struct pawl_zip_reader {
    struct pawl_source source; /* its name is ours */
    uint8_t *directory;        /* as in the file; record names point into it */
    struct pawl_zip_record *records;
    bool *claimed; /* of each record */
    size_t record_count;
    size_t prefix_len; /* with the '/' */
    bool has_checksums;
    struct pawl_strmap by_name;   /* lower case -> record */
    struct pawl_arena lower_case; /* of names that are not so in the file */
};

/* Bytes [offset, offset + len) of the file; PAWL_EFORMAT past its end. */
int pawl_zip_fetch(const struct pawl_zip_reader *reader, uint64_t offset,
                   void *dst, size_t len, struct pawl_error *err);

/* Where the content of a record begins, by its local header, which must agree
 * with the directory.  PAWL_EFORMAT, errors of the source. */
int pawl_zip_locate(const struct pawl_zip_reader *reader,
                    const struct pawl_zip_record *record, uint64_t *data_offset,
                    struct pawl_error *err);

/* The records in the order in which they lie in the file, in an array for the
 * caller to free; NULL when out of memory. */
struct pawl_zip_record **
pawl_zip_in_order(const struct pawl_zip_reader *reader);

/* Reads and checks the directory: fills all of the reader but its source. */
int pawl_zip_read_directory(struct pawl_zip_reader *reader,
                            struct pawl_error *err);

/* `name` in lower case: itself if it is so already, else a copy in `arena`;
 * NULL when out of memory. */
const char *pawl_zip_lower(struct pawl_arena *arena, const char *name,
                           size_t len);

#endif
