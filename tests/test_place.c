/* SPDX-License-Identifier: Apache-2.0 */
/* test_place.c - that the way to a save_dir is durable, whoever made it. */
#include "engine/place.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "fault_io.h"
#include "store/store_file.h"

static int make_store(void *ctx, struct pawl_store *out, const char *root,
                      struct pawl_error *err)
{
    return pawl_store_file_make(out, root, fault_io_table(ctx), err);
}

/* How often `dir` was synced. */
static size_t count_syncs(const struct fault_io *fault, const char *dir)
{
    size_t count = 0;
    const struct fault_record *record;
    for (size_t i = 0; (record = fault_io_record(fault, i)) != NULL; i++) {
        count += record->call == FAULT_FSYNC && record->result == 0 &&
                 strcmp(record->path, dir) == 0;
    }
    return count;
}

struct stage {
    struct fault_io *fault;
    struct pawl_place *place;
    struct engine_fixture *fix;
};

static int set_up(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    stage->fault = fault_io_new(&pawl_io_posix);
    assert_int_equal(
        pawl_place_new_with(&stage->place, make_store, stage->fault, NULL), 0);
    stage->fix = engine_fixture_new_at("{\"engine\": \"torch\"}", stage->place);
    *state = stage;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *stage = *state;
    fault_io_arm(stage->fault, NULL);
    engine_fixture_free(stage->fix);
    pawl_place_unref(stage->place);
    fault_io_free(stage->fault);
    free(stage);
    return 0;
}

/* One that was killed made the directory, and did not sync its name: a power
 * cut would take it with all that is committed into it since. */
static void test_a_directory_that_another_made(void **state)
{
    struct stage *stage = *state;
    assert_int_equal(mkdir(stage->fix->run, 0777), 0);
    must_make(stage->fix, "one", 1);
    assert_int_equal(count_syncs(stage->fault, stage->fix->dir), 1);
    assert_int_equal(count_syncs(stage->fault, "/"), 1);
    must_make(stage->fix, "two", 2); /* once is enough */
    assert_int_equal(count_syncs(stage->fault, stage->fix->dir), 1);
}

/* We made it, and could not sync it. */
static void test_a_sync_that_failed(void **state)
{
    struct stage *stage = *state;
    for (size_t nth = 1; nth <= 3; nth++) {
        struct pawl_error err;
        fault_io_arm(stage->fault, &(struct fault_plan){.call = FAULT_FSYNC,
                                                        .nth = nth,
                                                        .sys_errno = EIO});
        assert_failed(pawl_engine_create(stage->fix->engine, stage->fix->run,
                                         "one", &err),
                      PAWL_EIO, &err, "cannot sync");
        assert_int_equal(run_count(stage->fix, ".pawl"), 0);
        fault_io_arm(stage->fault, NULL);
    }
    must_make(stage->fix, "one", 1);
    assert_int_equal(count_syncs(stage->fault, stage->fix->dir), 1);
}

/* What is not there, or may not be looked at, is not ours. */
static void test_directories_of_others(void **state)
{
    struct stage *stage = *state;
    struct pawl_error err;
    assert_int_equal(pawl_place_settle(stage->place, "/none/of/ours", &err), 0);
    assert_int_equal(count_syncs(stage->fault, "/"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_directory_that_another_made),
        TEST(test_a_sync_that_failed),
        TEST(test_directories_of_others),
    };
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
