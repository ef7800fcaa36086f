/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_torch_writer.c - whole files against torch.save
 *
 * golden_file.h holds one of torch's.  All states of state_cases.h, and random
 * ones, are compared by tests/oracle/check_files.py with what torch makes of
 * them, if PAWL_PYTHON names a Python with torch.
 */
#include "format/torch_writer.h"

#include "plan_file.h"
#include "scratch.h"
#include "state_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void write_state(const char *dir, const char *name, struct pawl_state *s)
{
    struct pawl_error err = {0};
    struct pawl_plan *plan = NULL;
    size_t len = 0;
    char *path = scratch_path(dir, name);
    if (pawl_torch_plan(&plan, s, path, &err) < 0) {
        fail_msg("%s: %s", name, err.message);
    }
    unsigned char *bytes = plan_file_bytes(plan, &len);
    scratch_write(dir, name, bytes, len);
    free(bytes);
    pawl_plan_free(plan);
    free(path);
}

/* Runs check_files.py over `dir`; skips the test where there is no Python. */
static void compare_with_torch(const char *dir)
{
    const char *python = getenv("PAWL_PYTHON");
    const char *tests = getenv("PAWL_TESTS_DIR");
    if (python == NULL || tests == NULL) {
        print_message("PAWL_PYTHON and PAWL_TESTS_DIR are not set\n");
        skip();
    }
    char *command = NULL;
    assert_true(asprintf(&command,
                         "PYTHONDONTWRITEBYTECODE=1 '%s' -W ignore "
                         "'%s/oracle/check_files.py' '%s'",
                         python, tests, dir) > 0);
    int rc = system(command);
    free(command);
    assert_int_equal(rc, 0);
}

static void test_cases_equal_torch(void **fixture)
{
    (void)fixture;
    char *dir = scratch_new();
    for (size_t i = 0; i < state_case_count; i++) {
        char name[64];
        struct pawl_state *s = state_case_new(&state_cases[i]);
        snprintf(name, sizeof(name), "case-%s.pt", state_cases[i].name);
        write_state(dir, name, s);
        pawl_state_free(s);
    }
    compare_with_torch(dir);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_equal_torch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
