/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_comm_mpi.c - ranks of MPI exchange texts by key, in time
 *
 * Run by mpirun with at least 2 ranks; all run the same tests in the same
 * order.
 */
#include <pawl/pawl_mpi.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 20000 };

static struct pawl_comm comm;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What rank `rank` gives under `key`: `extra` bytes more than its name. */
static char *text_of(const char *key, uint32_t rank, size_t extra, size_t *len)
{
    char name[512];
    int n = snprintf(name, sizeof(name), "%s of %u:", key, (unsigned)rank);
    char *text = malloc((size_t)n + extra + 1);
    memcpy(text, name, (size_t)n);
    for (size_t i = 0; i < extra; i++) {
        text[(size_t)n + i] = (char)(i * 7 + rank + i / 251);
    }
    *len = (size_t)n + extra;
    return text;
}

struct expected {
    const char *key;
    size_t extra;  /* times (rank + 1) */
    uint32_t next; /* ranks come in order, but some may be left out */
    uint64_t came; /* a bit for each rank */
    int wrong;
};

/* Not by assertions: it also runs on threads that cmocka does not know. */
static int compare(void *ctx, uint32_t rank, const void *data, size_t len)
{
    struct expected *e = ctx;
    size_t want_len = 0;
    char *want = text_of(e->key, rank, e->extra * (rank + 1), &want_len);
    e->wrong +=
        rank < e->next || len != want_len || memcmp(data, want, len) != 0;
    e->next = rank + 1;
    e->came |= UINT64_C(1) << rank;
    free(want);
    return 0;
}

/* Also what was handed over, which is all, or all but the missing ranks in the
 * mask `absent` when that is the outcome. */
static int exchange_without(uint64_t absent, const char *key, size_t extra,
                            int64_t timeout_ms, uint32_t *missing,
                            struct pawl_error *err)
{
    size_t len = 0;
    char *text = text_of(key, comm.rank, extra * (comm.rank + 1), &len);
    struct expected e = {.key = key, .extra = extra};
    int rc = comm.ops->exchange(comm.ctx, key, text, len, timeout_ms, compare,
                                &e, missing, err);
    free(text);
    uint64_t all = (UINT64_C(1) << comm.size) - 1;
    uint64_t want = timeout_ms == 0        ? 0
                    : rc == 0              ? all
                    : rc == PAWL_ETIMEDOUT ? all & ~absent
                                           : 0;
    if (e.wrong > 0 || e.came != want) {
        fprintf(stderr, "rank %u, key %s: %d wrong, came %llx, not %llx\n",
                (unsigned)comm.rank, key, e.wrong, (unsigned long long)e.came,
                (unsigned long long)want);
        return PAWL_EBUG;
    }
    return rc;
}

static int exchange_text(const char *key, size_t extra, int64_t timeout_ms,
                         uint32_t *missing, struct pawl_error *err)
{
    return exchange_without(0, key, extra, timeout_ms, missing, err);
}

static void must_exchange(const char *key, size_t extra)
{
    struct pawl_error err = {0};
    uint32_t missing = 0;
    int rc = exchange_text(key, extra, WAIT_MS, &missing, &err);
    if (rc < 0) {
        fprintf(stderr, "rank %u: %s\n", (unsigned)comm.rank, err.message);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(missing, UINT32_MAX);
}

/* ---- tests --------------------------------------------------------------- */

static void test_texts(void **state)
{
    (void)state;
    must_exchange("nothing more", 0);
    must_exchange("kilobytes", 10000);
    must_exchange("megabytes", 3000000);
    char key[401];
    memset(key, 'k', 400);
    key[400] = '\0';
    must_exchange(key, 10);
}

static void test_empty(void **state)
{
    (void)state;
    struct pawl_error err;
    uint32_t missing = 0;
    assert_int_equal(comm.ops->exchange(comm.ctx, "empty", NULL, 0, WAIT_MS,
                                        NULL, NULL, &missing, &err),
                     0);
}

static void test_many(void **state)
{
    (void)state;
    int64_t start = now_ms();
    for (int i = 0; i < 500; i++) {
        char key[32];
        snprintf(key, sizeof(key), "many %d", i);
        must_exchange(key, 50);
    }
    if (comm.rank == 0) {
        printf("%.3f ms an exchange\n", (double)(now_ms() - start) / 500);
    }
}

struct job {
    const char *keys[2];
    size_t extra;
    int rc;
};

static void *run_job(void *ctx)
{
    struct job *job = ctx;
    for (int i = 0; i < 2 && job->rc == 0; i++) {
        struct pawl_error err = {0};
        uint32_t missing;
        job->rc =
            exchange_text(job->keys[i], job->extra, WAIT_MS, &missing, &err);
        if (job->rc < 0) {
            fprintf(stderr, "rank %u: %s\n", (unsigned)comm.rank, err.message);
        }
    }
    return NULL;
}

/* Odd ranks have the keys of each pair in the other order, so each of two
 * threads waits for what the other thread of another rank gives last. */
static void test_threads_out_of_order(void **state)
{
    (void)state;
    bool odd = comm.rank % 2 == 1;
    struct job one = {.keys = {odd ? "y" : "x", "z1"}, .extra = 20000};
    struct job two = {.keys = {odd ? "x" : "y", "z2"}, .extra = 20000};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_job, &one), 0);
    run_job(&two);
    pthread_join(thread, NULL);
    assert_int_equal(one.rc, 0);
    assert_int_equal(two.rc, 0);
}

static void *wait_in_vain(void *ctx)
{
    struct pawl_error err;
    uint32_t missing = 0;
    *(int *)ctx = exchange_without(UINT64_C(1) << (comm.size - 1), "in vain",
                                   10, 1500, &missing, &err);
    return NULL;
}

/* All but the last rank wait on one thread for the last, which does not come,
 * and are not held up on the other. */
static void test_waiting_holds_nobody_up(void **state)
{
    (void)state;
    int rc = 0;
    pthread_t thread;
    bool waits = comm.rank + 1 < comm.size;
    if (waits) {
        assert_int_equal(pthread_create(&thread, NULL, wait_in_vain, &rc), 0);
    }
    int64_t start = now_ms();
    for (int i = 0; i < 20; i++) {
        char key[32];
        snprintf(key, sizeof(key), "meanwhile %d", i);
        must_exchange(key, 1000);
    }
    assert_in_range(now_ms() - start, 0, 1200);
    if (waits) {
        pthread_join(thread, NULL);
        assert_int_equal(rc, PAWL_ETIMEDOUT);
    }
}

/* Rank `absent` comes only when the others gave up, who have each other's
 * texts by then. */
static void go_without(uint32_t absent, const char *key)
{
    struct pawl_error err = {0};
    uint32_t missing = 0;
    if (comm.rank == absent) {
        usleep(1000000);
        /* The others gave their texts before they gave up. */
        assert_int_equal(exchange_text(key, 10000, WAIT_MS, &missing, &err), 0);
        return;
    }
    int64_t start = now_ms();
    assert_int_equal(exchange_without(UINT64_C(1) << absent, key, 10000, 500,
                                      &missing, &err),
                     PAWL_ETIMEDOUT);
    assert_in_range(now_ms() - start, 500, 1500);
    assert_int_equal(missing, absent);
    char want[32];
    snprintf(want, sizeof(want), "rank %u did not", (unsigned)absent);
    assert_non_null(strstr(err.message, want));
}

static void test_missing_rank(void **state)
{
    (void)state;
    must_exchange("before missing", 0);
    go_without(comm.size - 1, "without the last");
    must_exchange("between missing", 0);
    go_without(0, "without the first");
    must_exchange("after missing", 10000);
}

static void test_only_give(void **state)
{
    (void)state;
    struct pawl_error err;
    uint32_t missing = 0;
    if (comm.rank == 0) {
        int64_t start = now_ms();
        assert_int_equal(exchange_text("give", 100, 0, &missing, &err), 0);
        assert_in_range(now_ms() - start, 0, 100);
    } else {
        must_exchange("give", 100);
    }
    must_exchange("after give", 0);
}

static void test_bad_calls(void **state)
{
    (void)state;
    struct pawl_error err = {0};
    uint32_t missing = 0;
    char key[402];
    memset(key, 'k', 401);
    key[401] = '\0';
    assert_int_equal(exchange_text(key, 0, 100, &missing, &err), PAWL_EINVAL);
    assert_int_equal(exchange_text("", 0, 100, &missing, &err), PAWL_EINVAL);
    struct pawl_comm other = {.size = 77};
    assert_int_equal(pawl_comm_mpi(&other, MPI_COMM_NULL, &err), PAWL_EINVAL);
    assert_int_equal(other.size, 77);
}

static int stop_at_1(void *ctx, uint32_t rank, const void *data, size_t len)
{
    (void)ctx;
    (void)data;
    (void)len;
    return rank == 1 ? -77 : 0;
}

static void test_part_ends_it(void **state)
{
    (void)state;
    struct pawl_error err;
    uint32_t missing;
    assert_int_equal(comm.ops->exchange(comm.ctx, "stop", "x", 1, WAIT_MS,
                                        stop_at_1, NULL, &missing, &err),
                     -77);
}

/* Hundreds of keys that rank 0 gives and nobody asks for leave room. */
static void test_unasked_keys(void **state)
{
    (void)state;
    struct pawl_error err;
    uint32_t missing;
    for (int i = 0; i < 400 && comm.rank == 0; i++) {
        char key[32];
        snprintf(key, sizeof(key), "unasked %d", i);
        assert_int_equal(exchange_text(key, 10, 0, &missing, &err), 0);
    }
    must_exchange("after unasked", 100);
}

/* Sends what this rank prints to a file, unless it is rank 0: one report of a
 * test is enough. */
static FILE *hush(int *old_stderr)
{
    FILE *file = comm.rank == 0 ? NULL : tmpfile();
    *old_stderr = dup(STDERR_FILENO);
    if (file != NULL) {
        fflush(NULL);
        dup2(fileno(file), STDOUT_FILENO);
        dup2(fileno(file), STDERR_FILENO);
    }
    return file;
}

/* Shows it after all, since a test failed here. */
static void show(FILE *file, int old_stderr)
{
    char buffer[4096];
    size_t len = 0;
    fflush(NULL);
    rewind(file);
    while ((len = fread(buffer, 1, sizeof(buffer), file)) > 0) {
        if (write(old_stderr, buffer, len) < 0) {
            return;
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_threads_out_of_order),
        cmocka_unit_test(test_waiting_holds_nobody_up),
        cmocka_unit_test(test_missing_rank),
        cmocka_unit_test(test_only_give),
        cmocka_unit_test(test_bad_calls),
        cmocka_unit_test(test_part_ends_it),
        cmocka_unit_test(test_unasked_keys),
    };
    struct pawl_error err = {0};
    int level = 0;
    if (pawl_comm_mpi(&comm, MPI_COMM_SELF, &err) != PAWL_ESTATE) {
        fprintf(stderr, "a comm before MPI_Init\n");
        return 1;
    }
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
    if (pawl_comm_mpi(&comm, MPI_COMM_WORLD, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    int old_stderr = -1;
    FILE *file = hush(&old_stderr);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (file != NULL && failed > 0) {
        show(file, old_stderr);
    }
    comm.ops->free(comm.ctx);
    MPI_Finalize();
    return failed > 0;
}
