/* SPDX-License-Identifier: Apache-2.0 */
/* test_store_file.c - what every store does, and what only files do. */
#include "store/store_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fault_io.h"
#include "scratch.h"
#include "store_behaviour.h"

struct fixture {
    struct pawl_store store; /* at dir/a/run, which does not exist */
    char *dir;
    char *root;
    struct fault_io *fault;
    int fd_count;
};

static int set_up(void **state)
{
    struct fixture *fix = calloc(1, sizeof(*fix));
    fix->dir = scratch_new();
    fix->root = scratch_path(fix->dir, "a/run");
    fix->fault = fault_io_new(&pawl_io_posix);
    fix->fd_count = scratch_fd_count();
    *state = fix;
    return pawl_store_file_make(&fix->store, fix->root,
                                fault_io_table(fix->fault), NULL);
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;
    pawl_store_fini(&fix->store);
    assert_int_equal(fault_io_open_count(fix->fault), 0);
    assert_int_equal(scratch_fd_count(), fix->fd_count);
    fault_io_free(fix->fault);
    scratch_free(fix->dir);
    free(fix->root);
    free(fix);
    return 0;
}

int main(void)
{
    return store_behaviour_run("store_file: behaviour", set_up, tear_down);
}
