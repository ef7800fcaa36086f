/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill_ranks.c - kills one of four ranks at random moments, and looks what the
 * others say and what is left
 *
 *     kill_ranks [ROUNDS]
 *
 * Each round is a job of four processes, which open the newest checkpoint, load
 * what they saved, and go on from there, step after step; one of them, rank 0
 * as well as others, gets SIGKILL a random while later.  Held:
 *
 *   - all ranks opened the same step, whole: each file has the number of that
 *     step and of its rank;
 *   - it is no older than the last commit that returned 0 on any rank, in any
 *     round before (invariant 1);
 *   - the survivors end within the deadline, with an error that names the rank
 *     that was killed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine_fixture.h"
#include "file_comm.h"
#include "scratch.h"
#include "seed.h"

enum { RANKS = 4, ROUNDS = 24, RANK_TIMEOUT_MS = 300 };
/* Twice the timeout for a word of rank 0, which comes after it waited itself,
 * for the round that is broken and for the one behind it; and a slow machine.
 */
enum { SURVIVE_MS = 4 * RANK_TIMEOUT_MS + 5000 };

/* What the processes of a job tell the parent; in memory that all share. */
struct board {
    struct {
        volatile long long opened;    /* the step; -1: none, -2: not yet */
        volatile long long committed; /* the last whose commit returned 0 */
        volatile long long begun;     /* the last that was created */
        volatile int broken;          /* what it opened is not whole */
        char message[1024];           /* why it ended */
    } ranks[RANKS];
};

struct job {
    const char *engine;
    const char *run;
    const char *meet;
    uint32_t rank;
    struct board *board;
};

/* ---- a rank -------------------------------------------------------------- */

_Noreturn static void end_with(const struct job *job, const char *message)
{
    snprintf(job->board->ranks[job->rank].message, 1024, "%s", message);
    _exit(message[0] == '\0' ? 0 : 1);
}

static void path_of(const struct job *job, const char *tag, char out[4096])
{
    snprintf(out, 4096, "%s/%s/rank%u.pt", job->run, tag, job->rank);
}

/* What a rank has at that step. */
static int64_t number_at(const struct job *job, long long step)
{
    return step * RANKS + job->rank;
}

/* The step of the newest checkpoint, loaded and compared; -1 if there is none.
 */
static long long resume(struct pawl_engine *engine, const struct job *job)
{
    const char *tag = NULL;
    char path[4096];
    long long step = -1;
    struct pawl_state *state = NULL;
    struct pawl_error err;
    if (pawl_engine_open(&tag, engine, job->run, NULL, &err) < 0) {
        end_with(job, err.message);
    }
    if (tag == NULL) {
        return -1;
    }
    path_of(job, tag, path);
    if (sscanf(tag, "step-%lld", &step) != 1 ||
        pawl_engine_load(&state, engine, path, 0, &err) < 0 ||
        number_of(state) != number_at(job, step)) {
        job->board->ranks[job->rank].broken = 1;
    }
    pawl_state_free(state);
    pawl_engine_close(engine, tag, NULL);
    return step;
}

/* One step; ends the process with the first error. */
static void make(struct pawl_engine *engine, const struct job *job,
                 long long step)
{
    char tag[32];
    char path[4096];
    struct pawl_error err;
    struct pawl_state *state = numbered_state(number_at(job, step), 50000);
    snprintf(tag, sizeof(tag), "step-%lld", step);
    path_of(job, tag, path);
    job->board->ranks[job->rank].begun = step;
    if (pawl_engine_create(engine, job->run, tag, &err) < 0 ||
        pawl_engine_save(engine, state, path, &err) < 0 ||
        pawl_engine_commit(engine, tag, &err) < 0 ||
        pawl_engine_wait(engine, 60000, &err) < 0) {
        end_with(job, err.message);
    }
    job->board->ranks[job->rank].committed = step;
    pawl_state_free(state);
}

static void run_rank(const struct job *job)
{
    char config[256];
    struct pawl_engine *engine = NULL;
    struct pawl_error err;
    struct pawl_comm comm = file_comm_new(job->meet, job->rank, RANKS);
    snprintf(config, sizeof(config),
             "{\"engine\": \"%s\", \"rank_timeout_ms\": %d, "
             "\"staging_bytes\": \"4MiB\", \"keep_last\": 2}",
             job->engine, RANK_TIMEOUT_MS);
    if (pawl_engine_new_ranks(&engine, config, &comm, &err) < 0) {
        end_with(job, err.message);
    }
    pawl_engine_set_log(engine, NULL, NULL);
    long long step = resume(engine, job);
    job->board->ranks[job->rank].opened = step;
    for (;;) {
        make(engine, job, ++step);
    }
}

/* ---- a round ------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void fail(const struct board *board, const char *what)
{
    printf("%s\n", what);
    for (int i = 0; i < RANKS; i++) {
        printf("  rank %d: opened %lld, begun %lld, committed %lld: %s\n", i,
               board->ranks[i].opened, board->ranks[i].begun,
               board->ranks[i].committed, board->ranks[i].message);
    }
    exit(1);
}

static void start(pid_t pids[RANKS], struct job *job)
{
    fflush(NULL);
    for (uint32_t i = 0; i < RANKS; i++) {
        job->rank = i;
        job->board->ranks[i].opened = -2;
        job->board->ranks[i].committed = -1;
        job->board->ranks[i].begun = -1;
        job->board->ranks[i].broken = 0;
        job->board->ranks[i].message[0] = '\0';
        pids[i] = fork();
        if (pids[i] == 0) {
            run_rank(job);
        }
    }
}

/* Waits until all have opened, or ended. */
static void await_opened(const struct board *board)
{
    int64_t until = now_ms() + 60000;
    for (int i = 0; i < RANKS; i++) {
        while (board->ranks[i].opened == -2 &&
               board->ranks[i].message[0] == '\0') {
            if (now_ms() > until) {
                fail(board, "a rank did not open within a minute");
            }
            usleep(200);
        }
    }
}

/* Waits for the survivors; the longest that one took, in ms. */
static int64_t await_end(pid_t pids[RANKS], uint32_t killed,
                         const struct board *board)
{
    int64_t begin = now_ms();
    for (uint32_t i = 0; i < RANKS; i++) {
        while (i != killed && waitpid(pids[i], NULL, WNOHANG) == 0) {
            if (now_ms() - begin > SURVIVE_MS) {
                fail(board, "a survivor did not end in time");
            }
            usleep(500);
        }
    }
    return now_ms() - begin;
}

static void check(const struct board *board, long long least)
{
    for (int i = 0; i < RANKS; i++) {
        if (board->ranks[i].opened == -2 || board->ranks[i].broken) {
            fail(board, "a rank could not open what was there");
        }
        if (board->ranks[i].opened != board->ranks[0].opened) {
            fail(board, "the ranks opened different checkpoints");
        }
    }
    if (board->ranks[0].opened < least) {
        fail(board, "an older checkpoint was opened than one whose commit "
                    "returned");
    }
}

static void check_named(const struct board *board, uint32_t killed)
{
    char name[32];
    snprintf(name, sizeof(name), "rank %u", killed);
    for (uint32_t i = 0; i < RANKS; i++) {
        if (i != killed && strstr(board->ranks[i].message, name) == NULL) {
            fail(board, "a survivor does not name the rank that was killed");
        }
    }
}

struct tally {
    unsigned first;    /* rounds in which rank 0 was killed */
    unsigned unknown;  /* survivors that could not know how it ended */
    unsigned ahead;    /* rounds that left more than any commit had said */
    long long commits; /* that returned on some rank */
    int64_t slowest_ms;
};

/* The newest step that some rank was told is committed. */
static long long newest(const struct board *board)
{
    long long most = -1;
    for (int i = 0; i < RANKS; i++) {
        most =
            board->ranks[i].committed > most ? board->ranks[i].committed : most;
    }
    return most;
}

static void play(struct job *job, uint64_t *seed, long long *least,
                 struct tally *tally)
{
    pid_t pids[RANKS];
    uint32_t killed = (uint32_t)test_draw(seed, RANKS);
    start(pids, job);
    await_opened(job->board);
    check(job->board, *least);
    tally->ahead += job->board->ranks[0].opened > *least ? 1 : 0;
    usleep((useconds_t)(test_draw(seed, 60000)));
    kill(pids[killed], SIGKILL);
    waitpid(pids[killed], NULL, 0);
    int64_t took = await_end(pids, killed, job->board);
    check_named(job->board, killed);
    for (int i = 0; i < RANKS; i++) {
        tally->unknown +=
            strstr(job->board->ranks[i].message, "not known") != NULL ? 1 : 0;
    }
    long long now = newest(job->board);
    tally->first += killed == 0 ? 1 : 0;
    tally->commits += now < 0 ? 0 : now - job->board->ranks[0].opened;
    tally->slowest_ms = took > tally->slowest_ms ? took : tally->slowest_ms;
    *least =
        now > job->board->ranks[0].opened ? now : job->board->ranks[0].opened;
}

int main(int argc, char **argv)
{
    static const char *const engines[] = {"torch", "direct", "async"};
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : ROUNDS;
    uint64_t seed = test_seed();
    struct tally tally = {0};
    struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    long long least[3] = {-1, -1, -1};
    char *dirs[3];
    if (board == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    for (int i = 0; i < 3; i++) {
        dirs[i] = scratch_new();
    }
    for (long round = 0; round < rounds; round++) {
        int e = (int)(round % 3);
        char *meet = scratch_new();
        struct job job = {
            .engine = engines[e], .run = dirs[e], .meet = meet, .board = board};
        play(&job, &seed, &least[e], &tally);
        scratch_free(meet);
    }
    for (int i = 0; i < 3; i++) {
        scratch_free(dirs[i]);
    }
    printf("%ld rounds, rank 0 killed in %u; %lld commits returned; %u rounds "
           "left one more than was said; %u survivors could not know; the "
           "slowest ended %lld ms after the kill\n",
           rounds, tally.first, tally.commits, tally.ahead, tally.unknown,
           (long long)tally.slowest_ms);
    return 0;
}
