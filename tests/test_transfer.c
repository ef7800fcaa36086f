/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_transfer.c - random plans through blocks, one thread and many
 *
 * What arrives must be what plan_file_bytes makes of the same plan, whose
 * bytes other tests hold against zipfile and torch.
 */
#include "engine/transfer.h"

#include "base/crc32.h"
#include "plan_file.h"
#include "seed.h"
#include "store/store_memory.h"
#include <pawl/plugin.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { PAYLOAD_MAX = 1 << 18, ROUNDS = 60 };

static unsigned char payload[PAYLOAD_MAX];

struct fixture {
    struct pawl_staging *staging;
    struct pawl_pool *writers;
    struct pawl_store store;
};

static void begin(struct fixture *f, size_t block_bytes, unsigned blocks)
{
    struct pawl_staging_options staging = {(uint64_t)blocks * block_bytes,
                                           block_bytes, false};
    struct pawl_pool_options pool = {3, 4, 0, "writer"};
    assert_int_equal(pawl_staging_new(&f->staging, &staging, NULL), 0);
    assert_int_equal(pawl_pool_new(&f->writers, &pool, NULL), 0);
    f->store.ops = &pawl_store_memory;
    assert_int_equal(pawl_store_memory.make(&f->store.impl, "/", "{}", NULL),
                     0);
}

/* Every block must be back, whatever happened. */
static void end(struct fixture *f)
{
    struct pawl_staging_stats stats;
    pawl_staging_stats(f->staging, &stats);
    assert_int_equal(stats.out_count, 0);
    pawl_pool_free(f->writers);
    pawl_staging_free(f->staging);
    pawl_store_fini(&f->store);
}

/* A plan that depends on `seed` alone. */
static struct pawl_plan *random_plan(uint64_t seed)
{
    struct pawl_plan *plan = pawl_plan_new();
    uint64_t records = test_draw(&seed, 12);
    for (uint64_t i = 0; i < records; i++) {
        unsigned char container[300];
        memset(container, (int)i, sizeof(container));
        pawl_plan_append(plan, container, 1 + test_draw(&seed, 290));
        size_t limit = test_draw(&seed, 4) == 0 ? PAYLOAD_MAX : 500;
        uint32_t record =
            pawl_plan_payload(plan, payload, 1 + test_draw(&seed, limit));
        size_t here = pawl_plan_here(plan);
        pawl_plan_append(plan, "crc:....", 8);
        pawl_plan_put_crc(plan, record, here + 4);
    }
    pawl_plan_append(plan, "the end", 7);
    assert_int_equal(pawl_plan_seal(plan, NULL), 0);
    return plan;
}

static struct pawl_transfer *start(struct fixture *f, struct pawl_plan *plan,
                                   struct pawl_rate *rate)
{
    struct pawl_transfer *transfer = NULL;
    struct pawl_object_handle object;
    struct pawl_transfer_options options = {f->staging, f->writers, rate, 10000,
                                            true};
    assert_int_equal(pawl_store_open(&f->store, "file", PAWL_STORE_CREATE, 0,
                                     &object, NULL, NULL),
                     0);
    assert_int_equal(pawl_transfer_new(&transfer, plan, object, &options, NULL),
                     0);
    return transfer;
}

static void *copy_thread(void *arg)
{
    return pawl_transfer_copy(arg, NULL) == 0 ? NULL : arg;
}

/* Three threads copy while this one drains. */
static int run_threads(struct pawl_transfer *transfer,
                       struct pawl_written *result, struct pawl_error *err)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, copy_thread, transfer);
    }
    int rc = pawl_transfer_drain(transfer, true, result, err);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    return rc;
}

static void check_file(struct fixture *f, const void *expected, size_t len,
                       const struct pawl_written *result)
{
    struct pawl_object_handle object;
    uint64_t size = 0;
    unsigned char *bytes = malloc(len + 1);
    assert_int_equal(pawl_store_open(&f->store, "file", PAWL_STORE_READ, 0,
                                     &object, &size, NULL),
                     0);
    assert_int_equal(size, len);
    assert_int_equal(pawl_object_read(&object, 0, bytes, len, NULL), 0);
    assert_memory_equal(bytes, expected, len);
    assert_int_equal(result->size_bytes, len);
    assert_int_equal(result->crc32, pawl_crc32(0, expected, len));
    struct pawl_hasher *hasher = pawl_hasher_new();
    pawl_hasher_add(hasher, expected, len);
    struct pawl_digest digest = pawl_hasher_digest(hasher);
    assert_true(pawl_digest_equal(&result->digest, &digest));
    pawl_hasher_free(hasher);
    pawl_object_close(&object, false, NULL);
    free(bytes);
}

static void check_plan(struct fixture *f, uint64_t seed, bool threads)
{
    size_t len = 0;
    struct pawl_plan *reference = random_plan(seed);
    unsigned char *expected = plan_file_bytes(reference, &len);
    struct pawl_transfer *transfer = start(f, random_plan(seed), NULL);
    struct pawl_written result;
    int rc = threads ? run_threads(transfer, &result, NULL)
                     : pawl_transfer_run(transfer, true, &result, NULL);
    assert_int_equal(rc, 0);
    check_file(f, expected, len, &result);
    pawl_transfer_free(transfer);
    pawl_plan_free(reference);
    free(expected);
}

static void test_random_plans(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (size_t i = 0; i < PAYLOAD_MAX; i++) {
        payload[i] = (unsigned char)(i * 2654435761u >> 13);
    }
    static const size_t block_bytes[] = {4096, 8192, 65536, 1 << 20};
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct fixture f;
        begin(&f, block_bytes[i % 4], 2 + i % 5);
        check_plan(&f, seed + i, false);
        check_plan(&f, seed + i, true);
        end(&f);
    }
}

/* ---- failures ---------------------------------------------------------- */

struct failing_object {
    int writes_left;
    bool closed_durable;
};

static int failing_write(void *impl, uint64_t offset, const void *src,
                         size_t len_bytes, struct pawl_error *err)
{
    struct failing_object *object = impl;
    (void)offset;
    (void)src;
    (void)len_bytes;
    if (__atomic_sub_fetch(&object->writes_left, 1, __ATOMIC_SEQ_CST) < 0) {
        return pawl_fail(err, PAWL_ENOSPC, 28, "cannot write 'x': full");
    }
    return 0;
}

static int failing_close(void *impl, bool durable, struct pawl_error *err)
{
    struct failing_object *object = impl;
    (void)err;
    object->closed_durable = durable;
    return 0;
}

static const struct pawl_store_ops failing_ops = {
    .struct_size = sizeof(struct pawl_store_ops),
    .write = failing_write,
    .close = failing_close,
};

static struct pawl_plan *large_plan(void)
{
    struct pawl_plan *plan = pawl_plan_new();
    pawl_plan_payload(plan, payload, PAYLOAD_MAX);
    assert_int_equal(pawl_plan_seal(plan, NULL), 0);
    return plan;
}

static void check_failure(bool threads, int writes_left)
{
    struct fixture f;
    begin(&f, 4096, 3);
    struct failing_object object = {writes_left, true};
    struct pawl_object_handle handle = {&failing_ops, &object};
    struct pawl_transfer_options options = {f.staging, f.writers, NULL, 10000,
                                            true};
    struct pawl_transfer *transfer = NULL;
    struct pawl_written result;
    struct pawl_error err;
    assert_int_equal(
        pawl_transfer_new(&transfer, large_plan(), handle, &options, NULL), 0);
    int rc = threads ? run_threads(transfer, &result, &err)
                     : pawl_transfer_run(transfer, true, &result, &err);
    assert_int_equal(rc, PAWL_ENOSPC);
    assert_string_equal(err.message, "cannot write 'x': full");
    assert_false(object.closed_durable);
    pawl_transfer_free(transfer);
    end(&f);
}

static void test_failures_return_all_blocks(void **state)
{
    (void)state;
    for (int writes_left = 0; writes_left < 64; writes_left += 7) {
        check_failure(false, writes_left);
        check_failure(true, writes_left);
    }
}

static void test_no_block_comes_back(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 4096, 2);
    void *one = pawl_staging_take(f.staging, 0);
    void *two = pawl_staging_take(f.staging, 0);
    struct pawl_object_handle object;
    pawl_store_open(&f.store, "file", PAWL_STORE_CREATE, 0, &object, NULL,
                    NULL);
    struct pawl_transfer_options options = {f.staging, f.writers, NULL, 30,
                                            false};
    struct pawl_transfer *transfer = NULL;
    struct pawl_written result;
    struct pawl_error err;
    pawl_transfer_new(&transfer, large_plan(), object, &options, NULL);
    assert_int_equal(pawl_transfer_run(transfer, true, &result, &err),
                     PAWL_ETIMEDOUT);
    assert_non_null(strstr(err.message, "30 ms"));
    pawl_transfer_free(transfer);
    pawl_staging_give(f.staging, one);
    pawl_staging_give(f.staging, two);
    end(&f);
}

static void test_rate_is_kept(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 4096, 4);
    struct timespec start_time, end_time;
    struct pawl_rate rate;
    pawl_rate_init(&rate, PAYLOAD_MAX * 4);
    struct pawl_transfer *transfer = start(&f, large_plan(), &rate);
    struct pawl_written result;
    clock_gettime(CLOCK_MONOTONIC, &start_time);
    assert_int_equal(pawl_transfer_run(transfer, true, &result, NULL), 0);
    clock_gettime(CLOCK_MONOTONIC, &end_time);
    double seconds = (double)(end_time.tv_sec - start_time.tv_sec) +
                     1e-9 * (double)(end_time.tv_nsec - start_time.tv_nsec);
    assert_true(seconds > 0.2); /* a quarter second, less one block */
    pawl_transfer_free(transfer);
    pawl_rate_fini(&rate);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_plans),
        cmocka_unit_test(test_failures_return_all_blocks),
        cmocka_unit_test(test_no_block_comes_back),
        cmocka_unit_test(test_rate_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
