/* SPDX-License-Identifier: Apache-2.0 */
/*
 * story.h - what a training run does with its engine, call by call
 *
 * A story is played in a directory of its own, with each system call recorded
 * and, if there is a plan, some failing.  It notes after each call of the
 * engine what has been promised by then.
 */
#ifndef PAWL_TESTS_CRASH_STORY_H
#define PAWL_TESTS_CRASH_STORY_H

#include "fault_io.h"
#include "promises.h"

/* X(name, config's last keys, exchange, what happens) */
#define STORIES(X)                                                             \
    X(many, "\"keep_last\": 2, \"recycle\": true", true,                       \
      "checkpoints come, old ones go, one is aborted")                         \
    X(same, "\"recycle\": true", true, "one tag is saved again and again")     \
    X(aside, "\"recycle\": false", false, "the same, without RENAME_EXCHANGE") \
    X(merge, "\"recycle\": false", true,                                       \
      "a checkpoint goes where the caller has files")                          \
    X(file, "\"recycle\": false", true, "single files, without a checkpoint")

enum story_name {
#define STORY_ENUM(name, keys, exchange, what) STORY_##name,
    STORIES(STORY_ENUM)
#undef STORY_ENUM
        STORY_COUNT
};

const char *story_name_of(enum story_name name);

/* From `count` recorded calls on, this is promised. */
struct story_mark {
    size_t count;
    struct promises promises;
};

struct story {
    enum story_name name;
    char *root; /* a scratch directory; the save_dir is `root/run` */
    char run[4096];
    char config[512]; /* of the engine that plays */
    char after[512];  /* of one that comes later: deletes nothing */
    struct fault_io *fault;
    struct pawl_io below;
    struct pawl_place *place;
    struct pawl_engine *engine;
    struct promises promises;
    struct story_mark *marks;
    size_t mark_count;
    int failures;   /* calls of the engine that failed */
    char why[1400]; /* what is wrong with how one failed, or "" */
    char log[8192];
};

/* Sets the stage for engine `engine` ("torch", ...). */
struct story *story_new(enum story_name name, const char *engine);
/* Ends the engine, and removes all. */
void story_free(struct story *story);

/* The configs of such an engine, as story_new makes them. */
void story_configs(enum story_name name, const char *engine, char config[512],
                   char after[512]);

/* Plays it to the end, whatever fails.  The record is kept. */
void story_play(struct story *story);

/* Another checkpoint will be made after it, by the story's engine: what that
 * may delete.  Makes the engine if there is none. */
void story_expect_after(struct story *story);

/* What was promised after `count` calls. */
const struct promises *story_promises_at(const struct story *story,
                                         size_t count);

#endif
