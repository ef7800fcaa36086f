/* SPDX-License-Identifier: Apache-2.0 */
/* test_discover.c - which checkpoints there are, and which is the newest. */
#include "engine/discover.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "engine/manifest_file.h"
#include "engine_fixture.h"
#include "fault_io.h"
#include "store/store_file.h"

/* Makes `tag` as if it were number `sequence`, committed at `ms`. */
static void make_signed(struct engine_fixture *fix, const char *tag,
                        uint64_t sequence, uint64_t ms)
{
    struct pawl_manifest manifest = {0};
    must_make(fix, tag, 1);
    assert_int_equal(pawl_manifest_read(&manifest, &fix->store, tag, NULL), 0);
    manifest.sequence = sequence;
    manifest.created_unix_ms = ms;
    assert_int_equal(
        pawl_manifest_write(&manifest, &fix->store, tag, false, NULL), 0);
    pawl_manifest_fini(&manifest);
}

/* Makes `tag` as others do, its file as old as that. */
static void make_unsigned(struct engine_fixture *fix, const char *tag,
                          int64_t ms)
{
    char name[512];
    struct timespec times[2] = {{ms / 1000, 0}, {ms / 1000, 0}};
    must_make(fix, tag, 1);
    snprintf(name, sizeof(name), "%s/pawl.json", tag);
    run_remove(fix, name);
    snprintf(name, sizeof(name), "%s/model.pt", tag);
    assert_int_equal(
        utimensat(AT_FDCWD, engine_fixture_path(fix, name), times, 0), 0);
}

static void expect_order(struct engine_fixture *fix, const char *expected)
{
    struct pawl_candidates all = {0};
    struct pawl_formats formats;
    struct pawl_error err;
    struct pawl_log log;
    char order[1024] = "";
    pawl_formats_init(&formats, NULL);
    pawl_log_init(&log, engine_fixture_log, fix);
    fix->log[0] = '\0';
    if (pawl_discover(&all, fix->place, fix->run, &formats, 1, &log, &err) <
        0) {
        fail_msg("%s", err.message);
    }
    for (size_t i = 0; i < all.count; i++) {
        size_t len = strlen(order);
        snprintf(order + len, sizeof(order) - len, "%s%s", i > 0 ? " " : "",
                 all.items[i].tag);
    }
    assert_string_equal(order, expected);
    pawl_candidates_fini(&all);
    pawl_log_fini(&log);
}

static void test_numbers_order_the_signed(void **state)
{
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    (void)state;
    expect_order(fix, "");
    make_signed(fix, "b", 10, 5000);
    make_signed(fix, "a", 9, 9000); /* a clock that was set back */
    make_signed(fix, "c", 100, 1000);
    expect_order(fix, "c b a");
    struct pawl_candidates all = {0};
    assert_int_equal(pawl_discover_signed(&all, &fix->store, NULL), 0);
    assert_int_equal(all.count, 3);
    assert_int_equal(all.items[0].sequence, 100);
    pawl_candidates_fini(&all);
    must_make(fix, "d", 1); /* is one more than the highest */
    expect_order(fix, "d c b a");
    struct pawl_manifest manifest = {0};
    assert_int_equal(pawl_manifest_read(&manifest, &fix->store, "d", NULL), 0);
    assert_int_equal(manifest.sequence, 101);
    pawl_manifest_fini(&manifest);
    engine_fixture_free(fix);
}

static void test_a_copy_comes_after_the_original(void **state)
{
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    size_t len = 0;
    (void)state;
    make_signed(fix, "middle", 7, 1000);
    char *bytes = run_read(fix, "middle/pawl.json", &len);
    run_write(fix, "a-copy/pawl.json", bytes, len);
    run_write(fix, "z-copy/pawl.json", bytes, len);
    free(bytes);
    expect_order(fix, "middle a-copy z-copy");
    engine_fixture_free(fix);
}

static void test_time_orders_the_unsigned(void **state)
{
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    (void)state;
    make_unsigned(fix, "u2", 2000);
    make_unsigned(fix, "u4", 4000);
    make_unsigned(fix, "u9", 9000);
    make_signed(fix, "s3", 3, 3000);
    make_signed(fix, "s5", 5, 5000);
    run_remove(fix, "latest");
    expect_order(fix, "u9 s5 u4 s3 u2");
    /* `latest` says which unsigned one is first among them; the first in line
     * keeps its time. */
    run_write(fix, "latest", "u2\n", 3);
    expect_order(fix, "s5 s3 u2 u9 u4");
    run_write(fix, "latest", "s3", 2); /* a signed one: says nothing */
    expect_order(fix, "u9 s5 u4 s3 u2");
    run_write(fix, "latest", "../x\n", 5);
    expect_order(fix, "u9 s5 u4 s3 u2");
    engine_fixture_free(fix);
}

static void test_what_is_no_checkpoint(void **state)
{
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    struct pawl_error err;
    (void)state;
    make_signed(fix, "good", 1, 1000);
    make_signed(fix, "broken", 2, 2000);
    run_damage(fix, "broken/pawl.json");
    run_write(fix, "logs/events.txt", "hello", 5);
    run_write(fix, "file", "x", 1);
    run_write(fix, ".hidden/model.pt", "x", 1);
    run_write(fix, "newer/pawl.json", "{\"pawl_manifest\": 2}", 20);
    assert_int_equal(pawl_store_mkdir(&fix->store, "empty", &err), 0);
    must_create(fix, "making");
    expect_order(fix, "good");
    assert_non_null(strstr(fix->log, "'broken'"));
    assert_non_null(strstr(fix->log, "'newer'"));
    assert_null(strstr(fix->log, "'logs'"));
    assert_null(strstr(fix->log, "'empty'"));
    assert_int_equal(pawl_engine_abort(fix->engine, "making", NULL), 0);
    engine_fixture_free(fix);
}

/* A caller's directory, half merged by someone who is dead and cannot be
 * cleared away (another host, say): not whole, though it has torch files. */
static void test_half_a_merge(void **state)
{
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    struct pawl_error err;
    size_t len = 0;
    static const char elsewhere[] =
        "{\"tag\": \"two\", \"pid\": 1, \"hostname\": \"node7\"}";
    (void)state;
    must_make(fix, "one", 1);
    must_make(fix, "two", 2);
    char *bytes = run_read(fix, "two/pawl.json", &len);
    run_write(fix, ".pawl/two.merge/pawl.json", bytes, len);
    run_write(fix, ".pawl/two.owner", elsewhere, sizeof(elsewhere) - 1);
    free(bytes);
    run_remove(fix, "two/pawl.json");
    assert_string_equal(must_open(fix, NULL), "one");
    must_close(fix, "one");
    assert_failed(try_open(fix, "two", &err), PAWL_EBUSY, &err, "'node7'");
    run_remove(fix, ".pawl/two.owner");
    assert_string_equal(must_open(fix, NULL), "two"); /* finished by now */
    assert_int_equal(must_load(fix, "two/model.pt"), 2);
    assert_true(run_has(fix, "two/pawl.json"));
    engine_fixture_free(fix);
}

/* Where the kernel cannot keep a walk below the root (and under valgrind) links
 * are not followed. */
static bool follows_links(void)
{
    int fd = pawl_io_posix.open_beneath(NULL, AT_FDCWD, ".", O_PATH, 0);
    if (fd >= 0) {
        close(fd);
    }
    return fd != -ENOSYS;
}

static void test_links(void **state)
{
    (void)state;
    if (!follows_links()) {
        skip();
    }
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    must_make(fix, "one", 1);
    assert_int_equal(symlink("one", engine_fixture_path(fix, "best")), 0);
    assert_int_equal(symlink("/nowhere", engine_fixture_path(fix, "lost")), 0);
    assert_int_equal(symlink("one", engine_fixture_path(fix, "loop")), 0);
    expect_order(fix, "one best loop");
    assert_string_equal(must_open(fix, "best"), "best");
    assert_int_equal(must_load(fix, "best/model.pt"), 1);
    must_close(fix, "best");
    must_make(fix, "best", 2); /* takes the place of the link */
    assert_int_equal(must_load(fix, "one/model.pt"), 1);
    assert_int_equal(must_load(fix, "best/model.pt"), 2);
    assert_int_equal(run_count(fix, ".pawl"), 0);
    engine_fixture_free(fix);
}

/* A manifest that cannot be read at the moment is not overlooked: the next
 * checkpoint would get its number, or a lower one. */
static void test_reasons_of_the_moment(void **state)
{
    static const struct {
        int sys_errno;
        bool lasts;
    } reasons[] = {
        {EIO, false},    {EMFILE, false}, {ENOMEM, false},    {EROFS, false},
        {ESTALE, false}, {ENOSYS, false}, {ETIMEDOUT, false}, {EACCES, true},
        {EPERM, true},   {ELOOP, true},   {ENOTDIR, true},
    };
    struct engine_fixture *fix = engine_fixture_new("{}", false);
    struct fault_io *fault = fault_io_new(&pawl_io_posix);
    struct pawl_store store = {0};
    (void)state;
    must_make(fix, "one", 1);
    assert_int_equal(
        pawl_store_file_make(&store, fix->run, fault_io_table(fault), NULL), 0);
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        struct pawl_candidates all = {0};
        struct pawl_error err;
        const struct fault_plan plan = {
            .call = FAULT_FSTAT, .nth = 1, .sys_errno = reasons[i].sys_errno};
        fault_io_arm(fault, &plan); /* the first is the manifest's */
        int rc = pawl_discover_signed(&all, &store, &err);
        assert_int_equal(fault_io_fired(fault), 1);
        assert_int_equal(rc == 0, reasons[i].lasts);
        assert_int_equal(all.count, 0);
        pawl_candidates_fini(&all);
        fault_io_arm(fault, NULL);
        assert_int_equal(pawl_discover_signed(&all, &store, &err), 0);
        assert_int_equal(all.count, 1);
        pawl_candidates_fini(&all);
    }
    pawl_store_fini(&store);
    fault_io_free(fault);
    engine_fixture_free(fix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_order_the_signed),
        cmocka_unit_test(test_a_copy_comes_after_the_original),
        cmocka_unit_test(test_time_orders_the_unsigned),
        cmocka_unit_test(test_what_is_no_checkpoint),
        cmocka_unit_test(test_half_a_merge),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_reasons_of_the_moment),
    };
    return cmocka_run_group_tests_name("discover", tests, NULL, NULL);
}
