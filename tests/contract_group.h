/* SPDX-License-Identifier: Apache-2.0 */
/*
 * contract_group.h - runs tests of the contract on each engine in turn
 */
#ifndef PAWL_TESTS_CONTRACT_GROUP_H
#define PAWL_TESTS_CONTRACT_GROUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"

/* Runs them on all engines; what main returns. */
int contract_run(const struct CMUnitTest *tests, size_t count);

/* For a test: a fixture of the engine under test, whose config has `more` of
 * JSON (", \"key\": 1") at its end. */
struct engine_fixture *contract_make(void **state, const char *more);
/* Whether other processes see what it saves. */
bool contract_on_disk(void **state);
const char *contract_engine(void **state);

#endif
