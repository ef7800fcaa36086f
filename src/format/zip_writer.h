/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zip_writer.h - a zip archive as torch writes it, laid out in a plan
 *
 * Every record is stored (method 0), named "<prefix>/<name>", and its data
 * starts at a multiple of the alignment, by a padding field 'FB' in the local
 * header's extra part.  Checksums follow the data (descriptor, central
 * directory); local headers hold 0.  zip64 fields stand where a size or an
 * offset needs them, the zip64 end record always.  docs/formats.md has the
 * layout byte by byte.
 *
 *     struct pawl_zip zip;
 *     pawl_zip_init(&zip, plan, "archive", 64);
 *     pawl_zip_add(&zip, "byteorder", "little", 6);
 *     pawl_zip_add_payload(&zip, "data/0", data, len);
 *     int rc = pawl_zip_end(&zip, NULL, err);
 *     pawl_zip_fini(&zip);
 *
 * Failures are remembered: pawl_zip_end and pawl_plan_seal tell.  One thread
 * at a time.
 */
#ifndef PAWL_FORMAT_ZIP_WRITER_H
#define PAWL_FORMAT_ZIP_WRITER_H

#include <pawl/plugin.h>

/* A record, in the order of the file. */
struct pawl_zip_entry {
    uint64_t header_offset; /* in the file */
    size_t header_place;    /* in the plan's container bytes */
    uint64_t len_bytes;
    uint32_t crc;    /* of container bytes; 0 while payload is awaited */
    uint32_t record; /* of the plan, or PAWL_NO_RECORD */
    uint16_t name_len;
};

struct pawl_zip {
    struct pawl_plan *plan;
    const char *prefix; /* borrowed */
    size_t prefix_len;
    uint32_t alignment;
    struct pawl_zip_entry *entries;
    size_t entry_count;
    size_t entry_capacity;
    int status; /* the first failure */
};

/* `alignment` is a power of two, 32,768 at most. */
void pawl_zip_init(struct pawl_zip *zip, struct pawl_plan *plan,
                   const char *prefix, uint32_t alignment);
void pawl_zip_fini(struct pawl_zip *zip);

/* A record whose bytes are copied into the plan. */
void pawl_zip_add(struct pawl_zip *zip, const char *name, const void *data,
                  size_t len_bytes);

/* A record whose bytes are borrowed, and whose CRC the plan awaits unless it
 * is empty. */
void pawl_zip_add_payload(struct pawl_zip *zip, const char *name,
                          const void *data, uint64_t len_bytes);

/* Where the parts of a record lie (pawl/plugin.h: places). */
struct pawl_zip_places {
    size_t data;
    size_t crc_descriptor;
    size_t crc_central;
};

/* Writes the central directory.  If `last` is not NULL, puts there the places
 * of the last record, which then came from pawl_zip_add and is not empty: so
 * that its bytes can be changed by pawl_zip_rewrite.  PAWL_ENOMEM;
 * PAWL_EINVAL: a name of more than 512 bytes. */
int pawl_zip_end(struct pawl_zip *zip, struct pawl_zip_places *last,
                 struct pawl_error *err);

/* Changes the bytes of a record, and its CRC, once the plan is sealed. */
void pawl_zip_rewrite(struct pawl_plan *plan,
                      const struct pawl_zip_places *places, const void *data,
                      size_t len_bytes);

#endif
