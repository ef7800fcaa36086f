/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_engine_async.c - what the engine does in the background, and what
 * becomes of it when that fails; the contract's tests run on it too
 *
 * Disks that hang: test_background.c.
 */
#include "async_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

/* ---- failures ------------------------------------------------------------ */

static const struct {
    int sys_errno;
    int code;
} causes[] = {{ENOSPC, PAWL_ENOSPC}, {EIO, PAWL_EIO}, {EROFS, PAWL_EACCES}};
#define CAUSE_COUNT (sizeof(causes) / sizeof(*causes))

static void fail_from_now(struct async_fixture *a, enum fault_call call,
                          int sys_errno)
{
    fault_io_arm(a->fault, &(struct fault_plan){.call = call,
                                                .nth = 1,
                                                .sys_errno = sys_errno,
                                                .from_then_on = true});
}

/* What failed left nothing, what was there is there, and it can go on. */
static void check_recovered(struct async_fixture *a, const char *tag)
{
    fault_io_arm(a->fault, NULL);
    assert_int_equal(pawl_engine_wait(a->fix->engine, 0, NULL), 0);
    assert_false(run_has(a->fix, tag));
    assert_string_equal(must_open(a->fix, NULL), "one");
    assert_int_equal(must_load(a->fix, "one/model.pt"), 1);
    must_close(a->fix, "one");
    assert_works(a->fix, tag);
}

/* Whether commit knows it or the wait tells it depends on who is faster; that
 * one of them does, and no other, does not. */
static void check_failing_writes(size_t cause, const char *more)
{
    struct async_fixture a = async_on_fault(more);
    struct pawl_error err;
    must_make(a.fix, "one", 1);
    must_create(a.fix, "two");
    fail_from_now(&a, FAULT_PWRITE, causes[cause].sys_errno);
    int saved = try_save(a.fix, "two/model.pt", 2, &err);
    assert_int_equal(pawl_engine_fence(a.fix->engine, NULL), 0);
    if (saved < 0) {
        assert_failed(saved, causes[cause].code, &err, "model.pt");
    }
    int rc = pawl_engine_commit(a.fix->engine, "two", &err);
    if (rc == 0) {
        rc = pawl_engine_wait(a.fix->engine, 20000, &err);
    }
    assert_failed(rc, causes[cause].code, &err,
                  "cannot commit checkpoint 'two'");
    assert_non_null(strstr(err.message, "model.pt"));
    assert_int_equal(status_of(a.fix).failures, 1);
    assert_int_equal(status_of(a.fix).pending, 0);
    check_recovered(&a, "two");
    async_free(&a);
}

static void test_failing_writes(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAUSE_COUNT; i++) {
        check_failing_writes(i, "");
    }
}

/* The disk fails when commit has returned: in the making of the checkpoint.
 * With the next create that tells it nothing has begun. */
static void check_failing_publish(size_t cause, bool by_create)
{
    struct async_fixture a = async_on_gate("");
    struct pawl_error err;
    must_make(a.fix, "one", 1);
    gate_io_close(a.gate);
    make_pending(a.fix, "two", 2);
    gate_io_await(a.gate);
    assert_int_equal(status_of(a.fix).pending, 1);
    gate_io_open(a.gate, causes[cause].sys_errno);
    int rc = by_create
                 ? pawl_engine_create(a.fix->engine, a.fix->run, "three", &err)
                 : pawl_engine_wait(a.fix->engine, 20000, &err);
    assert_failed(rc, causes[cause].code, &err,
                  "cannot commit checkpoint 'two'");
    assert_true(engine_fixture_logged(a.fix, "checkpoint 'two' is lost"));
    assert_string_equal(status_of(a.fix).creating, "");
    gate_io_open(a.gate, 0);
    assert_int_equal(pawl_engine_wait(a.fix->engine, 0, &err), 0);
    assert_false(run_has(a.fix, "two"));
    assert_int_equal(run_count(a.fix, ".pawl"), 0);
    assert_int_equal(must_load(a.fix, "one/model.pt"), 1);
    assert_works(a.fix, "three");
    async_free(&a);
}

static void test_failing_after_commit(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAUSE_COUNT; i++) {
        check_failing_publish(i, false);
        check_failing_publish(i, true);
    }
}

static void test_each_failure_is_told(void **state)
{
    (void)state;
    struct async_fixture a =
        async_on_gate(", \"max_pending\": 4, \"staging_bytes\": \"1MiB\"");
    struct pawl_error err;
    gate_io_close(a.gate);
    make_pending(a.fix, "one", 1);
    make_pending(a.fix, "two", 2);
    make_pending(a.fix, "three", 3);
    assert_int_equal(status_of(a.fix).pending, 3);
    gate_io_open(a.gate, EIO);
    assert_failed(pawl_engine_wait(a.fix->engine, 20000, &err), PAWL_EIO, &err,
                  "'one'");
    assert_failed(pawl_engine_create(a.fix->engine, a.fix->run, "four", &err),
                  PAWL_EIO, &err, "'two'");
    assert_failed(pawl_engine_wait(a.fix->engine, 0, &err), PAWL_EIO, &err,
                  "'three'");
    assert_int_equal(pawl_engine_wait(a.fix->engine, 0, &err), 0);
    assert_int_equal(status_of(a.fix).failures, 3);
    gate_io_open(a.gate, 0);
    assert_works(a.fix, "four");
    async_free(&a);
}

/* Five blocks: one that is lost each time would be missed. */
static void test_failures_return_all_blocks(void **state)
{
    static const char *const snapshots[] = {
        ", \"write_timeout_ms\": 5000",
        ", \"write_timeout_ms\": 5000, \"snapshot\": \"lazy\""};
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct async_fixture a = async_on_fault(snapshots[k]);
        struct pawl_error err;
        for (int i = 0; i < 30; i++) {
            must_create(a.fix, "one");
            fault_io_arm(a.fault, &(struct fault_plan){.call = FAULT_PWRITE,
                                                       .nth = 1 + (size_t)i * 2,
                                                       .sys_errno = EIO});
            int rc = save_numbers(a.fix, "one/a.pt", 1, LARGE_COUNT, &err);
            rc = pawl_engine_commit(a.fix->engine, "one", &err);
            if (rc == 0) {
                rc = pawl_engine_wait(a.fix->engine, 20000, &err);
            }
            assert_failed(rc, PAWL_EIO, &err, "a.pt");
            fault_io_arm(a.fault, NULL);
        }
        assert_int_equal(run_count(a.fix, ".pawl"), 0);
        assert_works(a.fix, "one");
        async_free(&a);
    }
}

/* A disk that is full, not one that says so.  Needs the right to mount. */
static void test_full_disk(void **state)
{
    (void)state;
    struct engine_fixture *fix = engine_fixture_new(
        "{\"engine\": \"async\", \"block_bytes\": 4096, \"staging_bytes\": "
        "20480}",
        false);
    struct pawl_error err;
    char run[4096];
    assert_int_equal(mkdir(fix->run, 0777), 0);
    snprintf(run, sizeof(run), "%s", fix->run);
    if (mount("none", run, "tmpfs", 0, "size=1m") < 0) {
        engine_fixture_free(fix);
        skip();
    }
    must_make(fix, "one", 1);
    must_create(fix, "two");
    int rc = 0;
    for (int i = 0; rc == 0 && i < 8; i++) {
        char name[32];
        snprintf(name, sizeof(name), "two/%d.pt", i);
        rc = save_numbers(fix, name, 2, LARGE_COUNT, &err);
    }
    assert_failed(rc, PAWL_ENOSPC, &err, "no space left");
    assert_failed(pawl_engine_commit(fix->engine, "two", &err), PAWL_ENOSPC,
                  &err, "'two'");
    assert_false(run_has(fix, "two"));
    assert_string_equal(must_open(fix, NULL), "one");
    assert_int_equal(must_load(fix, "one/model.pt"), 1);
    must_close(fix, "one");
    assert_works(fix, "three");
    pawl_engine_free(fix->engine);
    fix->engine = NULL;
    pawl_store_fini(&fix->store);
    assert_int_equal(umount(run), 0);
    engine_fixture_free(fix);
}

/* ---- max_pending --------------------------------------------------------- */

static void test_full_waits(void **state)
{
    (void)state;
    struct async_fixture a = async_on_gate("");
    gate_io_close(a.gate);
    make_pending(a.fix, "one", 1);
    gate_io_await(a.gate);
    assert_false(run_has(a.fix, "one"));
    gate_io_open_later(a.gate, 50);
    must_create(a.fix, "two");
    assert_true(run_has(a.fix, "one")); /* was waited for */
    assert_int_equal(status_of(a.fix).pending, 0);
    assert_int_equal(pawl_engine_abort(a.fix->engine, "two", NULL), 0);
    async_free(&a);
}

static void test_full_skips(void **state)
{
    (void)state;
    struct async_fixture a = async_on_gate(", \"when_full\": \"skip\"");
    struct engine_fixture *fix = a.fix;
    gate_io_close(a.gate);
    make_pending(fix, "one", 1);
    gate_io_await(a.gate);
    must_create(fix, "two");
    assert_true(engine_fixture_logged(fix, "skipping checkpoint 'two'"));
    assert_int_equal(pawl_engine_makedirs(fix->engine,
                                          engine_fixture_path(fix, "two/sub"),
                                          true, NULL),
                     0);
    must_save(fix, "two/sub/model.pt", 2);
    assert_int_equal(pawl_engine_commit(fix->engine, "two", NULL), 0);
    must_create(fix, "three"); /* an abort of a skipped one */
    assert_int_equal(pawl_engine_abort(fix->engine, "three", NULL), 0);
    assert_int_equal(status_of(fix).skipped, 2);
    gate_io_open(a.gate, 0);
    must_wait(fix);
    assert_int_equal(must_load(fix, "one/model.pt"), 1);
    assert_false(run_has(fix, "two"));
    assert_false(run_has(fix, "three"));
    assert_int_equal(run_count(fix, ".pawl"), 0);
    must_make(fix, "four", 4);
    struct pawl_status status = status_of(fix);
    assert_int_equal(status.skipped, 2);
    assert_int_equal(status.commits, 2);
    assert_int_equal(status.files_saved, 2);
    assert_string_equal(status.committed, "four");
    async_free(&a);
}

static void test_several_pending(void **state)
{
    (void)state;
    struct async_fixture a =
        async_on_gate(", \"max_pending\": 4, \"staging_bytes\": \"1MiB\"");
    struct engine_fixture *fix = a.fix;
    gate_io_close(a.gate);
    make_pending(fix, "one", 1);
    make_pending(fix, "two", 2);
    make_pending(fix, "three", 3);
    assert_int_equal(status_of(fix).pending, 3);
    assert_false(run_has(fix, "one"));
    gate_io_open(a.gate, 0);
    must_wait(fix);
    assert_int_equal(must_load(fix, "one/model.pt"), 1);
    assert_int_equal(must_load(fix, "two/model.pt"), 2);
    assert_int_equal(must_load(fix, "three/model.pt"), 3);
    assert_string_equal(must_open(fix, NULL), "three");
    must_close(fix, "three");
    async_free(&a);
}

/* The same tag again while its commit is pending: the second one wins. */
static void test_same_tag_pending(void **state)
{
    (void)state;
    struct async_fixture a = async_on_gate(", \"max_pending\": 4");
    gate_io_close(a.gate);
    make_pending(a.fix, "one", 1);
    gate_io_await(a.gate);
    gate_io_open_later(a.gate, 50);
    make_pending(a.fix, "one", 2);
    must_wait(a.fix);
    assert_int_equal(must_load(a.fix, "one/model.pt"), 2);
    assert_int_equal(status_of(a.fix).commits, 2);
    assert_int_equal(run_count(a.fix, ".pawl"), 0);
    async_free(&a);
}

/* ---- snapshots ----------------------------------------------------------- */

/* A tensor of LARGE_COUNT floats that the test changes. */
static struct pawl_state *state_over(float *data)
{
    struct pawl_state *state = pawl_state_new();
    pawl_state_set_root(state, pawl_array(state, PAWL_FLOAT32, 1,
                                          (uint64_t[]){LARGE_COUNT}, data));
    return state;
}

static void fill(float *data, float value)
{
    for (size_t i = 0; i < LARGE_COUNT; i++) {
        data[i] = value;
    }
}

static void assert_all(struct engine_fixture *fix, const char *name,
                       float value)
{
    struct pawl_state *loaded = NULL;
    assert_int_equal(pawl_engine_load(&loaded, fix->engine,
                                      engine_fixture_path(fix, name), 0, NULL),
                     0);
    const float *data =
        pawl_storage_data(pawl_get_tensor(pawl_state_root(loaded))->storage);
    for (size_t i = 0; i < LARGE_COUNT; i++) {
        assert_true(data[i] == value);
    }
    pawl_state_free(loaded);
}

static float numbers[LARGE_COUNT];

/* While the disk hangs five blocks are all that can be copied: a save that
 * returns did not wait for the copy, and a fence that returns did. */
static void test_lazy_fence(void **state)
{
    (void)state;
    struct async_fixture a =
        async_on_gate(", \"snapshot\": \"lazy\", \"check_snapshots\": true");
    struct pawl_error err;
    fill(numbers, 1);
    struct pawl_state *mine = state_over(numbers);
    must_create(a.fix, "one");
    gate_io_close(a.gate);
    assert_int_equal(pawl_engine_save(a.fix->engine, mine,
                                      engine_fixture_path(a.fix, "one/a.pt"),
                                      &err),
                     0);
    gate_io_open_later(a.gate, 50);
    assert_int_equal(pawl_engine_fence(a.fix->engine, &err), 0);
    fill(numbers, 2);
    pawl_state_free(mine);
    must_commit(a.fix, "one");
    assert_all(a.fix, "one/a.pt", 1);
    async_free(&a);
}

static void test_lazy_change_is_found(void **state)
{
    (void)state;
    struct async_fixture a =
        async_on_gate(", \"snapshot\": \"lazy\", \"check_snapshots\": true");
    struct pawl_error err;
    must_make(a.fix, "one", 1);
    fill(numbers, 1);
    struct pawl_state *mine = state_over(numbers);
    must_create(a.fix, "two");
    gate_io_close(a.gate);
    assert_int_equal(pawl_engine_save(a.fix->engine, mine,
                                      engine_fixture_path(a.fix, "two/a.pt"),
                                      &err),
                     0);
    gate_io_await(a.gate);
    numbers[LARGE_COUNT - 1] = 2; /* is not copied yet */
    gate_io_open(a.gate, 0);
    assert_int_equal(pawl_engine_fence(a.fix->engine, &err), 0);
    assert_failed(pawl_engine_commit(a.fix->engine, "two", &err), PAWL_EINVAL,
                  &err, "a tensor of 'two/a.pt' was changed after save");
    assert_non_null(strstr(err.message, "'data/0'"));
    assert_int_equal(pawl_engine_wait(a.fix->engine, 20000, &err), 0);
    assert_false(run_has(a.fix, "two"));
    pawl_state_free(mine);
    assert_works(a.fix, "two");
    async_free(&a);
}

static void test_streams_through_staging(void **state)
{
    static const char *const snapshots[] = {"", ", \"snapshot\": \"lazy\""};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct async_fixture a = async_on_gate(snapshots[i]);
        assert_works(a.fix, "one");
        struct pawl_status status = status_of(a.fix);
        assert_true(status.copy_ns > 0);
        assert_true(status.wait_ns > 0); /* for blocks that came back */
        assert_true(status.write_ns > 0);
        assert_true(status.publish_ns > 0);
        assert_true(status.stall_ns > 0);
        assert_true(status.bytes_saved > LARGE_COUNT * 8);
        assert_int_equal(status.files_saved, 1);
        async_free(&a);
    }
}

/* More files than there are places and blocks. */
static void test_many_files(void **state)
{
    static const char *const snapshots[] = {
        ", \"durable\": false", ", \"durable\": false, \"snapshot\": \"lazy\""};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct async_fixture a = async_on_gate(snapshots[i]);
        struct pawl_state *mine = numbered_state(7, 700);
        char name[64];
        must_create(a.fix, "one");
        for (int k = 0; k < 300; k++) {
            snprintf(name, sizeof(name), "one/%d.pt", k);
            assert_int_equal(pawl_engine_save(a.fix->engine, mine,
                                              engine_fixture_path(a.fix, name),
                                              NULL),
                             0);
        }
        assert_int_equal(pawl_engine_fence(a.fix->engine, NULL), 0);
        pawl_state_free(mine);
        must_commit(a.fix, "one");
        assert_int_equal(run_count(a.fix, "one"), 301); /* and the manifest */
        assert_int_equal(must_load(a.fix, "one/0.pt"), 7);
        assert_int_equal(must_load(a.fix, "one/299.pt"), 7);
        async_free(&a);
    }
}

static void test_two_saves_to_one_path(void **state)
{
    (void)state;
    struct async_fixture a = async_on_gate(", \"staging_bytes\": \"1MiB\"");
    must_create(a.fix, "one");
    gate_io_close(a.gate);
    assert_int_equal(save_numbers(a.fix, "one/a.pt", 1, 9000, NULL), 0);
    gate_io_await(a.gate);
    assert_int_equal(save_numbers(a.fix, "one/a.pt", 2, 1000, NULL), 0);
    gate_io_open(a.gate, 0);
    must_commit(a.fix, "one");
    assert_string_equal(must_open(a.fix, "one"), "one");
    assert_int_equal(must_load(a.fix, "one/a.pt"), 2);
    must_close(a.fix, "one");
    async_free(&a);
}

/* ---- the long run -------------------------------------------------------- */

static size_t resident_pages(void)
{
    size_t all = 0;
    size_t resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu %zu", &all, &resident), 2);
    fclose(file);
    return resident;
}

/* Sanitizers and valgrind keep what was freed: with them only the descriptors
 * count. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_OURS false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MEMORY_IS_OURS false
#endif
#endif
#ifndef MEMORY_IS_OURS
#define MEMORY_IS_OURS true
#endif

static void test_thousand_saves(void **state)
{
    (void)state;
    struct async_fixture a =
        async_on_gate(", \"direct_io\": false, \"keep_last\": 2");
    char tag[32];
    size_t pages = 0;
    int fds = 0;
    pawl_engine_set_log(a.fix->engine, NULL, NULL);
    for (int i = 0; i < 1100; i++) {
        snprintf(tag, sizeof(tag), "step-%d", i);
        make_pending(a.fix, tag, i);
        if (i == 99) {
            must_wait(a.fix);
            pages = resident_pages();
            fds = scratch_fd_count();
        }
    }
    must_wait(a.fix);
    assert_int_equal(scratch_fd_count(), fds);
    assert_true(!MEMORY_IS_OURS || under_valgrind() ||
                resident_pages() < pages + 256);
    assert_int_equal(status_of(a.fix).commits, 1100);
    assert_int_equal(run_count(a.fix, ".pawl"), 0);
    async_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing_writes),
        cmocka_unit_test(test_failing_after_commit),
        cmocka_unit_test(test_each_failure_is_told),
        cmocka_unit_test(test_failures_return_all_blocks),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_full_waits),
        cmocka_unit_test(test_full_skips),
        cmocka_unit_test(test_several_pending),
        cmocka_unit_test(test_same_tag_pending),
        cmocka_unit_test(test_lazy_fence),
        cmocka_unit_test(test_lazy_change_is_found),
        cmocka_unit_test(test_streams_through_staging),
        cmocka_unit_test(test_many_files),
        cmocka_unit_test(test_two_saves_to_one_path),
        cmocka_unit_test(test_thousand_saves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
