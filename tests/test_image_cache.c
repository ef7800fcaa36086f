/* SPDX-License-Identifier: Apache-2.0 */
/* test_image_cache.c - what is kept, for how long, and for whom. */
#include "engine/image_cache.h"
#include "file_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LEN = 200000 };

static const struct pawl_image_options options = {64 << 10, 2, 0};

static struct pawl_file_image *read_image(struct file_fixture *fix, char fill)
{
    struct pawl_object_handle object;
    struct pawl_file_image *image = NULL;
    char *bytes = malloc(LEN);
    memset(bytes, fill, LEN);
    assert_int_equal(pawl_store_open(&fix->store, "f", PAWL_STORE_CREATE, 0,
                                     &object, NULL, NULL),
                     0);
    assert_int_equal(pawl_object_write(&object, 0, bytes, LEN, NULL), 0);
    assert_int_equal(pawl_object_close(&object, false, NULL), 0);
    free(bytes);
    assert_int_equal(pawl_store_open(&fix->store, "f", PAWL_STORE_READ, 0,
                                     &object, NULL, NULL),
                     0);
    assert_int_equal(
        pawl_file_image_read(&image, &object, LEN, &options, false, NULL), 0);
    pawl_object_close(&object, false, NULL);
    return image;
}

static void put(struct pawl_image_cache *cache, const char *path,
                struct pawl_file_image *image, uint64_t generation,
                bool is_given)
{
    struct pawl_image_facts facts = {generation, true, is_given};
    pawl_image_cache_put(cache, path, image, &facts);
}

static char *take(struct pawl_image_cache *cache, const char *path,
                  struct pawl_file_image **image)
{
    bool is_proven = false;
    *image = pawl_image_cache_take(cache, path, &options, &is_proven);
    assert_true(*image == NULL || is_proven);
    return *image == NULL ? NULL : pawl_file_image_data(*image);
}

/* The first gets what is kept, the second another's memory; who wrote to his
 * takes the others' chance to copy, not their bytes. */
static void test_no_two_share(void **state)
{
    struct pawl_image_cache cache;
    struct pawl_file_image *first = NULL;
    struct pawl_file_image *second = NULL;
    struct pawl_file_image *third = NULL;
    struct pawl_file_image *image = read_image(*state, 'a');
    pawl_image_cache_init(&cache, LEN);
    pawl_image_cache_open(&cache, 1);
    put(&cache, "/x", image, 1, false);
    pawl_file_image_unref(image);
    assert_null(take(&cache, "/y", &first));

    char *one = take(&cache, "/x", &first);
    char *two = take(&cache, "/x", &second);
    assert_ptr_equal(first, image);
    assert_ptr_not_equal(one, two);
    assert_memory_equal(one, two, LEN);
    two[5] = 'b'; /* a copy is its owner's */
    char *three = take(&cache, "/x", &third);
    assert_int_equal(three[5], 'a');
    pawl_file_image_unref(third);
    one[LEN - 1] = 'b';
    assert_null(take(&cache, "/x", &third));

    pawl_image_cache_close(&cache);
    assert_int_equal(one[LEN - 1], 'b'); /* lives as long as who has it */
    pawl_file_image_unref(first);
    pawl_file_image_unref(second);
    pawl_image_cache_fini(&cache);
}

static void test_given_already(void **state)
{
    struct pawl_image_cache cache;
    struct pawl_file_image *copy = NULL;
    struct pawl_file_image *image = read_image(*state, 'a');
    pawl_image_cache_init(&cache, UINT64_MAX);
    pawl_image_cache_open(&cache, 1);
    put(&cache, "/x", image, 1, true);
    assert_non_null(take(&cache, "/x", &copy));
    assert_ptr_not_equal(copy, image);
    pawl_file_image_unref(copy);
    pawl_file_image_unref(image);
    pawl_image_cache_fini(&cache);
}

static void test_budget(void **state)
{
    struct pawl_image_cache cache;
    struct pawl_file_image *got = NULL;
    struct pawl_file_image *image = read_image(*state, 'a');
    pawl_image_cache_init(&cache, 2 * LEN - 1);
    assert_false(pawl_image_cache_has_room(&cache, 1)); /* none is open */
    pawl_image_cache_open(&cache, 1);
    assert_true(pawl_image_cache_has_room(&cache, 2 * LEN - 1));
    assert_false(pawl_image_cache_has_room(&cache, 2 * LEN));
    put(&cache, "/x", image, 1, false);
    put(&cache, "/x", image, 1, false); /* not twice */
    assert_true(pawl_image_cache_has_room(&cache, LEN - 1));
    put(&cache, "/y", image, 1, false);
    assert_null(take(&cache, "/y", &got));
    pawl_image_cache_close(&cache);
    assert_false(pawl_image_cache_has_room(&cache, 1));
    pawl_image_cache_open(&cache, 2);
    assert_null(take(&cache, "/x", &got));
    put(&cache, "/x", image, 1, false); /* read before the close */
    assert_null(take(&cache, "/x", &got));
    put(&cache, "/x", image, pawl_image_cache_generation(&cache), false);
    assert_ptr_equal(take(&cache, "/x", &got), pawl_file_image_data(image));
    pawl_file_image_unref(got);
    pawl_file_image_unref(image);
    pawl_image_cache_fini(&cache);
}

#define CASE(test)                                                             \
    cmocka_unit_test_setup_teardown(test, file_fixture_set_up,                 \
                                    file_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_no_two_share),
        CASE(test_given_already),
        CASE(test_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
