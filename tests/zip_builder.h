/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zip_builder.h - small zip files, right ones and wrong ones
 *
 *     struct zip_builder zip = {0};
 *     zip_add(&zip, "archive/data.pkl", data, len);
 *     zip_add(&zip, "archive/version", "3\n", 2);
 *     zip_finish(&zip);
 *     ... zip.file.data, zip.file.len; to lie, overwrite fields at
 *     zip.places[i] ...
 *     zip_fini(&zip);
 *
 * Abort when out of memory or places.
 */
#ifndef PAWL_TESTS_ZIP_BUILDER_H
#define PAWL_TESTS_ZIP_BUILDER_H

#include "base/bytes.h"

enum { ZIP_PLACES_MAX = 64 };

struct zip_place {
    size_t local;   /* offset of the local header */
    size_t data;    /* of the content */
    size_t central; /* of the directory's entry; right after zip_finish */
};

struct zip_builder {
    struct pawl_buffer file;
    struct pawl_buffer directory;
    size_t count;
    struct zip_place places[ZIP_PLACES_MAX]; /* of the first ones */
    size_t directory_at;
    size_t end_at; /* of the end record */
    bool no_crc;   /* write zeros for checksums */
};

/* Adds a record; its content stored, or deflated. */
void zip_add(struct zip_builder *zip, const char *name, const void *data,
             size_t len);
void zip_add_deflated(struct zip_builder *zip, const char *name,
                      const void *data, size_t len);
/* Adds directory and end. */
void zip_finish(struct zip_builder *zip);
/* The same with a zip64 end and locator, and all ones in the end. */
void zip_finish64(struct zip_builder *zip);
void zip_fini(struct zip_builder *zip);

/* A whole torch file: data.pkl, byteorder, version, and data/0 if `payload` is
 * not NULL. */
void zip_torch_file(struct zip_builder *zip, const void *pickle,
                    size_t pickle_len, const void *payload, size_t payload_len);

#endif
