/* SPDX-License-Identifier: Apache-2.0 */
/* test_digest.c - digests are those of xxhsum -H2, however the bytes come. */
#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "seed.h"

/* What xxhsum 0.8.1 prints of as many bytes of the pattern. */
static const struct {
    size_t len;
    const char *text;
} golden[] = {
    {0, "99aa06d3014798d86001c324468d497f"},
    {1, "495b62073ef70ca44c5cca45d0f4811f"},
    {3, "de0de73b78221781d079cb72d5dc8fe3"},
    {4, "2ec1f0e0927bbd72a7f588a0488a2ce1"},
    {8, "86352c64c51053a4f169e0e241e43d88"},
    {9, "2da82c32992eb47cecaf34715ab252db"},
    {16, "2ea9b26e0de3c1293ad9b09b55ff159d"},
    {17, "e98962a9feec88ce2aded60943cd42fc"},
    {128, "c2dbaea325ed4288a4623912aab4c938"},
    {129, "eac1039c6fbf7b8cf316461ff6b978d7"},
    {240, "4536dcb050ba614460a06c4f31468cc3"},
    {241, "b4125661642a66f9246c5fe4ed1436a3"},
    {1024, "4b8b4d51d1b23ed30b662daec235d4ca"},
    {5000, "0ccbfaee12026d3107a2c28e3218c663"},
    {100000, "0af6b8609f8d1f2ed61c58ce093c4ea0"},
};
#define GOLDEN_COUNT (sizeof(golden) / sizeof(*golden))
enum { LONGEST = 100000 };

static unsigned char *pattern(void)
{
    unsigned char *bytes = malloc(LONGEST);
    assert_non_null(bytes);
    for (size_t i = 0; i < LONGEST; i++) {
        bytes[i] = (unsigned char)((i * 131 + 7) % 251);
    }
    return bytes;
}

/* Adds the bytes in pieces of at most `most`. */
static void check(const unsigned char *bytes, size_t len, size_t most,
                  uint64_t *seed, const char *expected)
{
    char text[PAWL_DIGEST_TEXT_LEN + 1];
    struct pawl_hasher *hasher = pawl_hasher_new();
    assert_non_null(hasher);
    for (size_t at = 0; at < len;) {
        size_t piece = 1 + (size_t)test_draw(seed, most);
        piece = piece < len - at ? piece : len - at;
        pawl_hasher_add(hasher, bytes + at, piece);
        at += piece;
    }
    struct pawl_digest digest = pawl_hasher_digest(hasher);
    assert_true(digest.is_known);
    pawl_digest_text(text, &digest);
    assert_string_equal(text, expected);
    pawl_hasher_free(hasher);
}

static void test_digests_are_those_of_xxhsum(void **state)
{
    unsigned char *bytes = pattern();
    uint64_t seed = test_seed();
    (void)state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        check(bytes, golden[i].len, LONGEST, &seed, golden[i].text);
        check(bytes, golden[i].len, 7, &seed, golden[i].text);
        check(bytes, golden[i].len, 1000, &seed, golden[i].text);
    }
    free(bytes);
}

static void test_text_and_back(void **state)
{
    static const char *const bad[] = {
        "",
        "0",
        "99aa06d3014798d86001c324468d497",
        "99aa06d3014798d86001c324468d497ff",
        "99AA06d3014798d86001c324468d497f",
        "99aa06d3014798d8 001c324468d497f",
        "+9aa06d3014798d86001c324468d497f",
        "0x9a06d3014798d86001c324468d497f",
    };
    (void)state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        char text[PAWL_DIGEST_TEXT_LEN + 1];
        struct pawl_digest digest = {0};
        struct pawl_digest other = {0};
        assert_true(pawl_digest_parse(&digest, golden[i].text));
        assert_true(digest.is_known);
        pawl_digest_text(text, &digest);
        assert_string_equal(text, golden[i].text);
        assert_false(pawl_digest_equal(&digest, &other));
        other = digest;
        assert_true(pawl_digest_equal(&digest, &other));
        other.low ^= 1;
        assert_false(pawl_digest_equal(&digest, &other));
        other = digest;
        other.high ^= 1;
        assert_false(pawl_digest_equal(&digest, &other));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct pawl_digest digest = {0};
        assert_false(pawl_digest_parse(&digest, bad[i]));
        assert_false(digest.is_known);
    }
}

static void test_no_hasher_knows_nothing(void **state)
{
    (void)state;
    pawl_hasher_add(NULL, "x", 1);
    assert_false(pawl_hasher_digest(NULL).is_known);
    pawl_hasher_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests_are_those_of_xxhsum),
        cmocka_unit_test(test_text_and_back),
        cmocka_unit_test(test_no_hasher_knows_nothing),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
