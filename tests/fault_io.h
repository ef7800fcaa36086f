/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault_io.h - a table of system calls that records, and fails on demand
 *
 *     struct fault_io *fault = fault_io_new(&pawl_io_posix);
 *     fault_io_arm(fault, &(struct fault_plan){.call = FAULT_PWRITE,
 *                                              .nth = 2,
 *                                              .sys_errno = ENOSPC});
 *     ... code under test, with fault_io_table(fault) ...
 *     assert_int_equal(fault_io_fired(fault), 1);
 *     fault_io_free(fault);
 *
 * The record has every call in the order of its effect (calls are made one at
 * a time, under a lock), with absolute paths, results and, if asked for, the
 * bytes written: enough to replay a prefix of it, or any subset that a power
 * cut could leave.
 */
#ifndef PAWL_TESTS_FAULT_IO_H
#define PAWL_TESTS_FAULT_IO_H

#include "base/io.h"

/* X(constant, entry of struct pawl_io) */
#define FAULT_CALLS(X)                                                         \
    X(FAULT_OPENAT, openat)                                                    \
    X(FAULT_OPEN_BENEATH, open_beneath)                                        \
    X(FAULT_CLOSE, close)                                                      \
    X(FAULT_PREAD, pread)                                                      \
    X(FAULT_PWRITE, pwrite)                                                    \
    X(FAULT_FTRUNCATE, ftruncate)                                              \
    X(FAULT_FALLOCATE, fallocate)                                              \
    X(FAULT_FDATASYNC, fdatasync)                                              \
    X(FAULT_FSYNC, fsync)                                                      \
    X(FAULT_FSTAT, fstat)                                                      \
    X(FAULT_FSTATAT, fstatat)                                                  \
    X(FAULT_MKDIRAT, mkdirat)                                                  \
    X(FAULT_UNLINKAT, unlinkat)                                                \
    X(FAULT_RENAMEAT2, renameat2)                                              \
    X(FAULT_READLINKAT, readlinkat)                                            \
    X(FAULT_GETDENTS, getdents)

enum fault_call {
    FAULT_ANY, /* in a plan: whatever call it is */
#define FAULT_ENUM(constant, entry) constant,
    FAULT_CALLS(FAULT_ENUM)
#undef FAULT_ENUM
};

/* "pwrite"; "any" for FAULT_ANY. */
const char *fault_call_name(enum fault_call call);

/* One call that was made.  Fields that its kind does not have are 0. */
struct fault_record {
    enum fault_call call;
    char *path;      /* of the descriptor, or of directory and name */
    char *path_to;   /* renameat2: the new name */
    int flags;       /* of open, fallocate, fstatat, unlinkat, renameat2 */
    uint64_t offset; /* pread, pwrite, fallocate */
    uint64_t len;    /* asked for; ftruncate: the size */
    void *data;      /* pwrite: what it wrote, if the bytes are kept */
    int64_t result;  /* what the code under test was told */
    bool injected;   /* the result is ours: the call was not made */
};

/* Which call fails, and how. */
struct fault_plan {
    enum fault_call call;
    size_t nth;         /* 1: the next such call; 0: none */
    int sys_errno;      /* what it fails with (a close still closes) ... */
    size_t short_count; /* or, if that is 0, how much pread and pwrite move */
    bool from_then_on;  /* and so do all such calls after it */
};

struct fault_io;

/* A table over `below`.  Never NULL: aborts when out of memory. */
struct fault_io *fault_io_new(const struct pawl_io *below);
void fault_io_free(struct fault_io *fault);

/* What to give to the code under test; valid until fault_io_free. */
const struct pawl_io *fault_io_table(const struct fault_io *fault);

/* Forgets the record and sets the plan (NULL: nothing fails). */
void fault_io_arm(struct fault_io *fault, const struct fault_plan *plan);
/* How many calls the plan changed so far. */
size_t fault_io_fired(const struct fault_io *fault);

/* Keeps the bytes of each pwrite from now on. */
void fault_io_keep_data(struct fault_io *fault);

/* Answers fsync and fdatasync with 0 from now on and does not make them: for
 * tests that run a thousand times and never cut the power. */
void fault_io_skip_syncs(struct fault_io *fault);

/* Calls `before` with each record just before the call is made (the result is
 * not known yet), under the lock: it may kill the process, not make calls. */
void fault_io_set_hook(struct fault_io *fault,
                       void (*before)(void *ctx,
                                      const struct fault_record *record),
                       void *ctx);

/* How many calls of a kind were made, and each of them. */
size_t fault_io_count(const struct fault_io *fault, enum fault_call call);
const struct fault_record *fault_io_record(const struct fault_io *fault,
                                           size_t index);
/* To stderr, one line a call: for a person whose test failed. */
void fault_io_print(const struct fault_io *fault);

/* Descriptors opened through the table and not closed: 0 at the end. */
int fault_io_open_count(const struct fault_io *fault);

#endif
