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
    if (!undone) { /* nobody may take it for failed */
        assert_true(rc < 0 && strstr(err.message, "is not known") != NULL);
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

/* ---- the order of syncs ---------------------------------------------------
 */

static bool ends_with(const char *text, const char *end)
{
    size_t text_len = text == NULL ? 0 : strlen(text);
    size_t end_len = strlen(end);
    return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

/* The index of the first such call after `from`, on a path that ends so; the
 * test fails if there is none. */
static size_t find(const struct scene *scene, size_t from, enum fault_call call,
                   const char *path, const char *path_to)
{
    size_t count = fault_io_count(scene->fault, FAULT_ANY);
    for (size_t i = from; i < count; i++) {
        const struct fault_record *record = fault_io_record(scene->fault, i);
        if (record->call == call && record->result >= 0 &&
            ends_with(record->path, path) &&
            (path_to == NULL || ends_with(record->path_to, path_to))) {
            return i;
        }
    }
    fault_io_print(scene->fault);
    fail_msg("no %s of '%s' after call %zu", fault_call_name(call), path, from);
    return 0;
}

/* Plays the scene and follows the protocol of docs/durability.md through its
 * calls; returns the index after the sync that commits. */
static size_t follow_to_commit(struct scene *scene)
{
    struct pawl_error err;
    char path[64];
    char tag[64];
    fault_io_arm(scene->fault, NULL);
    assert_int_equal(commit_scene_play(scene, &err), 0);
    size_t at = find(scene, 0, FAULT_FDATASYNC, ".part/model.pt", NULL);
    at = find(scene, at, FAULT_FDATASYNC, ".part/sub/optim.pt", NULL);
    at = find(scene, at, FAULT_FSYNC, ".part/sub", NULL);
    at = find(scene, at, FAULT_FDATASYNC, ".part/pawl.json", NULL);
    at = find(scene, at, FAULT_FSYNC, ".part", NULL);
    at = find(scene, at, FAULT_FSYNC, "/run/.pawl", NULL);
    if (scene->which == SCENE_MERGE || scene->which == SCENE_BESIDE) {
        at = find(scene, at, FAULT_RENAMEAT2, ".part", ".merge");
        at = find(scene, at, FAULT_FSYNC, "/run/.pawl", NULL);
        at = find(scene, at, FAULT_RENAMEAT2, ".merge/model.pt", "model.pt");
        at = find(scene, at, FAULT_FSYNC, "/two/sub", NULL);
        at = find(scene, at, FAULT_FSYNC, "/two", NULL);
        at = find(scene, at, FAULT_RENAMEAT2, ".merge/pawl.json", "pawl.json");
        at = find(scene, at, FAULT_FSYNC, "/two", NULL);
    } else {
        if (scene->which == SCENE_ASIDE) {
            at = find(scene, at, FAULT_RENAMEAT2, "/run/one", "/one.old");
            at = find(scene, at, FAULT_FSYNC, "/run/.pawl", NULL);
            at = find(scene, at, FAULT_FSYNC, "/run", NULL);
        }
        snprintf(path, sizeof(path), "/.pawl/%s.part", scene->target);
        snprintf(tag, sizeof(tag), "/run/%s", scene->target);
        at = find(scene, at, FAULT_RENAMEAT2, path, tag);
    }
    return find(scene, at, FAULT_FSYNC, "/run", NULL) + 1;
}

static void test_the_order_of_syncs(void **state)
{
    (void)state;
    for (enum commit_scene which = SCENE_NEW; which < SCENE_COUNT; which++) {
        struct scene *scene = commit_scene_new(which);
        char path[64];
        size_t committed = follow_to_commit(scene);
        snprintf(path, sizeof(path), "/%s.latest", scene->target);
        size_t at = find(scene, committed, FAULT_FDATASYNC, path, NULL);
        at = find(scene, at, FAULT_RENAMEAT2, path, "/latest");
        at = find(scene, at, FAULT_FSYNC, "/run", NULL);
        if (which == SCENE_RETAIN) {
            at = find(scene, at, FAULT_RENAMEAT2, "/run/one", "/one.dead");
            at = find(scene, at, FAULT_FSYNC, "/run", NULL);
            at = find(scene, at, FAULT_FSYNC, "/run/.pawl", NULL);
            at = find(scene, at, FAULT_UNLINKAT, "/one.dead/model.pt", NULL);
            at = find(scene, at, FAULT_UNLINKAT, "/one.dead/pawl.json", NULL);
            find(scene, at, FAULT_UNLINKAT, "/one.owner", NULL);
        } else if (which == SCENE_AGAIN) {
            at = find(scene, at, FAULT_UNLINKAT, "/one.part/model.pt", NULL);
            find(scene, at, FAULT_UNLINKAT, "/one.part/pawl.json", NULL);
        }
        commit_scene_free(scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define SCENE_LIST(name, target, config, what)                                 \
    cmocka_unit_test(test_one_call_fails_##name),                              \
        cmocka_unit_test(test_all_calls_fail_from_one_on_##name),
        COMMIT_SCENES(SCENE_LIST) cmocka_unit_test(test_the_order_of_syncs),
    };
    return cmocka_run_group_tests_name("commit", tests, NULL, NULL);
}
