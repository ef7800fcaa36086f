/* SPDX-License-Identifier: Apache-2.0 */
/*
 * promises.h - what the engine promised so far, and whether a directory keeps
 * it
 *
 * The numbered invariants of docs/durability.md, held against the bytes that
 * were saved, which are known from outside: what Pawl's own checksums say is
 * not asked.
 */
#ifndef PAWL_TESTS_CRASH_PROMISES_H
#define PAWL_TESTS_CRASH_PROMISES_H

#include <pawl/pawl.h>

#include "engine/place.h"

enum {
    PROMISE_TAGS = 8,
    PROMISE_CHOICES = 6,
    PROMISE_FILES = 8,
    PROMISE_NUMBERS = 16, /* states are numbered from 1 up to below this */
    PROMISE_AFTER = 15    /* of the checkpoint that is made after all */
};

/* Which states a tag, or a single file, may hold; 0: none is there. */
struct promise_tag {
    char name[32];
    bool is_file; /* saved outside a checkpoint */
    int allowed[PROMISE_CHOICES];
    int allowed_count;
    int gone_after; /* if this is not 0, none may be there only once a
                       checkpoint with that number is there */
};

/* A file that is not Pawl's. */
struct promise_file {
    char path[64];
    const char *text; /* static */
    const char *tag;  /* a commit of which may replace it; or NULL */
};

struct promises {
    struct promise_tag tags[PROMISE_TAGS];
    int tag_count;
    struct promise_file files[PROMISE_FILES];
    int file_count;
    int least; /* the number of the last checkpoint whose commit returned */
};

/* ---- making them --------------------------------------------------------- */

struct promise_tag *promises_tag(struct promises *promises, const char *name,
                                 bool is_file);
/* The tag may hold that number as well; and nothing else. */
void promise_allow(struct promise_tag *tag, int number);
void promise_only(struct promise_tag *tag, int number);

/* ---- the bytes ----------------------------------------------------------- */

/* The files of a checkpoint, relative to it. */
#define PROMISE_MODEL "model.pt"
#define PROMISE_OPTIM "sub/optim.pt"

/* What each file looks like for each number. */
struct catalogue;

/* Has an engine of that config save each number, below `dir`; ends the process
 * if what it wrote does not hold the numbers. */
struct catalogue *catalogue_new(const char *config, const char *dir);
void catalogue_free(struct catalogue *catalogue);

/* The state with that number. */
struct pawl_state *catalogue_state(int number);

/* ---- keeping them -------------------------------------------------------- */

struct promise_check {
    const struct promises *promises;
    const struct catalogue *catalogue;
    const char *dir;    /* the save_dir */
    const char *config; /* of the engine that comes after */
    bool has_neighbour; /* neighbour.h: who must not be harmed */
    char why[1024];     /* what is not kept */
    char log[4096];     /* of that engine */
};

/* What must hold at any moment, seen from outside: what `latest` names was
 * committed (2), and a tag with a manifest is whole (3). */
bool promises_hold_raw(struct promise_check *check);

/* What must hold once the engine has recovered: also, the newest is there (1),
 * everything that is not Pawl's is (6), and nothing of the dead (4). */
bool promises_hold(struct promise_check *check);

/* A new engine recovers, opens the newest, and loads it; then it makes another
 * checkpoint, after which all holds still. */
bool promises_survive(struct promise_check *check);

/* For pawl_engine_set_log, with the check. */
void promises_note_log(void *ctx, enum pawl_log_level level, const char *line);

/* The last part of it, with an engine that is there. */
bool promises_go_on(struct promise_check *check, struct pawl_engine *engine);

#endif
