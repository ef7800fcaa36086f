/* SPDX-License-Identifier: Apache-2.0 */
/* owner_stage.h - a directory of checkpoints, and a tag in it to be taken */
#ifndef PAWL_TESTS_OWNER_STAGE_H
#define PAWL_TESTS_OWNER_STAGE_H

#include "engine/owner.h"
#include "engine_fixture.h"

struct owner_stage {
    struct engine_fixture *fix;
    struct pawl_store *store;
    struct pawl_layout layout;
};

/* For cmocka; the stage is the state. */
int owner_stage_set_up(void **state);
int owner_stage_tear_down(void **state);

#endif
