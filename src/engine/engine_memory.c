/* SPDX-License-Identifier: Apache-2.0 */
/* engine_memory.c - see engine_memory.h. */
#include "engine/engine_memory.h"

int pawl_engine_memory_make(void **out, const struct pawl_engine_setup *setup,
                            struct pawl_error *err)
{
    struct pawl_engine_setup in_memory = *setup;
    if (setup->place != NULL) {
        return pawl_engine_torch_make(out, setup, err);
    }
    int rc = pawl_place_new_memory(&in_memory.place, err);
    if (rc == 0) {
        rc = pawl_engine_torch_make(out, &in_memory, err);
    }
    pawl_place_unref(in_memory.place);
    return rc;
}
