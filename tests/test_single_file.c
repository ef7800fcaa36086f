/* SPDX-License-Identifier: Apache-2.0 */
/* test_single_file.c - pawl_save and pawl_load, without an engine. */
#include <pawl/pawl.h>

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

#include "engine_fixture.h"

static int set_up(void **state)
{
    *state = scratch_new();
    return 0;
}

static int tear_down(void **state)
{
    scratch_free(*state);
    return 0;
}

static int save(const char *dir, const char *name, int64_t number,
                struct pawl_error *err)
{
    char *path = scratch_path(dir, name);
    struct pawl_state *mine = numbered_state(number, 3000);
    int rc = pawl_save(mine, path, err);
    pawl_state_free(mine);
    free(path);
    return rc;
}

static int64_t load(const char *dir, const char *name)
{
    char *path = scratch_path(dir, name);
    struct pawl_state *back = NULL;
    struct pawl_error err;
    int rc = pawl_load(&back, path, 0, &err);
    int64_t number = rc < 0 ? rc : number_of(back);
    pawl_state_free(back);
    free(path);
    return number;
}

static void test_save_and_load(void **state)
{
    const char *dir = *state;
    struct pawl_error err;
    assert_int_equal(save(dir, "model.pt", 5, &err), 0);
    assert_int_equal(load(dir, "model.pt"), 5);
    assert_int_equal(save(dir, "model.pt", 6, &err), 0);
    assert_int_equal(load(dir, "model.pt"), 6);
    assert_false(scratch_exists(dir, ".pawl"));
    /* The archive is named after the file, as torch does it, not after the
     * name that it was written under. */
    size_t len = 0;
    char *bytes = scratch_read(dir, "model.pt", &len);
    assert_non_null(memmem(bytes, len, "model/data.pkl", 14));
    assert_null(memmem(bytes, len, "pawl", 4));
    free(bytes);
}

static void test_relative_paths(void **state)
{
    const char *dir = *state;
    char *before = getcwd(NULL, 0);
    struct pawl_error err;
    struct pawl_state *mine = numbered_state(7, 10);
    struct pawl_state *back = NULL;
    assert_int_equal(chdir(dir), 0);
    int rc = pawl_save(mine, "x.pt", &err);
    int loaded = rc < 0 ? rc : pawl_load(&back, "./x.pt", 0, &err);
    assert_int_equal(chdir(before), 0);
    free(before);
    assert_int_equal(rc, 0);
    assert_int_equal(loaded, 0);
    assert_int_equal(number_of(back), 7);
    pawl_state_free(mine);
    pawl_state_free(back);
    assert_failed(pawl_save(NULL, "", &err), PAWL_EINVAL, &err, "empty");
}

/* As torch.save: a directory that is not there is a mistake, not a wish. */
static void test_directories_are_not_made(void **state)
{
    const char *dir = *state;
    struct pawl_error err;
    assert_failed(save(dir, "sub/model.pt", 1, &err), PAWL_ENOENT, &err, "sub");
    assert_false(scratch_exists(dir, "sub"));
    char *path = scratch_path(dir, "none.pt");
    struct pawl_state *back = NULL;
    assert_failed(pawl_load(&back, path, 0, &err), PAWL_ENOENT, &err,
                  "none.pt");
    free(path);
}

static void test_only_files_are_replaced(void **state)
{
    const char *dir = *state;
    struct pawl_error err;
    struct stat st;
    char *path = scratch_path(dir, "dir");
    assert_int_equal(mkdir(path, 0777), 0);
    assert_failed(save(dir, "dir", 1, &err), PAWL_EINVAL, &err, "'dir'");
    free(path);
    path = scratch_path(dir, "pipe");
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_failed(save(dir, "pipe", 1, &err), PAWL_EINVAL, &err, "'pipe'");
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    free(path);
    assert_false(scratch_exists(dir, ".pawl"));
}

static void test_links(void **state)
{
    const char *dir = *state;
    struct pawl_error err;
    char *elsewhere = scratch_new();
    assert_int_equal(save(elsewhere, "blob", 9, &err), 0);
    char *target = scratch_path(elsewhere, "blob");
    char *path = scratch_path(dir, "link.pt");
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(load(dir, "link.pt"), 9);
    assert_int_equal(save(dir, "link.pt", 10, &err), 0); /* replaces the link */
    assert_int_equal(load(dir, "link.pt"), 10);
    assert_int_equal(load(elsewhere, "blob"), 9);
    free(path);
    free(target);
    scratch_free(elsewhere);
}

static void test_names(void **state)
{
    const char *dir = *state;
    struct pawl_error err;
    char name[258];
    memset(name, 'n', 256);
    name[255] = '\0';
    assert_int_equal(save(dir, name, 1, &err), 0);
    assert_int_equal(load(dir, name), 1);
    name[255] = 'n';
    name[256] = '\0';
    assert_failed(save(dir, name, 1, &err), PAWL_EINVAL, &err, "255");
    assert_int_equal(save(dir, "no extension", 2, &err), 0);
    assert_int_equal(load(dir, "no extension"), 2);
    assert_int_equal(save(dir, "latest", 3, &err), 0);
    assert_int_equal(load(dir, "latest"), 3);
}

static void test_a_failed_save_leaves_the_old(void **state)
{
    const char *dir = *state;
    struct pawl_error err;
    struct pawl_state *broken = pawl_state_new();
    char *path = scratch_path(dir, "model.pt");
    assert_int_equal(save(dir, "model.pt", 5, &err), 0);
    pawl_array(broken, PAWL_FLOAT32, 1, (uint64_t[]){4}, NULL); /* no data */
    assert_int_equal(pawl_save(broken, path, &err), PAWL_EINVAL);
    assert_int_equal(load(dir, "model.pt"), 5);
    assert_false(scratch_exists(dir, ".pawl"));
    pawl_state_free(broken);
    free(path);
}

/* What a killed save left goes with the next save of that file. */
static void test_leftovers_of_the_dead(void **state)
{
    const char *dir = *state;
    struct pawl_error err;
    char owner[512];
    assert_int_equal(save(dir, "model.pt", 5, &err), 0);
    char *work = scratch_path(dir, ".pawl");
    assert_int_equal(mkdir(work, 0777), 0);
    free(work);
    scratch_write(dir, ".pawl/model.pt.file", "half", 4);
    scratch_write(dir, ".pawl/model.pt.owner", owner, 0); /* cut short */
    assert_int_equal(save(dir, "model.pt", 6, &err), 0);
    assert_int_equal(load(dir, "model.pt"), 6);
    assert_false(scratch_exists(dir, ".pawl"));
}

static void test_rubbish(void **state)
{
    const char *dir = *state;
    scratch_write(dir, "empty.pt", "", 0);
    scratch_write(dir, "text.pt", "hello, world", 12);
    assert_int_equal(load(dir, "empty.pt"), PAWL_EFORMAT);
    assert_int_equal(load(dir, "text.pt"), PAWL_EFORMAT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_save_and_load),
        TEST(test_relative_paths),
        TEST(test_directories_are_not_made),
        TEST(test_only_files_are_replaced),
        TEST(test_links),
        TEST(test_names),
        TEST(test_a_failed_save_leaves_the_old),
        TEST(test_leftovers_of_the_dead),
        TEST(test_rubbish),
    };
    return cmocka_run_group_tests_name("single_file", tests, NULL, NULL);
}
