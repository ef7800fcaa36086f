/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_manifest.c - what is written is read back; what was changed, cut or made
 * up is refused
 *
 * The text itself is held against Python's json by tests/python; here, against
 * the layout that manifest.h shows.
 */
#include "engine/manifest.h"

#include "base/crc32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "seed.h"

/* A text for what `body` says, with the checksum that belongs to it. */
static struct pawl_buffer sign(const char *body)
{
    struct pawl_buffer text = {0};
    char tail[64];
    snprintf(tail, sizeof(tail), "  \"manifest_crc32\": \"%08x\"\n}\n",
             pawl_crc32(0, body, strlen(body)));
    pawl_buffer_append(&text, body, strlen(body));
    pawl_buffer_append(&text, tail, strlen(tail));
    return text;
}

static int parse(const struct pawl_buffer *text, struct pawl_error *err)
{
    struct pawl_manifest manifest = {0};
    int rc = pawl_manifest_parse(&manifest, text->data, text->len, err);
    pawl_manifest_fini(&manifest);
    return rc;
}

static void expect_refused(const char *body, int code, const char *why)
{
    struct pawl_error err = {0};
    struct pawl_buffer text = sign(body);
    int rc = parse(&text, &err);
    if (rc != code || strstr(err.message, why) == NULL) {
        fail_msg("%s: %s: %s", body, pawl_error_name(rc), err.message);
    }
    pawl_buffer_fini(&text);
}

static void add(struct pawl_manifest *manifest, const char *path,
                uint64_t size_bytes, uint32_t crc32)
{
    struct pawl_manifest_file file = {.path = (char *)(uintptr_t)path,
                                      .size_bytes = size_bytes,
                                      .crc32 = crc32};
    struct pawl_error err;
    if (pawl_manifest_add(manifest, &file, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static struct pawl_manifest sample(void)
{
    struct pawl_manifest manifest = {
        .tag = "step \"10\"",
        .sequence = 12,
        .created_unix_ms = 1764037018123,
        .world_size = 1,
    };
    add(&manifest, "model.pt", 1843, 0x0a1b2c3d);
    add(&manifest, "sub/o\xc3\xa9\n\"x\\.pt", 0, 0);
    add(&manifest, "big.pt", INT64_MAX, 0xffffffff);
    manifest.files[0].digest =
        (struct pawl_digest){true, 0x1122334455667788, 0x8877665544332211};
    manifest.files[2].digest = (struct pawl_digest){.is_known = true};
    return manifest;
}

static struct pawl_buffer encode(const struct pawl_manifest *manifest)
{
    struct pawl_buffer text = {0};
    struct pawl_error err;
    if (pawl_manifest_encode(manifest, &text, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return text;
}

static void test_round_trip(void **state)
{
    struct pawl_manifest manifest = sample();
    struct pawl_buffer text = encode(&manifest);
    struct pawl_manifest back = {0};
    (void)state;
    assert_int_equal(pawl_manifest_parse(&back, text.data, text.len, NULL), 0);
    assert_string_equal(back.tag, manifest.tag);
    assert_int_equal(back.sequence, 12);
    assert_int_equal(back.created_unix_ms, 1764037018123);
    assert_int_equal(back.world_size, 1);
    assert_int_equal(back.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(back.files[i].path, manifest.files[i].path);
        assert_int_equal(back.files[i].size_bytes,
                         manifest.files[i].size_bytes);
        assert_int_equal(back.files[i].crc32, manifest.files[i].crc32);
        assert_true(pawl_digest_equal(&back.files[i].digest,
                                      &manifest.files[i].digest));
    }
    pawl_manifest_fini(&back);
    pawl_manifest_fini(&manifest);
    pawl_buffer_fini(&text);
}

static void test_text_is_as_documented(void **state)
{
    static const char body[] =
        "{\n  \"pawl_manifest\": 1,\n  \"pawl_version\": \"0.1.0\",\n"
        "  \"tag\": \"step-10\",\n  \"sequence\": 12,\n"
        "  \"created_unix_ms\": 1764037018123,\n  \"world_size\": 1,\n"
        "  \"files\": [\n"
        "    {\"path\": \"model.pt\", \"size\": 1843, \"crc32\": \"0a1b2c3d\", "
        "\"rank\": 0},\n"
        "    {\"path\": \"optim/rank0.pt\", \"size\": 977, \"crc32\": "
        "\"99c0ffee\", \"xxh3\": \"99aa06d3014798d86001c324468d497f\", "
        "\"rank\": 0}\n"
        "  ],\n";
    struct pawl_manifest manifest = {.tag = "step-10",
                                     .sequence = 12,
                                     .created_unix_ms = 1764037018123,
                                     .world_size = 1};
    (void)state;
    add(&manifest, "model.pt", 1843, 0x0a1b2c3d);
    add(&manifest, "optim/rank0.pt", 977, 0x99c0ffee);
    assert_true(pawl_digest_parse(&manifest.files[1].digest,
                                  "99aa06d3014798d86001c324468d497f"));
    struct pawl_buffer text = encode(&manifest);
    struct pawl_buffer expected = sign(body);
    assert_int_equal(text.len, expected.len);
    assert_memory_equal(text.data, expected.data, text.len);
    pawl_manifest_fini(&manifest);
    pawl_buffer_fini(&text);
    pawl_buffer_fini(&expected);
}

static void test_a_second_entry_replaces(void **state)
{
    struct pawl_manifest manifest = sample();
    (void)state;
    add(&manifest, "model.pt", 5, 6);
    assert_int_equal(manifest.count, 3);
    assert_int_equal(pawl_manifest_find(&manifest, "model.pt")->size_bytes, 5);
    assert_null(pawl_manifest_find(&manifest, "model"));
    pawl_manifest_fini(&manifest);
}

/* Invariant 5, for the manifest itself: every bit counts. */
static void test_every_bit_is_guarded(void **state)
{
    struct pawl_manifest manifest = sample();
    struct pawl_buffer text = encode(&manifest);
    (void)state;
    for (size_t i = 0; i < text.len * 8; i++) {
        text.data[i / 8] ^= (uint8_t)(1u << (i % 8));
        int rc = parse(&text, NULL);
        if (rc != PAWL_ECORRUPT && rc != PAWL_EFORMAT && rc != PAWL_ENOTSUP) {
            fail_msg("bit %zu: %s", i, pawl_error_name(rc));
        }
        text.data[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    assert_int_equal(parse(&text, NULL), 0);
    pawl_manifest_fini(&manifest);
    pawl_buffer_fini(&text);
}

static void test_every_cut_is_noticed(void **state)
{
    struct pawl_manifest manifest = sample();
    struct pawl_buffer text = encode(&manifest);
    (void)state;
    size_t whole = text.len;
    for (text.len = 0; text.len < whole; text.len++) {
        assert_int_not_equal(parse(&text, NULL), 0);
    }
    text.len = whole;
    pawl_buffer_append(&text, "\n", 1);
    assert_int_equal(parse(&text, NULL), PAWL_ECORRUPT);
    pawl_manifest_fini(&manifest);
    pawl_buffer_fini(&text);
}

#define HEAD                                                                   \
    "{\"pawl_manifest\": 1, \"tag\": \"t\", \"sequence\": 1, "                 \
    "\"created_unix_ms\": 1, \"world_size\": 1,"
#define FILES(text) HEAD "\"files\": [" text "],\n"
#define ENTRY(path)                                                            \
    "{\"path\": \"" path "\", \"size\": 1, \"crc32\": \"00000000\", "          \
    "\"rank\": 0}"

static void test_hostile_numbers(void **state)
{
    (void)state;
    static const char *const sizes[] = {"9223372036854775808",
                                        "18446744073709551617",
                                        "1e3",
                                        "1.0",
                                        "1e999",
                                        "\"1\"",
                                        "null",
                                        "true"};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        char body[512];
        snprintf(body, sizeof(body),
                 FILES("{\"path\": \"a\", \"size\": %s, \"crc32\": "
                       "\"00000000\", \"rank\": 0}"),
                 sizes[i]);
        expect_refused(body, PAWL_EFORMAT, "not a manifest");
    }
    static const char *const digests[] = {
        "1", "null", "\"\"", "\"99aa06d3014798d86001c324468d497\"",
        "\"99AA06d3014798d86001c324468d497f\""};
    for (size_t i = 0; i < sizeof(digests) / sizeof(*digests); i++) {
        char body[512];
        snprintf(body, sizeof(body),
                 FILES("{\"path\": \"a\", \"size\": 1, \"crc32\": "
                       "\"00000000\", \"xxh3\": %s, \"rank\": 0}"),
                 digests[i]);
        expect_refused(body, PAWL_EFORMAT, "incomplete");
    }
}

static void test_hostile_texts(void **state)
{
    (void)state;
    struct pawl_buffer good = sign(FILES(ENTRY("a")));
    assert_int_equal(parse(&good, NULL), 0);
    pawl_buffer_fini(&good);

    expect_refused(FILES(ENTRY("/etc/passwd")), PAWL_EFORMAT, "empty comp");
    expect_refused(FILES(ENTRY("../x")), PAWL_EFORMAT, "'..'");
    expect_refused(FILES(ENTRY("a/../../x")), PAWL_EFORMAT, "'..'");
    expect_refused(FILES(ENTRY("a/./x")), PAWL_EFORMAT, "'.'");
    expect_refused(FILES(ENTRY("a//x")), PAWL_EFORMAT, "empty comp");
    expect_refused(FILES(ENTRY("a/")), PAWL_EFORMAT, "empty comp");
    expect_refused(FILES(ENTRY("")), PAWL_EFORMAT, "empty comp");
    expect_refused(FILES(ENTRY("a\\u0000b")), PAWL_EFORMAT, "u0000");
    expect_refused(FILES(ENTRY("pawl.json")), PAWL_EFORMAT, "manifest's");
    expect_refused(FILES(ENTRY("a") ", " ENTRY("a")), PAWL_EFORMAT, "twice");
    expect_refused(FILES("3"), PAWL_EFORMAT, "incomplete");
    expect_refused(FILES("{\"path\": \"a\", \"size\": -1, \"crc32\": "
                         "\"00000000\", \"rank\": 0}"),
                   PAWL_EFORMAT, "incomplete");
    expect_refused(FILES("{\"path\": \"a\", \"size\": 1, \"crc32\": "
                         "\"0000000G\", \"rank\": 0}"),
                   PAWL_EFORMAT, "incomplete");
    expect_refused(FILES("{\"path\": \"a\", \"path\": \"b\", \"size\": 1, "
                         "\"crc32\": \"00000000\", \"rank\": 0}"),
                   PAWL_EFORMAT, "duplicate");
    expect_refused(FILES("{\"path\": \"a\", \"size\": 1, \"crc32\": "
                         "\"00000000\", \"rank\": 4294967296}"),
                   PAWL_EFORMAT, "incomplete");
    expect_refused(HEAD "\"files\": 1,\n", PAWL_EFORMAT, "list of files");
    expect_refused("{\"pawl_manifest\": 2,\n", PAWL_ENOTSUP, "version 2");
    expect_refused("{\"pawl_manifest\": \"1\",\n", PAWL_EFORMAT, "version");
    expect_refused("{\"pawl_manifest\": 0,\n", PAWL_EFORMAT, "version");
    expect_refused("{\"pawl_manifest\": 1, \"tag\": \"a/b\",\n", PAWL_EFORMAT,
                   "tag");
    expect_refused("{\"pawl_manifest\": 1, \"tag\": \"t\", \"sequence\": 0,\n",
                   PAWL_EFORMAT, "sequence");
    expect_refused("{\"pawl_manifest\": 1, \"tag\": \"t\", "
                   "\"sequence\": 9223372036854775807,\n",
                   PAWL_EFORMAT, "sequence");
    expect_refused("[[[[", PAWL_EFORMAT, "not a manifest");

    char *deep = malloc(100002);
    assert_non_null(deep);
    memset(deep, '[', 100000);
    deep[100000] = '\0';
    expect_refused(deep, PAWL_EFORMAT, "not a manifest");
    free(deep);
}

static void test_bad_paths_are_not_added(void **state)
{
    struct pawl_manifest manifest = {0};
    const char *bad[] = {"",     "/a",        "a/",    "..",      "a/../b",
                         "a//b", "pawl.json", "a/./b", "x\xff.pt"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct pawl_manifest_file file = {.path = (char *)(uintptr_t)bad[i]};
        assert_int_equal(pawl_manifest_add(&manifest, &file, NULL),
                         PAWL_EINVAL);
    }
    assert_int_equal(manifest.count, 0);
    add(&manifest, "sub/pawl.json", 1, 1); /* only the one at the top is ours */
    pawl_manifest_fini(&manifest);
}

/* Random bytes put over random places never get through, nor crash. */
static void test_random_damage(void **state)
{
    struct pawl_manifest manifest = sample();
    struct pawl_buffer text = encode(&manifest);
    uint8_t *copy = malloc(text.len);
    uint64_t seed = test_seed();
    (void)state;
    assert_non_null(copy);
    for (int round = 0; round < 3000; round++) {
        struct pawl_buffer damaged = {.data = copy, .len = text.len};
        memcpy(copy, text.data, text.len);
        for (uint64_t n = 1 + test_draw(&seed, 8); n > 0; n--) {
            copy[test_draw(&seed, text.len)] = (uint8_t)test_draw(&seed, 256);
        }
        bool same = memcmp(copy, text.data, text.len) == 0;
        assert_int_equal(parse(&damaged, NULL) == 0, same);
    }
    free(copy);
    pawl_manifest_fini(&manifest);
    pawl_buffer_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_text_is_as_documented),
        cmocka_unit_test(test_a_second_entry_replaces),
        cmocka_unit_test(test_every_bit_is_guarded),
        cmocka_unit_test(test_every_cut_is_noticed),
        cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_hostile_numbers),
        cmocka_unit_test(test_bad_paths_are_not_added),
        cmocka_unit_test(test_random_damage),
    };
    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
