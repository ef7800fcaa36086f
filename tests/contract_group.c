/* SPDX-License-Identifier: Apache-2.0 */
/* contract_group.c - see contract_group.h. */
#include "contract_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct under_test {
    const char *name;
    bool on_disk;
    const char *config; /* more of it */
};

/* Small, so that files of the tests are several blocks and fill the pool. */
#define SMALL_LANE ", \"block_bytes\": 4096, \"staging_bytes\": 20480"

static const struct under_test engines[] = {
    {"torch", true, ""},
    {"memory", false, ""},
    {"direct", true, SMALL_LANE},
    {"async", true, SMALL_LANE},
};

struct engine_fixture *contract_make(void **state, const char *more)
{
    const struct under_test *what = *state;
    char config[512];
    snprintf(config, sizeof(config), "{\"engine\": \"%s\"%s%s}", what->name,
             what->config, more);
    return engine_fixture_new(config, !what->on_disk);
}

bool contract_on_disk(void **state)
{
    const struct under_test *what = *state;
    return what->on_disk;
}

const char *contract_engine(void **state)
{
    const struct under_test *what = *state;
    return what->name;
}

int contract_run(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof(engines) / sizeof(*engines); i++) {
        struct CMUnitTest *bound = calloc(count, sizeof(*bound));
        if (bound == NULL) {
            return 1;
        }
        memcpy(bound, tests, count * sizeof(*bound));
        for (size_t k = 0; k < count; k++) {
            /* cmocka takes no const; the tests only read it. */
            bound[k].initial_state = (void *)(uintptr_t)&engines[i];
        }
        print_message("engine '%s'\n", engines[i].name);
        /* What cmocka_run_group_tests expands to, with a count. */
        failed +=
            _cmocka_run_group_tests(engines[i].name, bound, count, NULL, NULL);
        free(bound);
    }
    return failed == 0 ? 0 : 1;
}
