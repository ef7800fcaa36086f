/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_background.c - a disk that hangs holds nobody up for longer than the
 * deadlines say, a fork harms nobody, and an engine that goes waits
 *
 * test_engine_async.c has what else happens in the background.
 */
#include "async_fixture.h"

#include "engine/meter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t now_ms(void)
{
    return pawl_now_ns() / 1000000;
}

/* ---- deadlines ----------------------------------------------------------- */

static void test_waits_end(void **state)
{
    (void)state;
    struct async_fixture a =
        async_on_gate(", \"write_timeout_ms\": 100, \"open_timeout_ms\": 100");
    struct pawl_error err;
    gate_io_close(a.gate);
    make_pending(a.fix, "one", 1);
    assert_failed(pawl_engine_wait(a.fix->engine, 0, &err), PAWL_ETIMEDOUT,
                  &err, "1 checkpoints are still being written");
    assert_failed(pawl_engine_wait(a.fix->engine, 50, &err), PAWL_ETIMEDOUT,
                  &err, "50 ms");
    assert_failed(pawl_engine_create(a.fix->engine, a.fix->run, "two", &err),
                  PAWL_ETIMEDOUT, &err, "100 ms");
    assert_failed(try_open(a.fix, "one", &err), PAWL_EBUSY, &err, "100 ms");
    assert_failed(try_open(a.fix, NULL, &err), PAWL_EBUSY, &err, "100 ms");
    gate_io_open(a.gate, 0);
    assert_int_equal(pawl_engine_wait(a.fix->engine, INT64_MAX, &err), 0);
    assert_string_equal(must_open(a.fix, NULL), "one");
    must_close(a.fix, "one");
    async_free(&a);
}

/* In both modes the copy wants more blocks than there are. */
static void check_save_on_hung_disk(const char *more)
{
    struct async_fixture a = async_on_gate(more);
    struct pawl_error err;
    gate_io_close(a.gate);
    must_create(a.fix, "one");
    uint64_t start = now_ms();
    int rc = save_numbers(a.fix, "one/a.pt", 1, LARGE_COUNT, &err);
    if (rc < 0) {
        assert_failed(rc, PAWL_ETIMEDOUT, &err, "the disk hangs");
    }
    rc = pawl_engine_commit(a.fix->engine, "one", &err);
    if (rc == 0) { /* lazy: nobody noted it yet */
        assert_failed(pawl_engine_wait(a.fix->engine, 0, &err), PAWL_ETIMEDOUT,
                      &err, "1 checkpoints");
    } else {
        assert_failed(rc, PAWL_ETIMEDOUT, &err, "the disk hangs");
    }
    assert_true(now_ms() - start < 5000);
    gate_io_open(a.gate, 0);
    if (rc == 0) {
        assert_failed(pawl_engine_wait(a.fix->engine, 20000, &err),
                      PAWL_ETIMEDOUT, &err, "the disk hangs");
    }
    assert_int_equal(pawl_engine_wait(a.fix->engine, 20000, &err), 0);
    assert_false(run_has(a.fix, "one"));
    assert_works(a.fix, "one");
    async_free(&a);
}

static void test_save_on_hung_disk(void **state)
{
    (void)state;
    check_save_on_hung_disk(", \"write_timeout_ms\": 200");
    check_save_on_hung_disk(
        ", \"write_timeout_ms\": 200, \"snapshot\": \"lazy\"");
}

static void test_abort_on_hung_disk(void **state)
{
    (void)state;
    struct async_fixture a = async_on_gate(", \"write_timeout_ms\": 100");
    struct pawl_error err;
    gate_io_close(a.gate);
    must_create(a.fix, "one");
    must_save(a.fix, "one/model.pt", 1);
    gate_io_await(a.gate);
    assert_failed(pawl_engine_abort(a.fix->engine, "one", &err), PAWL_ETIMEDOUT,
                  &err, "'one' is still being forgotten after 100 ms");
    /* The same tag again has to wait for it, too. */
    assert_failed(pawl_engine_create(a.fix->engine, a.fix->run, "one", &err),
                  PAWL_ETIMEDOUT, &err, "100 ms");
    gate_io_open(a.gate, 0);
    assert_int_equal(pawl_engine_wait(a.fix->engine, 20000, &err), 0);
    assert_int_equal(run_count(a.fix, ".pawl"), 0);
    assert_works(a.fix, "one");
    async_free(&a);
}

/* Blocks that wait to be written are not written any more. */
static void check_abort_while_draining(const char *more)
{
    struct async_fixture a = async_on_gate(more);
    struct pawl_error err;
    must_make(a.fix, "one", 1);
    gate_io_close(a.gate);
    must_create(a.fix, "one");
    must_save(a.fix, "one/a.pt", 2);
    must_save(a.fix, "one/b.pt", 2);
    gate_io_await(a.gate);
    gate_io_open_later(a.gate, 50);
    assert_int_equal(pawl_engine_abort(a.fix->engine, "one", &err), 0);
    assert_int_equal(pawl_engine_wait(a.fix->engine, 0, &err), 0);
    assert_int_equal(run_count(a.fix, ".pawl"), 0);
    assert_int_equal(must_load(a.fix, "one/model.pt"), 1);
    assert_false(run_has(a.fix, "one/a.pt"));
    assert_int_equal(status_of(a.fix).failures, 0);
    assert_works(a.fix, "one");
    async_free(&a);
}

static void test_abort_while_draining(void **state)
{
    (void)state;
    check_abort_while_draining(", \"staging_bytes\": \"1MiB\"");
    check_abort_while_draining(
        ", \"staging_bytes\": \"1MiB\", \"snapshot\": \"lazy\"");
}

/* A lazy copy that waits for a block when its checkpoint is aborted gets one at
 * once, not when its time is over. */
static void test_abort_while_copying(void **state)
{
    (void)state;
    struct async_fixture a = async_on_gate(", \"snapshot\": \"lazy\"");
    struct pawl_state *mine = numbered_state(1, LARGE_COUNT);
    must_create(a.fix, "one");
    gate_io_close(a.gate);
    assert_int_equal(pawl_engine_save(a.fix->engine, mine,
                                      engine_fixture_path(a.fix, "one/a.pt"),
                                      NULL),
                     0);
    gate_io_await(a.gate);
    gate_io_open_later(a.gate, 50);
    uint64_t start = now_ms();
    assert_int_equal(pawl_engine_abort(a.fix->engine, "one", NULL), 0);
    assert_true(now_ms() - start < 20000); /* write_timeout_ms is 600000 */
    assert_int_equal(pawl_engine_fence(a.fix->engine, NULL), 0);
    pawl_state_free(mine);
    assert_works(a.fix, "one");
    async_free(&a);
}

/* What is under way is cut short: at this rate it would take 16 seconds. */
static void test_abort_cuts_short(void **state)
{
    (void)state;
    struct async_fixture a = async_on_gate(
        ", \"snapshot\": \"lazy\", \"max_bytes_per_second\": 20000");
    struct pawl_state *mine = numbered_state(1, LARGE_COUNT);
    must_create(a.fix, "one");
    gate_io_close(a.gate);
    assert_int_equal(pawl_engine_save(a.fix->engine, mine,
                                      engine_fixture_path(a.fix, "one/a.pt"),
                                      NULL),
                     0);
    gate_io_await(a.gate); /* the first block is on its way */
    gate_io_open(a.gate, 0);
    uint64_t start = now_ms();
    assert_int_equal(pawl_engine_abort(a.fix->engine, "one", NULL), 0);
    assert_true(now_ms() - start < 10000);
    pawl_state_free(mine);
    engine_fixture_restart(a.fix, "{}");
    assert_works(a.fix, "one");
    async_free(&a);
}

/* Files wait for the disk in memory that is there; when the places for files
 * are taken, save waits, and says why it gives up. */
static void test_places_are_taken(void **state)
{
    (void)state;
    struct async_fixture a = async_on_gate(
        ", \"write_timeout_ms\": 100, \"staging_bytes\": \"4MiB\"");
    struct pawl_error err;
    char name[64];
    int rc = 0;
    int saved = 0;
    must_create(a.fix, "one");
    gate_io_close(a.gate);
    while (rc == 0 && saved < 1000) {
        snprintf(name, sizeof(name), "one/%d.pt", saved);
        rc = save_numbers(a.fix, name, 1, 700, &err);
        saved += rc == 0;
    }
    assert_failed(rc, PAWL_ETIMEDOUT, &err, "the disk hangs");
    assert_in_range(saved, 64, 512);
    gate_io_open_later(a.gate, 50);
    rc = pawl_engine_commit(a.fix->engine, "one", &err);
    assert_failed(rc, PAWL_ETIMEDOUT, &err, "the disk hangs");
    assert_int_equal(pawl_engine_wait(a.fix->engine, 20000, &err), 0);
    assert_works(a.fix, "one");
    async_free(&a);
}

/* ---- the end of an engine ------------------------------------------------ */

static void test_free_waits(void **state)
{
    (void)state;
    struct async_fixture a = async_on_gate(", \"max_pending\": 2");
    gate_io_close(a.gate);
    make_pending(a.fix, "one", 1);
    make_pending(a.fix, "two", 2);
    gate_io_open_later(a.gate, 100);
    engine_fixture_restart(a.fix, "{}");
    assert_string_equal(must_open(a.fix, NULL), "two");
    assert_int_equal(must_load(a.fix, "two/model.pt"), 2);
    must_close(a.fix, "two");
    assert_int_equal(run_count(a.fix, ".pawl"), 0);
    async_free(&a);
}

/* It is left alone, with its threads, and keeps silent; what it was about to do
 * it does when the disk lets it. */
static void test_free_gives_up(void **state)
{
    static struct pawl_engine *left_engine; /* so that it is no leak */
    static struct gate_io *left_gate;       /* which it may still use */
    (void)state;
    if (under_valgrind()) {
        skip(); /* to which threads that are left are leaks */
    }
    struct async_fixture a = async_on_gate(", \"close_timeout_ms\": 50");
    gate_io_close(a.gate);
    make_pending(a.fix, "one", 1);
    gate_io_await(a.gate);
    uint64_t start = now_ms();
    left_engine = a.fix->engine;
    left_gate = a.gate;
    pawl_engine_free(a.fix->engine);
    a.fix->engine = NULL;
    uint64_t took = now_ms() - start;
    assert_true(took >= 50 && took < 5000);
    assert_true(
        engine_fixture_logged(a.fix, "still being written after 50 ms"));
    gate_io_open(a.gate, 0);
    for (int i = 0; i < 2000 && run_has(a.fix, ".pawl/one.owner"); i++) {
        usleep(5000);
    }
    assert_true(run_has(a.fix, "one/model.pt"));
    assert_string_equal(a.fix->log, "");
    usleep(50000); /* its last descriptor */
    a.gate = NULL;
    assert_true(left_engine != NULL && left_gate != NULL);
    async_free(&a);
}

/* ---- fork ---------------------------------------------------------------- */

static bool refused(int rc, const struct pawl_error *err)
{
    return rc == PAWL_ESTATE && strstr(err->message, "fork") != NULL;
}

/* In the child: the number of the call that was not refused, or 0. */
static int call_all(struct engine_fixture *fix)
{
    struct pawl_engine *engine = fix->engine;
    struct pawl_status status = PAWL_STATUS_INIT;
    struct pawl_state *mine = numbered_state(1, 10);
    struct pawl_state *loaded = NULL;
    const char *tag = NULL;
    struct pawl_error err;
    const char *path = engine_fixture_path(fix, "two/b.pt");
    bool ok[] = {
        refused(pawl_engine_create(engine, fix->run, "three", &err), &err),
        refused(pawl_engine_makedirs(engine, path, true, &err), &err),
        refused(pawl_engine_save(engine, mine, path, &err), &err),
        refused(pawl_engine_commit(engine, "two", &err), &err),
        refused(pawl_engine_abort(engine, "two", &err), &err),
        refused(pawl_engine_open(&tag, engine, fix->run, NULL, &err), &err),
        refused(pawl_engine_load(&loaded, engine, path, 0, &err), &err),
        refused(pawl_engine_close(engine, "one", &err), &err),
        refused(pawl_engine_wait(engine, 1000, &err), &err),
        refused(pawl_engine_fence(engine, &err), &err),
        refused(pawl_engine_status(engine, &status, &err), &err),
    };
    pawl_state_free(mine);
    pawl_engine_set_log(engine, NULL, NULL);
    pawl_engine_free(engine);
    for (int i = 0; i < (int)(sizeof(ok) / sizeof(*ok)); i++) {
        if (!ok[i]) {
            return i + 1;
        }
    }
    return 0;
}

/* The child is made while a file is being written and a checkpoint is open. */
static void test_fork(void **state)
{
    (void)state;
    struct async_fixture a = async_on_gate(", \"max_pending\": 2");
    gate_io_close(a.gate);
    make_pending(a.fix, "one", 1);
    gate_io_await(a.gate);
    must_create(a.fix, "two");
    for (int i = 0; i < 8; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            alarm(20); /* a hang is a signal */
            _exit(call_all(a.fix));
        }
        if (i == 4) {
            gate_io_open(a.gate, 0); /* and now while threads run */
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    must_save(a.fix, "two/model.pt", 2);
    must_commit(a.fix, "two");
    assert_int_equal(must_load(a.fix, "one/model.pt"), 1);
    assert_int_equal(must_load(a.fix, "two/model.pt"), 2);
    assert_works(a.fix, "three");
    async_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_end),
        cmocka_unit_test(test_save_on_hung_disk),
        cmocka_unit_test(test_abort_on_hung_disk),
        cmocka_unit_test(test_abort_while_draining),
        cmocka_unit_test(test_abort_while_copying),
        cmocka_unit_test(test_abort_cuts_short),
        cmocka_unit_test(test_places_are_taken),
        cmocka_unit_test(test_free_waits),
        cmocka_unit_test(test_free_gives_up),
        cmocka_unit_test(test_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
