/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool.c - tasks run, in order, all of them, and back-pressure holds. */
#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct pawl_pool *make_pool(unsigned threads, unsigned queue, int nice)
{
    struct pawl_pool *pool = NULL;
    struct pawl_pool_options options = {threads, queue, nice, "test-pool"};
    assert_int_equal(pawl_pool_new(&pool, &options, NULL), 0);
    return pool;
}

static void count_up(void *ctx)
{
    atomic_fetch_add((atomic_uint *)ctx, 1);
}

static void test_runs_all(void **state)
{
    (void)state;
    atomic_uint count = 0;
    struct pawl_pool *pool = make_pool(4, 8, 0);
    for (int i = 0; i < 10000; i++) {
        pawl_pool_submit(pool, count_up, &count);
    }
    pawl_pool_drain(pool);
    assert_int_equal(count, 10000);
    for (int i = 0; i < 5; i++) {
        pawl_pool_submit(pool, count_up, &count);
    }
    pawl_pool_free(pool); /* runs what is queued */
    assert_int_equal(count, 10005);
}

struct sequence {
    unsigned next;
    bool in_order;
};

struct step {
    struct sequence *sequence;
    unsigned number;
};

static void take_step(void *ctx)
{
    struct step *step = ctx;
    step->sequence->in_order &= step->sequence->next == step->number;
    step->sequence->next = step->number + 1;
}

static void test_one_thread_keeps_order(void **state)
{
    (void)state;
    struct sequence sequence = {0, true};
    struct step steps[500];
    struct pawl_pool *pool = make_pool(1, 3, 0);
    for (unsigned i = 0; i < 500; i++) {
        steps[i] = (struct step){&sequence, i};
        pawl_pool_submit(pool, take_step, &steps[i]);
    }
    pawl_pool_free(pool);
    assert_true(sequence.in_order);
    assert_int_equal(sequence.next, 500);
}

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool is_open;
    unsigned passed;
};

static void pass_gate(void *ctx)
{
    struct gate *gate = ctx;
    pthread_mutex_lock(&gate->lock);
    while (!gate->is_open) {
        pthread_cond_wait(&gate->opened, &gate->lock);
    }
    gate->passed++;
    pthread_mutex_unlock(&gate->lock);
}

struct producer {
    struct pawl_pool *pool;
    struct gate *gate;
    atomic_uint submitted;
};

static void *produce(void *arg)
{
    struct producer *producer = arg;
    for (int i = 0; i < 6; i++) {
        pawl_pool_submit(producer->pool, pass_gate, producer->gate);
        atomic_fetch_add(&producer->submitted, 1);
    }
    return NULL;
}

static void test_submit_waits_when_full(void **state)
{
    (void)state;
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
                        false, 0};
    struct producer producer = {make_pool(1, 2, 0), &gate, 0};
    pthread_t thread;
    pthread_create(&thread, NULL, produce, &producer);
    usleep(50 * 1000);
    /* One runs, two wait, so at most three submits came back. */
    assert_true(atomic_load(&producer.submitted) <= 3);

    pthread_mutex_lock(&gate.lock);
    gate.is_open = true;
    pthread_cond_broadcast(&gate.opened);
    pthread_mutex_unlock(&gate.lock);
    pthread_join(thread, NULL);
    pawl_pool_drain(producer.pool);
    assert_int_equal(gate.passed, 6);
    pawl_pool_free(producer.pool);
}

struct seen {
    bool usr1_blocked;
    int nice;
};

static void look(void *ctx)
{
    struct seen *seen = ctx;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    seen->usr1_blocked = sigismember(&mask, SIGUSR1) == 1;
    seen->nice = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
}

static void test_threads_are_polite(void **state)
{
    (void)state;
    struct seen seen = {false, 0};
    int own = getpriority(PRIO_PROCESS, 0);
    struct pawl_pool *pool = make_pool(1, 1, 5);
    pawl_pool_submit(pool, look, &seen);
    pawl_pool_free(pool);
    assert_true(seen.usr1_blocked);
    assert_int_equal(seen.nice, own + 5 > 19 ? 19 : own + 5);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_all),
        cmocka_unit_test(test_one_thread_keeps_order),
        cmocka_unit_test(test_submit_waits_when_full),
        cmocka_unit_test(test_threads_are_polite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
