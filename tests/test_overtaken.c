/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_overtaken.c - a reader while another job commits and deletes
 *
 * An open without a tag is interrupted at each of its system calls in turn; the
 * other job then commits twice, with retention or under the same tag.  At each
 * moment there is a whole checkpoint, so one must be opened, and not the pinned
 * one, which was old before: who is told that there is none begins anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "engine_fixture.h"
#include "fault_io.h"
#include "store/store_file.h"

#define JOB                                                                    \
    "{\"engine\": \"torch\", \"durable\": false, \"keep_last\": 1, "           \
    "\"pinned\": [\"step-1\"]%s}"

struct race {
    struct engine_fixture *fix; /* of the reader */
    struct fault_io *fault;
    struct pawl_engine *job;
    bool same_tag;
    int number; /* of the newest that was committed */
    size_t left;
};

static void commit_another(struct race *race)
{
    struct pawl_error err;
    char tag[32];
    char path[4200];
    snprintf(tag, sizeof(tag), "%s", "best");
    race->number++;
    if (!race->same_tag || race->number == 1) {
        snprintf(tag, sizeof(tag), "step-%d", race->number);
    }
    snprintf(path, sizeof(path), "%s/%s/model.pt", race->fix->run, tag);
    struct pawl_state *state = numbered_state(race->number, 100);
    if (pawl_engine_create(race->job, race->fix->run, tag, &err) < 0 ||
        pawl_engine_save(race->job, state, path, &err) < 0 ||
        pawl_engine_commit(race->job, tag, &err) < 0) {
        fail_msg("%s", err.message);
    }
    pawl_state_free(state);
}

/* By way of other calls than those that it is told of. */
static void overtake(void *ctx, const struct fault_record *record)
{
    struct race *race = ctx;
    (void)record;
    if (race->left > 0 && --race->left == 0) {
        commit_another(race);
        commit_another(race);
    }
}

static int make_store(void *ctx, struct pawl_store *out, const char *root,
                      struct pawl_error *err)
{
    return pawl_store_file_make(out, root, fault_io_table(ctx), err);
}

/* Opens, interrupted at call `nth`; false if there are fewer calls. */
static bool open_overtaken(struct race *race, size_t nth)
{
    struct engine_fixture *fix = race->fix;
    race->left = nth;
    fix->log[0] = '\0';
    const char *tag = must_open(fix, NULL);
    bool reached = race->left == 0;
    race->left = 0;
    if (tag == NULL) {
        fail_msg("call %zu: nothing was opened: %s", nth, fix->log);
    }
    char name[80];
    char opened[64];
    struct pawl_state *state = NULL;
    snprintf(opened, sizeof(opened), "%s", tag);
    snprintf(name, sizeof(name), "%s/model.pt", opened);
    assert_string_not_equal(opened, "step-1");
    if (pawl_engine_load(&state, fix->engine, engine_fixture_path(fix, name), 0,
                         NULL) == 0) { /* else it is deleted by now */
        int64_t number = number_of(state);
        assert_true(number <= race->number && number >= race->number - 2);
    }
    pawl_state_free(state);
    must_close(fix, opened);
    return reached;
}

static void run_race(const char *reader, bool same_tag, bool recycle)
{
    struct race race = {.fault = fault_io_new(&pawl_io_posix),
                        .same_tag = same_tag};
    struct pawl_place *place = NULL;
    struct pawl_error err;
    char config[256];
    assert_int_equal(pawl_place_new_with(&place, make_store, race.fault, &err),
                     0);
    race.fix = engine_fixture_new_at(reader, place);
    pawl_place_unref(place);
    snprintf(config, sizeof(config), JOB, recycle ? ", \"recycle\": true" : "");
    assert_int_equal(pawl_engine_new(&race.job, config, &err), 0);
    pawl_engine_set_log(race.job, engine_fixture_log, race.fix);
    commit_another(&race);
    commit_another(&race);
    fault_io_set_hook(race.fault, overtake, &race);
    size_t nth = 1;
    while (open_overtaken(&race, nth)) {
        fault_io_arm(race.fault, NULL);
        nth++;
    }
    print_message("%zu moments\n", nth - 1);
    assert_true(nth > 20);
    pawl_engine_free(race.job);
    engine_fixture_free(race.fix);
    fault_io_free(race.fault);
}

static void test_retention_overtakes(void **state)
{
    run_race(*state, false, false);
    run_race(*state, false, true);
}

static void test_the_same_tag_overtakes(void **state)
{
    run_race(*state, true, false);
    run_race(*state, true, true);
}

int main(void)
{
#define TORCH "{\"engine\": \"torch\"}"
#define ASYNC "{\"engine\": \"async\", \"load_cache_bytes\": 0}"
#define TEST(name, config)                                                     \
    cmocka_unit_test_prestate(name, (char *)(uintptr_t)(config))
    const struct CMUnitTest tests[] = {
        TEST(test_retention_overtakes, TORCH),
        TEST(test_retention_overtakes, ASYNC),
        TEST(test_the_same_tag_overtakes, TORCH),
        TEST(test_the_same_tag_overtakes, ASYNC),
    };
    return cmocka_run_group_tests_name("overtaken", tests, NULL, NULL);
}
