/* SPDX-License-Identifier: Apache-2.0 */
/* rank_fixture.c - see rank_fixture.h. */
#include "rank_fixture.h"

#include "base/log.h"
#include "engine/engine.h"
#include "store/store_file.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static int make_store(void *ctx, struct pawl_store *out, const char *root,
                      struct pawl_error *err)
{
    return pawl_store_file_make(out, root, ctx, err);
}

static void log_line(void *ctx, enum pawl_log_level level, const char *line)
{
    struct rank *rank = ctx;
    size_t len = strlen(rank->log);
    (void)level;
    snprintf(rank->log + len, sizeof(rank->log) - len, "%s\n", line);
}

static void start(struct rank_fixture *fix, uint32_t number, const char *more)
{
    struct rank *rank = &fix->ranks[number];
    struct pawl_comm comm = rank_hub_comm(fix->hub, number);
    struct pawl_error err;
    char config[512];
    *rank = (struct rank){.all = fix,
                          .number = number,
                          .run = fix->runs[number / fix->ranks_per_node]};
    rank->fault = fault_io_new(&pawl_io_posix);
    fault_io_skip_syncs(rank->fault);
    assert_int_equal(pawl_place_new_with(
                         &rank->place, make_store,
                         (void *)(uintptr_t)fault_io_table(rank->fault), NULL),
                     0);
    snprintf(config, sizeof(config),
             "{\"engine\": \"%s\", \"staging_bytes\": \"4MiB\", "
             "\"rank_timeout_ms\": %d%s}",
             fix->engine_name, RANK_TIMEOUT_MS, more);
    int rc = pawl_engine_new_ranks_at(&rank->engine, rank->place, config, &comm,
                                      &err);
    if (rc < 0) {
        fail_msg("%s", err.message);
    }
    pawl_engine_set_log(rank->engine, log_line, rank);
}

static void start_all(struct rank_fixture *fix, uint32_t size, const char *more)
{
    fix->size = size;
    fix->hub = rank_hub_new(size);
    for (uint32_t i = 0; i < size; i++) {
        start(fix, i, more);
    }
}

static void free_engine(struct rank *rank, const char *tag)
{
    (void)tag;
    pawl_engine_free(rank->engine);
}

/* All at once, since the end of one may need the others. */
static void stop_all(struct rank_fixture *fix)
{
    rank_fixture_run(fix, 0, free_engine, NULL);
    for (uint32_t i = 0; i < fix->size; i++) {
        pawl_place_unref(fix->ranks[i].place);
        assert_int_equal(fault_io_open_count(fix->ranks[i].fault), 0);
        fault_io_free(fix->ranks[i].fault);
    }
    rank_hub_free(fix->hub);
}

struct rank_fixture *rank_fixture_new_nodes(uint32_t size,
                                            uint32_t ranks_per_node,
                                            const char *engine,
                                            const char *more)
{
    struct rank_fixture *fix = calloc(1, sizeof(*fix));
    assert_non_null(fix);
    fix->engine_name = engine;
    fix->ranks_per_node = ranks_per_node;
    fix->dir = scratch_new();
    for (int i = 0; i < RANKS_MAX; i++) {
        char name[32];
        snprintf(name, sizeof(name), "run%d", i);
        fix->runs[i] = scratch_path(fix->dir, name);
    }
    start_all(fix, size, more);
    return fix;
}

struct rank_fixture *rank_fixture_new(uint32_t size, const char *engine,
                                      const char *more)
{
    return rank_fixture_new_nodes(size, RANKS_MAX, engine, more);
}

void rank_fixture_restart(struct rank_fixture *fix, uint32_t size,
                          const char *more)
{
    stop_all(fix);
    start_all(fix, size, more);
}

void rank_fixture_free(struct rank_fixture *fix)
{
    stop_all(fix);
    scratch_free(fix->dir);
    for (int i = 0; i < RANKS_MAX; i++) {
        free(fix->runs[i]);
    }
    free(fix);
}

struct errand {
    struct rank *rank;
    void (*act)(struct rank *rank, const char *tag);
    const char *tag;
};

static void *run_one(void *ctx)
{
    struct errand *errand = ctx;
    errand->act(errand->rank, errand->tag);
    return NULL;
}

void rank_fixture_run(struct rank_fixture *fix, unsigned mask,
                      void (*act)(struct rank *rank, const char *tag),
                      const char *tag)
{
    pthread_t threads[RANKS_MAX];
    struct errand errands[RANKS_MAX];
    mask = mask == 0 ? (1u << fix->size) - 1 : mask;
    for (uint32_t i = 0; i < fix->size; i++) {
        errands[i] = (struct errand){&fix->ranks[i], act, tag};
        if ((mask >> i & 1) != 0) {
            pthread_create(&threads[i], NULL, run_one, &errands[i]);
        }
    }
    for (uint32_t i = 0; i < fix->size; i++) {
        if ((mask >> i & 1) != 0) {
            pthread_join(threads[i], NULL);
        }
    }
}

/* ---- acts ---------------------------------------------------------------- */

static const char *path_of(struct rank *rank, const char *name)
{
    snprintf(rank->path, sizeof(rank->path), "%s/%s", rank->run, name);
    return rank->path;
}

void rank_create(struct rank *rank, const char *tag)
{
    rank->rc = pawl_engine_create(rank->engine, rank->run, tag, &rank->err);
}

void rank_save(struct rank *rank, const char *name, int64_t number)
{
    struct pawl_state *state = numbered_state(number, 5000);
    rank->rc =
        pawl_engine_save(rank->engine, state, path_of(rank, name), &rank->err);
    pawl_state_free(state);
}

void rank_commit(struct rank *rank, const char *tag)
{
    rank->rc = pawl_engine_commit(rank->engine, tag, &rank->err);
    if (rank->rc == 0) {
        rank->rc = pawl_engine_wait(rank->engine, 60000, &rank->err);
    }
}

void rank_open(struct rank *rank, const char *tag)
{
    const char *opened = NULL;
    rank->opened[0] = '\0';
    rank->rc =
        pawl_engine_open(&opened, rank->engine, rank->run, tag, &rank->err);
    if (rank->rc == 0 && opened != NULL) {
        snprintf(rank->opened, sizeof(rank->opened), "%s", opened);
        rank->rc = pawl_engine_close(rank->engine, opened, &rank->err);
    }
}

int64_t rank_load(struct rank *rank, const char *name)
{
    struct pawl_state *state = NULL;
    rank->rc = pawl_engine_load(&state, rank->engine, path_of(rank, name), 0,
                                &rank->err);
    if (rank->rc < 0) {
        return -1;
    }
    int64_t number = number_of(state);
    pawl_state_free(state);
    return number;
}

/* ---- what became of it --------------------------------------------------- */

void rank_fixture_expect(struct rank_fixture *fix, unsigned mask, int code,
                         const char *text, const char *text2)
{
    mask = mask == 0 ? (1u << fix->size) - 1 : mask;
    for (uint32_t i = 0; i < fix->size; i++) {
        const struct rank *rank = &fix->ranks[i];
        if ((mask >> i & 1) == 0) {
            continue;
        }
        if (rank->rc != code ||
            (code < 0 &&
             ((text != NULL && strstr(rank->err.message, text) == NULL) ||
              (text2 != NULL && strstr(rank->err.message, text2) == NULL)))) {
            fail_msg("rank %u: %s: %s\n%s", i, pawl_error_name(rank->rc),
                     rank->rc < 0 ? rank->err.message : "", rank->log);
        }
    }
}

void rank_fixture_expect_one_message(struct rank_fixture *fix)
{
    for (uint32_t i = 1; i < fix->size; i++) {
        assert_string_equal(fix->ranks[i].err.message,
                            fix->ranks[0].err.message);
    }
}

void rank_fixture_expect_newest(struct rank_fixture *fix, const char *tag)
{
    rank_fixture_run(fix, 0, rank_open, NULL);
    rank_fixture_expect(fix, 0, 0, NULL, NULL);
    for (uint32_t i = 0; i < fix->size; i++) {
        assert_string_equal(fix->ranks[i].opened, tag);
    }
}

bool rank_has(struct rank *rank, const char *name)
{
    struct stat info;
    return stat(path_of(rank, name), &info) == 0;
}

size_t rank_entries(struct rank *rank, const char *name)
{
    DIR *dir = opendir(path_of(rank, name));
    size_t count = 0;
    for (const struct dirent *entry; dir != NULL && (entry = readdir(dir));) {
        count += entry->d_name[0] != '.' ? 1 : 0;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

void rank_damage(struct rank *rank, const char *name)
{
    FILE *file = fopen(path_of(rank, name), "r+b");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    long middle = ftell(file) / 2;
    fseek(file, middle, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, middle, SEEK_SET);
    fputc(byte ^ 1, file);
    fclose(file);
}
