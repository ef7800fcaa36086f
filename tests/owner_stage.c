/* SPDX-License-Identifier: Apache-2.0 */
/* owner_stage.c - see owner_stage.h. */
#include "owner_stage.h"

#include <stdlib.h>

int owner_stage_set_up(void **state)
{
    struct owner_stage *stage = calloc(1, sizeof(*stage));
    stage->fix = engine_fixture_new("{}", false);
    stage->store = &stage->fix->store;
    pawl_layout_init(&stage->layout, "one");
    *state = stage;
    return 0;
}

int owner_stage_tear_down(void **state)
{
    struct owner_stage *stage = *state;
    engine_fixture_free(stage->fix);
    free(stage);
    return 0;
}
