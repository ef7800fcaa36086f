/* SPDX-License-Identifier: Apache-2.0 */
/* power_cut.c - see power_cut.h. */
#include "power_cut.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk_model.h"
#include "engine/engine.h"
#include "neighbour.h"
#include "replica.h"
#include "scratch.h"
#include "seed.h"
#include "store/store_file.h"

/* Disks that were tried, each with what was promised then. */
struct tried {
    uint64_t *slots; /* 0: free */
    size_t size;     /* a power of two */
    size_t count;
};

struct run {
    struct power_cut *cut;
    struct story *story;
    struct catalogue *catalogue;
    struct tried tried;
    char *dir; /* where disks are written to */
};

/* Where in a story we are. */
struct spot {
    const char *branch; /* "", " killed", " cut" */
    long point;         /* of the story */
    size_t sub_point;   /* in the branch */
    const struct promises *promises;
    enum replica_death death;
};

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* ---- what was tried ------------------------------------------------------ */

static bool put_slot(uint64_t *slots, size_t size, uint64_t hash)
{
    size_t at = (size_t)hash & (size - 1);
    while (slots[at] != 0 && slots[at] != hash) {
        at = (at + 1) & (size - 1);
    }
    bool is_new = slots[at] == 0;
    slots[at] = hash;
    return is_new;
}

static void grow(struct tried *tried)
{
    size_t size = tried->size == 0 ? 1024 : tried->size * 2;
    uint64_t *slots = must(calloc(size, sizeof(*slots)));
    for (size_t i = 0; i < tried->size; i++) {
        if (tried->slots[i] != 0) {
            put_slot(slots, size, tried->slots[i]);
        }
    }
    free(tried->slots);
    tried->slots = slots;
    tried->size = size;
}

/* Whether this is the first time. */
static bool is_first(struct tried *tried, const struct disk *disk,
                     const struct spot *spot)
{
    uint64_t hash = disk_hash(disk);
    const unsigned char *at = (const unsigned char *)spot->promises;
    for (size_t i = 0; i < sizeof(*spot->promises); i++) {
        hash = (hash ^ at[i]) * 0x100000001b3u;
    }
    hash = (hash ^ (uint64_t)spot->death) | 1;
    if (tried->count * 2 >= tried->size) {
        grow(tried);
    }
    bool is_new = put_slot(tried->slots, tried->size, hash);
    tried->count += is_new;
    return is_new;
}

/* ---- one disk ------------------------------------------------------------ */

static void print_name(void *ctx, const char *path, const unsigned char *bytes,
                       size_t len)
{
    (void)ctx;
    printf(bytes == NULL ? "    found: %s/\n" : "    found: %s, %zu bytes\n",
           path, len);
}

static void complain(struct run *run, const struct spot *spot, size_t state,
                     const char *why)
{
    struct power_cut *cut = run->cut;
    cut->violations++;
    printf("VIOLATION %s\n    engine %s, story %s, point %ld%s", why,
           cut->engine, story_name_of(cut->story), spot->point, spot->branch);
    if (spot->branch[0] != '\0') {
        printf(" and recovering, point %zu", spot->sub_point);
    }
    printf(", state %zu\n    again: crash --engine %s --story %s --seed %llu "
           "--limit %zu --branch %zu",
           state, cut->engine, story_name_of(cut->story),
           (unsigned long long)cut->seed, cut->limit, cut->branch);
    if (cut->plan.nth > 0) {
        printf(" --plan %s:%zu", fault_call_name(cut->plan.call),
               cut->plan.nth);
    }
    printf(" --replay %ld:", spot->point);
    printf(spot->branch[0] != '\0' ? "-1\n" : "%zu\n", state);
    fflush(stdout);
    if (cut->stop) {
        exit(1);
    }
}

static void try_disk(struct run *run, const struct disk *disk,
                     const struct spot *spot, size_t state)
{
    if (!is_first(&run->tried, disk, spot)) {
        run->cut->repeated++;
        return;
    }
    struct promise_check check = {
        .promises = spot->promises,
        .catalogue = run->catalogue,
        .config = run->story->after,
        .has_neighbour = true,
    };
    char *save_dir = scratch_path(run->dir, "run");
    check.dir = save_dir;
    replica_clear(run->dir);
    replica_write(disk, run->dir, spot->death);
    neighbour_put(save_dir);
    run->cut->states++;
    if (!promises_survive(&check)) {
        complain(run, spot, state, check.why);
        if (run->cut->only_point >= 0) { /* who replays wants to know more */
            disk_walk(disk, print_name, NULL);
            printf("%s", check.log);
        }
    }
    free(save_dir);
}

/* ---- one point ----------------------------------------------------------- */

/* The choices of a state; both arrays have room for all. */
struct choice {
    bool *steps;
    enum disk_writes *writes;
    size_t step_count;
    size_t write_count;
};

/* How many states there are; SIZE_MAX if that is too many to count. */
static size_t count_states(const struct choice *choice)
{
    size_t count = 1;
    for (size_t i = 0; i < choice->step_count; i++) {
        count = count > 1u << 20 ? SIZE_MAX / 4 : count * 2;
    }
    for (size_t i = 0; i < choice->write_count; i++) {
        count = count > 1u << 20 ? SIZE_MAX / 4 : count * 3;
    }
    return count;
}

static void choose_by_number(struct choice *choice, size_t number)
{
    for (size_t i = 0; i < choice->step_count; i++) {
        choice->steps[i] = number % 2 != 0;
        number /= 2;
    }
    for (size_t i = 0; i < choice->write_count; i++) {
        choice->writes[i] = (enum disk_writes)(number % 3);
        number /= 3;
    }
}

/* The first states are the plainest; then dice of different weight: mostly
 * lost, even, mostly kept. */
static void choose_by_seed(struct choice *choice, size_t state, uint64_t *seed)
{
    uint64_t weight = state % 3 == 0 ? 1 : state % 3 == 1 ? 4 : 7;
    for (size_t i = 0; i < choice->step_count; i++) {
        bool drawn = test_draw(seed, 8) < weight;
        choice->steps[i] = state < 4 ? state % 2 != 0 : drawn;
    }
    for (size_t i = 0; i < choice->write_count; i++) {
        uint64_t drawn = test_draw(seed, 3);
        choice->writes[i] = state >= 4  ? (enum disk_writes)drawn
                            : state < 2 ? DISK_LOST
                                        : DISK_KEPT;
    }
}

static uint64_t seed_of(const struct run *run, const struct spot *spot,
                        size_t state)
{
    uint64_t seed = run->cut->seed;
    test_draw(&seed, 2);
    seed ^= (uint64_t)spot->point * 0x9e3779b97f4a7c15u;
    seed ^= (uint64_t)spot->sub_point << 40 ^ (uint64_t)state << 20;
    seed ^= (uint64_t)spot->branch[0] << 8;
    test_draw(&seed, 2);
    return seed;
}

static void try_state(struct run *run, const struct disk *disk,
                      const struct spot *spot, struct choice *choice,
                      size_t state, bool exhaustive)
{
    uint64_t seed = seed_of(run, spot, state);
    if (exhaustive) {
        choose_by_number(choice, state);
    } else {
        choose_by_seed(choice, state, &seed);
    }
    struct disk *after = disk_after(
        disk, &(struct disk_cut){choice->steps, choice->writes, seed});
    try_disk(run, after, spot, state);
    disk_free(after);
}

static void try_states(struct run *run, const struct disk *disk,
                       const struct spot *spot, size_t limit)
{
    struct choice choice = {.step_count = disk_step_count(disk),
                            .write_count = disk_dirty_count(disk)};
    choice.steps = must(calloc(choice.step_count + 1, sizeof(bool)));
    choice.writes =
        must(calloc(choice.write_count + 1, sizeof(enum disk_writes)));
    size_t count = count_states(&choice);
    bool exhaustive = count <= limit;
    count = exhaustive ? count : limit;
    run->cut->points++;
    run->cut->exhausted += exhaustive;
    for (size_t state = 0; state < count; state++) {
        bool wanted = spot->branch[0] != '\0' || run->cut->only_state < 0 ||
                      (size_t)run->cut->only_state == state;
        if (wanted) {
            try_state(run, disk, spot, &choice, state, exhaustive);
        }
    }
    free(choice.steps);
    free(choice.writes);
}

/* ---- branches ------------------------------------------------------------ */

static int make_store(void *ctx, struct pawl_store *out, const char *root,
                      struct pawl_error *err)
{
    return pawl_store_file_make(out, root, fault_io_table(ctx), err);
}

/* The next process opens what is in `dir`, recorded by `fault`. */
static void recover_recorded(struct run *run, const char *dir,
                             struct fault_io *fault)
{
    struct pawl_place *place = NULL;
    struct pawl_engine *engine = NULL;
    struct pawl_error err;
    const char *tag = NULL;
    char *save_dir = scratch_path(dir, "run");
    if (pawl_place_new_with(&place, make_store, fault, &err) < 0 ||
        pawl_engine_new_at(&engine, place, run->story->after, &err) < 0) {
        fprintf(stderr, "cannot set the stage: %s\n", err.message);
        exit(2);
    }
    pawl_engine_open(&tag, engine, save_dir, NULL, NULL);
    if (tag != NULL) {
        pawl_engine_close(engine, tag, NULL);
    }
    pawl_engine_free(engine);
    pawl_place_unref(place);
    free(save_dir);
}

/* From `disk` on; `there` is what the next process finds. */
static void follow_branch(struct run *run, const struct disk *disk,
                          const struct disk *there, struct spot spot)
{
    struct fault_io *fault = fault_io_new(&run->story->below);
    char *dir = scratch_new();
    struct disk *copy = disk_copy(disk);
    run->cut->branches++;
    fault_io_keep_data(fault);
    replica_write(there, dir, spot.death);
    recover_recorded(run, dir, fault);
    disk_set_root(copy, dir);
    spot.death = REPLICA_REBOOT;
    size_t count = fault_io_count(fault, FAULT_ANY);
    for (size_t i = 0; i < count; i++) {
        if (disk_apply(copy, fault_io_record(fault, i))) {
            spot.sub_point = i;
            try_states(run, copy, &spot, run->cut->limit / 4 + 1);
        }
    }
    disk_free(copy);
    fault_io_free(fault);
    scratch_free(dir);
}

static void branch_off(struct run *run, const struct disk *disk,
                       struct spot spot)
{
    struct disk *there = disk_as_seen(disk);
    spot.branch = " killed";
    spot.death = REPLICA_KILL;
    follow_branch(run, disk, there, spot);
    disk_free(there);

    uint64_t seed = seed_of(run, &spot, 0);
    struct choice choice = {.step_count = disk_step_count(disk),
                            .write_count = disk_dirty_count(disk)};
    choice.steps = must(calloc(choice.step_count + 1, sizeof(bool)));
    choice.writes =
        must(calloc(choice.write_count + 1, sizeof(enum disk_writes)));
    choose_by_seed(&choice, 4 + (size_t)test_draw(&seed, 3), &seed);
    there =
        disk_after(disk, &(struct disk_cut){choice.steps, choice.writes, seed});
    spot.branch = " cut";
    spot.death = REPLICA_REBOOT;
    follow_branch(run, there, there, spot);
    disk_free(there);
    free(choice.steps);
    free(choice.writes);
}

/* ---- a story ------------------------------------------------------------- */

/* The first call after the one that the plan changed. */
static size_t first_point(const struct story *story)
{
    size_t count = fault_io_count(story->fault, FAULT_ANY);
    for (size_t i = 0; i < count; i++) {
        if (fault_io_record(story->fault, i)->injected) {
            return i;
        }
    }
    return 0;
}

static void go_through(struct run *run)
{
    struct power_cut *cut = run->cut;
    struct story *story = run->story;
    struct disk *disk = disk_new(story->root);
    size_t count = fault_io_count(story->fault, FAULT_ANY);
    size_t from = first_point(story);
    size_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        if (!disk_apply(disk, fault_io_record(story->fault, i)) || i < from) {
            continue;
        }
        uint64_t seed = cut->seed + i;
        struct spot spot = {.branch = "",
                            .point = (long)i,
                            .promises = story_promises_at(story, i + 1),
                            .death = REPLICA_REBOOT};
        bool replayed = cut->only_point == (long)i;
        bool drawn = cut->only_point < 0 &&
                     seen++ % cut->every == cut->seed % cut->every;
        if (replayed || drawn) {
            try_states(run, disk, &spot, cut->limit);
        }
        bool branches = cut->branch > 0 && test_draw(&seed, cut->branch) == 0;
        if (cut->only_state < 0 &&
            (replayed || (cut->only_point < 0 && branches))) {
            branch_off(run, disk, spot);
        }
    }
    disk_free(disk);
}

void power_cut_run(struct power_cut *cut)
{
    struct run run = {.cut = cut, .dir = scratch_new()};
    run.story = story_new(cut->story, cut->engine);
    run.catalogue = catalogue_new(run.story->after, run.dir);
    fault_io_arm(run.story->fault, &cut->plan);
    story_play(run.story);
    if (run.story->why[0] != '\0' ||
        (cut->plan.nth == 0 && run.story->failures > 0)) {
        cut->violations++;
        printf("VIOLATION a call failed\n    engine %s, story %s: %s\n",
               cut->engine, story_name_of(cut->story), run.story->why);
    }
    pawl_engine_free(run.story->engine);
    run.story->engine = NULL;
    cut->fired = fault_io_fired(run.story->fault) > 0;
    if (cut->fired || cut->plan.nth == 0) {
        go_through(&run);
    }
    catalogue_free(run.catalogue);
    story_free(run.story);
    free(run.tried.slots);
    scratch_free(run.dir);
}
