/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rank_fixture.h - ranks that are threads of one process
 *
 * Each has an engine of its own on one directory, over system calls that can be
 * made to fail for it alone.  They talk by a comm in memory, which keeps what
 * was given until the end, so that a test may look at it.
 */
#ifndef PAWL_TESTS_RANK_FIXTURE_H
#define PAWL_TESTS_RANK_FIXTURE_H

#include "engine_fixture.h"
#include "fault_io.h"

#include <pawl/comm.h>

enum { RANKS_MAX = 4, RANK_TIMEOUT_MS = 400 };

struct rank_hub; /* where they meet */

struct rank_hub *rank_hub_new(uint32_t size);
void rank_hub_free(struct rank_hub *hub);
/* A comm whose free does nothing. */
struct pawl_comm rank_hub_comm(struct rank_hub *hub, uint32_t rank);
/* From now on rank 0's word reaches nobody. */
void rank_hub_mute_first(struct rank_hub *hub, bool mute);
/* How many texts were given so far. */
size_t rank_hub_count(struct rank_hub *hub);

struct rank_fixture;

/* One of them, as its thread sees it. */
struct rank {
    struct rank_fixture *all;
    uint32_t number;
    const char *run; /* where it saves */
    struct pawl_engine *engine;
    struct fault_io *fault;
    struct pawl_place *place;
    char log[8192];
    char path[4096];
    void *ctx; /* the test's */
    int rc;    /* of what it did last, with the reason */
    struct pawl_error err;
    char opened[PAWL_TAG_MAX + 1];
};

struct rank_fixture {
    uint32_t size;
    const char *engine_name;
    char *dir;
    char *runs[RANKS_MAX]; /* of each node; with one node all share the first */
    uint32_t ranks_per_node;
    struct rank_hub *hub;
    struct rank ranks[RANKS_MAX];
};

/* `more` is of the config: ", \"key\": 1". */
struct rank_fixture *rank_fixture_new(uint32_t size, const char *engine,
                                      const char *more);
/* The same, but each `ranks_per_node` have a directory of their own, and
 * `more` says so. */
struct rank_fixture *rank_fixture_new_nodes(uint32_t size,
                                            uint32_t ranks_per_node,
                                            const char *engine,
                                            const char *more);
void rank_fixture_free(struct rank_fixture *fix);
/* Ends all engines and makes others, of `size` ranks, in the same directory. */
void rank_fixture_restart(struct rank_fixture *fix, uint32_t size,
                          const char *more);

/* Calls `act` with the tag for each rank at once, each on a thread; 0 for a
 * mask of all. */
void rank_fixture_run(struct rank_fixture *fix, unsigned mask,
                      void (*act)(struct rank *rank, const char *tag),
                      const char *tag);

/* Acts.  Each fills `rc` and `err` of the rank. */
void rank_create(struct rank *rank, const char *tag);
void rank_save(struct rank *rank, const char *name, int64_t number);
/* Commits, and waits for engines that work in the background. */
void rank_commit(struct rank *rank, const char *tag);
void rank_open(struct rank *rank, const char *tag); /* and closes */
/* The number in run/name, or -1. */
int64_t rank_load(struct rank *rank, const char *name);

/* The test fails unless each rank of the mask (0: all) has that code and its
 * message all of the texts (NULL: none). */
void rank_fixture_expect(struct rank_fixture *fix, unsigned mask, int code,
                         const char *text, const char *text2);

/* All ranks have the same message. */
void rank_fixture_expect_one_message(struct rank_fixture *fix);

/* All open `tag` as the newest ("": none), or the test fails. */
void rank_fixture_expect_newest(struct rank_fixture *fix, const char *tag);

/* For that rank: run/name exists; how many entries it has; flips a bit in the
 * middle of it. */
bool rank_has(struct rank *rank, const char *name);
size_t rank_entries(struct rank *rank, const char *name);
void rank_damage(struct rank *rank, const char *name);

#endif
