/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_contract_load.c - what pawl/engine.h decides about reading checkpoints,
 * on every engine; the other half is test_contract_save.c
 */
#include "contract_group.h"

#include "engine/engine.h"

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

/* ---- opening ------------------------------------------------------------- */

static void test_open_nothing(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    assert_null(must_open(fix, NULL)); /* not even the directory */
    assert_null(must_open(fix, "latest"));
    assert_failed(try_open(fix, "one", &err), PAWL_ENOENT, &err, "'one'");
    pawl_engine_makedirs(fix->engine, fix->run, true, NULL);
    assert_null(must_open(fix, NULL));
    assert_failed(try_open(fix, "one", &err), PAWL_ENOENT, &err, "'one'");
    struct pawl_status status = PAWL_STATUS_INIT;
    pawl_engine_status(fix->engine, &status, NULL);
    assert_string_equal(status.opened, "");
    engine_fixture_free(fix);
}

static void test_open_newest(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    must_make(fix, "step-9", 9);
    must_make(fix, "step-10", 10);
    must_make(fix, "a", 11);
    assert_string_equal(must_open(fix, NULL), "a");
    must_close(fix, "a");
    must_make(fix, "step-9", 12);
    assert_string_equal(must_open(fix, "latest"), "step-9");
    assert_int_equal(must_load(fix, "step-9/model.pt"), 12);
    must_close(fix, "step-9");
    assert_string_equal(must_open(fix, "step-10"), "step-10");
    assert_int_equal(must_load(fix, "step-10/model.pt"), 10);
    engine_fixture_free(fix);
}

static void test_open_skips_broken(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    must_make(fix, "one", 1);
    must_make(fix, "two", 2);
    must_make(fix, "three", 3);
    run_damage(fix, "three/model.pt");
    run_remove(fix, "two/model.pt");

    assert_string_equal(must_open(fix, NULL), "one");
    assert_non_null(strstr(fix->log, "'three': "));
    assert_non_null(strstr(fix->log, "checksum"));
    assert_non_null(strstr(fix->log, "'two': "));
    assert_true(engine_fixture_logged(fix, "missing"));
    must_close(fix, "one");
    assert_failed(try_open(fix, "three", &err), PAWL_ECORRUPT, &err,
                  "model.pt");
    assert_failed(try_open(fix, "two", &err), PAWL_ECORRUPT, &err, "missing");
    assert_failed(try_load(fix, "three/model.pt", &err), PAWL_ECORRUPT, &err,
                  "checksum");

    run_write(fix, "two/pawl.json", "{}", 2);
    assert_failed(try_open(fix, "two", &err), PAWL_EFORMAT, &err, "manifest");
    run_remove(fix, "one/model.pt");
    assert_null(must_open(fix, NULL));
    assert_true(engine_fixture_logged(fix, "is whole"));
    engine_fixture_free(fix);
}

/* `latest` is a hint: neither what it says nor that it is there matters. */
static void test_latest_is_no_truth(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    must_make(fix, "one", 1);
    must_make(fix, "two", 2);
    run_write(fix, "latest", "one", 3);
    assert_string_equal(must_open(fix, "latest"), "two");
    must_close(fix, "two");
    run_write(fix, "latest", "gone", 4);
    assert_string_equal(must_open(fix, NULL), "two");
    must_close(fix, "two");
    run_remove(fix, "latest");
    assert_string_equal(must_open(fix, NULL), "two");
    engine_fixture_free(fix);
}

/* What others wrote has no manifest; the file's own checksums are its proof. */
static void test_unsigned_checkpoints(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    must_make(fix, "one", 1);
    run_remove(fix, "one/pawl.json");
    assert_string_equal(must_open(fix, NULL), "one");
    assert_int_equal(must_load(fix, "one/model.pt"), 1);
    must_close(fix, "one");
    assert_string_equal(must_open(fix, "one"), "one");
    must_close(fix, "one");
    run_damage(fix, "one/model.pt");
    assert_null(must_open(fix, NULL));
    assert_int_not_equal(try_open(fix, "one", &err), 0);
    assert_int_not_equal(try_load(fix, "one/model.pt", &err), 0);
    /* And a directory of something else is no checkpoint. */
    run_write(fix, "logs/events.txt", "hello", 5);
    assert_failed(try_open(fix, "logs", &err), PAWL_EFORMAT, &err, "logs");
    engine_fixture_free(fix);
}

/* ---- a tag that is being made -------------------------------------------- */

static void test_open_waits_for_itself(void **state)
{
    struct engine_fixture *fix =
        contract_make(state, ", \"open_timeout_ms\": 50");
    struct pawl_error err;
    must_create(fix, "one");
    assert_failed(try_open(fix, "one", &err), PAWL_EBUSY, &err, "50 ms");
    must_save(fix, "one/model.pt", 1);
    must_commit(fix, "one");
    assert_string_equal(must_open(fix, "one"), "one");
    engine_fixture_free(fix);
}

struct committer {
    struct engine_fixture *fix;
    int64_t after_ms;
};

static void *commit_later(void *arg)
{
    struct committer *committer = arg;
    usleep((useconds_t)committer->after_ms * 1000);
    must_commit(committer->fix, "one");
    return NULL;
}

/* Another engine of this process makes it, in the same place. */
static void test_open_waits_for_another_engine(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_engine *reader = NULL;
    struct pawl_error err;
    const char *opened = NULL;
    assert_int_equal(pawl_engine_new_at(&reader, fix->place,
                                        "{\"open_timeout_ms\": 10000}", &err),
                     0);
    must_create(fix, "one");
    must_save(fix, "one/model.pt", 1);
    int rc = pawl_engine_create(reader, fix->run, "one", &err);
    assert_failed(rc, PAWL_EBUSY, &err, "this process");

    struct committer committer = {fix, 40};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, commit_later, &committer),
                     0);
    rc = pawl_engine_open(&opened, reader, fix->run, "one", &err);
    pthread_join(thread, NULL);
    assert_int_equal(rc, 0);
    assert_string_equal(opened, "one");
    pawl_engine_free(reader);
    engine_fixture_free(fix);
}

/* A child that makes `tag` in `run` and then sleeps until it is killed.  It has
 * no threads, which sanitizers allow in no child of a program with threads. */
static pid_t start_maker(struct engine_fixture *fix, const char *tag)
{
    int fds[2];
    char byte = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct pawl_engine *engine = NULL;
        struct pawl_state *mine = numbered_state(77, 10);
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s/model.pt", fix->run, tag);
        bool ok =
            pawl_engine_new(&engine, "{\"engine\": \"torch\"}", NULL) == 0 &&
            pawl_engine_create(engine, fix->run, tag, NULL) == 0 &&
            pawl_engine_save(engine, mine, path, NULL) == 0 &&
            write(fds[1], "x", 1) == 1;
        while (ok) {
            pause();
        }
        _exit(1);
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    close(fds[0]);
    return pid;
}

static void kill_maker(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void test_another_process_makes_it(void **state)
{
    if (!contract_on_disk(state)) {
        skip(); /* no other process can see it */
    }
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    char pid_text[32];
    pid_t pid = start_maker(fix, "one");
    snprintf(pid_text, sizeof(pid_text), "process %d", (int)pid);

    int rc = pawl_engine_create(fix->engine, fix->run, "one", &err);
    assert_failed(rc, PAWL_EBUSY, &err, pid_text);
    assert_failed(try_open(fix, "one", &err), PAWL_EBUSY, &err, pid_text);
    assert_null(must_open(fix, NULL));
    must_make(fix, "two", 2); /* another tag is free */
    assert_true(run_has(fix, ".pawl/one.part/model.pt"));

    kill_maker(pid);
    assert_failed(try_open(fix, "one", &err), PAWL_ENOENT, &err, "'one'");
    assert_non_null(strstr(fix->log, pid_text));
    assert_true(engine_fixture_logged(fix, "now dead"));
    assert_false(run_has(fix, ".pawl/one.part"));
    assert_false(run_has(fix, ".pawl/one.owner"));
    must_make(fix, "one", 1);
    engine_fixture_free(fix);
}

static void test_create_takes_over_from_the_dead(void **state)
{
    if (!contract_on_disk(state)) {
        skip(); /* no other process can see it */
    }
    struct engine_fixture *fix = contract_make(state, "");
    must_make(fix, "one", 1);
    pid_t pid = start_maker(fix, "one");
    assert_string_equal(must_open(fix, NULL), "one"); /* the old one stays */
    assert_int_equal(must_load(fix, "one/model.pt"), 1);
    must_close(fix, "one");
    kill_maker(pid);
    must_make(fix, "one", 2);
    assert_int_equal(must_load(fix, "one/model.pt"), 2);
    engine_fixture_free(fix);
}

/* ---- loading ------------------------------------------------------------- */

static void test_load_outside_open(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    must_make(fix, "one", 1);
    must_make(fix, "two", 2);
    assert_int_equal(must_load(fix, "one/model.pt"), 1);
    must_open(fix, "two");
    assert_int_equal(must_load(fix, "one/model.pt"), 1);
    assert_int_equal(must_load(fix, "two/model.pt"), 2);
    must_close(fix, "two");
    assert_int_equal(must_load(fix, "two/model.pt"), 2);
    engine_fixture_free(fix);
}

static void test_lazy_load_outlives_the_engine(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    struct pawl_state *lazy = NULL;
    must_make(fix, "one", 8);
    must_open(fix, "one");
    const char *path = engine_fixture_path(fix, "one/model.pt");
    assert_int_equal(
        pawl_engine_load(&lazy, fix->engine, path, PAWL_LOAD_LAZY, &err), 0);
    assert_int_equal(number_of(lazy), -1); /* nothing there yet */
    must_close(fix, "one");
    pawl_engine_free(fix->engine);
    fix->engine = NULL;
    assert_int_equal(pawl_state_read_all(lazy, &err), 0);
    assert_int_equal(number_of(lazy), 8);
    pawl_state_free(lazy);
    engine_fixture_free(fix);
}

static void test_load_flags(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    struct pawl_state *loaded = NULL;
    must_make(fix, "one", 8);
    int rc =
        pawl_engine_load(&loaded, fix->engine,
                         engine_fixture_path(fix, "one/model.pt"), 12, &err);
    assert_failed(rc, PAWL_EINVAL, &err, "0xc");
    engine_fixture_free(fix);
}

/* Payload that changed: a lazy load does not look, unless it is asked to. */
static void test_lazy_load_may_verify(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    struct pawl_state *loaded = NULL;
    must_make(fix, "one", 8);
    run_damage(fix, "one/model.pt"); /* in the tensor: most of the file */
    const char *path = engine_fixture_path(fix, "one/model.pt");
    int rc = pawl_engine_load(&loaded, fix->engine, path,
                              PAWL_LOAD_LAZY | PAWL_LOAD_VERIFY, &err);
    assert_failed(rc, PAWL_ECORRUPT, &err, "model.pt");
    assert_int_equal(
        pawl_engine_load(&loaded, fix->engine, path, PAWL_LOAD_LAZY, &err), 0);
    pawl_state_free(loaded);
    engine_fixture_free(fix);
}

/* Another sound file in its place: only the manifest knows. */
static void test_lazy_load_knows_another_file(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct pawl_error err;
    struct pawl_state *loaded = NULL;
    size_t len = 0;
    must_make(fix, "one", 8);
    must_make(fix, "two", 9);
    char *bytes = run_read(fix, "two/model.pt", &len);
    for (int opened = 0; opened < 2; opened++) {
        if (opened) { /* which reads it all, and says that it is whole */
            must_open(fix, "one");
        }
        char *right = run_read(fix, "one/model.pt", &len);
        run_write(fix, "one/model.pt", bytes, len);
        int rc = pawl_engine_load(&loaded, fix->engine,
                                  engine_fixture_path(fix, "one/model.pt"),
                                  PAWL_LOAD_LAZY, &err);
        assert_failed(rc, PAWL_ECORRUPT, &err, "one/model.pt' was changed");
        assert_non_null(strstr(err.message, "by its zip directory"));
        run_write(fix, "one/model.pt", right, len);
        free(right);
    }
    must_close(fix, "one");
    free(bytes);
    engine_fixture_free(fix);
}

struct load_job {
    struct engine_fixture *fix;
    char path[4096];
    int failed;
};

static void *load_often(void *arg)
{
    struct load_job *job = arg;
    for (int i = 0; i < 20; i++) {
        struct pawl_state *loaded = NULL;
        int rc =
            pawl_engine_load(&loaded, job->fix->engine, job->path, 0, NULL);
        job->failed += rc < 0 || number_of(loaded) != 1;
        pawl_state_free(loaded);
    }
    return NULL;
}

static void test_loads_in_threads(void **state)
{
    struct engine_fixture *fix = contract_make(state, "");
    struct load_job jobs[3];
    pthread_t threads[3];
    must_make(fix, "one", 1);
    for (size_t i = 0; i < 3; i++) {
        jobs[i].fix = fix;
        jobs[i].failed = 0;
        snprintf(jobs[i].path, sizeof(jobs[i].path), "%s",
                 engine_fixture_path(fix, "one/model.pt"));
        assert_int_equal(
            pthread_create(&threads[i], NULL, load_often, &jobs[i]), 0);
    }
    for (int i = 0; i < 5; i++) {
        must_make(fix, "two", i);
        must_open(fix, "one");
        must_close(fix, "one");
    }
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].failed, 0);
    }
    engine_fixture_free(fix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_nothing),
        cmocka_unit_test(test_open_newest),
        cmocka_unit_test(test_open_skips_broken),
        cmocka_unit_test(test_latest_is_no_truth),
        cmocka_unit_test(test_unsigned_checkpoints),
        cmocka_unit_test(test_open_waits_for_itself),
        cmocka_unit_test(test_open_waits_for_another_engine),
        cmocka_unit_test(test_another_process_makes_it),
        cmocka_unit_test(test_create_takes_over_from_the_dead),
        cmocka_unit_test(test_load_outside_open),
        cmocka_unit_test(test_lazy_load_outlives_the_engine),
        cmocka_unit_test(test_load_flags),
        cmocka_unit_test(test_lazy_load_may_verify),
        cmocka_unit_test(test_lazy_load_knows_another_file),
        cmocka_unit_test(test_loads_in_threads),
    };
    return contract_run(tests, sizeof(tests) / sizeof(*tests));
}
