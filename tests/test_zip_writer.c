/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_zip_writer.c - archives against the zip specification
 *
 * Whole files are compared with torch's in test_torch_writer.c; here are the
 * rules one by one, and Python's zipfile reads what was written if
 * PAWL_PYTHON names a Python.
 */
#include "format/zip_writer.h"

#include "base/bytes.h"
#include "plan_file.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

struct archive {
    unsigned char *bytes;
    size_t len;
    size_t directory; /* offset of the central directory */
    size_t count;
};

/* Ends the zip, carries the plan out and finds the directory by its end. */
static struct archive finish(struct pawl_zip *zip)
{
    struct archive a = {0};
    struct pawl_plan *plan = zip->plan;
    assert_int_equal(pawl_zip_end(zip, NULL, NULL), 0);
    pawl_zip_fini(zip);
    assert_int_equal(pawl_plan_seal(plan, NULL), 0);
    a.bytes = plan_file_bytes(plan, &a.len);
    pawl_plan_free(plan);
    const unsigned char *end64 = a.bytes + a.len - 22 - 20 - 56;
    assert_int_equal(get_le32(end64), 0x06064b50);
    a.count = (size_t)get_le64(end64 + 32);
    a.directory = (size_t)get_le64(end64 + 48);
    assert_int_equal(a.directory + get_le64(end64 + 40), a.len - 98);
    return a;
}

static void init(struct pawl_zip *zip, const char *prefix, uint32_t alignment)
{
    struct pawl_plan *plan = pawl_plan_new();
    assert_non_null(plan);
    pawl_zip_init(zip, plan, prefix, alignment);
}

/* The directory entry number `index`. */
static const unsigned char *entry_of(const struct archive *a, size_t index)
{
    const unsigned char *at = a->bytes + a->directory;
    for (; index > 0; index--) {
        at += 46 + get_le16(at + 28) + get_le16(at + 30);
    }
    assert_int_equal(get_le32(at), 0x02014b50);
    return at;
}

static size_t data_of(const struct archive *a, const unsigned char *entry)
{
    size_t header = get_le32(entry + 42);
    const unsigned char *local = a->bytes + header;
    assert_int_equal(get_le32(local), 0x04034b50);
    assert_int_equal(get_le16(local + 26), get_le16(entry + 28));
    return header + 30 + get_le16(local + 26) + get_le16(local + 28);
}

static void check_alignment(uint32_t alignment)
{
    struct pawl_zip zip;
    static const char payload[100] = "payload";
    init(&zip, "p", alignment);
    pawl_zip_add(&zip, "head", "abc", 3);
    for (size_t len = 0; len < 100; len += 9) {
        pawl_zip_add_payload(&zip, "data", payload, len);
    }
    struct archive a = finish(&zip);
    assert_int_equal(a.count, 13);
    for (size_t i = 0; i < a.count; i++) {
        const unsigned char *entry = entry_of(&a, i);
        size_t data = data_of(&a, entry);
        size_t len = get_le32(entry + 20);
        assert_int_equal(data % alignment, 0);
        assert_int_equal(len, i == 0 ? 3 : (i - 1) * 9);
        assert_int_equal(get_le32(entry + 16), crc32_z(0, a.bytes + data, len));
    }
    free(a.bytes);
}

static void test_data_is_aligned(void **fixture)
{
    (void)fixture;
    check_alignment(1);
    check_alignment(64);
    check_alignment(4096);
    check_alignment(32768);
}

static void test_descriptors(void **fixture)
{
    (void)fixture;
    struct pawl_zip zip;
    init(&zip, "p", 64);
    pawl_zip_add(&zip, "full", "abc", 3);
    pawl_zip_add_payload(&zip, "empty", NULL, 0);
    pawl_zip_add(&zip, "empty too", NULL, 0);
    struct archive a = finish(&zip);

    const unsigned char *full = entry_of(&a, 0);
    const unsigned char *descriptor = a.bytes + data_of(&a, full) + 3;
    assert_int_equal(get_le16(full + 8), 0x0808);
    assert_int_equal(get_le32(descriptor), 0x08074b50);
    assert_int_equal(get_le32(descriptor + 4), crc32_z(0, (void *)"abc", 3));
    assert_int_equal(get_le32(descriptor + 8), 3);
    assert_int_equal(get_le32(descriptor + 12), 3);

    for (size_t i = 1; i < 3; i++) {
        const unsigned char *empty = entry_of(&a, i);
        size_t next = i == 2 ? a.directory : get_le32(entry_of(&a, i + 1) + 42);
        assert_int_equal(get_le16(empty + 8), 0x0800);
        assert_int_equal(get_le32(empty + 16), 0);
        assert_int_equal(data_of(&a, empty), next);
    }
    free(a.bytes);
}

static void test_the_last_record_can_be_rewritten(void **fixture)
{
    (void)fixture;
    struct pawl_zip zip;
    struct pawl_zip_places places;
    size_t len = 0;
    init(&zip, "p", 64);
    struct pawl_plan *plan = zip.plan;
    pawl_zip_add(&zip, "first", "abc", 3);
    pawl_zip_add(&zip, "last", "????", 4);
    assert_int_equal(pawl_zip_end(&zip, &places, NULL), 0);
    pawl_zip_fini(&zip);
    assert_int_equal(pawl_plan_seal(plan, NULL), 0);
    pawl_zip_rewrite(plan, &places, "done", 4);
    struct archive a = {plan_file_bytes(plan, &len), 0, 0, 0};
    a.directory = (size_t)get_le64(a.bytes + len - 98 + 48);
    const unsigned char *entry = entry_of(&a, 1);
    size_t data = data_of(&a, entry);
    uint32_t crc = (uint32_t)crc32_z(0, (void *)"done", 4);
    assert_memory_equal(a.bytes + data, "done", 4);
    assert_int_equal(get_le32(entry + 16), crc);
    assert_int_equal(get_le32(a.bytes + data + 4 + 4), crc);
    assert_int_equal(get_le32(entry_of(&a, 0) + 16),
                     crc32_z(0, (void *)"abc", 3));
    free(a.bytes);
    pawl_plan_free(plan);
}

static void test_a_long_name_is_refused(void **fixture)
{
    (void)fixture;
    struct pawl_zip zip;
    struct pawl_error err = {0};
    char name[600];
    memset(name, 'n', sizeof(name));
    name[510] = '\0';
    init(&zip, "p", 64); /* "p/" and 510 more are just right */
    struct pawl_plan *plan = zip.plan;
    pawl_zip_add(&zip, name, "x", 1);
    assert_int_equal(pawl_zip_end(&zip, NULL, &err), 0);
    name[510] = 'n';
    name[511] = '\0';
    pawl_zip_add(&zip, name, "x", 1);
    assert_int_equal(pawl_zip_end(&zip, NULL, &err), PAWL_EINVAL);
    assert_non_null(strstr(err.message, "512"));
    pawl_zip_fini(&zip);
    pawl_plan_free(plan);
}

/* More records than 16 bits count. */
static void test_zipfile_reads_many_records(void **fixture)
{
    (void)fixture;
    enum { COUNT = 70000 };
    struct pawl_zip zip;
    const char *python = getenv("PAWL_PYTHON");
    init(&zip, "many", 64);
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof(name), "data/%d", i);
        pawl_zip_add_payload(&zip, name, "0123456789", (uint64_t)i % 11);
    }
    struct archive a = finish(&zip);
    assert_int_equal(a.count, COUNT);
    assert_int_equal(get_le16(a.bytes + a.len - 22 + 8), 0xffff);
    assert_int_equal(get_le16(a.bytes + a.len - 22 + 10), 0xffff);
    if (python == NULL) {
        free(a.bytes);
        print_message("PAWL_PYTHON is not set\n");
        skip();
    }
    char *dir = scratch_new();
    char *command = NULL;
    scratch_write(dir, "many.zip", a.bytes, a.len);
    assert_true(asprintf(&command,
                         "'%s' -c 'import sys, zipfile\n"
                         "z = zipfile.ZipFile(sys.argv[1])\n"
                         "assert z.testzip() is None\n"
                         "assert len(z.namelist()) == %d\n"
                         "assert z.read(\"many/data/69998\") == b\"01234\"\n"
                         "' '%s/many.zip'",
                         python, COUNT, dir) > 0);
    assert_int_equal(system(command), 0);
    free(command);
    free(a.bytes);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_is_aligned),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_the_last_record_can_be_rewritten),
        cmocka_unit_test(test_a_long_name_is_refused),
        cmocka_unit_test(test_zipfile_reads_many_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
