/* SPDX-License-Identifier: Apache-2.0 */
/* test_file_image.c - files in memory: sizes, threads, checksums, failures. */
#include "base/crc32.h"
#include "engine/file_image.h"
#include "file_fixture.h"
#include "seed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GRAIN = 64 << 10, LARGEST = 3 * 1024 * 1024 + 77 };

/* Bytes that differ from place to place. */
static unsigned char *pattern(size_t len)
{
    unsigned char *bytes = malloc(len + 1);
    uint32_t x = 7;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (unsigned char)(x >> 24);
    }
    return bytes;
}

static void put(struct file_fixture *fix, const unsigned char *bytes,
                size_t len)
{
    struct pawl_object_handle object;
    assert_int_equal(pawl_store_open(&fix->store, "file", PAWL_STORE_CREATE, 0,
                                     &object, NULL, NULL),
                     0);
    if (len > 0) {
        assert_int_equal(pawl_object_write(&object, 0, bytes, len, NULL), 0);
    }
    assert_int_equal(pawl_object_close(&object, false, NULL), 0);
}

static struct pawl_object_handle get(struct file_fixture *fix, unsigned mode,
                                     uint64_t *size)
{
    struct pawl_object_handle object;
    assert_int_equal(pawl_store_open(&fix->store, "file",
                                     (enum pawl_store_mode)mode, 0, &object,
                                     size, NULL),
                     0);
    return object;
}

/* By one thread, at once. */
static struct pawl_digest digest_of(const unsigned char *bytes, size_t len)
{
    struct pawl_hasher *hasher = pawl_hasher_new();
    pawl_hasher_add(hasher, bytes, len);
    struct pawl_digest digest = pawl_hasher_digest(hasher);
    pawl_hasher_free(hasher);
    return digest;
}

static void check_ranges(const struct pawl_file_image *image,
                         const unsigned char *bytes, size_t len, uint64_t *seed)
{
    for (int i = 0; i < 40; i++) {
        size_t from = (size_t)(test_draw(seed, len + 1));
        size_t to = from + (size_t)(test_draw(seed, len - from + 1));
        if (i % 4 == 0) { /* on the edges of grains */
            from = from / GRAIN * GRAIN;
        }
        if (i % 4 == 1) {
            to = len;
        }
        assert_int_equal(pawl_file_image_crc(image, from, to - from),
                         pawl_crc32(0, bytes + from, to - from));
    }
}

static void check_file(struct file_fixture *fix, size_t len, size_t block,
                       unsigned threads, unsigned mode, uint64_t *seed)
{
    struct pawl_image_options options = {block, threads, mode};
    struct pawl_file_image *image = NULL;
    struct pawl_file_image *copy = NULL;
    unsigned char *bytes = pattern(len);
    uint64_t size = 0;
    struct pawl_sums sums = {.crc32 = 1};
    struct pawl_digest digest = digest_of(bytes, len);
    put(fix, bytes, len);
    struct pawl_object_handle object = get(fix, PAWL_STORE_READ | mode, &size);
    assert_int_equal(size, len);
    assert_int_equal(
        pawl_file_image_read(&image, &object, size, &options, true, NULL), 0);
    assert_int_equal(
        pawl_file_image_scan(&sums, &object, size, &options, true, NULL), 0);
    struct pawl_digest found = pawl_file_image_digest(image);
    assert_true(pawl_digest_equal(&found, &digest));
    assert_true(pawl_digest_equal(&sums.digest, &digest));
    assert_int_equal(sums.crc32, pawl_crc32(0, bytes, len));
    assert_int_equal(
        pawl_file_image_scan(&sums, &object, size, &options, false, NULL), 0);
    assert_false(sums.digest.is_known);
    pawl_object_close(&object, false, NULL);

    assert_int_equal(pawl_file_image_size(image), len);
    assert_int_equal(sums.crc32, pawl_crc32(0, bytes, len));
    assert_int_equal(pawl_file_image_copy(&copy, image, &options, NULL), 0);
    if (len > 0) {
        unsigned char *data = pawl_file_image_data(image);
        assert_int_equal((uintptr_t)data % 4096, 0);
        assert_memory_equal(data, bytes, len);
        check_ranges(image, bytes, len, seed);
        data[len / 2] ^= 1; /* the copy is another's */
        assert_memory_equal(pawl_file_image_data(copy), bytes, len);
        check_ranges(copy, bytes, len, seed);
    }
    pawl_file_image_unref(image);
    pawl_file_image_unref(copy);
    free(bytes);
}

static void test_sizes(void **state)
{
    static const size_t lens[] = {0,         1,      4095,      4096,
                                  GRAIN - 1, GRAIN,  GRAIN + 1, 8 * GRAIN,
                                  2000001,   LARGEST};
    uint64_t seed = test_seed();
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        check_file(*state, lens[i], 1, 1, 0, &seed);
        check_file(*state, lens[i], 2 * GRAIN, 4, 0, &seed);
        check_file(*state, lens[i], 5 * GRAIN, 3, PAWL_STORE_DIRECT, &seed);
        check_file(*state, lens[i], 16 << 20, 64, PAWL_STORE_DIRECT, &seed);
    }
}

static void test_copy_finds_changes(void **state)
{
    struct file_fixture *fix = *state;
    struct pawl_image_options options = {GRAIN, 2, 0};
    struct pawl_file_image *image = NULL;
    struct pawl_file_image *copy = NULL;
    struct pawl_error err;
    unsigned char *bytes = pattern(LARGEST);
    uint64_t size = 0;
    put(fix, bytes, LARGEST);
    struct pawl_object_handle object = get(fix, PAWL_STORE_READ, &size);
    assert_int_equal(
        pawl_file_image_read(&image, &object, size, &options, false, NULL), 0);
    pawl_object_close(&object, false, NULL);
    unsigned char *data = pawl_file_image_data(image);
    static const size_t places[] = {0, GRAIN, LARGEST - 1};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        data[places[i]] ^= 0x10;
        assert_int_equal(pawl_file_image_copy(&copy, image, &options, &err),
                         PAWL_ECORRUPT);
        data[places[i]] ^= 0x10;
    }
    assert_int_equal(pawl_file_image_copy(&copy, image, &options, &err), 0);
    pawl_file_image_unref(copy);
    pawl_file_image_unref(image);
    free(bytes);
}

/* Each read of many, by whichever thread, may fail. */
static void test_read_fails(void **state)
{
    struct file_fixture *fix = *state;
    struct pawl_image_options options = {GRAIN, 4, 0};
    struct pawl_file_image *image = NULL;
    struct pawl_error err;
    unsigned char *bytes = pattern(8 * GRAIN);
    uint64_t size = 0;
    struct pawl_sums sums;
    put(fix, bytes, 8 * GRAIN);
    struct pawl_object_handle object = get(fix, PAWL_STORE_READ, &size);
    for (size_t nth = 1; nth <= 8; nth++) {
        struct fault_plan plan = {
            .call = FAULT_PREAD, .nth = nth, .sys_errno = EIO};
        fault_io_arm(fix->fault, &plan);
        bool digest = nth % 2 == 0;
        int rc =
            pawl_file_image_read(&image, &object, size, &options, digest, &err);
        assert_int_equal(rc, PAWL_EIO);
        assert_int_equal(err.sys_errno, EIO);
        assert_non_null(strstr(err.message, "cannot read"));
        fault_io_arm(fix->fault, &plan);
        rc = pawl_file_image_scan(&sums, &object, size, &options, digest, NULL);
        assert_int_equal(rc, PAWL_EIO);
    }
    fault_io_arm(fix->fault, NULL);
    pawl_object_close(&object, false, NULL);
    free(bytes);
}

/* Short counts are gone on after; a file that became shorter is an error. */
static void test_short_reads(void **state)
{
    struct file_fixture *fix = *state;
    struct pawl_image_options options = {GRAIN, 2, 0};
    struct pawl_file_image *image = NULL;
    struct pawl_error err;
    unsigned char *bytes = pattern(3 * GRAIN);
    uint64_t size = 0;
    put(fix, bytes, 3 * GRAIN);
    struct pawl_object_handle object = get(fix, PAWL_STORE_READ, &size);
    fault_io_arm(fix->fault, &(struct fault_plan){.call = FAULT_PREAD,
                                                  .nth = 1,
                                                  .short_count = 777,
                                                  .from_then_on = true});
    assert_int_equal(
        pawl_file_image_read(&image, &object, size, &options, false, NULL), 0);
    assert_memory_equal(pawl_file_image_data(image), bytes, 3 * GRAIN);
    pawl_file_image_unref(image);
    image = NULL;
    fault_io_arm(fix->fault, NULL);
    assert_true(pawl_file_image_read(&image, &object, size + 1, &options, true,
                                     &err) < 0);
    assert_null(image);
    pawl_object_close(&object, false, NULL);
    free(bytes);
}

/* More than any machine has. */
static void test_too_large(void **state)
{
    struct file_fixture *fix = *state;
    struct pawl_image_options options = {GRAIN, 2, 0};
    struct pawl_file_image *image = NULL;
    struct pawl_error err;
    uint64_t size = 0;
    put(fix, (const unsigned char *)"x", 1);
    struct pawl_object_handle object = get(fix, PAWL_STORE_READ, &size);
    int rc = pawl_file_image_read(&image, &object, UINT64_C(1) << 60, &options,
                                  false, &err);
    assert_int_equal(rc, PAWL_ENOMEM);
    rc =
        pawl_file_image_read(&image, &object, UINT64_MAX, &options, true, &err);
    assert_int_equal(rc, PAWL_ENOMEM);
    pawl_object_close(&object, false, NULL);
    pawl_file_image_unref(NULL);
    assert_null(pawl_file_image_ref(NULL));
}

#define CASE(test)                                                             \
    cmocka_unit_test_setup_teardown(test, file_fixture_set_up,                 \
                                    file_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_sizes),      CASE(test_copy_finds_changes),
        CASE(test_read_fails), CASE(test_short_reads),
        CASE(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
