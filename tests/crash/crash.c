/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crash.c - every system call fails, and the power after every system call
 *
 *     crash [--short] [--stop] [--seed N] [--engine E] [--story S]
 *           [--only cuts|calls] [--every N] [--limit N] [--branch N] [--parts]
 *     crash --engine E --story S --seed N --limit N --branch N
 *           [--plan CALL:NTH] --replay POINT:STATE
 *     crash --engine E --story S --fail CALL:NTH:ERRNO:once|always
 *
 * The first goes through all engines and stories (of the calls and of the
 * points through one in every N) and prints what was tried, or with --parts
 * only the options of its parts, one a line: run one by one or side by side
 * (tests/crash/run), they try what it would.  The others replay what it printed
 * of a violation.  Exits with 1 if there was one.  What is tried is told in
 * docs/durability.md.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failing_calls.h"
#include "neighbour.h"
#include "power_cut.h"
#include "seed.h"

/* How much is tried. */
struct effort {
    size_t limit;       /* disks at a point, at most */
    size_t every_cut;   /* of the points at which the power fails */
    size_t branch;      /* one point in so many: recovered, and cut again */
    size_t plan_limit;  /* disks at a point, where a sync failed too */
    size_t every_plan;  /* of the syncs that fail */
    size_t every_point; /* of the points after one */
    size_t every_call;  /* of the calls that fail, with each errno */
};

static const struct effort long_effort = {
    .limit = 128,
    .every_cut = 1,
    .branch = 4,
    .plan_limit = 12,
    .every_plan = 1,
    .every_point = 2,
    .every_call = 1,
};

static const struct effort short_effort = {
    .limit = 10,
    .every_cut = 6,
    .branch = 80,
    .plan_limit = 6,
    .every_plan = 32,
    .every_point = 6,
    .every_call = 300,
};

static const char *const engines[] = {"torch", "direct", "async"};
enum { ENGINE_COUNT = sizeof(engines) / sizeof(*engines) };

struct options {
    struct effort effort;
    const char *engine; /* NULL: all */
    int story;          /* -1: all */
    bool cuts;
    bool calls;
    bool parts; /* only tell what they are */
    bool stop;  /* at the first violation */
    uint64_t seed;
    struct power_cut replay; /* only_point is -1: none */
    struct failing_calls fail;
};

struct tally {
    struct power_cut cuts;
    struct failing_calls calls;
    size_t plans;
};

/* ---- the whole ----------------------------------------------------------- */

static void add_cuts(struct tally *tally, const struct power_cut *cut)
{
    tally->cuts.points += cut->points;
    tally->cuts.states += cut->states;
    tally->cuts.repeated += cut->repeated;
    tally->cuts.branches += cut->branches;
    tally->cuts.exhausted += cut->exhausted;
    tally->cuts.violations += cut->violations;
}

static void cut_story(const struct options *options, const char *engine,
                      enum story_name story, struct tally *tally)
{
    struct power_cut cut = {
        .engine = engine,
        .story = story,
        .seed = options->seed,
        .limit = options->effort.limit,
        .every = options->effort.every_cut,
        .branch = options->effort.branch,
        .only_point = -1,
        .only_state = -1,
        .stop = options->stop,
    };
    power_cut_run(&cut);
    add_cuts(tally, &cut);
}

/* Each sync of the story fails once, of directories and of files; then the
 * power fails. */
static void cut_after_failures(const struct options *options,
                               const char *engine, enum story_name story,
                               struct tally *tally)
{
    static const enum fault_call syncs[] = {FAULT_FSYNC, FAULT_FDATASYNC};
    uint64_t seed = options->seed + story;
    for (int i = 0; i < 2; i++) {
        bool fired = true;
        for (size_t nth = 1; fired; nth++) {
            struct power_cut cut = {
                .engine = engine,
                .story = story,
                .seed = options->seed,
                .limit = options->effort.plan_limit,
                .every = options->effort.every_point,
                .plan = {.call = syncs[i], .nth = nth, .sys_errno = EIO},
                .only_point = -1,
                .only_state = -1,
                .stop = options->stop,
            };
            if (test_draw(&seed, options->effort.every_plan) != 0 &&
                nth < 100) {
                continue;
            }
            power_cut_run(&cut);
            fired = cut.fired;
            tally->plans += fired;
            add_cuts(tally, &cut);
        }
    }
}

static void fail_story(const struct options *options, const char *engine,
                       enum story_name story, struct tally *tally)
{
    struct failing_calls run = {
        .engine = engine,
        .story = story,
        .seed = options->seed,
        .every = options->effort.every_call,
        .stop = options->stop,
    };
    failing_calls_run(&run);
    tally->calls.calls += run.calls;
    tally->calls.tries += run.tries;
    tally->calls.errors += run.errors;
    tally->calls.violations += run.violations;
}

static size_t run_engine(const struct options *options, const char *engine)
{
    struct tally tally = {0};
    for (int story = 0; story < STORY_COUNT; story++) {
        if (options->story >= 0 && options->story != story) {
            continue;
        }
        if (options->cuts) {
            cut_story(options, engine, (enum story_name)story, &tally);
            cut_after_failures(options, engine, (enum story_name)story, &tally);
        }
        if (options->calls) {
            fail_story(options, engine, (enum story_name)story, &tally);
        }
    }
    printf("%-6s", engine);
    if (options->story >= 0) {
        printf(" %-5s", story_name_of((enum story_name)options->story));
    }
    if (options->calls) {
        printf(" %zu calls, failed in %zu ways: %zu violations",
               tally.calls.calls, tally.calls.tries, tally.calls.violations);
    }
    if (options->cuts) {
        printf("%s power cut at %zu points (%zu tried to the last state), %zu "
               "different disks, after %zu failed syncs and in %zu recoveries, "
               "too: %zu violations",
               options->calls ? ";" : "", tally.cuts.points,
               tally.cuts.exhausted, tally.cuts.states, tally.plans,
               tally.cuts.branches, tally.cuts.violations);
    }
    printf("\n");
    fflush(stdout);
    return tally.calls.violations + tally.cuts.violations;
}

/* Each takes a part of the time that is worth a process of its own. */
static size_t tell_parts(const struct options *options, const char *engine)
{
    for (int story = 0; story < STORY_COUNT; story++) {
        if (options->story >= 0 && options->story != story) {
            continue;
        }
        const char *name = story_name_of((enum story_name)story);
        if (options->cuts) {
            printf("--engine %s --story %s --only cuts\n", engine, name);
        }
        if (options->calls) {
            printf("--engine %s --story %s --only calls\n", engine, name);
        }
    }
    return 0;
}

static size_t run_all(const struct options *options)
{
    size_t violations = 0;
    for (size_t i = 0; i < ENGINE_COUNT; i++) {
        if (options->engine == NULL ||
            strcmp(options->engine, engines[i]) == 0) {
            violations += options->parts ? tell_parts(options, engines[i])
                                         : run_engine(options, engines[i]);
        }
    }
    return violations;
}

/* ---- options ------------------------------------------------------------- */

static void usage(const char *what)
{
    fprintf(stderr, "crash: bad option %s; see the top of crash.c\n", what);
    exit(2);
}

static int story_by_name(const char *name)
{
    for (int i = 0; i < STORY_COUNT; i++) {
        if (strcmp(name, story_name_of((enum story_name)i)) == 0) {
            return i;
        }
    }
    usage(name);
    return -1;
}

static const char *engine_by_name(const char *name)
{
    for (size_t i = 0; i < ENGINE_COUNT; i++) {
        if (strcmp(name, engines[i]) == 0) {
            return engines[i];
        }
    }
    usage(name);
    return NULL;
}

static void parse_kind(struct options *options, const char *name)
{
    options->cuts = strcmp(name, "cuts") == 0;
    options->calls = strcmp(name, "calls") == 0;
    if (!options->cuts && !options->calls) {
        usage(name);
    }
}

static enum fault_call call_by_name(const char *name, size_t len)
{
    for (int i = FAULT_ANY; i <= FAULT_GETDENTS; i++) {
        const char *known = fault_call_name((enum fault_call)i);
        if (strlen(known) == len && strncmp(known, name, len) == 0) {
            return (enum fault_call)i;
        }
    }
    usage(name);
    return FAULT_ANY;
}

/* CALL:NTH */
static struct fault_plan parse_plan(const char *text)
{
    size_t len = strcspn(text, ":");
    struct fault_plan plan = {.call = call_by_name(text, len),
                              .sys_errno = EIO};
    plan.nth = text[len] == ':' ? strtoul(text + len + 1, NULL, 10) : 0;
    return plan;
}

/* CALL:NTH:ERRNO:once|always */
static void parse_failure(struct failing_calls *fail, const char *text)
{
    char call[32];
    char error[32];
    char how[32];
    size_t nth = 0;
    if (sscanf(text, "%31[^:]:%zu:%31[^:]:%31s", call, &nth, error, how) != 4) {
        usage(text);
    }
    bool is_map = strcmp(call, "mmap") == 0;
    fail->only_map = is_map ? nth : 0;
    fail->only.nth = nth;
    fail->only.call = is_map ? FAULT_ANY : call_by_name(call, strlen(call));
    fail->only.sys_errno = failing_calls_errno(error);
    fail->only.short_count = fail->only.sys_errno == 0 ? 100 : 0;
    fail->only.from_then_on = strcmp(how, "always") == 0;
}

static void parse_option(struct options *options, const char *key,
                         const char *value)
{
    if (strcmp(key, "--engine") == 0) {
        options->engine = engine_by_name(value);
    } else if (strcmp(key, "--story") == 0) {
        options->story = story_by_name(value);
    } else if (strcmp(key, "--seed") == 0) {
        options->seed = strtoull(value, NULL, 10);
    } else if (strcmp(key, "--limit") == 0) {
        options->effort.limit = strtoul(value, NULL, 10);
    } else if (strcmp(key, "--branch") == 0) {
        options->effort.branch = strtoul(value, NULL, 10);
    } else if (strcmp(key, "--every") == 0) {
        options->effort.every_call = strtoul(value, NULL, 10);
        options->effort.every_cut = options->effort.every_call;
    } else if (strcmp(key, "--only") == 0) {
        parse_kind(options, value);
    } else if (strcmp(key, "--plan") == 0) {
        options->replay.plan = parse_plan(value);
    } else if (strcmp(key, "--replay") == 0) {
        char *end = NULL;
        options->replay.only_point = strtol(value, &end, 10);
        options->replay.only_state =
            *end == ':' ? strtol(end + 1, NULL, 10) : -1;
    } else if (strcmp(key, "--fail") == 0) {
        parse_failure(&options->fail, value);
    } else {
        usage(key);
    }
}

static void parse(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--short") == 0) {
            options->effort = short_effort;
        } else if (strcmp(argv[i], "--stop") == 0) {
            options->stop = true;
        } else if (strcmp(argv[i], "--parts") == 0) {
            options->parts = true;
        } else if (i + 1 < argc) {
            parse_option(options, argv[i], argv[i + 1]);
            i++;
        } else {
            usage(argv[i]);
        }
    }
}

static size_t replay_cut(struct options *options)
{
    struct power_cut *cut = &options->replay;
    cut->engine = options->engine;
    cut->story = (enum story_name)options->story;
    cut->seed = options->seed;
    cut->limit = options->effort.limit;
    cut->branch = options->effort.branch;
    cut->every = 1;
    power_cut_run(cut);
    printf("%zu violations\n", cut->violations);
    return cut->violations;
}

static size_t replay_failure(struct options *options)
{
    struct failing_calls *fail = &options->fail;
    fail->engine = options->engine;
    fail->story = (enum story_name)options->story;
    failing_calls_run(fail);
    printf("%zu violations\n", fail->violations);
    return fail->violations;
}

int main(int argc, char **argv)
{
    struct options options = {
        .effort = long_effort,
        .story = -1,
        .cuts = true,
        .calls = true,
        .replay = {.only_point = -1, .only_state = -1},
    };
    bool has_seed = false;
    for (int i = 1; i < argc; i++) {
        has_seed |= strcmp(argv[i], "--seed") == 0;
    }
    if (access("/dev/shm", W_OK) == 0) { /* thousands of directories */
        setenv("TMPDIR", "/dev/shm", 0);
    }
    parse(&options, argc, argv);
    if (options.parts) {
        return run_all(&options) > 0;
    }
    neighbour_start();
    options.seed = has_seed ? options.seed : test_seed();
    bool replays = options.replay.only_point >= 0 || options.fail.only.nth > 0;
    if (replays && (options.engine == NULL || options.story < 0)) {
        usage("--replay or --fail without --engine and --story");
    }
    size_t violations = options.fail.only.nth > 0 ? replay_failure(&options)
                        : replays                 ? replay_cut(&options)
                                                  : run_all(&options);
    return violations > 0;
}
