/* SPDX-License-Identifier: Apache-2.0 */
/*
 * board.c - what ranks gave, by key, until somebody takes it
 *
 * A short list, the newest topic first: there are as many as calls under way,
 * and PAWL_BOARD_IDLE_MAX at most of each kind that nobody waits for.
 */
#include "comm/mpi/board.h"

#include <stdlib.h>
#include <string.h>

static void drop_parts(const struct pawl_board *board,
                       struct pawl_board_topic *topic)
{
    for (uint32_t i = 0; i < board->rank_count; i++) {
        free(topic->parts[i].memory);
        topic->parts[i].memory = NULL;
        topic->parts[i].data = NULL;
    }
}

static void free_topic(const struct pawl_board *board,
                       struct pawl_board_topic *topic)
{
    drop_parts(board, topic);
    free(topic);
}

static void unlink_topic(struct pawl_board *board,
                         const struct pawl_board_topic *topic)
{
    struct pawl_board_topic **link = &board->first;
    while (*link != topic) {
        link = &(*link)->next;
    }
    *link = topic->next;
}

/* Forgets the oldest topic of that use if there are too many.  Each use has a
 * bound of its own: what is over must not drive out what is early. */
static void limit(struct pawl_board *board, enum pawl_board_use use)
{
    struct pawl_board_topic *oldest = NULL;
    size_t count = 0;
    for (struct pawl_board_topic *t = board->first; t != NULL; t = t->next) {
        if (t->use == use) {
            oldest = t;
            count++;
        }
    }
    if (count > PAWL_BOARD_IDLE_MAX) {
        unlink_topic(board, oldest);
        free_topic(board, oldest);
    }
}

static struct pawl_board_topic *find_or_add(struct pawl_board *board,
                                            const char *key)
{
    struct pawl_board_topic *topic = board->first;
    size_t len = strlen(key);
    while (topic != NULL && strcmp(topic->key, key) != 0) {
        topic = topic->next;
    }
    if (topic != NULL || len > PAWL_BOARD_KEY_MAX) {
        return topic;
    }
    topic = calloc(1, sizeof(*topic) +
                          (size_t)board->rank_count * sizeof(topic->parts[0]));
    if (topic != NULL) {
        memcpy(topic->key, key, len + 1);
        topic->use = PAWL_BOARD_EARLY;
        topic->next = board->first;
        board->first = topic;
        limit(board, PAWL_BOARD_EARLY); /* the oldest, so never this one */
    }
    return topic;
}

struct pawl_board_topic *pawl_board_claim(struct pawl_board *board,
                                          const char *key, bool *used)
{
    struct pawl_board_topic *topic = find_or_add(board, key);
    *used = topic != NULL && topic->use != PAWL_BOARD_EARLY;
    if (topic == NULL || *used) {
        return NULL;
    }
    topic->use = PAWL_BOARD_CLAIMED;
    return topic;
}

bool pawl_board_put(struct pawl_board *board, const char *key, uint32_t rank,
                    const struct pawl_board_part *part)
{
    struct pawl_board_topic *topic = find_or_add(board, key);
    if (topic == NULL) {
        return false;
    }
    struct pawl_board_part *place = &topic->parts[rank];
    if (place->here) {
        free(part->memory);
        return true;
    }
    topic->here_count++;
    if (topic->use == PAWL_BOARD_EARLY || topic->use == PAWL_BOARD_CLAIMED) {
        *place = *part;
        place->kept = true;
    } else {
        free(part->memory);
    }
    place->here = true;
    /* What is over stays known only until all its messages came. */
    if (topic->use == PAWL_BOARD_OVER &&
        topic->here_count == board->rank_count) {
        unlink_topic(board, topic);
        free_topic(board, topic);
    }
    return true;
}

uint32_t pawl_board_missing(const struct pawl_board *board,
                            const struct pawl_board_topic *topic)
{
    if (topic->here_count == board->rank_count) {
        return UINT32_MAX;
    }
    uint32_t rank = 0;
    while (topic->parts[rank].here) {
        rank++;
    }
    return rank;
}

void pawl_board_close(struct pawl_board_topic *topic)
{
    topic->use = PAWL_BOARD_CLOSED;
}

void pawl_board_release(struct pawl_board *board,
                        struct pawl_board_topic *topic)
{
    if (topic->here_count == board->rank_count) {
        unlink_topic(board, topic);
        free_topic(board, topic);
        return;
    }
    topic->use = PAWL_BOARD_OVER;
    drop_parts(board, topic);
    limit(board, PAWL_BOARD_OVER);
}

void pawl_board_fini(struct pawl_board *board)
{
    while (board->first != NULL) {
        struct pawl_board_topic *topic = board->first;
        board->first = topic->next;
        free_topic(board, topic);
    }
}
