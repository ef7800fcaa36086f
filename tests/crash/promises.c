/* SPDX-License-Identifier: Apache-2.0 */
/* promises.c - see promises.h. */
#include "promises.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_fixture.h"
#include "neighbour.h"
#include "replica.h"

enum { WAIT_MS = 60000 };
/* The checkpoint that is made to see that one can be. */
#define AFTER_TAG "after"

static const char *const file_names[] = {PROMISE_MODEL, PROMISE_OPTIM};
enum { FILE_COUNT = 2 };

/* ---- making promises ----------------------------------------------------- */

struct promise_tag *promises_tag(struct promises *promises, const char *name,
                                 bool is_file)
{
    for (int i = 0; i < promises->tag_count; i++) {
        if (strcmp(promises->tags[i].name, name) == 0) {
            return &promises->tags[i];
        }
    }
    if (promises->tag_count == PROMISE_TAGS) {
        abort();
    }
    struct promise_tag *tag = &promises->tags[promises->tag_count++];
    *tag = (struct promise_tag){.is_file = is_file, .allowed_count = 1};
    snprintf(tag->name, sizeof(tag->name), "%s", name);
    return tag;
}

static bool is_allowed(const struct promise_tag *tag, int number)
{
    for (int i = 0; i < tag->allowed_count; i++) {
        if (tag->allowed[i] == number) {
            return true;
        }
    }
    return false;
}

void promise_allow(struct promise_tag *tag, int number)
{
    if (is_allowed(tag, number)) {
        return;
    }
    if (tag->allowed_count == PROMISE_CHOICES) {
        abort();
    }
    tag->allowed[tag->allowed_count++] = number;
}

void promise_only(struct promise_tag *tag, int number)
{
    tag->allowed[0] = number;
    tag->allowed_count = 1;
    tag->gone_after = 0;
}

/* ---- the catalogue ------------------------------------------------------- */

struct bytes {
    char *data;
    size_t len;
};

struct catalogue {
    struct bytes files[PROMISE_NUMBERS][FILE_COUNT];
};

/* Sizes differ, so that a file that is written over changes its size. */
static size_t element_count(int number)
{
    return (size_t)(300 + number % 3 * 130);
}

struct pawl_state *catalogue_state(int number)
{
    return numbered_state(number, element_count(number));
}

/* Whether the payload lies in the file: so many times the number. */
static bool has_payload(const struct bytes *bytes, int number)
{
    size_t count = element_count(number);
    int64_t *payload = malloc(count * sizeof(*payload));
    if (payload == NULL) {
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        payload[i] = number;
    }
    bool found = memmem(bytes->data, bytes->len, payload,
                        count * sizeof(*payload)) != NULL;
    free(payload);
    return found;
}

static void need(int rc, const struct pawl_error *err)
{
    if (rc < 0) {
        fprintf(stderr, "cannot set the stage: %s\n", err->message);
        exit(2);
    }
}

static int save_all(struct pawl_engine *engine, const char *dir,
                    const char *tag, int number, struct pawl_error *err)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < FILE_COUNT; i++) {
        char path[4096];
        struct pawl_state *state = catalogue_state(number);
        snprintf(path, sizeof(path), "%s/%s/%s", dir, tag, file_names[i]);
        rc = pawl_engine_save(engine, state, path, err);
        pawl_engine_fence(engine, NULL);
        pawl_state_free(state);
    }
    return rc;
}

static int make_checkpoint(struct pawl_engine *engine, const char *dir,
                           const char *tag, int number, struct pawl_error *err)
{
    int rc = pawl_engine_create(engine, dir, tag, err);
    if (rc == 0) {
        rc = save_all(engine, dir, tag, number, err);
        if (rc < 0) {
            pawl_engine_abort(engine, tag, NULL);
        }
    }
    if (rc == 0) {
        rc = pawl_engine_commit(engine, tag, err);
    }
    return rc < 0 ? rc : pawl_engine_wait(engine, WAIT_MS, err);
}

struct catalogue *catalogue_new(const char *config, const char *dir)
{
    struct catalogue *catalogue = calloc(1, sizeof(*catalogue));
    struct pawl_engine *engine = NULL;
    struct pawl_error err;
    need(pawl_engine_new(&engine, config, &err), &err);
    for (int number = 1; catalogue != NULL && number < PROMISE_NUMBERS;
         number++) {
        need(make_checkpoint(engine, dir, "one", number, &err), &err);
        for (int i = 0; i < FILE_COUNT; i++) {
            struct bytes *bytes = &catalogue->files[number][i];
            char path[128];
            snprintf(path, sizeof(path), "one/%s", file_names[i]);
            bytes->data = replica_read(dir, path, &bytes->len);
            if (bytes->data == NULL || !has_payload(bytes, number)) {
                fprintf(stderr, "'%s' does not hold %d\n", path, number);
                exit(2);
            }
        }
    }
    pawl_engine_free(engine);
    return catalogue;
}

void catalogue_free(struct catalogue *catalogue)
{
    for (int number = 0; number < PROMISE_NUMBERS; number++) {
        for (int i = 0; i < FILE_COUNT; i++) {
            free(catalogue->files[number][i].data);
        }
    }
    free(catalogue);
}

/* ---- looking ------------------------------------------------------------- */

static bool broken(struct promise_check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool broken(struct promise_check *check, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(check->why, sizeof(check->why), format, args);
    va_end(args);
    return false;
}

/* Whether `path` holds file `i` of that number. */
static bool holds(const struct promise_check *check, const char *path, int i,
                  int number)
{
    const struct bytes *want = &check->catalogue->files[number][i];
    size_t len = 0;
    char *bytes = replica_read(check->dir, path, &len);
    bool same = bytes != NULL && len == want->len &&
                memcmp(bytes, want->data, len) == 0;
    free(bytes);
    return same;
}

static bool is_there(const struct promise_check *check, const char *path)
{
    size_t len = 0;
    char *bytes = replica_read(check->dir, path, &len);
    free(bytes);
    return bytes != NULL;
}

/* The number that a tag, or a single file, holds whole; 0: none is there; -1:
 * something is, but none of what is allowed. */
static int number_at(const struct promise_check *check,
                     const struct promise_tag *tag)
{
    char path[128];
    snprintf(path, sizeof(path), "%s%s", tag->name,
             tag->is_file ? "" : "/pawl.json");
    if (!is_there(check, path)) {
        return 0;
    }
    for (int i = 0; i < tag->allowed_count; i++) {
        int number = tag->allowed[i];
        bool whole = number > 0;
        for (int k = 0; whole && k < FILE_COUNT; k++) {
            snprintf(path, sizeof(path), "%s%s%s", tag->name,
                     tag->is_file ? "" : "/",
                     tag->is_file ? "" : file_names[k]);
            whole = holds(check, path, k, number);
            k += tag->is_file; /* it has but one */
        }
        if (whole) {
            return number;
        }
    }
    return -1;
}

static bool check_latest(struct promise_check *check, bool must_be_there)
{
    size_t len = 0;
    char *latest = replica_read(check->dir, "latest", &len);
    bool ok = true;
    if (latest != NULL) {
        latest[strcspn(latest, "\n")] = '\0';
        const struct promise_tag *found = NULL;
        for (int i = 0; i < check->promises->tag_count; i++) {
            const struct promise_tag *tag = &check->promises->tags[i];
            found = strcmp(tag->name, latest) == 0 ? tag : found;
        }
        if (strcmp(latest, AFTER_TAG) == 0) {
            ok = true;
        } else if (found == NULL || found->is_file ||
                   (found->allowed_count == 1 && found->allowed[0] == 0)) {
            ok =
                broken(check, "(2) latest names '%s', never committed", latest);
        } else if (must_be_there && number_at(check, found) <= 0) {
            ok = broken(check, "(2) latest names '%s', which is not there",
                        latest);
        }
    }
    free(latest);
    return ok;
}

bool promises_hold_raw(struct promise_check *check)
{
    for (int i = 0; i < check->promises->tag_count; i++) {
        const struct promise_tag *tag = &check->promises->tags[i];
        if (number_at(check, tag) < 0) {
            return broken(check, "(3) '%s' is not whole", tag->name);
        }
    }
    return check_latest(check, false);
}

/* The highest number of a checkpoint that is there. */
static int highest(const struct promise_check *check)
{
    int found = 0;
    for (int i = 0; i < check->promises->tag_count; i++) {
        const struct promise_tag *tag = &check->promises->tags[i];
        int number = tag->is_file ? 0 : number_at(check, tag);
        found = number > found ? number : found;
    }
    return is_there(check, AFTER_TAG "/pawl.json") ? PROMISE_AFTER : found;
}

static bool check_tags(struct promise_check *check)
{
    int newest = highest(check);
    if (newest < check->promises->least) {
        return broken(check, "(1) %d was committed, the newest is %d",
                      check->promises->least, newest);
    }
    for (int i = 0; i < check->promises->tag_count; i++) {
        const struct promise_tag *tag = &check->promises->tags[i];
        int number = number_at(check, tag);
        if (number < 0) {
            return broken(check, "(3) '%s' is not whole", tag->name);
        }
        if (!is_allowed(tag, number)) {
            return broken(check, "(1) '%s' holds %d", tag->name, number);
        }
        if (number == 0 && newest < tag->gone_after) {
            return broken(check, "(1) '%s' is gone before %d is there",
                          tag->name, tag->gone_after);
        }
    }
    return true;
}

static bool check_foreign(struct promise_check *check)
{
    for (int i = 0; i < check->promises->file_count; i++) {
        const struct promise_file *file = &check->promises->files[i];
        char manifest[128];
        snprintf(manifest, sizeof(manifest), "%s/pawl.json",
                 file->tag == NULL ? "" : file->tag);
        if (file->tag != NULL && is_there(check, manifest)) {
            continue; /* replaced by the commit */
        }
        size_t len = 0;
        char *bytes = replica_read(check->dir, file->path, &len);
        bool same = bytes != NULL && strcmp(bytes, file->text) == 0;
        free(bytes);
        if (!same) {
            return broken(check, "(6) '%s', not Pawl's, is %s", file->path,
                          bytes == NULL ? "gone" : "changed");
        }
    }
    return true;
}

static bool check_work_dir(struct promise_check *check)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/.pawl", check->dir);
    DIR *dir = opendir(path);
    bool ok = true;
    for (struct dirent *entry;
         ok && dir != NULL && (entry = readdir(dir)) != NULL;) {
        bool is_fine = strcmp(entry->d_name, ".") == 0 ||
                       strcmp(entry->d_name, "..") == 0 ||
                       strcmp(entry->d_name, "spare") == 0 ||
                       (check->has_neighbour && neighbour_has(entry->d_name));
        if (!is_fine) {
            ok = broken(check, "(4) '.pawl/%s' was left", entry->d_name);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return ok;
}

static bool check_neighbour(struct promise_check *check)
{
    return !check->has_neighbour || neighbour_is_whole(check->dir) ||
           broken(check, "a living process lost what it had staged");
}

bool promises_hold(struct promise_check *check)
{
    return check_tags(check) && check_neighbour(check) &&
           check_foreign(check) && check_work_dir(check) &&
           check_latest(check, true);
}

/* ---- with an engine ------------------------------------------------------ */

static int load_number(struct pawl_engine *engine, const char *path,
                       struct pawl_error *err)
{
    struct pawl_state *state = NULL;
    int rc = pawl_engine_load(&state, engine, path, 0, err);
    int number = rc < 0 ? rc : (int)number_of(state);
    pawl_state_free(state);
    return number;
}

/* Opens the newest; that must be number `want`, or with 0 nothing.  Loads all
 * of it. */
static bool check_open(struct promise_check *check, struct pawl_engine *engine,
                       int want)
{
    struct pawl_error err = {0};
    const char *tag = NULL;
    int rc = pawl_engine_open(&tag, engine, check->dir, NULL, &err);
    if (rc < 0) {
        return broken(check, "open fails: %s", err.message);
    }
    if (tag == NULL) {
        return want == 0 ||
               broken(check, "(1) %d is there, but nothing was opened", want);
    }
    bool ok = true;
    for (int i = 0; ok && i < FILE_COUNT; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s/%s", check->dir, tag,
                 file_names[i]);
        int number = load_number(engine, path, &err);
        if (number != want) {
            ok =
                broken(check, "(1, 5) '%s' was opened and holds %d, not %d: %s",
                       tag, number, want, err.message);
        }
    }
    pawl_engine_close(engine, tag, NULL);
    return ok;
}

bool promises_go_on(struct promise_check *check, struct pawl_engine *engine)
{
    struct pawl_error err = {0};
    int rc =
        make_checkpoint(engine, check->dir, AFTER_TAG, PROMISE_AFTER, &err);
    if (rc < 0) {
        return broken(check, "the next checkpoint fails: %s", err.message);
    }
    return check_open(check, engine, PROMISE_AFTER) && promises_hold(check);
}

void promises_note_log(void *ctx, enum pawl_log_level level, const char *line)
{
    struct promise_check *check = ctx;
    size_t len = strlen(check->log);
    (void)level;
    snprintf(check->log + len, sizeof(check->log) - len, "    log: %s\n", line);
}

bool promises_survive(struct promise_check *check)
{
    struct pawl_engine *engine = NULL;
    struct pawl_error err;
    if (!promises_hold_raw(check)) {
        return false;
    }
    need(pawl_engine_new(&engine, check->config, &err), &err);
    pawl_engine_set_log(engine, promises_note_log, check);
    const char *tag = NULL; /* recovers */
    pawl_engine_open(&tag, engine, check->dir, NULL, NULL);
    if (tag != NULL) {
        pawl_engine_close(engine, tag, NULL);
    }
    bool ok = promises_hold(check) &&
              check_open(check, engine, highest(check)) &&
              promises_go_on(check, engine);
    pawl_engine_free(engine);
    return ok;
}
