/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_spare.c - files of deleted checkpoints are written over, never those of
 * checkpoints that can be found
 */
#include "engine/spare.h"

#include "engine_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define RECYCLE "{\"engine\": \"%s\", \"recycle\": true, \"keep_last\": 2}"

static struct engine_fixture *begin(void **state)
{
    char config[128];
    snprintf(config, sizeof(config), RECYCLE, (const char *)*state);
    return engine_fixture_new(config, false);
}

static ino_t inode_of(struct engine_fixture *fix, const char *name)
{
    struct stat st;
    assert_int_equal(stat(engine_fixture_path(fix, name), &st), 0);
    return st.st_ino;
}

/* Two files of different sizes, which swap them every time. */
static void make_two(struct engine_fixture *fix, int number)
{
    char tag[32];
    char name[64];
    snprintf(tag, sizeof(tag), "step-%d", number);
    must_create(fix, tag);
    for (int k = 0; k < 2; k++) {
        size_t count = (number + k) % 2 == 0 ? 40000 : 70;
        struct pawl_state *s = numbered_state(2 * number + k, count);
        snprintf(name, sizeof(name), "%s/sub/%d.pt", tag, k);
        assert_int_equal(pawl_engine_save(fix->engine, s,
                                          engine_fixture_path(fix, name), NULL),
                         0);
        pawl_state_free(s);
    }
    must_commit(fix, tag);
}

static void check_two(struct engine_fixture *fix, int number)
{
    char tag[32];
    char name[64];
    snprintf(tag, sizeof(tag), "step-%d", number);
    must_open(fix, tag); /* compares every checksum */
    for (int k = 0; k < 2; k++) {
        snprintf(name, sizeof(name), "%s/sub/%d.pt", tag, k);
        assert_int_equal(must_load(fix, name), 2 * number + k);
    }
    must_close(fix, tag);
}

static void test_files_come_back(void **state)
{
    struct engine_fixture *fix = begin(state);
    ino_t first[2] = {0};
    for (int i = 1; i <= 8; i++) {
        make_two(fix, i);
        if (i == 1) {
            first[0] = inode_of(fix, "step-1/sub/0.pt");
            first[1] = inode_of(fix, "step-1/sub/1.pt");
        }
        check_two(fix, i);
        if (i > 1) {
            check_two(fix, i - 1);
        }
        /* Never more than one checkpoint's files wait. */
        assert_true(run_count(fix, ".pawl/spare") <= 2);
    }
    /* 1 was deleted by the commit of 3, and its files became those of 4, ... */
    ino_t last[2] = {inode_of(fix, "step-7/sub/0.pt"),
                     inode_of(fix, "step-7/sub/1.pt")};
    assert_true((last[0] == first[0] && last[1] == first[1]) ||
                (last[0] == first[1] && last[1] == first[0]));
    engine_fixture_free(fix);
}

static void test_hard_links_keep_their_bytes(void **state)
{
    struct engine_fixture *fix = begin(state);
    char linked[4200];
    make_two(fix, 1);
    snprintf(linked, sizeof(linked), "%s/mine.pt", fix->dir);
    assert_int_equal(link(engine_fixture_path(fix, "step-1/sub/0.pt"), linked),
                     0);
    for (int i = 2; i <= 6; i++) {
        make_two(fix, i);
    }
    struct pawl_state *s = NULL;
    assert_int_equal(pawl_load(&s, linked, 0, NULL), 0);
    assert_int_equal(number_of(s), 2);
    pawl_state_free(s);
    engine_fixture_free(fix);
}

static mode_t mode_of(struct engine_fixture *fix, const char *name)
{
    struct stat st;
    assert_int_equal(stat(engine_fixture_path(fix, name), &st), 0);
    return st.st_mode & 07777;
}

/* Who saves what is secret by now does not get a file that all may read. */
static void test_modes_follow_the_umask(void **state)
{
    struct engine_fixture *fix = begin(state);
    mode_t old = umask(022);
    for (int i = 1; i <= 3; i++) {
        make_two(fix, i);
    }
    make_two(fix, 4); /* over those of 1, which are like new ones */
    assert_int_equal(mode_of(fix, "step-4/sub/0.pt"), 0644);
    umask(077);
    make_two(fix, 5); /* not over those of 2 */
    check_two(fix, 5);
    assert_int_equal(mode_of(fix, "step-5/sub/0.pt"), 0600);
    assert_int_equal(mode_of(fix, "step-5/sub/1.pt"), 0600);
    assert_int_equal(mode_of(fix, "step-5/pawl.json"), 0600);
    assert_int_equal(mode_of(fix, "step-5"), 0700);
    umask(old);
    engine_fixture_free(fix);
}

static void test_turned_off(void **state)
{
    struct engine_fixture *fix = begin(state);
    for (int i = 1; i <= 3; i++) {
        make_two(fix, i);
    }
    assert_int_equal(run_count(fix, ".pawl/spare"), 2);
    engine_fixture_restart(fix, "{\"keep_last\": 2}");
    make_two(fix, 4);
    assert_false(run_has(fix, ".pawl/spare"));
    check_two(fix, 4);
    engine_fixture_free(fix);
}

static void test_damaged_spare_is_no_harm(void **state)
{
    struct engine_fixture *fix = begin(state);
    for (int i = 1; i <= 3; i++) {
        make_two(fix, i);
    }
    /* Something that is no regular file, and foreign names. */
    char path[4300];
    snprintf(path, sizeof(path), "%s/.pawl/spare/0000", fix->run);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(path, sizeof(path), "%s/.pawl/spare/dir", fix->run);
    assert_int_equal(mkdir(path, 0700), 0);
    for (int i = 4; i <= 7; i++) {
        make_two(fix, i);
        check_two(fix, i);
    }
    engine_fixture_free(fix);
}

/* Each test on each engine that writes files. */
#define ON(test, engine)                                                       \
    {                                                                          \
#test " (" engine ")", test, NULL, NULL, (void *)(uintptr_t)engine     \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(test_files_come_back, "torch"),
        ON(test_files_come_back, "direct"),
        ON(test_files_come_back, "async"),
        ON(test_hard_links_keep_their_bytes, "torch"),
        ON(test_hard_links_keep_their_bytes, "direct"),
        ON(test_modes_follow_the_umask, "torch"),
        ON(test_modes_follow_the_umask, "async"),
        ON(test_turned_off, "torch"),
        ON(test_turned_off, "direct"),
        ON(test_damaged_spare_is_no_harm, "torch"),
        ON(test_damaged_spare_is_no_harm, "direct"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
