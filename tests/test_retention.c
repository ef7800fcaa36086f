/* SPDX-License-Identifier: Apache-2.0 */
/* test_retention.c - which checkpoints go, which stay, and what of others'
 * files. */
#include "engine/retention.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine_fixture.h"

static void make_steps(struct engine_fixture *fix, int from, int to)
{
    for (int i = from; i <= to; i++) {
        char tag[32];
        snprintf(tag, sizeof(tag), "s%d", i);
        must_make(fix, tag, i);
    }
}

/* The numbers of the steps that are there, like "3 5". */
static const char *steps(struct engine_fixture *fix)
{
    static char list[256];
    list[0] = '\0';
    for (int i = 1; i < 30; i++) {
        char tag[32];
        snprintf(tag, sizeof(tag), "s%d", i);
        if (run_has(fix, tag)) {
            size_t len = strlen(list);
            snprintf(list + len, sizeof(list) - len, "%s%d", len > 0 ? " " : "",
                     i);
        }
    }
    return list;
}

static void test_latest_that_stays(void **state)
{
    struct engine_fixture *fix =
        engine_fixture_new("{\"keep_last\": 2}", false);
    (void)state;
    make_steps(fix, 1, 1);
    pawl_engine_keep_latest(fix->engine, true, NULL);
    make_steps(fix, 2, 6);
    assert_string_equal(steps(fix), "1 5 6"); /* `latest` names the first */
    engine_fixture_free(fix);
}

static void test_keep_all_is_the_default(void **state)
{
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    (void)state;
    make_steps(fix, 1, 6);
    assert_string_equal(steps(fix), "1 2 3 4 5 6");
    engine_fixture_restart(fix, "{\"keep_every\": 2}");
    make_steps(fix, 7, 7);
    assert_string_equal(steps(fix), "1 2 3 4 5 6 7");
    engine_fixture_free(fix);
}

static void test_keep_last(void **state)
{
    struct engine_fixture *fix =
        engine_fixture_new("{\"keep_last\": 2}", false);
    (void)state;
    make_steps(fix, 1, 6);
    assert_string_equal(steps(fix), "5 6");
    assert_int_equal(run_count(fix, ".pawl"), 0);
    assert_true(engine_fixture_logged(fix, "deleted old checkpoint 's4'"));
    must_make(fix, "s5", 50); /* the same again counts as new */
    assert_string_equal(steps(fix), "5 6");
    must_make(fix, "s7", 7);
    assert_string_equal(steps(fix), "5 7");
    engine_fixture_restart(fix, "{\"keep_last\": 1}");
    must_make(fix, "s7", 70);
    assert_string_equal(steps(fix), "7");
    assert_int_equal(must_load(fix, "s7/model.pt"), 70);
    engine_fixture_free(fix);
}

/* Who moved a checkpoint and left a link made that link himself. */
static void test_links_stay(void **state)
{
    if (under_valgrind()) { /* it has no openat2, without which links are not
                               followed */
        skip();
    }
    struct engine_fixture *fix =
        engine_fixture_new("{\"keep_last\": 1}", false);
    struct pawl_error err;
    (void)state;
    make_steps(fix, 1, 1);
    assert_int_equal(pawl_store_mkdir(&fix->store, "archive", &err), 0);
    assert_int_equal(pawl_store_rename(&fix->store, "s1", "archive/s1",
                                       PAWL_RENAME_NEW, &err),
                     0);
    assert_int_equal(symlink("archive/s1", engine_fixture_path(fix, "s1")), 0);
    make_steps(fix, 2, 4);
    assert_string_equal(steps(fix), "1 4");
    assert_int_equal(must_load(fix, "s1/model.pt"), 1);
    /* The same tag again takes the link's place, and leaves the archive. */
    must_make(fix, "s1", 10);
    assert_int_equal(must_load(fix, "s1/model.pt"), 10);
    assert_int_equal(must_load(fix, "archive/s1/model.pt"), 1);
    assert_int_equal(run_count(fix, ".pawl"), 0);
    make_steps(fix, 5, 5);
    assert_string_equal(steps(fix), "5");
    engine_fixture_free(fix);
}

static void test_keep_every_and_pinned(void **state)
{
    struct engine_fixture *fix = engine_fixture_new(
        "{\"keep_last\": 1, \"keep_every\": 4, \"pinned\": [\"s3\", \"none\"]}",
        false);
    (void)state;
    make_steps(fix, 1, 10);
    assert_string_equal(steps(fix), "3 4 8 10");
    engine_fixture_free(fix);
}

static void test_only_after_a_commit(void **state)
{
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    struct pawl_error err;
    (void)state;
    make_steps(fix, 1, 3);
    engine_fixture_restart(fix, "{\"keep_last\": 1}");
    assert_string_equal(must_open(fix, NULL), "s3");
    must_close(fix, "s3");
    must_create(fix, "s4");
    must_save(fix, "s4/model.pt", 4);
    assert_string_equal(steps(fix), "1 2 3");
    assert_int_equal(pawl_engine_abort(fix->engine, "s4", &err), 0);
    must_create(fix, "s5");
    assert_int_equal(try_save(fix, "elsewhere.pt", 5, &err), PAWL_EINVAL);
    assert_int_equal(pawl_engine_commit(fix->engine, "s5", &err), PAWL_EINVAL);
    assert_string_equal(steps(fix), "1 2 3");
    make_steps(fix, 6, 6);
    assert_string_equal(steps(fix), "6");
    engine_fixture_free(fix);
}

static void test_the_open_one_stays(void **state)
{
    struct engine_fixture *fix =
        engine_fixture_new("{\"keep_last\": 1}", false);
    (void)state;
    make_steps(fix, 1, 1);
    must_open(fix, "s1");
    make_steps(fix, 2, 4);
    assert_string_equal(steps(fix), "1 4");
    assert_int_equal(must_load(fix, "s1/model.pt"), 1);
    must_close(fix, "s1");
    make_steps(fix, 5, 5);
    assert_string_equal(steps(fix), "5");
    engine_fixture_free(fix);
}

/* Unsigned ones, copies, renamed ones, what others do: none of Pawl's. */
static void test_what_is_not_ours_stays(void **state)
{
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    size_t len = 0;
    (void)state;
    make_steps(fix, 1, 4);
    run_remove(fix, "s1/pawl.json"); /* unsigned */
    assert_int_equal(
        pawl_store_rename(&fix->store, "s2", "s20", PAWL_RENAME_NEW, NULL), 0);
    char *bytes = run_read(fix, "s3/model.pt", &len);
    run_write(fix, "s21/model.pt", bytes, len); /* a copy */
    free(bytes);
    bytes = run_read(fix, "s3/pawl.json", &len);
    run_write(fix, "s21/pawl.json", bytes, len);
    bytes[10]++;
    run_write(fix, "s4/pawl.json", bytes, len); /* broken */
    free(bytes);
    run_write(fix, "s22/notes.txt", "x", 1);
    engine_fixture_restart(fix, "{\"keep_last\": 1}");
    make_steps(fix, 5, 6);
    assert_string_equal(steps(fix), "1 4 6 20 21 22");
    engine_fixture_free(fix);
}

static void expect_text(struct engine_fixture *fix, const char *name,
                        const char *text)
{
    size_t len = 0;
    char *bytes = run_read(fix, name, &len);
    assert_string_equal(bytes, text);
    free(bytes);
}

/* Invariant 6: what the manifest does not name stays where it was. */
static void test_foreign_files_stay(void **state)
{
    struct engine_fixture *fix =
        engine_fixture_new("{\"keep_last\": 1}", false);
    (void)state;
    must_create(fix, "s1");
    must_save(fix, "s1/sub/deep/model.pt", 1);
    must_save(fix, "s1/model.pt", 1);
    must_commit(fix, "s1");
    run_write(fix, "s1/notes.txt", "mine", 4);
    run_write(fix, "s1/sub/deep/more.txt", "too", 3);
    make_steps(fix, 2, 2);
    expect_text(fix, "s1/notes.txt", "mine");
    expect_text(fix, "s1/sub/deep/more.txt", "too");
    assert_false(run_has(fix, "s1/model.pt"));
    assert_false(run_has(fix, "s1/sub/deep/model.pt"));
    assert_false(run_has(fix, "s1/pawl.json"));
    assert_int_equal(run_count(fix, ".pawl"), 0);
    engine_fixture_free(fix);
}

/* The same where a new checkpoint takes the place: they move over to it; and
 * where it has a file of that name itself, the old one is kept aside. */
static void test_foreign_files_move_to_the_new_one(void **state)
{
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    (void)state;
    must_make(fix, "best", 1);
    run_write(fix, "best/notes.txt", "mine", 4);
    must_make(fix, "best", 2);
    expect_text(fix, "best/notes.txt", "mine");
    assert_int_equal(must_load(fix, "best/model.pt"), 2);
    assert_int_equal(run_count(fix, ".pawl"), 0);

    must_create(fix, "best");
    must_save(fix, "best/model.pt", 3);
    must_save(fix, "best/notes.txt", 3); /* the very name */
    must_commit(fix, "best");
    assert_int_equal(must_load(fix, "best/notes.txt"), 3);
    expect_text(fix, ".pawl/best.2.kept/notes.txt", "mine");
    assert_false(run_has(fix, ".pawl/best.2.kept/model.pt"));
    assert_true(engine_fixture_logged(fix, "best.2.kept"));
    must_make(fix, "best", 4); /* and that stops nothing */
    assert_int_equal(must_load(fix, "best/model.pt"), 4);
    engine_fixture_free(fix);
}

/* `latest` could not be moved, so what it names must not go. */
static void test_what_latest_names_stays(void **state)
{
    struct engine_fixture *fix =
        engine_fixture_new("{\"keep_last\": 1}", false);
    (void)state;
    make_steps(fix, 1, 1);
    run_remove(fix, "latest");
    assert_int_equal(pawl_store_mkdir(&fix->store, "latest/x", NULL), 0);
    make_steps(fix, 2, 3); /* committed all the same */
    assert_string_equal(steps(fix), "1 2 3");
    assert_true(engine_fixture_logged(fix, "'latest' could not be moved"));
    assert_string_equal(must_open(fix, NULL), "s3");
    must_close(fix, "s3");
    run_remove(fix, "latest/x");
    run_remove(fix, "latest");
    make_steps(fix, 4, 4);
    assert_string_equal(steps(fix), "4");
    engine_fixture_free(fix);
}

/* Another process moved it meanwhile, to one that is older than ours. */
static void test_what_others_made_latest_stays(void **state)
{
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    struct pawl_config config;
    (void)state;
    make_steps(fix, 1, 3);
    run_write(fix, "latest", "s1", 2);
    assert_int_equal(pawl_config_parse(&config, "{\"keep_last\": 1}", NULL), 0);
    pawl_retain(&(struct pawl_retention){
        .store = &fix->store,
        .config = &config,
        .token = 1,
        .committed = "s3",
    });
    assert_string_equal(steps(fix), "1 3");
    pawl_config_fini(&config);
    engine_fixture_free(fix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep_all_is_the_default),
        cmocka_unit_test(test_latest_that_stays),
        cmocka_unit_test(test_keep_last),
        cmocka_unit_test(test_links_stay),
        cmocka_unit_test(test_keep_every_and_pinned),
        cmocka_unit_test(test_only_after_a_commit),
        cmocka_unit_test(test_the_open_one_stays),
        cmocka_unit_test(test_what_is_not_ours_stays),
        cmocka_unit_test(test_foreign_files_stay),
        cmocka_unit_test(test_foreign_files_move_to_the_new_one),
        cmocka_unit_test(test_what_latest_names_stays),
        cmocka_unit_test(test_what_others_made_latest_stays),
    };
    return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
