/* SPDX-License-Identifier: Apache-2.0 */
/* failing_calls.c - see failing_calls.h. */
#include "failing_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mapping_fault.h"
#include "scratch.h"
#include "seed.h"

#define NAMED(name)                                                            \
    {                                                                          \
#name, name                                                            \
    }

static const struct {
    const char *name;
    int number;
} errors[] = {
    NAMED(EIO),    NAMED(ENOSPC), NAMED(EDQUOT), NAMED(EROFS),
    NAMED(EMFILE), NAMED(ENFILE), NAMED(ENOMEM), NAMED(EINTR),
    NAMED(EACCES), NAMED(EBUSY),  NAMED(EFBIG),  NAMED(EOPNOTSUPP),
};

enum { ERROR_COUNT = sizeof(errors) / sizeof(*errors), FAULTS_MAX = 9 };

int failing_calls_errno(const char *name)
{
    for (size_t i = 0; i < ERROR_COUNT; i++) {
        if (strcmp(errors[i].name, name) == 0) {
            return errors[i].number;
        }
    }
    return 0;
}

static const char *errno_name(int number)
{
    for (size_t i = 0; i < ERROR_COUNT; i++) {
        if (errors[i].number == number) {
            return errors[i].name;
        }
    }
    return "short"; /* a count, not an error */
}

/* ---- how a call may fail ------------------------------------------------- */

/* The errnos that a call may give, up to the 0. */
static const struct {
    enum fault_call call;
    int errors[FAULTS_MAX];
    bool cut_short; /* or a count that is less than was asked for */
} ways[] = {
    {FAULT_OPENAT, {EIO, EMFILE, ENFILE, ENOMEM, EINTR, EACCES}, false},
    {FAULT_OPEN_BENEATH, {EIO, EMFILE, ENFILE, ENOMEM, EINTR, EACCES}, false},
    {FAULT_CLOSE, {EIO, ENOSPC, EDQUOT, EINTR}, false},
    {FAULT_PREAD, {EIO, EINTR}, true},
    {FAULT_PWRITE, {EIO, ENOSPC, EDQUOT, EFBIG, EINTR}, true},
    {FAULT_FTRUNCATE, {EIO, ENOSPC, EINTR}, false},
    {FAULT_FALLOCATE, {EIO, ENOSPC, EDQUOT, EOPNOTSUPP, EINTR}, false},
    {FAULT_FDATASYNC, {EIO, ENOSPC, EDQUOT, EINTR}, false},
    {FAULT_FSYNC, {EIO, ENOSPC, EDQUOT, EINTR}, false},
    {FAULT_FSTAT, {EIO, ENOMEM}, false},
    {FAULT_FSTATAT, {EIO, ENOMEM, EACCES}, false},
    {FAULT_MKDIRAT, {EIO, ENOSPC, EDQUOT, EROFS, ENOMEM, EACCES}, false},
    {FAULT_UNLINKAT, {EIO, EROFS, ENOMEM, EBUSY, EACCES}, false},
    {FAULT_RENAMEAT2, {EIO, ENOSPC, EDQUOT, EROFS, ENOMEM, EBUSY}, false},
    {FAULT_READLINKAT, {EIO, ENOMEM}, false},
    {FAULT_GETDENTS, {EIO, ENOMEM}, false},
};

/* What a call may say besides, if it makes something. */
static const int when_made[FAULTS_MAX] = {ENOSPC, EDQUOT, EROFS};

/* ---- one try ------------------------------------------------------------- */

static void complain(struct failing_calls *run, const struct fault_plan *plan,
                     size_t map, const char *why, const char *log)
{
    run->violations++;
    printf("VIOLATION %s\n    engine %s, story %s\n    again: crash --engine "
           "%s --story %s --fail ",
           why, run->engine, story_name_of(run->story), run->engine,
           story_name_of(run->story));
    if (map > 0) {
        printf("mmap:%zu:ENOMEM", map);
    } else {
        printf("%s:%zu:%s", fault_call_name(plan->call), plan->nth,
               errno_name(plan->sys_errno));
    }
    printf(":%s\n", plan->from_then_on ? "always" : "once");
    if (run->only.nth > 0 || run->only_map > 0) {
        printf("%s", log);
    }
    fflush(stdout);
    if (run->stop) {
        exit(1);
    }
}

/* That what was promised holds, also after the next checkpoint. */
static bool goes_on(struct story *story, struct promise_check *check)
{
    story_expect_after(story);
    check->promises = &story->promises;
    pawl_engine_set_log(story->engine, promises_note_log, check);
    if (!promises_hold_raw(check) || !promises_go_on(check, story->engine)) {
        return false;
    }
    pawl_engine_free(story->engine);
    story->engine = NULL;
    return promises_survive(check);
}

static bool must_succeed(const struct fault_plan *plan)
{
    return !plan->from_then_on &&
           (plan->sys_errno == EINTR || plan->short_count > 0);
}

/* Plays the story with that plan, or with a mapping refused. */
static void try_one(struct failing_calls *run,
                    const struct catalogue *catalogue,
                    const struct fault_plan *plan, size_t map)
{
    int fd_count = scratch_fd_count();
    struct story *story = story_new(run->story, run->engine);
    struct promise_check check = {
        .catalogue = catalogue, .dir = story->run, .config = story->after};
    fault_io_arm(story->fault, map == 0 ? plan : NULL);
    mapping_fault_arm(map, plan->from_then_on);
    story_play(story);
    mapping_fault_arm(0, false);
    if (run->only.nth > 0) {
        fault_io_print(story->fault);
    }
    fault_io_arm(story->fault, NULL);
    run->tries++;
    run->errors += story->failures > 0;
    if (story->why[0] != '\0') {
        complain(run, plan, map, story->why, story->log);
    } else if (must_succeed(plan) && story->failures > 0) {
        complain(run, plan, map, "an interruption was an error", story->log);
    } else if (!goes_on(story, &check)) {
        complain(run, plan, map, check.why, story->log);
        printf("%s", run->only.nth > 0 ? check.log : "");
    }
    pawl_engine_free(story->engine);
    story->engine = NULL;
    if (fault_io_open_count(story->fault) != 0) {
        complain(run, plan, map, "a descriptor was left open", "");
    }
    story_free(story);
    if (scratch_fd_count() != fd_count) {
        complain(run, plan, map, "a descriptor was left open, past the table",
                 "");
    }
}

/* ---- a story ------------------------------------------------------------- */

struct pass {
    struct failing_calls *run;
    const struct catalogue *catalogue;
    uint64_t seed;
};

/* Once, and from then on; an interruption that never ends does not happen. */
static void try_both(struct pass *pass, struct fault_plan plan)
{
    for (int i = 0; i < 2; i++) {
        plan.from_then_on = i == 1;
        bool plausible = !plan.from_then_on || plan.sys_errno != EINTR;
        if (plausible && test_draw(&pass->seed, pass->run->every) == 0) {
            try_one(pass->run, pass->catalogue, &plan, 0);
        }
    }
}

static void try_call(struct pass *pass, const struct fault_record *record,
                     size_t nth)
{
    struct fault_plan plan = {.call = record->call, .nth = nth};
    bool makes =
        (record->flags & O_CREAT) != 0 &&
        (record->call == FAULT_OPENAT || record->call == FAULT_OPEN_BENEATH);
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        if (ways[i].call != record->call) {
            continue;
        }
        for (size_t k = 0; ways[i].errors[k] != 0; k++) {
            plan.sys_errno = ways[i].errors[k];
            try_both(pass, plan);
        }
        for (size_t k = 0; makes && when_made[k] != 0; k++) {
            plan.sys_errno = when_made[k];
            try_both(pass, plan);
        }
        if (ways[i].cut_short && record->len > 1) {
            plan.sys_errno = 0;
            plan.short_count = (size_t)record->len / 2;
            try_both(pass, plan);
        }
    }
}

static void try_mappings(struct pass *pass, size_t count)
{
    for (size_t nth = 1; nth <= count; nth++) {
        struct fault_plan plan = {0};
        pass->run->calls++;
        for (int i = 0; i < 2; i++) {
            plan.from_then_on = i == 1;
            if (test_draw(&pass->seed, pass->run->every) == 0) {
                try_one(pass->run, pass->catalogue, &plan, nth);
            }
        }
    }
}

/* All calls of a story in which none fails, and those it needs no more. */
static void try_all(struct pass *pass)
{
    size_t seen[FAULT_GETDENTS + 1] = {0};
    struct story *story = story_new(pass->run->story, pass->run->engine);
    mapping_fault_arm(0, false);
    story_play(story);
    size_t mappings = mapping_fault_count();
    size_t count = fault_io_count(story->fault, FAULT_ANY);
    for (size_t i = 0; i < count; i++) {
        const struct fault_record *record = fault_io_record(story->fault, i);
        struct fault_plan dead = {
            .nth = i + 1, .sys_errno = EIO, .from_then_on = true};
        pass->run->calls++;
        try_call(pass, record, ++seen[record->call]);
        if (test_draw(&pass->seed, pass->run->every) == 0) {
            try_one(pass->run, pass->catalogue, &dead, 0);
        }
    }
    story_free(story);
    try_mappings(pass, mappings);
}

void failing_calls_run(struct failing_calls *run)
{
    char config[512];
    char after[512];
    char *dir = scratch_new();
    story_configs(run->story, run->engine, config, after);
    struct catalogue *catalogue = catalogue_new(after, dir);
    struct pass pass = {run, catalogue, run->seed};
    if (run->only_map > 0 || run->only.nth > 0) {
        try_one(run, catalogue, &run->only, run->only_map);
    } else {
        try_all(&pass);
    }
    catalogue_free(catalogue);
    scratch_free(dir);
}
