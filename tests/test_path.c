/* SPDX-License-Identifier: Apache-2.0 */
/* test_path.c - tables of paths and tags. */
#include "base/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_absolute_paths_are_squeezed(void **state)
{
    (void)state;
    const char *const cases[][2] = {
        {"/", "/"},
        {"//", "/"},
        {"/.", "/"},
        {"/a", "/a"},
        {"/a/", "/a"},
        {"//a//b//", "/a/b"},
        {"/a/./b", "/a/b"},
        {"/./a/.", "/a"},
        {"/a/../b", "/a/../b"},
        {"/..", "/.."},
        {"/a/.b/..c", "/a/.b/..c"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *out = NULL;
        assert_int_equal(pawl_path_absolute(&out, cases[i][0], NULL), 0);
        assert_string_equal(out, cases[i][1]);
        free(out);
    }
}

static void test_relative_paths_begin_where_we_are(void **state)
{
    (void)state;
    char *cwd = getcwd(NULL, 0);
    char *out = NULL;
    assert_int_equal(pawl_path_absolute(&out, "run//./x/", NULL), 0);
    assert_int_equal(strncmp(out, cwd, strlen(cwd)), 0);
    assert_string_equal(out + strlen(cwd), "/run/x");
    free(out);
    out = NULL;
    assert_int_equal(pawl_path_absolute(&out, ".", NULL), 0);
    assert_string_equal(out, cwd);
    free(out);
    free(cwd);
}

static void test_an_empty_path_is_refused(void **state)
{
    (void)state;
    char *out = NULL;
    assert_int_equal(pawl_path_absolute(&out, "", NULL), PAWL_EINVAL);
    assert_int_equal(pawl_path_absolute(&out, NULL, NULL), PAWL_EINVAL);
    assert_null(out);
}

static void test_what_lies_below_a_directory(void **state)
{
    (void)state;
    const struct {
        const char *path;
        const char *dir;
        const char *rest; /* NULL: not below */
    } cases[] = {
        {"/run/a/b", "/run", "a/b"},
        {"/run", "/run", NULL},
        {"/run/", "/run", NULL},
        {"/running/a", "/run", NULL},
        {"/other/a", "/run", NULL},
        {"/run/../a", "/run", NULL},
        {"/run/a/..", "/run", NULL},
        {"/run/..a", "/run", "..a"},
        {"/a", "/", "a"},
        {"/", "/", NULL},
        {"/ru", "/run", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *rest = pawl_path_below(cases[i].path, cases[i].dir);
        if (cases[i].rest == NULL) {
            assert_null(rest);
        } else {
            assert_non_null(rest);
            assert_string_equal(rest, cases[i].rest);
        }
    }
}

static void test_which_paths_climb(void **state)
{
    (void)state;
    const char *const climb[] = {"..", "a/..", "../a", "/a/../b", "a//..//b"};
    const char *const stay[] = {"", "a", "...", "..a/b", "a../b", "a/.b"};
    for (size_t i = 0; i < COUNT(climb); i++) {
        assert_true(pawl_path_climbs(climb[i]));
    }
    for (size_t i = 0; i < COUNT(stay); i++) {
        assert_false(pawl_path_climbs(stay[i]));
    }
}

static void test_joining_and_splitting(void **state)
{
    (void)state;
    char *path = NULL;
    assert_int_equal(pawl_path_join(&path, "/run", "a/b", NULL), 0);
    assert_string_equal(path, "/run/a/b");
    char *dir = NULL;
    const char *name = NULL;
    assert_int_equal(pawl_path_split(&dir, &name, path, NULL), 0);
    assert_string_equal(dir, "/run/a");
    assert_string_equal(name, "b");
    free(dir);
    free(path);

    assert_int_equal(pawl_path_split(&dir, &name, "/a", NULL), 0);
    assert_string_equal(dir, "/");
    assert_string_equal(name, "a");
    free(dir);
    dir = NULL;
    assert_int_equal(pawl_path_split(&dir, &name, "/", NULL), PAWL_EINVAL);
    assert_int_equal(pawl_path_split(&dir, &name, "/a/", NULL), PAWL_EINVAL);
    assert_int_equal(pawl_path_split(&dir, &name, "a", NULL), PAWL_EINVAL);
    assert_null(dir);
}

static void test_tags(void **state)
{
    (void)state;
    char longest[257];
    memset(longest, 't', sizeof(longest));
    longest[255] = '\0';
    const char *const good[] = {"step-10",  "a",   "latest2", "global_step 7",
                                "\xc3\xa4", "a.b", longest};
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(pawl_tag_check(good[i], NULL), 0);
    }
    char too_long[257];
    memset(too_long, 't', sizeof(too_long));
    too_long[256] = '\0';
    const struct {
        const char *tag;
        const char *reason;
    } bad[] = {
        {"", "is empty"},
        {too_long, "longer than 255 bytes"},
        {".hidden", "begins with '.'"},
        {"..", "begins with '.'"},
        {"latest", "reserved"},
        {"a/b", "holds a '/'"},
        {"/", "holds a '/'"},
        {"a\nb", "control character"},
        {"a\x7f", "control character"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct pawl_error err = {0};
        assert_int_equal(pawl_tag_check(bad[i].tag, &err), PAWL_EINVAL);
        assert_non_null(strstr(err.message, bad[i].tag));
        assert_non_null(strstr(err.message, bad[i].reason));
    }
    assert_int_equal(pawl_tag_check(NULL, NULL), PAWL_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_absolute_paths_are_squeezed),
        cmocka_unit_test(test_relative_paths_begin_where_we_are),
        cmocka_unit_test(test_an_empty_path_is_refused),
        cmocka_unit_test(test_what_lies_below_a_directory),
        cmocka_unit_test(test_which_paths_climb),
        cmocka_unit_test(test_joining_and_splitting),
        cmocka_unit_test(test_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
