/* SPDX-License-Identifier: Apache-2.0 */
/*
 * soak.c - saves, retention and loads at once, for a long time, over a disk
 * that fails now and then
 *
 *     PAWL_SOAK_SECONDS=1800 soak
 *
 * For each engine one thread saves step after step and another opens the
 * newest and loads it, by an engine of its own, as another job would.  In a
 * part of the saves one system call fails, or all such calls from one on; now
 * and then an engine is freed and made anew.  At each moment: what was
 * committed last is what a calm disk opens, or a step that failed after it;
 * whatever is loaded is right; and memory and descriptors stay as they are.
 *
 * A violation is told at once and ends the program.  At the end a line for each
 * engine and one for memory and descriptors.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine.h"
#include "fault_io.h"
#include "scratch.h"
#include "seed.h"
#include "step_files.h"
#include "store/store_file.h"

#define SECONDS 8
#define MOST_ELEMENTS ((size_t)32768) /* of a tensor: 256 KiB */
#define LANE                                                                   \
    "\"block_bytes\": 65536, \"staging_bytes\": 1048576, "                     \
    "\"load_cache_bytes\": 1048576, "
#define LOG_MAX 8192
#define KEEP "\"keep_last\": 2, \"recycle\": true"

struct track {
    const char *config;
    char *dir;
    struct fault_io *fault;
    struct pawl_place *place; /* over the faults */
    struct pawl_engine *engine;
    uint64_t seed;
    atomic_llong committed; /* -1: none */
    atomic_llong tried;
    unsigned long saves, failed, restarts;
    unsigned long loads, gone, nothing; /* the loader's */
    struct fault_plan plan;
    char saver_log[LOG_MAX], calm_log[LOG_MAX], loader_log[LOG_MAX];
};

static struct track tracks[] = {
    {.config = "{\"engine\": \"torch\", \"digest\": \"xxh3\", " KEEP "}"},
    {.config = "{\"engine\": \"direct\", " LANE KEEP "}"},
    {.config = "{\"engine\": \"async\", \"digest\": \"xxh3\", " LANE KEEP "}"},
    {.config = "{\"engine\": \"async\", \"snapshot\": \"lazy\", " LANE
               "\"keep_last\": 3}"},
};
#define TRACK_COUNT (sizeof(tracks) / sizeof(*tracks))

static atomic_bool is_over;

static void violation(const struct track *track, const char *what,
                      long long wanted, long long found)
{
    fprintf(stderr, "VIOLATION in '%s' (%s): %s: %lld, %lld\n", track->dir,
            track->config, what, wanted, found);
    fprintf(stderr, "the fault: %zu. %s, errno %d, then on %d\n",
            track->plan.nth, fault_call_name(track->plan.call),
            track->plan.sys_errno, track->plan.from_then_on);
    fprintf(stderr, "saver:\n%sits check:\n%sloader:\n%s", track->saver_log,
            track->calm_log, track->loader_log);
    _exit(1);
}

/* ---- engines --------------------------------------------------------------
 */

static int make_store(void *ctx, struct pawl_store *out, const char *root,
                      struct pawl_error *err)
{
    const struct track *track = ctx;
    return pawl_store_file_make(out, root, fault_io_table(track->fault), err);
}

/* The last lines of an engine's log, for who looks into a violation. */
static void keep_line(void *ctx, enum pawl_log_level level, const char *line)
{
    char *log = ctx;
    size_t len = strlen(log);
    size_t more = strlen(line) + 2;
    (void)level;
    if (len + more > LOG_MAX) {
        len = 0;
    }
    snprintf(log + len, LOG_MAX - len, "%s\n", line);
}

static void restart(struct track *track)
{
    struct pawl_error err;
    pawl_engine_free(track->engine);
    track->engine = NULL;
    if (pawl_engine_new_at(&track->engine, track->place, track->config, &err) <
        0) {
        fprintf(stderr, "soak: %s\n", err.message);
        _exit(1);
    }
    pawl_engine_set_log(track->engine, keep_line, track->saver_log);
    track->restarts++;
}

/* Of the disk as it is. */
static struct pawl_engine *calm_engine(const struct track *track, char *log)
{
    struct pawl_engine *engine = NULL;
    struct pawl_error err;
    if (pawl_engine_new(&engine, track->config, &err) < 0) {
        fprintf(stderr, "soak: %s\n", err.message);
        _exit(1);
    }
    pawl_engine_set_log(engine, keep_line, log);
    return engine;
}

/* ---- saving ---------------------------------------------------------------
 */

static void arm(struct track *track)
{
    static const int errnos[] = {EIO, ENOSPC, EDQUOT, EINTR, EMFILE, EROFS, 0};
    bool any = test_draw(&track->seed, 2) == 0;
    struct fault_plan plan = {
        .call =
            any ? FAULT_ANY
                : (enum fault_call)test_draw(&track->seed, FAULT_GETDENTS + 1),
        .nth = 1 + (size_t)test_draw(&track->seed, any ? 250 : 12),
        .sys_errno = errnos[test_draw(&track->seed, 7)],
        .short_count = (size_t)test_draw(&track->seed, 512),
        .from_then_on = test_draw(&track->seed, 4) == 0,
    };
    if (plan.from_then_on && (plan.sys_errno == EINTR || plan.sys_errno == 0)) {
        plan.sys_errno = EIO; /* who is interrupted for ever goes on for ever */
    }
    if (plan.sys_errno == 0 && plan.short_count == 0) {
        plan.short_count = 1;
    }
    bool armed = test_draw(&track->seed, 3) == 0;
    track->plan = armed ? plan : (struct fault_plan){0};
    fault_io_arm(track->fault, armed ? &plan : NULL);
}

/* One step, and what a calm disk has of it. */
static void save_once(struct track *track, struct pawl_engine *calm)
{
    struct pawl_error err;
    int64_t found = -1;
    long long step = atomic_load(&track->tried) + 1;
    arm(track);
    atomic_store(&track->tried, step);
    int rc = step_save(track->engine, track->dir, step, MOST_ELEMENTS, &err);
    if (rc == 0) {
        atomic_store(&track->committed, step);
    }
    fault_io_arm(track->fault, NULL);
    track->saves++;
    track->failed += rc < 0;
    if (rc < 0 && err.message[0] == '\0') {
        violation(track, "an error without a message", rc, step);
    }
    rc = step_open(calm, track->dir, &found, MOST_ELEMENTS, &err);
    if (rc < 0) {
        fprintf(stderr, "%s\n", err.message);
        violation(track, "the newest cannot be loaded", rc, step);
    }
    if (found < atomic_load(&track->committed) || found > step) {
        violation(track, "opened is not what was committed",
                  atomic_load(&track->committed), found);
    }
    /* A commit that failed may be there, if undoing it failed too. */
    atomic_store(&track->committed, found);
}

static void *save_for_long(void *arg)
{
    struct track *track = arg;
    struct pawl_engine *calm = calm_engine(track, track->calm_log);
    while (!atomic_load(&is_over)) {
        save_once(track, calm);
        if (test_draw(&track->seed, 40) == 0) {
            restart(track);
        }
    }
    pawl_engine_free(calm);
    return NULL;
}

/* ---- loading ---------------------------------------------------------------
 */

/* Retention may delete what is being read: that is an error, or an older step
 * less; wrong data it never is. */
static void *load_for_long(void *arg)
{
    struct track *track = arg;
    struct pawl_engine *engine = calm_engine(track, track->loader_log);
    while (!atomic_load(&is_over)) {
        struct pawl_error err;
        int64_t found = -1;
        long long least = atomic_load(&track->committed);
        int rc = step_open(engine, track->dir, &found, MOST_ELEMENTS, &err);
        if (rc == 0 && found >= 0) {
            track->loads++;
            if (found < least || found > atomic_load(&track->tried)) {
                violation(track, "an old step was loaded", least, found);
            }
        } else if (rc == 0) {
            track->nothing += least >= 0;
        } else {
            track->gone++;
        }
    }
    pawl_engine_free(engine);
    return NULL;
}

/* ---- memory and descriptors ------------------------------------------------
 */

struct usage {
    size_t count;
    double rss_kib;
    double fds;
};

static long rss_kib(void)
{
    long pages = 0;
    long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        if (fscanf(file, "%ld %ld", &pages, &resident) != 2) {
            resident = 0;
        }
        fclose(file);
    }
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void sample(struct usage *usage)
{
    usage->count++;
    usage->rss_kib += (double)rss_kib();
    usage->fds += scratch_fd_count();
}

static double mean(double sum, size_t count)
{
    return sum / (double)(count > 0 ? count : 1);
}

/* Waits until the end; the means of the second and of the last quarter. */
static void watch(unsigned seconds, struct usage *early, struct usage *late)
{
    for (unsigned i = 0; i < seconds * 4; i++) {
        const struct timespec quarter = {0, 250000000};
        nanosleep(&quarter, NULL);
        if (i >= seconds && i < 2 * seconds) {
            sample(early);
        } else if (i >= 3 * seconds) {
            sample(late);
        }
        if (i % (4 * 60) == 0 && seconds >= 60) {
            printf("%4u s: %ld KiB, %d descriptors\n", i / 4, rss_kib(),
                   scratch_fd_count());
            fflush(stdout);
        }
    }
}

static int judge(const struct usage *early, const struct usage *late)
{
    double before = mean(early->rss_kib, early->count);
    double after = mean(late->rss_kib, late->count);
    double fds_before = mean(early->fds, early->count);
    double fds_after = mean(late->fds, late->count);
    printf("memory %.0f KiB, then %.0f; descriptors %.1f, then %.1f\n", before,
           after, fds_before, fds_after);
    bool grows = after > before * 1.05 + 4096 || fds_after > fds_before + 8;
    if (grows) {
        fprintf(stderr, "VIOLATION: they grow\n");
    }
    return grows ? 1 : 0;
}

static void report(void)
{
    for (size_t i = 0; i < TRACK_COUNT; i++) {
        const struct track *track = &tracks[i];
        printf("%lu saves (%lu failed), %lu engines, %lu loads (%lu were "
               "overtaken by retention, %lu found nothing): %s\n",
               track->saves, track->failed, track->restarts, track->loads,
               track->gone, track->nothing, track->config);
    }
}

static void begin(struct track *track, const char *dir, size_t index)
{
    char name[16];
    snprintf(name, sizeof(name), "run-%zu", index);
    track->dir = scratch_path(dir, name);
    track->fault = fault_io_new(&pawl_io_posix);
    pawl_place_new_with(&track->place, make_store, track, NULL);
    atomic_store(&track->committed, -1);
    atomic_store(&track->tried, -1);
    restart(track);
}

static void end(struct track *track)
{
    pawl_engine_free(track->engine);
    pawl_place_unref(track->place);
    if (fault_io_open_count(track->fault) != 0) {
        violation(track, "descriptors are left open", 0,
                  fault_io_open_count(track->fault));
    }
    fault_io_free(track->fault);
    free(track->dir);
}

int main(void)
{
    const char *given = getenv("PAWL_SOAK_SECONDS");
    unsigned seconds =
        given != NULL ? (unsigned)strtoul(given, NULL, 10) : SECONDS;
    pthread_t threads[2 * TRACK_COUNT];
    struct usage early = {0};
    struct usage late = {0};
    int fds = scratch_fd_count();
    char *dir = scratch_new();
    uint64_t seed = test_seed();
    mallopt(M_ARENA_MAX, 2); /* else freed memory stays with many threads */
    for (size_t i = 0; i < TRACK_COUNT; i++) {
        tracks[i].seed = test_draw(&seed, UINT64_MAX);
        begin(&tracks[i], dir, i);
        pthread_create(&threads[2 * i], NULL, save_for_long, &tracks[i]);
        pthread_create(&threads[2 * i + 1], NULL, load_for_long, &tracks[i]);
    }
    watch(seconds, &early, &late);
    atomic_store(&is_over, true);
    for (size_t i = 0; i < 2 * TRACK_COUNT; i++) {
        pthread_join(threads[i], NULL);
    }
    report();
    for (size_t i = 0; i < TRACK_COUNT; i++) {
        end(&tracks[i]);
    }
    scratch_free(dir);
    if (scratch_fd_count() != fds) {
        fprintf(stderr, "VIOLATION: %d descriptors are left\n",
                scratch_fd_count() - fds);
        return 1;
    }
    return judge(&early, &late);
}
