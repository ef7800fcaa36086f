/* SPDX-License-Identifier: Apache-2.0 */
/* test_registry.c - engines by name, and from shared objects. */
#include "engine/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine_fixture.h"

/* Makes an engine of a plugin's variant. */
static int make(struct pawl_engine **out, const char *variant, const char *more,
                struct pawl_error *err)
{
    const char *dir = getenv("PAWL_PLUGIN_DIR");
    char config[4096];
    snprintf(config, sizeof(config),
             "{\"plugin\": \"%s/plugin_%s.so\", \"engine\": \"sample\"%s}",
             dir == NULL ? "." : dir, variant, more);
    return pawl_engine_new(out, config, err);
}

static int need_plugins(void **state)
{
    (void)state;
    return getenv("PAWL_PLUGIN_DIR") == NULL ? -1 : 0;
}

static void test_unknown_names(void **state)
{
    const struct {
        const char *config;
        const char *why;
    } bad[] = {
        {"{\"engine\": \"tirch\"}", "'tirch'"},
        {"{\"engine\": \"sample\"}", "'torch'"},
        {"{\"store\": \"tape\"}", "'tape'"},
        {"{\"format\": \"gguf\"}", "'gguf'"},
        {"{\"options\": {\"a\": 1}}", "'options'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct pawl_engine *engine = NULL;
        struct pawl_error err;
        assert_failed(pawl_engine_new(&engine, bad[i].config, &err),
                      PAWL_ECONFIG, &err, bad[i].why);
        assert_null(engine);
    }
}

static void test_builtin_names(void **state)
{
    const char *const names[] = {"torch", "memory"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pawl_engine *engine = NULL;
        struct pawl_status status = PAWL_STATUS_INIT;
        char config[128];
        snprintf(config, sizeof(config), "{\"engine\": \"%s\"}", names[i]);
        assert_int_equal(pawl_engine_new(&engine, config, NULL), 0);
        pawl_engine_status(engine, &status, NULL);
        assert_string_equal(status.engine, names[i]);
        pawl_engine_free(engine);
    }
}

static void test_store_in_memory(void **state)
{
    struct pawl_engine *engine = NULL;
    struct pawl_error err;
    struct pawl_state *mine = numbered_state(3, 10);
    struct pawl_state *back = NULL;
    (void)state;
    assert_int_equal(pawl_engine_new(&engine, "{\"store\": \"memory\"}", &err),
                     0);
    assert_int_equal(pawl_engine_create(engine, "/no/such/dir", "one", &err),
                     0);
    assert_int_equal(
        pawl_engine_save(engine, mine, "/no/such/dir/one/x.pt", &err), 0);
    assert_int_equal(pawl_engine_commit(engine, "one", &err), 0);
    assert_int_equal(
        pawl_engine_load(&back, engine, "/no/such/dir/one/x.pt", 0, &err), 0);
    assert_int_equal(number_of(back), 3);
    pawl_state_free(back);
    pawl_state_free(mine);
    pawl_engine_free(engine);
    assert_int_not_equal(access("/no/such", F_OK), 0);
}

static void test_bad_plugins(void **state)
{
    struct pawl_engine *engine = NULL;
    struct pawl_error err;
    (void)state;
    assert_failed(make(&engine, "none", "", &err), PAWL_ENOENT, &err,
                  "plugin_none.so");
    assert_failed(make(&engine, "wrong_abi", "", &err), PAWL_ENOTSUP, &err,
                  "another");
    assert_failed(make(&engine, "no_table", "", &err), PAWL_ENOTSUP, &err,
                  "no table");
    assert_failed(make(&engine, "short_table", "", &err), PAWL_ENOTSUP, &err,
                  "too short");
    assert_failed(make(&engine, "no_save", "", &err), PAWL_ENOTSUP, &err,
                  "lacks a call");
    assert_failed(make(&engine, "no_entry", "", &err), PAWL_ENOTSUP, &err,
                  "'pawl_plugin_entry'");
    assert_failed(
        make(&engine, "good", ", \"options\": {\"fail\": true}", &err),
        PAWL_ECONFIG, &err, "asked to fail");
    assert_failed(make(&engine, "good", ", \"store\": \"sample\"", &err),
                  PAWL_ECONFIG, &err, "'sample'");
    assert_null(engine);
}

static void save_number(struct pawl_engine *engine, const char *path,
                        int64_t number)
{
    struct pawl_state *mine = numbered_state(number, 4);
    struct pawl_error err;
    if (pawl_engine_save(engine, mine, path, &err) < 0) {
        fail_msg("%s", err.message);
    }
    pawl_state_free(mine);
}

/* The contract holds for an engine that checks nothing. */
static void test_plugin_engine(void **state)
{
    struct pawl_engine *engine = NULL;
    struct pawl_state *back = NULL;
    struct pawl_error err;
    struct pawl_status status = PAWL_STATUS_INIT;
    const char *tag = "?";
    int64_t number = 0;
    char *dir = scratch_new();
    char *sub = scratch_path(dir, "one/sub");
    char *path = scratch_path(dir, "one/x.pt");
    (void)state;
    assert_int_equal(make(&engine, "good", ", \"open_timeout_ms\": 10", &err),
                     0);
    assert_int_equal(pawl_engine_open(&tag, engine, dir, NULL, &err), 0);
    assert_null(tag);
    assert_failed(pawl_engine_create(engine, dir, "a/b", &err), PAWL_EINVAL,
                  &err, "a/b");
    assert_int_equal(pawl_engine_create(engine, dir, "one", &err), 0);
    assert_failed(pawl_engine_create(engine, dir, "two", &err), PAWL_ESTATE,
                  &err, "'one'");
    assert_failed(pawl_engine_open(&tag, engine, dir, "one", &err), PAWL_EBUSY,
                  &err, "10 ms"); /* it says ENOENT, but we know better */
    assert_int_equal(pawl_engine_makedirs(engine, sub, false, &err), 0);
    assert_true(scratch_exists(dir, "one/sub")); /* the default */
    assert_failed(pawl_engine_makedirs(engine, sub, false, &err), PAWL_EEXIST,
                  &err, "sub");
    save_number(engine, path, 42);
    assert_int_equal(pawl_engine_commit(engine, "one", &err), 0);

    assert_int_equal(pawl_engine_open(&tag, engine, dir, "latest", &err), 0);
    assert_string_equal(tag, "one");
    assert_failed(pawl_engine_open(&tag, engine, dir, NULL, &err), PAWL_ESTATE,
                  &err, "'one'");
    assert_int_equal(pawl_engine_load(&back, engine, path, 0, &err), 0);
    assert_true(
        pawl_get_int(pawl_lookup(pawl_state_root(back), "number"), &number));
    assert_int_equal(number, 42);
    pawl_state_free(back);
    assert_int_equal(pawl_engine_close(engine, tag, &err), 0); /* default */
    assert_int_equal(pawl_engine_wait(engine, -1, &err), 0);
    assert_int_equal(pawl_engine_fence(engine, &err), 0);

    assert_int_equal(pawl_engine_create(engine, dir, "bad", &err), 0);
    assert_failed(pawl_engine_commit(engine, "bad", &err), PAWL_EIO, &err,
                  "'bad'");
    assert_int_equal(pawl_engine_create(engine, dir, "three", &err), 0);
    pawl_engine_status(engine, &status, NULL);
    assert_string_equal(status.engine, "sample");
    assert_int_equal(status.commits, 1);
    assert_int_equal(status.failures, 1);
    assert_int_equal(status.bytes_saved, 4 * 8);
    pawl_engine_free(engine);
    free(path);
    free(sub);
    scratch_free(dir);
}

/* A built-in name still works beside a plugin. */
static void test_builtin_beside_a_plugin(void **state)
{
    struct pawl_engine *engine = NULL;
    struct pawl_status status = PAWL_STATUS_INIT;
    char config[4096];
    (void)state;
    snprintf(config, sizeof(config), "{\"plugin\": \"%s/plugin_good.so\"}",
             getenv("PAWL_PLUGIN_DIR"));
    assert_int_equal(pawl_engine_new(&engine, config, NULL), 0);
    pawl_engine_status(engine, &status, NULL);
    assert_string_equal(status.engine, "async");
    pawl_engine_free(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_builtin_names),
        cmocka_unit_test(test_store_in_memory),
        cmocka_unit_test(test_bad_plugins),
        cmocka_unit_test(test_plugin_engine),
        cmocka_unit_test(test_builtin_beside_a_plugin),
    };
    return cmocka_run_group_tests_name("registry", tests, need_plugins, NULL);
}
