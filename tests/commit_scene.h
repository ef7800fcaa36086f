/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commit_scene.h - the ways in which a checkpoint is published, set up so that
 * every system call of one can fail, or be the last of its process
 *
 * Each scene begins with a committed checkpoint "one" of number 1; then
 * commit_scene_play makes its target with number 2.
 */
#ifndef PAWL_TESTS_COMMIT_SCENE_H
#define PAWL_TESTS_COMMIT_SCENE_H

#include "engine_fixture.h"
#include "fault_io.h"

/* One thread that makes all calls, in an order that is always the same. */
#define TORCH "{\"engine\": \"torch\""

/* X(name, target, config, what is special) */
#define COMMIT_SCENES(X)                                                       \
    X(SCENE_NEW, "two", TORCH "}", "nothing is there")                         \
    X(SCENE_AGAIN, "one", TORCH "}", "exchanged for a checkpoint")             \
    X(SCENE_ASIDE, "one", TORCH "}",                                           \
      "the same, where nothing can be exchanged")                              \
    X(SCENE_EMPTY, "two", TORCH "}", "over the caller's empty directory")      \
    X(SCENE_MERGE, "two", TORCH "}", "into the caller's directory with files") \
    X(SCENE_BESIDE, "two", TORCH "}", "the same, with other names")            \
    X(SCENE_RETAIN, "two", TORCH ", \"keep_last\": 1}",                        \
      "the old one is deleted")

enum commit_scene {
#define SCENE_ENUM(name, target, config, what) name,
    COMMIT_SCENES(SCENE_ENUM)
#undef SCENE_ENUM
        SCENE_COUNT
};

struct scene {
    enum commit_scene which;
    const char *target; /* the tag that is made */
    const char *what;
    struct engine_fixture *fix;
    struct fault_io *fault;
    struct pawl_place *place;
    struct pawl_io below; /* what the faults lie over: syncs do nothing */
};

/* Sets the scene; nothing fails yet. */
struct scene *commit_scene_new(enum commit_scene which);
/* In a child: an engine of its own. */
void commit_scene_forked(struct scene *scene);
/* The test fails if a descriptor is left open. */
void commit_scene_free(struct scene *scene);

/* create, makedirs, two saves and commit of the target, up to the first that
 * fails; then the rest of the contract's calls that end it. */
int commit_scene_play(struct scene *scene, struct pawl_error *err);

/* Opens the newest: 1 if that is the old one, whole, 2 for the new one; the
 * test fails for anything else.  Closes it. */
int commit_scene_newest(struct scene *scene);

/* The caller's own files are as they were (`old_too`: also the one that the
 * checkpoint replaces). */
void commit_scene_check_foreign(struct scene *scene, bool old_too);

/* Nothing is in the work directory. */
void commit_scene_check_clean(struct scene *scene);

/* The same engine makes the target with number 3, and that is then the
 * newest. */
void commit_scene_check_goes_on(struct scene *scene);

#endif
