/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_memory_tree.c - what test_store_memory does not reach: errnos as they
 * are, and trees too deep for a recursion
 */
#include "store/memory_tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    struct pawl_memory_tree *tree = NULL;
    int rc = pawl_memory_tree_new(&tree, NULL);
    *state = tree;
    return rc;
}

static int tear_down(void **state)
{
    pawl_memory_tree_free(*state);
    return 0;
}

static void put(struct pawl_memory_tree *tree, const char *name)
{
    struct pawl_memory_buffer *buffer = NULL;
    assert_int_equal(pawl_memory_tree_create(tree, "/", name, &buffer), 0);
    pawl_memory_buffer_unref(buffer);
}

static void test_errnos_are_the_kernels(void **state)
{
    struct pawl_memory_tree *tree = *state;
    struct pawl_memory_buffer *buffer = NULL;
    put(tree, "dir/file");
    put(tree, "other/file");
    assert_int_equal(pawl_memory_tree_open(tree, "/", "dir", &buffer), -EISDIR);
    assert_int_equal(pawl_memory_tree_open(tree, "/dir", "file/x", &buffer),
                     -ENOTDIR);
    assert_int_equal(pawl_memory_tree_open(tree, "/dir/file", "x", &buffer),
                     -ENOTDIR);
    assert_int_equal(pawl_memory_tree_open(tree, "/none", "x", &buffer),
                     -ENOENT);
    assert_null(buffer);
    assert_int_equal(pawl_memory_tree_remove(tree, "/", "dir"), -ENOTEMPTY);
    assert_int_equal(
        pawl_memory_tree_rename(tree, "/", "dir", "other", PAWL_RENAME_REPLACE),
        -ENOTEMPTY);
    assert_int_equal(pawl_memory_tree_rename(tree, "/", "dir", "other/file",
                                             PAWL_RENAME_REPLACE),
                     -ENOTDIR);
    assert_int_equal(pawl_memory_tree_rename(tree, "/", "other/file", "dir",
                                             PAWL_RENAME_REPLACE),
                     -EISDIR);
    assert_int_equal(pawl_memory_tree_check_dir(tree, "/", "dir/file"),
                     -ENOTDIR);
    assert_int_equal(pawl_memory_tree_mkdir(tree, "/dir", ""), -EEXIST);
}

static void test_roots_may_be_written_in_any_way(void **state)
{
    struct pawl_memory_tree *tree = *state;
    put(tree, "a/b/c");
    const char *const roots[] = {"/a/b", "/a/b/", "//a//b"};
    for (size_t i = 0; i < 3; i++) {
        struct pawl_memory_buffer *buffer = NULL;
        assert_int_equal(pawl_memory_tree_open(tree, roots[i], "c", &buffer),
                         0);
        pawl_memory_buffer_unref(buffer);
    }
}

/* Freed at tear-down, without recursion. */
static void test_deep_trees_are_freed(void **state)
{
    struct pawl_memory_tree *tree = *state;
    enum { DEPTH = 200000 };
    char *name = malloc(2 * DEPTH);
    for (size_t i = 0; i < DEPTH; i++) {
        name[2 * i] = 'd';
        name[2 * i + 1] = '/';
    }
    name[2 * DEPTH - 1] = '\0';
    put(tree, name);
    put(tree, "d/x");
    struct pawl_store_entry *entries = NULL;
    size_t count = 0;
    assert_int_equal(pawl_memory_tree_list(tree, "/", "d", &entries, &count),
                     0);
    assert_int_equal(count, 2);
    pawl_memory_entries_free(entries, count);
    free(name);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_errnos_are_the_kernels),
        TEST(test_roots_may_be_written_in_any_way),
        TEST(test_deep_trees_are_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
