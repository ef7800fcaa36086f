/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_memory.c - what every store does, what only memory does, and
 * random calls against files: there the kernel says what is right
 */
#include "store/store_memory.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scratch.h"
#include "seed.h"
#include "store/store_file.h"
#include "store_behaviour.h"

struct fixture {
    struct pawl_store store;
    struct pawl_memory_tree *tree;
};

static int set_up(void **state)
{
    struct fixture *fix = calloc(1, sizeof(*fix));
    *state = fix;
    assert_int_equal(pawl_memory_tree_new(&fix->tree, NULL), 0);
    return pawl_store_memory_make(&fix->store, fix->tree, "/a/run", NULL);
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;
    pawl_store_fini(&fix->store);
    pawl_memory_tree_free(fix->tree);
    free(fix);
    return 0;
}

static void test_stores_share_a_tree(void **state)
{
    struct fixture *fix = *state;
    struct pawl_store top = {0};
    struct pawl_store below = {0};
    assert_int_equal(pawl_store_memory_make(&top, fix->tree, "/", NULL), 0);
    assert_int_equal(
        pawl_store_memory_make(&below, fix->tree, "/a/run/step-1", NULL), 0);
    store_put(&fix->store, "step-1/model.pt", "weights");
    char *seen = store_get(&top, "a/run/step-1/model.pt");
    assert_string_equal(seen, "weights");
    free(seen);
    store_put(&below, "more", "text");
    seen = store_get(&fix->store, "step-1/more");
    assert_string_equal(seen, "text");
    free(seen);
    pawl_store_fini(&below);

    assert_int_equal(pawl_store_remove(&top, "a/run/step-1/more", NULL), 0);
    assert_null(store_get(&fix->store, "step-1/more"));
    pawl_store_fini(&top);
}

static void test_each_made_store_has_its_own_tree(void **state)
{
    (void)state;
    struct pawl_store a = {&pawl_store_memory, NULL};
    struct pawl_store b = {&pawl_store_memory, NULL};
    assert_int_equal(a.ops->make(&a.impl, "/run", "{}", NULL), 0);
    assert_int_equal(b.ops->make(&b.impl, "/run", "{}", NULL), 0);
    store_put(&a, "x", "text");
    assert_null(store_get(&b, "x"));
    pawl_store_fini(&a);
    pawl_store_fini(&b);
}

static void test_roots_are_absolute(void **state)
{
    struct fixture *fix = *state;
    const char *const bad[] = {"", "run", "./run", "/run/../x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct pawl_store store = {0};
        struct pawl_error err = {0};
        assert_int_equal(
            pawl_store_memory_make(&store, fix->tree, bad[i], &err),
            PAWL_EINVAL);
        assert_null(store.impl);
        assert_true(err.message[0] != '\0');
    }
}

/* ---- threads ----------------------------------------------------------- */

enum { THREADS = 4, PART = 1000003 };

struct writer {
    struct pawl_store *store;
    struct pawl_object_handle *object;
    int number;
};

/* Each writes its part of one object, and makes and renames names. */
static void *write_part(void *arg)
{
    struct writer *writer = arg;
    unsigned char *data = malloc(PART);
    memset(data, 'a' + writer->number, PART);
    uint64_t offset = (uint64_t)writer->number * PART;
    for (size_t at = 0; at < PART; at += 77777) {
        size_t len = PART - at < 77777 ? PART - at : 77777;
        assert_int_equal(pawl_object_write(writer->object, offset + at,
                                           data + at, len, NULL),
                         0);
    }
    free(data);
    for (int i = 0; i < 200; i++) {
        char name[64];
        char moved[64];
        snprintf(name, sizeof(name), "dir/%d-%d", writer->number, i);
        snprintf(moved, sizeof(moved), "moved-%d", writer->number);
        store_put(writer->store, name, name);
        assert_int_equal(pawl_store_rename(writer->store, name, moved,
                                           PAWL_RENAME_REPLACE, NULL),
                         0);
    }
    return NULL;
}

static void test_threads_write_one_object_and_many_names(void **state)
{
    struct fixture *fix = *state;
    struct pawl_object_handle object;
    assert_int_equal(pawl_store_open(&fix->store, "big", PAWL_STORE_CREATE, 0,
                                     &object, NULL, NULL),
                     0);
    pthread_t threads[THREADS];
    struct writer writers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){&fix->store, &object, i};
        pthread_create(&threads[i], NULL, write_part, &writers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(pawl_object_close(&object, true, NULL), 0);

    char *text = store_get(&fix->store, "big");
    assert_int_equal(strlen(text), THREADS * PART);
    for (size_t i = 0; i < (size_t)THREADS * PART; i++) {
        if (text[i] != (char)('a' + i / PART)) {
            fail_msg("byte %zu is wrong", i);
        }
    }
    free(text);
}

/* ---- against files ----------------------------------------------------- */

struct pair {
    struct pawl_store memory;
    struct pawl_store file;
    uint64_t seed; /* of the next random number */
};

static unsigned draw(struct pair *pair, unsigned bound)
{
    return (unsigned)test_draw(&pair->seed, bound);
}

/* A name of one to three components out of three: they meet often. */
static void draw_name(struct pair *pair, char out[32])
{
    unsigned depth = 1 + draw(pair, 3);
    size_t len = 0;
    for (unsigned i = 0; i < depth; i++) {
        len += (size_t)snprintf(out + len, 32 - len, "%s%c", i > 0 ? "/" : "",
                                (char)('a' + draw(pair, 3)));
    }
}

static int put_rc(struct pawl_store *store, const char *name, const char *text)
{
    struct pawl_object_handle object;
    int rc = pawl_store_open(store, name, PAWL_STORE_CREATE, strlen(text),
                             &object, NULL, NULL);
    if (rc == 0) {
        rc = pawl_object_write(&object, 0, text, strlen(text), NULL);
        pawl_object_close(&object, false, NULL);
    }
    return rc;
}

static int call(struct pawl_store *store, unsigned what, const char *a,
                const char *b)
{
    switch (what) {
    case 0:
        return put_rc(store, a, b);
    case 1:
        return pawl_store_mkdir(store, a, NULL);
    case 2:
        return pawl_store_remove(store, a, NULL);
    case 3:
        return pawl_store_sync(store, a, NULL);
    default:
        return pawl_store_rename(store, a, b,
                                 (enum pawl_store_rename)(what - 4), NULL);
    }
}

/* All paths of a store, sorted; directories end in '/'. */
struct picture {
    struct pawl_store *store;
    char **lines;
    size_t count;
    const char *dir; /* being listed */
};

static int add_line(void *ctx, const struct pawl_store_entry *entry)
{
    struct picture *picture = ctx;
    char **lines =
        realloc(picture->lines, (picture->count + 1) * sizeof(*lines));
    assert_non_null(lines);
    picture->lines = lines;
    assert_true(asprintf(&lines[picture->count++], "%s%s%s", picture->dir,
                         entry->name, entry->is_dir ? "/" : "") > 0);
    return 0;
}

static bool is_dir_line(const char *line)
{
    return line[strlen(line) - 1] == '/';
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void take_picture(struct picture *picture)
{
    picture->dir = "";
    pawl_store_list(picture->store, "", add_line, picture, NULL);
    for (size_t i = 0; i < picture->count; i++) {
        if (is_dir_line(picture->lines[i])) {
            picture->dir = picture->lines[i];
            char *name = strndup(picture->dir, strlen(picture->dir) - 1);
            assert_int_equal(
                pawl_store_list(picture->store, name, add_line, picture, NULL),
                0);
            free(name);
        }
    }
    if (picture->count > 0) {
        qsort(picture->lines, picture->count, sizeof(char *), by_text);
    }
}

static void free_picture(struct picture *picture)
{
    for (size_t i = 0; i < picture->count; i++) {
        free(picture->lines[i]);
    }
    free(picture->lines);
}

static void assert_same_bytes(struct pair *pair, const char *name)
{
    char *in_memory = store_get(&pair->memory, name);
    char *in_file = store_get(&pair->file, name);
    assert_string_equal(in_memory, in_file);
    free(in_memory);
    free(in_file);
}

static void compare(struct pair *pair)
{
    struct picture memory = {.store = &pair->memory};
    struct picture file = {.store = &pair->file};
    take_picture(&memory);
    take_picture(&file);
    assert_int_equal(memory.count, file.count);
    for (size_t i = 0; i < file.count; i++) {
        assert_string_equal(memory.lines[i], file.lines[i]);
        if (!is_dir_line(file.lines[i])) {
            assert_same_bytes(pair, file.lines[i]);
        }
    }
    free_picture(&memory);
    free_picture(&file);
}

static void test_random_calls_end_as_with_files(void **state)
{
    struct fixture *fix = *state;
    enum { CALLS = 6000, KINDS = 7 };
    char *dir = scratch_new();
    char *root = scratch_path(dir, "run");
    struct pair pair = {.memory = fix->store, .seed = test_seed()};
    pair.file.ops = &pawl_store_file;
    assert_int_equal(pair.file.ops->make(&pair.file.impl, root, "{}", NULL), 0);

    size_t succeeded[KINDS] = {0};
    for (int i = 0; i < CALLS; i++) {
        unsigned what = draw(&pair, KINDS);
        char a[32];
        char b[32];
        draw_name(&pair, a);
        draw_name(&pair, b);
        int in_file = call(&pair.file, what, a, b);
        int in_memory = call(&pair.memory, what, a, b);
        if (in_file != in_memory) {
            fail_msg("call %d: %u '%s' '%s': file %s, memory %s", i, what, a, b,
                     pawl_error_name(in_file), pawl_error_name(in_memory));
        }
        succeeded[what] += in_file == 0;
        if (i % 64 == 0) {
            compare(&pair);
        }
    }
    compare(&pair);
    for (size_t i = 0; i < KINDS; i++) {
        assert_true(succeeded[i] > 10);
    }
    pawl_store_fini(&pair.file);
    free(root);
    scratch_free(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stores_share_a_tree),
        TEST(test_each_made_store_has_its_own_tree),
        TEST(test_roots_are_absolute),
        TEST(test_threads_write_one_object_and_many_names),
        TEST(test_random_calls_end_as_with_files),
    };
    int failed =
        store_behaviour_run("store_memory: behaviour", set_up, tear_down);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
