/* SPDX-License-Identifier: Apache-2.0 */
/* test_owner_fights.c - processes that take one tag at the same moment: slow,
 * and hopeless where a tool runs one of them at a time. */
#include "engine/owner.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "owner_stage.h"

enum { FIGHTERS = 6, ROUNDS = 40 };

/* Waits for the signal, takes, tells the outcome, and holds until it may end.
 */
static void fight(struct owner_stage *stage, int start_fd, int result_fd)
{
    enum pawl_owner_state was;
    char byte;
    if (read(start_fd, &byte, 1) != 0) { /* the end of the pipe */
        _exit(2);
    }
    int rc = pawl_owner_take(&was, NULL, stage->store, &stage->layout,
                             (uint64_t)getpid(), true, NULL);
    char result = rc == 0 ? 'w' : rc == PAWL_EBUSY ? 'l' : 'e';
    if (write(result_fd, &result, 1) != 1) {
        _exit(2);
    }
    for (;;) {
        pause();
    }
}

/* All take at the same moment; exactly one wins. */
static void fight_once(struct owner_stage *stage)
{
    int start[2];
    int result[2];
    pid_t pids[FIGHTERS];
    unsigned winners = 0;
    assert_int_equal(pipe(start), 0);
    assert_int_equal(pipe(result), 0);
    for (size_t i = 0; i < FIGHTERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            close(start[1]);
            fight(stage, start[0], result[1]);
        }
    }
    close(start[0]);
    close(start[1]);
    for (size_t i = 0; i < FIGHTERS; i++) {
        char how = 'e';
        assert_int_equal(read(result[0], &how, 1), 1);
        assert_int_not_equal(how, 'e');
        winners += how == 'w';
    }
    for (size_t i = 0; i < FIGHTERS; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    close(result[0]);
    close(result[1]);
    assert_int_equal(winners, 1);
}

static void test_fight_for_a_free_tag(void **arg)
{
    struct owner_stage *stage = *arg;
    for (int i = 0; i < ROUNDS; i++) {
        fight_once(stage);
        pawl_store_remove(stage->store, stage->layout.owner, NULL);
    }
}

/* The record of round N's winner, dead by then, is what round N+1 fights
 * for. */
static void test_fight_for_a_dead_ones_tag(void **arg)
{
    struct owner_stage *stage = *arg;
    for (int i = 0; i < ROUNDS; i++) {
        fight_once(stage);
        enum pawl_owner_state state;
        assert_int_equal(pawl_owner_look(&state, NULL, stage->store,
                                         &stage->layout, 0, NULL),
                         0);
        assert_int_equal(state, PAWL_OWNER_DEAD);
        assert_int_equal(run_count(stage->fix, ".pawl"), 1);
    }
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, owner_stage_set_up,                  \
                                    owner_stage_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_fight_for_a_free_tag),
        TEST(test_fight_for_a_dead_ones_tag),
    };
    return cmocka_run_group_tests_name("owner_fights", tests, NULL, NULL);
}
