/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_recovery.c - every system call of a save and commit is the last that
 * its process makes, in each way of publishing
 *
 * Another process then opens the newest: it is the old checkpoint or the new
 * one, whole (1, 3); the caller's own files are there (6); nothing is left of
 * the dead (4); and the tag can be made again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "commit_scene.h"

enum { KILLED = 77, FINISHED = 78, FAILED = 79 };

struct countdown {
    size_t left;
};

/* Runs before each call. */
static void die_at_zero(void *ctx, const struct fault_record *record)
{
    struct countdown *countdown = ctx;
    (void)record;
    if (--countdown->left == 0) {
        _exit(KILLED);
    }
}

/* Plays in a child that dies before call `nth`.  How it ended. */
static int play_and_die(struct scene *scene, size_t nth)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct countdown countdown = {nth};
        struct pawl_error err;
        commit_scene_forked(scene);
        fault_io_set_hook(scene->fault, die_at_zero, &countdown);
        int rc = commit_scene_play(scene, &err);
        if (rc < 0) {
            print_message("the child failed: %s\n", err.message);
        }
        _exit(rc < 0 ? FAILED : FINISHED);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Whether the new one was opened after the death at `nth`; -1 at the end. */
static int die_once(enum commit_scene which, size_t nth)
{
    struct scene *scene = commit_scene_new(which);
    int ended = play_and_die(scene, nth);
    assert_int_not_equal(ended, FAILED);
    int newest = commit_scene_newest(scene);
    assert_true(newest == 2 || (newest == 1 && ended == KILLED));
    commit_scene_check_foreign(scene, newest == 1);
    commit_scene_check_clean(scene);
    commit_scene_check_goes_on(scene);
    commit_scene_free(scene);
    return ended == KILLED ? newest == 2 : -1;
}

static void die_each(enum commit_scene which)
{
    size_t nth = 1;
    size_t turned = 0; /* the first death that the commit survived */
    int is_new;
    while ((is_new = die_once(which, nth)) >= 0) {
        if (is_new && turned == 0) {
            turned = nth;
        }
        if (turned > 0) {
            assert_true(is_new); /* once committed, always */
        }
        nth++;
    }
    assert_true(nth > 50);
    assert_true(turned > 0);
    print_message("%zu deaths, committed from number %zu on\n", nth - 1,
                  turned);
}

#define SCENE_TEST(name, target, config, what)                                 \
    static void test_die_at_each_call_##name(void **state)                     \
    {                                                                          \
        (void)state;                                                           \
        die_each(name);                                                        \
    }
COMMIT_SCENES(SCENE_TEST)

/* Who recovers may die, too. */
static void test_die_in_the_recovery(void **state)
{
    (void)state;
    for (size_t nth = 1;; nth++) {
        struct scene *scene = commit_scene_new(SCENE_MERGE);
        /* Somewhere in the middle of the moves. */
        size_t middle = 330;
        assert_int_equal(play_and_die(scene, middle), KILLED);
        assert_true(run_has(scene->fix, ".pawl/two.merge/pawl.json"));
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct countdown countdown = {nth};
            const char *tag = NULL;
            commit_scene_forked(scene);
            fault_io_set_hook(scene->fault, die_at_zero, &countdown);
            pawl_engine_open(&tag, scene->fix->engine, scene->fix->run, NULL,
                             NULL);
            _exit(FINISHED);
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(commit_scene_newest(scene), 2);
        commit_scene_check_foreign(scene, false);
        commit_scene_check_clean(scene);
        commit_scene_free(scene);
        if (WEXITSTATUS(status) != KILLED) {
            print_message("%zu deaths in the recovery\n", nth - 1);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define SCENE_LIST(name, target, config, what)                                 \
    cmocka_unit_test(test_die_at_each_call_##name),
        COMMIT_SCENES(SCENE_LIST) cmocka_unit_test(test_die_in_the_recovery),
    };
    return cmocka_run_group_tests_name("recovery", tests, NULL, NULL);
}
