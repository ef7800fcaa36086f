/* SPDX-License-Identifier: Apache-2.0 */
/* test_meter.c - what is told to a meter is what its reader sees. */
#include "engine/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <pawl/plugin.h>

#include <stdio.h>

#include <cmocka.h>

static void test_sums(void **state)
{
    (void)state;
    struct pawl_meter meter;
    struct pawl_status status = PAWL_STATUS_INIT;
    pawl_meter_init(&meter);
    pawl_meter_saved(&meter, 100, &(struct pawl_file_times){1, 2, 3});
    pawl_meter_saved(&meter, 11, &(struct pawl_file_times){10, 20, 30});
    pawl_meter_loaded(&meter, 7);
    pawl_meter_committed(&meter, "one", 5);
    pawl_meter_committed(&meter, "two", 6);
    pawl_meter_failed(&meter, "three", &(struct pawl_error){.code = PAWL_EIO});
    pawl_meter_skipped(&meter, "four");
    pawl_meter_pending(&meter, 3);
    pawl_meter_pending(&meter, 2);
    pawl_meter_stalled(&meter, 8);
    pawl_meter_stalled(&meter, 9);
    pawl_meter_read(&meter, &status);
    assert_int_equal(status.files_saved, 2);
    assert_int_equal(status.bytes_saved, 111);
    assert_int_equal(status.copy_ns, 11);
    assert_int_equal(status.wait_ns, 22);
    assert_int_equal(status.write_ns, 33);
    assert_int_equal(status.bytes_loaded, 7);
    assert_int_equal(status.commits, 2);
    assert_int_equal(status.failures, 1);
    assert_string_equal(status.committed, "two"); /* three was not */
    assert_int_equal(status.publish_ns, 11);
    assert_int_equal(status.skipped, 1);
    assert_int_equal(status.pending, 2);
    assert_int_equal(status.stall_ns, 17);
    pawl_meter_fini(&meter);
}

struct heard {
    struct pawl_meter *meter;
    char text[256];
};

/* The meter may be asked meanwhile. */
static void hear(void *ctx, const struct pawl_event *event)
{
    struct heard *heard = ctx;
    struct pawl_status status = PAWL_STATUS_INIT;
    size_t len = strlen(heard->text);
    pawl_meter_read(heard->meter, &status);
    snprintf(heard->text + len, sizeof(heard->text) - len, "%d %s %s %d;",
             (int)event->kind, event->tag, event->message,
             (int)(status.commits + status.failures + status.skipped));
}

static void test_events(void **state)
{
    (void)state;
    struct pawl_meter meter;
    struct heard heard = {&meter, ""};
    struct pawl_error why;
    pawl_fail(&why, PAWL_EIO, 0, "why");
    pawl_meter_init(&meter);
    pawl_meter_committed(&meter, "unheard", 0);
    pawl_meter_listen(&meter, hear, &heard);
    pawl_meter_committed(&meter, "one", 0);
    pawl_meter_failed(&meter, "two", &why);
    pawl_meter_skipped(&meter, "three");
    assert_string_equal(heard.text, "0 one  2;1 two why 3;2 three  4;");
    pawl_meter_fini(&meter);
}

static void test_leaves_the_rest_alone(void **state)
{
    (void)state;
    struct pawl_meter meter;
    struct pawl_status status = PAWL_STATUS_INIT;
    pawl_meter_init(&meter);
    status.engine = "mine";
    status.files_loaded = 4;
    strcpy(status.creating, "one");
    strcpy(status.opened, "two");
    pawl_meter_read(&meter, &status);
    assert_string_equal(status.engine, "mine");
    assert_int_equal(status.files_loaded, 4);
    assert_string_equal(status.creating, "one");
    assert_string_equal(status.opened, "two");
    assert_string_equal(status.committed, "");
    assert_int_equal(status.struct_size, sizeof(status));
    pawl_meter_fini(&meter);
}

static void test_longest_tag(void **state)
{
    (void)state;
    struct pawl_meter meter;
    struct pawl_status status = PAWL_STATUS_INIT;
    char tag[PAWL_TAG_MAX + 1];
    memset(tag, 'x', PAWL_TAG_MAX);
    tag[PAWL_TAG_MAX] = '\0';
    pawl_meter_init(&meter);
    pawl_meter_committed(&meter, tag, 0);
    pawl_meter_read(&meter, &status);
    assert_string_equal(status.committed, tag);
    pawl_meter_fini(&meter);
}

enum { TIMES = 10000 };

static void *add(void *meter)
{
    for (int i = 0; i < TIMES; i++) {
        pawl_meter_saved(meter, 2, &(struct pawl_file_times){1, 1, 1});
        pawl_meter_stalled(meter, 1);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct pawl_meter meter;
    struct pawl_status status = PAWL_STATUS_INIT;
    pthread_t threads[3];
    pawl_meter_init(&meter);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add, &meter), 0);
    }
    for (int i = 0; i < 100; i++) {
        pawl_meter_read(&meter, &status);
        assert_int_equal(status.bytes_saved, 2 * status.files_saved);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    pawl_meter_read(&meter, &status);
    assert_int_equal(status.bytes_saved, 6 * TIMES);
    assert_int_equal(status.stall_ns, 3 * TIMES);
    pawl_meter_fini(&meter);
}

static void test_clock_runs_on(void **state)
{
    (void)state;
    uint64_t before = pawl_now_ns();
    assert_true(before > 0);
    assert_true(pawl_now_ns() >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_leaves_the_rest_alone),
        cmocka_unit_test(test_longest_tag),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_clock_runs_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
