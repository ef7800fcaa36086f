/* SPDX-License-Identifier: Apache-2.0 */
/* test_error.c - codes, names, and messages that fit and that do not. */
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The values are part of the ABI: written here a second time, by hand. */
static void test_codes_keep_their_values(void **state)
{
    (void)state;
    const int codes[] = {
        PAWL_EINVAL,    PAWL_ENOMEM,    PAWL_EIO,      PAWL_ENOSPC,
        PAWL_EEXIST,    PAWL_ENOENT,    PAWL_EACCES,   PAWL_ESTATE,
        PAWL_EBUSY,     PAWL_EFORMAT,   PAWL_ECORRUPT, PAWL_ENOTSUP,
        PAWL_ETIMEDOUT, PAWL_ECANCELED, PAWL_ECONFIG,  PAWL_EBUG};
    for (int i = 0; i < 16; i++) {
        assert_int_equal(codes[i], -1 - i);
        assert_int_equal(strncmp(pawl_error_name(codes[i]), "PAWL_E", 6), 0);
        assert_string_not_equal(pawl_error_text(codes[i]), "unknown error");
    }
    assert_string_equal(pawl_error_name(PAWL_ENOSPC), "PAWL_ENOSPC");
    assert_string_equal(pawl_error_name(0), "PAWL_OK");
    assert_string_equal(pawl_error_name(1), "PAWL_E?");
    assert_string_equal(pawl_error_name(-99), "PAWL_E?");
    assert_string_equal(pawl_error_text(0), "success");
    assert_string_equal(pawl_error_text(-99), "unknown error");
}

static void test_fail_fills_and_returns_the_code(void **state)
{
    (void)state;
    struct pawl_error err;
    assert_int_equal(pawl_fail(&err, PAWL_EBUSY, EAGAIN, "'%s' is %d", "x", 7),
                     PAWL_EBUSY);
    assert_int_equal(err.code, PAWL_EBUSY);
    assert_int_equal(err.sys_errno, EAGAIN);
    assert_string_equal(err.message, "'x' is 7");
    assert_int_equal(pawl_fail(NULL, PAWL_EBUSY, 0, "nobody listens"),
                     PAWL_EBUSY);
    assert_int_equal(pawl_fail_nomem(&err), PAWL_ENOMEM);
    assert_string_equal(err.message, "out of memory");
    assert_int_equal(pawl_fail_nomem(NULL), PAWL_ENOMEM);
}

static void test_system_errors_get_their_words_and_code(void **state)
{
    (void)state;
    const struct {
        int sys_errno;
        int code;
    } cases[] = {
        {ENOSPC, PAWL_ENOSPC},    {EDQUOT, PAWL_ENOSPC},
        {ENOENT, PAWL_ENOENT},    {EEXIST, PAWL_EEXIST},
        {ENOTEMPTY, PAWL_EEXIST}, {EACCES, PAWL_EACCES},
        {EPERM, PAWL_EACCES},     {EROFS, PAWL_EACCES},
        {ENOTDIR, PAWL_EINVAL},   {EISDIR, PAWL_EINVAL},
        {ELOOP, PAWL_EINVAL},     {ENOMEM, PAWL_ENOMEM},
        {ENOSYS, PAWL_ENOTSUP},   {EOPNOTSUPP, PAWL_ENOTSUP},
        {EBUSY, PAWL_EBUSY},      {ETIMEDOUT, PAWL_ETIMEDOUT},
        {EIO, PAWL_EIO},          {ESTALE, PAWL_EIO},
        {12345, PAWL_EIO},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pawl_error err;
        assert_int_equal(
            pawl_fail_sys(&err, cases[i].sys_errno, "cannot do '%s'", "x"),
            cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(err.sys_errno, cases[i].sys_errno);
        assert_int_equal(strncmp(err.message, "cannot do 'x': ", 15), 0);
        assert_int_equal(
            pawl_fail_sys(NULL, cases[i].sys_errno, "cannot do '%s'", "x"),
            cases[i].code);
    }
    struct pawl_error err;
    pawl_fail_sys(&err, ENOSPC, "cannot write 'x'");
    assert_string_equal(err.message,
                        "cannot write 'x': no space left on device");
}

static void test_long_messages_are_cut_and_end_in_nul(void **state)
{
    (void)state;
    char text[PAWL_ERROR_MESSAGE_MAX * 2];
    memset(text, 'm', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    struct pawl_error err;
    memset(&err, 'x', sizeof(err));
    pawl_fail(&err, PAWL_EIO, 0, "%s", text);
    assert_int_equal(strlen(err.message), PAWL_ERROR_MESSAGE_MAX - 1);
    pawl_fail_sys(&err, EIO, "%s", text);
    assert_int_equal(strlen(err.message), PAWL_ERROR_MESSAGE_MAX - 1);
    pawl_error_prefix(&err, "%s", text);
    assert_int_equal(strlen(err.message), PAWL_ERROR_MESSAGE_MAX - 1);
    /* The cause just does not fit: each length around the end. */
    for (size_t room = 0; room < 24; room++) {
        pawl_fail_sys(&err, EIO, "%.*s",
                      (int)(PAWL_ERROR_MESSAGE_MAX - 1 - room), text);
        assert_true(strlen(err.message) < PAWL_ERROR_MESSAGE_MAX);
    }
}

static void test_a_copy_is_whole(void **state)
{
    (void)state;
    struct pawl_error from;
    struct pawl_error to = {0};
    pawl_fail(&from, PAWL_EIO, 5, "cause");
    assert_int_equal(pawl_error_copy(&to, &from), PAWL_EIO);
    assert_int_equal(to.code, PAWL_EIO);
    assert_int_equal(to.sys_errno, 5);
    assert_string_equal(to.message, "cause");
    assert_int_equal(pawl_error_copy(NULL, &from), PAWL_EIO);
}

static void test_a_prefix_keeps_code_and_cause(void **state)
{
    (void)state;
    struct pawl_error err;
    pawl_fail(&err, PAWL_ECORRUPT, EIO, "record 'data/0': bad crc");
    pawl_error_prefix(&err, "cannot read '%s'", "model.pt");
    assert_string_equal(err.message,
                        "cannot read 'model.pt': record 'data/0': bad crc");
    assert_int_equal(err.code, PAWL_ECORRUPT);
    assert_int_equal(err.sys_errno, EIO);
    pawl_error_prefix(NULL, "cannot read '%s'", "model.pt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_keep_their_values),
        cmocka_unit_test(test_fail_fills_and_returns_the_code),
        cmocka_unit_test(test_system_errors_get_their_words_and_code),
        cmocka_unit_test(test_long_messages_are_cut_and_end_in_nul),
        cmocka_unit_test(test_a_copy_is_whole),
        cmocka_unit_test(test_a_prefix_keeps_code_and_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
