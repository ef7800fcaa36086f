/* SPDX-License-Identifier: Apache-2.0 */
/*
 * power_cut.h - the power fails after each system call of a story
 *
 * After each call that changed anything in doubt, what a cut could leave is
 * tried: everything that it could, if that is at most `limit` disks, else that
 * many of them, drawn.  Each is written to a directory of its own, and must
 * survive (promises.h).  Disks that were tried are not tried again.
 *
 * From some of them the story branches off: the next process recovers, and the
 * power fails again in that; or there was no cut, the process was killed, and
 * the power fails in the recovery of the next.
 */
#ifndef PAWL_TESTS_CRASH_POWER_CUT_H
#define PAWL_TESTS_CRASH_POWER_CUT_H

#include "story.h"

struct power_cut {
    const char *engine;
    enum story_name story;
    uint64_t seed;
    size_t limit;           /* disks tried at each point, at most */
    size_t every;           /* of the points, one in so many is tried; 1: all */
    size_t branch;          /* one in so many points branches off; 0: none */
    struct fault_plan plan; /* a call that fails, too */
    /* For a replay: only this; -1: all. */
    long only_point;
    long only_state;
    bool stop; /* at the first violation */
    /* What was done. */
    bool fired; /* the plan changed a call */
    size_t points;
    size_t states;
    size_t repeated; /* were the same as one before */
    size_t branches;
    size_t exhausted; /* points at which all was tried */
    size_t violations;
};

/* Prints each violation with how to have it again. */
void power_cut_run(struct power_cut *cut);

#endif
