/* SPDX-License-Identifier: Apache-2.0 */
/* test_config.c - what a config may hold, and docs/config.md against it. */
#include "engine/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_error(const char *json, const char *text)
{
    struct pawl_config config;
    struct pawl_error err = {0};
    int rc = pawl_config_parse(&config, json, &err);
    if (rc != PAWL_ECONFIG || strstr(err.message, text) == NULL) {
        fail_msg("%s: %s: %s", json, pawl_error_name(rc), err.message);
    }
}

static void test_defaults(void **state)
{
    const char *nothing[] = {NULL, "", "{}", " { } "};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct pawl_config config;
        assert_int_equal(pawl_config_parse(&config, nothing[i], NULL), 0);
        assert_string_equal(config.engine, "async");
        assert_string_equal(config.store, "file");
        assert_string_equal(config.format, "torch");
        assert_string_equal(config.options, "{}");
        assert_null(config.plugin);
        assert_true(config.durable);
        assert_int_equal(config.verify, PAWL_VERIFY_FULL);
        assert_int_equal(config.digest, PAWL_DIGEST_NONE);
        assert_int_equal(config.keep_last, 0);
        pawl_config_fini(&config);
    }
}

static void test_values(void **state)
{
    struct pawl_config config;
    (void)state;
    assert_int_equal(
        pawl_config_parse(&config,
                          "{\"engine\": \"mine\", \"options\": {\"a\": [1]}, "
                          "\"keep_last\": 3, \"keep_every\": 10, "
                          "\"pinned\": [\"best\", \"x y\"], "
                          "\"verify\": \"size\", \"durable\": false, "
                          "\"digest\": \"xxh3\", "
                          "\"block_bytes\": \"64KiB\", "
                          "\"open_timeout_ms\": 0}",
                          NULL),
        0);
    assert_string_equal(config.engine, "mine");
    assert_string_equal(config.options, "{\"a\":[1]}");
    assert_int_equal(config.keep_last, 3);
    assert_int_equal(config.keep_every, 10);
    assert_int_equal(config.verify, PAWL_VERIFY_SIZE);
    assert_int_equal(config.digest, PAWL_DIGEST_XXH3);
    assert_false(config.durable);
    assert_int_equal(config.block_bytes, 65536);
    assert_int_equal(config.open_timeout_ms, 0);
    assert_true(pawl_config_is_pinned(&config, "best"));
    assert_true(pawl_config_is_pinned(&config, "x y"));
    assert_false(pawl_config_is_pinned(&config, "x"));
    pawl_config_fini(&config);
}

static void test_unknown_keys(void **state)
{
    (void)state;
    expect_error("{\"keep_lsat\": 1}", "'keep_lsat'; did you mean 'keep_last'");
    expect_error("{\"Engine\": \"x\"}", "'Engine'; did you mean 'engine'");
    expect_error("{\"kep_evry\": 1}", "did you mean 'keep_every'");
    expect_error("{\"open_timeout\": 1}", "did you mean 'open_timeout_ms'");
    expect_error("{\"\": 1}", "unknown key ''");
    char long_key[512] = "{\"";
    memset(long_key + 2, 'v', 300);
    snprintf(long_key + 302, sizeof(long_key) - 302, "\": 1}");
    expect_error(long_key, "vvv");
}

static void test_bad_values(void **state)
{
    (void)state;
    expect_error("{\"keep_last\": 1, \"keep_last\": 2}", "duplicate");
    expect_error("[]", "object");
    expect_error("{", "line 1");
    expect_error("\xff", "line 1");
    expect_error("{\"keep_last\": -1}", "'keep_last'");
    expect_error("{\"keep_last\": 1.5}", "'keep_last'");
    expect_error("{\"keep_last\": \"1\"}", "'keep_last'");
    expect_error("{\"keep_last\": 99999999999999999999}", "line 1");
    expect_error("{\"durable\": 1}", "'durable'");
    expect_error("{\"engine\": 1}", "'engine'");
    expect_error("{\"engine\": \"\"}", "'engine'");
    expect_error("{\"engine\": \"a\\u0000b\"}", "u0000");
    expect_error("{\"verify\": \"some\"}", "\"full\" or \"size\"");
    expect_error("{\"digest\": \"md5\"}", "\"none\" or \"xxh3\"");
    expect_error("{\"digest\": true}", "\"none\" or \"xxh3\"");
    expect_error("{\"pinned\": \"best\"}", "'pinned'");
    expect_error("{\"pinned\": [\"a/b\"]}", "'pinned'");
    expect_error("{\"pinned\": [1]}", "'pinned'");
    expect_error("{\"options\": []}", "'options'");
    expect_error("{\"block_bytes\": 100}", "'block_bytes'");
    expect_error("{\"block_bytes\": \"2TiB\"}", "'block_bytes'");
    expect_error("{\"block_bytes\": \"4 mib \"}", "'block_bytes'");
    expect_error("{\"open_timeout_ms\": -1}", "'open_timeout_ms'");
    expect_error("{\"open_timeout_ms\": 9223372036854775807}",
                 "'open_timeout_ms'");
}

static void test_sizes(void **state)
{
    const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"512", 512},
        {"1B", 1},
        {"1kB", 1000},
        {"3KB", 3000},
        {"2kib", 2048},
        {"7 MB", 7000000},
        {"512MiB", UINT64_C(512) << 20},
        {"1GB", 1000000000},
        {"2GiB", UINT64_C(2) << 30},
        {"1TB", 1000000000000},
        {"16777215TiB", UINT64_C(16777215) << 40},
        {"18446744073709551615", UINT64_MAX},
    };
    const char *bad[] = {
        "",      "GiB",  "-1", "1.5GiB",      "1XB",
        "1GiBs", "0x10", " 1",

        "1GiB ", "1k",   "1G", "16777216TiB", "18446744073709551616",
        "++1"};
    uint64_t bytes = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_true(pawl_config_size(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (pawl_config_size(bad[i], &bytes)) {
            fail_msg("'%s' is a size", bad[i]);
        }
    }
}

/* ---- the page ------------------------------------------------------------ */

/* Cuts cell `index` of a table's row out, without spaces and backquotes. */
static bool cell(const char *row, unsigned index, char *out, size_t size)
{
    for (unsigned i = 0; row != NULL && i <= index; i++) {
        row = strchr(i == 0 ? row : row + 1, '|');
    }
    if (row == NULL) {
        return false;
    }
    row += 1 + strspn(row + 1, " `");
    size_t len = strcspn(row, "|");
    while (len > 0 && strchr(" `", row[len - 1]) != NULL) {
        len--;
    }
    snprintf(out, size, "%.*s", (int)len, row);
    return true;
}

/* Each row names a key that is known, with a default that is accepted. */
static void test_the_page_is_right(void **state)
{
    const char *root = getenv("PAWL_TESTS_DIR");
    char path[4096];
    char row[4096];
    unsigned rows = 0;
    (void)state;
    if (root == NULL) {
        skip();
    }
    snprintf(path, sizeof(path), "%s/../docs/config.md", root);
    FILE *page = fopen(path, "r");
    assert_non_null(page);
    while (fgets(row, sizeof(row), page) != NULL) {
        char key[64];
        char value[128];
        char json[256];
        struct pawl_config config;
        struct pawl_error err;
        if (strncmp(row, "| `", 3) != 0) {
            continue;
        }
        assert_true(cell(row, 0, key, sizeof(key)));
        assert_true(cell(row, 2, value, sizeof(value)));
        rows++;
        bool in_words = strchr("\"[{0123456789tf", value[0]) == NULL ||
                        strstr(value, "an eighth") != NULL;
        snprintf(json, sizeof(json), "{\"%s\": %s}", key,
                 in_words ? "\"1GiB\"" : value);
        if (pawl_config_parse(&config, json, &err) < 0) {
            fail_msg("%s: %s", json, err.message);
        }
        pawl_config_fini(&config);
    }
    fclose(page);
    assert_true(rows >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_the_page_is_right),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
