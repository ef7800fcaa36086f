/* SPDX-License-Identifier: Apache-2.0 */
/* test_load.c - which manifest speaks of a file, and what it is believed. */
#include "engine/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine_fixture.h"

/* A checkpoint "one" with a file at the top and one deep below. */
static struct engine_fixture *make(void)
{
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    must_create(fix, "one");
    must_save(fix, "one/model.pt", 1);
    must_save(fix, "one/a/b/deep.pt", 2);
    must_commit(fix, "one");
    return fix;
}

/* Changes a byte that no checksum of the zip guards: padding. */
static void damage_padding(struct engine_fixture *fix, const char *name)
{
    size_t len = 0;
    char *bytes = run_read(fix, name, &len);
    char *padding = memmem(bytes, len, "ZZZZZZ", 6);
    assert_non_null(padding);
    padding[3] = 'Y';
    run_write(fix, name, bytes, len);
    free(bytes);
}

static void test_every_byte_of_the_file_counts(void **state)
{
    struct engine_fixture *fix = make();
    struct pawl_error err;
    (void)state;
    damage_padding(fix, "one/model.pt");
    damage_padding(fix, "one/a/b/deep.pt");
    assert_failed(try_load(fix, "one/model.pt", &err), PAWL_ECORRUPT, &err,
                  "model.pt");
    assert_failed(try_load(fix, "one/a/b/deep.pt", &err), PAWL_ECORRUPT, &err,
                  "deep.pt");
    run_remove(fix, "one/pawl.json"); /* now nothing knows better */
    assert_int_equal(must_load(fix, "one/model.pt"), 1);
    assert_int_equal(must_load(fix, "one/a/b/deep.pt"), 2);
    engine_fixture_free(fix);
}

static void test_the_size_is_compared_first(void **state)
{
    struct engine_fixture *fix = make();
    struct pawl_error err;
    size_t len = 0;
    (void)state;
    char *bytes = run_read(fix, "one/model.pt", &len);
    run_write(fix, "one/model.pt", bytes, len - 1);
    assert_failed(try_load(fix, "one/model.pt", &err), PAWL_ECORRUPT, &err,
                  "bytes, its manifest says");
    run_write(fix, "one/model.pt", "", 0);
    assert_failed(try_load(fix, "one/model.pt", &err), PAWL_ECORRUPT, &err,
                  "0 bytes");
    free(bytes);
    engine_fixture_free(fix);
}

static void test_files_that_it_does_not_name(void **state)
{
    struct engine_fixture *fix = make();
    size_t len = 0;
    (void)state;
    char *bytes = run_read(fix, "one/model.pt", &len);
    run_write(fix, "one/mine.pt", bytes, len);
    run_write(fix, "one/a/mine.pt", bytes, len);
    free(bytes);
    damage_padding(fix, "one/mine.pt");
    assert_int_equal(must_load(fix, "one/mine.pt"), 1);
    assert_int_equal(must_load(fix, "one/a/mine.pt"), 1);
    engine_fixture_free(fix);
}

static void test_damaged_manifests_are_not_passed_over(void **state)
{
    struct engine_fixture *fix = make();
    struct pawl_error err;
    size_t len = 0;
    (void)state;
    char *bytes = run_read(fix, "one/pawl.json", &len);
    run_damage(fix, "one/pawl.json");
    assert_int_not_equal(try_load(fix, "one/model.pt", &err), 0);
    assert_non_null(strstr(err.message, "pawl.json"));
    run_write(fix, "one/pawl.json", bytes, len / 2);
    assert_failed(try_load(fix, "one/a/b/deep.pt", &err), PAWL_EFORMAT, &err,
                  "pawl.json");
    free(bytes);
    engine_fixture_free(fix);
}

/* A config is likely to be called so. */
static void test_other_files_of_that_name(void **state)
{
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    static const char *const texts[] = {"{\"engine\": \"torch\"}", "", "hello"};
    (void)state;
    pawl_engine_makedirs(fix->engine, fix->run, true, NULL);
    must_save(fix, "model.pt", 4);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        run_write(fix, "pawl.json", texts[i], strlen(texts[i]));
        assert_int_equal(must_load(fix, "model.pt"), 4);
    }
    run_remove(fix, "pawl.json");
    assert_int_equal(pawl_store_mkdir(&fix->store, "pawl.json", NULL), 0);
    assert_int_equal(must_load(fix, "model.pt"), 4);
    engine_fixture_free(fix);
}

static void test_lazy_payload_is_verified_when_read(void **state)
{
    struct engine_fixture *fix = make();
    struct pawl_state *lazy = NULL;
    struct pawl_error err;
    (void)state;
    run_damage(fix, "one/model.pt"); /* in the tensor: most of the file */
    int rc = pawl_engine_load(&lazy, fix->engine,
                              engine_fixture_path(fix, "one/model.pt"),
                              PAWL_LOAD_LAZY, &err);
    assert_int_equal(rc, 0);
    rc = pawl_state_read_all(lazy, &err);
    assert_failed(rc, PAWL_ECORRUPT, &err, "data/0");
    pawl_state_free(lazy);
    engine_fixture_free(fix);
}

/* After an open that read it all, loads need not; but the open's word counts
 * only until close. */
static void test_open_proves(void **state)
{
    struct engine_fixture *fix = make();
    struct pawl_error err;
    (void)state;
    must_open(fix, "one");
    damage_padding(fix, "one/model.pt");
    assert_int_equal(must_load(fix, "one/model.pt"), 1);
    must_close(fix, "one");
    assert_int_equal(try_load(fix, "one/model.pt", &err), PAWL_ECORRUPT);
    assert_int_equal(try_open(fix, "one", &err), PAWL_ECORRUPT);

    engine_fixture_restart(fix, "{\"verify\": \"size\"}");
    must_open(fix, "one"); /* sizes are right */
    assert_int_equal(try_load(fix, "one/model.pt", &err), PAWL_ECORRUPT);
    must_close(fix, "one");
    engine_fixture_free(fix);
}

static void test_verify_size(void **state)
{
    struct engine_fixture *fix = make();
    struct pawl_error err;
    size_t len = 0;
    (void)state;
    engine_fixture_restart(fix, "{\"verify\": \"size\"}");
    char *bytes = run_read(fix, "one/model.pt", &len);
    memset(bytes, 'x', 4); /* no zip any more, the same size */
    run_write(fix, "one/model.pt", bytes, len);
    assert_int_not_equal(try_open(fix, "one", &err), 0);
    bytes[0] = 'P';
    bytes[1] = 'K';
    bytes[2] = 3;
    bytes[3] = 4;
    bytes[len - 22] = 0; /* its end is not found */
    run_write(fix, "one/model.pt", bytes, len);
    assert_int_not_equal(try_open(fix, "one", &err), 0);
    run_write(fix, "one/model.pt", bytes, len - 1);
    assert_failed(try_open(fix, "one", &err), PAWL_ECORRUPT, &err, "says");
    free(bytes);
    engine_fixture_free(fix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_of_the_file_counts),
        cmocka_unit_test(test_the_size_is_compared_first),
        cmocka_unit_test(test_files_that_it_does_not_name),
        cmocka_unit_test(test_damaged_manifests_are_not_passed_over),
        cmocka_unit_test(test_other_files_of_that_name),
        cmocka_unit_test(test_lazy_payload_is_verified_when_read),
        cmocka_unit_test(test_open_proves),
        cmocka_unit_test(test_verify_size),
    };
    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
