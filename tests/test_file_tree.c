/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_file_tree.c - links, special files, modes, poor file systems, and which
 * directories a sync reaches; through the store, as the tree is used
 */
#include "store/file_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "file_fixture.h"
#include "store_behaviour.h"

/* ---- roots ------------------------------------------------------------- */

static void test_a_root_that_is_a_file_is_an_error(void **state)
{
    struct file_fixture *fix = *state;
    scratch_write(fix->dir, "a", "", 0);
    assert_int_equal(file_fixture_create(fix, "x", 0, NULL), PAWL_EINVAL);
    assert_int_equal(pawl_store_mkdir(&fix->store, "", NULL), PAWL_EINVAL);
}

static void test_a_root_may_be_removed_and_made_again(void **state)
{
    struct file_fixture *fix = *state;
    store_put(&fix->store, "x", "text");
    assert_int_equal(pawl_store_remove(&fix->store, "x", NULL), 0);
    assert_int_equal(rmdir(fix->root), 0);
    assert_int_equal(file_fixture_read(fix, "x", NULL), PAWL_ENOENT);
    store_put(&fix->store, "x", "text");
    assert_int_equal(file_fixture_read(fix, "x", NULL), 0);
}

/* ---- links and special files ------------------------------------------- */

/*  dir/outside/secret
 *  root/out -> dir/outside   root/secret -> dir/outside/secret
 *  root/real/file   root/alias -> real   root/alias-file -> real/file */
static void make_links(struct file_fixture *fix)
{
    char *outside = scratch_path(fix->dir, "outside");
    char *secret = scratch_path(outside, "secret");
    assert_int_equal(mkdir(outside, 0777), 0);
    scratch_write(outside, "secret", "secret", 6);
    store_put(&fix->store, "real/file", "text");
    int root_fd = open(fix->root, O_RDONLY | O_DIRECTORY);
    assert_int_equal(symlinkat(outside, root_fd, "out"), 0);
    assert_int_equal(symlinkat(secret, root_fd, "secret"), 0);
    assert_int_equal(symlinkat("real", root_fd, "alias"), 0);
    assert_int_equal(symlinkat("real/file", root_fd, "alias-file"), 0);
    close(root_fd);
    free(secret);
    free(outside);
}

static void assert_nothing_leaks_out(struct file_fixture *fix)
{
    struct pawl_error err = {0};
    struct pawl_object_handle object;
    assert_int_equal(pawl_store_open(&fix->store, "secret", PAWL_STORE_READ, 0,
                                     &object, NULL, &err),
                     PAWL_EINVAL);
    file_fixture_assert_message(fix, &err, "cannot open ",
                                "secret': a symbolic link leads elsewhere");
    assert_int_equal(file_fixture_read(fix, "out/secret", NULL), PAWL_EINVAL);
    assert_int_equal(file_fixture_create(fix, "out/new", 0, NULL), PAWL_EINVAL);
    assert_int_equal(file_fixture_create(fix, "out/deep/new", 0, NULL),
                     PAWL_EINVAL);
    assert_int_equal(pawl_store_mkdir(&fix->store, "out/new", NULL),
                     PAWL_EINVAL);
    assert_int_equal(pawl_store_remove(&fix->store, "out/secret", NULL),
                     PAWL_EINVAL);
    assert_int_equal(pawl_store_rename(&fix->store, "real/file", "out/new",
                                       PAWL_RENAME_REPLACE, NULL),
                     PAWL_EINVAL);
    assert_int_equal(pawl_store_rename(&fix->store, "out/secret", "mine",
                                       PAWL_RENAME_REPLACE, NULL),
                     PAWL_EINVAL);
    assert_int_equal(pawl_store_sync(&fix->store, "out", NULL), PAWL_EINVAL);
}

/* A new file takes the place of a link; what the link named is untouched. */
static void assert_links_are_replaced(struct file_fixture *fix)
{
    store_put(&fix->store, "secret", "mine");
    char *secret = scratch_read(fix->dir, "outside/secret", NULL);
    assert_string_equal(secret, "secret");
    free(secret);
    store_put(&fix->store, "alias-file", "new");
    char *text = store_get(&fix->store, "real/file");
    assert_string_equal(text, "text");
    free(text);
    text = store_get(&fix->store, "alias-file");
    assert_string_equal(text, "new");
    free(text);
    assert_int_equal(pawl_store_remove(&fix->store, "out", NULL), 0);
    assert_true(scratch_exists(fix->dir, "outside/secret"));
}

static void test_links_that_lead_out_are_refused(void **state)
{
    struct file_fixture *fix = *state;
    make_links(fix);
    assert_nothing_leaks_out(fix);
    assert_links_are_replaced(fix);
}

static void test_links_are_refused_without_openat2_too(void **state)
{
    struct file_fixture *fix = *state;
    make_links(fix);
    file_fixture_fail(fix, FAULT_OPEN_BENEATH, ENOSYS, true);
    struct pawl_error err = {0};
    struct pawl_object_handle object;
    assert_int_equal(file_fixture_read(fix, "real/file", NULL), 0);
    assert_int_equal(file_fixture_read(fix, "alias/file", NULL), PAWL_EINVAL);
    assert_int_equal(pawl_store_open(&fix->store, "alias-file", PAWL_STORE_READ,
                                     0, &object, NULL, &err),
                     PAWL_EINVAL);
    assert_nothing_leaks_out(fix);
    assert_links_are_replaced(fix);
}

static int note_alias(void *ctx, const struct pawl_store_entry *entry)
{
    bool *is_dir = ctx;
    if (strcmp(entry->name, "alias") == 0) {
        *is_dir = entry->is_dir;
    }
    if (strcmp(entry->name, "out") == 0) {
        assert_false(entry->is_dir);
    }
    return 0;
}

static void test_links_that_stay_are_read_through(void **state)
{
    struct file_fixture *fix = *state;
    make_links(fix);
    if (file_fixture_read(fix, "alias/file", NULL) != 0) {
        skip(); /* a kernel without openat2 */
    }
    assert_int_equal(file_fixture_read(fix, "alias-file", NULL), 0);
    /* But not to write: somebody else may have put them there. */
    assert_int_equal(file_fixture_create(fix, "alias/new", 0, NULL),
                     PAWL_EINVAL);
    assert_false(scratch_exists(fix->root, "real/new"));
    assert_int_equal(pawl_store_remove(&fix->store, "alias/file", NULL),
                     PAWL_EINVAL);
    bool is_dir = false;
    assert_int_equal(
        pawl_store_list(&fix->store, "", note_alias, &is_dir, NULL), 0);
    assert_true(is_dir);
}

static void test_the_root_may_be_a_link(void **state)
{
    struct file_fixture *fix = *state;
    char *target = scratch_path(fix->dir, "elsewhere");
    char *parent = scratch_path(fix->dir, "a");
    assert_int_equal(mkdir(target, 0777), 0);
    assert_int_equal(mkdir(parent, 0777), 0);
    assert_int_equal(symlink(target, fix->root), 0);
    store_put(&fix->store, "dir/x", "text");
    assert_true(scratch_exists(target, "dir/x"));
    assert_int_equal(pawl_store_sync(&fix->store, "dir", NULL), 0);
    free(parent);
    free(target);
}

static void test_pipes_are_neither_awaited_nor_replaced(void **state)
{
    struct file_fixture *fix = *state;
    store_put(&fix->store, "x", "text");
    char *pipe_path = scratch_path(fix->root, "pipe");
    assert_int_equal(mkfifo(pipe_path, 0666), 0);
    assert_int_equal(file_fixture_read(fix, "pipe", NULL), PAWL_EINVAL);
    assert_int_equal(file_fixture_create(fix, "pipe", 0, NULL), PAWL_EINVAL);
    struct stat st;
    assert_int_equal(stat(pipe_path, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    free(pipe_path);
}

static void test_other_hard_links_keep_the_old_bytes(void **state)
{
    struct file_fixture *fix = *state;
    store_put(&fix->store, "x", "old");
    char *path = scratch_path(fix->root, "x");
    char *other = scratch_path(fix->dir, "other");
    assert_int_equal(link(path, other), 0);
    store_put(&fix->store, "x", "new bytes");
    char *text = scratch_read(fix->dir, "other", NULL);
    assert_string_equal(text, "old");
    free(text);
    free(other);
    free(path);
}

static void test_modes_are_what_the_umask_leaves(void **state)
{
    struct file_fixture *fix = *state;
    mode_t old = umask(027);
    store_put(&fix->store, "dir/x", "text");
    umask(old);
    char *dir = scratch_path(fix->root, "dir");
    char *file = scratch_path(dir, "x");
    struct stat st;
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    free(file);
    free(dir);
}

/* ---- renames where the file system is poor ------------------------------ */

static void test_rename_new_without_the_flag_looks_first(void **state)
{
    struct file_fixture *fix = *state;
    const int errnos[] = {EINVAL, ENOSYS};
    for (size_t i = 0; i < 2; i++) {
        store_put(&fix->store, "from", "f");
        store_put(&fix->store, "to", "t");
        file_fixture_fail(fix, FAULT_RENAMEAT2, errnos[i], false);
        assert_int_equal(
            pawl_store_rename(&fix->store, "from", "to", PAWL_RENAME_NEW, NULL),
            PAWL_EEXIST);
        file_fixture_fail(fix, FAULT_RENAMEAT2, errnos[i], false);
        assert_int_equal(pawl_store_rename(&fix->store, "from", "free",
                                           PAWL_RENAME_NEW, NULL),
                         0);
        assert_int_equal(file_fixture_read(fix, "from", NULL), PAWL_ENOENT);
        assert_int_equal(pawl_store_remove(&fix->store, "free", NULL), 0);
    }
}

static void test_rename_exchange_may_be_unsupported(void **state)
{
    struct file_fixture *fix = *state;
    store_put(&fix->store, "a", "a");
    store_put(&fix->store, "b", "b");
    const int errnos[] = {EINVAL, ENOSYS};
    for (size_t i = 0; i < 2; i++) {
        file_fixture_fail(fix, FAULT_RENAMEAT2, errnos[i], false);
        assert_int_equal(pawl_store_rename(&fix->store, "a", "b",
                                           PAWL_RENAME_EXCHANGE, NULL),
                         PAWL_ENOTSUP);
    }
    char *text = store_get(&fix->store, "a");
    assert_string_equal(text, "a");
    free(text);
}

/* ---- durability -------------------------------------------------------- */

/* Syncs `name` and holds the directories that were synced, in order, against
 * `expected`: paths below the scratch directory, "" for itself, up to NULL. */
static void assert_sync(struct file_fixture *fix, const char *name,
                        const char *const *expected)
{
    fault_io_arm(fix->fault, NULL);
    assert_int_equal(pawl_store_sync(&fix->store, name, NULL), 0);
    size_t at = 0;
    const struct fault_record *record;
    for (size_t i = 0; (record = fault_io_record(fix->fault, i)) != NULL; i++) {
        if (record->call != FAULT_FSYNC) {
            continue;
        }
        assert_non_null(expected[at]);
        char *path = expected[at][0] != '\0'
                         ? scratch_path(fix->dir, expected[at])
                         : strdup(fix->dir);
        assert_string_equal(record->path, path);
        free(path);
        at++;
    }
    assert_null(expected[at]);
}

#define ASSERT_SYNC(fix, name, ...)                                            \
    assert_sync(fix, name, (const char *const[]){__VA_ARGS__})

static void test_a_sync_reaches_up_to_what_was_there_before(void **state)
{
    struct file_fixture *fix = *state;
    store_put(&fix->store, "t/deep/x", "text");
    ASSERT_SYNC(fix, "t/deep", "a/run/t/deep", "a/run/t", "a/run", "a", "",
                NULL);
    ASSERT_SYNC(fix, "t/deep", "a/run/t/deep", NULL);
    ASSERT_SYNC(fix, "", "a/run", NULL);

    assert_int_equal(pawl_store_mkdir(&fix->store, "u", NULL), 0);
    ASSERT_SYNC(fix, "t", "a/run/t", NULL);
    ASSERT_SYNC(fix, "u", "a/run/u", "a/run", NULL);
    assert_int_equal(pawl_store_mkdir(&fix->store, "v/w", NULL), 0);
    ASSERT_SYNC(fix, "", "a/run", NULL); /* v is durable, v/w is not */
    ASSERT_SYNC(fix, "v/w", "a/run/v/w", "a/run/v", NULL);
}

static void test_a_root_may_end_in_slashes(void **state)
{
    struct file_fixture *fix = *state;
    pawl_store_fini(&fix->store);
    char *root = scratch_path(fix->dir, "a//./run//");
    assert_int_equal(pawl_store_file_make(&fix->store, root,
                                          fault_io_table(fix->fault), NULL),
                     0);
    free(root);
    store_put(&fix->store, "x", "text");
    ASSERT_SYNC(fix, "", "a/run", "a", "", NULL);
}

/* The commit: staging is made and synced, renamed, and the root synced. */
static void test_a_commit_is_durable_in_a_new_save_dir(void **state)
{
    struct file_fixture *fix = *state;
    assert_int_equal(pawl_store_mkdir(&fix->store, ".pawl/t.part", NULL), 0);
    store_put(&fix->store, ".pawl/t.part/sub/model.pt", "text");
    assert_int_equal(pawl_store_rename(&fix->store, ".pawl/t.part", "t",
                                       PAWL_RENAME_NEW, NULL),
                     0);
    ASSERT_SYNC(fix, "", "a/run", "a", "", NULL);
    ASSERT_SYNC(fix, "t", "a/run/t", NULL);

    /* What was not synced before the rename is not forgotten by it. */
    assert_int_equal(pawl_store_mkdir(&fix->store, ".pawl/u.part/sub", NULL),
                     0);
    assert_int_equal(pawl_store_rename(&fix->store, ".pawl/u.part", "u",
                                       PAWL_RENAME_NEW, NULL),
                     0);
    ASSERT_SYNC(fix, "u/sub", "a/run/u/sub", "a/run/u", "a/run", NULL);
}

static void test_an_exchange_leaves_both_names_unsynced(void **state)
{
    struct file_fixture *fix = *state;
    assert_int_equal(pawl_store_mkdir(&fix->store, "p/new", NULL), 0);
    assert_int_equal(pawl_store_mkdir(&fix->store, "q/old", NULL), 0);
    assert_int_equal(pawl_store_sync(&fix->store, "p", NULL), 0);
    assert_int_equal(pawl_store_sync(&fix->store, "q", NULL), 0);
    ASSERT_SYNC(fix, "p/new", "a/run/p/new", NULL);
    int rc = pawl_store_rename(&fix->store, "p/new", "q/old",
                               PAWL_RENAME_EXCHANGE, NULL);
    if (rc == PAWL_ENOTSUP) {
        skip();
    }
    assert_int_equal(rc, 0);
    ASSERT_SYNC(fix, "p/new", "a/run/p/new", "a/run/p", NULL);
    ASSERT_SYNC(fix, "q/old", "a/run/q/old", "a/run/q", NULL);
}

static void test_a_failed_sync_is_done_again(void **state)
{
    struct file_fixture *fix = *state;
    store_put(&fix->store, "t/x", "text");
    fault_io_arm(
        fix->fault,
        &(struct fault_plan){.call = FAULT_FSYNC, .nth = 3, .sys_errno = EIO});
    assert_int_equal(pawl_store_sync(&fix->store, "t", NULL), PAWL_EIO);
    assert_int_equal(fault_io_fired(fix->fault), 1);
    ASSERT_SYNC(fix, "t", "a/run/t", "a", "", NULL);
}

static void test_directories_that_cannot_be_synced_need_not(void **state)
{
    struct file_fixture *fix = *state;
    store_put(&fix->store, "t/x", "text");
    file_fixture_fail(fix, FAULT_FSYNC, EINVAL, true);
    assert_int_equal(pawl_store_sync(&fix->store, "t", NULL), 0);
    fault_io_arm(fix->fault, NULL);
    assert_int_equal(pawl_store_sync(&fix->store, "none", NULL), PAWL_ENOENT);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, file_fixture_set_up,                 \
                                    file_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_root_that_is_a_file_is_an_error),
        TEST(test_a_root_may_be_removed_and_made_again),
        TEST(test_links_that_lead_out_are_refused),
        TEST(test_links_are_refused_without_openat2_too),
        TEST(test_links_that_stay_are_read_through),
        TEST(test_the_root_may_be_a_link),
        TEST(test_pipes_are_neither_awaited_nor_replaced),
        TEST(test_other_hard_links_keep_the_old_bytes),
        TEST(test_modes_are_what_the_umask_leaves),
        TEST(test_rename_new_without_the_flag_looks_first),
        TEST(test_rename_exchange_may_be_unsupported),
        TEST(test_a_sync_reaches_up_to_what_was_there_before),
        TEST(test_a_root_may_end_in_slashes),
        TEST(test_a_commit_is_durable_in_a_new_save_dir),
        TEST(test_an_exchange_leaves_both_names_unsynced),
        TEST(test_a_failed_sync_is_done_again),
        TEST(test_directories_that_cannot_be_synced_need_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
