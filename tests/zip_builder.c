/* SPDX-License-Identifier: Apache-2.0 */
/* zip_builder.c - see zip_builder.h. */
#include "zip_builder.h"

#include <stdlib.h>
#include <zlib.h>

static void put16(struct pawl_buffer *buf, uint16_t value)
{
    uint8_t bytes[2];
    put_le16(bytes, value);
    pawl_buffer_append(buf, bytes, sizeof(bytes));
}

static void put32(struct pawl_buffer *buf, uint32_t value)
{
    uint8_t bytes[4];
    put_le32(bytes, value);
    pawl_buffer_append(buf, bytes, sizeof(bytes));
}

static void put64(struct pawl_buffer *buf, uint64_t value)
{
    uint8_t bytes[8];
    put_le64(bytes, value);
    pawl_buffer_append(buf, bytes, sizeof(bytes));
}

static void check(const struct zip_builder *zip)
{
    if (zip->file.failed || zip->directory.failed) {
        abort();
    }
}

/* What both headers have in common. */
struct header {
    uint16_t method;
    uint32_t crc;
    uint32_t stored_len;
    uint32_t len;
    uint16_t name_len;
};

static void put_header(struct pawl_buffer *buf, const struct header *header)
{
    put16(buf, 0); /* version needed */
    put16(buf, 0x0800);
    put16(buf, header->method);
    put32(buf, 0); /* time and date */
    put32(buf, header->crc);
    put32(buf, header->stored_len);
    put32(buf, header->len);
    put16(buf, header->name_len);
    put16(buf, 0); /* extra */
}

static void add(struct zip_builder *zip, const char *name,
                const struct header *header, const void *stored)
{
    size_t local = zip->file.len;
    size_t name_len = strlen(name);
    put32(&zip->file, 0x04034b50);
    put_header(&zip->file, header);
    pawl_buffer_append(&zip->file, name, name_len);
    if (zip->count < ZIP_PLACES_MAX) {
        zip->places[zip->count] =
            (struct zip_place){local, zip->file.len, zip->directory.len};
    }
    pawl_buffer_append(&zip->file, stored, header->stored_len);

    put32(&zip->directory, 0x02014b50);
    put16(&zip->directory, 0); /* made by */
    put_header(&zip->directory, header);
    put16(&zip->directory, 0); /* comment */
    put16(&zip->directory, 0); /* disk */
    put16(&zip->directory, 0); /* attributes */
    put32(&zip->directory, 0);
    put32(&zip->directory, (uint32_t)local);
    pawl_buffer_append(&zip->directory, name, name_len);
    zip->count++;
    check(zip);
}

static struct header header_of(const struct zip_builder *zip, const char *name,
                               const void *data, size_t len)
{
    struct header header = {0};
    header.crc = zip->no_crc ? 0 : (uint32_t)crc32(0, data, (unsigned)len);
    header.len = (uint32_t)len;
    header.stored_len = header.len;
    header.name_len = (uint16_t)strlen(name);
    return header;
}

void zip_add(struct zip_builder *zip, const char *name, const void *data,
             size_t len)
{
    struct header header = header_of(zip, name, data, len);
    add(zip, name, &header, data);
}

void zip_add_deflated(struct zip_builder *zip, const char *name,
                      const void *data, size_t len)
{
    struct header header = header_of(zip, name, data, len);
    z_stream stream = {0};
    if (deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        abort();
    }
    size_t room = deflateBound(&stream, len);
    uint8_t *stored = malloc(room);
    uint8_t *copy = malloc(len + 1); /* zlib's input is not const */
    if (stored == NULL || copy == NULL) {
        abort();
    }
    memcpy(copy, data, len);
    stream.next_in = copy;
    stream.avail_in = (unsigned)len;
    stream.next_out = stored;
    stream.avail_out = (unsigned)room;
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
        abort();
    }
    header.method = 8;
    header.stored_len = (uint32_t)stream.total_out;
    deflateEnd(&stream);
    add(zip, name, &header, stored);
    free(stored);
    free(copy);
}

static void put_directory(struct zip_builder *zip)
{
    zip->directory_at = zip->file.len;
    for (size_t i = 0; i < zip->count && i < ZIP_PLACES_MAX; i++) {
        zip->places[i].central += zip->directory_at;
    }
    pawl_buffer_append(&zip->file, zip->directory.data, zip->directory.len);
}

static void put_end(struct zip_builder *zip, uint16_t count, uint32_t len,
                    uint32_t offset)
{
    zip->end_at = zip->file.len;
    put32(&zip->file, 0x06054b50);
    put32(&zip->file, 0); /* disks */
    put16(&zip->file, count);
    put16(&zip->file, count);
    put32(&zip->file, len);
    put32(&zip->file, offset);
    put16(&zip->file, 0); /* comment */
    check(zip);
}

void zip_finish(struct zip_builder *zip)
{
    put_directory(zip);
    put_end(zip, (uint16_t)zip->count, (uint32_t)zip->directory.len,
            (uint32_t)zip->directory_at);
}

void zip_finish64(struct zip_builder *zip)
{
    put_directory(zip);
    size_t end64 = zip->file.len;
    put32(&zip->file, 0x06064b50);
    put64(&zip->file, 44);
    put16(&zip->file, 45);
    put16(&zip->file, 45);
    put64(&zip->file, 0); /* disks */
    put64(&zip->file, zip->count);
    put64(&zip->file, zip->count);
    put64(&zip->file, zip->directory.len);
    put64(&zip->file, zip->directory_at);
    put32(&zip->file, 0x07064b50);
    put32(&zip->file, 0);
    put64(&zip->file, end64);
    put32(&zip->file, 1);
    put_end(zip, UINT16_MAX, UINT32_MAX, UINT32_MAX);
}

void zip_fini(struct zip_builder *zip)
{
    pawl_buffer_fini(&zip->file);
    pawl_buffer_fini(&zip->directory);
}

void zip_torch_file(struct zip_builder *zip, const void *pickle,
                    size_t pickle_len, const void *payload, size_t payload_len)
{
    zip_add(zip, "archive/data.pkl", pickle, pickle_len);
    zip_add(zip, "archive/byteorder", "little", 6);
    if (payload != NULL) {
        zip_add(zip, "archive/data/0", payload, payload_len);
    }
    zip_add(zip, "archive/version", "3\n", 2);
    zip_finish(zip);
}
