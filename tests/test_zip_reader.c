/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_zip_reader.c - records come whole and verified, or not at all
 *
 * The golden file is torch's own; zipfile and torch wrote what is compared
 * with.  The others are built here, and then a field is made to lie.
 */
#include "format/zip_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crc32.h"
#include "memory_source.h"
#include "zip_builder.h"

enum { CONTENT_LEN = 3000000 };

/* ---- opening ----------------------------------------------------------- */

static int open_file(struct pawl_zip_reader **out, struct memory_source *memory,
                     const void *data, size_t len, struct pawl_error *err)
{
    memory_source_init(memory, data, len);
    return pawl_zip_reader_open(out, &memory->source, err);
}

/* Opens what was built and reads its first record: the code of the first
 * failure, or 0.  `message` must then be part of the text. */
static void expect(const struct zip_builder *zip, int code, const char *message)
{
    struct memory_source memory;
    struct pawl_zip_reader *reader = NULL;
    struct pawl_error err = {0};
    int rc = open_file(&reader, &memory, zip->file.data, zip->file.len, &err);
    if (rc == 0) {
        const struct pawl_zip_record *record = pawl_zip_at(reader, 0);
        char *content = malloc((size_t)record->size_bytes + 1);
        rc = pawl_zip_read(reader, record, 0, content,
                           (size_t)record->size_bytes, &err);
        free(content);
    }
    if (rc != code || strstr(err.message, message) == NULL ||
        (rc < 0 && strstr(err.message, "'test.pt'") == NULL)) {
        fail_msg("%d '%s', expected %d '%s'", rc, err.message, code, message);
    }
    pawl_zip_reader_free(reader);
    memory_source_fini(&memory);
}

/* Three records, finished. */
static void build(struct zip_builder *zip)
{
    memset(zip, 0, sizeof(*zip));
    zip_add(zip, "archive/one", "first", 5);
    zip_add_deflated(zip, "archive/two", "second second second", 20);
    zip_add(zip, "archive/three", "", 0);
    zip_finish(zip);
}

/* ---- right files ------------------------------------------------------- */

static unsigned char *content_new(void)
{
    unsigned char *content = malloc(CONTENT_LEN);
    uint32_t x = 1;
    for (size_t i = 0; i < CONTENT_LEN; i++) {
        x = x * 1664525 + 1013904223;
        content[i] = (unsigned char)((x >> 24) % 20); /* to be deflated */
    }
    return content;
}

/* Every part of a record: its checksum covers all of it each time. */
static void check_parts(const struct pawl_zip_reader *reader,
                        const struct pawl_zip_record *record,
                        const unsigned char *content)
{
    static const size_t starts[] = {0, 1, 65536, 1500000, CONTENT_LEN};
    unsigned char *got = malloc(CONTENT_LEN);
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        for (size_t j = i; j < sizeof(starts) / sizeof(starts[0]); j++) {
            size_t len = starts[j] - starts[i];
            memset(got, 0xee, CONTENT_LEN);
            assert_int_equal(
                pawl_zip_read(reader, record, starts[i], got, len, NULL), 0);
            assert_memory_equal(got, content + starts[i], len);
            assert_true(len == CONTENT_LEN || got[len] == 0xee);
        }
    }
    free(got);
}

static void test_read(void **state)
{
    struct zip_builder zip = {0};
    struct memory_source memory;
    struct pawl_zip_reader *reader = NULL;
    unsigned char *content = content_new();
    (void)state;
    zip_add(&zip, "m/stored", content, CONTENT_LEN);
    zip_add_deflated(&zip, "m/data/deflated", content, CONTENT_LEN);
    zip_add_deflated(&zip, "m/nothing", "", 0);
    zip_finish(&zip);
    assert_int_equal(
        open_file(&reader, &memory, zip.file.data, zip.file.len, NULL), 0);
    assert_int_equal(pawl_zip_count(reader), 3);
    assert_true(pawl_zip_has_checksums(reader));
    assert_null(pawl_zip_at(reader, 3));
    assert_null(pawl_zip_find(reader, "m/stored", 8));
    assert_null(pawl_zip_find(reader, "store", 5));
    assert_non_null(pawl_zip_find(reader, "STORED", 6)); /* as torch does */
    check_parts(reader, pawl_zip_find(reader, "stored", 6), content);
    const struct pawl_zip_record *deflated =
        pawl_zip_find(reader, "data/deflated", 13);
    assert_true(deflated->stored_bytes < deflated->size_bytes);
    assert_int_equal(deflated->crc32, pawl_crc32(0, content, CONTENT_LEN));
    check_parts(reader, deflated, content);
    assert_int_equal(
        pawl_zip_read(reader, pawl_zip_at(reader, 2), 0, NULL, 0, NULL), 0);
    assert_int_equal(
        pawl_zip_read(reader, deflated, CONTENT_LEN, content, 1, NULL),
        PAWL_EINVAL);
    pawl_zip_reader_free(reader);
    memory_source_fini(&memory);
    zip_fini(&zip);
    free(content);
}

static void test_golden(void **state)
{
    size_t len = 0;
    char *data = golden_read("plain.pt", &len);
    struct memory_source memory;
    struct pawl_zip_reader *reader = NULL;
    char text[8] = {0};
    (void)state;
    assert_int_equal(open_file(&reader, &memory, data, len, NULL), 0);
    const struct pawl_zip_record *record =
        pawl_zip_find(reader, "byteorder", 9);
    assert_int_equal(pawl_zip_read(reader, record, 0, text, 6, NULL), 0);
    assert_string_equal(text, "little");
    for (size_t i = 0; i < pawl_zip_count(reader); i++) {
        assert_int_equal(
            pawl_zip_read(reader, pawl_zip_at(reader, i), 0, NULL, 0, NULL), 0);
    }
    pawl_zip_reader_free(reader);
    memory_source_fini(&memory);
    free(data);
}

static void test_zip64(void **state)
{
    struct zip_builder zip = {0};
    (void)state;
    zip_add(&zip, "archive/one", "first", 5);
    zip_finish64(&zip);
    expect(&zip, 0, "");
    size_t end64 = zip.end_at - 20 - 56;
    zip.file.data[end64 + 48]++; /* the directory's offset */
    expect(&zip, PAWL_EFORMAT, "");
    zip.file.data[end64 + 48]--;
    put_le64(zip.file.data + zip.end_at - 20 + 8, UINT64_MAX - 10);
    expect(&zip, PAWL_EFORMAT, "zip64 end lies outside");
    put_le64(zip.file.data + zip.end_at - 20 + 8, end64);
    put_le64(zip.file.data + end64 + 40, UINT64_MAX); /* size: sum overflows */
    expect(&zip, PAWL_EFORMAT, "directory lies outside");
    put_le64(zip.file.data + end64 + 40, zip.directory.len);
    for (size_t field = 12; field <= 16; field += 4) { /* size, offset */
        put_le32(zip.file.data + zip.end_at + field, 17);
        expect(&zip, PAWL_EFORMAT, "disagree");
        put_le32(zip.file.data + zip.end_at + field, UINT32_MAX);
    }
    put_le32(zip.file.data + zip.end_at + 8, 0x00020002); /* entries */
    expect(&zip, PAWL_EFORMAT, "disagree");
    put_le32(zip.file.data + zip.end_at + 8, 0x00010001);
    expect(&zip, 0, "");
    put_le64(zip.file.data + end64 + 4, 43);
    expect(&zip, PAWL_EFORMAT, "zip64 end is malformed");
    zip_fini(&zip);
}

/* Comment, and a gap before the directory: allowed. */
static void test_allowed(void **state)
{
    struct zip_builder zip = {0};
    (void)state;
    zip_add(&zip, "/one", "first", 5); /* an empty prefix */
    pawl_buffer_append(&zip.file, "gap", 3);
    zip_finish(&zip);
    put_le16(zip.file.data + zip.end_at + 20, 7);
    pawl_buffer_append(&zip.file, "comment", 7);
    expect(&zip, 0, "");
    zip_fini(&zip);
}

/* Written without checksums: all zero.  One that is not makes all count. */
static void test_no_crc(void **state)
{
    struct zip_builder zip = {.no_crc = true};
    struct memory_source memory;
    struct pawl_zip_reader *reader = NULL;
    (void)state;
    zip_add(&zip, "archive/one", "first", 5);
    zip_add_deflated(&zip, "archive/two", "second", 6);
    zip_finish(&zip);
    assert_int_equal(
        open_file(&reader, &memory, zip.file.data, zip.file.len, NULL), 0);
    assert_false(pawl_zip_has_checksums(reader));
    char got[6] = {0};
    assert_int_equal(
        pawl_zip_read(reader, pawl_zip_at(reader, 0), 1, got, 3, NULL), 0);
    assert_memory_equal(got, "irs", 3);
    assert_int_equal(
        pawl_zip_read(reader, pawl_zip_at(reader, 1), 0, got, 6, NULL), 0);
    assert_memory_equal(got, "second", 6);
    pawl_zip_reader_free(reader);
    memory_source_fini(&memory);
    put_le32(zip.file.data + zip.places[1].central + 16, 1);
    expect(&zip, PAWL_ECORRUPT, "record 'one': checksum mismatch");
    zip_fini(&zip);
}

/* ---- lies -------------------------------------------------------------- */

enum field {
    FLAGS = 8,
    METHOD = 10,
    CRC = 16,
    STORED = 20,
    SIZE = 24,
    NAME_LEN = 28,
    EXTRA_LEN = 30,
    COMMENT_LEN = 32,
    DISK = 34,
    OFFSET = 42,
    NAME = 46
};

/* A field of record `index` in the directory is set to `value`. */
static void expect_lie(size_t index, enum field field, size_t width,
                       uint64_t value, int code, const char *message)
{
    struct zip_builder zip;
    build(&zip);
    memcpy(zip.file.data + zip.places[index].central + field, &value, width);
    expect(&zip, code, message);
    zip_fini(&zip);
}

static void test_directory_lies(void **state)
{
    (void)state;
    expect_lie(0, FLAGS, 2, 0x0801, PAWL_ENOTSUP, "encrypted");
    expect_lie(0, FLAGS, 2, 0x2800, PAWL_ENOTSUP, "encrypted");
    expect_lie(0, METHOD, 2, 12, PAWL_ENOTSUP, "compression method 12");
    expect_lie(0, CRC, 4, 7, PAWL_ECORRUPT, "record 'one': checksum mismatch");
    expect_lie(0, STORED, 4, 4, PAWL_EFORMAT, "two sizes");
    expect_lie(0, SIZE, 4, 6, PAWL_EFORMAT, "two sizes");
    expect_lie(0, SIZE, 4, UINT32_MAX, PAWL_EFORMAT, "two sizes");
    expect_lie(1, STORED, 4, 500, PAWL_EFORMAT, "reaches into");
    expect_lie(1, SIZE, 4, 100000000, PAWL_EFORMAT, "as large as");
    expect_lie(0, NAME_LEN, 2, 10, PAWL_EFORMAT, "");
    expect_lie(0, NAME_LEN, 2, 0, PAWL_EFORMAT, "no folder");
    expect_lie(2, NAME_LEN, 2, UINT16_MAX, PAWL_EFORMAT, "cut short");
    expect_lie(2, EXTRA_LEN, 2, 1, PAWL_EFORMAT, "cut short");
    expect_lie(2, COMMENT_LEN, 2, UINT16_MAX, PAWL_EFORMAT, "cut short");
    expect_lie(0, DISK, 2, 2, PAWL_ENOTSUP, "another disk");
    expect_lie(0, OFFSET, 4, 1, PAWL_EFORMAT, "reaches into");
    expect_lie(0, OFFSET, 4, UINT32_MAX, PAWL_EFORMAT, "past the file");
    expect_lie(0, NAME, 1, 'b', PAWL_EFORMAT, "not in the folder");
    expect_lie(0, NAME, 1, 0, PAWL_EFORMAT, "name of a record");
    expect_lie(0, NAME + 9, 1, 0, PAWL_EFORMAT, "name of a record");
    expect_lie(0, 0, 4, 0, PAWL_EFORMAT, "directory is malformed");
}

/* Two records that overlap, each of which would be fine alone. */
static void test_overlap(void **state)
{
    struct zip_builder zip;
    (void)state;
    build(&zip);
    put_le32(zip.file.data + zip.places[1].central + OFFSET, 0);
    expect(&zip, PAWL_EFORMAT, "reaches into");
    zip_fini(&zip);
}

static void test_duplicates(void **state)
{
    static const char *const seconds[] = {"archive/one", "archive/ONE"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct zip_builder zip = {0};
        zip_add(&zip, "archive/one", "first", 5);
        zip_add(&zip, seconds[i], "other", 5);
        zip_finish(&zip);
        expect(&zip, PAWL_EFORMAT, "two records of that name");
        zip_fini(&zip);
    }
}

static void expect_local_lie(size_t offset, size_t width, uint64_t value)
{
    struct zip_builder zip;
    build(&zip);
    memcpy(zip.file.data + zip.places[0].local + offset, &value, width);
    expect(&zip, PAWL_EFORMAT, "record 'one': it");
    zip_fini(&zip);
}

static void test_local_lies(void **state)
{
    (void)state;
    expect_local_lie(0, 4, 0);      /* signature */
    expect_local_lie(6, 2, 0x0801); /* encrypted */
    expect_local_lie(8, 2, 8);      /* method */
    expect_local_lie(26, 2, 12);    /* name length */
    expect_local_lie(28, 2, 1);     /* extra: the content moves */
    expect_local_lie(28, 2, UINT16_MAX);
    expect_local_lie(30 + 8, 1, 'x'); /* name */
}

static void test_end_lies(void **state)
{
    static const struct {
        size_t offset;
        size_t width;
        uint64_t value;
        int code;
    } lies[] = {
        {4, 2, 3, PAWL_ENOTSUP}, /* disk */
        {8, 2, 2, PAWL_ENOTSUP}, /* entries on this disk */
        {8, 4, 0x00020002, PAWL_EFORMAT},
        {8, 4, 0x00040004, PAWL_EFORMAT},
        {8, 4, 0, PAWL_EFORMAT},
        {8, 4, UINT32_MAX, PAWL_EFORMAT},
        {12, 4, 10, PAWL_EFORMAT}, /* directory size */
        {12, 4, UINT32_MAX, PAWL_EFORMAT},
        {16, 4, 0, PAWL_EFORMAT}, /* directory offset */
        {16, 4, UINT32_MAX, PAWL_EFORMAT},
        {0, 4, 0, PAWL_EFORMAT}, /* signature */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct zip_builder zip;
        build(&zip);
        memcpy(zip.file.data + zip.end_at + lies[i].offset, &lies[i].value,
               lies[i].width);
        expect(&zip, lies[i].code, "");
        zip_fini(&zip);
    }
}

static void test_deflate_lies(void **state)
{
    struct zip_builder zip = {0};
    (void)state;
    zip_add_deflated(&zip, "archive/one", "content content content", 23);
    zip_finish(&zip);
    uint8_t *size = zip.file.data + zip.places[0].central + SIZE;
    put_le32(size, 22);
    expect(&zip, PAWL_EFORMAT, "longer than its size");
    put_le32(size, 24);
    expect(&zip, PAWL_EFORMAT, "ends too early");
    put_le32(size, 0);
    expect(&zip, PAWL_EFORMAT, "longer than its size");
    put_le32(size, 23);
    zip.file.data[zip.places[0].data] |= 0x06; /* block type 3: reserved */
    expect(&zip, PAWL_EFORMAT, "compressed data is malformed");
    zip_fini(&zip);
}

/* A file of zeros that deflates 1000 : 1 is read; one that says it is larger
 * than deflate can make it is not even tried. */
static void test_bomb(void **state)
{
    enum { ZEROS = 20000000 };
    struct zip_builder zip = {0};
    char *zeros = calloc(1, ZEROS);
    (void)state;
    zip_add_deflated(&zip, "archive/one", zeros, ZEROS);
    zip_finish(&zip);
    expect(&zip, 0, "");
    put_le32(zip.file.data + zip.places[0].central + SIZE, 4000000000u);
    expect(&zip, PAWL_EFORMAT, "as large as");
    zip_fini(&zip);
    free(zeros);
}

/* ---- all that can happen to a small file ------------------------------- */

static void test_truncated(void **state)
{
    struct zip_builder zip;
    (void)state;
    build(&zip);
    for (size_t len = 0; len < zip.file.len; len++) {
        struct memory_source memory;
        struct pawl_zip_reader *reader = NULL;
        struct pawl_error err;
        int rc = open_file(&reader, &memory, zip.file.data, len, &err);
        assert_int_equal(rc, PAWL_EFORMAT);
        memory_source_fini(&memory);
    }
    zip_fini(&zip);
}

/* What a record may say after a bit was flipped: what it said, or an error. */
static void check_flipped(struct memory_source *memory)
{
    static const char *const contents[] = {"first", "second second second", ""};
    static const char *const names[] = {"one", "two", "three"};
    struct pawl_zip_reader *reader = NULL;
    if (pawl_zip_reader_open(&reader, &memory->source, NULL) < 0) {
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        char got[64] = {0};
        const struct pawl_zip_record *record =
            pawl_zip_find(reader, names[i], strlen(names[i]));
        if (record != NULL && record->size_bytes < sizeof(got) &&
            pawl_zip_read(reader, record, 0, got, (size_t)record->size_bytes,
                          NULL) == 0) {
            assert_string_equal(got, contents[i]);
        }
    }
    pawl_zip_reader_free(reader);
}

static void test_flipped(void **state)
{
    struct zip_builder zip;
    struct memory_source memory;
    (void)state;
    build(&zip);
    memory_source_init(&memory, zip.file.data, zip.file.len);
    for (size_t bit = 0; bit < zip.file.len * 8; bit++) {
        memory.data[bit / 8] ^= (unsigned char)(1 << (bit % 8));
        check_flipped(&memory);
        memory.data[bit / 8] ^= (unsigned char)(1 << (bit % 8));
    }
    memory_source_fini(&memory);
    zip_fini(&zip);
}

static void test_source_fails(void **state)
{
    struct zip_builder zip;
    struct memory_source memory;
    struct pawl_zip_reader *reader = NULL;
    struct pawl_error err;
    (void)state;
    build(&zip);
    memory_source_init(&memory, zip.file.data, zip.file.len);
    memory.fail_after = 1;
    assert_int_equal(pawl_zip_reader_open(&reader, &memory.source, &err),
                     PAWL_EIO);
    assert_string_equal(err.message, "cannot read 'test.pt': broken");
    memory.fail_after = 0;
    assert_int_equal(pawl_zip_reader_open(&reader, &memory.source, &err), 0);
    memory.fail_after = 1;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            pawl_zip_read(reader, pawl_zip_at(reader, i), 0, NULL, 0, &err),
            PAWL_EIO);
    }
    pawl_zip_reader_free(reader);
    memory_source_fini(&memory);
    zip_fini(&zip);
}

/* ---- many -------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void test_many(void **state)
{
    enum { RECORDS = 65534 }; /* the most without zip64 */
    struct zip_builder zip = {0};
    struct memory_source memory;
    struct pawl_zip_reader *reader = NULL;
    char name[64];
    (void)state;
    for (int i = 0; i < RECORDS; i++) {
        snprintf(name, sizeof(name), "archive/data/%d", RECORDS - i);
        zip_add(&zip, name, &i, sizeof(i));
    }
    zip_finish(&zip);
    double start = seconds();
    assert_int_equal(
        open_file(&reader, &memory, zip.file.data, zip.file.len, NULL), 0);
    for (int i = 0; i < RECORDS; i++) {
        int got = -1;
        int len = snprintf(name, sizeof(name), "data/%d", RECORDS - i);
        const struct pawl_zip_record *record =
            pawl_zip_find(reader, name, (size_t)len);
        assert_non_null(record);
        assert_int_equal(
            pawl_zip_read(reader, record, 0, &got, sizeof(got), NULL), 0);
        assert_int_equal(got, i);
    }
    print_message("%.2f us a record to open, find and read\n",
                  (seconds() - start) * 1e6 / RECORDS);
    pawl_zip_reader_free(reader);
    memory_source_fini(&memory);
    zip_fini(&zip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_zip64),
        cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_no_crc),
        cmocka_unit_test(test_directory_lies),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_local_lies),
        cmocka_unit_test(test_end_lies),
        cmocka_unit_test(test_deflate_lies),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_flipped),
        cmocka_unit_test(test_source_fails),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
