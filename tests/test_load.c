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
#include "show_value.h"
#include "state/value.h"
#include "state_cases.h"

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

static int try_lazy(struct engine_fixture *fix, const char *name,
                    unsigned flags, struct pawl_state **out,
                    struct pawl_error *err)
{
    return pawl_engine_load(out, fix->engine, engine_fixture_path(fix, name),
                            flags, err);
}

/* A checksum in it that is another, as if that record were. */
static void test_lazy_loads_see_another_directory(void **state)
{
    static const unsigned ways[] = {PAWL_LOAD_LAZY, PAWL_LOAD_MAP};
    struct engine_fixture *fix = make();
    struct pawl_error err;
    size_t len = 0;
    (void)state;
    char *bytes = run_read(fix, "one/model.pt", &len);
    char *entry = memmem(bytes, len, "model/data/0PK\1\2", 16);
    assert_non_null(entry); /* the name in it */
    entry[-30] ^= 1;        /* its checksum */
    run_write(fix, "one/model.pt", bytes, len);
    free(bytes);
    for (size_t i = 0; i < 2; i++) {
        struct pawl_state *lazy = NULL;
        int rc = try_lazy(fix, "one/model.pt", ways[i], &lazy, &err);
        assert_failed(rc, PAWL_ECORRUPT, &err, "one/model.pt' was changed");
        assert_non_null(strstr(err.message, "by its zip directory"));
        rc = try_lazy(fix, "one/a/b/deep.pt", ways[i], &lazy, &err);
        assert_int_equal(rc, 0);
        pawl_state_free(lazy);
    }
    run_remove(fix, "one/pawl.json"); /* now nothing knows better */
    for (size_t i = 0; i < 2; i++) {
        struct pawl_state *lazy = NULL;
        int rc = try_lazy(fix, "one/model.pt", ways[i], &lazy, &err);
        assert_int_equal(rc, 0);
        pawl_state_free(lazy);
    }
    engine_fixture_free(fix);
}

/* Not even the local header of a record: the directory tells enough. */
static void test_a_mapping_touches_no_payload(void **state)
{
    struct engine_fixture *fix = make();
    struct pawl_state *mapped = NULL;
    struct pawl_error err;
    size_t len = 0;
    (void)state;
    char *bytes = run_read(fix, "one/model.pt", &len);
    char *name = memmem(bytes, len, "data/0", 6);
    assert_non_null(name);
    name[5] = '9';
    run_write(fix, "one/model.pt", bytes, len);
    int rc = try_lazy(fix, "one/model.pt", PAWL_LOAD_MAP, &mapped, &err);
    assert_int_equal(rc, 0);
    const struct pawl_storage *storage = mapped->storages[0];
    size_t size = (size_t)pawl_storage_size(storage);
    char *data = (char *)(uintptr_t)pawl_storage_data(storage);
    assert_int_equal((uintptr_t)data % 64, 0);
    assert_non_null(memmem(bytes, len, data, size));
    memset(data, 0x5a, size);
    char *after = run_read(fix, "one/model.pt", &len);
    assert_memory_equal(after, bytes, len);
    pawl_state_free(mapped);
    free(after);
    free(bytes);
    engine_fixture_free(fix);
}

static void test_a_mapping_needs_files(void **state)
{
    struct engine_fixture *fix = engine_fixture_new("{}", true);
    struct pawl_state *mapped = NULL;
    struct pawl_error err;
    (void)state;
    must_create(fix, "one");
    must_save(fix, "one/model.pt", 1);
    must_commit(fix, "one");
    int rc = pawl_engine_load(&mapped, fix->engine,
                              engine_fixture_path(fix, "one/model.pt"),
                              PAWL_LOAD_MAP, &err);
    assert_failed(rc, PAWL_ENOTSUP, &err, "cannot map");
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

/* ---- images ------------------------------------------------------------- */

/* Every storage's bytes, for comparing. */
static void assert_same_bytes(struct pawl_state *a, struct pawl_state *b)
{
    assert_int_equal(a->storage_count, b->storage_count);
    for (uint32_t i = 0; i < a->storage_count; i++) {
        struct pawl_storage *x = a->storages[i];
        struct pawl_storage *y = b->storages[i];
        assert_int_equal(pawl_storage_size(x), pawl_storage_size(y));
        if (pawl_storage_size(x) > 0) {
            assert_ptr_not_equal(pawl_storage_data(x), pawl_storage_data(y));
            assert_int_equal((uintptr_t)pawl_storage_data(x) % 64, 0);
            assert_memory_equal(pawl_storage_data(x), pawl_storage_data(y),
                                pawl_storage_size(x));
        }
    }
}

/* The plain way and the parallel one, in an open checkpoint and out of it, for
 * every kind of value there is. */
static void test_images_equal_the_reference(void **state)
{
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    struct engine_fixture *fast = engine_fixture_new(
        "{\"engine\": \"direct\", \"block_bytes\": 4096}", false);
    struct pawl_error err;
    (void)state;
    for (size_t i = 0; state_case_at(i) != NULL; i++) {
        struct pawl_state *given = state_case_new(state_case_at(i));
        struct pawl_state *slow = NULL;
        struct pawl_state *image[4] = {NULL, NULL, NULL, NULL};
        must_create(fix, "one");
        const char *path = engine_fixture_path(fix, "one/model.pt");
        assert_int_equal(pawl_engine_save(fix->engine, given, path, &err), 0);
        must_commit(fix, "one");
        assert_int_equal(pawl_engine_load(&slow, fix->engine, path, 0, &err),
                         0);
        const char *tag = NULL;
        assert_int_equal(pawl_load(&image[0], path, 0, &err), 0);
        assert_int_equal(
            pawl_engine_load(&image[1], fast->engine, path, 0, &err), 0);
        assert_int_equal(
            pawl_engine_open(&tag, fast->engine, fix->run, "one", &err), 0);
        for (int k = 2; k < 4; k++) {
            assert_int_equal(
                pawl_engine_load(&image[k], fast->engine, path, 0, &err), 0);
        }
        assert_int_equal(pawl_engine_close(fast->engine, tag, &err), 0);
        char *expected = show_value(pawl_state_root(slow));
        for (int k = 0; k < 4; k++) {
            char *shown = show_value(pawl_state_root(image[k]));
            assert_string_equal(shown, expected);
            assert_same_bytes(slow, image[k]);
            assert_same_bytes(image[k], image[(k + 1) % 4]);
            free(shown);
        }
        for (int k = 0; k < 4; k++) {
            pawl_state_free(image[k]);
        }
        free(expected);
        pawl_state_free(slow);
        pawl_state_free(given);
    }
    engine_fixture_free(fast);
    engine_fixture_free(fix);
}

/* What open kept is as it was then; without room to keep it the damage shows.
 * The disk may change under both. */
static void test_what_open_keeps(void **state)
{
    static const char *const configs[] = {
        "{\"engine\": \"direct\"}",
        "{\"engine\": \"direct\", \"load_cache_bytes\": 0}"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct engine_fixture *fix = make();
        struct pawl_error err;
        engine_fixture_restart(fix, configs[i]);
        must_open(fix, "one");
        run_damage(fix, "one/model.pt");
        int rc = try_load(fix, "one/model.pt", &err);
        assert_int_equal(rc, i == 0 ? 0 : PAWL_ECORRUPT);
        rc = try_load(fix, "one/model.pt", &err);
        assert_int_equal(rc, i == 0 ? 0 : PAWL_ECORRUPT);
        assert_int_equal(must_load(fix, "one/a/b/deep.pt"), 2);
        must_close(fix, "one");
        assert_int_equal(try_load(fix, "one/model.pt", &err), PAWL_ECORRUPT);
        engine_fixture_free(fix);
    }
}

static void test_a_second_load_has_memory_of_its_own(void **state)
{
    struct engine_fixture *fix = make();
    struct pawl_state *first = NULL;
    struct pawl_state *second = NULL;
    struct pawl_state *third = NULL;
    struct pawl_error err;
    (void)state;
    engine_fixture_restart(fix, "{\"engine\": \"direct\"}");
    must_open(fix, "one");
    const char *path = engine_fixture_path(fix, "one/model.pt");
    assert_int_equal(pawl_engine_load(&first, fix->engine, path, 0, &err), 0);
    assert_int_equal(pawl_engine_load(&second, fix->engine, path, 0, &err), 0);
    void *mine = (void *)(uintptr_t)pawl_storage_data(first->storages[0]);
    memset(mine, 0x55, (size_t)pawl_storage_size(first->storages[0]));
    assert_int_equal(number_of(second), 1);
    assert_int_equal(pawl_engine_load(&third, fix->engine, path, 0, &err), 0);
    assert_int_equal(number_of(third), 1);
    assert_int_equal(number_of(first), -1);
    must_close(fix, "one");
    pawl_state_free(first);
    assert_int_equal(number_of(second), 1);
    pawl_state_free(second);
    pawl_state_free(third);
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
        cmocka_unit_test(test_lazy_loads_see_another_directory),
        cmocka_unit_test(test_a_mapping_touches_no_payload),
        cmocka_unit_test(test_a_mapping_needs_files),
        cmocka_unit_test(test_open_proves),
        cmocka_unit_test(test_verify_size),
        cmocka_unit_test(test_images_equal_the_reference),
        cmocka_unit_test(test_what_open_keeps),
        cmocka_unit_test(test_a_second_load_has_memory_of_its_own),
    };
    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
