/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_agreement.c - ranks make and open one checkpoint together, or none
 *
 * Three ranks, each a thread with an engine of its own, on one directory; with
 * each engine that takes several.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/manifest_file.h"
#include "rank_fixture.h"

#define ALL_BUT(rank) (7u & ~(1u << (rank)))

static const char *const file_of[] = {"r0.pt", "sub/r1.pt", "sub/r2.pt"};

static const char *name_of(struct rank *rank, const char *tag, char name[64])
{
    snprintf(name, 64, "%s/%s", tag, file_of[rank->number]);
    return name;
}

static void save(struct rank *rank, const char *tag)
{
    char name[64];
    int64_t number = (strcmp(tag, "two") == 0 ? 20 : 10) + rank->number;
    rank_save(rank, name_of(rank, tag, name), number);
}

/* create, save of a file of its own, commit; nothing if create fails. */
static void make(struct rank *rank, const char *tag)
{
    rank_create(rank, tag);
    if (rank->rc < 0) {
        return;
    }
    save(rank, tag);
    rank_commit(rank, tag);
}

/* Nothing of "two" is left, "one" is what it was, and "two" can be made. */
static void expect_only_one(struct rank_fixture *fix)
{
    assert_false(rank_has(&fix->ranks[0], "two"));
    rank_fixture_expect_newest(fix, "one");
    assert_int_equal(rank_entries(&fix->ranks[0], ".pawl"), 0);
    rank_fixture_run(fix, 0, make, "two");
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    rank_fixture_expect_newest(fix, "two");
}

static struct rank_fixture *with_one(void **state)
{
    struct rank_fixture *fix = rank_fixture_new(3, *state, "");
    rank_fixture_run(fix, 0, make, "one");
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    return fix;
}

/* ---- all is well --------------------------------------------------------- */

static void load_all(struct rank *rank, const char *tag)
{
    const char *opened = NULL;
    int64_t sum = 0;
    char name[64];
    rank->rc =
        pawl_engine_open(&opened, rank->engine, rank->run, tag, &rank->err);
    for (uint32_t i = 0; rank->rc == 0 && i < rank->all->size; i++) {
        snprintf(name, sizeof(name), "%s/%s", opened, file_of[i]);
        sum += rank_load(rank, name);
    }
    if (rank->rc == 0) {
        rank->rc = sum == 60 + 3
                       ? pawl_engine_close(rank->engine, opened, &rank->err)
                       : PAWL_EBUG;
    }
}

static void commits_are_one(void **state)
{
    struct rank_fixture *fix = with_one(state);
    struct pawl_manifest manifest = {0};
    struct pawl_store store = {0};
    struct pawl_error err;
    rank_fixture_run(fix, 0, make, "two");
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    rank_fixture_run(fix, 0, load_all, NULL);
    rank_fixture_expect(fix, 0, 0, NULL, NULL);

    pawl_place_store(&store, fix->ranks[0].place, fix->runs[0], &err);
    assert_int_equal(pawl_manifest_read(&manifest, &store, "two", &err), 0);
    pawl_store_fini(&store);
    assert_int_equal(manifest.world_size, 3);
    assert_int_equal(manifest.sequence, 2);
    assert_int_equal(manifest.count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_string_equal(manifest.files[i].path, file_of[i]);
        assert_int_equal(manifest.files[i].rank, i);
    }
    pawl_manifest_fini(&manifest);
    assert_int_equal(rank_entries(&fix->ranks[0], ".pawl"), 0);
    rank_fixture_free(fix);
}

static void the_same_tag_again(void **state)
{
    struct rank_fixture *fix = with_one(state);
    for (int i = 0; i < 3; i++) {
        rank_fixture_run(fix, 0, make, "two");
        rank_fixture_expect(fix, 0, 0, NULL, NULL);
    }
    rank_fixture_run(fix, 0, load_all, NULL);
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    assert_int_equal(rank_entries(&fix->ranks[0], ".pawl"), 0);
    rank_fixture_free(fix);
}

static void nothing_to_open(void **state)
{
    struct rank_fixture *fix = rank_fixture_new(3, *state, "");
    rank_fixture_expect_newest(fix, "");
    rank_fixture_run(fix, 0, rank_open, "two");
    rank_fixture_expect(fix, 0, PAWL_ENOENT, "two", NULL);
    rank_fixture_free(fix);
}

/* ---- one fails, all fail ------------------------------------------------- */

static void one_rank_cannot_write(void **state)
{
    struct rank_fixture *fix = with_one(state);
    for (uint32_t i = 0; i < 3; i++) {
        char text[16];
        snprintf(text, sizeof(text), "rank %u", i);
        fault_io_arm(fix->ranks[i].fault,
                     &(struct fault_plan){.call = FAULT_PWRITE,
                                          .nth = i == 0 ? 2 : 1, /* the owner */
                                          .sys_errno = ENOSPC,
                                          .from_then_on = true});
        rank_fixture_run(fix, 0, make, "two");
        assert_true(fault_io_fired(fix->ranks[i].fault) > 0);
        fault_io_arm(fix->ranks[i].fault, NULL);
        rank_fixture_expect(fix, 0, PAWL_ENOSPC, text, file_of[i]);
        rank_fixture_expect_one_message(fix);
        assert_false(rank_has(&fix->ranks[0], "two"));
        rank_fixture_expect_newest(fix, "one");
        assert_int_equal(rank_entries(&fix->ranks[0], ".pawl"), 0);
    }
    expect_only_one(fix);
    rank_fixture_free(fix);
}

static void the_first_cannot_publish(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, rank_create, "two");
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    fault_io_arm(fix->ranks[0].fault,
                 &(struct fault_plan){
                     .call = FAULT_RENAMEAT2, .nth = 1, .sys_errno = EIO});
    rank_fixture_run(fix, 0, rank_commit, "two");
    fault_io_arm(fix->ranks[0].fault, NULL);
    rank_fixture_expect(fix, 0, PAWL_EIO, "rank 0", "two");
    rank_fixture_expect_one_message(fix);
    expect_only_one(fix);
    rank_fixture_free(fix);
}

static void one_rank_does_not_come(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, ALL_BUT(2), rank_create, "two");
    rank_fixture_expect(fix, ALL_BUT(2), PAWL_ETIMEDOUT, "rank 2 did not come",
                        NULL);
    rank_fixture_run(fix, 1 << 2, rank_create, "two"); /* late: it hears why */
    rank_fixture_expect(fix, 1 << 2, PAWL_ETIMEDOUT, "rank 2 did not come",
                        NULL);
    rank_fixture_run(fix, 0, rank_create, "two");
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    rank_fixture_run(fix, ALL_BUT(1), rank_commit, "two");
    rank_fixture_expect(fix, ALL_BUT(1), PAWL_ETIMEDOUT, "rank 1 did not come",
                        "two");
    rank_fixture_run(fix, 1 << 1, rank_commit, "two");
    rank_fixture_expect(fix, 1 << 1, PAWL_ETIMEDOUT, "rank 1 did not come",
                        "two");
    for (uint32_t i = 0; i < 3; i++) { /* all know that it failed */
        assert_null(strstr(fix->ranks[i].err.message, "not known"));
    }
    expect_only_one(fix);
    rank_fixture_free(fix);
}

static void the_first_does_not_answer(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, rank_create, "two");
    rank_hub_mute_first(fix->hub, true);
    rank_fixture_run(fix, 0, rank_commit, "two");
    rank_hub_mute_first(fix->hub, false);
    rank_fixture_expect(fix, 1, 0, NULL, NULL);
    rank_fixture_expect(fix, ALL_BUT(0), PAWL_ETIMEDOUT, "not known",
                        "rank 0 did not come");
    rank_fixture_expect_newest(fix, "two"); /* it was committed */
    rank_fixture_free(fix);
}

/* Rank 0 cannot have committed what it was told has failed. */
static void nor_when_one_cannot_sync(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, rank_create, "two");
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    rank_fixture_run(fix, 0, save, "two");
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    fault_io_arm(
        fix->ranks[1].fault,
        &(struct fault_plan){.call = FAULT_FSYNC, .nth = 1, .sys_errno = EIO});
    rank_hub_mute_first(fix->hub, true);
    rank_fixture_run(fix, 0, rank_commit, "two");
    rank_hub_mute_first(fix->hub, false);
    assert_int_equal(fault_io_fired(fix->ranks[1].fault), 1);
    fault_io_arm(fix->ranks[1].fault, NULL);
    rank_fixture_expect(fix, 3, PAWL_EIO, "two': rank 1: ", "sync");
    assert_string_equal(fix->ranks[1].err.message, fix->ranks[0].err.message);
    rank_fixture_expect(fix, 1 << 2, PAWL_ETIMEDOUT, "not known",
                        "rank 0 did not come");
    expect_only_one(fix);
    rank_fixture_free(fix);
}

static void abort_on_one(struct rank *rank, const char *tag)
{
    if (rank->number == 1) {
        rank->rc = pawl_engine_abort(rank->engine, tag, &rank->err);
    } else {
        rank_commit(rank, tag);
    }
}

static void one_rank_gives_up(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, rank_create, "two");
    rank_fixture_run(fix, 0, abort_on_one, "two");
    rank_fixture_expect(fix, 1 << 1, 0, NULL, NULL);
    rank_fixture_expect(fix, ALL_BUT(1), PAWL_ESTATE, "rank 1", "two");
    expect_only_one(fix);
    rank_fixture_free(fix);
}

static void make_the_same_file(struct rank *rank, const char *tag)
{
    char name[64];
    snprintf(name, sizeof(name), "%s/%s.pt", tag,
             rank->number == 0 ? "zero" : "same");
    rank_create(rank, tag);
    rank_save(rank, name, 1);
    rank_commit(rank, tag);
}

static void two_ranks_save_one_file(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, make_the_same_file, "two");
    rank_fixture_expect(fix, 0, PAWL_EINVAL, "ranks 1 and 2", "same.pt");
    expect_only_one(fix);
    rank_fixture_free(fix);
}

/* Rank 1 that tag, the others "two". */
static void create_different(struct rank *rank, const char *tag)
{
    rank_create(rank, rank->number == 1 ? tag : "two");
}

static void ranks_at_different_things(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, create_different, "other");
    rank_fixture_expect(fix, 0, PAWL_EINVAL, "'two'", "rank 1 at 'other'");
    rank_fixture_run(fix, 0, create_different, "..");
    rank_fixture_expect(fix, 0, PAWL_EINVAL, "rank 1", "..");
    rank_fixture_expect_one_message(fix);
    expect_only_one(fix);
    rank_fixture_free(fix);
}

static void the_tag_is_taken(void **state)
{
    struct rank_fixture *fix = with_one(state);
    struct rank_fixture *other = rank_fixture_new(1, "torch", "");
    struct rank *stranger = &other->ranks[0];
    stranger->run = fix->runs[0];
    rank_create(stranger, "two");
    rank_fixture_expect(other, 0, 0, NULL, NULL);
    rank_fixture_run(fix, 0, rank_create, "two");
    rank_fixture_expect(fix, 0, PAWL_EBUSY, "rank 0", "two");
    pawl_engine_abort(stranger->engine, "two", NULL);
    rank_fixture_free(other);
    expect_only_one(fix);
    rank_fixture_free(fix);
}

/* ---- opening ------------------------------------------------------------- */

static void damage_makes_all_fall_back(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, make, "two");
    rank_damage(&fix->ranks[0], "two/sub/r1.pt");
    rank_fixture_expect_newest(fix, "one");
    for (uint32_t i = 0; i < 3; i++) {
        const char *log = fix->ranks[i].log;
        assert_non_null(strstr(log, "skipping checkpoint 'two': rank 1"));
        assert_non_null(strstr(log, "sub/r1.pt"));
    }
    rank_fixture_run(fix, 0, rank_open, "two");
    rank_fixture_expect(fix, 0, PAWL_ECORRUPT, "rank 1", "sub/r1.pt");
    rank_fixture_free(fix);
}

static void a_missing_file_too(void **state)
{
    struct rank_fixture *fix = with_one(state);
    char path[4096];
    rank_fixture_run(fix, 0, make, "two");
    snprintf(path, sizeof(path), "%s/two/r0.pt", fix->runs[0]);
    assert_int_equal(remove(path), 0);
    rank_fixture_expect_newest(fix, "one");
    assert_non_null(strstr(fix->ranks[2].log, "rank 0: "));
    assert_non_null(strstr(fix->ranks[2].log, "r0.pt"));
    rank_fixture_free(fix);
}

static void a_rank_that_does_not_open(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, ALL_BUT(2), rank_open, NULL);
    rank_fixture_expect(fix, ALL_BUT(2), PAWL_ETIMEDOUT, "rank 2 did not come",
                        NULL);
    rank_fixture_free(fix);
}

static void open_and_keep(struct rank *rank, const char *tag)
{
    const char *opened;
    rank->rc =
        pawl_engine_open(&opened, rank->engine, rank->run, tag, &rank->err);
}

static void close_it(struct rank *rank, const char *tag)
{
    pawl_engine_close(rank->engine, tag, NULL);
}

static void a_rank_that_cannot_open(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, open_and_keep, NULL);
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    rank_fixture_run(fix, ALL_BUT(1), close_it, "one");
    rank_fixture_run(fix, 0, rank_open, NULL);
    rank_fixture_expect(fix, 0, PAWL_ESTATE, "rank 1: ", "not closed");
    rank_fixture_expect_one_message(fix);
    pawl_engine_close(fix->ranks[1].engine, "one", NULL);
    rank_fixture_free(fix);
}

static void open_different(struct rank *rank, const char *tag)
{
    rank_open(rank, rank->number == 2 ? tag : NULL);
}

static void ranks_that_open_different_tags(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, make, "two");
    rank_fixture_run(fix, 0, open_different, "two");
    rank_fixture_expect(fix, 0, PAWL_EINVAL, "rank 2 at 'two'", NULL);
    rank_fixture_free(fix);
}

static void open_nonsense(struct rank *rank, const char *tag)
{
    rank_open(rank, rank->number == 1 ? tag : NULL);
}

/* Rounds go on in step, whatever one rank did not take part in. */
static void a_refusal_disturbs_no_later_open(void **state)
{
    struct rank_fixture *fix = rank_fixture_new(3, *state, "");
    rank_fixture_run(fix, 0, open_nonsense, "..");
    rank_fixture_expect(fix, 1 << 1, PAWL_EINVAL, "..", NULL);
    rank_fixture_expect(fix, ALL_BUT(1), 0, NULL, NULL);
    rank_fixture_run(fix, 0, make, "one");
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    rank_fixture_expect_newest(fix, "one");
    rank_fixture_run(fix, 0, open_nonsense, "..");
    rank_fixture_expect(fix, 0, PAWL_EINVAL, "..", NULL);
    rank_fixture_expect_newest(fix, "one");
    rank_fixture_free(fix);
}

static void worlds_of_other_sizes(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, make, "two");
    rank_fixture_restart(fix, 2, "");
    rank_fixture_expect_newest(fix, "two");
    assert_non_null(strstr(fix->ranks[0].log, "3 ranks"));
    rank_damage(&fix->ranks[0], "two/sub/r2.pt");
    rank_fixture_expect_newest(fix, "one");
    rank_fixture_restart(fix, 4, "");
    rank_fixture_expect_newest(fix, "one");
    rank_fixture_free(fix);
}

/* ---- what is not for several --------------------------------------------- */

static void refuse(const char *config, const char *text)
{
    struct rank_hub *hub = rank_hub_new(2);
    struct pawl_comm comm = rank_hub_comm(hub, 0);
    struct pawl_engine *engine = NULL;
    struct pawl_error err;
    assert_int_equal(pawl_engine_new_ranks(&engine, config, &comm, &err),
                     PAWL_ENOTSUP);
    assert_non_null(strstr(err.message, text));
    rank_hub_free(hub);
}

static void engines_that_cannot(void **state)
{
    (void)state;
    refuse("{\"engine\": \"memory\"}", "memory");
    refuse("{\"engine\": \"torch\", \"store\": \"memory\"}", "memory");
    refuse("{\"engine\": \"async\", \"when_full\": \"skip\"}", "when_full");
}

#define EACH(name)                                                             \
    {#name " (torch)", name, NULL, NULL, (void *)(uintptr_t) "torch"},         \
        {#name " (direct)", name, NULL, NULL, (void *)(uintptr_t) "direct"},   \
    {                                                                          \
#name " (async)", name, NULL, NULL, (void *)(uintptr_t) "async"        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(commits_are_one),
        EACH(the_same_tag_again),
        EACH(nothing_to_open),
        EACH(one_rank_cannot_write),
        EACH(the_first_cannot_publish),
        EACH(one_rank_does_not_come),
        EACH(the_first_does_not_answer),
        EACH(nor_when_one_cannot_sync),
        EACH(one_rank_gives_up),
        EACH(two_ranks_save_one_file),
        EACH(ranks_at_different_things),
        EACH(the_tag_is_taken),
        EACH(damage_makes_all_fall_back),
        EACH(a_missing_file_too),
        EACH(a_rank_that_does_not_open),
        EACH(a_rank_that_cannot_open),
        EACH(ranks_that_open_different_tags),
        EACH(a_refusal_disturbs_no_later_open),
        EACH(worlds_of_other_sizes),
        cmocka_unit_test(engines_that_cannot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
