/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_parts.c - a checkpoint in parts, on the disks of two nodes
 *
 * Four ranks as threads; two of them share a directory, the other two another.
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

#define LOCAL ", \"layout\": \"local\""

static void make(struct rank *rank, const char *tag)
{
    char name[64];
    rank_create(rank, tag);
    if (rank->rc < 0) {
        return;
    }
    snprintf(name, sizeof(name), "%s/r%u.pt", tag, rank->number);
    rank_save(rank, name, rank->number);
    rank_commit(rank, tag);
}

static void expect_newest(struct rank_fixture *fix, const char *tag)
{
    rank_fixture_expect_newest(fix, tag);
    for (uint32_t i = 0; i < fix->size; i++) {
        assert_int_equal(rank_entries(&fix->ranks[i], ".pawl"), 0);
    }
}

static struct rank_fixture *with_one(void **state)
{
    struct rank_fixture *fix = rank_fixture_new_nodes(4, 2, *state, LOCAL);
    rank_fixture_run(fix, 0, make, "one");
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    return fix;
}

static void load_own(struct rank *rank, const char *tag)
{
    const char *opened = NULL;
    rank->rc =
        pawl_engine_open(&opened, rank->engine, rank->run, tag, &rank->err);
    for (uint32_t i = 0; rank->rc == 0 && i < 4; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s/r%u.pt", opened, i);
        int64_t number = rank_load(rank, name);
        bool ours = i / 2 == rank->number / 2;
        rank->rc = number == (ours ? (int64_t)i : -1) ? 0 : PAWL_EBUG;
    }
    if (rank->rc == 0) {
        rank->rc = pawl_engine_close(rank->engine, opened, &rank->err);
    }
}

static void each_node_has_its_part(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, make, "two");
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    expect_newest(fix, "two");
    rank_fixture_run(fix, 0, load_own, NULL);
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    uint64_t times[2];
    for (uint32_t node = 0; node < 2; node++) {
        struct pawl_manifest manifest = {0};
        struct pawl_store store = {0};
        struct pawl_error err;
        struct rank *first = &fix->ranks[node * 2];
        pawl_place_store(&store, first->place, first->run, &err);
        assert_int_equal(pawl_manifest_read(&manifest, &store, "two", &err), 0);
        pawl_store_fini(&store);
        assert_int_equal(manifest.sequence, 2);
        assert_int_equal(manifest.world_size, 4);
        assert_int_equal(manifest.part, node);
        assert_int_equal(manifest.parts, 2);
        assert_int_equal(manifest.count, 2);
        assert_int_equal(manifest.files[0].rank, node * 2);
        assert_int_equal(manifest.files[1].rank, node * 2 + 1);
        times[node] = manifest.created_unix_ms;
        pawl_manifest_fini(&manifest);
        assert_true(rank_has(first, "latest"));
    }
    assert_true(times[0] == times[1]);
    rank_fixture_free(fix);
}

static void expect_only_one(struct rank_fixture *fix)
{
    for (uint32_t i = 0; i < 4; i++) {
        assert_false(rank_has(&fix->ranks[i], "two"));
    }
    expect_newest(fix, "one");
    rank_fixture_run(fix, 0, make, "two");
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    expect_newest(fix, "two");
}

static void a_full_disk_on_one_node(void **state)
{
    struct rank_fixture *fix = with_one(state);
    for (uint32_t i = 0; i < 4; i++) {
        char text[16];
        snprintf(text, sizeof(text), "rank %u", i);
        rank_fixture_run(fix, 0, rank_create, "two");
        rank_fixture_expect(fix, 0, 0, NULL, NULL);
        fault_io_arm(fix->ranks[i].fault,
                     &(struct fault_plan){.call = FAULT_PWRITE,
                                          .nth = 1,
                                          .sys_errno = ENOSPC,
                                          .from_then_on = true});
        for (uint32_t k = 0; k < 4; k++) {
            char name[64];
            snprintf(name, sizeof(name), "two/r%u.pt", k);
            rank_save(&fix->ranks[k], name, k);
        }
        rank_fixture_run(fix, 0, rank_commit, "two");
        assert_true(fault_io_fired(fix->ranks[i].fault) > 0);
        fault_io_arm(fix->ranks[i].fault, NULL);
        rank_fixture_expect(fix, 0, PAWL_ENOSPC, text, "no space");
        rank_fixture_expect_one_message(fix);
        for (uint32_t k = 0; k < 4; k++) {
            assert_false(rank_has(&fix->ranks[k], "two"));
        }
        expect_newest(fix, "one");
    }
    expect_only_one(fix);
    rank_fixture_free(fix);
}

/* Each rename of each of the two that publish fails once. */
static void a_node_that_cannot_publish(void **state)
{
    struct rank_fixture *fix = with_one(state);
    for (uint32_t first = 0; first < 4; first += 2) {
        char text[16];
        snprintf(text, sizeof(text), "rank %u", first);
        rank_fixture_run(fix, 0, rank_create, "two");
        rank_fixture_expect(fix, 0, 0, NULL, NULL);
        fault_io_arm(fix->ranks[first].fault,
                     &(struct fault_plan){
                         .call = FAULT_RENAMEAT2, .nth = 1, .sys_errno = EIO});
        rank_fixture_run(fix, 0, rank_commit, "two");
        assert_int_equal(fault_io_fired(fix->ranks[first].fault), 1);
        fault_io_arm(fix->ranks[first].fault, NULL);
        rank_fixture_expect(fix, 0, PAWL_EIO, text, "two");
        rank_fixture_expect_one_message(fix);
        for (uint32_t k = 0; k < 4; k++) {
            assert_false(rank_has(&fix->ranks[k], "two"));
        }
        expect_newest(fix, "one");
    }
    expect_only_one(fix);
    rank_fixture_free(fix);
}

static void a_rank_that_does_not_come(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, rank_create, "two");
    rank_fixture_run(fix, 7, rank_commit, "two"); /* not rank 3 */
    rank_fixture_expect(fix, 7, PAWL_ETIMEDOUT, "rank 3 did not come", NULL);
    rank_fixture_run(fix, 8, rank_commit, "two");
    rank_fixture_expect(fix, 8, PAWL_ETIMEDOUT, "rank 3 did not come", NULL);
    expect_only_one(fix);
    rank_fixture_free(fix);
}

static void the_same_tag_is_refused(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, make, "one");
    rank_fixture_expect(fix, 0, PAWL_EEXIST, "'one'", "already");
    expect_newest(fix, "one");
    rank_fixture_free(fix);
}

static void rename_dir(struct rank *rank, const char *from, const char *to)
{
    char old[4096];
    char new[4096];
    snprintf(old, sizeof(old), "%s/%s", rank->run, from);
    snprintf(new, sizeof(new), "%s/%s", rank->run, to);
    assert_int_equal(rename(old, new), 0);
}

/* Whose other parts may be on nodes that this job does not have. */
static void a_part_of_more_nodes_is_refused(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_restart(fix, 2, LOCAL);
    rank_fixture_run(fix, 0, make, "one");
    rank_fixture_expect(fix, 0, PAWL_EEXIST, "'one' of 2 nodes", "only 1");
    rank_fixture_restart(fix, 4, LOCAL);
    expect_newest(fix, "one");
    rank_fixture_free(fix);
}

/* What is left of it is in nobody's way, until it is whole. */
static void expect_made_again(struct rank_fixture *fix, const char *tag)
{
    rank_fixture_run(fix, 0, make, tag);
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    expect_newest(fix, tag);
    rank_fixture_run(fix, 0, load_own, tag);
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    rank_fixture_run(fix, 0, make, tag);
    rank_fixture_expect(fix, 0, PAWL_EEXIST, tag, "already");
}

static void a_node_without_its_part(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, make, "two");
    rename_dir(&fix->ranks[2], "two", "..gone");
    expect_newest(fix, "one");
    assert_non_null(strstr(fix->ranks[0].log, "skipping checkpoint 'two': "
                                              "rank 2"));
    expect_made_again(fix, "two");
    rename_dir(&fix->ranks[0], "two", "..gone");
    expect_newest(fix, "one");
    expect_made_again(fix, "two");
    rank_fixture_free(fix);
}

static void parts_of_different_checkpoints(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, make, "two");
    rank_fixture_run(fix, 0, make, "three");
    rename_dir(&fix->ranks[2], "three", "four");
    rename_dir(&fix->ranks[2], "two", "three");
    rank_fixture_run(fix, 0, rank_open, "three");
    rank_fixture_expect(fix, 0, PAWL_ECORRUPT, "different", NULL);
    expect_newest(fix, "one");
    expect_made_again(fix, "three");
    rank_fixture_free(fix);
}

static void a_node_that_is_gone(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_restart(fix, 2, LOCAL);
    expect_newest(fix, "");
    assert_non_null(strstr(fix->ranks[1].log, "part 2 of its 2 is on none"));
    rank_fixture_restart(fix, 4, LOCAL);
    expect_newest(fix, "one");
    rank_fixture_free(fix);
}

static void damage_on_one_node(void **state)
{
    struct rank_fixture *fix = with_one(state);
    rank_fixture_run(fix, 0, make, "two");
    rank_damage(&fix->ranks[3], "two/r3.pt");
    expect_newest(fix, "one");
    assert_non_null(strstr(fix->ranks[0].log, "r3.pt"));
    rank_fixture_free(fix);
}

#define EACH(name)                                                             \
    {#name " (torch)", name, NULL, NULL, (void *)(uintptr_t) "torch"},         \
    {                                                                          \
#name " (async)", name, NULL, NULL, (void *)(uintptr_t) "async"        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(each_node_has_its_part),     EACH(a_full_disk_on_one_node),
        EACH(a_node_that_cannot_publish), EACH(a_rank_that_does_not_come),
        EACH(the_same_tag_is_refused),    EACH(a_part_of_more_nodes_is_refused),
        EACH(a_node_without_its_part),    EACH(parts_of_different_checkpoints),
        EACH(a_node_that_is_gone),        EACH(damage_on_one_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
