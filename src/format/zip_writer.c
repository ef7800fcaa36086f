/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zip_writer.c - see zip_writer.h
 *
 * The numbers are those of PKWARE's APPNOTE; what is odd about them (version
 * needed 0, dates 0, a zip64 field in the local header that holds the header's
 * own offset, and 0 for the compressed size) is how miniz writes for torch.
 */
#include "format/zip_writer.h"

#include "base/bytes.h"
#include "base/crc32.h"
#include "format/zip_internal.h"

#include <stdlib.h>

#define DESCRIPTOR_SIG 0x08074b50u
#define DESCRIPTOR_CRC 4u /* offset of the field */
#define CENTRAL_SIG 0x02014b50u
#define CENTRAL_CRC 16u /* offset of the field */
#define END64_SIG 0x06064b50u
#define END64_SIZE 56u
#define LOCATOR_SIG 0x07064b50u
#define LOCATOR_SIZE 20u
#define END_SIG 0x06054b50u
#define END_SIZE 22u

#define FLAG_UTF8 0x0800u
#define ZIP64_ID 0x0001u
#define PADDING_ID 0x4246u /* "FB" */
#define EXTRA_HEAD 4u      /* id and length of an extra field */

void pawl_zip_init(struct pawl_zip *zip, struct pawl_plan *plan,
                   const char *prefix, uint32_t alignment)
{
    *zip = (struct pawl_zip){.plan = plan,
                             .prefix = prefix,
                             .prefix_len = strlen(prefix),
                             .alignment = alignment};
}

void pawl_zip_fini(struct pawl_zip *zip)
{
    free(zip->entries);
    *zip = (struct pawl_zip){0};
}

/* ---- which fields are too large for 32 bits ---------------------------- */

static bool large_size(const struct pawl_zip_entry *entry)
{
    return entry->len_bytes >= UINT32_MAX;
}

static bool large_offset(const struct pawl_zip_entry *entry)
{
    return entry->header_offset >= UINT32_MAX;
}

static bool needs_zip64(const struct pawl_zip_entry *entry)
{
    return large_size(entry) || large_offset(entry);
}

static uint32_t clip32(uint64_t value)
{
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static uint16_t flags_of(const struct pawl_zip_entry *entry)
{
    return entry->len_bytes > 0 ? FLAG_UTF8 | ZIP_FLAG_DESCRIPTOR : FLAG_UTF8;
}

/* Bytes of the zip64 extra field, its head included. */
static uint16_t zip64_len(const struct pawl_zip_entry *entry)
{
    if (!needs_zip64(entry)) {
        return 0;
    }
    return (uint16_t)(EXTRA_HEAD + (large_size(entry) ? 16u : 0u) +
                      (large_offset(entry) ? 8u : 0u));
}

static uint8_t *put_zip64(uint8_t *at, const struct pawl_zip_entry *entry,
                          uint64_t compressed_size)
{
    if (!needs_zip64(entry)) {
        return at;
    }
    put_le16(at, ZIP64_ID);
    put_le16(at + 2, (uint16_t)(zip64_len(entry) - EXTRA_HEAD));
    at += EXTRA_HEAD;
    if (large_size(entry)) {
        put_le64(at, entry->len_bytes);
        put_le64(at + 8, compressed_size);
        at += 16;
    }
    if (large_offset(entry)) {
        put_le64(at, entry->header_offset);
        at += 8;
    }
    return at;
}

/* ---- records ----------------------------------------------------------- */

static void failed(struct pawl_zip *zip, int code)
{
    if (zip->status == 0) {
        zip->status = code;
    }
}

static struct pawl_zip_entry *new_entry(struct pawl_zip *zip, size_t name_len,
                                        uint64_t len_bytes)
{
    if (name_len > ZIP_NAME_MAX) {
        failed(zip, PAWL_EINVAL);
        return NULL;
    }
    if (zip->entry_count == zip->entry_capacity) {
        size_t larger = zip->entry_capacity == 0 ? 16 : zip->entry_capacity * 2;
        struct pawl_zip_entry *entries =
            larger > SIZE_MAX / 2 / sizeof(*entries)
                ? NULL
                : realloc(zip->entries, larger * sizeof(*entries));
        if (entries == NULL) {
            failed(zip, PAWL_ENOMEM);
            return NULL;
        }
        zip->entries = entries;
        zip->entry_capacity = larger;
    }
    struct pawl_zip_entry *entry = &zip->entries[zip->entry_count++];
    *entry = (struct pawl_zip_entry){
        .header_offset = pawl_plan_offset(zip->plan),
        .header_place = pawl_plan_here(zip->plan),
        .len_bytes = len_bytes,
        .record = PAWL_NO_RECORD,
        .name_len = (uint16_t)name_len,
    };
    return entry;
}

/* How many 'Z's bring the data to a multiple of the alignment. */
static uint16_t padding(const struct pawl_zip *zip,
                        const struct pawl_zip_entry *entry)
{
    uint64_t start = entry->header_offset + ZIP_LOCAL_SIZE + entry->name_len +
                     zip64_len(entry) + EXTRA_HEAD;
    return (uint16_t)(-start & (zip->alignment - 1));
}

/* Local header, name and extra fields; NULL if the zip failed. */
static struct pawl_zip_entry *begin(struct pawl_zip *zip, const char *name,
                                    uint64_t len_bytes)
{
    size_t record_len = strlen(name);
    struct pawl_zip_entry *entry =
        new_entry(zip, zip->prefix_len + 1 + record_len, len_bytes);
    if (entry == NULL) {
        return NULL;
    }
    uint16_t pad = padding(zip, entry);
    uint16_t extra = (uint16_t)(zip64_len(entry) + EXTRA_HEAD + pad);
    uint8_t *at = pawl_plan_extend(zip->plan, (size_t)ZIP_LOCAL_SIZE +
                                                  entry->name_len + extra);
    if (at == NULL) {
        return NULL; /* pawl_plan_seal tells */
    }
    memset(at, 0, ZIP_LOCAL_SIZE);
    put_le32(at, ZIP_LOCAL_SIGNATURE);
    put_le16(at + 6, flags_of(entry));
    put_le16(at + 26, entry->name_len);
    put_le16(at + 28, extra);
    at += ZIP_LOCAL_SIZE;
    memcpy(at, zip->prefix, zip->prefix_len);
    at[zip->prefix_len] = '/';
    memcpy(at + zip->prefix_len + 1, name, record_len);
    at = put_zip64(at + entry->name_len, entry, 0);
    put_le16(at, PADDING_ID);
    put_le16(at + 2, pad);
    memset(at + EXTRA_HEAD, 'Z', pad);
    return entry;
}

static void put_descriptor(struct pawl_zip *zip,
                           const struct pawl_zip_entry *entry)
{
    bool wide = needs_zip64(entry);
    size_t place = pawl_plan_here(zip->plan);
    uint8_t *at = pawl_plan_extend(zip->plan, wide ? ZIP_DESCRIPTOR64_SIZE
                                                   : ZIP_DESCRIPTOR_SIZE);
    if (at == NULL) {
        return;
    }
    put_le32(at, DESCRIPTOR_SIG);
    put_le32(at + DESCRIPTOR_CRC, entry->crc);
    if (wide) {
        put_le64(at + 8, entry->len_bytes);
        put_le64(at + 16, entry->len_bytes);
    } else {
        put_le32(at + 8, (uint32_t)entry->len_bytes);
        put_le32(at + 12, (uint32_t)entry->len_bytes);
    }
    pawl_plan_put_crc(zip->plan, entry->record, place + DESCRIPTOR_CRC);
}

void pawl_zip_add(struct pawl_zip *zip, const char *name, const void *data,
                  size_t len_bytes)
{
    struct pawl_zip_entry *entry = begin(zip, name, len_bytes);
    if (entry == NULL || len_bytes == 0) {
        return;
    }
    entry->crc = pawl_crc32(0, data, len_bytes);
    pawl_plan_append(zip->plan, data, len_bytes);
    put_descriptor(zip, entry);
}

void pawl_zip_add_payload(struct pawl_zip *zip, const char *name,
                          const void *data, uint64_t len_bytes)
{
    struct pawl_zip_entry *entry = begin(zip, name, len_bytes);
    if (entry == NULL || len_bytes == 0) {
        return;
    }
    entry->record = pawl_plan_payload(zip->plan, data, len_bytes);
    put_descriptor(zip, entry);
}

/* ---- central directory ------------------------------------------------- */

static void put_central(struct pawl_zip *zip,
                        const struct pawl_zip_entry *entry)
{
    size_t place = pawl_plan_here(zip->plan);
    uint16_t extra = zip64_len(entry);
    uint8_t *at = pawl_plan_extend(zip->plan, (size_t)ZIP_CENTRAL_SIZE +
                                                  entry->name_len + extra);
    if (at == NULL) {
        return;
    }
    memset(at, 0, ZIP_CENTRAL_SIZE);
    put_le32(at, CENTRAL_SIG);
    put_le16(at + 8, flags_of(entry));
    put_le32(at + CENTRAL_CRC, entry->crc);
    put_le32(at + 20, clip32(entry->len_bytes));
    put_le32(at + 24, clip32(entry->len_bytes));
    put_le16(at + 28, entry->name_len);
    put_le16(at + 30, extra);
    put_le32(at + 42, clip32(entry->header_offset));
    memcpy(at + ZIP_CENTRAL_SIZE,
           pawl_plan_at(zip->plan, entry->header_place + ZIP_LOCAL_SIZE),
           entry->name_len);
    put_zip64(at + ZIP_CENTRAL_SIZE + entry->name_len, entry, entry->len_bytes);
    pawl_plan_put_crc(zip->plan, entry->record, place + CENTRAL_CRC);
}

static void put_end(struct pawl_zip *zip, uint64_t directory_offset)
{
    uint64_t count = zip->entry_count;
    uint64_t end64_offset = pawl_plan_offset(zip->plan);
    uint64_t directory_size = end64_offset - directory_offset;
    uint8_t *at =
        pawl_plan_extend(zip->plan, END64_SIZE + LOCATOR_SIZE + END_SIZE);
    if (at == NULL) {
        return;
    }
    memset(at, 0, END64_SIZE + LOCATOR_SIZE + END_SIZE);
    put_le32(at, END64_SIG);
    put_le64(at + 4, END64_SIZE - 12);
    put_le16(at + 12, 0x031e); /* made by: Unix, 3.0 */
    put_le16(at + 14, 45);     /* needed: zip64 */
    put_le64(at + 24, count);
    put_le64(at + 32, count);
    put_le64(at + 40, directory_size);
    put_le64(at + 48, directory_offset);
    at += END64_SIZE;
    put_le32(at, LOCATOR_SIG);
    put_le64(at + 8, end64_offset);
    put_le32(at + 16, 1); /* disks */
    at += LOCATOR_SIZE;
    uint16_t count16 = count < UINT16_MAX ? (uint16_t)count : UINT16_MAX;
    put_le32(at, END_SIG);
    put_le16(at + 8, count16);
    put_le16(at + 10, count16);
    put_le32(at + 12, clip32(directory_size));
    put_le32(at + 16, clip32(directory_offset));
}

int pawl_zip_end(struct pawl_zip *zip, struct pawl_zip_places *last,
                 struct pawl_error *err)
{
    uint64_t directory_offset = pawl_plan_offset(zip->plan);
    if (zip->status == PAWL_ENOMEM) {
        return pawl_fail_nomem(err);
    }
    if (zip->status != 0) {
        return pawl_fail(err, zip->status, 0,
                         "a record name is longer than %u bytes", ZIP_NAME_MAX);
    }
    if (last != NULL) {
        const struct pawl_zip_entry *entry =
            &zip->entries[zip->entry_count - 1];
        size_t end = pawl_plan_here(zip->plan);
        size_t descriptor =
            needs_zip64(entry) ? ZIP_DESCRIPTOR64_SIZE : ZIP_DESCRIPTOR_SIZE;
        last->data = end - descriptor - (size_t)entry->len_bytes;
        last->crc_descriptor = end - descriptor + DESCRIPTOR_CRC;
    }
    for (size_t i = 0; i < zip->entry_count; i++) {
        if (last != NULL) {
            last->crc_central = pawl_plan_here(zip->plan) + CENTRAL_CRC;
        }
        put_central(zip, &zip->entries[i]);
    }
    put_end(zip, directory_offset);
    return 0;
}

void pawl_zip_rewrite(struct pawl_plan *plan,
                      const struct pawl_zip_places *places, const void *data,
                      size_t len_bytes)
{
    uint32_t crc = pawl_crc32(0, data, len_bytes);
    memcpy(pawl_plan_at(plan, places->data), data, len_bytes);
    put_le32(pawl_plan_at(plan, places->crc_descriptor), crc);
    put_le32(pawl_plan_at(plan, places->crc_central), crc);
}
