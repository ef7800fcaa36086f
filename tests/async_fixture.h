/* SPDX-License-Identifier: Apache-2.0 */
/*
 * async_fixture.h - an asynchronous engine on a disk that fails or hangs
 *
 * Blocks are small (4096 bytes) and few (5), so that a file of the tests is
 * several blocks and a large one is larger than the staging.
 */
#ifndef PAWL_TESTS_ASYNC_FIXTURE_H
#define PAWL_TESTS_ASYNC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "fault_io.h"
#include "gate_io.h"

/* Elements of a state that is larger than the staging. */
#define LARGE_COUNT 40000

struct async_fixture {
    struct engine_fixture *fix;
    struct fault_io *fault; /* one of the two, or neither */
    struct gate_io *gate;
};

/* `more` is of the config: ", \"key\": 1". */
struct async_fixture async_on_fault(const char *more);
struct async_fixture async_on_gate(const char *more);
void async_free(struct async_fixture *a);

/* Saves run/name, of `count` elements; the code. */
int save_numbers(struct engine_fixture *fix, const char *name, int64_t number,
                 size_t count, struct pawl_error *err);
/* create, save of tag/model.pt, commit without a wait. */
void make_pending(struct engine_fixture *fix, const char *tag, int64_t number);
struct pawl_status status_of(struct engine_fixture *fix);
/* Waits for what is pending, which must succeed. */
void must_wait(struct engine_fixture *fix);

/* Descriptors, blocks, threads of the engine do their work: a state larger
 * than the staging goes through and comes back. */
void assert_works(struct engine_fixture *fix, const char *tag);

#endif
