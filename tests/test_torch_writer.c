/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_torch_writer.c - whole files against torch.save
 *
 * golden_zip64.h holds one of torch's, of over 8 GiB, without its payload.  All
 * states of state_cases.h, and random ones, are compared by
 * tests/oracle/check_files.py with what torch makes of them, if PAWL_PYTHON
 * names a Python with torch.
 */
#include "format/torch_writer.h"

#include "base/bytes.h"
#include "base/crc32.h"
#include "golden_zip64.h"
#include "plan_file.h"
#include "random_state.h"
#include "scratch.h"
#include "state_cases.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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

/* Skips the test where there is no Python. */
static void need_python(void)
{
    if (getenv("PAWL_PYTHON") == NULL || getenv("PAWL_TESTS_DIR") == NULL) {
        print_message("PAWL_PYTHON and PAWL_TESTS_DIR are not set\n");
        skip();
    }
}

/* Runs check_files.py over `dir`. */
static void compare_with_torch(const char *dir)
{
    char *command = NULL;
    assert_true(asprintf(&command,
                         "PYTHONDONTWRITEBYTECODE=1 '%s' -W ignore "
                         "'%s/oracle/check_files.py' '%s'",
                         getenv("PAWL_PYTHON"), getenv("PAWL_TESTS_DIR"),
                         dir) > 0);
    int rc = system(command);
    free(command);
    assert_int_equal(rc, 0);
}

/* ---- everything, by Python --------------------------------------------- */

static void test_cases_equal_torch(void **fixture)
{
    (void)fixture;
    need_python();
    char *dir = scratch_new();
    const struct state_case *c = NULL;
    for (size_t i = 0; (c = state_case_at(i)) != NULL; i++) {
        char name[64];
        struct pawl_state *s = state_case_new(c);
        snprintf(name, sizeof(name), "case-%s.pt", c->name);
        write_state(dir, name, s);
        pawl_state_free(s);
    }
    compare_with_torch(dir);
    scratch_free(dir);
}

/* The seed of each file is in its name. */
static void test_random_states_equal_torch(void **fixture)
{
    (void)fixture;
    need_python();
    char *dir = scratch_new();
    const char *given = getenv("PAWL_TEST_SEED");
    uint64_t seed =
        given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("seeds from %" PRIu64 "\n", seed);
    for (int i = 0; i < 30; i++, seed++) {
        char name[64];
        struct pawl_state *s = random_state_new(seed);
        snprintf(name, sizeof(name), "random-%" PRIu64 ".pt", seed);
        write_state(dir, name, s);
        pawl_state_free(s);
    }
    compare_with_torch(dir);
    scratch_free(dir);
}

/* ---- past 4 GiB -------------------------------------------------------- */

static const uint64_t big = (uint64_t)4352 << 20;

/* The state that golden_zip64.h is about.  Nobody may read its payload. */
static struct pawl_state *huge_state(void *payload)
{
    struct pawl_state *s = pawl_state_new();
    struct pawl_value *dict = pawl_dict(s);
    uint64_t three = 3;
    uint64_t five = 5;
    uint64_t none = 0;
    pawl_dict_set_str(dict, "a",
                      pawl_array(s, PAWL_FLOAT32, 1, &three, payload));
    pawl_dict_set_str(dict, "b", pawl_array(s, PAWL_UINT8, 1, &big, payload));
    pawl_dict_set_str(dict, "c", pawl_array(s, PAWL_INT64, 1, &five, payload));
    pawl_dict_set_str(dict, "d", pawl_array(s, PAWL_UINT8, 1, &big, payload));
    pawl_dict_set_str(dict, "e", pawl_array(s, PAWL_FLOAT32, 1, &none, NULL));
    pawl_state_set_root(s, dict);
    return s;
}

/* The CRC of `len` zeros, without going through them. */
static uint32_t crc_of_zeros(uint64_t len)
{
    uint32_t crc = 0;
    uint32_t power = pawl_crc32(0, "", 1); /* of 2^i zeros */
    for (uint64_t bit = 1; bit <= len; bit *= 2) {
        if (len & bit) {
            crc = pawl_crc32_combine(crc, power, bit);
        }
        power = pawl_crc32_combine(power, power, bit);
    }
    return crc;
}

static void set_crcs_of_zeros(struct pawl_plan *plan)
{
    size_t count = 0;
    const struct pawl_extent *e = pawl_plan_extents(plan, &count);
    for (size_t i = 0; i < count; i++) {
        if (e[i].record != PAWL_NO_RECORD) {
            pawl_plan_set_crc(plan, e[i].record, crc_of_zeros(e[i].len_bytes));
        }
    }
}

static bool may_differ(uint64_t offset)
{
    for (size_t i = 0; i < COUNT(golden_zip64_masks); i++) {
        if (offset - golden_zip64_masks[i].offset < golden_zip64_masks[i].len) {
            return true;
        }
    }
    return false;
}

static void check_section(const struct pawl_extent *extent, const char *hex)
{
    const unsigned char *data = extent->data;
    assert_int_equal(strlen(hex), 2 * extent->len_bytes);
    for (uint64_t i = 0; i < extent->len_bytes; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        if (data[i] != strtoul(pair, NULL, 16) &&
            !may_differ(extent->offset + i)) {
            fail_msg("byte %" PRIu64 " is %02x, by torch %s",
                     extent->offset + i, data[i], pair);
        }
    }
}

static void test_zip64_equals_torch(void **fixture)
{
    (void)fixture;
    size_t count = 0;
    size_t section = 0;
    struct pawl_plan *plan = NULL;
    struct pawl_error err = {0};
    void *payload = mmap(NULL, (size_t)big, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(payload, MAP_FAILED);
    struct pawl_state *s = huge_state(payload);
    if (pawl_torch_plan(&plan, s, "huge.pt", &err) < 0) {
        fail_msg("%s", err.message);
    }
    set_crcs_of_zeros(plan);
    const struct pawl_extent *e = pawl_plan_extents(plan, &count);
    assert_int_equal(count, 9);
    for (size_t i = 0; i < count; i++) {
        if (e[i].record == PAWL_NO_RECORD) {
            assert_true(section < COUNT(golden_zip64));
            assert_true(e[i].offset == golden_zip64[section].offset);
            check_section(&e[i], golden_zip64[section++].hex);
        }
    }
    assert_int_equal(section, COUNT(golden_zip64));
    pawl_plan_free(plan);
    pawl_state_free(s);
    munmap(payload, (size_t)big);
}

/* ---- names ------------------------------------------------------------- */

/* The file's bytes for a state that holds `count` tensors. */
static unsigned char *bytes_of(const char *name, int count, size_t *len)
{
    struct pawl_state *s = pawl_state_new();
    struct pawl_value *list = pawl_list(s);
    struct pawl_plan *plan = NULL;
    uint64_t two = 2;
    for (int i = 0; i < count; i++) {
        pawl_append(list, pawl_array(s, PAWL_INT8, 1, &two, "ab"));
    }
    pawl_state_set_root(s, list);
    assert_int_equal(pawl_torch_plan(&plan, s, name, NULL), 0);
    unsigned char *bytes = plan_file_bytes(plan, len);
    pawl_plan_free(plan);
    pawl_state_free(s);
    return bytes;
}

static void check_prefix(const char *path, const char *prefix)
{
    size_t len = 0;
    char *name = NULL;
    unsigned char *bytes = bytes_of(path, 0, &len);
    assert_true(asprintf(&name, "%s/data.pkl", prefix) > 0);
    assert_int_equal(get_le16(bytes + 26), strlen(name));
    assert_memory_equal(bytes + 30, name, strlen(name));
    free(name);
    free(bytes);
}

static void test_prefixes(void **fixture)
{
    (void)fixture;
    check_prefix("model.pt", "model");
    check_prefix("a/b.c/model.tar.gz", "model.tar");
    check_prefix("a.b/model", "model");
    check_prefix("a\\model.pt", "model");
    check_prefix("/x/mp_rank_00_model_states.pt", "mp_rank_00_model_states");
    check_prefix("model.", "model");
    /* torch refuses an empty prefix; and does so for a file object. */
    check_prefix(".pt", "archive");
    check_prefix("a/", "archive");
    check_prefix("", "archive");
    check_prefix("m\xc3\xb6"
                 "del.pt",
                 "archive");
    check_prefix("m\xc3\xb6/model.pt", "archive");
}

static void test_a_long_file_name_is_refused(void **fixture)
{
    (void)fixture;
    char name[600];
    struct pawl_plan *plan = NULL;
    struct pawl_error err = {0};
    struct pawl_state *s = pawl_state_new();
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    pawl_state_set_root(s, pawl_none(s));
    assert_int_equal(pawl_torch_plan(&plan, s, name, &err), PAWL_EINVAL);
    assert_null(plan);
    pawl_state_free(s);
}

/* The 40 digits: they stand in the last container bytes, after the padding of
 * their record. */
static void id_of(int count, char id[41])
{
    size_t len = 0;
    unsigned char *bytes = bytes_of("x.pt", count, &len);
    static const char name[] = "x/.data/serialization_id";
    unsigned char *at = memmem(bytes, len, name, strlen(name));
    assert_non_null(at);
    at += strlen(name) + get_le16(at - 2);
    memcpy(id, at, 40);
    id[40] = '\0';
    free(bytes);
}

static void test_ids_depend_on_the_content_alone(void **fixture)
{
    (void)fixture;
    char one[41];
    char again[41];
    char two[41];
    id_of(1, one);
    id_of(1, again);
    id_of(2, two);
    assert_string_equal(one, again);
    assert_int_equal(strspn(one, "0123456789"), 40);
    assert_memory_not_equal(one, two, 20);
    assert_memory_not_equal(one + 20, two + 20, 20);
}

static void test_errors_of_the_pickle_come_through(void **fixture)
{
    (void)fixture;
    struct pawl_plan *plan = NULL;
    struct pawl_state *s = pawl_state_new();
    assert_int_equal(pawl_torch_plan(&plan, s, "x.pt", NULL), PAWL_EINVAL);
    assert_null(plan);
    pawl_state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_equal_torch),
        cmocka_unit_test(test_random_states_equal_torch),
        cmocka_unit_test(test_zip64_equals_torch),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_a_long_file_name_is_refused),
        cmocka_unit_test(test_ids_depend_on_the_content_alone),
        cmocka_unit_test(test_errors_of_the_pickle_come_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
