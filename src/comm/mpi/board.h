/* SPDX-License-Identifier: Apache-2.0 */
/*
 * board.h - what ranks gave, by key, until somebody takes it
 *
 * Messages arrive in any order and for any key.  Each goes on the board under
 * its key, where the call that asks for that key finds it, now or later.  What
 * nobody here asks for is bounded: see PAWL_BOARD_IDLE_MAX.
 *
 * Rank 0 takes from all ranks, the others from rank 0 alone, so their boards
 * are one rank wide.
 *
 * Not thread-safe: the lock of comm_mpi.c guards it.
 */
#ifndef PAWL_COMM_MPI_BOARD_H
#define PAWL_COMM_MPI_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAWL_BOARD_KEY_MAX 400

/* How many early topics are kept at most, and how many that are over.  Ranks
 * that wait for one another are never more than a few keys apart; of more the
 * oldest is forgotten. */
#define PAWL_BOARD_IDLE_MAX 128

/* What one rank gave. */
struct pawl_board_part {
    void *memory; /* owned; `data` lies in it.  NULL: borrowed or dropped */
    const void *data;
    size_t len_bytes;
    bool here; /* it came */
    bool kept; /* in time: the fields above are its text */
};

enum pawl_board_use {
    PAWL_BOARD_EARLY,   /* messages came, nobody asked for them yet */
    PAWL_BOARD_CLAIMED, /* a call waits */
    PAWL_BOARD_CLOSED, /* it waits no more and reads what came: drop the rest */
    PAWL_BOARD_OVER    /* it ended before all came: drop the rest */
};

struct pawl_board_topic {
    struct pawl_board_topic *next;
    enum pawl_board_use use;
    uint32_t here_count; /* of parts */
    char key[PAWL_BOARD_KEY_MAX + 1];
    struct pawl_board_part parts[]; /* of each rank to take from */
};

struct pawl_board {
    struct pawl_board_topic *first; /* the newest */
    uint32_t rank_count;            /* to take from: 0 to rank_count-1 */
};

/* The topic of `key` for one call, until pawl_board_release.  NULL with
 * *used false: out of memory; true: this rank used the key before. */
struct pawl_board_topic *pawl_board_claim(struct pawl_board *board,
                                          const char *key, bool *used);

/* Puts what `rank`, below rank_count, gave under `key`.  Takes `part->memory`
 * over, unless it returns false: out of memory.  What comes too late or twice
 * is dropped. */
bool pawl_board_put(struct pawl_board *board, const char *key, uint32_t rank,
                    const struct pawl_board_part *part);

/* The first rank of which nothing came, or UINT32_MAX. */
uint32_t pawl_board_missing(const struct pawl_board *board,
                            const struct pawl_board_topic *topic);

/* Ends the waiting: what is `kept` of the parts does not change any more, so
 * the caller may read that without the lock, until pawl_board_release. */
void pawl_board_close(struct pawl_board_topic *topic);

/* Ends a claim, and frees what came.  What still comes is dropped. */
void pawl_board_release(struct pawl_board *board,
                        struct pawl_board_topic *topic);

/* Frees all topics; no claim may be left. */
void pawl_board_fini(struct pawl_board *board);

#endif
