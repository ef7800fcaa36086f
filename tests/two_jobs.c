/* SPDX-License-Identifier: Apache-2.0 */
/*
 * two_jobs.c - two processes save into one directory, and one is killed
 *
 *     two_jobs [ROUNDS]
 *
 * In each round two jobs save step after step into the same save_dir, with
 * retention and recycled files, often under the same tag at the same moment:
 * who is late then is told that the tag is busy, and nothing else may fail.
 * One is killed with SIGKILL after a time that is drawn; the other goes on for
 * a few commits and ends.  Meanwhile this process opens the newest again and
 * again: there must always be one, with the right data.  At the end the newest
 * is what the survivor committed last, and nothing of the dead one is left.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"
#include "seed.h"
#include "step_files.h"

enum { ROUNDS = 8, AFTERWARDS = 5, MOST_ELEMENTS = 4096 };

static const char *const configs[] = {
    "{\"engine\": \"torch\", \"keep_last\": 2, \"recycle\": true}",
    "{\"engine\": \"async\", \"keep_last\": 2, \"recycle\": true, "
    "\"block_bytes\": 4096, \"staging_bytes\": 65536}",
    "{\"engine\": \"direct\", \"keep_last\": 1, \"recycle\": true, "
    "\"block_bytes\": 4096, \"staging_bytes\": 65536}",
};

/* What both jobs and this process know; in memory that they share is no need.
 */
struct round {
    const char *dir;
    long long first; /* step that both begin with */
    uint64_t seed;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "two_jobs: %s: %s\n", what, why);
    exit(1);
}

static void drop_line(void *ctx, enum pawl_log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

static struct pawl_engine *make_engine(uint64_t draw)
{
    struct pawl_engine *engine = NULL;
    struct pawl_error err;
    if (pawl_engine_new(&engine, configs[draw % 3], &err) < 0) {
        die("engine", err.message);
    }
    pawl_engine_set_log(engine, drop_line, NULL);
    return engine;
}

/* ---- a job -----------------------------------------------------------------
 */

/* Saves until `stop_fd` is closed and then AFTERWARDS times more; tells each
 * step that it committed by `told_fd`. */
static void run_job(const struct round *round, unsigned which, int stop_fd,
                    int told_fd)
{
    uint64_t seed = round->seed + which;
    struct pawl_engine *engine = make_engine(test_draw(&seed, 3));
    long long step = round->first;
    int left = AFTERWARDS;
    while (left > 0) {
        struct pawl_error err;
        char byte;
        bool stops = read(stop_fd, &byte, 1) == 0;
        step += (long long)test_draw(&seed, 2); /* now and then again */
        int rc = step_save(engine, round->dir, step, MOST_ELEMENTS, &err);
        if (rc == PAWL_EBUSY) {
            step += (long long)test_draw(&seed, 3);
            continue;
        }
        if (rc < 0) {
            die("save", err.message);
        }
        if (write(told_fd, &step, sizeof(step)) != (ssize_t)sizeof(step)) {
            _exit(1);
        }
        left -= stops;
    }
    pawl_engine_free(engine);
    _exit(0);
}

static pid_t start_job(const struct round *round, unsigned which, int stop[2],
                       int told[2])
{
    if (pipe2(told, 0) < 0) {
        die("pipe", "failed");
    }
    pid_t pid = fork();
    if (pid < 0) {
        die("fork", "failed");
    }
    if (pid == 0) {
        close(stop[1]);
        close(told[0]);
        run_job(round, which, stop[0], told[1]);
    }
    close(told[1]);
    return pid;
}

/* ---- a round ---------------------------------------------------------------
 */

/* The last step that a job told of; -1: none. */
static long long last_told(int fd)
{
    long long last = -1;
    long long step;
    while (read(fd, &step, sizeof(step)) == (ssize_t)sizeof(step)) {
        last = step;
    }
    close(fd);
    return last;
}

static int64_t open_newest(struct pawl_engine *engine, const char *dir,
                           bool must_load)
{
    struct pawl_error err;
    int64_t step = -1;
    int rc = step_open(engine, dir, &step, MOST_ELEMENTS, &err);
    if (rc < 0 && must_load) {
        die("open", err.message);
    }
    if (step < 0) {
        die(dir, "there was nothing to open");
    }
    return step;
}

/* Opens all the while, for `ms` or until `pid` (if not 0) has ended. */
static unsigned watch(const char *dir, unsigned ms, pid_t pid,
                      struct pawl_engine *engine)
{
    unsigned opens = 0;
    for (unsigned i = 0; pid != 0 || i < ms; i++) {
        open_newest(engine, dir, false);
        opens++;
        usleep(1000);
        int status = 0;
        if (pid != 0 && waitpid(pid, &status, WNOHANG) == pid) {
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                die("job", "a job failed");
            }
            break;
        }
    }
    return opens;
}

static long long run_round(struct round *round, uint64_t *seed, unsigned *opens)
{
    int stop[2];
    int told[2][2];
    pid_t pids[2];
    struct pawl_engine *engine = make_engine(0);
    if (pipe2(stop, O_NONBLOCK) < 0) {
        die("pipe", "failed");
    }
    round->seed = test_draw(seed, UINT64_MAX);
    for (unsigned i = 0; i < 2; i++) {
        pids[i] = start_job(round, i, stop, told[i]);
    }
    *opens += watch(round->dir, (unsigned)test_draw(seed, 150), 0, engine);
    unsigned victim = (unsigned)test_draw(seed, 2);
    kill(pids[victim], SIGKILL);
    waitpid(pids[victim], NULL, 0);
    close(stop[1]);
    *opens += watch(round->dir, 0, pids[1 - victim], engine);
    close(stop[0]);
    last_told(told[victim][0]);
    long long last = last_told(told[1 - victim][0]);
    int64_t found = open_newest(engine, round->dir, true);
    if (found != last) {
        fprintf(stderr, "two_jobs: %lld was committed last, %lld was opened\n",
                last, (long long)found);
        exit(1);
    }
    step_check_work_dir(round->dir);
    pawl_engine_free(engine);
    return last;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : ROUNDS;
    uint64_t seed = test_seed();
    char *dir = scratch_new();
    struct round round = {.dir = dir};
    struct pawl_error err;
    unsigned opens = 0;
    struct pawl_engine *engine = make_engine(0);
    if (step_save(engine, dir, 0, MOST_ELEMENTS, &err) < 0) {
        die("save", err.message);
    }
    pawl_engine_free(engine);
    for (unsigned i = 0; i < rounds; i++) {
        round.first = run_round(&round, &seed, &opens) + 1;
    }
    printf("%u rounds, %lld steps, %u opens meanwhile: none found nothing\n",
           rounds, round.first, opens);
    scratch_free(dir);
    return 0;
}
