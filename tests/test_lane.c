/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_lane.c - files through a lane: their bytes, and that every block is back
 * at the end, whatever happened
 */
#include "engine/lane.h"

#include "base/crc32.h"
#include "fault_io.h"
#include "gate_io.h"
#include "scratch.h"
#include "store/store_file.h"
#include <pawl/plugin.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { PAYLOAD = 200000 };

static unsigned char payload[PAYLOAD];

struct fixture {
    struct pawl_lane *lane;
    struct pawl_store store;
    char *dir;
    struct fault_io *fault;
    struct gate_io *gate;
};

static struct pawl_lane *new_lane(const char *config_json)
{
    struct pawl_config config = {0};
    struct pawl_lane *lane = NULL;
    assert_int_equal(pawl_config_parse(&config, config_json, NULL), 0);
    assert_int_equal(pawl_lane_new(&lane, &config, NULL), 0);
    pawl_config_fini(&config); /* is not needed any more */
    return lane;
}

static struct fixture begin(const char *more, bool on_gate)
{
    struct fixture f = {.dir = scratch_new()};
    char config[256];
    snprintf(config, sizeof(config),
             "{\"block_bytes\": 4096, \"staging_bytes\": 20480%s}", more);
    f.lane = new_lane(config);
    if (on_gate) {
        f.gate = gate_io_new();
    } else {
        f.fault = fault_io_new(&pawl_io_posix);
        fault_io_skip_syncs(f.fault);
    }
    assert_int_equal(pawl_store_file_make(&f.store, f.dir,
                                          on_gate ? gate_io_table(f.gate)
                                                  : fault_io_table(f.fault),
                                          NULL),
                     0);
    for (size_t i = 0; i < PAYLOAD; i++) {
        payload[i] = (unsigned char)(i * 2654435761u >> 13);
    }
    return f;
}

static uint64_t blocks_out(struct pawl_lane *lane)
{
    struct pawl_staging_stats stats;
    pawl_lane_stats(lane, &stats);
    return stats.out_count;
}

static void end(struct fixture *f)
{
    assert_int_equal(blocks_out(f->lane), 0);
    pawl_store_fini(&f->store);
    pawl_lane_unref(f->lane);
    fault_io_free(f->fault);
    gate_io_free(f->gate);
    scratch_free(f->dir);
}

static struct pawl_plan *new_plan(size_t len)
{
    struct pawl_plan *plan = pawl_plan_new();
    pawl_plan_payload(plan, payload, len);
    assert_int_equal(pawl_plan_seal(plan, NULL), 0);
    return plan;
}

static struct pawl_transfer *start(struct fixture *f, const char *name,
                                   size_t len)
{
    struct pawl_transfer *transfer = NULL;
    struct pawl_error err;
    if (pawl_lane_start(&transfer, f->lane, new_plan(len), &f->store, name,
                        &err) < 0) {
        fail_msg("%s", err.message);
    }
    return transfer;
}

static void check_file(struct fixture *f, const char *name, size_t len)
{
    size_t size = 0;
    char *bytes = scratch_read(f->dir, name, &size);
    assert_int_equal(size, len);
    assert_memory_equal(bytes, payload, len);
    free(bytes);
}

struct draining {
    struct pawl_transfer *transfer;
    struct pawl_written written;
    struct pawl_error err;
    int rc;
};

static void *drain(void *ctx)
{
    struct draining *d = ctx;
    d->rc = pawl_transfer_drain(d->transfer, true, &d->written, &d->err);
    return NULL;
}

/* Copies here, drains in a thread: the code of the copy. */
static int copy_and_drain(struct fixture *f, struct draining *d,
                          struct pawl_error *err)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, drain, d), 0);
    int rc = pawl_lane_copy(f->lane, d->transfer, err);
    if (f->gate != NULL) {
        gate_io_open(f->gate, 0); /* else the drain would not end */
    }
    pthread_join(thread, NULL);
    pawl_transfer_free(d->transfer);
    return rc;
}

/* ---- sizes --------------------------------------------------------------- */

static void test_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        uint64_t count;
    } cases[] = {
        {"{\"block_bytes\": 4096, \"staging_bytes\": 40960}", 10},
        {"{\"block_bytes\": 5000, \"staging_bytes\": 40960}", 5}, /* of 8192 */
        {"{\"block_bytes\": 4096, \"staging_bytes\": 0}", 2}, /* the least */
        {"{\"block_bytes\": \"1MiB\", \"staging_bytes\": \"4MiB\", "
         "\"prefault\": true, \"hugetlb\": true}",
         4},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct pawl_staging_stats stats;
        struct pawl_lane *lane = new_lane(cases[i].config);
        pawl_lane_stats(lane, &stats);
        assert_int_equal(stats.block_count, cases[i].count);
        assert_int_equal(stats.out_count, 0);
        pawl_lane_unref(lane);
    }
}

static void test_references(void **state)
{
    (void)state;
    struct pawl_lane *lane = new_lane("{\"staging_bytes\": 0}");
    assert_ptr_equal(pawl_lane_ref(lane), lane);
    pawl_lane_unref(lane);
    assert_int_equal(blocks_out(lane), 0); /* still there */
    pawl_lane_unref(lane);
    pawl_lane_unref(NULL);
    assert_null(pawl_lane_ref(NULL));
}

/* ---- files --------------------------------------------------------------- */

static void test_bytes(void **state)
{
    (void)state;
    static const size_t lens[] = {1, 4095, 4096, 4097, 20480, PAYLOAD};
    static const char *const configs[] = {"", ", \"direct_io\": false",
                                          ", \"write_threads\": 1"};
    for (size_t c = 0; c < 3; c++) {
        struct fixture f = begin(configs[c], false);
        for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
            struct pawl_written written;
            struct draining d = {.transfer = start(&f, "async", lens[i])};
            assert_int_equal(copy_and_drain(&f, &d, NULL), 0);
            assert_int_equal(d.rc, 0);
            check_file(&f, "async", lens[i]);
            assert_int_equal(d.written.size_bytes, lens[i]);
            assert_int_equal(d.written.crc32, pawl_crc32(0, payload, lens[i]));

            struct pawl_transfer *transfer = start(&f, "direct", lens[i]);
            assert_int_equal(pawl_transfer_run(transfer, true, &written, NULL),
                             0);
            pawl_transfer_free(transfer);
            check_file(&f, "direct", lens[i]);
            assert_int_equal(written.crc32, d.written.crc32);
        }
        struct pawl_staging_stats stats;
        pawl_lane_stats(f.lane, &stats);
        assert_in_range(stats.out_max, 1, 5);
        end(&f);
    }
}

struct saver {
    struct fixture *f;
    int index;
    int rc;
};

static void *save_files(void *ctx)
{
    struct saver *saver = ctx;
    for (int i = 0; i < 10 && saver->rc == 0; i++) {
        char name[32];
        struct pawl_written written;
        snprintf(name, sizeof(name), "%d-%d", saver->index, i);
        struct pawl_transfer *transfer = NULL;
        saver->rc = pawl_lane_start(&transfer, saver->f->lane,
                                    new_plan(50000 + (size_t)i),
                                    &saver->f->store, name, NULL);
        if (saver->rc == 0) {
            saver->rc = pawl_transfer_run(transfer, true, &written, NULL);
        }
        pawl_transfer_free(transfer);
    }
    return NULL;
}

/* Several threads share five blocks. */
static void test_threads_share_it(void **state)
{
    (void)state;
    struct fixture f = begin("", true);
    struct saver savers[4] = {{0}};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        savers[i] = (struct saver){&f, i, 0};
        assert_int_equal(
            pthread_create(&threads[i], NULL, save_files, &savers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(savers[i].rc, 0);
    }
    check_file(&f, "0-0", 50000);
    check_file(&f, "3-9", 50009);
    end(&f);
}

/* The cap is on all files together. */
static void test_rate_is_shared(void **state)
{
    (void)state;
    struct fixture f = begin(", \"max_bytes_per_second\": 400000", true);
    uint64_t start_ns = pawl_now_ns();
    for (int i = 0; i < 30; i++) { /* of one block each */
        struct pawl_written written;
        struct pawl_transfer *transfer = start(&f, "file", 4000);
        assert_int_equal(pawl_transfer_run(transfer, true, &written, NULL), 0);
        pawl_transfer_free(transfer);
    }
    assert_true(pawl_now_ns() - start_ns >= 290000000 - 1000);
    end(&f);
}

/* ---- failures ------------------------------------------------------------ */

static void fail_write(struct fixture *f, enum fault_call call, size_t nth,
                       int sys_errno)
{
    fault_io_arm(
        f->fault,
        &(struct fault_plan){.call = call, .nth = nth, .sys_errno = sys_errno});
}

static void test_writes_fail(void **state)
{
    (void)state;
    struct fixture f = begin("", false);
    for (size_t nth = 1; nth < 49; nth += 3) {
        struct pawl_error err;
        struct draining d = {.transfer = start(&f, "async", PAYLOAD)};
        fail_write(&f, FAULT_PWRITE, nth, ENOSPC);
        int rc = copy_and_drain(&f, &d, &err);
        assert_true(rc == 0 || rc == PAWL_ENOSPC); /* may be over before */
        assert_int_equal(d.rc, PAWL_ENOSPC);
        assert_non_null(strstr(d.err.message, "async"));
        assert_int_equal(blocks_out(f.lane), 0);

        struct pawl_transfer *transfer = start(&f, "direct", PAYLOAD);
        fail_write(&f, FAULT_PWRITE, nth, EIO);
        assert_int_equal(pawl_transfer_run(transfer, true, &d.written, &err),
                         PAWL_EIO);
        pawl_transfer_free(transfer);
        assert_int_equal(blocks_out(f.lane), 0);
        assert_int_equal(fault_io_open_count(f.fault), 0);
    }
    end(&f);
}

static void test_sync_fails(void **state)
{
    (void)state;
    struct fixture f = begin("", false);
    struct pawl_error err;
    struct draining d = {.transfer = start(&f, "file", 10000)};
    fail_write(&f, FAULT_FDATASYNC, 1, EIO);
    assert_int_equal(copy_and_drain(&f, &d, &err), 0);
    assert_int_equal(d.rc, PAWL_EIO);
    end(&f);
}

/* The plan is taken over also then. */
static void test_start_fails(void **state)
{
    (void)state;
    struct fixture f = begin("", false);
    struct pawl_transfer *transfer = NULL;
    struct pawl_error err;
    fail_write(&f, FAULT_FALLOCATE, 1, ENOSPC);
    assert_int_equal(pawl_lane_start(&transfer, f.lane, new_plan(10000),
                                     &f.store, "file", &err),
                     PAWL_ENOSPC);
    assert_null(transfer);
    assert_false(scratch_exists(f.dir, "file"));
    end(&f);
}

static void test_disk_hangs(void **state)
{
    (void)state;
    struct fixture f = begin(", \"write_timeout_ms\": 100", true);
    struct pawl_error err;
    gate_io_close(f.gate);
    struct draining d = {.transfer = start(&f, "file", PAYLOAD)};
    assert_int_equal(copy_and_drain(&f, &d, &err), PAWL_ETIMEDOUT);
    assert_non_null(strstr(err.message, "100 ms: the disk hangs"));
    assert_int_equal(d.rc, PAWL_ETIMEDOUT);
    end(&f);
}

struct copying {
    struct fixture *f;
    struct pawl_transfer *transfer;
    struct pawl_error err;
    int rc;
};

static void *copy(void *ctx)
{
    struct copying *c = ctx;
    c->rc = pawl_lane_copy(c->f->lane, c->transfer, &c->err);
    return NULL;
}

/* A copier that waits for a block gets one when the transfer is cancelled,
 * though none is written any more. */
static void test_cancel_while_starved(void **state)
{
    (void)state;
    struct fixture f = begin("", true);
    struct pawl_error why;
    struct pawl_error err;
    struct pawl_written written;
    pthread_t thread;
    struct copying c = {.f = &f, .transfer = start(&f, "file", PAYLOAD)};
    pawl_fail(&why, PAWL_ESTATE, 0, "it is not wanted");
    assert_int_equal(pthread_create(&thread, NULL, copy, &c), 0);
    while (blocks_out(f.lane) < 5) {
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    nanosleep(&(struct timespec){0, 20000000}, NULL); /* now it waits */
    pawl_transfer_cancel(c.transfer, &why);
    uint64_t start_ns = pawl_now_ns();
    assert_int_equal(pawl_transfer_drain(c.transfer, true, &written, &err),
                     PAWL_ESTATE);
    assert_string_equal(err.message, "it is not wanted");
    pthread_join(thread, NULL);
    assert_true(pawl_now_ns() - start_ns < 20000000000); /* not 600 s */
    assert_int_equal(c.rc, PAWL_ESTATE);
    pawl_transfer_free(c.transfer);
    end(&f);
}

static void test_cancel_before(void **state)
{
    (void)state;
    struct fixture f = begin("", true);
    struct pawl_error why;
    struct pawl_error err;
    struct draining d = {.transfer = start(&f, "file", PAYLOAD)};
    pawl_fail(&why, PAWL_ESTATE, 0, "it is not wanted");
    pawl_transfer_cancel(d.transfer, &why);
    pawl_fail(&why, PAWL_EIO, 0, "the first one stays");
    pawl_transfer_cancel(d.transfer, &why);
    assert_int_equal(copy_and_drain(&f, &d, &err), PAWL_ESTATE);
    assert_int_equal(d.rc, PAWL_ESTATE);
    assert_string_equal(d.err.message, "it is not wanted");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_threads_share_it),
        cmocka_unit_test(test_rate_is_shared),
        cmocka_unit_test(test_writes_fail),
        cmocka_unit_test(test_sync_fails),
        cmocka_unit_test(test_start_fails),
        cmocka_unit_test(test_disk_hangs),
        cmocka_unit_test(test_cancel_while_starved),
        cmocka_unit_test(test_cancel_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
