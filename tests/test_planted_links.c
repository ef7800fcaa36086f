/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_planted_links.c - somebody puts a link where Pawl is about to write
 *
 * At each name that Pawl makes in a save_dir: a link to a file and to a
 * directory, outside of it and of an older checkpoint, before the save begins
 * and in the middle of it.  The save may fail, but what the link leads to is as
 * it was, and a commit that returns 0 is one.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "damage_scene.h"

#define CONFIG                                                                 \
    "{\"engine\": \"torch\", \"durable\": false, \"recycle\": true, "          \
    "\"keep_last\": 1, "                                                       \
    "\"pinned\": [\"old\"]}"
#define DEAD_ID "00000000000000ff"

/* Relative to the save_dir; `next` is the tag that is saved. */
static const char *const names[] = {
    "latest",
    "next",
    "next/model.pt",
    "next/sub",
    "next/pawl.json",
    ".pawl",
    ".pawl/next.owner",
    ".pawl/next." DEAD_ID ".next",
    ".pawl/next." DEAD_ID ".claim",
    ".pawl/next.part",
    ".pawl/next.part/model.pt",
    ".pawl/next.part/sub",
    ".pawl/next.part/pawl.json",
    ".pawl/next.merge",
    ".pawl/next.merge/pawl.json",
    ".pawl/next.old",
    ".pawl/next.aside",
    ".pawl/next.dead",
    ".pawl/next.latest",
    ".pawl/next.file",
    ".pawl/old.dead",
    ".pawl/spare",
    ".pawl/spare/0123456789abcdef",
    ".pawl/model.pt.file",
    ".pawl/model.pt.owner",
    "model.pt",
};
#define NAME_COUNT (sizeof(names) / sizeof(*names))

/* From the directory of the name, "../" as often as it takes; `dir` is what
 * lies above the save_dir, "run". */
static const char *const targets[] = {
    "run/old",           /* a committed checkpoint */
    "run/old/model.pt",  /* a file of it */
    "outside",           /* a directory elsewhere */
    "outside/not-there", /* would be made */
};
#define TARGET_COUNT (sizeof(targets) / sizeof(*targets))

enum moment { BEFORE, AFTER_CREATE, AFTER_SAVE, MOMENTS };

/* ---- the scene ------------------------------------------------------------
 */

static struct damage_scene *make(void)
{
    struct damage_scene *scene = damage_scene_new(CONFIG, 4);
    char *outside = scratch_path(scene->fix->dir, "outside");
    assert_int_equal(mkdir(outside, 0777), 0);
    scratch_write(outside, "secret", "secret", 6);
    scratch_write(outside, "model.pt", "theirs", 6);
    scratch_write(outside, "pawl.json", "theirs", 6);
    free(outside);
    return scene;
}

/* A relative link, which the kernel would follow where it stays in the
 * save_dir.  False if the name's directory is not there, or the name is. */
static bool plant(struct damage_scene *scene, const char *name,
                  const char *target)
{
    char *at = scratch_path(scene->fix->run, name);
    char text[4096] = "../";
    char *slash = strrchr(at, '/');
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '/') {
            strcat(text, "../");
        }
    }
    if (strncmp(target, "run/", 4) == 0) { /* the shortest way, in it */
        memmove(text, text + 3, strlen(text) - 2);
        target += 4;
    }
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", target);
    *slash = '\0';
    if (strcmp(slash + 1, ".pawl") != 0) {
        char *pawl = scratch_path(scene->fix->run, ".pawl");
        mkdir(pawl, 0777); /* there, as a rule */
        free(pawl);
    }
    struct stat st;
    if (lstat(at, &st) != 0 && strstr(name, "spare/") != NULL) {
        mkdir(at, 0777);
    }
    *slash = '/';
    bool done = symlink(text, at) == 0;
    free(at);
    return done;
}

static void assert_text(struct damage_scene *scene, const char *name,
                        const char *text)
{
    char *found = scratch_read(scene->fix->dir, name, NULL);
    assert_string_equal(found, text);
    free(found);
}

static void assert_untouched(struct damage_scene *scene, const char *what)
{
    struct engine_fixture *fix = scene->fix;
    scene->what = what;
    assert_text(scene, "outside/secret", "secret");
    assert_text(scene, "outside/model.pt", "theirs");
    assert_text(scene, "outside/pawl.json", "theirs");
    if (scratch_exists(fix->dir, "outside/not-there")) {
        fail_msg("%s: made a file outside", what);
    }
    for (size_t i = 0; i < scene->count; i++) {
        const struct damage_file *file = &scene->files[i];
        size_t len = 0;
        if (strncmp(file->name, "old/", 4) != 0) {
            continue;
        }
        if (!scratch_exists(fix->run, file->name)) {
            fail_msg("%s: '%s' is gone", what, file->name);
        }
        char *bytes = scratch_read(fix->run, file->name, &len);
        if (len != file->len || memcmp(bytes, file->bytes, len) != 0) {
            fail_msg("%s: '%s' was changed", what, file->name);
        }
        free(bytes);
    }
}

/* ---- a save with a link in it ----------------------------------------------
 */

static int try_commit(struct engine_fixture *fix, const char *tag,
                      struct pawl_error *err)
{
    int rc = pawl_engine_commit(fix->engine, tag, err);
    return rc < 0 ? rc : pawl_engine_wait(fix->engine, 60000, err);
}

/* Saves, with the link planted at that moment; whether it could be. */
static bool save_with(struct damage_scene *scene, const char *name,
                      const char *target, enum moment moment, const char *what)
{
    struct engine_fixture *fix = scene->fix;
    struct pawl_error err;
    bool planted = moment == BEFORE && plant(scene, name, target);
    int rc = pawl_engine_create(fix->engine, fix->run, "next", &err);
    planted |= moment == AFTER_CREATE && plant(scene, name, target);
    if (rc == 0) {
        rc = try_save(fix, "next/model.pt", 5, &err);
    }
    planted |= moment == AFTER_SAVE && plant(scene, name, target);
    if (rc == 0) {
        rc = try_save(fix, "next/sub/opt.pt", 6, &err);
    }
    if (rc == 0) {
        rc = try_commit(fix, "next", &err);
    }
    if (rc < 0) {
        pawl_engine_abort(fix->engine, "next", NULL);
    } else if (try_open(fix, "next", &err) == 0) {
        assert_int_equal(must_load(fix, "next/model.pt"), 5);
        assert_int_equal(must_load(fix, "next/sub/opt.pt"), 6);
        must_close(fix, "next");
    } else {
        fail_msg("%s: it was committed: %s", what, err.message);
    }
    try_save(fix, "model.pt", 7, &err); /* one file beside it */
    return planted;
}

static void test_planted(void **state)
{
    unsigned cases = 0;
    unsigned planted = 0;
    (void)state;
    for (size_t i = 0; i < NAME_COUNT * TARGET_COUNT * MOMENTS; i++) {
        const char *name = names[i % NAME_COUNT];
        const char *target = targets[i / NAME_COUNT % TARGET_COUNT];
        enum moment moment = (enum moment)(i / NAME_COUNT / TARGET_COUNT);
        char what[256];
        snprintf(what, sizeof(what), "'%s' -> '%s' at %d", name, target,
                 (int)moment);
        struct damage_scene *scene = make();
        scene->what = what;
        planted += save_with(scene, name, target, moment, what);
        assert_untouched(scene, what);
        /* The link gone, saving goes on. */
        char *at = scratch_path(scene->fix->run, name);
        struct stat st;
        if (lstat(at, &st) == 0 && S_ISLNK(st.st_mode)) {
            unlink(at);
        }
        free(at);
        must_make(scene->fix, "after", 8);
        assert_string_equal(must_open(scene->fix, NULL), "after");
        must_close(scene->fix, "after");
        damage_scene_free(scene);
        cases++;
    }
    print_message("%u links planted in %u cases\n", planted, cases);
    assert_true(planted > cases / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planted),
    };
    return cmocka_run_group_tests_name("planted_links", tests, NULL, NULL);
}
