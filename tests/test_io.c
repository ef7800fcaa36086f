/* SPDX-License-Identifier: Apache-2.0 */
/* test_io.c - the wrappers against a table that misbehaves, and the disk. */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault_io.h"
#include "scratch.h"

struct fixture {
    char *dir;
    int dir_fd;
    struct fault_io *fault;
    const struct pawl_io *io;
};

static int set_up(void **state)
{
    struct fixture *fix = calloc(1, sizeof(*fix));
    fix->dir = scratch_new();
    fix->fault = fault_io_new(&pawl_io_posix);
    fix->io = fault_io_table(fix->fault);
    fix->dir_fd =
        pawl_io_openat(fix->io, AT_FDCWD, fix->dir, O_RDONLY | O_DIRECTORY, 0);
    assert_true(fix->dir_fd >= 0);
    *state = fix;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;
    fault_io_arm(fix->fault, NULL);
    assert_int_equal(pawl_io_close(fix->io, fix->dir_fd), 0);
    assert_int_equal(fault_io_open_count(fix->fault), 0);
    fault_io_free(fix->fault);
    scratch_free(fix->dir);
    free(fix);
    return 0;
}

static void fail_from_now_on(struct fixture *fix, enum fault_call call,
                             int sys_errno)
{
    fault_io_arm(fix->fault, &(struct fault_plan){.call = call,
                                                  .nth = 1,
                                                  .sys_errno = sys_errno,
                                                  .from_then_on = true});
}

static void fail_once(struct fixture *fix, enum fault_call call, int sys_errno)
{
    fault_io_arm(
        fix->fault,
        &(struct fault_plan){.call = call, .nth = 1, .sys_errno = sys_errno});
}

static void cut_short(struct fixture *fix, enum fault_call call, size_t most)
{
    fault_io_arm(fix->fault, &(struct fault_plan){.call = call,
                                                  .nth = 1,
                                                  .short_count = most,
                                                  .from_then_on = true});
}

static int open_file(struct fixture *fix, const char *name)
{
    int fd = pawl_io_openat(fix->io, fix->dir_fd, name, O_RDWR | O_CREAT, 0666);
    assert_true(fd >= 0);
    return fd;
}

/* ---- data -------------------------------------------------------------- */

static const char TEXT[] = "the catch that keeps a ratchet from slipping back";
enum { TEXT_LEN = sizeof(TEXT) - 1 };

static void test_short_counts_are_continued(void **state)
{
    struct fixture *fix = *state;
    int fd = open_file(fix, "file");
    cut_short(fix, FAULT_PWRITE, 3);
    assert_int_equal(pawl_io_write_full(fix->io, fd, TEXT, TEXT_LEN, 5), 0);
    assert_int_equal(fault_io_count(fix->fault, FAULT_PWRITE),
                     (TEXT_LEN + 2) / 3);

    cut_short(fix, FAULT_PREAD, 7);
    char back[TEXT_LEN];
    assert_int_equal(pawl_io_read_full(fix->io, fd, back, TEXT_LEN, 5), 0);
    assert_memory_equal(back, TEXT, TEXT_LEN);
    assert_int_equal(fault_io_count(fix->fault, FAULT_PREAD),
                     (TEXT_LEN + 6) / 7);
    fault_io_arm(fix->fault, NULL);
    pawl_io_close(fix->io, fd);

    size_t len = 0;
    char *whole = scratch_read(fix->dir, "file", &len);
    assert_int_equal(len, 5 + TEXT_LEN);
    assert_memory_equal(whole, "\0\0\0\0\0", 5);
    assert_memory_equal(whole + 5, TEXT, TEXT_LEN);
    free(whole);
}

static void test_interrupted_transfers_go_on(void **state)
{
    struct fixture *fix = *state;
    int fd = open_file(fix, "file");
    fail_once(fix, FAULT_PWRITE, EINTR);
    assert_int_equal(pawl_io_write_full(fix->io, fd, TEXT, TEXT_LEN, 0), 0);
    assert_int_equal(fault_io_fired(fix->fault), 1);

    fail_once(fix, FAULT_PREAD, EINTR);
    char back[TEXT_LEN];
    assert_int_equal(pawl_io_read_full(fix->io, fd, back, TEXT_LEN, 0), 0);
    assert_memory_equal(back, TEXT, TEXT_LEN);
    assert_int_equal(fault_io_fired(fix->fault), 1);
    pawl_io_close(fix->io, fd);
}

static void test_end_of_file_is_an_error_of_read_full(void **state)
{
    struct fixture *fix = *state;
    scratch_write(fix->dir, "file", TEXT, TEXT_LEN);
    int fd = open_file(fix, "file");
    char back[TEXT_LEN + 1];
    assert_int_equal(pawl_io_read_full(fix->io, fd, back, TEXT_LEN + 1, 0),
                     -ENODATA);
    assert_int_equal(pawl_io_read_full(fix->io, fd, back, 1, TEXT_LEN),
                     -ENODATA);
    assert_int_equal(pawl_io_read_full(fix->io, fd, back, 0, TEXT_LEN), 0);
    assert_int_equal(pawl_io_read_some(fix->io, fd, back, TEXT_LEN + 1, 4),
                     TEXT_LEN - 4);
    assert_memory_equal(back, TEXT + 4, TEXT_LEN - 4);
    pawl_io_close(fix->io, fd);
}

static void test_errors_of_the_disk_come_through(void **state)
{
    struct fixture *fix = *state;
    int fd = open_file(fix, "file");
    char byte = 'x';
    fault_io_arm(fix->fault, &(struct fault_plan){.call = FAULT_PWRITE,
                                                  .nth = 1,
                                                  .sys_errno = ENOSPC});
    assert_int_equal(pawl_io_write_full(fix->io, fd, &byte, 1, 0), -ENOSPC);
    fail_once(fix, FAULT_PREAD, EIO);
    assert_int_equal(pawl_io_read_full(fix->io, fd, &byte, 1, 0), -EIO);
    fail_once(fix, FAULT_FDATASYNC, EIO);
    assert_int_equal(pawl_io_fdatasync(fix->io, fd), -EIO);

    /* A write that moves nothing must not go round for ever. */
    cut_short(fix, FAULT_PWRITE, 0);
    assert_int_equal(pawl_io_write_full(fix->io, fd, &byte, 1, 0), -EIO);
    pawl_io_close(fix->io, fd);
}

static void test_offsets_beyond_a_file_make_no_call(void **state)
{
    struct fixture *fix = *state;
    int fd = open_file(fix, "file");
    char byte = 'x';
    const uint64_t far[] = {INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};
    fault_io_arm(fix->fault, NULL);
    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
        assert_int_equal(pawl_io_read_full(fix->io, fd, &byte, 1, far[i]),
                         -EFBIG);
        assert_int_equal(pawl_io_write_full(fix->io, fd, &byte, 1, far[i]),
                         -EFBIG);
        assert_int_equal(pawl_io_fallocate(fix->io, fd, 0, far[i], 1), -EFBIG);
    }
    assert_int_equal(pawl_io_ftruncate(fix->io, fd, UINT64_MAX), -EFBIG);
    assert_int_equal(fault_io_count(fix->fault, FAULT_ANY), 0);
    pawl_io_close(fix->io, fd);
}

/* ---- EINTR everywhere -------------------------------------------------- */

/* Makes one call of the kind, on things that are there. */
static int call_once(struct fixture *fix, enum fault_call call, int fd)
{
    struct stat st;
    char text[64];
    struct pawl_io_dir dir;
    const char *name;
    switch (call) {
    case FAULT_FTRUNCATE:
        return pawl_io_ftruncate(fix->io, fd, 3);
    case FAULT_FDATASYNC:
        return pawl_io_fdatasync(fix->io, fd);
    case FAULT_FSYNC:
        return pawl_io_fsync(fix->io, fd);
    case FAULT_FSTAT:
        return pawl_io_fstat(fix->io, fd, &st);
    case FAULT_FSTATAT:
        return pawl_io_fstatat(fix->io, fix->dir_fd, "file", &st, 0);
    case FAULT_MKDIRAT:
        return pawl_io_mkdirat(fix->io, fix->dir_fd, "new", 0777);
    case FAULT_UNLINKAT:
        return pawl_io_unlinkat(fix->io, fix->dir_fd, "new", AT_REMOVEDIR);
    case FAULT_RENAMEAT2:
        return pawl_io_renameat2(fix->io, fix->dir_fd, "file", fix->dir_fd,
                                 "moved", 0);
    case FAULT_READLINKAT:
        return (int)pawl_io_readlinkat(fix->io, fix->dir_fd, "link", text,
                                       sizeof(text));
    case FAULT_GETDENTS:
        pawl_io_dir_init(&dir, fix->io, fix->dir_fd);
        return pawl_io_dir_next(&dir, &name);
    default:
        fail_msg("%s is not called here", fault_call_name(call));
        return 0;
    }
}

static void test_interrupted_calls_are_made_again(void **state)
{
    struct fixture *fix = *state;
    int fd = open_file(fix, "file");
    assert_int_equal(symlinkat("file", fix->dir_fd, "link"), 0);
    const enum fault_call calls[] = {
        FAULT_FTRUNCATE, FAULT_FDATASYNC, FAULT_FSYNC,    FAULT_FSTAT,
        FAULT_FSTATAT,   FAULT_MKDIRAT,   FAULT_UNLINKAT, FAULT_READLINKAT,
        FAULT_GETDENTS,  FAULT_RENAMEAT2,
    };
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        fail_once(fix, calls[i], EINTR);
        int rc = call_once(fix, calls[i], fd);
        if (rc < 0) {
            fail_msg("%s: %s", fault_call_name(calls[i]), strerror(-rc));
        }
        assert_int_equal(fault_io_count(fix->fault, calls[i]), 2);
    }
    pawl_io_close(fix->io, fd);
}

static void test_interrupted_open_is_made_again(void **state)
{
    struct fixture *fix = *state;
    scratch_write(fix->dir, "file", TEXT, TEXT_LEN);
    fail_once(fix, FAULT_OPENAT, EINTR);
    int fd = pawl_io_openat(fix->io, fix->dir_fd, "file", O_RDONLY, 0);
    assert_true(fd >= 0);
    pawl_io_close(fix->io, fd);
    fail_once(fix, FAULT_OPEN_BENEATH, EINTR);
    fd = pawl_io_open_beneath(fix->io, fix->dir_fd, "file", O_RDONLY, 0);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    pawl_io_close(fix->io, fd);
}

static void test_fallocate_and_close_are_not_made_again(void **state)
{
    struct fixture *fix = *state;
    int fd = open_file(fix, "file");
    fail_once(fix, FAULT_FALLOCATE, EINTR);
    assert_int_equal(pawl_io_fallocate(fix->io, fd, 0, 0, 4096), -EINTR);
    assert_int_equal(fault_io_count(fix->fault, FAULT_FALLOCATE), 1);

    fail_once(fix, FAULT_CLOSE, EINTR);
    assert_int_equal(pawl_io_close(fix->io, fd), 0);
    assert_int_equal(fault_io_count(fix->fault, FAULT_CLOSE), 1);

    fd = open_file(fix, "file");
    fail_once(fix, FAULT_CLOSE, EIO);
    assert_int_equal(pawl_io_close(fix->io, fd), -EIO);
}

/* ---- beneath ----------------------------------------------------------- */

/*  dir/in/deep/file   dir/in/link -> deep   dir/out -> /   dir/in/up -> ../..
 */
static void make_tree(struct fixture *fix)
{
    assert_int_equal(mkdirat(fix->dir_fd, "in", 0777), 0);
    assert_int_equal(mkdirat(fix->dir_fd, "in/deep", 0777), 0);
    scratch_write(fix->dir, "in/deep/file", TEXT, TEXT_LEN);
    assert_int_equal(symlinkat("deep", fix->dir_fd, "in/link"), 0);
    assert_int_equal(symlinkat("../..", fix->dir_fd, "in/up"), 0);
    assert_int_equal(symlinkat("/", fix->dir_fd, "out"), 0);
    assert_int_equal(symlinkat("/etc/passwd", fix->dir_fd, "secret"), 0);
}

static int open_and_close(struct fixture *fix, const char *path)
{
    int fd = pawl_io_open_beneath(fix->io, fix->dir_fd, path, O_RDONLY, 0);
    if (fd >= 0) {
        pawl_io_close(fix->io, fd);
        return 0;
    }
    return fd;
}

static void test_beneath_follows_only_links_that_stay(void **state)
{
    struct fixture *fix = *state;
    make_tree(fix);
    if (open_and_close(fix, "secret") != -EXDEV) {
        skip(); /* a kernel without openat2: the next test is for it */
    }
    assert_int_equal(open_and_close(fix, "in/deep/file"), 0);
    assert_int_equal(open_and_close(fix, "in/link/file"), 0);
    assert_int_equal(open_and_close(fix, "in/up/x"), -EXDEV);
    assert_int_equal(open_and_close(fix, "out/etc/passwd"), -EXDEV);
    assert_int_equal(open_and_close(fix, "in/nothing"), -ENOENT);
    assert_int_equal(open_and_close(fix, "in/deep/file/x"), -ENOTDIR);
}

static void test_beneath_stepwise_follows_no_link(void **state)
{
    struct fixture *fix = *state;
    make_tree(fix);
    const int answers[] = {ENOSYS, EPERM};
    for (size_t i = 0; i < 2; i++) {
        fail_from_now_on(fix, FAULT_OPEN_BENEATH, answers[i]);
        assert_int_equal(open_and_close(fix, "in"), 0);
        assert_int_equal(open_and_close(fix, "in/deep/file"), 0);
        assert_int_equal(open_and_close(fix, "secret"), -ELOOP);
        assert_int_equal(open_and_close(fix, "in/link/file"), -ELOOP);
        assert_int_equal(open_and_close(fix, "in/up/x"), -ELOOP);
        assert_int_equal(open_and_close(fix, "out/etc/passwd"), -ELOOP);
        assert_int_equal(open_and_close(fix, "in/deep/file/x"), -ENOTDIR);
        assert_int_equal(open_and_close(fix, "in/nothing/x"), -ENOENT);
    }
    char long_name[600];
    memset(long_name, 'n', sizeof(long_name));
    memcpy(long_name + sizeof(long_name) - 3, "/x", 3);
    assert_int_equal(open_and_close(fix, long_name), -ENAMETOOLONG);
    assert_int_equal(fault_io_open_count(fix->fault), 1); /* the fixture's */
}

/* Who writes gets the same on every kernel. */
static void test_no_link_is_followed_to_write(void **state)
{
    struct fixture *fix = *state;
    static const struct {
        const char *path;
        int result;
    } cases[] = {
        {"in/deep/file", 0},          {"in/link/file", -ELOOP},
        {"in/up/x", -ELOOP},          {"out/etc/passwd", -ELOOP},
        {"secret", -ELOOP},           {"in/nothing/x", -ENOENT},
        {"in/deep/file/x", -ENOTDIR},
    };
    make_tree(fix);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int fd = pawl_io_open_no_link(fault_io_table(fix->fault), fix->dir_fd,
                                      cases[i].path, O_RDONLY, 0);
        assert_int_equal(fd < 0 ? fd : 0, cases[i].result);
        if (fd >= 0) {
            pawl_io_close(fault_io_table(fix->fault), fd);
        }
    }
    assert_int_equal(fault_io_open_count(fix->fault), 1); /* the fixture's */
}

static void test_beneath_gives_up_on_endless_races(void **state)
{
    struct fixture *fix = *state;
    scratch_write(fix->dir, "file", TEXT, TEXT_LEN);
    fail_once(fix, FAULT_OPEN_BENEATH, EAGAIN);
    assert_int_equal(open_and_close(fix, "file"), 0);
    fail_from_now_on(fix, FAULT_OPEN_BENEATH, EAGAIN);
    assert_int_equal(open_and_close(fix, "file"), -EAGAIN);
}

/* ---- links and directories --------------------------------------------- */

static void test_readlink_ends_in_nul_or_fails(void **state)
{
    struct fixture *fix = *state;
    assert_int_equal(symlinkat("12345", fix->dir_fd, "link"), 0);
    char text[6];
    memset(text, 'x', sizeof(text));
    assert_int_equal(pawl_io_readlinkat(fix->io, fix->dir_fd, "link", text, 6),
                     5);
    assert_string_equal(text, "12345");
    assert_int_equal(pawl_io_readlinkat(fix->io, fix->dir_fd, "link", text, 5),
                     -ENAMETOOLONG);
    assert_int_equal(pawl_io_readlinkat(fix->io, fix->dir_fd, "none", text, 6),
                     -ENOENT);
}

static void test_directories_are_read_whole(void **state)
{
    struct fixture *fix = *state;
    enum { COUNT = 700 }; /* several buffers full */
    bool seen[COUNT] = {false};
    for (int i = 0; i < COUNT; i++) {
        char name[64];
        snprintf(name, sizeof(name), "entry-%d", i);
        scratch_write(fix->dir, name, "", 0);
    }
    struct pawl_io_dir dir;
    pawl_io_dir_init(&dir, fix->io, fix->dir_fd);
    const char *name = NULL;
    int rc;
    int total = 0;
    while ((rc = pawl_io_dir_next(&dir, &name)) > 0) {
        int number = -1;
        assert_int_equal(sscanf(name, "entry-%d", &number), 1);
        assert_in_range(number, 0, COUNT - 1);
        assert_false(seen[number]);
        seen[number] = true;
        total++;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(total, COUNT);
    assert_int_equal(pawl_io_dir_next(&dir, &name), 0);
}

static void test_a_directory_that_fails_is_no_empty_one(void **state)
{
    struct fixture *fix = *state;
    fail_once(fix, FAULT_GETDENTS, EIO);
    struct pawl_io_dir dir;
    const char *name = NULL;
    pawl_io_dir_init(&dir, fix->io, fix->dir_fd);
    assert_int_equal(pawl_io_dir_next(&dir, &name), -EIO);
}

/* ---- the tool itself --------------------------------------------------- */

static void test_the_record_can_be_replayed(void **state)
{
    struct fixture *fix = *state;
    fault_io_keep_data(fix->fault);
    int fd = open_file(fix, "file");
    fault_io_arm(fix->fault, NULL);
    assert_int_equal(pawl_io_write_full(fix->io, fd, TEXT, TEXT_LEN, 9), 0);
    assert_int_equal(pawl_io_renameat2(fix->io, fix->dir_fd, "file",
                                       fix->dir_fd, "other", 0),
                     0);
    pawl_io_close(fix->io, fd);

    char *path = scratch_path(fix->dir, "file");
    char *path_to = scratch_path(fix->dir, "other");
    const struct fault_record *record = fault_io_record(fix->fault, 0);
    assert_int_equal(record->call, FAULT_PWRITE);
    assert_string_equal(record->path, path);
    assert_int_equal(record->offset, 9);
    assert_int_equal(record->result, TEXT_LEN);
    assert_memory_equal(record->data, TEXT, TEXT_LEN);
    record = fault_io_record(fix->fault, 1);
    assert_int_equal(record->call, FAULT_RENAMEAT2);
    assert_string_equal(record->path, path);
    assert_string_equal(record->path_to, path_to);
    record = fault_io_record(fix->fault, 2);
    assert_int_equal(record->call, FAULT_CLOSE);
    assert_string_equal(record->path, path_to);
    assert_null(fault_io_record(fix->fault, 3));
    free(path);
    free(path_to);
}

/* Dropped pages of a file on a disk are gone; those of tmpfs never are. */
static void test_cached(void **state)
{
    enum { LEN = 16 * 4096 };
    struct fixture *fix = *state;
    char *bytes = calloc(1, LEN);
    scratch_write(fix->dir, "file", bytes, LEN);
    int fd = pawl_io_openat(fix->io, fix->dir_fd, "file", O_RDWR, 0);
    assert_true(fd >= 0);
    assert_int_equal(pawl_io_cached(&pawl_io_posix, fd, 0, LEN), LEN);
    assert_int_equal(pawl_io_cached(&pawl_io_posix, fd, 4096, LEN / 2),
                     LEN / 2);
    assert_int_equal(pawl_io_cached(&pawl_io_posix, fd, 0, 0), 0);
    assert_int_equal(pawl_io_fsync(&pawl_io_posix, fd), 0);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    int64_t left = pawl_io_cached(&pawl_io_posix, fd, 0, LEN);
    /* valgrind knows no cachestat, and what takes its place counts pages that
     * its own mapping brought back. */
    assert_true(left == 0 || left == LEN || (under_valgrind() && left < LEN));
    assert_int_equal(pawl_io_cached(fix->io, fd, 0, LEN), -ENOSYS);
    assert_true(pawl_io_cached(&pawl_io_posix, -1, 0, LEN) < 0);
    pawl_io_close(fix->io, fd);
    free(bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_short_counts_are_continued),
        TEST(test_interrupted_transfers_go_on),
        TEST(test_end_of_file_is_an_error_of_read_full),
        TEST(test_errors_of_the_disk_come_through),
        TEST(test_offsets_beyond_a_file_make_no_call),
        TEST(test_interrupted_calls_are_made_again),
        TEST(test_interrupted_open_is_made_again),
        TEST(test_fallocate_and_close_are_not_made_again),
        TEST(test_beneath_follows_only_links_that_stay),
        TEST(test_beneath_stepwise_follows_no_link),
        TEST(test_no_link_is_followed_to_write),
        TEST(test_beneath_gives_up_on_endless_races),
        TEST(test_readlink_ends_in_nul_or_fails),
        TEST(test_directories_are_read_whole),
        TEST(test_a_directory_that_fails_is_no_empty_one),
        TEST(test_cached),
        TEST(test_the_record_can_be_replayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
