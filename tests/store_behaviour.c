/* SPDX-License-Identifier: Apache-2.0 */
/* store_behaviour.c - see store_behaviour.h. */
#include "store_behaviour.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define assert_ok(call, err)                                                   \
    do {                                                                       \
        if ((call) != 0) {                                                     \
            fail_msg("%s: %s", #call, (err).message);                          \
        }                                                                      \
    } while (0)

void store_put(struct pawl_store *store, const char *name, const char *text)
{
    struct pawl_error err = {0};
    struct pawl_object_handle object;
    assert_ok(pawl_store_open(store, name, PAWL_STORE_CREATE, strlen(text),
                              &object, NULL, &err),
              err);
    assert_ok(pawl_object_write(&object, 0, text, strlen(text), &err), err);
    assert_ok(pawl_object_close(&object, false, &err), err);
}

char *store_get(struct pawl_store *store, const char *name)
{
    struct pawl_error err = {0};
    struct pawl_object_handle object;
    uint64_t size = 0;
    if (pawl_store_open(store, name, PAWL_STORE_READ, 0, &object, &size, &err) <
        0) {
        return NULL;
    }
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_ok(pawl_object_read(&object, 0, text, (size_t)size, &err), err);
    assert_ok(pawl_object_close(&object, false, &err), err);
    return text;
}

static void assert_holds(struct pawl_store *store, const char *name,
                         const char *text)
{
    char *found = store_get(store, name);
    if (found == NULL) {
        fail_msg("'%s' is not there", name);
    }
    assert_string_equal(found, text);
    free(found);
}

static int open_rc(struct pawl_store *store, const char *name,
                   enum pawl_store_mode mode)
{
    struct pawl_error err = {0};
    struct pawl_object_handle object;
    int rc = pawl_store_open(store, name, mode, 0, &object, NULL, &err);
    if (rc == 0) {
        assert_ok(pawl_object_close(&object, false, &err), err);
    } else {
        assert_null(object.impl);
        assert_int_equal(err.code, rc);
        assert_true(err.message[0] != '\0');
    }
    return rc;
}

static void assert_missing(struct pawl_store *store, const char *name)
{
    assert_int_equal(open_rc(store, name, PAWL_STORE_READ), PAWL_ENOENT);
}

static int ignore_entry(void *ctx, const struct pawl_store_entry *entry)
{
    (void)ctx;
    (void)entry;
    return 0;
}

static int list_rc(struct pawl_store *store, const char *name)
{
    return pawl_store_list(store, name, ignore_entry, NULL, NULL);
}

/* ---- objects ----------------------------------------------------------- */

static void test_nothing_is_made_before_it_is_needed(void **state)
{
    struct pawl_store *store = *state;
    assert_int_equal(list_rc(store, ""), PAWL_ENOENT);
    assert_missing(store, "a/b");
    assert_int_equal(pawl_store_remove(store, "a", NULL), PAWL_ENOENT);
    assert_int_equal(pawl_store_sync(store, "", NULL), PAWL_ENOENT);
    assert_int_equal(
        pawl_store_rename(store, "a", "b", PAWL_RENAME_REPLACE, NULL),
        PAWL_ENOENT);
    assert_int_equal(list_rc(store, ""), PAWL_ENOENT);
    store_put(store, "a/b", "text");
    assert_int_equal(list_rc(store, ""), 0);
    assert_int_equal(list_rc(store, "a"), 0);
}

static void test_bytes_are_read_as_written(void **state)
{
    struct pawl_store *store = *state;
    enum { SIZE = 3 * 1024 * 1024 + 17, HOLE_AT = 700 * 1024, HOLE = 600000 };
    unsigned char *data = malloc(SIZE);
    unsigned char *back = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        data[i] = (unsigned char)(i * 2654435761u >> 13);
    }
    memset(data + HOLE_AT, 0, HOLE);

    struct pawl_error err = {0};
    struct pawl_object_handle object;
    assert_ok(pawl_store_open(store, "dir/big", PAWL_STORE_CREATE, SIZE,
                              &object, NULL, &err),
              err);
    size_t after = HOLE_AT + HOLE;
    assert_ok(
        pawl_object_write(&object, after, data + after, SIZE - after, &err),
        err);
    for (size_t at = 0; at < HOLE_AT; at += 50000) {
        size_t len = HOLE_AT - at < 50000 ? HOLE_AT - at : 50000;
        assert_ok(pawl_object_write(&object, at, data + at, len, &err), err);
    }
    assert_ok(pawl_object_write(&object, 0, NULL, 0, &err), err);
    assert_ok(pawl_object_close(&object, true, &err), err);

    uint64_t size = 0;
    assert_ok(pawl_store_open(store, "dir/big", PAWL_STORE_READ, 0, &object,
                              &size, &err),
              err);
    assert_int_equal(size, SIZE);
    assert_ok(pawl_object_read(&object, 0, back, SIZE, &err), err);
    assert_memory_equal(back, data, SIZE);
    assert_ok(pawl_object_read(&object, 262143, back, 262146, &err), err);
    assert_memory_equal(back, data + 262143, 262146);
    assert_ok(pawl_object_read(&object, SIZE, back, 0, &err), err);
    assert_ok(pawl_object_close(&object, false, &err), err);
    free(data);
    free(back);
}

static void test_reading_past_the_end_is_an_error(void **state)
{
    struct pawl_store *store = *state;
    store_put(store, "five", "12345");
    store_put(store, "none", "");
    assert_holds(store, "none", "");
    struct pawl_error err = {0};
    struct pawl_object_handle object;
    char back[16];
    assert_ok(
        pawl_store_open(store, "five", PAWL_STORE_READ, 0, &object, NULL, &err),
        err);
    assert_int_equal(pawl_object_read(&object, 0, back, 6, &err), PAWL_EIO);
    assert_non_null(strstr(err.message, "five': it ends too early"));
    assert_int_equal(pawl_object_read(&object, 5, back, 1, &err), PAWL_EIO);
    assert_true(pawl_object_read(&object, UINT64_MAX, back, 1, &err) < 0);
    assert_true(pawl_object_read(&object, INT64_MAX, back, 1, &err) < 0);
    assert_ok(pawl_object_close(&object, false, &err), err);
}

static void test_an_object_opened_for_reading_is_not_written(void **state)
{
    struct pawl_store *store = *state;
    store_put(store, "x", "old");
    struct pawl_error err = {0};
    struct pawl_object_handle object;
    assert_ok(
        pawl_store_open(store, "x", PAWL_STORE_READ, 0, &object, NULL, &err),
        err);
    assert_true(pawl_object_write(&object, 0, "new", 3, &err) < 0);
    assert_ok(pawl_object_close(&object, true, &err), err);
    assert_ok(pawl_object_close(&object, true, &err), err); /* no-op */
    assert_holds(store, "x", "old");
}

static void test_offsets_beyond_all_bounds_are_refused(void **state)
{
    struct pawl_store *store = *state;
    struct pawl_error err = {0};
    struct pawl_object_handle object;
    assert_ok(
        pawl_store_open(store, "x", PAWL_STORE_CREATE, 0, &object, NULL, &err),
        err);
    assert_true(pawl_object_write(&object, UINT64_MAX, "a", 1, &err) < 0);
    assert_true(pawl_object_write(&object, INT64_MAX, "a", 1, &err) < 0);
    assert_ok(pawl_object_close(&object, false, &err), err);
    assert_holds(store, "x", "");
}

/* Whoever reads an object that is replaced, moved or removed reads on. */
static void test_an_open_object_keeps_its_bytes(void **state)
{
    struct pawl_store *store = *state;
    struct pawl_error err = {0};
    struct pawl_object_handle objects[3];
    const char *names[] = {"replaced", "removed", "moved"};
    for (size_t i = 0; i < 3; i++) {
        store_put(store, names[i], "old bytes");
        assert_ok(pawl_store_open(store, names[i], PAWL_STORE_READ, 0,
                                  &objects[i], NULL, &err),
                  err);
    }
    store_put(store, "replaced", "new");
    assert_ok(pawl_store_remove(store, "removed", &err), err);
    assert_ok(pawl_store_rename(store, "moved", "replaced", PAWL_RENAME_REPLACE,
                                &err),
              err);
    for (size_t i = 0; i < 3; i++) {
        char back[10] = "";
        assert_ok(pawl_object_read(&objects[i], 0, back, 9, &err), err);
        assert_string_equal(back, "old bytes");
        assert_ok(pawl_object_close(&objects[i], false, &err), err);
    }
    assert_holds(store, "replaced", "old bytes");
}

static void test_directories_are_no_objects(void **state)
{
    struct pawl_store *store = *state;
    store_put(store, "dir/file", "text");
    assert_int_equal(open_rc(store, "dir", PAWL_STORE_READ), PAWL_EINVAL);
    assert_int_equal(open_rc(store, "dir", PAWL_STORE_CREATE), PAWL_EINVAL);
    assert_int_equal(open_rc(store, "dir/file/x", PAWL_STORE_READ),
                     PAWL_EINVAL);
    assert_int_equal(open_rc(store, "dir/file/x", PAWL_STORE_CREATE),
                     PAWL_EINVAL);
    assert_int_equal(list_rc(store, "dir/file"), PAWL_EINVAL);
    assert_int_equal(pawl_store_sync(store, "dir/file", NULL), PAWL_EINVAL);
    assert_holds(store, "dir/file", "text");
}

static void test_bad_names_are_refused_by_every_call(void **state)
{
    struct pawl_store *store = *state;
    char long_name[300];
    memset(long_name, 'n', sizeof(long_name));
    long_name[256] = '\0';
    const char *const bad[] = {"/abs",   "a//b", "a/",     "..",
                               "a/..",   "../a", "a/./b",  ".",
                               "a/../b", "//",   long_name};
    store_put(store, "good", "text");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct pawl_error err = {0};
        assert_int_equal(open_rc(store, bad[i], PAWL_STORE_READ), PAWL_EINVAL);
        assert_int_equal(open_rc(store, bad[i], PAWL_STORE_CREATE),
                         PAWL_EINVAL);
        assert_int_equal(list_rc(store, bad[i]), PAWL_EINVAL);
        assert_int_equal(pawl_store_mkdir(store, bad[i], &err), PAWL_EINVAL);
        assert_non_null(strstr(err.message, bad[i]));
        assert_int_equal(pawl_store_remove(store, bad[i], NULL), PAWL_EINVAL);
        assert_int_equal(pawl_store_sync(store, bad[i], NULL), PAWL_EINVAL);
        assert_int_equal(
            pawl_store_rename(store, bad[i], "x", PAWL_RENAME_REPLACE, NULL),
            PAWL_EINVAL);
        assert_int_equal(
            pawl_store_rename(store, "good", bad[i], PAWL_RENAME_REPLACE, NULL),
            PAWL_EINVAL);
    }
    assert_int_equal(open_rc(store, "", PAWL_STORE_CREATE), PAWL_EINVAL);
    assert_int_equal(pawl_store_remove(store, "", NULL), PAWL_EINVAL);
    assert_holds(store, "good", "text");
    /* These only look bad. */
    store_put(store, "..a/.b/c..", "text");
    assert_holds(store, "..a/.b/c..", "text");
    long_name[255] = '\0';
    store_put(store, long_name, "text");
}

/* ---- directories ------------------------------------------------------- */

struct listing {
    struct pawl_store *store;
    size_t count;
    size_t stop_after; /* 0: never */
    struct {
        char name[32];
        struct pawl_store_entry entry;
    } found[8];
};

static int take_entry(void *ctx, const struct pawl_store_entry *entry)
{
    struct listing *listing = ctx;
    assert_true(listing->count < 8);
    snprintf(listing->found[listing->count].name, 32, "%s", entry->name);
    listing->found[listing->count++].entry = *entry;
    return listing->count == listing->stop_after;
}

static const struct pawl_store_entry *entry_of(const struct listing *listing,
                                               const char *name)
{
    for (size_t i = 0; i < listing->count; i++) {
        if (strcmp(listing->found[i].name, name) == 0) {
            return &listing->found[i].entry;
        }
    }
    fail_msg("'%s' is not listed", name);
    return NULL;
}

static void test_list_tells_each_entry(void **state)
{
    struct pawl_store *store = *state;
    int64_t before_ns = ((int64_t)time(NULL) - 2) * 1000000000;
    store_put(store, "file", "12345");
    store_put(store, "dir/inner", "1");
    assert_ok(pawl_store_mkdir(store, "empty", NULL), (struct pawl_error){0});

    struct listing listing = {0};
    assert_int_equal(pawl_store_list(store, "", take_entry, &listing, NULL), 0);
    assert_int_equal(listing.count, 3);
    assert_false(entry_of(&listing, "file")->is_dir);
    assert_int_equal(entry_of(&listing, "file")->size_bytes, 5);
    int64_t mtime_ns = entry_of(&listing, "file")->mtime_ns;
    assert_true(mtime_ns > before_ns);
    assert_true(mtime_ns < before_ns + 60 * (int64_t)1000000000);
    assert_true(entry_of(&listing, "dir")->is_dir);
    assert_true(entry_of(&listing, "empty")->is_dir);

    listing = (struct listing){0};
    assert_int_equal(
        pawl_store_list(store, "empty", take_entry, &listing, NULL), 0);
    assert_int_equal(listing.count, 0);
}

static void test_list_stops_when_told(void **state)
{
    struct pawl_store *store = *state;
    store_put(store, "a", "");
    store_put(store, "b", "");
    store_put(store, "c", "");
    struct listing listing = {.stop_after = 2};
    assert_int_equal(pawl_store_list(store, "", take_entry, &listing, NULL), 0);
    assert_int_equal(listing.count, 2);
}

static int remove_entry(void *ctx, const struct pawl_store_entry *entry)
{
    struct listing *listing = ctx;
    listing->count++;
    char name[64];
    snprintf(name, sizeof(name), "dir/%s", entry->name);
    assert_int_equal(pawl_store_remove(listing->store, name, NULL), 0);
    return 0;
}

/* As who clears away a staging directory does. */
static void test_entries_may_be_removed_while_they_are_listed(void **state)
{
    struct pawl_store *store = *state;
    enum { COUNT = 300 };
    for (int i = 0; i < COUNT; i++) {
        char name[64];
        snprintf(name, sizeof(name), "dir/file-%d", i);
        store_put(store, name, "");
    }
    struct listing listing = {.store = store};
    assert_int_equal(
        pawl_store_list(store, "dir", remove_entry, &listing, NULL), 0);
    assert_int_equal(listing.count, COUNT);
    assert_int_equal(pawl_store_remove(store, "dir", NULL), 0);
}

static void test_mkdir_makes_parents_once(void **state)
{
    struct pawl_store *store = *state;
    assert_int_equal(pawl_store_mkdir(store, "a/b/c", NULL), 0);
    assert_int_equal(pawl_store_mkdir(store, "a/b/c", NULL), PAWL_EEXIST);
    assert_int_equal(pawl_store_mkdir(store, "a/b", NULL), PAWL_EEXIST);
    assert_int_equal(pawl_store_mkdir(store, "", NULL), PAWL_EEXIST);
    assert_int_equal(pawl_store_mkdir(store, "a/d", NULL), 0);
    store_put(store, "file", "text");
    assert_int_equal(pawl_store_mkdir(store, "file", NULL), PAWL_EEXIST);
    assert_int_equal(pawl_store_mkdir(store, "file/x", NULL), PAWL_EINVAL);
    assert_int_equal(list_rc(store, "a/b/c"), 0);
    assert_int_equal(pawl_store_sync(store, "a/b/c", NULL), 0);
    assert_int_equal(pawl_store_sync(store, "", NULL), 0);
    assert_int_equal(pawl_store_sync(store, "b", NULL), PAWL_ENOENT);
}

static void test_mkdir_makes_the_root(void **state)
{
    struct pawl_store *store = *state;
    assert_int_equal(pawl_store_mkdir(store, "", NULL), 0);
    assert_int_equal(pawl_store_mkdir(store, "", NULL), PAWL_EEXIST);
    struct listing listing = {0};
    assert_int_equal(pawl_store_list(store, "", take_entry, &listing, NULL), 0);
    assert_int_equal(listing.count, 0);
}

static void test_remove_takes_files_and_empty_directories(void **state)
{
    struct pawl_store *store = *state;
    store_put(store, "dir/file", "text");
    assert_int_equal(pawl_store_remove(store, "dir", NULL), PAWL_EEXIST);
    assert_int_equal(pawl_store_remove(store, "dir/none", NULL), PAWL_ENOENT);
    assert_int_equal(pawl_store_remove(store, "dir/file/x", NULL), PAWL_EINVAL);
    assert_int_equal(pawl_store_remove(store, "dir/file", NULL), 0);
    assert_int_equal(pawl_store_remove(store, "dir", NULL), 0);
    assert_int_equal(list_rc(store, "dir"), PAWL_ENOENT);
}

/* ---- rename ------------------------------------------------------------ */

/*  file "f"   dir/in "i"   empty/   */
static void make_scene(struct pawl_store *store)
{
    store_put(store, "file", "f");
    store_put(store, "dir/in", "i");
    assert_int_equal(pawl_store_mkdir(store, "empty", NULL), 0);
}

static int rename_rc(struct pawl_store *store, const char *from, const char *to,
                     enum pawl_store_rename how)
{
    struct pawl_error err = {0};
    int rc = pawl_store_rename(store, from, to, how, &err);
    if (rc < 0) {
        assert_int_equal(err.code, rc);
        assert_non_null(strstr(err.message, from));
        assert_non_null(strstr(err.message, to));
    }
    return rc;
}

static void test_rename_replaces(void **state)
{
    struct pawl_store *store = *state;
    const enum pawl_store_rename how = PAWL_RENAME_REPLACE;
    make_scene(store);
    assert_int_equal(rename_rc(store, "none", "x", how), PAWL_ENOENT);
    assert_int_equal(rename_rc(store, "file", "none/x", how), PAWL_ENOENT);
    assert_int_equal(rename_rc(store, "file", "dir", how), PAWL_EINVAL);
    assert_int_equal(rename_rc(store, "dir", "file", how), PAWL_EINVAL);
    assert_int_equal(rename_rc(store, "empty", "dir", how), PAWL_EEXIST);
    assert_int_equal(rename_rc(store, "dir", "dir/in/x", how), PAWL_EINVAL);
    assert_int_equal(rename_rc(store, "dir/in", "dir", how), PAWL_EINVAL);
    assert_int_equal(rename_rc(store, "file", "file", how), 0);
    assert_holds(store, "file", "f");

    assert_int_equal(rename_rc(store, "dir", "empty", how), 0);
    assert_int_equal(list_rc(store, "dir"), PAWL_ENOENT);
    assert_holds(store, "empty/in", "i");
    assert_int_equal(rename_rc(store, "file", "empty/in", how), 0);
    assert_holds(store, "empty/in", "f");
    assert_missing(store, "file");
    assert_int_equal(rename_rc(store, "empty", "new", how), 0);
    assert_holds(store, "new/in", "f");
}

static void test_rename_new_replaces_nothing(void **state)
{
    struct pawl_store *store = *state;
    const enum pawl_store_rename how = PAWL_RENAME_NEW;
    make_scene(store);
    assert_int_equal(rename_rc(store, "none", "x", how), PAWL_ENOENT);
    assert_int_equal(rename_rc(store, "file", "dir/in", how), PAWL_EEXIST);
    assert_int_equal(rename_rc(store, "dir", "empty", how), PAWL_EEXIST);
    assert_int_equal(rename_rc(store, "file", "file", how), PAWL_EEXIST);
    assert_int_equal(rename_rc(store, "dir", "dir/x", how), PAWL_EINVAL);
    assert_holds(store, "file", "f");
    assert_holds(store, "dir/in", "i");
    assert_int_equal(rename_rc(store, "dir", "empty/moved", how), 0);
    assert_holds(store, "empty/moved/in", "i");
}

static void test_rename_exchanges(void **state)
{
    struct pawl_store *store = *state;
    const enum pawl_store_rename how = PAWL_RENAME_EXCHANGE;
    make_scene(store);
    int rc = rename_rc(store, "file", "dir/in", how);
    if (rc == PAWL_ENOTSUP) {
        skip();
    }
    assert_int_equal(rc, 0);
    assert_holds(store, "file", "i");
    assert_holds(store, "dir/in", "f");
    assert_int_equal(rename_rc(store, "dir", "empty", how), 0);
    assert_holds(store, "empty/in", "f");
    assert_int_equal(rename_rc(store, "file", "empty", how), 0);
    assert_holds(store, "file/in", "f");
    assert_holds(store, "empty", "i");
    assert_int_equal(rename_rc(store, "file", "none", how), PAWL_ENOENT);
    assert_int_equal(rename_rc(store, "none", "file", how), PAWL_ENOENT);
    assert_int_equal(rename_rc(store, "file", "file/in", how), PAWL_EINVAL);
}

/* ---- the group --------------------------------------------------------- */

int store_behaviour_run(const char *store_name, int (*setup)(void **state),
                        int (*teardown)(void **state))
{
#define TEST(name)                                                             \
    {                                                                          \
#name, name, setup, teardown, NULL                                     \
    }
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_is_made_before_it_is_needed),
        TEST(test_bytes_are_read_as_written),
        TEST(test_reading_past_the_end_is_an_error),
        TEST(test_an_object_opened_for_reading_is_not_written),
        TEST(test_offsets_beyond_all_bounds_are_refused),
        TEST(test_an_open_object_keeps_its_bytes),
        TEST(test_directories_are_no_objects),
        TEST(test_bad_names_are_refused_by_every_call),
        TEST(test_list_tells_each_entry),
        TEST(test_list_stops_when_told),
        TEST(test_entries_may_be_removed_while_they_are_listed),
        TEST(test_mkdir_makes_parents_once),
        TEST(test_mkdir_makes_the_root),
        TEST(test_remove_takes_files_and_empty_directories),
        TEST(test_rename_replaces),
        TEST(test_rename_new_replaces_nothing),
        TEST(test_rename_exchanges),
    };
    return cmocka_run_group_tests_name(store_name, tests, NULL, NULL);
}
