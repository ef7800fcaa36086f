/* SPDX-License-Identifier: Apache-2.0 */
/*
 * damage_scene.h - two committed checkpoints, of which the newer is damaged
 *
 *     old/model.pt  old/sub/opt.pt       numbers 1 and 2, each in all elements
 *     new/model.pt  new/sub/opt.pt       numbers 3 and 4
 *
 * What is right is known past the engine: each file's bytes as they were
 * committed, and the numbers that they hold.  A test damages one file, asks
 * damage_scene_verdict, and puts it back.
 */
#ifndef PAWL_TESTS_DAMAGE_SCENE_H
#define PAWL_TESTS_DAMAGE_SCENE_H

#include "engine_fixture.h"

enum { DAMAGE_FILES = 8 };

struct damage_file {
    const char *name; /* below the save_dir */
    char *bytes;      /* as committed */
    size_t len;
};

struct damage_scene {
    struct engine_fixture *fix;
    struct damage_file files[DAMAGE_FILES]; /* "new/..." first */
    size_t count;
    const char *what; /* the damage, for messages */
    size_t cases;     /* verdicts so far */
};

/* What must come of a damage. */
enum damage_verdict {
    DAMAGE_REFUSED,  /* `new` cannot be opened; `old` is */
    DAMAGE_HARMLESS, /* `new` is opened and all that is loaded is right */
    DAMAGE_EITHER    /* one of the two */
};

/* No reason need be given for passing `new` over: it is not the newest. */
#define DAMAGE_UNNAMED ""

/* Each tensor has `elements` of 8 bytes. */
struct damage_scene *damage_scene_new(const char *config, size_t elements);
void damage_scene_free(struct damage_scene *scene);

/* "new/model.pt", ... */
struct damage_file *damage_scene_file(struct damage_scene *scene,
                                      const char *name);
/* Removes whatever is there and writes the right bytes. */
void damage_scene_restore(struct damage_scene *scene, const char *name);
/* Removes whatever is there: a file, a link, a pipe, a directory tree. */
void damage_scene_clear(struct damage_scene *scene, const char *name);
/* Writes over the file in place. */
void damage_scene_write(struct damage_scene *scene, const char *name,
                        const void *bytes, size_t len);

/* Opens the newest, `new` by its name, and loads; fails the test if anything
 * wrong comes out, or what is refused is refused without a reason that has
 * `named`. */
void damage_scene_judge(struct damage_scene *scene, const char *what,
                        const char *named, enum damage_verdict expected);

#endif
