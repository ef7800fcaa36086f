/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_deletion_order.c - nothing is deleted while a power cut could still
 * bring it back into sight
 *
 * A checkpoint that moved out of sight is in sight again after a power cut if
 * the directory that it left was not synced; if files of it were removed
 * meanwhile, it comes back broken (1, 3).  So: after a rename out of, into or
 * within the visible tree, no file in a directory of `.pawl/` is removed before
 * the visible directory was synced.  Held for each way of publishing, whatever
 * call fails, whatever call was the last.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "commit_scene.h"

/* Directories with names that a power cut may undo. */
struct unsettled {
    char dirs[8][512];
    size_t count;
    size_t removals; /* that were looked at */
};

/* What is left of `path` behind the run's directory, or NULL. */
static const char *below_run(const struct scene *scene, const char *path)
{
    size_t len = strlen(scene->fix->run);
    bool is_below = path != NULL && strncmp(path, scene->fix->run, len) == 0 &&
                    path[len] == '/';
    return is_below ? path + len + 1 : NULL;
}

static bool is_visible(const char *below)
{
    return below != NULL && strncmp(below, ".pawl", 5) != 0 &&
           strcmp(below, "latest") != 0;
}

/* A file in the directory of a checkpoint that is out of sight. */
static bool is_hidden_file(const char *below)
{
    return below != NULL && strncmp(below, ".pawl/", 6) == 0 &&
           strncmp(below, ".pawl/spare/", 12) != 0 &&
           strchr(below + 6, '/') != NULL;
}

static void note(struct unsettled *set, const char *path)
{
    char dir[512];
    snprintf(dir, sizeof(dir), "%s", path);
    *strrchr(dir, '/') = '\0';
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->dirs[i], dir) == 0) {
            return;
        }
    }
    assert_true(set->count < sizeof(set->dirs) / sizeof(*set->dirs));
    strcpy(set->dirs[set->count++], dir);
}

static void settle(struct unsettled *set, const char *dir)
{
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->dirs[i], dir) == 0) {
            strcpy(set->dirs[i], set->dirs[--set->count]);
            return;
        }
    }
}

static void follow_call(struct scene *scene, struct unsettled *set,
                        const struct fault_record *record)
{
    if (record->result < 0) {
        return;
    }
    switch (record->call) {
    case FAULT_RENAMEAT2:
        if (is_visible(below_run(scene, record->path))) {
            note(set, record->path);
        }
        if (is_visible(below_run(scene, record->path_to))) {
            note(set, record->path_to);
        }
        break;
    case FAULT_FSYNC:
        settle(set, record->path);
        break;
    case FAULT_UNLINKAT:
        if (!is_hidden_file(below_run(scene, record->path))) {
            break;
        }
        set->removals++;
        if (set->count > 0) {
            fault_io_print(scene->fault);
            fail_msg("'%s' was removed, and '%s' not synced", record->path,
                     set->dirs[0]);
        }
        break;
    default:
        break;
    }
}

/* Follows all calls since the last time, and forgets them. */
static void follow(struct scene *scene, struct unsettled *set)
{
    size_t count = fault_io_count(scene->fault, FAULT_ANY);
    for (size_t i = 0; i < count; i++) {
        follow_call(scene, set, fault_io_record(scene->fault, i));
    }
    fault_io_arm(scene->fault, NULL);
}

/* Plays the scene with that plan, and then lets it recover.  Whether the plan
 * changed anything. */
static bool play_with(enum commit_scene which, const struct fault_plan *plan,
                      size_t *removals)
{
    struct scene *scene = commit_scene_new(which);
    struct unsettled set = {0};
    struct pawl_error err;
    fault_io_arm(scene->fault, plan);
    commit_scene_play(scene, &err);
    bool fired = fault_io_fired(scene->fault) > 0;
    follow(scene, &set);
    commit_scene_newest(scene);
    follow(scene, &set);
    *removals += set.removals;
    commit_scene_free(scene);
    return fired;
}

static void play_each(enum fault_call call, bool from_then_on)
{
    size_t points = 0;
    size_t removals = 0;
    for (enum commit_scene which = SCENE_NEW; which < SCENE_COUNT; which++) {
        struct fault_plan plan = {
            .call = call, .sys_errno = EIO, .from_then_on = from_then_on};
        do {
            plan.nth++;
        } while (play_with(which, &plan, &removals));
        points += plan.nth - 1;
    }
    assert_true(removals > 0);
    print_message("%zu points, %zu removals\n", points, removals);
}

static void test_a_sync_fails(void **state)
{
    (void)state;
    play_each(FAULT_FSYNC, false);
}

static void test_all_syncs_fail_from_one_on(void **state)
{
    (void)state;
    play_each(FAULT_FSYNC, true);
}

/* To the disk, as if the process had died there. */
static void test_a_call_is_the_last(void **state)
{
    (void)state;
    play_each(FAULT_ANY, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sync_fails),
        cmocka_unit_test(test_all_syncs_fail_from_one_on),
        cmocka_unit_test(test_a_call_is_the_last),
    };
    return cmocka_run_group_tests_name("deletion_order", tests, NULL, NULL);
}
