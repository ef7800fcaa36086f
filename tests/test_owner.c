/* SPDX-License-Identifier: Apache-2.0 */
/* test_owner.c - tags that are taken, given back, and left by the dead. */
#include "engine/owner.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/listing.h"
#include "engine/recovery.h"
#include "fault_io.h"
#include "owner_stage.h"
#include "store/store_file.h"

enum { MINE = 1, OTHER_ENGINE = 2 };

static int take(struct owner_stage *stage, uint64_t token,
                enum pawl_owner_state *was, struct pawl_owner *from,
                struct pawl_error *err)
{
    return pawl_owner_take(was, from, stage->store, &stage->layout, token, true,
                           err);
}

static enum pawl_owner_state look(struct owner_stage *stage, uint64_t token,
                                  struct pawl_owner *out)
{
    enum pawl_owner_state state;
    assert_int_equal(
        pawl_owner_look(&state, out, stage->store, &stage->layout, token, NULL),
        0);
    return state;
}

static void test_take_and_drop(void **state)
{
    struct owner_stage *stage = *state;
    enum pawl_owner_state was;
    struct pawl_owner owner;
    struct pawl_error err;
    assert_int_equal(look(stage, MINE, NULL), PAWL_OWNER_NONE);
    assert_int_equal(take(stage, MINE, &was, NULL, &err), 0);
    assert_int_equal(was, PAWL_OWNER_NONE);
    assert_int_equal(look(stage, MINE, &owner), PAWL_OWNER_OURS);
    assert_string_equal(owner.tag, "one");
    assert_int_equal(owner.process.pid, getpid());
    assert_true(owner.created_unix_ms > UINT64_C(1600000000000));

    assert_int_equal(look(stage, OTHER_ENGINE, NULL), PAWL_OWNER_SELF);
    assert_failed(take(stage, OTHER_ENGINE, &was, NULL, &err), PAWL_EBUSY, &err,
                  "this process");
    assert_failed(pawl_owner_take(&was, NULL, stage->store, &stage->layout,
                                  MINE, false, &err),
                  PAWL_EBUSY, &err, "this process");
    assert_int_equal(take(stage, MINE, &was, NULL, &err), 0);
    assert_int_equal(was, PAWL_OWNER_OURS);
    assert_int_equal(pawl_owner_drop(stage->store, &stage->layout, &err), 0);
    assert_int_equal(pawl_owner_drop(stage->store, &stage->layout, &err), 0);
    assert_int_equal(look(stage, MINE, NULL), PAWL_OWNER_NONE);
    assert_int_equal(run_count(stage->fix, ".pawl"), 0); /* no claims left */
}

static void test_the_dead(void **state)
{
    struct owner_stage *stage = *state;
    enum pawl_owner_state was;
    struct pawl_owner from;
    struct pawl_error err;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(take(stage, MINE, &was, NULL, NULL) == 0 ? 0 : 1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(look(stage, MINE, &from), PAWL_OWNER_DEAD);
    assert_int_equal(take(stage, MINE, &was, &from, &err), 0);
    assert_int_equal(was, PAWL_OWNER_DEAD);
    assert_int_equal(from.process.pid, pid);
    assert_int_equal(look(stage, MINE, NULL), PAWL_OWNER_OURS);
    assert_int_equal(run_count(stage->fix, ".pawl"), 1);
}

/* A child has its parent's token, and is another process all the same. */
static void test_a_child_is_another(void **state)
{
    struct owner_stage *stage = *state;
    enum pawl_owner_state was;
    assert_int_equal(take(stage, MINE, &was, NULL, NULL), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        bool ok = look(stage, MINE, NULL) == PAWL_OWNER_OTHER &&
                  take(stage, MINE, &was, NULL, NULL) == PAWL_EBUSY;
        _exit(ok ? 0 : 1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void put_record(struct owner_stage *stage, const char *text)
{
    run_write(stage->fix, stage->layout.owner, text, strlen(text));
}

static void test_other_hosts_are_never_dead(void **state)
{
    struct owner_stage *stage = *state;
    enum pawl_owner_state was;
    struct pawl_error err;
    put_record(stage, "{\"tag\": \"one\", \"pid\": 4711, \"start_ticks\": 1, "
                      "\"pid_ns\": 1, \"hostname\": \"node7\", "
                      "\"machine_id\": \"m\", \"boot_id\": \"b\", "
                      "\"token\": \"1\", \"created_unix_ms\": 1}");
    assert_int_equal(look(stage, MINE, NULL), PAWL_OWNER_OTHER);
    assert_failed(take(stage, MINE, &was, NULL, &err), PAWL_EBUSY, &err,
                  "process 4711 on 'node7'");
    put_record(stage, "{}"); /* says nothing, so it proves nothing */
    assert_int_equal(take(stage, MINE, &was, NULL, &err), PAWL_EBUSY);
}

/* Puts `text` in the place of the number behind `key` of the record. */
static void age_record(struct owner_stage *stage, const char *key,
                       const char *text)
{
    size_t len = 0;
    char *record = run_read(stage->fix, stage->layout.owner, &len);
    char *at = strstr(record, key);
    char aged[8192];
    assert_non_null(at);
    at += strlen(key);
    size_t digits = strspn(at, "0123456789");
    assert_true(digits > 0);
    snprintf(aged, sizeof(aged), "%.*s%s%s", (int)(at - record), record, text,
             at + digits);
    put_record(stage, aged);
    free(record);
    const struct timespec never[2] = {{0, 0}, {0, 0}};
    const char *path = engine_fixture_path(stage->fix, stage->layout.owner);
    utimensat(AT_FDCWD, path, never, 0); /* not there: a store in memory */
}

/* A holder that lives keeps the tag, however long ago he took it and whatever
 * the clocks say; one that is dead has lost it, even in the future. */
static void test_age_proves_nothing(void **state)
{
    static const char *const times[] = {"1", "1000000000000", "9000000000000"};
    struct owner_stage *stage = *state;
    enum pawl_owner_state was;
    struct pawl_error err;
    int fds[2];
    char byte;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        byte = take(stage, MINE, &was, NULL, NULL) == 0 ? 'y' : 'n';
        while (write(fds[1], &byte, 1) == 1) {
            pause();
        }
        _exit(1);
    }
    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        age_record(stage, "\"created_unix_ms\": ", times[i]);
        assert_int_equal(look(stage, OTHER_ENGINE, NULL), PAWL_OWNER_OTHER);
        assert_failed(take(stage, OTHER_ENGINE, &was, NULL, &err), PAWL_EBUSY,
                      &err, "is being made by process");
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(take(stage, OTHER_ENGINE, &was, NULL, &err), 0);
    assert_int_equal(was, PAWL_OWNER_DEAD);
    close(fds[0]);
    close(fds[1]);
}

/* Records are renamed to their place whole: what is none was never finished. */
static void test_rubbish_is_dead(void **state)
{
    struct owner_stage *stage = *state;
    const char *texts[] = {"", "{", "[]", "{\"tag\": \"one\"", "\xff\xfe"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        enum pawl_owner_state was;
        put_record(stage, texts[i]);
        assert_int_equal(take(stage, MINE, &was, NULL, NULL), 0);
        assert_int_equal(was, PAWL_OWNER_DEAD);
        assert_int_equal(look(stage, MINE, NULL), PAWL_OWNER_OURS);
        pawl_owner_drop(stage->store, &stage->layout, NULL);
    }
}

static void test_claims_of_the_dead_are_swept(void **state)
{
    struct owner_stage *stage = *state;
    const char *claim = ".pawl/one.0123456789abcdef.claim";
    enum pawl_owner_state was;
    run_write(stage->fix, claim, "", 0);
    pawl_owner_sweep_claim(stage->store, claim, 0);
    assert_false(run_has(stage->fix, claim));

    assert_int_equal(take(stage, MINE, &was, NULL, NULL), 0);
    assert_int_equal(pawl_store_rename(stage->store, stage->layout.owner, claim,
                                       PAWL_RENAME_NEW, NULL),
                     0);
    pawl_owner_sweep_claim(stage->store, claim, 0);
    pawl_owner_sweep_claim(stage->store, claim, OTHER_ENGINE);
    assert_true(run_has(stage->fix, claim));
    pawl_owner_sweep_claim(stage->store, claim, MINE);
    assert_false(run_has(stage->fix, claim));
}

/* ---- death on the way -----------------------------------------------------
 */

struct dying {
    struct fault_io *fault;
    size_t left;
};

static void die_at_zero(void *ctx, const struct fault_record *record)
{
    struct dying *dying = ctx;
    (void)record;
    if (--dying->left == 0) {
        _exit(1);
    }
}

/* A child takes the tag, and dies before its call `nth`.  Whether it did. */
static bool take_and_die(struct owner_stage *stage, size_t nth)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct dying dying = {fault_io_new(&pawl_io_posix), nth};
        struct owner_stage child = *stage;
        struct pawl_store store;
        enum pawl_owner_state was;
        fault_io_set_hook(dying.fault, die_at_zero, &dying);
        pawl_store_file_make(&store, stage->fix->run,
                             fault_io_table(dying.fault), NULL);
        child.store = &store;
        _exit(take(&child, (uint64_t)getpid(), &was, NULL, NULL) == 0 ? 0 : 2);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    assert_int_not_equal(WEXITSTATUS(status), 2);
    return WEXITSTATUS(status) == 1;
}

/* Each of a row of heirs dies a call later than the one before, so names are
 * left at every stage, often several deep; the last one gets the tag. */
static void test_death_while_taking(void **state)
{
    struct owner_stage *stage = *state;
    enum pawl_owner_state was;
    struct pawl_error err;
    size_t deepest = 0;
    for (size_t heirs = 1; heirs <= 4; heirs++) {
        for (size_t nth = 1;; nth++) {
            bool died = true;
            assert_false(take_and_die(stage, 100000)); /* the dead one */
            for (size_t i = 0; i < heirs; i++) {
                died = take_and_die(stage, nth) && died;
            }
            size_t left = run_count(stage->fix, ".pawl");
            deepest = left > deepest ? left : deepest;
            int rc = take(stage, MINE, &was, NULL, &err);
            if (rc < 0) {
                fail_msg("%zu heirs, call %zu: %s", heirs, nth, err.message);
            }
            assert_int_equal(look(stage, MINE, NULL), PAWL_OWNER_OURS);
            assert_int_equal(pawl_recover_tag(stage->store, &stage->layout,
                                              false, NULL, &err),
                             0);
            pawl_owner_drop(stage->store, &stage->layout, NULL);
            struct pawl_recovery rest = {.store = stage->store, .token = MINE};
            pawl_recover(&rest);
            assert_int_equal(run_count(stage->fix, ".pawl"), 0);
            if (!died) {
                break;
            }
        }
    }
    assert_true(deepest >= 5); /* the record and four on the way to it */
}

/* A power cut: the names are there, and of each record nothing. */
static void empty_all_records(struct owner_stage *stage)
{
    struct pawl_listing work = {0};
    pawl_listing_dir(&work, stage->store, PAWL_WORK_DIR, NULL);
    for (size_t i = 0; i < work.count; i++) {
        char name[PAWL_WORK_NAME_MAX];
        snprintf(name, sizeof(name), PAWL_WORK_DIR "/%s", work.items[i].path);
        run_write(stage->fix, name, "", 0);
    }
    pawl_listing_fini(&work);
}

/* Each heir is ended by a power cut, which also empties what is there. */
static void test_power_cuts_while_taking(void **state)
{
    struct owner_stage *stage = *state;
    enum pawl_owner_state was;
    struct pawl_error err;
    bool died = true;
    for (size_t nth = 1; died; nth++) {
        assert_false(take_and_die(stage, 100000)); /* the dead one */
        for (size_t i = 0; i < 3; i++) {
            empty_all_records(stage);
            died = take_and_die(stage, nth) && died;
        }
        empty_all_records(stage);
        int rc = take(stage, MINE, &was, NULL, &err);
        if (rc < 0) {
            fail_msg("call %zu: %s", nth, err.message);
        }
        assert_int_equal(
            pawl_recover_tag(stage->store, &stage->layout, false, NULL, &err),
            0);
        pawl_owner_drop(stage->store, &stage->layout, NULL);
        struct pawl_recovery rest = {.store = stage->store, .token = MINE};
        pawl_recover(&rest);
        assert_int_equal(run_count(stage->fix, ".pawl"), 0);
    }
}

/* ---- a late heir ----------------------------------------------------------
 */

struct rival {
    struct owner_stage *stage;
    int rc; /* of his taking; 1: not yet */
};

/* Just before the heir makes himself known, another takes the tag. */
static void take_before_him(void *ctx, const struct fault_record *record)
{
    struct rival *rival = ctx;
    enum pawl_owner_state was;
    if (rival->rc == 1 && record->call == FAULT_RENAMEAT2 &&
        strstr(record->path_to, ".next") != NULL) {
        rival->rc = 0;
        rival->rc = take(rival->stage, OTHER_ENGINE, &was, NULL, NULL);
    }
}

/* He has seen the dead one's record, but it is gone when he comes. */
static void test_a_late_heir_gets_nothing(void **state)
{
    struct owner_stage *stage = *state;
    struct rival rival = {stage, 1};
    struct fault_io *fault = fault_io_new(&pawl_io_posix);
    struct owner_stage heir = *stage;
    struct pawl_store store;
    enum pawl_owner_state was;
    struct pawl_error err;
    assert_false(take_and_die(stage, 100000)); /* the dead one */
    assert_int_equal(pawl_store_file_make(&store, stage->fix->run,
                                          fault_io_table(fault), NULL),
                     0);
    fault_io_set_hook(fault, take_before_him, &rival);
    heir.store = &store;
    assert_failed(take(&heir, MINE, &was, NULL, &err), PAWL_EBUSY, &err,
                  "this process");
    assert_int_equal(rival.rc, 0);
    assert_int_equal(look(stage, OTHER_ENGINE, NULL), PAWL_OWNER_OURS);
    assert_int_equal(run_count(stage->fix, ".pawl"), 1);
    pawl_store_fini(&store);
    fault_io_free(fault);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, owner_stage_set_up,                  \
                                    owner_stage_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_take_and_drop),
        TEST(test_the_dead),
        TEST(test_a_child_is_another),
        TEST(test_other_hosts_are_never_dead),
        TEST(test_rubbish_is_dead),
        TEST(test_claims_of_the_dead_are_swept),
        TEST(test_age_proves_nothing),
        TEST(test_death_while_taking),
        TEST(test_power_cuts_while_taking),
        TEST(test_a_late_heir_gets_nothing),
    };
    return cmocka_run_group_tests_name("owner", tests, NULL, NULL);
}
