/* SPDX-License-Identifier: Apache-2.0 */
/* story.c - see story.h. */
#include "story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/object.h"
#include "lesser_io.h"
#include "scratch.h"
#include "store/store_file.h"

enum { WAIT_MS = 60000, CHECKPOINTS_MAX = 8 };

static const struct {
    const char *name;
    const char *keys;
    bool exchange;
} stories[] = {
#define STORY_ROW(name, keys, exchange, what) {#name, keys, exchange},
    STORIES(STORY_ROW)
#undef STORY_ROW
};

const char *story_name_of(enum story_name name)
{
    return stories[name].name;
}

/* ---- the stage ----------------------------------------------------------- */

static int make_store(void *ctx, struct pawl_store *out, const char *root,
                      struct pawl_error *err)
{
    struct story *story = ctx;
    return pawl_store_file_make(out, root, fault_io_table(story->fault), err);
}

static void note_log(void *ctx, enum pawl_log_level level, const char *line)
{
    struct story *story = ctx;
    size_t len = strlen(story->log);
    (void)level;
    snprintf(story->log + len, sizeof(story->log) - len, "%s\n", line);
}

static void need(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "cannot set the stage: %s\n", what);
        exit(2);
    }
}

void story_configs(enum story_name name, const char *engine, char config[512],
                   char after[512])
{
    /* Small, so that a file is several blocks and the staging is used again. */
    const char *lane =
        strcmp(engine, "torch") == 0 || strcmp(engine, "memory") == 0
            ? ""
            : "\"block_bytes\": 4096, \"staging_bytes\": 16384, "
              "\"write_threads\": 2, \"read_threads\": 1, ";
    const char *keys = stories[name].keys;
    snprintf(config, 512, "{\"engine\": \"%s\", %s%s}", engine, lane, keys);
    snprintf(after, 512, "{\"engine\": \"%s\", %s\"recycle\": %s}", engine,
             lane, strstr(keys, "true") != NULL ? "true" : "false");
}

struct story *story_new(enum story_name name, const char *engine)
{
    struct pawl_error err;
    struct story *story = calloc(1, sizeof(*story));
    need(story != NULL, "no memory");
    story->name = name;
    story_configs(name, engine, story->config, story->after);
    story->root = scratch_new();
    snprintf(story->run, sizeof(story->run), "%s/run", story->root);
    story->below = lesser_io(stories[name].exchange);
    story->fault = fault_io_new(&story->below);
    fault_io_keep_data(story->fault);
    bool in_memory = strcmp(engine, "memory") == 0;
    int rc = in_memory
                 ? pawl_place_new_memory(&story->place, &err)
                 : pawl_place_new_with(&story->place, make_store, story, &err);
    need(rc == 0, "no place");
    return story;
}

void story_free(struct story *story)
{
    pawl_engine_free(story->engine);
    pawl_place_unref(story->place);
    fault_io_free(story->fault);
    scratch_free(story->root);
    free(story->marks);
    free(story);
}

/* ---- promises ------------------------------------------------------------ */

static void mark(struct story *story)
{
    story->marks =
        realloc(story->marks, (story->mark_count + 1) * sizeof(*story->marks));
    need(story->marks != NULL, "no memory");
    story->marks[story->mark_count++] = (struct story_mark){
        fault_io_count(story->fault, FAULT_ANY), story->promises};
}

const struct promises *story_promises_at(const struct story *story,
                                         size_t count)
{
    static const struct promises none;
    const struct promises *found = &none;
    for (size_t i = 0; i < story->mark_count; i++) {
        found =
            story->marks[i].count <= count ? &story->marks[i].promises : found;
    }
    return found;
}

static bool may_hold(const struct promise_tag *tag)
{
    return tag->allowed_count > 1 || tag->allowed[0] != 0;
}

/* With checkpoint `number` there, the tags that were committed before the last
 * one may go. */
static void allow_retention(struct story *story, const struct promise_tag *made,
                            int number)
{
    if (strstr(story->config, "keep_last") == NULL) {
        return;
    }
    struct promise_tag *newest = NULL;
    for (int i = 0; i < story->promises.tag_count; i++) {
        struct promise_tag *tag = &story->promises.tags[i];
        bool is_old = tag != made && !tag->is_file && may_hold(tag);
        if (is_old && newest != NULL) {
            promise_allow(newest, 0);
            newest->gone_after =
                newest->gone_after == 0 ? number : newest->gone_after;
        }
        newest = is_old ? tag : newest; /* they are in the order of commits */
    }
}

/* A call that failed says so, and where: the message names something in our
 * directory. */
static void check_error(struct story *story, int rc,
                        const struct pawl_error *err, const char *call,
                        const char *subject)
{
    bool names = strstr(err->message, story->root) != NULL ||
                 strstr(err->message, subject) != NULL ||
                 strstr(err->message, "out of memory") != NULL;
    story->failures++;
    if ((err->code != rc || !names) && story->why[0] == '\0') {
        snprintf(story->why, sizeof(story->why),
                 "%s of '%.64s' failed (%s) and says only: %s", call, subject,
                 pawl_error_name(rc), err->message);
    }
}

/* ---- what happens -------------------------------------------------------- */

static int save_state(struct story *story, const char *path, int number,
                      struct pawl_error *err)
{
    char whole[5000];
    snprintf(whole, sizeof(whole), "%s/%s", story->run, path);
    struct pawl_state *state = catalogue_state(number);
    int rc = pawl_engine_save(story->engine, state, whole, err);
    pawl_engine_fence(story->engine, NULL);
    pawl_state_free(state);
    return rc;
}

static int create_and_save(struct story *story, const char *tag, int number,
                           struct pawl_error *err)
{
    static const char *const files[] = {PROMISE_MODEL, PROMISE_OPTIM};
    char path[256];
    int rc = pawl_engine_create(story->engine, story->run, tag, err);
    if (rc < 0) {
        return rc;
    }
    for (int i = 0; rc == 0 && i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", tag, files[i]);
        rc = save_state(story, path, number, err);
    }
    if (rc < 0) {
        pawl_engine_abort(story->engine, tag, NULL);
    }
    return rc;
}

static void make(struct story *story, const char *name, int number)
{
    struct pawl_error err = {0};
    struct promise_tag *tag = promises_tag(&story->promises, name, false);
    struct promises before = story->promises;
    promise_allow(tag, number);
    allow_retention(story, tag, number);
    mark(story);
    size_t logged = strlen(story->log);
    int rc = create_and_save(story, name, number, &err);
    if (rc == 0) {
        rc = pawl_engine_commit(story->engine, name, &err);
    }
    if (rc == 0) {
        rc = pawl_engine_wait(story->engine, WAIT_MS, &err);
    }
    if (rc == 0) {
        promise_only(tag, number);
        story->promises.least = number;
    } else {
        check_error(story, rc, &err, "making", name);
        bool undone =
            strstr(story->log + logged, "could not be undone") == NULL;
        story->promises = undone ? before : story->promises;
    }
    mark(story);
}

static void abandon(struct story *story, const char *name, int number)
{
    struct pawl_error err = {0};
    promises_tag(&story->promises, name, false);
    mark(story);
    int rc = create_and_save(story, name, number, &err);
    if (rc == 0) {
        rc = pawl_engine_abort(story->engine, name, &err);
    }
    if (rc < 0) {
        check_error(story, rc, &err, "aborting", name);
    }
    mark(story);
}

static void save_file(struct story *story, const char *name, int number)
{
    struct pawl_error err = {0};
    struct promise_tag *file = promises_tag(&story->promises, name, true);
    promise_allow(file, number);
    mark(story);
    int rc = save_state(story, name, number, &err);
    /* The directory of a single file is its caller's to make durable: here the
     * first commit does. */
    if (rc == 0 && story->promises.least > 0) {
        promise_only(file, number);
    } else if (rc < 0) { /* the old one is there, or the new one */
        check_error(story, rc, &err, "saving", name);
    }
    mark(story);
}

/* The caller puts a file of his own somewhere, durably. */
static void put_foreign(struct story *story, const char *path, const char *text,
                        const char *tag)
{
    struct pawl_store store;
    struct pawl_error err;
    int rc = pawl_place_store(&store, story->place, story->run, &err);
    if (rc < 0) {
        return;
    }
    rc = pawl_object_put(&store, path, text, strlen(text), true, &err);
    for (size_t i = 0; rc == 0 && path[i] != '\0'; i++) {
        char dir[64]; /* each on the way, the save_dir first */
        snprintf(dir, sizeof(dir), "%.*s", (int)i, path);
        if (i == 0 || path[i] == '/') {
            rc = pawl_store_sync(&store, dir, &err);
        }
    }
    pawl_store_fini(&store);
    /* Before the first commit the save_dir itself may not be durable. */
    if (rc == 0 && story->promises.least > 0) {
        struct promise_file *file =
            &story->promises.files[story->promises.file_count++];
        *file = (struct promise_file){.text = text, .tag = tag};
        snprintf(file->path, sizeof(file->path), "%s", path);
    }
    mark(story);
}

/* ---- the stories --------------------------------------------------------- */

static void play_many(struct story *story)
{
    make(story, "step-1", 1);
    put_foreign(story, "step-1/mine.txt", "mine", NULL);
    make(story, "step-2", 2);
    make(story, "step-3", 3);
    make(story, "step-4", 4);
    abandon(story, "step-5", 5);
    make(story, "step-6", 6);
}

static void play_same(struct story *story)
{
    make(story, "best", 1);
    put_foreign(story, "best/mine.txt", "mine", NULL);
    make(story, "best", 2);
    make(story, "best", 3);
}

static void play_merge(struct story *story)
{
    make(story, "one", 1);
    put_foreign(story, "two/notes.txt", "notes", NULL);
    put_foreign(story, "two/model.pt", "not a model", "two");
    put_foreign(story, "two/sub/mine.txt", "mine", NULL);
    make(story, "two", 2);
    make(story, "two", 3);
}

static void play_file(struct story *story)
{
    make(story, "one", 1); /* and with it the directory */
    save_file(story, "model.pt", 2);
    save_file(story, "model.pt", 3);
    make(story, "two", 4);
    save_file(story, "model.pt", 5);
}

/* Two attempts: a call may fail once. */
static bool has_engine(struct story *story)
{
    struct pawl_error err = {0};
    for (int i = 0; i < 2 && story->engine == NULL; i++) {
        int rc = pawl_engine_new_at(&story->engine, story->place, story->config,
                                    &err);
        if (rc < 0) {
            check_error(story, rc, &err, "making", "engine");
        }
    }
    if (story->engine != NULL) {
        pawl_engine_set_log(story->engine, note_log, story);
    }
    return story->engine != NULL;
}

void story_expect_after(struct story *story)
{
    need(has_engine(story), "no engine");
    allow_retention(story, NULL, PROMISE_AFTER);
}

void story_play(struct story *story)
{
    if (!has_engine(story)) {
        return;
    }
    mark(story);
    switch (story->name) {
    case STORY_many:
        play_many(story);
        break;
    case STORY_same:
    case STORY_aside:
        play_same(story);
        break;
    case STORY_merge:
        play_merge(story);
        break;
    default:
        play_file(story);
        break;
    }
}
