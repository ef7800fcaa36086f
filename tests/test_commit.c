/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_commit.c - every system call of a save and commit fails once, in each
 * way of publishing
 *
 * Held: the old checkpoint or, if the commit returned 0, the new one is opened,
 * whole (1, 3); after a failure nothing of the new one is visible, and the
 * caller's files are as they were (4, 6); and the same engine's next attempt
 * succeeds.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "commit_scene.h"

/* For messages when an assertion fails. */
static void tell(const struct scene *scene, size_t nth, int rc,
                 const struct pawl_error *err)
{
    print_message("scene '%s', call %zu: %s (%s)\n", scene->what, nth,
                  pawl_error_name(rc), rc < 0 ? err->message : "");
}

/* Fails call `nth` of the scene.  False if there is none. */
static bool fail_one(enum commit_scene which, size_t nth, int sys_errno,
                     bool from_then_on)
{
    struct scene *scene = commit_scene_new(which);
    struct pawl_error err = {0};
    fault_io_arm(scene->fault, &(struct fault_plan){
                                   .nth = nth,
                                   .sys_errno = sys_errno,
                                   .from_then_on = from_then_on,
                               });
    scene->fix->log[0] = '\0';
    int rc = commit_scene_play(scene, &err);
    bool fired = fault_io_fired(scene->fault) > 0;
    fault_io_arm(scene->fault, NULL);

    int newest = commit_scene_newest(scene);
    bool undone = strstr(scene->fix->log, "could not be undone") == NULL;
    if (rc < 0) {
        assert_int_equal(err.code, rc);
        assert_true(err.message[0] != '\0');
    }
    if (newest != (rc == 0 ? 2 : 1) && undone) {
        tell(scene, nth, rc, &err);
        fail_msg("number %d was opened", newest);
    }
    if (!from_then_on && !undone) {
        tell(scene, nth, rc, &err);
        fail_msg("one failure should be undone");
    }
    commit_scene_check_foreign(scene, rc < 0 && undone);
    commit_scene_check_goes_on(scene);
    commit_scene_free(scene);
    return fired;
}

static void fail_each(enum commit_scene which, bool from_then_on)
{
    size_t nth = 1;
    while (fail_one(which, nth, nth % 2 == 0 ? EIO : ENOSPC, from_then_on)) {
        nth++;
    }
    assert_true(nth > 50); /* there was something to fail */
    print_message("%zu calls failed in turn\n", nth - 1);
}

#define SCENE_TESTS(name, target, config, what)                                \
    static void test_one_call_fails_##name(void **state)                       \
    {                                                                          \
        (void)state;                                                           \
        fail_each(name, false);                                                \
    }                                                                          \
    static void test_all_calls_fail_from_one_on_##name(void **state)           \
    {                                                                          \
        (void)state;                                                           \
        fail_each(name, true);                                                 \
    }
COMMIT_SCENES(SCENE_TESTS)

int main(void)
{
    const struct CMUnitTest tests[] = {
#define SCENE_LIST(name, target, config, what)                                 \
    cmocka_unit_test(test_one_call_fails_##name),                              \
        cmocka_unit_test(test_all_calls_fail_from_one_on_##name),
        COMMIT_SCENES(SCENE_LIST)};
    return cmocka_run_group_tests_name("commit", tests, NULL, NULL);
}
