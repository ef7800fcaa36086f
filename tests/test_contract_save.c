/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_contract_save.c - what pawl/engine.h decides about making checkpoints,
 * on every engine; the other half is test_contract_load.c
 *
 * The two follow the table at the top of that header.
 */
#include "contract_group.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- tags ---------------------------------------------------------------- */

static void test_bad_tags(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    const char *opened;
    char long_tag[258];
    memset(long_tag, 'x', 257);
    long_tag[256] = '\0';
    const struct {
        const char *tag;
        const char *why;
    } bad[] = {
        {"", "empty"},        {"a/b", "'/'"},         {"../x", "'.'"},
        {"..", "'.'"},        {".hidden", "'.'"},     {"a\nb", "control"},
        {"a\x7f", "control"}, {"latest", "reserved"}, {long_tag, "255 bytes"},
        {NULL, "missing"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        int rc = pawl_engine_create(fix->engine, fix->run, bad[i].tag, &err);
        assert_failed(rc, PAWL_EINVAL, &err, bad[i].why);
        if (bad[i].tag != NULL) {
            assert_failed(rc, PAWL_EINVAL, &err, bad[i].tag);
        }
        if (bad[i].tag != NULL && strcmp(bad[i].tag, "latest") != 0) {
            rc = pawl_engine_open(&opened, fix->engine, fix->run, bad[i].tag,
                                  &err);
            assert_failed(rc, PAWL_EINVAL, &err, bad[i].why);
        }
    }
    engine_fixture_free(fix);
}

static void test_odd_tags_work(void **state)
{
    char long_tag[256];
    memset(long_tag, 'y', 255);
    long_tag[255] = '\0';
    const char *tags[] = {"a b",      "Latest", "x.part", "x.owner",
                          "\xc3\xa9", "100%",   long_tag};
    struct engine_fixture *fix = contract_make(state, "");
    for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
        char name[300];
        snprintf(name, sizeof(name), "%s/model.pt", tags[i]);
        must_make(fix, tags[i], 1);
        must_make(fix, tags[i], 2); /* over it */
        assert_string_equal(must_open(fix, tags[i]), tags[i]);
        assert_int_equal(must_load(fix, name), 2);
        must_close(fix, tags[i]);
    }
    engine_fixture_free(fix);
}

/* ---- order of calls ------------------------------------------------------ */

static void test_create_while_creating(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    must_create(fix, "one");
    int rc = pawl_engine_create(fix->engine, fix->run, "two", &err);
    assert_failed(rc, PAWL_ESTATE, &err, "'one'");
    must_save(fix, "one/model.pt", 1);
    must_commit(fix, "one");
    must_make(fix, "two", 2);
    engine_fixture_free(fix);
}

static void test_commit_and_abort_of_another(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    assert_failed(pawl_engine_commit(fix->engine, "x", &err), PAWL_ESTATE, &err,
                  "'x'");
    assert_failed(pawl_engine_abort(fix->engine, "x", &err), PAWL_ESTATE, &err,
                  "'x'");
    must_create(fix, "y");
    assert_failed(pawl_engine_commit(fix->engine, "x", &err), PAWL_ESTATE, &err,
                  "'x'");
    assert_failed(pawl_engine_abort(fix->engine, "x", &err), PAWL_ESTATE, &err,
                  "'x'");
    assert_failed(pawl_engine_commit(fix->engine, NULL, &err), PAWL_ESTATE,
                  &err, "not being made");
    must_save(fix, "y/model.pt", 3);
    must_commit(fix, "y"); /* it was left alone */
    assert_failed(pawl_engine_commit(fix->engine, "y", &err), PAWL_ESTATE, &err,
                  "'y'");
    engine_fixture_free(fix);
}

static void test_abort_forgets(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    must_create(fix, "one");
    must_save(fix, "one/model.pt", 1);
    assert_int_equal(pawl_engine_abort(fix->engine, "one", &err), 0);
    assert_failed(try_open(fix, "one", &err), PAWL_ENOENT, &err, "'one'");
    assert_null(must_open(fix, NULL));
    must_make(fix, "one", 2);
    assert_string_equal(must_open(fix, NULL), "one");
    assert_int_equal(must_load(fix, "one/model.pt"), 2);
    engine_fixture_free(fix);
}

static void test_open_while_open(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    must_make(fix, "one", 1);
    must_open(fix, NULL);
    assert_failed(try_open(fix, NULL, &err), PAWL_ESTATE, &err, "'one'");
    assert_failed(try_open(fix, "one", &err), PAWL_ESTATE, &err, "'one'");
    must_close(fix, "one");
    assert_string_equal(must_open(fix, "one"), "one");
    engine_fixture_free(fix);
}

static void test_close_of_another(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    assert_failed(pawl_engine_close(fix->engine, "one", &err), PAWL_ESTATE,
                  &err, "'one'");
    must_make(fix, "one", 1);
    must_open(fix, "one");
    assert_failed(pawl_engine_close(fix->engine, "two", &err), PAWL_ESTATE,
                  &err, "'two'");
    assert_failed(pawl_engine_close(fix->engine, NULL, &err), PAWL_ESTATE, &err,
                  "not open");
    must_close(fix, "one");
    assert_failed(pawl_engine_close(fix->engine, "one", &err), PAWL_ESTATE,
                  &err, "'one'");
    engine_fixture_free(fix);
}

/* ---- paths --------------------------------------------------------------- */

static void test_paths_outside(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    const char *outside[] = {
        "model.pt",        "other/model.pt", "one/../two/model.pt",
        "one/../model.pt", "one/..",         "onemore/model.pt",
    };
    for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++) {
        must_create(fix, "one");
        assert_failed(pawl_engine_makedirs(fix->engine,
                                           engine_fixture_path(fix, outside[i]),
                                           true, &err),
                      PAWL_EINVAL, &err, "'one'");
        assert_failed(try_save(fix, outside[i], 1, &err), PAWL_EINVAL, &err,
                      outside[i]);
        /* The caller wanted that file: a checkpoint without it is not his. */
        must_save(fix, "one/model.pt", 1);
        assert_failed(pawl_engine_commit(fix->engine, "one", &err), PAWL_EINVAL,
                      &err, outside[i]);
    }
    must_create(fix, "one");
    assert_failed(try_save(fix, "one", 1, &err), PAWL_EINVAL, &err, "'one'");
    assert_int_equal(pawl_engine_abort(fix->engine, "one", &err), 0);
    must_create(fix, "one");
    assert_failed(try_save(fix, "one/pawl.json", 1, &err), PAWL_EINVAL, &err,
                  "manifest");
    engine_fixture_free(fix);
}

static void test_paths_are_normalized(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    must_create(fix, "one");
    must_save(fix, ".//one/./sub//model.pt", 5);
    must_commit(fix, "one");
    must_open(fix, "one");
    assert_int_equal(must_load(fix, "one/sub/model.pt"), 5);
    engine_fixture_free(fix);
}

static void test_makedirs(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    must_create(fix, "one");
    const char *path = engine_fixture_path(fix, "one");
    assert_int_equal(pawl_engine_makedirs(fix->engine, path, false, &err), 0);
    assert_int_equal(pawl_engine_makedirs(fix->engine, path, true, &err), 0);
    assert_failed(pawl_engine_makedirs(fix->engine, path, false, &err),
                  PAWL_EEXIST, &err, "one");
    path = engine_fixture_path(fix, "one/a/b");
    assert_int_equal(pawl_engine_makedirs(fix->engine, path, false, &err), 0);
    assert_int_equal(pawl_engine_makedirs(fix->engine, path, true, &err), 0);
    assert_failed(pawl_engine_makedirs(fix->engine, path, false, &err),
                  PAWL_EEXIST, &err, "a/b");
    assert_false(run_has(fix, "one")); /* not to be seen yet */
    must_save(fix, "one/a/b/model.pt", 1);
    must_commit(fix, "one");
    must_open(fix, "one");
    assert_int_equal(must_load(fix, "one/a/b/model.pt"), 1);

    path = engine_fixture_path(fix, "elsewhere/deep");
    assert_int_equal(pawl_engine_makedirs(fix->engine, path, false, &err), 0);
    assert_failed(pawl_engine_makedirs(fix->engine, path, false, &err),
                  PAWL_EEXIST, &err, "deep");
    assert_int_equal(pawl_engine_makedirs(fix->engine, path, true, &err), 0);
    assert_true(run_has(fix, "elsewhere/deep"));
    engine_fixture_free(fix);
}

/* ---- saving -------------------------------------------------------------- */

static void test_nothing_is_visible_before_commit(void **state)
{
    struct engine_fixture *fix =
        contract_make(state, ", \"open_timeout_ms\": 20");
    struct pawl_error err;
    must_create(fix, "one");
    must_save(fix, "one/model.pt", 1);
    assert_false(run_has(fix, "one"));
    assert_false(run_has(fix, "latest"));
    assert_failed(try_load(fix, "one/model.pt", &err), PAWL_ENOENT, &err,
                  "model.pt");
    assert_null(must_open(fix, NULL));
    must_commit(fix, "one");
    assert_string_equal(must_open(fix, NULL), "one");
    size_t len = 0;
    char *latest = run_read(fix, "latest", &len);
    assert_string_equal(latest, "one");
    free(latest);
    engine_fixture_free(fix);
}

static void keep_latest(struct engine_fixture *fix, bool keep)
{
    struct pawl_error err = {0};
    if (pawl_engine_keep_latest(fix->engine, keep, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static void test_latest_stays_if_told_so(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    const char *tags[] = {"one", "two", "three"};
    const char *paths[] = {"one/a.pt", "two/a.pt", "three/a.pt"};
    for (int i = 0; i < 3; i++) {
        keep_latest(fix, i == 1);
        must_create(fix, tags[i]);
        must_save(fix, paths[i], 1);
        keep_latest(fix, i != 1); /* it is create that counts */
        must_commit(fix, tags[i]);
        assert_string_equal(must_open(fix, NULL), tags[i]);
        assert_int_equal(pawl_engine_close(fix->engine, tags[i], NULL), 0);
        size_t len = 0;
        char *latest = run_read(fix, "latest", &len);
        assert_string_equal(latest, tags[i == 1 ? 0 : i]);
        free(latest);
    }
    engine_fixture_free(fix);
}

static void test_second_save_replaces(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    must_create(fix, "one");
    must_save(fix, "one/model.pt", 1);
    must_save(fix, "one/other.pt", 2);
    must_save(fix, "one/model.pt", 3);
    must_commit(fix, "one");
    must_open(fix, "one");
    assert_int_equal(must_load(fix, "one/model.pt"), 3);
    assert_int_equal(must_load(fix, "one/other.pt"), 2);
    engine_fixture_free(fix);
}

static void test_same_tag_again(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    must_make(fix, "best", 1);
    must_create(fix, "best");
    must_save(fix, "best/model.pt", 2);
    must_save(fix, "best/more.pt", 2);
    assert_string_equal(must_open(fix, "best"), "best");
    assert_int_equal(must_load(fix, "best/model.pt"), 1);
    must_close(fix, "best");
    assert_string_equal(must_open(fix, NULL), "best");
    assert_int_equal(must_load(fix, "best/model.pt"), 1);
    must_close(fix, "best");
    must_commit(fix, "best");
    must_open(fix, "best");
    assert_int_equal(must_load(fix, "best/model.pt"), 2);
    assert_int_equal(must_load(fix, "best/more.pt"), 2);
    must_close(fix, "best");
    /* An abort leaves the old one, a smaller one leaves nothing of it. */
    must_create(fix, "best");
    must_save(fix, "best/model.pt", 3);
    assert_int_equal(pawl_engine_abort(fix->engine, "best", &err), 0);
    assert_int_equal(must_load(fix, "best/model.pt"), 2);
    must_make(fix, "best", 4);
    assert_int_equal(must_load(fix, "best/model.pt"), 4);
    assert_failed(try_load(fix, "best/more.pt", &err), PAWL_ENOENT, &err,
                  "more.pt");
    engine_fixture_free(fix);
}

/* Also while an asynchronous engine still writes the one before. */
static void test_same_tag_in_a_row(void **state)
{
    struct engine_fixture *fix = contract_make(state, ", \"max_pending\": 3");
    struct pawl_error err;
    for (int i = 1; i <= 8; i++) {
        must_make(fix, "best", i);
    }
    assert_int_equal(pawl_engine_wait(fix->engine, -1, &err), 0);
    assert_string_equal(must_open(fix, NULL), "best");
    assert_int_equal(must_load(fix, "best/model.pt"), 8);
    assert_int_equal(run_count(fix, ".pawl"), 0);
    engine_fixture_free(fix);
}

static void test_failed_save_fails_commit(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    must_make(fix, "one", 1);
    must_create(fix, "one");
    must_save(fix, "one/model.pt", 2);

    struct pawl_state *broken = pawl_state_new();
    pawl_array(broken, PAWL_FLOAT32, 1, (uint64_t[]){4}, NULL); /* no data */
    int rc = pawl_engine_save(fix->engine, broken,
                              engine_fixture_path(fix, "one/bad.pt"), &err);
    assert_int_equal(rc, PAWL_EINVAL);
    pawl_state_free(broken);

    must_save(fix, "one/bad.pt", 2); /* comes too late */
    assert_failed(pawl_engine_commit(fix->engine, "one", &err), PAWL_EINVAL,
                  &err, "'one'");
    assert_int_equal(must_load(fix, "one/model.pt"), 1);
    must_make(fix, "one", 3);
    assert_int_equal(must_load(fix, "one/model.pt"), 3);

    struct pawl_status status = PAWL_STATUS_INIT;
    pawl_engine_status(fix->engine, &status, NULL);
    assert_int_equal(status.commits, 2);
    assert_int_equal(status.failures, 1);
    engine_fixture_free(fix);
}

static void test_single_files(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    assert_int_equal(pawl_engine_makedirs(fix->engine, fix->run, true, &err),
                     0);
    must_save(fix, "model.pt", 1);
    assert_int_equal(must_load(fix, "model.pt"), 1);
    must_save(fix, "model.pt", 2);
    assert_int_equal(must_load(fix, "model.pt"), 2);
    assert_failed(try_save(fix, "nowhere/model.pt", 3, &err), PAWL_ENOENT, &err,
                  "nowhere");
    assert_failed(try_load(fix, "none.pt", &err), PAWL_ENOENT, &err, "none.pt");
    assert_false(run_has(fix, ".pawl"));
    engine_fixture_free(fix);
}

static void test_caller_may_change_tensors_after_save(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    static float data[4096];
    struct pawl_state *mine = pawl_state_new();
    for (size_t i = 0; i < 4096; i++) {
        data[i] = 1;
    }
    pawl_state_set_root(
        mine, pawl_array(mine, PAWL_FLOAT32, 1, (uint64_t[]){4096}, data));
    must_create(fix, "one");
    const char *path = engine_fixture_path(fix, "one/model.pt");
    assert_int_equal(pawl_engine_save(fix->engine, mine, path, &err), 0);
    memset(data, 0, sizeof(data));
    pawl_state_free(mine);
    must_commit(fix, "one");

    struct pawl_state *loaded = NULL;
    assert_int_equal(pawl_engine_load(&loaded, fix->engine, path, 0, &err), 0);
    const float *back =
        pawl_storage_data(pawl_get_tensor(pawl_state_root(loaded))->storage);
    for (size_t i = 0; i < 4096; i++) {
        assert_true(back[i] == 1);
    }
    pawl_state_free(loaded);
    engine_fixture_free(fix);
}

/* ---- the end of an engine ------------------------------------------------ */

static void test_missing_close_and_commit(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    must_make(fix, "one", 1);
    must_open(fix, "one");
    must_create(fix, "two");
    must_save(fix, "two/model.pt", 2);
    pawl_engine_free(fix->engine);
    fix->engine = NULL;
    assert_non_null(strstr(fix->log, "'two' was never committed"));
    assert_true(engine_fixture_logged(fix, "'one' was never closed"));
    assert_false(run_has(fix, "two"));
    assert_false(run_has(fix, ".pawl/two.part"));
    assert_false(run_has(fix, ".pawl/two.owner"));
    engine_fixture_free(fix);
}

static void test_status_wait_fence(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_status status = PAWL_STATUS_INIT;
    struct pawl_error err;
    must_create(fix, "one");
    must_save(fix, "one/model.pt", 1);
    pawl_engine_status(fix->engine, &status, NULL);
    assert_string_equal(status.engine, contract_engine(state));
    assert_string_equal(status.creating, "one");
    assert_string_equal(status.committed, "");
    must_commit(fix, "one");
    must_open(fix, "one");
    must_load(fix, "one/model.pt");
    assert_int_equal(pawl_engine_fence(fix->engine, &err), 0);
    assert_int_equal(pawl_engine_wait(fix->engine, 0, &err), 0);
    pawl_engine_status(fix->engine, &status, NULL);
    assert_string_equal(status.creating, "");
    assert_string_equal(status.committed, "one");
    assert_string_equal(status.opened, "one");
    assert_int_equal(status.commits, 1);
    assert_int_equal(status.failures, 0);
    assert_int_equal(status.files_saved, 1);
    assert_int_equal(status.files_loaded, 1);
    assert_true(status.bytes_saved > 8000);
    assert_int_equal(status.bytes_saved, status.bytes_loaded);
    if (contract_on_disk(state)) {
        struct stat st;
        stat(engine_fixture_path(fix, "one/model.pt"), &st);
        assert_int_equal(status.bytes_saved, st.st_size);
    }
    struct pawl_status unset = {0};
    assert_failed(pawl_engine_status(fix->engine, &unset, &err), PAWL_EINVAL,
                  &err, "struct_size");
    engine_fixture_free(fix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_tags),
        cmocka_unit_test(test_odd_tags_work),
        cmocka_unit_test(test_create_while_creating),
        cmocka_unit_test(test_commit_and_abort_of_another),
        cmocka_unit_test(test_abort_forgets),
        cmocka_unit_test(test_open_while_open),
        cmocka_unit_test(test_close_of_another),
        cmocka_unit_test(test_paths_outside),
        cmocka_unit_test(test_paths_are_normalized),
        cmocka_unit_test(test_makedirs),
        cmocka_unit_test(test_nothing_is_visible_before_commit),
        cmocka_unit_test(test_latest_stays_if_told_so),
        cmocka_unit_test(test_second_save_replaces),
        cmocka_unit_test(test_same_tag_again),
        cmocka_unit_test(test_same_tag_in_a_row),
        cmocka_unit_test(test_failed_save_fails_commit),
        cmocka_unit_test(test_single_files),
        cmocka_unit_test(test_caller_may_change_tensors_after_save),
        cmocka_unit_test(test_missing_close_and_commit),
        cmocka_unit_test(test_status_wait_fence),
    };
    return contract_run(tests, sizeof(tests) / sizeof(*tests));
}
