/* SPDX-License-Identifier: Apache-2.0 */
/* test_process.c - identities of real children, alive, killed and reaped. */
#include "base/process.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A child that told who it is and now sleeps until it is killed. */
struct child {
    pid_t pid;
    struct pawl_process_id id;
};

static void *sleep_forever(void *arg)
{
    for (;;) {
        pause();
    }
    return arg;
}

/* What the child does once it has told its identity. */
enum manner { SLEEPS, LEAVES_A_THREAD };

static void be_child(int out_fd, enum manner manner)
{
    /* The hardest name to parse. */
    prctl(PR_SET_NAME, "a) Z 1 (b\n");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pthread_t thread;
    if (manner == LEAVES_A_THREAD) {
        pthread_create(&thread, NULL, sleep_forever, NULL);
    }
    struct pawl_process_id id;
    pawl_process_self(&id);
    if (write(out_fd, &id, sizeof(id)) != (ssize_t)sizeof(id)) {
        _exit(1);
    }
    if (manner == LEAVES_A_THREAD) {
        pthread_exit(NULL);
    }
    sleep_forever(NULL);
}

static struct child start_child(enum manner manner)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    fflush(stdout);
    struct child child = {.pid = fork()};
    assert_true(child.pid >= 0);
    if (child.pid == 0) {
        be_child(fds[1], manner);
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], &child.id, sizeof(child.id)),
                     sizeof(child.id));
    close(fds[0]);
    return child;
}

/* Killed, and a zombie: waited for, but not reaped. */
static void kill_child(const struct child *child)
{
    assert_int_equal(kill(child->pid, SIGKILL), 0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT),
                     0);
}

static void reap_child(const struct child *child)
{
    assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
}

static void test_self_is_known_and_alive(void **state)
{
    (void)state;
    struct pawl_process_id id;
    pawl_process_self(&id);
    assert_int_equal(id.pid, getpid());
    assert_true(id.start_ticks > 0);
    assert_true(id.pid_ns > 0);
    assert_int_equal(strlen(id.boot_id), 36);
    assert_true(id.hostname[0] != '\0');
    assert_int_equal(pawl_process_liveness(&id), PAWL_PROCESS_ALIVE);
}

static void
test_a_killed_child_is_dead_before_and_after_it_is_reaped(void **state)
{
    (void)state;
    struct child child = start_child(SLEEPS);
    assert_int_equal(child.id.pid, child.pid);
    assert_int_equal(pawl_process_liveness(&child.id), PAWL_PROCESS_ALIVE);
    kill_child(&child);
    assert_int_equal(pawl_process_liveness(&child.id), PAWL_PROCESS_DEAD);
    reap_child(&child);
    assert_int_equal(pawl_process_liveness(&child.id), PAWL_PROCESS_DEAD);
}

/* Its /proc entry says 'Z', but it can still write. */
static void test_a_process_whose_first_thread_ended_is_alive(void **state)
{
    (void)state;
    struct child child = start_child(LEAVES_A_THREAD);
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)child.pid);
    char text[1024] = "";
    for (int i = 0; i < 500 && strstr(text, ") Z ") == NULL; i++) {
        usleep(2000);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        fclose(file);
        memmove(text, strrchr(text, ')'), strlen(strrchr(text, ')')) + 1);
    }
    assert_int_equal(text[2], 'Z');
    assert_int_equal(pawl_process_liveness(&child.id), PAWL_PROCESS_ALIVE);
    kill_child(&child);
    assert_int_equal(pawl_process_liveness(&child.id), PAWL_PROCESS_DEAD);
    reap_child(&child);
}

static void test_a_pid_used_again_is_another_process(void **state)
{
    (void)state;
    struct pawl_process_id id;
    pawl_process_self(&id);
    id.start_ticks--;
    assert_int_equal(pawl_process_liveness(&id), PAWL_PROCESS_DEAD);
    id.start_ticks = 0;
    assert_int_equal(pawl_process_liveness(&id), PAWL_PROCESS_UNKNOWN);
}

static void test_another_namespace_proves_nothing(void **state)
{
    (void)state;
    struct child child = start_child(SLEEPS);
    kill_child(&child);
    reap_child(&child);
    struct pawl_process_id id = child.id;
    id.pid_ns++;
    assert_int_equal(pawl_process_liveness(&id), PAWL_PROCESS_UNKNOWN);
    id.pid_ns = 0;
    assert_int_equal(pawl_process_liveness(&id), PAWL_PROCESS_UNKNOWN);
}

static void test_another_boot_of_this_machine_is_dead(void **state)
{
    (void)state;
    struct pawl_process_id id;
    pawl_process_self(&id);
    if (id.machine_id[0] == '\0') {
        skip();
    }
    id.boot_id[0] = id.boot_id[0] == '0' ? '1' : '0';
    assert_int_equal(pawl_process_liveness(&id), PAWL_PROCESS_DEAD);

    struct pawl_process_id other = id;
    strcat(other.hostname, "x");
    assert_int_equal(pawl_process_liveness(&other), PAWL_PROCESS_UNKNOWN);
    other = id;
    other.machine_id[0] = other.machine_id[0] == '0' ? '1' : '0';
    assert_int_equal(pawl_process_liveness(&other), PAWL_PROCESS_UNKNOWN);
    other = id;
    other.machine_id[0] = '\0';
    assert_int_equal(pawl_process_liveness(&other), PAWL_PROCESS_UNKNOWN);
    other = id;
    other.hostname[0] = '\0';
    assert_int_equal(pawl_process_liveness(&other), PAWL_PROCESS_UNKNOWN);
}

static void test_a_missing_boot_proves_nothing(void **state)
{
    (void)state;
    struct child child = start_child(SLEEPS);
    kill_child(&child);
    reap_child(&child);
    child.id.boot_id[0] = '\0';
    assert_int_equal(pawl_process_liveness(&child.id), PAWL_PROCESS_UNKNOWN);
}

static void test_pids_that_are_none_prove_nothing(void **state)
{
    (void)state;
    const int64_t pids[] = {0,         -1,        -0x3ffffffd,
                            INT64_MIN, INT64_MAX, 1LL << 32};
    struct pawl_process_id id;
    pawl_process_self(&id);
    for (size_t i = 0; i < sizeof(pids) / sizeof(pids[0]); i++) {
        id.pid = pids[i];
        assert_int_equal(pawl_process_liveness(&id), PAWL_PROCESS_UNKNOWN);
    }
}

static void test_the_umask_is_told_and_stays(void **state)
{
    (void)state;
    static const mode_t masks[] = {0, 022, 027, 077, 0777};
    mode_t old = umask(0);
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        mode_t told = 01234;
        umask(masks[i]);
        assert_true(pawl_process_umask(&told));
        assert_int_equal(told, masks[i]);
        assert_int_equal(umask(old), masks[i]);
    }
    umask(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_self_is_known_and_alive),
        cmocka_unit_test(
            test_a_killed_child_is_dead_before_and_after_it_is_reaped),
        cmocka_unit_test(test_a_process_whose_first_thread_ended_is_alive),
        cmocka_unit_test(test_a_pid_used_again_is_another_process),
        cmocka_unit_test(test_another_namespace_proves_nothing),
        cmocka_unit_test(test_another_boot_of_this_machine_is_dead),
        cmocka_unit_test(test_a_missing_boot_proves_nothing),
        cmocka_unit_test(test_pids_that_are_none_prove_nothing),
        cmocka_unit_test(test_the_umask_is_told_and_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
