/* SPDX-License-Identifier: Apache-2.0 */
/* damage_scene.c - see damage_scene.h. */
#include "damage_scene.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct {
    const char *name;
    int64_t number; /* that it holds; 0: no state */
} facts[] = {
    {"new/model.pt", 3}, {"new/sub/opt.pt", 4}, {"new/pawl.json", 0},
    {"old/model.pt", 1}, {"old/sub/opt.pt", 2}, {"old/pawl.json", 0},
    {"latest", 0},
};
#define FACT_COUNT (sizeof(facts) / sizeof(*facts))

static void save(struct engine_fixture *fix, const char *name, int64_t number,
                 size_t elements)
{
    struct pawl_state *state = numbered_state(number, elements);
    struct pawl_error err;
    int rc = pawl_engine_save(fix->engine, state,
                              engine_fixture_path(fix, name), &err);
    assert_int_equal(rc, 0);
    assert_int_equal(pawl_engine_fence(fix->engine, NULL), 0);
    pawl_state_free(state);
}

struct damage_scene *damage_scene_new(const char *config, size_t elements)
{
    struct damage_scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    struct engine_fixture *fix = engine_fixture_new(config, false);
    scene->fix = fix;
    must_create(fix, "old");
    save(fix, "old/model.pt", 1, elements);
    save(fix, "old/sub/opt.pt", 2, elements);
    must_commit(fix, "old");
    must_create(fix, "new");
    save(fix, "new/model.pt", 3, elements);
    save(fix, "new/sub/opt.pt", 4, elements);
    must_commit(fix, "new");
    for (size_t i = 0; i < FACT_COUNT; i++) {
        struct damage_file *file = &scene->files[scene->count++];
        file->name = facts[i].name;
        file->bytes = scratch_read(fix->run, file->name, &file->len);
    }
    return scene;
}

void damage_scene_free(struct damage_scene *scene)
{
    for (size_t i = 0; i < scene->count; i++) {
        free(scene->files[i].bytes);
    }
    engine_fixture_free(scene->fix);
    free(scene);
}

struct damage_file *damage_scene_file(struct damage_scene *scene,
                                      const char *name)
{
    for (size_t i = 0; i < scene->count; i++) {
        if (strcmp(scene->files[i].name, name) == 0) {
            return &scene->files[i];
        }
    }
    fail_msg("no file '%s'", name);
    return NULL;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void damage_scene_clear(struct damage_scene *scene, const char *name)
{
    char *path = scratch_path(scene->fix->run, name);
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    assert_int_not_equal(access(path, F_OK), 0);
    free(path);
}

void damage_scene_write(struct damage_scene *scene, const char *name,
                        const void *bytes, size_t len)
{
    char *path = scratch_path(scene->fix->run, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    struct stat st;
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    if ((size_t)st.st_size != len) { /* else slow: some systems sync then */
        assert_int_equal(ftruncate(fd, (off_t)len), 0);
    }
    assert_int_equal(pwrite(fd, bytes, len, 0), (ssize_t)len);
    close(fd);
    free(path);
}

void damage_scene_restore(struct damage_scene *scene, const char *name)
{
    const struct damage_file *file = damage_scene_file(scene, name);
    damage_scene_clear(scene, name);
    damage_scene_write(scene, name, file->bytes, file->len);
}

/* ---- the verdict -------------------------------------------------------- */

static int64_t number_in(const char *name)
{
    for (size_t i = 0; i < FACT_COUNT; i++) {
        if (strcmp(facts[i].name, name) == 0) {
            return facts[i].number;
        }
    }
    return 0;
}

/* Loads a file: what comes out must be right; or, with `may_refuse`, nothing
 * comes out, for a reason that has `named`. */
static void load(struct damage_scene *scene, const char *name, unsigned flags,
                 const char *named, bool may_refuse)
{
    struct engine_fixture *fix = scene->fix;
    struct pawl_state *state = NULL;
    struct pawl_error err;
    int rc = pawl_engine_load(&state, fix->engine,
                              engine_fixture_path(fix, name), flags, &err);
    if (rc == 0 && flags != 0) {
        rc = pawl_state_read_all(state, &err);
    }
    if (rc == 0 && number_of(state) != number_in(name)) {
        fail_msg("%s: wrong data was loaded from '%s'", scene->what, name);
    }
    if (rc < 0 && (!may_refuse || strstr(err.message, named) == NULL)) {
        fail_msg("%s: load of '%s' says: %s", scene->what, name, err.message);
    }
    pawl_state_free(state);
}

/* In an open checkpoint and outside of one. */
static void load_both(struct damage_scene *scene, const char *tag,
                      const char *named, bool may_refuse)
{
    static const unsigned ways[] = {0, PAWL_LOAD_LAZY | PAWL_LOAD_VERIFY};
    for (size_t i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s/model.pt", tag);
        load(scene, name, ways[i], named, may_refuse);
        snprintf(name, sizeof(name), "%s/sub/opt.pt", tag);
        load(scene, name, ways[i], named, may_refuse);
    }
}

/* Opens the newest and loads all of it; whether that was `new`. */
static bool open_newest(struct damage_scene *scene, const char *named)
{
    struct engine_fixture *fix = scene->fix;
    fix->log[0] = '\0';
    const char *opened = must_open(fix, NULL);
    if (opened == NULL) {
        fail_msg("%s: nothing was opened: %s", scene->what, fix->log);
        return false;
    }
    bool is_new = strcmp(opened, "new") == 0;
    if (!is_new && strcmp(named, DAMAGE_UNNAMED) != 0 &&
        (strstr(fix->log, "'new'") == NULL ||
         strstr(fix->log, named) == NULL)) {
        fail_msg("%s: no reason with '%s' in the log: %s", scene->what, named,
                 fix->log);
    }
    load_both(scene, is_new ? "new" : "old", named, false);
    must_close(fix, is_new ? "new" : "old");
    return is_new;
}

static bool open_by_name(struct damage_scene *scene, const char *named)
{
    struct pawl_error err;
    if (try_open(scene->fix, "new", &err) == 0) {
        load_both(scene, "new", named, false);
        must_close(scene->fix, "new");
        return true;
    }
    if (strstr(err.message, named) == NULL) {
        fail_msg("%s: no '%s' in: %s", scene->what, named, err.message);
    }
    return false;
}

void damage_scene_judge(struct damage_scene *scene, const char *what,
                        const char *named, enum damage_verdict expected)
{
    scene->what = what;
    bool newest = open_newest(scene, named);
    bool by_name = open_by_name(scene, named);
    load_both(scene, "new", named, true);
    load_both(scene, "old", named, false);
    scene->cases++;
    if (expected != DAMAGE_EITHER &&
        (newest != (expected == DAMAGE_HARMLESS) || by_name != newest)) {
        fail_msg("%s: 'new' was %s as the newest, and %s by its name", what,
                 newest ? "opened" : "passed over",
                 by_name ? "opened" : "refused");
    }
}
