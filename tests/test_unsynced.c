/* SPDX-License-Identifier: Apache-2.0 */
/* test_unsynced.c - when a mark is dropped, and when it must not be. */
#include "store/unsynced.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static int set_up(void **state)
{
    static struct pawl_unsynced list;
    pawl_unsynced_init(&list);
    *state = &list;
    return 0;
}

static int tear_down(void **state)
{
    pawl_unsynced_fini(*state);
    return 0;
}

static void make(struct pawl_unsynced *list, const char *path)
{
    pawl_unsynced_begin(list, path);
    pawl_unsynced_end(list, path, true);
}

static void sync_dir(struct pawl_unsynced *list, const char *dir)
{
    pawl_unsynced_synced(list, dir, pawl_unsynced_now(list));
}

static void test_a_sync_drops_the_names_in_that_directory(void **state)
{
    struct pawl_unsynced *list = *state;
    make(list, "/run");
    make(list, "/run/a");
    make(list, "/run/a/b");
    make(list, "/running");
    assert_false(pawl_unsynced_has(list, "/"));
    sync_dir(list, "/run");
    assert_true(pawl_unsynced_has(list, "/run"));
    assert_false(pawl_unsynced_has(list, "/run/a"));
    assert_true(pawl_unsynced_has(list, "/run/a/b"));
    sync_dir(list, "/");
    assert_false(pawl_unsynced_has(list, "/run"));
    assert_false(pawl_unsynced_has(list, "/running"));
    assert_true(pawl_unsynced_has(list, "/run/a/b"));
}

static void test_what_was_not_made_is_not_marked(void **state)
{
    struct pawl_unsynced *list = *state;
    pawl_unsynced_begin(list, "/a");
    pawl_unsynced_end(list, "/a", false);
    assert_false(pawl_unsynced_has(list, "/a"));
    /* Two threads make it: one does, and the other must not undo the mark. */
    pawl_unsynced_begin(list, "/a");
    pawl_unsynced_begin(list, "/a");
    pawl_unsynced_end(list, "/a", false);
    assert_true(pawl_unsynced_has(list, "/a"));
    pawl_unsynced_end(list, "/a", true);
    pawl_unsynced_begin(list, "/a");
    pawl_unsynced_end(list, "/a", false);
    assert_true(pawl_unsynced_has(list, "/a"));
}

/* A sync covers only what was made before it began. */
static void test_a_name_made_during_a_sync_stays_marked(void **state)
{
    struct pawl_unsynced *list = *state;
    make(list, "/run/before");
    pawl_unsynced_begin(list, "/run/during");
    uint64_t now = pawl_unsynced_now(list);
    pawl_unsynced_synced(list, "/run", now);
    assert_true(pawl_unsynced_has(list, "/run/during"));
    assert_false(pawl_unsynced_has(list, "/run/before"));

    now = pawl_unsynced_now(list);
    pawl_unsynced_end(list, "/run/during", true);
    make(list, "/run/after");
    pawl_unsynced_synced(list, "/run", now);
    assert_true(pawl_unsynced_has(list, "/run/during"));
    assert_true(pawl_unsynced_has(list, "/run/after"));
    sync_dir(list, "/run");
    assert_false(pawl_unsynced_has(list, "/run/during"));
    assert_false(pawl_unsynced_has(list, "/run/after"));
}

static void test_marks_move_with_their_directory(void **state)
{
    struct pawl_unsynced *list = *state;
    make(list, "/run/p/x");
    make(list, "/run/p/x/y");
    make(list, "/run/q/z");
    make(list, "/run/pp");
    pawl_unsynced_swap(list, "/run/p", "/run/q");
    assert_true(pawl_unsynced_has(list, "/run/q/x"));
    assert_true(pawl_unsynced_has(list, "/run/q/x/y"));
    assert_true(pawl_unsynced_has(list, "/run/p/z"));
    assert_true(pawl_unsynced_has(list, "/run/pp"));
    assert_false(pawl_unsynced_has(list, "/run/p/x"));
    assert_false(pawl_unsynced_has(list, "/run/q/z"));
}

static void test_what_is_gone_is_forgotten(void **state)
{
    struct pawl_unsynced *list = *state;
    char path[64];
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof(path), "/run/%d", i);
        make(list, path);
    }
    for (int i = 0; i < 100; i += 2) {
        snprintf(path, sizeof(path), "/run/%d", i);
        pawl_unsynced_forget(list, path);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof(path), "/run/%d", i);
        assert_int_equal(pawl_unsynced_has(list, path), i % 2 == 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_sync_drops_the_names_in_that_directory),
        TEST(test_what_was_not_made_is_not_marked),
        TEST(test_a_name_made_during_a_sync_stays_marked),
        TEST(test_marks_move_with_their_directory),
        TEST(test_what_is_gone_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
