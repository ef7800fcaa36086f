/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_file_object.c - what goes past the page cache, what through it, and
 * what becomes of it when the file system will not have O_DIRECT
 *
 * Each test runs on the disk and, where there is one, on tmpfs.
 */
#include "store/file_object.h"

#include "fault_io.h"
#include "scratch.h"
#include "seed.h"
#include "store/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGE = 4096, SPACE = 64 * PAGE };

struct fixture {
    char *dir;
    struct fault_io *fault;
    struct pawl_file_object object;
    unsigned char *memory; /* SPACE bytes, aligned, of a pattern */
    int fd_count;
};

static struct fixture begin(bool direct)
{
    struct fixture f = {.fd_count = scratch_fd_count()};
    f.dir = scratch_new();
    f.fault = fault_io_new(&pawl_io_posix);
    f.memory = aligned_alloc(PAGE, SPACE);
    assert_non_null(f.memory);
    for (size_t i = 0; i < SPACE; i++) {
        f.memory[i] = (unsigned char)(i * 2654435761u >> 11);
    }
    char *path = scratch_path(f.dir, "file");
    int fd = pawl_io_openat(fault_io_table(f.fault), AT_FDCWD, path,
                            O_RDWR | O_CREAT, 0666);
    free(path);
    assert_true(fd >= 0);
    fault_io_arm(f.fault, NULL);
    pawl_file_object_init(&f.object, fault_io_table(f.fault), fd, true, direct);
    return f;
}

static void end(struct fixture *f)
{
    assert_int_equal(pawl_file_object_close(&f->object), 0);
    assert_int_equal(fault_io_open_count(f->fault), 0);
    assert_int_equal(scratch_fd_count(), f->fd_count);
    fault_io_free(f->fault);
    scratch_free(f->dir);
    free(f->memory);
}

static void check_file(struct fixture *f, const void *expected, size_t len)
{
    size_t size = 0;
    char *bytes = scratch_read(f->dir, "file", &size);
    assert_int_equal(size, len);
    assert_memory_equal(bytes, expected, len);
    free(bytes);
}

/* The lengths of the calls of a kind since the plan was set. */
static size_t lengths_of(struct fixture *f, enum fault_call call, uint64_t *out,
                         size_t max)
{
    size_t count = 0;
    const struct fault_record *record;
    for (size_t i = 0; (record = fault_io_record(f->fault, i)) != NULL; i++) {
        if (record->call == call && count < max) {
            out[count++] = record->len;
        }
    }
    return count;
}

/* ---- which way ------------------------------------------------------------
 */

static void test_front_is_direct_tail_is_not(void **state)
{
    (void)state;
    struct fixture f = begin(true);
    uint64_t lens[4] = {0};
    if (f.object.direct_fd < 0) {
        end(&f);
        skip(); /* an old tmpfs */
    }
    assert_true((fcntl(f.object.direct_fd, F_GETFL) & O_DIRECT) != 0);
    assert_int_equal(
        pawl_file_object_write(&f.object, 0, f.memory, 3 * PAGE + 100), 0);
    assert_int_equal(lengths_of(&f, FAULT_PWRITE, lens, 4), 2);
    assert_int_equal(lens[0], 3 * PAGE);
    assert_int_equal(lens[1], 100);
    assert_int_equal(pawl_file_object_finish(&f.object, true), 0);
    check_file(&f, f.memory, 3 * PAGE + 100);
    end(&f);
}

static void test_unaligned_is_not_direct(void **state)
{
    (void)state;
    static const struct {
        size_t shift;
        uint64_t offset;
        size_t len;
    } cases[] = {
        {1, 0, PAGE}, {0, 512, PAGE}, {0, 0, PAGE - 1}, {512, 4096, 2 * PAGE}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fixture f = begin(true);
        uint64_t lens[4] = {0};
        assert_int_equal(pawl_file_object_write(&f.object, cases[i].offset,
                                                f.memory + cases[i].shift,
                                                cases[i].len),
                         0);
        assert_int_equal(lengths_of(&f, FAULT_PWRITE, lens, 4), 1);
        assert_int_equal(lens[0], cases[i].len);
        end(&f);
    }
}

/* Against a copy in memory: writes and reads, aligned or not, that overlap. */
static void random_rounds(bool direct, uint64_t *seed)
{
    struct fixture f = begin(direct);
    unsigned char *model = calloc(1, SPACE);
    unsigned char *back = aligned_alloc(PAGE, SPACE);
    size_t size = 0;
    assert_true(model != NULL && back != NULL);
    for (int i = 0; i < 60; i++) {
        bool aligned = test_draw(seed, 2) == 0;
        size_t step = aligned ? PAGE : 1;
        size_t at = test_draw(seed, SPACE / step) * step;
        size_t len = 1 + test_draw(seed, SPACE - at);
        size_t from = aligned ? 0 : test_draw(seed, SPACE - len + 1);
        f.memory[from] ^= (unsigned char)i;
        assert_int_equal(
            pawl_file_object_write(&f.object, at, f.memory + from, len), 0);
        memcpy(model + at, f.memory + from, len);
        size = at + len > size ? at + len : size;
        at = test_draw(seed, size);
        at = aligned ? at / PAGE * PAGE : at;
        len = 1 + test_draw(seed, size - at);
        from = aligned ? 0 : test_draw(seed, SPACE - len + 1);
        /* Opened for writing only, the direct way cannot read. */
        int fd = f.object.direct_fd;
        f.object.direct_fd = -1;
        assert_int_equal(pawl_file_object_read(&f.object, at, back + from, len),
                         0);
        f.object.direct_fd = fd;
        assert_memory_equal(back + from, model + at, len);
    }
    assert_int_equal(pawl_file_object_finish(&f.object, false), 0);
    check_file(&f, model, size);
    free(model);
    free(back);
    end(&f);
}

static void test_random_writes(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int i = 0; i < 4; i++) {
        random_rounds(i % 2 == 0, &seed);
    }
}

/* ---- refusals -------------------------------------------------------------
 */

/* The first direct write is refused: it goes through the cache, and no other
 * tries again. */
static void check_refusal(int sys_errno)
{
    struct fixture f = begin(true);
    uint64_t lens[8] = {0};
    bool has_direct = f.object.direct_fd >= 0;
    fault_io_arm(f.fault, &(struct fault_plan){.call = FAULT_PWRITE,
                                               .nth = has_direct ? 1 : 0,
                                               .sys_errno = sys_errno});
    assert_int_equal(
        pawl_file_object_write(&f.object, 0, f.memory, 2 * PAGE + 5), 0);
    assert_int_equal(
        pawl_file_object_write(&f.object, 3 * PAGE, f.memory, PAGE), 0);
    size_t count = lengths_of(&f, FAULT_PWRITE, lens, 8);
    assert_int_equal(count, has_direct ? 3 : 2);
    assert_int_equal(lens[count - 2], 2 * PAGE + 5); /* as one, not in two */
    assert_int_equal(lens[count - 1], PAGE);
    assert_int_equal(pawl_file_object_finish(&f.object, true), 0);
    size_t size = 0;
    char *bytes = scratch_read(f.dir, "file", &size);
    assert_int_equal(size, 4 * PAGE);
    assert_memory_equal(bytes, f.memory, 2 * PAGE + 5);
    assert_memory_equal(bytes + 3 * PAGE, f.memory, PAGE);
    free(bytes);
    end(&f);
}

static void test_refused_write_goes_through_the_cache(void **state)
{
    (void)state;
    check_refusal(EINVAL);
    check_refusal(EOPNOTSUPP);
}

static void test_failed_write_is_not_a_refusal(void **state)
{
    (void)state;
    static const int causes[] = {EIO, ENOSPC, EDQUOT, EROFS};
    for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
        struct fixture f = begin(true);
        fault_io_arm(f.fault, &(struct fault_plan){.call = FAULT_PWRITE,
                                                   .nth = 1,
                                                   .sys_errno = causes[i]});
        assert_int_equal(
            pawl_file_object_write(&f.object, 0, f.memory, 2 * PAGE),
            -causes[i]);
        assert_int_equal(fault_io_count(f.fault, FAULT_PWRITE), 1);
        assert_false(f.object.direct_fails);
        end(&f);
    }
}

/* Both ways say no: then it is an error. */
static void test_refused_by_the_cache_too(void **state)
{
    (void)state;
    struct fixture f = begin(true);
    fault_io_arm(f.fault, &(struct fault_plan){.call = FAULT_PWRITE,
                                               .nth = 1,
                                               .sys_errno = EINVAL,
                                               .from_then_on = true});
    assert_int_equal(pawl_file_object_write(&f.object, 0, f.memory, PAGE),
                     -EINVAL);
    end(&f);
}

static void test_no_direct_descriptor(void **state)
{
    (void)state;
    struct fixture f = begin(false);
    int fd = f.object.fd;
    fault_io_arm(f.fault, &(struct fault_plan){.call = FAULT_OPENAT,
                                               .nth = 1,
                                               .sys_errno = EINVAL});
    pawl_file_object_init(&f.object, fault_io_table(f.fault), fd, true, true);
    assert_int_equal(fault_io_fired(f.fault), 1);
    assert_int_equal(f.object.direct_fd, -1);
    assert_int_equal(pawl_file_object_reserve(&f.object, 5 * PAGE), 0);
    assert_int_equal(pawl_file_object_write(&f.object, 0, f.memory, 2 * PAGE),
                     0);
    assert_int_equal(pawl_file_object_finish(&f.object, true), 0);
    check_file(&f, f.memory, 2 * PAGE);
    end(&f);
}

/* ---- reading --------------------------------------------------------------
 */

static void test_reads(void **state)
{
    (void)state;
    static const int causes[] = {0, EINVAL, EOPNOTSUPP};
    for (size_t i = 0; i < 3; i++) {
        struct fixture f = begin(true);
        unsigned char *back = aligned_alloc(PAGE, SPACE);
        size_t len = 5 * PAGE + 77;
        pawl_file_object_write(&f.object, 0, f.memory, len);
        assert_int_equal(pawl_file_object_finish(&f.object, true), 0);
        pawl_file_object_close(&f.object);
        char *path = scratch_path(f.dir, "file");
        int fd = pawl_io_openat(fault_io_table(f.fault), AT_FDCWD, path,
                                O_RDONLY, 0);
        free(path);
        pawl_file_object_init(&f.object, fault_io_table(f.fault), fd, false,
                              true);
        fault_io_arm(f.fault, &(struct fault_plan){.call = FAULT_PREAD,
                                                   .nth = causes[i] ? 1 : 0,
                                                   .sys_errno = causes[i]});
        assert_int_equal(pawl_file_object_read(&f.object, 0, back, len), 0);
        assert_memory_equal(back, f.memory, len);
        assert_int_equal(pawl_file_object_read(&f.object, PAGE, back, 2 * PAGE),
                         0);
        assert_memory_equal(back, f.memory + PAGE, 2 * PAGE);
        assert_int_equal(pawl_file_object_read(&f.object, 3, back + 1, 9000),
                         0);
        assert_memory_equal(back + 1, f.memory + 3, 9000);
        assert_int_equal(pawl_file_object_read(&f.object, 0, back, 8 * PAGE),
                         -ENODATA);
        assert_int_equal(pawl_file_object_read(&f.object, 0, back, len + 1),
                         -ENODATA);
        /* Nothing is written, cut or synced that was opened for reading. */
        assert_int_equal(pawl_file_object_write(&f.object, 0, back, 1), -EBADF);
        assert_int_equal(pawl_file_object_finish(&f.object, true), 0);
        assert_int_equal(fault_io_count(f.fault, FAULT_FDATASYNC), 0);
        assert_int_equal(fault_io_count(f.fault, FAULT_FTRUNCATE), 0);
        free(back);
        end(&f);
    }
}

/* ---- space ----------------------------------------------------------------
 */

static void test_reserve(void **state)
{
    (void)state;
    static const struct {
        int sys_errno;
        int expected;
    } cases[] = {{ENOSPC, -ENOSPC}, {EDQUOT, -EDQUOT}, {EFBIG, -EFBIG},
                 {EOPNOTSUPP, 0},   {ENOSYS, 0},       {EINTR, 0},
                 {EIO, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fixture f = begin(i % 2 == 0);
        fault_io_arm(f.fault,
                     &(struct fault_plan){.call = FAULT_FALLOCATE,
                                          .nth = 1,
                                          .sys_errno = cases[i].sys_errno});
        assert_int_equal(pawl_file_object_reserve(&f.object, 0), 0);
        assert_int_equal(fault_io_count(f.fault, FAULT_FALLOCATE), 0);
        assert_int_equal(pawl_file_object_reserve(&f.object, SPACE),
                         cases[i].expected);
        end(&f);
    }
}

/* What was reserved for more than came is given back. */
static void test_cut_to_what_was_written(void **state)
{
    (void)state;
    for (int direct = 0; direct < 2; direct++) {
        struct fixture f = begin(direct == 1);
        assert_int_equal(pawl_file_object_reserve(&f.object, SPACE), 0);
        /* Out of order, as threads write. */
        assert_int_equal(pawl_file_object_write(&f.object, 2 * PAGE,
                                                f.memory + 2 * PAGE, 10),
                         0);
        assert_int_equal(
            pawl_file_object_write(&f.object, 0, f.memory, 2 * PAGE), 0);
        assert_int_equal(pawl_file_object_finish(&f.object, false), 0);
        check_file(&f, f.memory, 2 * PAGE + 10);
        end(&f);
    }
}

static void test_finish_tells_failures(void **state)
{
    (void)state;
    static const enum fault_call calls[] = {FAULT_FDATASYNC, FAULT_FTRUNCATE};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f = begin(true);
        f.object.cut = true;
        pawl_file_object_write(&f.object, 0, f.memory, 10);
        fault_io_arm(
            f.fault,
            &(struct fault_plan){.call = calls[i], .nth = 1, .sys_errno = EIO});
        assert_int_equal(pawl_file_object_finish(&f.object, true), -EIO);
        end(&f);
    }
    struct fixture f = begin(true);
    assert_int_equal(pawl_file_object_finish(&f.object, false), 0);
    assert_int_equal(fault_io_count(f.fault, FAULT_FDATASYNC), 0);
    end(&f);
}

/* ---- over a file that is there --------------------------------------------
 */

static int write_object(struct pawl_store *store, unsigned mode,
                        const void *data, size_t len, struct pawl_error *err)
{
    struct pawl_object_handle object;
    int rc = pawl_store_open(store, "old", (enum pawl_store_mode)mode, len,
                             &object, NULL, err);
    if (rc == 0) {
        rc = pawl_object_write(&object, 0, data, len, err);
    }
    int closed = pawl_object_close(&object, true, rc == 0 ? err : NULL);
    return rc < 0 ? rc : closed;
}

static void test_reuse(void **state)
{
    (void)state;
    static const size_t lens[] = {5 * PAGE + 3, PAGE, 20 * PAGE + 9, 100,
                                  3 * PAGE};
    for (int i = 0; i < 2; i++) {
        struct fixture f = begin(false);
        unsigned mode =
            PAWL_STORE_REUSE | (i == 0 ? 0 : (unsigned)PAWL_STORE_DIRECT);
        struct pawl_store store;
        struct pawl_error err;
        struct stat before;
        struct stat after;
        char *path = scratch_path(f.dir, "old");
        assert_int_equal(
            pawl_store_file_make(&store, f.dir, fault_io_table(f.fault), NULL),
            0);
        assert_int_equal(write_object(&store, mode, f.memory, 9, &err),
                         PAWL_ENOENT);
        assert_int_equal(
            write_object(&store, PAWL_STORE_CREATE, f.memory, SPACE, &err), 0);
        assert_int_equal(stat(path, &before), 0);
        for (size_t k = 0; k < sizeof(lens) / sizeof(*lens); k++) {
            const unsigned char *from = f.memory + PAGE * k;
            size_t size = 0;
            assert_int_equal(write_object(&store, mode, from, lens[k], &err),
                             0);
            char *bytes = scratch_read(f.dir, "old", &size);
            assert_int_equal(size, lens[k]);
            assert_memory_equal(bytes, from, size);
            free(bytes);
        }
        assert_int_equal(stat(path, &after), 0);
        assert_true(before.st_ino == after.st_ino); /* the same file */
        free(path);
        pawl_store_fini(&store);
        end(&f);
    }
}

/* ---- threads --------------------------------------------------------------
 */

struct writer {
    struct fixture *f;
    size_t first;
};

static void *write_some(void *ctx)
{
    struct writer *writer = ctx;
    for (size_t i = writer->first; i < 32; i += 4) {
        size_t len = i == 31 ? 2 * PAGE - 7 : 2 * PAGE;
        pawl_file_object_write(&writer->f->object, i * 2 * PAGE,
                               writer->f->memory + i * 2 * PAGE, len);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct fixture f = begin(true);
    struct writer writers[4];
    pthread_t threads[4];
    assert_int_equal(pawl_file_object_reserve(&f.object, SPACE), 0);
    for (size_t i = 0; i < 4; i++) {
        writers[i] = (struct writer){&f, i};
        assert_int_equal(
            pthread_create(&threads[i], NULL, write_some, &writers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(pawl_file_object_finish(&f.object, true), 0);
    check_file(&f, f.memory, SPACE - 7);
    end(&f);
}

static int run(const char *where)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_front_is_direct_tail_is_not),
        cmocka_unit_test(test_unaligned_is_not_direct),
        cmocka_unit_test(test_random_writes),
        cmocka_unit_test(test_refused_write_goes_through_the_cache),
        cmocka_unit_test(test_failed_write_is_not_a_refusal),
        cmocka_unit_test(test_refused_by_the_cache_too),
        cmocka_unit_test(test_no_direct_descriptor),
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_cut_to_what_was_written),
        cmocka_unit_test(test_finish_tells_failures),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_threads),
    };
    print_message("in '%s'\n", where);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    const char *disk = getenv("TMPDIR");
    int failed = run(disk == NULL ? "/tmp" : disk);
    if (access("/dev/shm", W_OK) == 0 && setenv("TMPDIR", "/dev/shm", 1) == 0) {
        failed += run("/dev/shm");
    }
    return failed;
}
