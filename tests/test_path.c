/* SPDX-License-Identifier: Apache-2.0 */
<<<<<<< HEAD
/* test_path.c - tables of paths and tags. */
=======
/* test_path.c - paths as text, and which tags can name a checkpoint. */
>>>>>>> fd3409f (base: test what everything stands on)
#include "base/path.h"

#include <setjmp.h>
#include <stdarg.h>
<<<<<<< HEAD
=======
#include <stdint.h>
>>>>>>> fd3409f (base: test what everything stands on)
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

<<<<<<< HEAD
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
=======
static void assert_absolute(const char *path, const char *expected)
{
    char *got = NULL;
    assert_int_equal(pawl_path_absolute(&got, path, NULL), 0);
    assert_string_equal(got, expected);
    free(got);
}

static void test_absolute_paths_are_squeezed(void **unused)
{
    (void)unused;
    assert_absolute("/a/b", "/a/b");
    assert_absolute("//a///b//", "/a/b");
    assert_absolute("/./a/././b/.", "/a/b");
    assert_absolute("/", "/");
    assert_absolute("///", "/");
    assert_absolute("/.", "/");
    assert_absolute("/a/../b", "/a/../b"); /* may be a symbolic link */
    assert_absolute("/..a/.b/c.", "/..a/.b/c.");
}

static void test_relative_paths_begin_where_we_are(void **unused)
{
    (void)unused;
    char here[4096];
    char expected[5000] = "";
    assert_non_null(getcwd(here, sizeof(here)));
    strcat(strcat(expected, here), "/run/x");
    assert_absolute("run/x", expected);
    assert_absolute("./run//x/", expected);
    assert_absolute(".", here);
}

static void test_an_empty_path_is_refused(void **unused)
{
    (void)unused;
    char *got = NULL;
    struct pawl_error err = {0};
    assert_int_equal(pawl_path_absolute(&got, "", &err), PAWL_EINVAL);
    assert_int_equal(pawl_path_absolute(&got, NULL, &err), PAWL_EINVAL);
    assert_null(got);
}

static void test_what_lies_below(void **unused)
{
    (void)unused;
    assert_string_equal(pawl_path_below("/a/b/c", "/a"), "b/c");
    assert_string_equal(pawl_path_below("/a/b", "/"), "a/b");
    assert_string_equal(pawl_path_below("/a/..b", "/a"), "..b");
    assert_null(pawl_path_below("/a", "/a"));
    assert_null(pawl_path_below("/ab/c", "/a"));
    assert_null(pawl_path_below("/", "/"));
    assert_null(pawl_path_below("/b/c", "/a"));
    assert_null(pawl_path_below("/a/../c", "/a"));
    assert_null(pawl_path_below("/a/b/..", "/a"));
}

static void test_what_climbs(void **unused)
{
    (void)unused;
    assert_true(pawl_path_climbs(".."));
    assert_true(pawl_path_climbs("../a"));
    assert_true(pawl_path_climbs("a/../b"));
    assert_true(pawl_path_climbs("a//.."));
    assert_false(pawl_path_climbs(""));
    assert_false(pawl_path_climbs("a/.../b"));
    assert_false(pawl_path_climbs("..a/b.."));
    assert_false(pawl_path_climbs("a/./b"));
}

static void test_join_and_split(void **unused)
{
    (void)unused;
    char *joined = NULL;
    char *dir = NULL;
    const char *name = NULL;
    assert_int_equal(pawl_path_join(&joined, "/a/b", "c", NULL), 0);
    assert_string_equal(joined, "/a/b/c");
    assert_int_equal(pawl_path_split(&dir, &name, joined, NULL), 0);
    assert_string_equal(dir, "/a/b");
    assert_string_equal(name, "c");
    free(dir);
    assert_int_equal(pawl_path_split(&dir, &name, "/c", NULL), 0);
    assert_string_equal(dir, "/");
    free(dir);
    free(joined);
    assert_int_equal(pawl_path_split(&dir, &name, "/", NULL), PAWL_EINVAL);
}

static void test_tags_that_can_be(void **unused)
{
    (void)unused;
    char longest[256];
    memset(longest, 'a', 255);
    longest[255] = '\0';
    static const char *const good[] = {
        "step-10", "a",   "global_step 3", "latest2", "Latest",
        "a.b",     "a..", "\xc3\xa9tape",  "-x",      "100%"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(pawl_tag_check(good[i], NULL), 0);
    }
    assert_int_equal(pawl_tag_check(longest, NULL), 0);
}

static void test_tags_that_cannot(void **unused)
{
    (void)unused;
    char longest[257];
    memset(longest, 'a', 256);
    longest[256] = '\0';
    const char *const bad[] = {"",     ".",    "..",    ".hidden", "a/b",  "/",
                               "../x", "a\nb", "a\x7f", "latest",  longest};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct pawl_error err = {0};
        assert_int_equal(pawl_tag_check(bad[i], &err), PAWL_EINVAL);
        assert_non_null(strstr(err.message, bad[i])); /* names the tag */
>>>>>>> fd3409f (base: test what everything stands on)
    }
    assert_int_equal(pawl_tag_check(NULL, NULL), PAWL_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_absolute_paths_are_squeezed),
        cmocka_unit_test(test_relative_paths_begin_where_we_are),
        cmocka_unit_test(test_an_empty_path_is_refused),
<<<<<<< HEAD
        cmocka_unit_test(test_what_lies_below_a_directory),
        cmocka_unit_test(test_which_paths_climb),
        cmocka_unit_test(test_joining_and_splitting),
        cmocka_unit_test(test_tags),
=======
        cmocka_unit_test(test_what_lies_below),
        cmocka_unit_test(test_what_climbs),
        cmocka_unit_test(test_join_and_split),
        cmocka_unit_test(test_tags_that_can_be),
        cmocka_unit_test(test_tags_that_cannot),
>>>>>>> fd3409f (base: test what everything stands on)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
