/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_corruption_names.c - what stands where a file of a checkpoint was:
 * nothing, a directory, a link, a pipe, a socket
 *
 * A pipe or a socket must make nobody wait: the alarm ends a test that does.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "damage_scene.h"

enum { ELEMENTS = 4, HANG_S = 120 };

/* ---- what can stand there ------------------------------------------------ */

/* Each puts something to the absolute path `at`; nothing is there. */
static void put_nothing(struct damage_scene *scene, const char *at)
{
    (void)scene;
    (void)at;
}

static void put_directory(struct damage_scene *scene, const char *at)
{
    (void)scene;
    assert_int_equal(mkdir(at, 0777), 0);
}

static void put_full_directory(struct damage_scene *scene, const char *at)
{
    struct damage_file *file = damage_scene_file(scene, "new/model.pt");
    put_directory(scene, at);
    scratch_write(at, "model.pt", file->bytes, file->len);
}

static void put_link_to_nothing(struct damage_scene *scene, const char *at)
{
    (void)scene;
    assert_int_equal(symlink("nothing-there", at), 0);
}

static void put_link_to_itself(struct damage_scene *scene, const char *at)
{
    (void)scene;
    assert_int_equal(symlink(strrchr(at, '/') + 1, at), 0);
}

/* Whoever reads it reads for ever. */
static void put_link_to_a_device(struct damage_scene *scene, const char *at)
{
    (void)scene;
    assert_int_equal(symlink("/dev/zero", at), 0);
}

static void put_link_to_a_secret(struct damage_scene *scene, const char *at)
{
    char *secret = scratch_path(scene->fix->dir, "secret");
    assert_int_equal(symlink(secret, at), 0);
    free(secret);
}

static void put_pipe(struct damage_scene *scene, const char *at)
{
    (void)scene;
    assert_int_equal(mkfifo(at, 0666), 0);
}

static void put_socket(struct damage_scene *scene, const char *at)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char here[4096];
    char *dir = strndup(at, (size_t)(strrchr(at, '/') - at));
    (void)scene;
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(dir), 0); /* an address is short */
    snprintf(address.sun_path, sizeof(address.sun_path), "%s",
             strrchr(at, '/') + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(
        bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    assert_int_equal(chdir(here), 0);
    free(dir);
}

static const struct {
    const char *what;
    void (*put)(struct damage_scene *scene, const char *at);
} things[] = {
    {"nothing", put_nothing},
    {"a directory", put_directory},
    {"a full directory", put_full_directory},
    {"a link to nothing", put_link_to_nothing},
    {"a link to itself", put_link_to_itself},
    {"a link to a device", put_link_to_a_device},
    {"a link to a secret", put_link_to_a_secret},
    {"a pipe", put_pipe},
    {"a socket", put_socket},
};
#define THING_COUNT (sizeof(things) / sizeof(*things))

/* The bytes of new/model.pt, where nobody may go. */
static struct damage_scene *make(void **state)
{
    struct damage_scene *scene = damage_scene_new(*state, ELEMENTS);
    struct damage_file *file = damage_scene_file(scene, "new/model.pt");
    scratch_write(scene->fix->dir, "secret", file->bytes, file->len);
    alarm(HANG_S);
    return scene;
}

static void end(struct damage_scene *scene)
{
    damage_scene_judge(scene, "nothing", "", DAMAGE_HARMLESS);
    print_message("%zu cases\n", scene->cases);
    damage_scene_free(scene);
    alarm(0);
}

/* Puts each thing in the place of `name`. */
static void replace_by_each(struct damage_scene *scene, const char *name,
                            const char *named, enum damage_verdict expected)
{
    char *at = scratch_path(scene->fix->run, name);
    for (size_t i = 0; i < THING_COUNT; i++) {
        char what[128];
        bool unsigned_too = i == 0 && strcmp(name, "new/pawl.json") == 0;
        snprintf(what, sizeof(what), "%s for '%s'", things[i].what, name);
        damage_scene_clear(scene, name);
        things[i].put(scene, at);
        /* Without a manifest it is one that others wrote: whole, as far as
         * its files say. */
        damage_scene_judge(scene, what, named,
                           unsigned_too ? DAMAGE_HARMLESS : expected);
    }
    damage_scene_restore(scene, name);
    free(at);
}

/* ---- the cases ------------------------------------------------------------
 */

static void test_files(void **state)
{
    struct damage_scene *scene = make(state);
    replace_by_each(scene, "new/model.pt", "model.pt", DAMAGE_REFUSED);
    replace_by_each(scene, "new/sub/opt.pt", "opt.pt", DAMAGE_REFUSED);
    end(scene);
}

static void test_manifest(void **state)
{
    struct damage_scene *scene = make(state);
    replace_by_each(scene, "new/pawl.json", "pawl.json", DAMAGE_REFUSED);
    end(scene);
}

static void test_latest(void **state)
{
    struct damage_scene *scene = make(state);
    replace_by_each(scene, "latest", "", DAMAGE_HARMLESS);
    end(scene);
}

/* Links to the right bytes: those that stay in the checkpoint are followed,
 * those that leave it are not. */
static void test_links_to_the_right_file(void **state)
{
    struct damage_scene *scene = make(state);
    struct damage_file *file = damage_scene_file(scene, "new/model.pt");
    char *at = scratch_path(scene->fix->run, "new/model.pt");
    static const struct {
        const char *to;
        enum damage_verdict verdict;
    } links[] = {
        {"copy.pt", DAMAGE_HARMLESS},
        {"sub/../copy.pt", DAMAGE_HARMLESS},
        {"../old/copy.pt", DAMAGE_REFUSED},
        {"../../secret", DAMAGE_REFUSED},
    };
    damage_scene_write(scene, "new/copy.pt", file->bytes, file->len);
    damage_scene_write(scene, "old/copy.pt", file->bytes, file->len);
    for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
        damage_scene_clear(scene, "new/model.pt");
        assert_int_equal(symlink(links[i].to, at), 0);
        damage_scene_judge(scene, links[i].to, "model.pt", links[i].verdict);
    }
    damage_scene_restore(scene, "new/model.pt");
    free(at);
    end(scene);
}

/* ---- directories -----------------------------------------------------------
 */

/* Moves `name` away and puts each thing, and links to it, in its place. */
static void replace_dir_by_each(struct damage_scene *scene, const char *name,
                                const char *named)
{
    struct engine_fixture *fix = scene->fix;
    char *at = scratch_path(fix->run, name);
    char *away = scratch_path(fix->dir, "away");
    assert_int_equal(rename(at, away), 0);
    for (size_t i = 0; i <= THING_COUNT; i++) {
        char what[128];
        const char *thing = "a link to where it is now";
        if (i < THING_COUNT) {
            thing = things[i].what;
            things[i].put(scene, at);
        } else {
            assert_int_equal(symlink(away, at), 0);
        }
        snprintf(what, sizeof(what), "%s for '%s'", thing, name);
        damage_scene_judge(scene, what, named, DAMAGE_REFUSED);
        damage_scene_clear(scene, name);
    }
    assert_int_equal(rename(away, at), 0);
    free(away);
    free(at);
}

static void test_subdirectory(void **state)
{
    struct damage_scene *scene = make(state);
    replace_dir_by_each(scene, "new/sub", "opt.pt");
    end(scene);
}

/* What is no directory is no checkpoint, and not worth a line in the log; a
 * named one is refused. */
static void test_tag_directory(void **state)
{
    struct damage_scene *scene = make(state);
    char *at = scratch_path(scene->fix->run, "new");
    char *away = scratch_path(scene->fix->dir, "away");
    struct pawl_error err;
    assert_int_equal(rename(at, away), 0);
    for (size_t i = 0; i < THING_COUNT; i++) {
        bool unsigned_too = things[i].put == put_full_directory;
        things[i].put(scene, at);
        assert_string_equal(must_open(scene->fix, NULL),
                            unsigned_too ? "new" : "old");
        must_close(scene->fix, unsigned_too ? "new" : "old");
        if (!unsigned_too) {
            assert_int_not_equal(try_open(scene->fix, "new", &err), 0);
            assert_non_null(strstr(err.message, "new"));
        }
        damage_scene_clear(scene, "new");
    }
    assert_int_equal(symlink(away, at), 0); /* all is there, but elsewhere */
    assert_string_equal(must_open(scene->fix, NULL), "old");
    must_close(scene->fix, "old");
    assert_failed(try_open(scene->fix, "new", &err), PAWL_EINVAL, &err,
                  "symbolic link leads elsewhere");
    damage_scene_clear(scene, "new");
    assert_int_equal(rename(away, at), 0);
    free(away);
    free(at);
    end(scene);
}

/* Pawl's own directory is for who writes; readers get by without. */
static void test_work_directory(void **state)
{
    struct damage_scene *scene = make(state);
    char *at = scratch_path(scene->fix->run, ".pawl");
    rmdir(at);
    for (size_t i = 0; i < THING_COUNT; i++) {
        damage_scene_clear(scene, ".pawl");
        things[i].put(scene, at);
        damage_scene_judge(scene, things[i].what, "", DAMAGE_HARMLESS);
    }
    damage_scene_clear(scene, ".pawl");
    free(at);
    end(scene);
}

int main(void)
{
#define TORCH "{\"engine\": \"torch\"}"
#define ASYNC "{\"engine\": \"async\", \"block_bytes\": 65536}"
#define TEST(name)                                                             \
    cmocka_unit_test_prestate(name, (char *)(uintptr_t)TORCH),                 \
        cmocka_unit_test_prestate(name, (char *)(uintptr_t)ASYNC)
    const struct CMUnitTest tests[] = {
        TEST(test_files),          TEST(test_manifest),
        TEST(test_latest),         TEST(test_links_to_the_right_file),
        TEST(test_subdirectory),   TEST(test_tag_directory),
        TEST(test_work_directory),
    };
    return cmocka_run_group_tests_name("corruption_names", tests, NULL, NULL);
}
