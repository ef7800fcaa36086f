/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_zip_whole.c - the CRC of a file that its zip directory tells
 *
 * tests/oracle/make_whole.py writes files by torch and by zipfile, and zlib
 * tells their CRC, if PAWL_PYTHON names a Python that has torch.  Golden files
 * are torch's own too, and then some are built here.
 */
#include "format/zip_reader.h"
#include "format/zip_whole.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "memory_source.h"
#include "scratch.h"
#include "seed.h"
#include "zip_builder.h"

enum { LARGE = 4 << 20 };

/* What pawl_zip_whole_crc says of these bytes, and how many of them it read;
 * `*crc` is what is hoped for. */
static int whole(uint32_t *crc, const void *data, size_t len, size_t *read,
                 struct pawl_error *err)
{
    struct memory_source memory;
    memory_source_init(&memory, data, len);
    int rc = pawl_zip_whole_crc(crc, &memory.source, err);
    if (read != NULL) {
        *read = memory.bytes_read;
    }
    memory_source_fini(&memory);
    return rc;
}

static uint32_t crc_of(const void *data, size_t len)
{
    return (uint32_t)crc32(0, data, (unsigned)len);
}

/* Whether that is hoped for or not. */
static void expect_right(const char *name, const void *data, size_t len)
{
    uint32_t right = crc_of(data, len);
    for (uint32_t change = 0; change < 2; change++) {
        struct pawl_error err = {0};
        uint32_t crc = right ^ change;
        int rc = whole(&crc, data, len, NULL, &err);
        if (rc != 1 || crc != right) {
            fail_msg("'%s': %d %08x '%s', its bytes say %08x", name, rc, crc,
                     err.message, right);
        }
    }
}

static void expect_unknown(const char *name, const void *data, size_t len)
{
    struct pawl_error err = {0};
    uint32_t crc = crc_of(data, len);
    int rc = whole(&crc, data, len, NULL, &err);
    if (rc != 0) {
        fail_msg("'%s': %d %08x '%s', expected not to be known", name, rc, crc,
                 err.message);
    }
}

/* ---- files by others ---------------------------------------------------- */

static void test_golden(void **state)
{
    static const struct {
        const char *name;
        void (*expect)(const char *name, const void *data, size_t len);
    } files[] = {
        {"plain.pt", expect_right},
        {"protocol4.pt", expect_right},
        {"nocrc.pt", expect_unknown},
        {"deflated.pt", expect_unknown},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        size_t len = 0;
        char *data = golden_read(files[i].name, &len);
        files[i].expect(files[i].name, data, len);
        free(data);
    }
}

/* One line of the list: "NAME CRC". */
static void check_line(const char *dir, const char *name, const char *said)
{
    size_t len = 0;
    char *data = scratch_read(dir, name, &len);
    if (strcmp(said, "-") == 0) {
        expect_unknown(name, data, len);
    } else {
        assert_int_equal(strtoul(said, NULL, 16), crc_of(data, len));
        expect_right(name, data, len);
    }
    free(data);
}

static void test_files_by_torch_and_zipfile(void **state)
{
    const char *python = getenv("PAWL_PYTHON");
    const char *tests = getenv("PAWL_TESTS_DIR");
    (void)state;
    if (python == NULL || tests == NULL) {
        print_message("PAWL_PYTHON and PAWL_TESTS_DIR are not set\n");
        skip();
    }
    char *dir = scratch_new();
    char *command = NULL;
    char *rest = NULL;
    size_t len = 0;
    size_t count = 0;
    assert_true(asprintf(&command, "'%s' '%s/oracle/make_whole.py' '%s'",
                         python, tests, dir) > 0);
    assert_int_equal(system(command), 0);
    char *list = scratch_read(dir, "list", &len);
    for (char *line = strtok_r(list, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *said = strchr(line, ' ');
        assert_non_null(said);
        *said++ = '\0';
        check_line(dir, line, said);
        count++;
    }
    assert_int_equal(count, 15);
    free(list);
    free(command);
    scratch_free(dir);
}

/* ---- files built here --------------------------------------------------- */

static char *payload_new(size_t len)
{
    char *payload = malloc(len + 1);
    uint32_t x = 5;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        payload[i] = (char)(x >> 24);
    }
    return payload;
}

/* Records of some lengths, with bytes of no record between and behind. */
static void build(struct zip_builder *zip, const char *payload, size_t large)
{
    memset(zip, 0, sizeof(*zip));
    zip_add(zip, "a/none", "", 0);
    zip_add(zip, "a/one", payload, 1);
    pawl_buffer_append(&zip->file, payload, 100);
    zip_add(zip, "a/large", payload, large);
    zip_add(zip, "a/some", payload, 4097);
    pawl_buffer_append(&zip->file, payload, 70000);
    zip_add(zip, "a/last", payload, 64);
    pawl_buffer_append(&zip->file, payload, 3);
}

static void test_gaps_and_ends(void **state)
{
    char *payload = payload_new(LARGE);
    (void)state;
    for (size_t large = 0; large < 70000; large += 6999) {
        for (int wide = 0; wide < 2; wide++) {
            struct zip_builder zip;
            build(&zip, payload, large);
            (wide ? zip_finish64 : zip_finish)(&zip);
            expect_right(wide ? "zip64" : "zip", zip.file.data, zip.file.len);
            zip_fini(&zip);
        }
    }
    free(payload);
}

/* Also where no record has content: nothing to have a CRC of. */
static void test_without_content(void **state)
{
    struct zip_builder zip = {0};
    (void)state;
    zip_add(&zip, "a/none", "", 0);
    zip_finish(&zip);
    expect_right("nothing", zip.file.data, zip.file.len);
    zip_fini(&zip);
}

/* An empty one has two bytes. */
static void test_one_deflated_record_is_enough(void **state)
{
    struct zip_builder zip = {0};
    (void)state;
    zip_add(&zip, "a/one", "1", 1);
    zip_add_deflated(&zip, "a/two", "", 0);
    zip_finish(&zip);
    expect_unknown("deflated", zip.file.data, zip.file.len);
    zip_fini(&zip);
}

/* A bit of a content changes nothing, since none is read; any other bit is
 * seen. */
static void test_content_is_not_read(void **state)
{
    struct zip_builder zip;
    char *payload = payload_new(LARGE);
    uint64_t seed = test_seed();
    uint32_t right = 0;
    uint32_t crc = 0;
    size_t read = 0;
    (void)state;
    build(&zip, payload, LARGE);
    zip_finish(&zip);
    assert_int_equal(whole(&right, zip.file.data, zip.file.len, &read, NULL),
                     1);
    /* The end is looked for in the last 64 KiB, and there is a gap. */
    assert_true(read < LARGE / 16);
    for (int i = 0; i < 10; i++) {
        size_t at = zip.places[2].data + (size_t)test_draw(&seed, LARGE);
        zip.file.data[at] ^= 0x10;
        assert_int_equal(whole(&crc, zip.file.data, zip.file.len, NULL, NULL),
                         1);
        assert_int_equal(crc, right);
        zip.file.data[at] ^= 0x10;
    }
    zip_fini(&zip);
    free(payload);
}

static bool is_content(const struct zip_builder *zip, size_t at)
{
    static const size_t lens[] = {0, 1, 50, 4097, 64};
    for (size_t i = 0; i < 5; i++) {
        if (at >= zip->places[i].data && at - zip->places[i].data < lens[i]) {
            return true;
        }
    }
    return false;
}

/* Which says how the content is stored. */
static bool is_method(const struct zip_builder *zip, size_t at)
{
    for (size_t i = 0; i < zip->count; i++) {
        if (at == zip->places[i].central + 10) {
            return true;
        }
    }
    return false;
}

/* Each byte of the first records and of the directory, and some between. */
static void test_every_other_byte_counts(void **state)
{
    struct zip_builder zip;
    char *payload = payload_new(LARGE);
    uint64_t seed = test_seed();
    uint32_t right = 0;
    (void)state;
    build(&zip, payload, 50);
    zip_finish(&zip);
    assert_int_equal(whole(&right, zip.file.data, zip.file.len, NULL, NULL), 1);
    for (size_t at = 0; at < zip.file.len;
         at += at < 500 || at + 500 > zip.file.len ? 1 : 97) {
        struct pawl_error err = {0};
        uint32_t crc = 0;
        uint8_t mask = (uint8_t)(1 + test_draw(&seed, 255));
        zip.file.data[at] ^= mask;
        int rc = whole(&crc, zip.file.data, zip.file.len, NULL, &err);
        zip.file.data[at] ^= mask;
        bool is_same = rc == 1 && crc == right;
        bool may_be_unknown = is_method(&zip, at); /* deflated now */
        if (is_same != is_content(&zip, at) || (rc == 0 && !may_be_unknown)) {
            fail_msg("byte %zu: %d %08x, not changed %08x", at, rc, crc, right);
        }
        assert_true(rc >= 0 || strstr(err.message, "'test.pt'") != NULL);
    }
    zip_fini(&zip);
    free(payload);
}

/* ---- as torch would write it -------------------------------------------- */

/* The bytes that opening the file reads. */
static size_t read_by_opening(const void *data, size_t len)
{
    struct memory_source memory;
    struct pawl_zip_reader *reader = NULL;
    memory_source_init(&memory, data, len);
    assert_int_equal(pawl_zip_reader_open(&reader, &memory.source, NULL), 0);
    size_t read = memory.bytes_read;
    pawl_zip_reader_free(reader);
    memory_source_fini(&memory);
    return read;
}

static const char *const by_torch[] = {"plain.pt", "protocol4.pt"};

/* Headers are not looked at where what is hoped for is what there is. */
static void test_headers_are_not_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pawl_error err = {0};
        size_t len = 0;
        size_t read = 0;
        char *data = golden_read(by_torch[i], &len);
        uint32_t right = crc_of(data, len);
        uint32_t crc = right;
        data[30] ^= 1; /* in the name of the first */
        assert_int_equal(whole(&crc, data, len, &read, &err), 1);
        assert_int_equal(crc, right);
        assert_int_equal(read, read_by_opening(data, len));
        crc = right ^ 1;
        assert_int_equal(whole(&crc, data, len, NULL, &err), PAWL_EFORMAT);
        free(data);
    }
}

/* Whether the directory says the same of all that is read by it. */
static bool says_the_same(const char *data, const char *as, size_t len)
{
    struct memory_source memory[2];
    struct pawl_zip_reader *reader[2] = {NULL, NULL};
    bool is_same = true;
    memory_source_init(&memory[0], data, len);
    memory_source_init(&memory[1], as, len);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(
            pawl_zip_reader_open(&reader[i], &memory[i].source, NULL), 0);
    }
    size_t count = pawl_zip_count(reader[0]);
    is_same = count == pawl_zip_count(reader[1]);
    for (size_t i = 0; is_same && i < count; i++) {
        const struct pawl_zip_record *a = pawl_zip_at(reader[0], i);
        const struct pawl_zip_record *b = pawl_zip_at(reader[1], i);
        is_same = a->name_len == b->name_len &&
                  memcmp(a->name, b->name, a->name_len) == 0 &&
                  a->size_bytes == b->size_bytes &&
                  a->stored_bytes == b->stored_bytes &&
                  a->header_offset == b->header_offset &&
                  a->end_limit == b->end_limit && a->crc32 == b->crc32 &&
                  a->method == b->method;
    }
    for (size_t i = 0; i < 2; i++) {
        pawl_zip_reader_free(reader[i]);
        memory_source_fini(&memory[i]);
    }
    return is_same;
}

/* Every bit from `from` on that is another: either that is seen, or it makes no
 * difference. */
static void flip_bits(char *data, size_t len, size_t from)
{
    uint32_t right = crc_of(data, len);
    char *as = malloc(len);
    size_t passed = 0;
    memcpy(as, data, len);
    for (size_t bit = from * 8; bit < len * 8; bit++) {
        uint32_t crc = right;
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
        if (whole(&crc, data, len, NULL, NULL) == 1 && crc == right) {
            if (!says_the_same(data, as, len)) {
                fail_msg("bit %zu of byte %zu, %zu behind the directory's "
                         "beginning, passes",
                         bit % 8, bit / 8, bit / 8 - from);
            }
            passed++;
        }
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
    }
    assert_true(passed > 0); /* dates, and such */
    free(as);
}

static void test_what_passes_says_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t len = 0;
        char *data = golden_read(by_torch[i], &len);
        char *directory = memmem(data, len, "PK\1\2", 4);
        assert_non_null(directory);
        flip_bits(data, len, (size_t)(directory - data));
        free(data);
    }
}

/* Two records trade places, in the directory alone. */
static void test_traded_places(void **state)
{
    size_t len = 0;
    size_t traded = 0;
    char *data = golden_read("plain.pt", &len);
    uint32_t right = crc_of(data, len);
    char *entry = memmem(data, len, "PK\1\2", 4);
    (void)state;
    for (;;) {
        uint32_t crc = right;
        char *next = entry + 46 + get_le16(entry + 28);
        if (memcmp(next, "PK\1\2", 4) != 0) {
            break;
        }
        uint32_t offset = get_le32(entry + 42);
        put_le32(entry + 42, get_le32(next + 42));
        put_le32(next + 42, offset);
        assert_false(whole(&crc, data, len, NULL, NULL) == 1 && crc == right);
        put_le32(next + 42, get_le32(entry + 42));
        put_le32(entry + 42, offset);
        entry = next;
        traded++;
    }
    assert_true(traded > 5);
    free(data);
}

/* The directory lies a byte before where it would be written. */
static void test_a_moved_directory(void **state)
{
    size_t len = 0;
    char *data = golden_read("plain.pt", &len);
    uint32_t right = crc_of(data, len);
    uint32_t crc = right;
    char *end64 = data + len - 22 - 20 - 56;
    uint64_t at = get_le64(end64 + 48);
    (void)state;
    memmove(data + at - 1, data + at, (size_t)(end64 - data) - at);
    put_le64(end64 + 48, at - 1);
    put_le32(data + len - 22 + 16, (uint32_t)at - 1);
    assert_int_equal(whole(&crc, data, len, NULL, NULL), 1);
    assert_int_not_equal(crc, right);
    assert_int_equal(crc, crc_of(data, len));
    free(data);
}

/* ---- failures ----------------------------------------------------------- */

static void test_a_header_that_lies(void **state)
{
    struct zip_builder zip = {0};
    struct pawl_error err = {0};
    uint32_t crc = 0;
    (void)state;
    zip_add(&zip, "a/one", "first", 5);
    zip_add(&zip, "a/two", "second", 6);
    zip_finish(&zip);
    zip.file.data[zip.places[1].local + 30 + 2] = 'T';
    int rc = whole(&crc, zip.file.data, zip.file.len, NULL, &err);
    assert_int_equal(rc, PAWL_EFORMAT);
    assert_non_null(strstr(err.message, "'test.pt': record 'two': its header"));
    zip_fini(&zip);
}

/* Each read of them all. */
static void test_reads_that_fail(void **state)
{
    struct zip_builder zip;
    char *payload = payload_new(LARGE);
    struct memory_source memory;
    uint32_t crc = 0;
    size_t most = 0;
    (void)state;
    build(&zip, payload, 1000);
    zip_finish(&zip);
    assert_int_equal(whole(&crc, zip.file.data, zip.file.len, &most, NULL), 1);
    for (size_t after = 1; after < most; after += 97) {
        struct pawl_error err = {0};
        memory_source_init(&memory, zip.file.data, zip.file.len);
        memory.fail_after = after;
        assert_int_equal(pawl_zip_whole_crc(&crc, &memory.source, &err),
                         PAWL_EIO);
        assert_int_equal(err.sys_errno, 5);
        memory_source_fini(&memory);
    }
    zip_fini(&zip);
    free(payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_files_by_torch_and_zipfile),
        cmocka_unit_test(test_gaps_and_ends),
        cmocka_unit_test(test_without_content),
        cmocka_unit_test(test_one_deflated_record_is_enough),
        cmocka_unit_test(test_content_is_not_read),
        cmocka_unit_test(test_every_other_byte_counts),
        cmocka_unit_test(test_headers_are_not_read),
        cmocka_unit_test(test_what_passes_says_the_same),
        cmocka_unit_test(test_traded_places),
        cmocka_unit_test(test_a_moved_directory),
        cmocka_unit_test(test_a_header_that_lies),
        cmocka_unit_test(test_reads_that_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
