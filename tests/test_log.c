/* SPDX-License-Identifier: Apache-2.0 */
/* test_log.c - lines arrive whole, one by one, and only where wanted. */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct listener {
    int calls;
    int inside; /* callbacks running now */
    bool overlapped;
    enum pawl_log_level level;
    char line[4096];
};

static void listen(void *ctx, enum pawl_log_level level, const char *line)
{
    struct listener *listener = ctx;
    listener->overlapped |= listener->inside++ != 0;
    listener->calls++;
    listener->level = level;
    snprintf(listener->line, sizeof(listener->line), "%s", line);
    listener->inside--;
}

static void test_a_line_is_formatted_and_told(void **state)
{
    (void)state;
    struct listener listener = {0};
    struct pawl_log log;
    pawl_log_init(&log, listen, &listener);
    pawl_log_line(&log, PAWL_LOG_WARNING, "skipping '%s': %d", "t", 5);
    assert_int_equal(listener.calls, 1);
    assert_int_equal(listener.level, PAWL_LOG_WARNING);
    assert_string_equal(listener.line, "skipping 't': 5");
    pawl_log_fini(&log);
}

static void test_nobody_need_listen(void **state)
{
    (void)state;
    struct listener listener = {0};
    struct pawl_log log;
    pawl_log_line(NULL, PAWL_LOG_INFO, "no log");
    pawl_log_init(&log, NULL, NULL);
    pawl_log_line(&log, PAWL_LOG_INFO, "no listener");
    pawl_log_set(&log, listen, &listener);
    pawl_log_line(&log, PAWL_LOG_INFO, "heard");
    pawl_log_set(&log, NULL, NULL);
    pawl_log_line(&log, PAWL_LOG_INFO, "not heard");
    assert_int_equal(listener.calls, 1);
    assert_string_equal(listener.line, "heard");
    pawl_log_fini(&log);
}

static void test_long_lines_are_cut(void **state)
{
    (void)state;
    char text[3000];
    memset(text, 'l', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    struct listener listener = {0};
    struct pawl_log log;
    pawl_log_init(&log, listen, &listener);
    pawl_log_line(&log, PAWL_LOG_DEBUG, "%s", text);
    assert_int_equal(strlen(listener.line), 1499);
    pawl_log_fini(&log);
}

enum { THREADS = 4, LINES = 2000 };

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++) {
        pawl_log_line(arg, PAWL_LOG_INFO, "line %d", i);
    }
    return NULL;
}

static void test_lines_of_many_threads_do_not_mix(void **state)
{
    (void)state;
    struct listener listener = {0}; /* not locked: the log does that */
    struct pawl_log log;
    pawl_log_init(&log, listen, &listener);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, write_lines, &log);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(listener.calls, THREADS * LINES);
    assert_false(listener.overlapped);
    pawl_log_fini(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_is_formatted_and_told),
        cmocka_unit_test(test_nobody_need_listen),
        cmocka_unit_test(test_long_lines_are_cut),
        cmocka_unit_test(test_lines_of_many_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
