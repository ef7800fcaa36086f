/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_comm_mpi.c - ranks of MPI gather and broadcast texts by key, in time
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
    uint32_t came; /* ranks come in order */
    int wrong;
};

/* Not by assertions: it also runs on threads that cmocka does not know. */
static int compare(void *ctx, uint32_t rank, const void *data, size_t len)
{
    struct expected *e = ctx;
    size_t want_len = 0;
    char *want = text_of(e->key, rank, e->extra * (rank + 1), &want_len);
    e->wrong +=
        rank != e->came || len != want_len || memcmp(data, want, len) != 0;
    e->came++;
    free(want);
    return 0;
}

/* `rc`, if what was handed over is what has to be. */
static int check(const struct expected *e, uint32_t want, int rc)
{
    if (e->wrong > 0 || e->came != want) {
        fprintf(stderr, "rank %u, key %s: %d wrong, %u came, not %u\n",
                (unsigned)comm.rank, e->key, e->wrong, (unsigned)e->came,
                (unsigned)want);
        return PAWL_EBUG;
    }
    return rc;
}

static int gather(const char *key, size_t extra, int64_t timeout_ms,
                  uint32_t *missing, struct pawl_error *err)
{
    size_t len = 0;
    char *text = text_of(key, comm.rank, extra * (comm.rank + 1), &len);
    struct expected e = {.key = key, .extra = extra};
    *missing = 77;
    int rc = comm.ops->gather(comm.ctx, key, text, len, timeout_ms, compare, &e,
                              missing, err);
    free(text);
    bool takes = comm.rank == 0 && (rc == 0 || rc == PAWL_ETIMEDOUT);
    uint32_t before = *missing < comm.size ? *missing : comm.size;
    return check(&e, takes ? before : 0, rc);
}

static int broadcast(const char *key, size_t extra, int64_t timeout_ms,
                     struct pawl_error *err)
{
    size_t len = 0;
    char *text = text_of(key, comm.rank, extra * (comm.rank + 1), &len);
    struct expected e = {.key = key, .extra = extra};
    int rc = comm.ops->broadcast(comm.ctx, key, comm.rank == 0 ? text : NULL,
                                 comm.rank == 0 ? len : 0, timeout_ms, compare,
                                 &e, err);
    free(text);
    return check(&e, rc == 0 && comm.rank != 0 ? 1 : 0, rc);
}

/* Both, so that nobody goes on before all came. */
static int meet(const char *key, size_t extra, struct pawl_error *err)
{
    char back[512];
    uint32_t missing = 0;
    snprintf(back, sizeof(back), "%.390s back", key);
    int rc = gather(key, extra, WAIT_MS, &missing, err);
    if (rc == 0) {
        rc = broadcast(back, extra, WAIT_MS, err);
    }
    if (rc < 0) {
        fprintf(stderr, "rank %u: %s\n", (unsigned)comm.rank, err->message);
    }
    return rc == 0 && missing != UINT32_MAX ? PAWL_EBUG : rc;
}

static void must_meet(const char *key, size_t extra)
{
    struct pawl_error err = {0};
    assert_int_equal(meet(key, extra, &err), 0);
}

/* ---- tests --------------------------------------------------------------- */

static void test_texts(void **state)
{
    (void)state;
    must_meet("nothing more", 0);
    must_meet("kilobytes", 10000);
    must_meet("megabytes", 3000000);
    char key[401];
    memset(key, 'k', 400);
    key[400] = '\0';
    must_meet(key, 10);
}

static int count_empty(void *ctx, uint32_t rank, const void *data, size_t len)
{
    (void)data;
    *(uint32_t *)ctx += len == 0 ? rank + 1 : 1000;
    return 0;
}

static void test_empty(void **state)
{
    (void)state;
    struct pawl_error err;
    uint32_t missing = 0;
    uint32_t sum = 0;
    assert_int_equal(comm.ops->gather(comm.ctx, "empty", NULL, 0, WAIT_MS,
                                      count_empty, &sum, &missing, &err),
                     0);
    uint32_t all = comm.size * (comm.size + 1) / 2;
    assert_int_equal(sum, comm.rank == 0 ? all : 0);
    sum = 0;
    assert_int_equal(comm.ops->broadcast(comm.ctx, "empty back", NULL, 0,
                                         WAIT_MS, count_empty, &sum, &err),
                     0);
    assert_int_equal(sum, comm.rank == 0 ? 0 : 1);
}

static void test_many(void **state)
{
    (void)state;
    int64_t start = now_ms();
    for (int i = 0; i < 500; i++) {
        char key[32];
        snprintf(key, sizeof(key), "many %d", i);
        must_meet(key, 50);
    }
    if (comm.rank == 0) {
        printf("%.3f ms to rank 0 and back\n",
               (double)(now_ms() - start) / 500);
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
    struct pawl_error err = {0};
    for (int i = 0; i < 2 && job->rc == 0; i++) {
        job->rc = meet(job->keys[i], job->extra, &err);
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

/* Rank 0 waits for the last rank, the others for rank 0. */
static void *wait_in_vain(void *ctx)
{
    struct pawl_error err;
    uint32_t missing = 0;
    *(int *)ctx = comm.rank == 0 ? gather("in vain", 10, 3000, &missing, &err)
                                 : broadcast("in vain too", 10, 3000, &err);
    return NULL;
}

static void test_waiting_holds_nobody_up(void **state)
{
    (void)state;
    int rc = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_in_vain, &rc), 0);
    int64_t start = now_ms();
    for (int i = 0; i < 20; i++) {
        char key[32];
        snprintf(key, sizeof(key), "meanwhile %d", i);
        must_meet(key, 1000);
    }
    assert_in_range(now_ms() - start, 0, 2500);
    pthread_join(thread, NULL);
    assert_int_equal(rc, PAWL_ETIMEDOUT);
}

static void check_missing(const struct pawl_error *err, uint32_t rank)
{
    char want[32];
    snprintf(want, sizeof(want), "rank %u did not", (unsigned)rank);
    assert_non_null(strstr(err->message, want));
}

/* Gathers when `absent` comes only after rank 0 gave up; what it gives then is
 * nobody's. */
static void gather_without(uint32_t absent, const char *key)
{
    struct pawl_error err = {0};
    uint32_t missing = 0;
    int64_t start = now_ms();
    if (comm.rank == absent) {
        usleep(900000);
    }
    int rc = gather(key, 10000, 500, &missing, &err);
    if (comm.rank == 0) {
        assert_int_equal(rc, PAWL_ETIMEDOUT);
        assert_in_range(now_ms() - start, 500, 4000);
        assert_int_equal(missing, absent);
        check_missing(&err, absent);
    } else {
        assert_int_equal(rc, 0);
    }
}

static void test_missing_rank(void **state)
{
    (void)state;
    must_meet("before missing", 0);
    gather_without(comm.size - 1, "without the last");
    must_meet("between missing", 0);
    gather_without(1, "without the second");
    must_meet("after missing", 10000);
}

static void test_missing_rank_0(void **state)
{
    (void)state;
    struct pawl_error err = {0};
    int64_t start = now_ms();
    if (comm.rank == 0) {
        usleep(900000);
    }
    int rc = broadcast("without rank 0", 10000, 500, &err);
    if (comm.rank != 0) {
        assert_int_equal(rc, PAWL_ETIMEDOUT);
        assert_in_range(now_ms() - start, 500, 4000);
        check_missing(&err, 0);
    } else {
        assert_int_equal(rc, 0);
    }
    must_meet("after missing rank 0", 10000);
}

/* Giving needs no partner: neither side waits, and the text is there later. */
static void test_giving_waits_for_nobody(void **state)
{
    (void)state;
    struct pawl_error err = {0};
    uint32_t missing = 0;
    int64_t start = now_ms();
    if (comm.rank != 0) {
        assert_int_equal(gather("given", 100, WAIT_MS, &missing, &err), 0);
        assert_in_range(now_ms() - start, 0, 700);
        usleep(800000);
        assert_int_equal(broadcast("given back", 100, WAIT_MS, &err), 0);
    } else {
        assert_int_equal(broadcast("given back", 100, WAIT_MS, &err), 0);
        assert_in_range(now_ms() - start, 0, 700);
        usleep(800000);
        assert_int_equal(gather("given", 100, WAIT_MS, &missing, &err), 0);
    }
    must_meet("after given", 0);
}

/* A large text moves although who gave it calls MPI no more. */
static void test_large_text_of_a_sleeper(void **state)
{
    (void)state;
    struct pawl_error err = {0};
    uint32_t missing = 0;
    must_meet("before large", 0);
    assert_int_equal(gather("large", 200000, 1500, &missing, &err), 0);
    if (comm.rank != 0) {
        usleep(2000000);
    }
    must_meet("between large", 0);
    assert_int_equal(broadcast("large back", 200000, 1500, &err), 0);
    if (comm.rank == 0) {
        usleep(2000000);
    }
    must_meet("after large", 0);
}

static void test_bad_calls(void **state)
{
    (void)state;
    struct pawl_error err = {0};
    uint32_t missing = 0;
    char key[402];
    memset(key, 'k', 401);
    key[401] = '\0';
    assert_int_equal(gather(key, 0, 100, &missing, &err), PAWL_EINVAL);
    assert_int_equal(gather("", 0, 100, &missing, &err), PAWL_EINVAL);
    assert_int_equal(broadcast("", 0, 100, &err), PAWL_EINVAL);
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
    assert_int_equal(comm.ops->gather(comm.ctx, "stop", "x", 1, WAIT_MS,
                                      stop_at_1, NULL, &missing, &err),
                     comm.rank == 0 ? -77 : 0);
}

/* Hundreds of keys that are given and that nobody asks for leave room. */
static void test_unasked_keys(void **state)
{
    (void)state;
    struct pawl_error err;
    uint32_t missing;
    for (int i = 0; i < 400; i++) {
        char key[32];
        snprintf(key, sizeof(key), "unasked %d", i);
        assert_int_equal(comm.rank == 0 ? broadcast(key, 10, 0, &err)
                                        : gather(key, 10, 0, &missing, &err),
                         0);
        if (i % 40 == 39) { /* ranks are never far apart */
            snprintf(key, sizeof(key), "after unasked %d", i);
            must_meet(key, 100);
        }
    }
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
        cmocka_unit_test(test_missing_rank_0),
        cmocka_unit_test(test_giving_waits_for_nobody),
        cmocka_unit_test(test_large_text_of_a_sleeper),
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
