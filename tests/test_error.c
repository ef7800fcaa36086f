/* SPDX-License-Identifier: Apache-2.0 */
<<<<<<< HEAD
/* test_error.c - codes, names, and messages that fit and that do not. */
=======
/* test_error.c - codes, their texts, and how messages are built. */
>>>>>>> fd3409f (base: test what everything stands on)
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
<<<<<<< HEAD
#include <stddef.h>
=======
#include <stdint.h>
>>>>>>> fd3409f (base: test what everything stands on)
#include <string.h>

#include <cmocka.h>

<<<<<<< HEAD
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
=======
static void test_every_code_has_a_text_and_a_name(void **unused)
{
    (void)unused;
    int count = 0;
#define CHECK(name, value, text)                                               \
    assert_int_equal(name, value);                                             \
    assert_string_equal(pawl_error_text(name), text);                          \
    assert_string_equal(pawl_error_name(name), #name);                         \
    assert_int_equal(name, -++count);
    PAWL_ERROR_CODES(CHECK)
#undef CHECK
    assert_string_equal(pawl_error_text(0), "success");
    assert_string_equal(pawl_error_name(0), "PAWL_OK");
    assert_string_equal(pawl_error_text(-count - 1), "unknown error");
    assert_string_equal(pawl_error_text(1), "unknown error");
    assert_string_equal(pawl_error_name(99), "PAWL_E?");
}

static void test_a_failure_is_filled_in(void **unused)
{
    (void)unused;
    struct pawl_error err = {0};
    assert_int_equal(pawl_fail(&err, PAWL_EBUSY, EBUSY, "'%s' is %d", "x", 7),
                     PAWL_EBUSY);
    assert_int_equal(err.code, PAWL_EBUSY);
    assert_int_equal(err.sys_errno, EBUSY);
    assert_string_equal(err.message, "'x' is 7");
}

static void test_the_cause_comes_last_in_lower_case(void **unused)
{
    (void)unused;
    struct pawl_error err = {0};
    assert_int_equal(pawl_fail_sys(&err, ENOSPC, "cannot write '%s'", "a"),
                     PAWL_ENOSPC);
    assert_string_equal(err.message,
                        "cannot write 'a': no space left on device");
    assert_int_equal(err.sys_errno, ENOSPC);
    pawl_fail_sys(&err, EIO, "cannot read 'a'");
    assert_string_equal(err.message, "cannot read 'a': input/output error");
}

static void test_a_name_is_put_before(void **unused)
{
    (void)unused;
    struct pawl_error err = {0};
    pawl_fail(&err, PAWL_EFORMAT, 0, "record 'data.pkl' ends early");
    pawl_error_prefix(&err, "'%s'", "model.pt");
    assert_string_equal(err.message,
                        "'model.pt': record 'data.pkl' ends early");
    assert_int_equal(err.code, PAWL_EFORMAT);
}

static void test_nobody_needs_to_listen(void **unused)
{
    (void)unused;
    assert_int_equal(pawl_fail(NULL, PAWL_EINVAL, 0, "x"), PAWL_EINVAL);
    assert_int_equal(pawl_fail_sys(NULL, ENOENT, "x"), PAWL_ENOENT);
    assert_int_equal(pawl_fail_nomem(NULL), PAWL_ENOMEM);
    pawl_error_prefix(NULL, "x");
}

/* No message, however long, leaves its array or loses its NUL. */
static void test_long_messages_are_cut(void **unused)
{
    (void)unused;
    char text[3 * PAWL_ERROR_MESSAGE_MAX];
    for (size_t len = PAWL_ERROR_MESSAGE_MAX - 40; len < sizeof(text) - 1;
         len += len < PAWL_ERROR_MESSAGE_MAX + 10 ? 1 : 500) {
        struct {
            struct pawl_error err;
            char after;
        } box = {{0}, 'x'};
        memset(text, 'a', len);
        text[len] = '\0';
        pawl_fail_sys(&box.err, ENOSPC, "%s", text);
        pawl_error_prefix(&box.err, "prefix");
        assert_true(strlen(box.err.message) < PAWL_ERROR_MESSAGE_MAX);
        assert_int_equal(strncmp(box.err.message, "prefix: aaa", 11), 0);
        pawl_error_prefix(&box.err, "%s", text);
        assert_true(strlen(box.err.message) < PAWL_ERROR_MESSAGE_MAX);
        assert_int_equal(box.after, 'x');
    }
}

static void test_errnos_have_codes(void **unused)
{
    (void)unused;
    static const int pairs[][2] = {
        {ENOENT, PAWL_ENOENT},    {EEXIST, PAWL_EEXIST},
        {ENOTEMPTY, PAWL_EEXIST}, {EDQUOT, PAWL_ENOSPC},
        {EROFS, PAWL_EACCES},     {EPERM, PAWL_EACCES},
        {ENOMEM, PAWL_ENOMEM},    {EISDIR, PAWL_EINVAL},
        {ENOSYS, PAWL_ENOTSUP},   {EOPNOTSUPP, PAWL_ENOTSUP},
        {EIO, PAWL_EIO},          {12345, PAWL_EIO},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_int_equal(pawl_error_from_errno(pairs[i][0]), pairs[i][1]);
    }
>>>>>>> fd3409f (base: test what everything stands on)
}

int main(void)
{
    const struct CMUnitTest tests[] = {
<<<<<<< HEAD
        cmocka_unit_test(test_codes_keep_their_values),
        cmocka_unit_test(test_fail_fills_and_returns_the_code),
        cmocka_unit_test(test_system_errors_get_their_words_and_code),
        cmocka_unit_test(test_long_messages_are_cut_and_end_in_nul),
        cmocka_unit_test(test_a_prefix_keeps_code_and_cause),
=======
        cmocka_unit_test(test_every_code_has_a_text_and_a_name),
        cmocka_unit_test(test_a_failure_is_filled_in),
        cmocka_unit_test(test_the_cause_comes_last_in_lower_case),
        cmocka_unit_test(test_a_name_is_put_before),
        cmocka_unit_test(test_nobody_needs_to_listen),
        cmocka_unit_test(test_long_messages_are_cut),
        cmocka_unit_test(test_errnos_have_codes),
>>>>>>> fd3409f (base: test what everything stands on)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
