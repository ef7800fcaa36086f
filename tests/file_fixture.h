/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_fixture.h - a file store over a root that does not exist, and a table
 * of system calls under it that fails on demand
 *
 * The tear-down holds that no descriptor was left open.
 */
#ifndef PAWL_TESTS_FILE_FIXTURE_H
#define PAWL_TESTS_FILE_FIXTURE_H

#include "fault_io.h"
#include "scratch.h"
#include "store/store_file.h"

struct file_fixture {
    struct pawl_store store; /* at `root` */
    char *dir;               /* a scratch directory */
    char *root;              /* dir/a/run; neither of the two exists */
    struct fault_io *fault;
    int fd_count;
};

int file_fixture_set_up(void **state);
int file_fixture_tear_down(void **state);

/* The next call of that kind fails, and with `from_then_on` all after it. */
void file_fixture_fail(struct file_fixture *fix, enum fault_call call,
                       int sys_errno, bool from_then_on);

/* Opens and closes an object: the code. */
int file_fixture_create(struct file_fixture *fix, const char *name,
                        uint64_t size_hint, struct pawl_error *err);
int file_fixture_read(struct file_fixture *fix, const char *name,
                      struct pawl_error *err);

/* The message is BEFORE, "'root/" and AFTER. */
void file_fixture_assert_message(const struct file_fixture *fix,
                                 const struct pawl_error *err,
                                 const char *before, const char *after);

#endif
