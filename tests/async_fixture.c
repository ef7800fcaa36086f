/* SPDX-License-Identifier: Apache-2.0 */
/* async_fixture.c - see async_fixture.h. */
#include "async_fixture.h"

#include "store/store_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int make_store(void *ctx, struct pawl_store *out, const char *root,
                      struct pawl_error *err)
{
    return pawl_store_file_make(out, root, ctx, err);
}

static struct engine_fixture *make(const struct pawl_io *io, const char *more)
{
    struct pawl_place *place = NULL;
    char config[512];
    snprintf(config, sizeof(config),
             "{\"engine\": \"async\", \"block_bytes\": 4096%s%s}",
             strstr(more, "staging_bytes") != NULL
                 ? ""
                 : ", \"staging_bytes\": 20480",
             more);
    /* A place hands its context on; the table is only read. */
    assert_int_equal(
        pawl_place_new_with(&place, make_store, (void *)(uintptr_t)io, NULL),
        0);
    struct engine_fixture *fix = engine_fixture_new_at(config, place);
    pawl_place_unref(place);
    return fix;
}

struct async_fixture async_on_fault(const char *more)
{
    struct async_fixture a = {.fault = fault_io_new(&pawl_io_posix)};
    fault_io_skip_syncs(a.fault);
    a.fix = make(fault_io_table(a.fault), more);
    return a;
}

struct async_fixture async_on_gate(const char *more)
{
    struct async_fixture a = {.gate = gate_io_new()};
    a.fix = make(gate_io_table(a.gate), more);
    return a;
}

void async_free(struct async_fixture *a)
{
    engine_fixture_free(a->fix);
    fault_io_free(a->fault);
    gate_io_free(a->gate);
}

int save_numbers(struct engine_fixture *fix, const char *name, int64_t number,
                 size_t count, struct pawl_error *err)
{
    struct pawl_state *state = numbered_state(number, count);
    int rc = pawl_engine_save(fix->engine, state,
                              engine_fixture_path(fix, name), err);
    /* A lazy engine reads it until then, and may take its time. */
    while (pawl_engine_fence(fix->engine, NULL) == PAWL_ETIMEDOUT) {
    }
    pawl_state_free(state);
    return rc;
}

void make_pending(struct engine_fixture *fix, const char *tag, int64_t number)
{
    char name[300];
    snprintf(name, sizeof(name), "%s/model.pt", tag);
    must_create(fix, tag);
    must_save(fix, name, number);
    assert_int_equal(pawl_engine_commit(fix->engine, tag, NULL), 0);
}

struct pawl_status status_of(struct engine_fixture *fix)
{
    struct pawl_status status = PAWL_STATUS_INIT;
    assert_int_equal(pawl_engine_status(fix->engine, &status, NULL), 0);
    return status;
}

void must_wait(struct engine_fixture *fix)
{
    struct pawl_error err;
    if (pawl_engine_wait(fix->engine, 20000, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

void assert_works(struct engine_fixture *fix, const char *tag)
{
    struct pawl_error err;
    char name[300];
    snprintf(name, sizeof(name), "%s/large.pt", tag);
    must_create(fix, tag);
    if (save_numbers(fix, name, 99, LARGE_COUNT, &err) < 0) {
        fail_msg("%s", err.message);
    }
    must_commit(fix, tag);
    assert_int_equal(must_load(fix, name), 99);
}
