/* SPDX-License-Identifier: Apache-2.0 */
/* test_store_name.c - which names pass, and the words for what does not. */
#include "store/store_name.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_the_reason_is_told(void **state)
{
    (void)state;
    const struct {
        const char *name;
        const char *message;
    } cases[] = {
        {"", "bad name '': it is empty"},
        {"/x", "bad name '/x': it is absolute"},
        {"x/", "bad name 'x/': it has an empty component"},
        {"x//y", "bad name 'x//y': it has an empty component"},
        {".", "bad name '.': it has a '.' or '..' component"},
        {"x/../y", "bad name 'x/../y': it has a '.' or '..' component"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pawl_error err = {0};
        assert_int_equal(pawl_store_name_check(cases[i].name, false, &err),
                         PAWL_EINVAL);
        assert_string_equal(err.message, cases[i].message);
    }
    assert_int_equal(pawl_store_name_check("", true, NULL), 0);
    assert_int_equal(pawl_store_name_check("..x/.y/z..", false, NULL), 0);
}

static void test_components_have_255_bytes_at_most(void **state)
{
    (void)state;
    char name[600];
    memset(name, 'n', sizeof(name));
    name[255] = '/';
    name[511] = '\0';
    assert_int_equal(pawl_store_name_check(name, false, NULL), 0);
    name[511] = 'n';
    name[512] = '\0';
    assert_int_equal(pawl_store_name_check(name, false, NULL), PAWL_EINVAL);
}

static void test_nested_names_cannot_be_renamed(void **state)
{
    (void)state;
    assert_int_equal(pawl_store_rename_check("a", "a/b", NULL), PAWL_EINVAL);
    assert_int_equal(pawl_store_rename_check("a/b/c", "a", NULL), PAWL_EINVAL);
    assert_int_equal(pawl_store_rename_check("a", "ab", NULL), 0);
    assert_int_equal(pawl_store_rename_check("a", "a", NULL), 0);
    assert_int_equal(pawl_store_rename_check("a", "/b", NULL), PAWL_EINVAL);
}

static void test_messages_show_root_and_name(void **state)
{
    (void)state;
    struct pawl_error err = {0};
    assert_int_equal(pawl_store_fail(&err, -ENOSPC, "write", "/run", "a/b"),
                     PAWL_ENOSPC);
    assert_string_equal(err.message,
                        "cannot write '/run/a/b': no space left on device");
    assert_int_equal(err.sys_errno, ENOSPC);
    pawl_store_fail(&err, -EIO, "list", "/", "a");
    assert_string_equal(err.message, "cannot list '/a': input/output error");
    pawl_store_fail(&err, -EIO, "list", "/run", "");
    assert_string_equal(err.message, "cannot list '/run': input/output error");
    assert_int_equal(pawl_store_fail(&err, -ELOOP, "open", "/run", "a"),
                     PAWL_EINVAL);
    assert_string_equal(err.message, "cannot open '/run/a': a symbolic link "
                                     "leads elsewhere");
    assert_int_equal(pawl_store_fail_rename(&err, -EEXIST, "/run", "a", "b/c"),
                     PAWL_EEXIST);
    assert_string_equal(err.message, "cannot rename '/run/a' to '/run/b/c': "
                                     "file exists");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_reason_is_told),
        cmocka_unit_test(test_components_have_255_bytes_at_most),
        cmocka_unit_test(test_nested_names_cannot_be_renamed),
        cmocka_unit_test(test_messages_show_root_and_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
