/* SPDX-License-Identifier: Apache-2.0 */
/* test_board.c - what ranks gave under a key waits for who asks, within bounds
 */
#include "comm/mpi/board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void put(struct pawl_board *board, const char *key, uint32_t rank,
                const char *text)
{
    struct pawl_board_part part = {.memory = strdup(text)};
    part.data = part.memory;
    part.len_bytes = strlen(text);
    assert_true(pawl_board_put(board, key, rank, &part));
}

static struct pawl_board_topic *claim(struct pawl_board *board, const char *key)
{
    bool used = true;
    struct pawl_board_topic *topic = pawl_board_claim(board, key, &used);
    assert_non_null(topic);
    assert_false(used);
    return topic;
}

static void assert_used(struct pawl_board *board, const char *key)
{
    bool used = false;
    assert_null(pawl_board_claim(board, key, &used));
    assert_true(used);
}

static void assert_text(const struct pawl_board_part *part, const char *text)
{
    assert_true(part->kept);
    assert_int_equal(part->len_bytes, strlen(text));
    assert_memory_equal(part->data, text, strlen(text));
}

static size_t topic_count(const struct pawl_board *board)
{
    size_t count = 0;
    for (const struct pawl_board_topic *t = board->first; t != NULL;
         t = t->next) {
        count++;
    }
    return count;
}

static void test_early_and_late(void **state)
{
    (void)state;
    struct pawl_board board = {.rank_count = 3};
    put(&board, "a", 2, "two");
    put(&board, "b", 0, "other");
    struct pawl_board_topic *topic = claim(&board, "a");
    assert_int_equal(pawl_board_missing(&board, topic), 0);
    put(&board, "a", 0, "zero");
    assert_int_equal(pawl_board_missing(&board, topic), 1);
    put(&board, "a", 1, "one");
    assert_int_equal(pawl_board_missing(&board, topic), UINT32_MAX);
    pawl_board_close(topic);
    assert_text(&topic->parts[0], "zero");
    assert_text(&topic->parts[1], "one");
    assert_text(&topic->parts[2], "two");
    pawl_board_release(&board, topic);
    assert_int_equal(topic_count(&board), 1); /* "b" */
    pawl_board_fini(&board);
}

static void test_only_the_first_counts(void **state)
{
    (void)state;
    struct pawl_board board = {.rank_count = 2};
    put(&board, "a", 1, "first");
    put(&board, "a", 1, "second");
    struct pawl_board_topic *topic = claim(&board, "a");
    assert_int_equal(pawl_board_missing(&board, topic), 0);
    pawl_board_close(topic);
    assert_text(&topic->parts[1], "first");
    pawl_board_release(&board, topic);
    pawl_board_fini(&board);
}

/* What comes after the end of the waiting is dropped, and the key forgotten
 * when all of it came. */
static void test_too_late(void **state)
{
    (void)state;
    struct pawl_board board = {.rank_count = 3};
    struct pawl_board_topic *topic = claim(&board, "a");
    assert_used(&board, "a");
    put(&board, "a", 1, "in time");
    pawl_board_close(topic);
    put(&board, "a", 0, "while it is read");
    assert_false(topic->parts[0].kept);
    assert_text(&topic->parts[1], "in time");
    pawl_board_release(&board, topic);
    assert_used(&board, "a");
    put(&board, "a", 2, "after");
    assert_int_equal(topic_count(&board), 0);
    pawl_board_fini(&board);
}

static void test_all_come_while_it_is_read(void **state)
{
    (void)state;
    struct pawl_board board = {.rank_count = 2};
    struct pawl_board_topic *topic = claim(&board, "a");
    put(&board, "a", 0, "in time");
    pawl_board_close(topic);
    put(&board, "a", 1, "just now");
    assert_text(&topic->parts[0], "in time");
    pawl_board_release(&board, topic);
    assert_int_equal(topic_count(&board), 0);
    pawl_board_fini(&board);
}

/* The oldest early topics go, and the oldest that are over; never one that is
 * waited for. */
static void test_bounds(void **state)
{
    (void)state;
    struct pawl_board board = {.rank_count = 2};
    struct pawl_board_topic *waited = claim(&board, "waited for");
    char key[32];
    for (int i = 0; i < 2 * PAWL_BOARD_IDLE_MAX; i++) {
        snprintf(key, sizeof(key), "over %d", i);
        pawl_board_release(&board, claim(&board, key));
        snprintf(key, sizeof(key), "early %d", i);
        put(&board, key, 1, "text");
    }
    assert_int_equal(topic_count(&board), 2 * PAWL_BOARD_IDLE_MAX + 1);
    struct pawl_board_topic *newest = claim(&board, key);
    assert_text(&newest->parts[1], "text");
    struct pawl_board_topic *oldest = claim(&board, "early 0");
    assert_false(oldest->parts[1].here);
    put(&board, "waited for", 0, "came");
    assert_text(&waited->parts[0], "came");
    pawl_board_fini(&board);
}

static void test_long_keys(void **state)
{
    (void)state;
    struct pawl_board board = {.rank_count = 1};
    char key[PAWL_BOARD_KEY_MAX + 2];
    memset(key, 'k', sizeof(key));
    key[PAWL_BOARD_KEY_MAX + 1] = '\0';
    bool used = true;
    assert_null(pawl_board_claim(&board, key, &used));
    assert_false(used);
    key[PAWL_BOARD_KEY_MAX] = '\0';
    put(&board, key, 0, "text");
    assert_text(&claim(&board, key)->parts[0], "text");
    pawl_board_fini(&board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_early_and_late),
        cmocka_unit_test(test_only_the_first_counts),
        cmocka_unit_test(test_too_late),
        cmocka_unit_test(test_all_come_while_it_is_read),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_long_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
