/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_file.c - what every store does; words of errors, space, what is
 * synced on close; and each system call failing in turn
 */
#include "store/store_file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "file_fixture.h"
#include "store_behaviour.h"

/* ---- errors ------------------------------------------------------------ */

static void test_errors_name_the_path_and_the_cause(void **state)
{
    struct file_fixture *fix = *state;
    struct pawl_error err = {0};
    struct pawl_object_handle object;
    const char *name = "step-10/model.pt";
    assert_int_equal(pawl_store_open(&fix->store, name, PAWL_STORE_READ, 0,
                                     &object, NULL, &err),
                     PAWL_ENOENT);
    file_fixture_assert_message(fix, &err, "cannot open ",
                                "step-10/model.pt': no such file or directory");

    assert_int_equal(pawl_store_open(&fix->store, name, PAWL_STORE_CREATE, 0,
                                     &object, NULL, &err),
                     0);
    file_fixture_fail(fix, FAULT_PWRITE, ENOSPC, false);
    assert_int_equal(pawl_object_write(&object, 0, "x", 1, &err), PAWL_ENOSPC);
    assert_int_equal(err.sys_errno, ENOSPC);
    file_fixture_assert_message(fix, &err, "cannot write ",
                                "step-10/model.pt': no space left on device");
    file_fixture_fail(fix, FAULT_FDATASYNC, EIO, false);
    assert_int_equal(pawl_object_close(&object, true, &err), PAWL_EIO);
    file_fixture_assert_message(fix, &err, "cannot sync ",
                                "step-10/model.pt': input/output error");

    file_fixture_fail(fix, FAULT_FSYNC, EIO, false);
    assert_int_equal(pawl_store_sync(&fix->store, "", &err), PAWL_EIO);
    char *expected = NULL;
    assert_true(asprintf(&expected, "cannot sync '%s': input/output error",
                         fix->root) > 0);
    assert_string_equal(err.message, expected);
    free(expected);
}

static void test_a_close_that_fails_is_told(void **state)
{
    struct file_fixture *fix = *state;
    struct pawl_object_handle object;
    struct pawl_error err = {0};
    assert_int_equal(pawl_store_open(&fix->store, "x", PAWL_STORE_CREATE, 0,
                                     &object, NULL, NULL),
                     0);
    file_fixture_fail(fix, FAULT_CLOSE, EDQUOT,
                      false); /* NFS finds out that late */
    assert_int_equal(pawl_object_close(&object, false, &err), PAWL_ENOSPC);
    assert_non_null(strstr(err.message, "cannot close"));
}

static void test_a_relative_root_is_refused(void **state)
{
    (void)state;
    struct pawl_store store = {0};
    assert_int_equal(pawl_store_file_make(&store, "run", &pawl_io_posix, NULL),
                     PAWL_EINVAL);
    assert_null(store.impl);
}

/* ---- space ------------------------------------------------------------- */

static void test_too_little_space_is_told_early(void **state)
{
    struct file_fixture *fix = *state;
    struct pawl_error err = {0};
    const uint64_t too_large = (uint64_t)1 << 62;
    assert_int_equal(file_fixture_create(fix, "x", too_large, &err),
                     PAWL_ENOSPC);
    assert_false(scratch_exists(fix->root, "x"));
    assert_int_equal(file_fixture_create(fix, "x", UINT64_MAX, &err),
                     PAWL_ENOSPC);
    assert_false(scratch_exists(fix->root, "x"));
    file_fixture_fail(fix, FAULT_FALLOCATE, ENOSPC, false);
    assert_int_equal(file_fixture_create(fix, "x", 4096, &err), PAWL_ENOSPC);
    file_fixture_assert_message(fix, &err, "cannot create ",
                                "x': no space left on device");
    assert_false(scratch_exists(fix->root, "x"));
}

static void test_space_that_cannot_be_reserved_is_no_error(void **state)
{
    struct file_fixture *fix = *state;
    const int errnos[] = {EOPNOTSUPP, ENOSYS, EINTR, EINVAL};
    for (size_t i = 0; i < 4; i++) {
        file_fixture_fail(fix, FAULT_FALLOCATE, errnos[i], false);
        store_put(&fix->store, "x", "text");
        assert_int_equal(fault_io_fired(fix->fault), 1);
    }
    /* A hint that was too high leaves no zeros at the end. */
    assert_int_equal(file_fixture_create(fix, "y", 1 << 20, NULL), 0);
    size_t len = 1;
    free(scratch_read(fix->root, "y", &len));
    assert_int_equal(len, 0);
}

/* ---- closing ----------------------------------------------------------- */

static void test_a_durable_close_syncs_before_it_closes(void **state)
{
    struct file_fixture *fix = *state;
    struct pawl_object_handle object;
    assert_int_equal(pawl_store_open(&fix->store, "x", PAWL_STORE_CREATE, 0,
                                     &object, NULL, NULL),
                     0);
    assert_int_equal(pawl_object_write(&object, 0, "x", 1, NULL), 0);
    fault_io_arm(fix->fault, NULL);
    assert_int_equal(pawl_object_close(&object, true, NULL), 0);
    assert_int_equal(fault_io_record(fix->fault, 0)->call, FAULT_FDATASYNC);
    assert_int_equal(fault_io_record(fix->fault, 1)->call, FAULT_CLOSE);
    assert_null(fault_io_record(fix->fault, 2));

    fault_io_arm(fix->fault, NULL);
    store_put(&fix->store, "y", "text"); /* closes, but not durably */
    assert_int_equal(pawl_store_open(&fix->store, "x", PAWL_STORE_READ, 0,
                                     &object, NULL, NULL),
                     0);
    assert_int_equal(pawl_object_close(&object, true, NULL), 0);
    assert_int_equal(fault_io_count(fix->fault, FAULT_FDATASYNC), 0);
}

/* ---- every call fails in turn ------------------------------------------ */

static int count_entry(void *ctx, const struct pawl_store_entry *entry)
{
    (void)entry;
    ++*(size_t *)ctx;
    return 0;
}

static int write_file(struct pawl_store *store, const char *name,
                      struct pawl_error *err)
{
    struct pawl_object_handle object;
    int rc =
        pawl_store_open(store, name, PAWL_STORE_CREATE, 64, &object, NULL, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_object_write(&object, 0, "0123456789", 10, err);
    int close_rc = pawl_object_close(&object, true, rc == 0 ? err : NULL);
    return rc < 0 ? rc : close_rc;
}

static int read_file(struct pawl_store *store, const char *name,
                     struct pawl_error *err)
{
    struct pawl_object_handle object;
    char text[11] = "";
    int rc =
        pawl_store_open(store, name, PAWL_STORE_READ, 0, &object, NULL, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_object_read(&object, 0, text, 10, err);
    pawl_object_close(&object, false, NULL);
    if (rc == 0) {
        assert_string_equal(text, "0123456789");
    }
    return rc;
}

static int list_root(struct pawl_store *store, struct pawl_error *err)
{
    size_t count = 0;
    int rc = pawl_store_list(store, "", count_entry, &count, err);
    if (rc == 0) {
        assert_int_equal(count, 4); /* alias .pawl t u */
    }
    return rc;
}

enum { STEPS = 11 };

static int do_step(struct pawl_store *store, int step, struct pawl_error *err)
{
    switch (step) {
    case 0:
        return write_file(store, ".pawl/t.part/deep/x", err);
    case 1: /* over an older one */
        return write_file(store, ".pawl/t.part/deep/x", err);
    case 2:
        return pawl_store_sync(store, ".pawl/t.part/deep", err);
    case 3:
        return pawl_store_rename(store, ".pawl/t.part", "t", PAWL_RENAME_NEW,
                                 err);
    case 4:
        return pawl_store_sync(store, "", err);
    case 5:
        return read_file(store, "t/deep/x", err);
    case 6:
        return pawl_store_mkdir(store, "u/v", err);
    case 7:
        return list_root(store, err);
    case 8:
        return pawl_store_rename(store, "t", "u", PAWL_RENAME_EXCHANGE, err);
    case 9:
        return pawl_store_remove(store, "t/v", err);
    default:
        return pawl_store_rename(store, "u/deep/x", "t/x", PAWL_RENAME_REPLACE,
                                 err);
    }
}

/* Runs the steps up to the first that fails; its code. */
static int do_steps(struct file_fixture *fix)
{
    for (int step = 0; step < STEPS; step++) {
        struct pawl_error err = {0};
        int rc = do_step(&fix->store, step, &err);
        assert_int_equal(err.code, rc);
        if (rc < 0) {
            assert_non_null(strstr(err.message, fix->root));
            return rc;
        }
    }
    return 0;
}

/* Calls whose failure changes nothing that was promised. */
static bool may_fail_unseen(const struct fault_record *record)
{
    return record->call == FAULT_CLOSE || record->call == FAULT_FALLOCATE;
}

static const struct fault_record *injected_record(struct file_fixture *fix)
{
    const struct fault_record *record = NULL;
    for (size_t i = 0; (record = fault_io_record(fix->fault, i)) != NULL; i++) {
        if (record->injected) {
            return record;
        }
    }
    return NULL;
}

/* One run in a directory of its own; whether there was an nth call. */
static bool run_with_fault(size_t nth, int sys_errno, size_t *seen)
{
    void *state = NULL;
    assert_int_equal(file_fixture_set_up(&state), 0);
    struct file_fixture *fix = state;
    fault_io_skip_syncs(fix->fault);
    assert_int_equal(pawl_store_mkdir(&fix->store, "", NULL), 0);
    char *alias = scratch_path(fix->root, "alias");
    assert_int_equal(symlink("t", alias), 0);
    free(alias);

    fault_io_arm(fix->fault,
                 &(struct fault_plan){.nth = nth, .sys_errno = sys_errno});
    int rc = do_steps(fix);
    bool fired = fault_io_fired(fix->fault) > 0;
    if (fired && rc == 0 && !may_fail_unseen(injected_record(fix))) {
        fault_io_print(fix->fault);
        fail_msg("call %zu failed with %s, and nobody said so", nth,
                 strerror(sys_errno));
    }
    *seen += rc < 0;

    /* And the store is as good as new. */
    fault_io_arm(fix->fault, NULL);
    assert_int_equal(write_file(&fix->store, "again", NULL), 0);
    assert_int_equal(read_file(&fix->store, "again", NULL), 0);
    file_fixture_tear_down(&state); /* no descriptor is left */
    return fired;
}

static void test_each_call_may_fail(void **state)
{
    (void)state;
    const int errnos[] = {EIO, ENOSPC};
    for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++) {
        size_t nth = 1;
        size_t seen = 0;
        while (run_with_fault(nth, errnos[i], &seen)) {
            nth++;
        }
        print_message("%s: %zu calls, %zu failures told\n", strerror(errnos[i]),
                      nth - 1, seen);
        assert_true(nth > 60);
        assert_true(seen > 40);
    }
}

static void test_short_counts_change_nothing(void **state)
{
    struct file_fixture *fix = *state;
    const enum fault_call calls[] = {FAULT_PREAD, FAULT_PWRITE};
    for (size_t i = 0; i < 2; i++) {
        fault_io_arm(fix->fault, &(struct fault_plan){.call = calls[i],
                                                      .nth = 1,
                                                      .short_count = 3,
                                                      .from_then_on = true});
        assert_int_equal(write_file(&fix->store, "x", NULL), 0);
        assert_int_equal(read_file(&fix->store, "x", NULL), 0);
        assert_int_equal(fault_io_fired(fix->fault), 4);
    }
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, file_fixture_set_up,                 \
                                    file_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_errors_name_the_path_and_the_cause),
        TEST(test_a_close_that_fails_is_told),
        TEST(test_a_relative_root_is_refused),
        TEST(test_too_little_space_is_told_early),
        TEST(test_space_that_cannot_be_reserved_is_no_error),
        TEST(test_a_durable_close_syncs_before_it_closes),
        cmocka_unit_test(test_each_call_may_fail),
        TEST(test_short_counts_change_nothing),
    };
    int failed = store_behaviour_run(
        "store_file: behaviour", file_fixture_set_up, file_fixture_tear_down);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
