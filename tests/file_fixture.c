/* SPDX-License-Identifier: Apache-2.0 */
/* file_fixture.c - see file_fixture.h. */
#include "file_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

int file_fixture_set_up(void **state)
{
    struct file_fixture *fix = calloc(1, sizeof(*fix));
    fix->dir = scratch_new();
    fix->root = scratch_path(fix->dir, "a/run");
    fix->fault = fault_io_new(&pawl_io_posix);
    fix->fd_count = scratch_fd_count();
    *state = fix;
    return pawl_store_file_make(&fix->store, fix->root,
                                fault_io_table(fix->fault), NULL);
}

int file_fixture_tear_down(void **state)
{
    struct file_fixture *fix = *state;
    pawl_store_fini(&fix->store);
    assert_int_equal(fault_io_open_count(fix->fault), 0);
    assert_int_equal(scratch_fd_count(), fix->fd_count);
    fault_io_free(fix->fault);
    scratch_free(fix->dir);
    free(fix->root);
    free(fix);
    return 0;
}

void file_fixture_fail(struct file_fixture *fix, enum fault_call call,
                       int sys_errno, bool from_then_on)
{
    fault_io_arm(fix->fault,
                 &(struct fault_plan){.call = call,
                                      .nth = 1,
                                      .sys_errno = sys_errno,
                                      .from_then_on = from_then_on});
}

int file_fixture_create(struct file_fixture *fix, const char *name,
                        uint64_t size_hint, struct pawl_error *err)
{
    struct pawl_object_handle object;
    int rc = pawl_store_open(&fix->store, name, PAWL_STORE_CREATE, size_hint,
                             &object, NULL, err);
    pawl_object_close(&object, false, NULL);
    return rc;
}

int file_fixture_read(struct file_fixture *fix, const char *name,
                      struct pawl_error *err)
{
    struct pawl_object_handle object;
    int rc = pawl_store_open(&fix->store, name, PAWL_STORE_READ, 0, &object,
                             NULL, err);
    pawl_object_close(&object, false, NULL);
    return rc;
}

void file_fixture_assert_message(const struct file_fixture *fix,
                                 const struct pawl_error *err,
                                 const char *before, const char *after)
{
    char *expected = NULL;
    assert_true(asprintf(&expected, "%s'%s/%s", before, fix->root, after) > 0);
    assert_string_equal(err->message, expected);
    free(expected);
}
