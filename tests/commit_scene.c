/* SPDX-License-Identifier: Apache-2.0 */
/* commit_scene.c - see commit_scene.h. */
#include "commit_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/manifest_file.h"
#include "lesser_io.h"
#include "store/store_file.h"

static const struct {
    const char *target;
    const char *config;
    const char *what;
} scenes[] = {
#define SCENE_ROW(name, target, config, what) {target, config, what},
    COMMIT_SCENES(SCENE_ROW)
#undef SCENE_ROW
};

/* ---- system calls -------------------------------------------------------- */

static int make_store(void *ctx, struct pawl_store *out, const char *root,
                      struct pawl_error *err)
{
    struct scene *scene = ctx;
    return pawl_store_file_make(out, root, fault_io_table(scene->fault), err);
}

/* ---- scenes -------------------------------------------------------------- */

/* Thousands of scenes are set: where there is a file system in memory, there.
 */
static void prefer_memory(void)
{
    if (access("/dev/shm", W_OK) == 0) {
        setenv("TMPDIR", "/dev/shm", 0);
    }
}

/* The caller has files of his own at the target. */
static bool is_merge(enum commit_scene which)
{
    return which == SCENE_MERGE || which == SCENE_BESIDE;
}

struct scene *commit_scene_new(enum commit_scene which)
{
    prefer_memory();
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    scene->which = which;
    scene->target = scenes[which].target;
    scene->what = scenes[which].what;
    /* The order of syncs is another test's business. */
    scene->below = lesser_io(which != SCENE_ASIDE);
    scene->fault = fault_io_new(&scene->below);
    assert_int_equal(
        pawl_place_new_with(&scene->place, make_store, scene, NULL), 0);
    scene->fix = engine_fixture_new_at(scenes[which].config, scene->place);
    must_make(scene->fix, "one", 1);
    if (which == SCENE_EMPTY) {
        assert_int_equal(pawl_store_mkdir(&scene->fix->store, "two", NULL), 0);
    } else if (is_merge(which)) {
        run_write(scene->fix, "two/notes.txt", "mine", 4);
        run_write(scene->fix, "two/sub/mine.txt", "too", 3);
    }
    if (which == SCENE_MERGE) {
        run_write(scene->fix, "two/model.pt", "junk", 4);
    } else if (which == SCENE_RETAIN) {
        run_write(scene->fix, "one/mine.txt", "mine", 4);
    }
    return scene;
}

void commit_scene_forked(struct scene *scene)
{
    scene->fix->engine = NULL; /* the parent's */
    engine_fixture_restart(scene->fix, scenes[scene->which].config);
}

void commit_scene_free(struct scene *scene)
{
    fault_io_arm(scene->fault, NULL);
    engine_fixture_free(scene->fix);
    pawl_place_unref(scene->place);
    assert_int_equal(fault_io_open_count(scene->fault), 0);
    fault_io_free(scene->fault);
    free(scene);
}

static int play(struct scene *scene, int64_t number, struct pawl_error *err)
{
    struct engine_fixture *fix = scene->fix;
    char name[128];
    int rc = pawl_engine_create(fix->engine, fix->run, scene->target, err);
    if (rc < 0) {
        return rc;
    }
    snprintf(name, sizeof(name), "%s/empty/deep", scene->target);
    rc = pawl_engine_makedirs(fix->engine, engine_fixture_path(fix, name), true,
                              err);
    const char *const files[] = {"model.pt", "sub/optim.pt"};
    for (size_t i = 0; rc == 0 && i < 2; i++) {
        snprintf(name, sizeof(name), "%s/%s", scene->target, files[i]);
        rc = try_save(fix, name, number, err);
    }
    if (rc < 0) {
        pawl_engine_abort(fix->engine, scene->target, NULL);
        return rc;
    }
    return pawl_engine_commit(fix->engine, scene->target, err);
}

int commit_scene_play(struct scene *scene, struct pawl_error *err)
{
    return play(scene, 2, err);
}

/* ---- checks -------------------------------------------------------------- */

/* Invariant 2: what `latest` names has a manifest. */
static void check_latest(struct scene *scene)
{
    struct pawl_manifest manifest = {0};
    size_t len = 0;
    char *tag = run_read(scene->fix, "latest", &len);
    if (pawl_manifest_read(&manifest, &scene->fix->store, tag, NULL) < 0) {
        fail_msg("latest names '%s', which was not committed", tag);
    }
    pawl_manifest_fini(&manifest);
    free(tag);
}

int commit_scene_newest(struct scene *scene)
{
    struct engine_fixture *fix = scene->fix;
    char name[PAWL_TAG_MAX + 32];
    const char *tag = must_open(fix, NULL);
    assert_non_null(tag);
    check_latest(scene);
    snprintf(name, sizeof(name), "%s/model.pt", tag);
    int64_t number = must_load(fix, name);
    if (number == 1) {
        assert_string_equal(tag, "one");
    } else {
        assert_string_equal(tag, scene->target);
        snprintf(name, sizeof(name), "%s/sub/optim.pt", tag);
        assert_int_equal(must_load(fix, name), number);
    }
    must_close(fix, tag);
    return (int)number;
}

static void check_bytes(struct scene *scene, const char *name, const char *text)
{
    size_t len = 0;
    char *bytes = run_read(scene->fix, name, &len);
    assert_string_equal(bytes, text);
    free(bytes);
}

void commit_scene_check_foreign(struct scene *scene, bool old_too)
{
    if (scene->which == SCENE_RETAIN) {
        check_bytes(scene, "one/mine.txt", "mine");
    }
    if (!is_merge(scene->which)) {
        return;
    }
    check_bytes(scene, "two/notes.txt", "mine");
    check_bytes(scene, "two/sub/mine.txt", "too");
    if (old_too && scene->which == SCENE_MERGE) {
        check_bytes(scene, "two/model.pt", "junk");
    }
}

void commit_scene_check_clean(struct scene *scene)
{
    size_t count = run_count(scene->fix, ".pawl");
    if (count > 0) {
        print_message("log was: %s", scene->fix->log);
        fail_msg("%zu entries in .pawl", count);
    }
}

void commit_scene_check_goes_on(struct scene *scene)
{
    struct pawl_error err;
    if (play(scene, 3, &err) < 0) {
        fail_msg("the next attempt: %s", err.message);
    }
    assert_int_equal(commit_scene_newest(scene), 3);
    commit_scene_check_foreign(scene, false);
    commit_scene_check_clean(scene);
}
