/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pickle_writer.c - pickles against those that torch.save made
 *
 * golden_pickles.h holds torch's; this program needs no Python.
 */
#include "format/pickle_writer.h"

#include "base/crc32.h"
#include "golden_pickles.h"
#include "state_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *hex_of(const uint8_t *data, size_t len)
{
    char *text = malloc(2 * len + 1);
    assert_non_null(text);
    text[0] = '\0';
    for (size_t i = 0; i < len; i++) {
        snprintf(text + 2 * i, 3, "%02x", data[i]);
    }
    return text;
}

/* The state's pickle as hex, which the caller frees; frees the state. */
static char *pickle_hex(struct pawl_state *s)
{
    struct pawl_error err = {0};
    struct pawl_pickle pickle = {0};
    if (pawl_pickle_write(&pickle, s, &err) < 0) {
        fail_msg("%s", err.message);
    }
    char *hex = hex_of(pickle.bytes.data, pickle.bytes.len);
    pawl_pickle_fini(&pickle);
    pawl_state_free(s);
    return hex;
}

static void assert_refused(struct pawl_state *s, int code, const char *words)
{
    struct pawl_error err = {0};
    struct pawl_pickle pickle = {0};
    assert_int_equal(pawl_pickle_write(&pickle, s, &err), code);
    assert_int_equal(err.code, code);
    if (strstr(err.message, words) == NULL) {
        fail_msg("'%s' does not say '%s'", err.message, words);
    }
    assert_null(pickle.bytes.data);
    pawl_state_free(s);
}

/* ---- against torch ----------------------------------------------------- */

static void check_golden(const struct golden_pickle *golden)
{
    struct pawl_error err = {0};
    struct pawl_pickle pickle = {0};
    struct pawl_state *s = state_case_new(state_case_find(golden->name));
    if (pawl_pickle_write(&pickle, s, &err) < 0) {
        fail_msg("%s: %s", golden->name, err.message);
    }
    if (golden->hex != NULL) {
        char *hex = hex_of(pickle.bytes.data, pickle.bytes.len);
        if (strcmp(hex, golden->hex) != 0) {
            fail_msg("%s:\n  %s\nshould be\n  %s", golden->name, hex,
                     golden->hex);
        }
        free(hex);
    }
    if (pickle.bytes.len != golden->len ||
        pawl_crc32(0, pickle.bytes.data, pickle.bytes.len) != golden->crc) {
        fail_msg("%s: %zu bytes, or their CRC, are wrong", golden->name,
                 pickle.bytes.len);
    }
    pawl_pickle_fini(&pickle);
    pawl_state_free(s);
}

static void test_equals_torch(void **fixture)
{
    (void)fixture;
    size_t count = sizeof(golden_pickles) / sizeof(golden_pickles[0]);
    assert_int_equal(count, state_case_count);
    for (size_t i = 0; i < count; i++) {
        check_golden(&golden_pickles[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_torch),
    };
    (void)assert_refused;
    (void)pickle_hex;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
