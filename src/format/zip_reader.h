/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zip_reader.h - the records of a torch zip file, read and verified
 *
 * Opening reads the end of the file and its central directory, and checks all
 * that they say against the size of the file and against each other, so that
 * later a record can be trusted to lie where it is said to lie:
 *
 *   - every entry is PREFIX/NAME with the prefix of the first one;
 *   - no name appears twice, upper and lower case taken as equal, as torch's
 *     own lookup takes them;
 *   - no record reaches into another or into the directory;
 *   - stored, or deflated to no less than 1/1032 of its size;
 *   - nothing is encrypted, split over disks or patched.
 *
 * A record's local header is looked at when the record is read.
 *
 * Threads: an open reader does not change; pawl_zip_read may run in several
 * threads.  Errors name the file and the record: PAWL_EFORMAT (structure),
 * PAWL_ECORRUPT (checksum), PAWL_ENOTSUP (a feature of zip), PAWL_ENOMEM, and
 * whatever the source fails with.
 */
#ifndef PAWL_FORMAT_ZIP_READER_H
#define PAWL_FORMAT_ZIP_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pawl/plugin.h>

struct pawl_zip_reader;

struct pawl_zip_record {
    const char *name; /* without the prefix; not NUL-terminated */
    size_t name_len;
    uint64_t size_bytes;   /* of the content */
    uint64_t stored_bytes; /* in the file */
    uint64_t header_offset;
    uint64_t end_limit; /* where the next structure of the file begins */
    uint32_t crc32;     /* of the content */
    uint16_t method;    /* 0 stored, 8 deflated */
    uint16_t flags;     /* the directory's */
};

/* Opens the zip file `source`, which is copied, and must stay readable until
 * pawl_zip_reader_free.  Blocks. */
int pawl_zip_reader_open(struct pawl_zip_reader **out,
                         const struct pawl_source *source,
                         struct pawl_error *err);
/* Leaves the source alone.  NULL is fine. */
void pawl_zip_reader_free(struct pawl_zip_reader *reader);

/* The records, in the order of the directory. */
size_t pawl_zip_count(const struct pawl_zip_reader *reader);
const struct pawl_zip_record *pawl_zip_at(const struct pawl_zip_reader *reader,
                                          size_t index);
/* The record of that name (without the prefix), or NULL. */
const struct pawl_zip_record *
pawl_zip_find(const struct pawl_zip_reader *reader, const char *name,
              size_t name_len);

/* True for the first who asks for that record: names that differ in case only
 * are one record, and two storages must not have the same memory.  One thread
 * at a time. */
bool pawl_zip_claim(const struct pawl_zip_reader *reader,
                    const struct pawl_zip_record *record);

/* Whether the file has checksums.  One that was written without them (torch
 * can be told so) has a CRC of zero for each record that is not empty, and
 * then none is verified. */
bool pawl_zip_has_checksums(const struct pawl_zip_reader *reader);

/* Puts bytes [offset, offset + len) of the record to `dst`, and verifies the
 * checksum of the whole record on the way: all of it is read, whatever `len`
 * is, unless the file has no checksums and the record is stored.  `dst` may be
 * NULL when `len` is 0.  On failure `dst` holds rubbish.  Blocks. */
int pawl_zip_read(const struct pawl_zip_reader *reader,
                  const struct pawl_zip_record *record, uint64_t offset,
                  void *dst, size_t len, struct pawl_error *err);

/* Where the content lies if the source is in memory and the record stored, as
 * it is; else NULL.  Verified, unless the source is proven as a whole, or
 * mapped: then not even the local header is looked at where the directory
 * tells enough. */
int pawl_zip_map(const struct pawl_zip_reader *reader,
                 const struct pawl_zip_record *record, void **out,
                 struct pawl_error *err);

/* Puts the names of the file and the record (NULL: none) before a message
 * about the content, of code `rc`, which is returned. */
int pawl_zip_blame(const struct pawl_zip_reader *reader,
                   const struct pawl_zip_record *record, int rc,
                   struct pawl_error *err);

#endif
