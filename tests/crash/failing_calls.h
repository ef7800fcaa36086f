/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failing_calls.h - each system call of a story fails, in each plausible way
 *
 * A call fails once, or it and all of its kind after it.  The engine says so,
 * with the path, or goes on; whatever it said holds (promises.h).  Then calls
 * succeed again: the same engine makes the next checkpoint, and a new one finds
 * everything.  What is interrupted or cut short once must not fail at all.  No
 * descriptor stays open.
 */
#ifndef PAWL_TESTS_CRASH_FAILING_CALLS_H
#define PAWL_TESTS_CRASH_FAILING_CALLS_H

#include "story.h"

struct failing_calls {
    const char *engine;
    enum story_name story;
    uint64_t seed;
    size_t every;           /* one in so many is tried; 1: all */
    struct fault_plan only; /* if `nth` is not 0: this one */
    bool stop;              /* at the first violation */
    size_t only_map;        /* the mapping to refuse; 0: as above */
    /* What was done. */
    size_t calls;  /* positions in the story */
    size_t tries;  /* each with an errno, once or from then on */
    size_t errors; /* tries in which a call of the engine failed */
    size_t violations;
};

/* Prints each violation with how to have it again. */
void failing_calls_run(struct failing_calls *run);

/* Errors by name, for replays; 0 and NULL for what is none. */
int failing_calls_errno(const char *name);

#endif
