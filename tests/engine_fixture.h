/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_fixture.h - an engine, a directory for it, its log, and states whose
 * content tells which one they are
 */
#ifndef PAWL_TESTS_ENGINE_FIXTURE_H
#define PAWL_TESTS_ENGINE_FIXTURE_H

#include "engine/place.h"
#include "scratch.h"

#include <pawl/pawl.h>

struct engine_fixture {
    struct pawl_engine *engine;
    struct pawl_place *place; /* where it works; in memory or on the disk */
    struct pawl_store store;  /* the same, rooted at `run` */
    char *dir;                /* a scratch directory */
    char *run;                /* dir/run, which does not exist */
    char log[16384];
    char path[4096]; /* of engine_fixture_path */
    int fd_count;
};

/* Sets up an engine of that config. */
struct engine_fixture *engine_fixture_new(const char *config, bool in_memory);
/* The same in a place of the caller's, of which it takes a reference. */
struct engine_fixture *engine_fixture_new_at(const char *config,
                                             struct pawl_place *place);
/* Frees all; the test fails if a descriptor is left open. */
void engine_fixture_free(struct engine_fixture *fix);
/* Another engine in its place, same directory. */
void engine_fixture_restart(struct engine_fixture *fix, const char *config);
/* Whether the log has that text; and forgets the log. */
bool engine_fixture_logged(struct engine_fixture *fix, const char *text);
void engine_fixture_log(void *ctx, enum pawl_log_level level, const char *line);

/* run/name, valid until the next call. */
const char *engine_fixture_path(struct engine_fixture *fix, const char *name);

/* What is in `run`, past the engine.  Bytes are NUL-terminated and the caller's
 * to free; damage flips a bit in the middle. */
bool run_has(struct engine_fixture *fix, const char *name);
char *run_read(struct engine_fixture *fix, const char *name, size_t *len_bytes);
void run_write(struct engine_fixture *fix, const char *name, const void *data,
               size_t len_bytes);
void run_remove(struct engine_fixture *fix, const char *name);
void run_damage(struct engine_fixture *fix, const char *name);
/* How many entries directory `name` has; 0 if it is not there. */
size_t run_count(struct engine_fixture *fix, const char *name);

/* A state that holds `number` in an int and in each element of a tensor of
 * `count` of them. */
struct pawl_state *numbered_state(int64_t number, size_t count);
/* The number if the state is one of those and is whole, else -1. */
int64_t number_of(struct pawl_state *state);

/* Each fails the test if the call fails. */
void must_create(struct engine_fixture *fix, const char *tag);
void must_save(struct engine_fixture *fix, const char *name, int64_t number);
/* and is durable: waits for engines that work in the background. */
void must_commit(struct engine_fixture *fix, const char *tag);
/* create, save of tag/model.pt, commit. */
void must_make(struct engine_fixture *fix, const char *tag, int64_t number);
/* The tag that was opened, or NULL. */
const char *must_open(struct engine_fixture *fix, const char *tag);
void must_close(struct engine_fixture *fix, const char *tag);
/* The number in run/name. */
int64_t must_load(struct engine_fixture *fix, const char *name);

/* Saves run/name; the code. */
int try_save(struct engine_fixture *fix, const char *name, int64_t number,
             struct pawl_error *err);
int try_load(struct engine_fixture *fix, const char *name,
             struct pawl_error *err);
int try_open(struct engine_fixture *fix, const char *tag,
             struct pawl_error *err);

/* `rc` is `code`, and the message has `text`. */
void assert_failed(int rc, int code, const struct pawl_error *err,
                   const char *text);

#endif
