/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_format_torch_legacy.c - files from before torch 1.6
 *
 * Golden files are by torch; the others are spelled out in protocol 0.
 */
#include "format/format_torch_legacy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "memory_source.h"
#include "show_value.h"
#include "torch_pickles.h"

static const struct pawl_format_ops *const legacy = &pawl_format_torch_legacy;

#define MAGIC "L119547037146038801333356L\n."
#define HEAD                                                                   \
    MAGIC "I1001\n.(S'protocol_version'\nI1001\nS'little_endian'\nI01\nd."

/* ---- files ------------------------------------------------------------- */

/* `pickles`, and then a storage of `count` floats 0, 1, 2... if not NULL. */
static struct pawl_buffer build(const char *pickles, const uint64_t *count)
{
    struct pawl_buffer file = {0};
    pawl_buffer_append(&file, pickles, strlen(pickles));
    if (count != NULL) {
        pawl_buffer_append(&file, count, sizeof(*count));
        for (uint64_t i = 0; i < *count; i++) {
            float number = (float)i;
            pawl_buffer_append(&file, &number, sizeof(number));
        }
    }
    assert_false(file.failed);
    return file;
}

/* Shows the root, reads all payload; or fills `err`. */
static char *read_shown(const struct pawl_buffer *file, struct pawl_error *err)
{
    struct memory_source memory;
    struct pawl_state *values = NULL;
    char *shown = NULL;
    memset(err, 0, sizeof(*err));
    memory_source_init(&memory, file->data, file->len);
    int rc = legacy->read(&values, &memory.source, memory_source_release, err);
    assert_int_equal(memory.released, 0);
    if (rc == 0) {
        shown = show_value(pawl_state_root(values));
        pawl_state_read_all(values, err);
        pawl_state_free(values);
    }
    assert_int_equal(memory.released, rc == 0 ? 1 : 0);
    memory_source_fini(&memory);
    return shown;
}

static void expect(const char *pickles, uint64_t count, int code,
                   const char *expected)
{
    struct pawl_error err;
    struct pawl_buffer file = build(pickles, &count);
    char *got = read_shown(&file, &err);
    if (err.code != code ||
        (code == 0 ? strcmp(got, expected) != 0
                   : strstr(err.message, expected) == NULL ||
                         strncmp(err.message, "'test.pt': ", 11) != 0)) {
        fail_msg("got %d %s %s, expected %s", err.code, got == NULL ? "" : got,
                 err.message, expected);
    }
    free(got);
    pawl_buffer_fini(&file);
}

/* ---- tests ------------------------------------------------------------- */

static void check_golden(const char *name, const char *expected)
{
    size_t len = 0;
    struct memory_source memory;
    struct pawl_state *values = NULL;
    struct pawl_error err = {0};
    char *data = golden_read(name, &len);
    assert_true(legacy->probe(data, 64));
    memory_source_init(&memory, data, len);
    if (legacy->read(&values, &memory.source, NULL, &err) < 0) {
        fail_msg("%s: %s", name, err.message);
    }
    char *got = show_value(pawl_state_root(values));
    assert_string_equal(got, expected);
    free(got);
    assert_int_equal(pawl_state_read_all(values, NULL), 0);
    const struct pawl_value *model =
        pawl_lookup(pawl_state_root(values), "model");
    const struct pawl_tensor *w = pawl_get_tensor(pawl_lookup(model, "w"));
    const float *floats = pawl_storage_data(w->storage);
    for (int i = 0; i < 12; i++) {
        assert_true(floats[i] == (float)i);
    }
    const struct pawl_tensor *half =
        pawl_get_tensor(pawl_lookup(model, "half"));
    assert_memory_equal(pawl_storage_data(half->storage), "\xc0\x3f\0\xc0", 4);
    pawl_state_free(values);
    memory_source_fini(&memory);
    free(data);
}

static void test_golden(void **state)
{
    static const char *const names[] = {"legacy.pt", "legacy4.pt"};
    size_t len = 0;
    char *expected = golden_read("expected.txt", &len);
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char *line = strstr(expected, names[i]);
        char *text = strchr(line, '\t') + 1;
        text = strndup(text, strcspn(text, "\n"));
        check_golden(names[i], text);
        free(text);
    }
    free(expected);
}

static void test_probe(void **state)
{
    (void)state;
    assert_true(legacy->probe(MAGIC, sizeof(MAGIC) - 1));
    assert_false(legacy->probe(MAGIC, sizeof(MAGIC) - 2));
    assert_false(legacy->probe("L119547037146038801333357L\n.", 28));
    assert_false(legacy->probe("PK\3\4", 4));
    assert_false(legacy->probe("", 0));
    assert_false(legacy->probe("N.", 2));
    assert_true(legacy->probe("storages\0", 9));
    assert_null(legacy->plan);
}

#define FLOATS(view) STORAGE6("Float", "8", "6", view)
#define KEYS "(S'8'\nl."
#define GRID(view) TENSOR(FLOATS(view), "0", "I2\nI2\n", "I2\nI1\n")

static void test_tensors(void **state)
{
    (void)state;
    expect(HEAD GRID("N") "." KEYS, 6, 0,
           "tensor(float32 (2, 2) (2, 1) +0 s0)");
    expect(HEAD "N.(l.", 0, 0, "None");
    expect(HEAD "(S'module'\ncm\nNet\nS'net.py'\nS'class Net: pass'\ntQ.(l.", 0,
           0, "<m.Net>");
    expect(HEAD FLOATS("N") "." KEYS, 6, 0, "storage(float32 s0)");
    expect(HEAD TENSOR(STORAGE6("Float", "5", "0", "N"), "0", "I0\n",
                       "I1\n") ".(S'5'\nl.",
           0, 0, "tensor(float32 (0) (1) +0 s0)");
}

/* A view is over the storage that it views, and one of its own as a value. */
static void test_views(void **state)
{
#define VIEW "(S'v'\nI2\nI4\nt"
    struct pawl_error err;
    uint64_t count = 6;
    (void)state;
    expect(HEAD GRID(VIEW) "." KEYS, 6, 0,
           "tensor(float32 (2, 2) (2, 1) +2 s0)");
    expect(HEAD "(" GRID(VIEW) GRID(VIEW) "l." KEYS, 6, 0,
           "[tensor(float32 (2, 2) (2, 1) +2 s0), "
           "tensor(float32 (2, 2) (2, 1) +2 s0)]");
    /* within the storage but not within the view */
    expect(HEAD TENSOR(FLOATS(VIEW), "1", "I2\nI2\n", "I2\nI1\n") "." KEYS, 6,
           PAWL_EFORMAT, "reaches past its storage of 4");
    expect(HEAD FLOATS("(S'v'\nI2\nI5\nt") "." KEYS, 6, PAWL_EFORMAT,
           "malformed view");
    expect(HEAD FLOATS("(S'v'\nI9223372036854775807\nI5\nt") "." KEYS, 6,
           PAWL_EFORMAT, "malformed view");
    expect(HEAD FLOATS("(S'v'\nI-1\nI5\nt") "." KEYS, 6, PAWL_EFORMAT,
           "malformed view");
    expect(HEAD FLOATS("(S'8'\nI0\nI6\nt") "." KEYS, 6, PAWL_EFORMAT,
           "two places");
    expect(HEAD "(" FLOATS(VIEW) FLOATS("(S'v'\nI1\nI4\nt") "l." KEYS, 6,
           PAWL_EFORMAT, "two places");
    expect(HEAD "(" FLOATS(VIEW) STORAGE6("Float", "v", "4", "N") "l." KEYS, 6,
           PAWL_EFORMAT, "view of a view");

    struct pawl_buffer file = build(HEAD FLOATS(VIEW) "." KEYS, &count);
    struct memory_source memory;
    struct pawl_state *values = NULL;
    float got[4];
    static const float expected[4] = {2, 3, 4, 5};
    memory_source_init(&memory, file.data, file.len);
    assert_int_equal(legacy->read(&values, &memory.source, NULL, &err), 0);
    struct pawl_storage *view = pawl_get_storage(pawl_state_root(values));
    assert_int_equal(pawl_storage_read(view, got, sizeof(got), NULL), 0);
    assert_memory_equal(got, expected, sizeof(got));
    pawl_state_free(values);
    memory_source_fini(&memory);
    pawl_buffer_fini(&file);
}

static void test_wrong_heads(void **state)
{
    (void)state;
    expect("L119547037146038801333357L\n.", 0, PAWL_EFORMAT,
           "does not begin as a torch file");
    expect(MAGIC "I1002\n.", 0, PAWL_ENOTSUP, "unknown version");
    expect(MAGIC "N.", 0, PAWL_ENOTSUP, "unknown version");
    expect(MAGIC "I1001\n.(d.", 0, PAWL_EFORMAT, "byte order");
    expect(MAGIC "I1001\n.N.", 0, PAWL_EFORMAT, "byte order");
    expect(MAGIC "I1001\n.(S'little_endian'\nI00\nd.", 0, PAWL_ENOTSUP,
           "big-endian");
    expect("", 0, PAWL_EFORMAT, "");
}

static void test_wrong_storages(void **state)
{
    (void)state;
    expect(HEAD GRID("N") ".(l.", 6, PAWL_EFORMAT, "is missing in the list");
    expect(HEAD GRID("N") ".N.", 6, PAWL_EFORMAT, "list of storages");
    expect(HEAD GRID("N") ".(I8\nl.", 6, PAWL_EFORMAT, "list of storages");
    expect(HEAD GRID("N") ".(S'9'\nl.", 6, PAWL_EFORMAT, "list of storages");
    expect(HEAD GRID("N") ".(S'8'\nS'8'\nl.", 6, PAWL_EFORMAT,
           "list of storages");
    expect(HEAD GRID("N") "." KEYS, 5, PAWL_EFORMAT,
           "cut short in storage '8'");
    expect(HEAD GRID("N") "." KEYS, 7, PAWL_EFORMAT,
           "a storage has 7 elements where its tensors have 6");
    expect(HEAD STORAGE("Float", "8", "6") "." KEYS, 6, PAWL_EFORMAT,
           "malformed storage id");
    expect(HEAD STORAGE6("Float", "8", "4611686018427387903", "N") "." KEYS, 6,
           PAWL_EFORMAT, "cut short in storage");
}

static void test_tar(void **state)
{
    char block[1024] = "sys_info";
    struct pawl_buffer file = {0};
    struct pawl_error err;
    (void)state;
    memcpy(block + 257, "ustar", 5);
    pawl_buffer_append(&file, block, sizeof(block));
    assert_true(legacy->probe(block, 64));
    assert_null(read_shown(&file, &err));
    assert_int_equal(err.code, PAWL_ENOTSUP);
    assert_non_null(strstr(err.message, "tar file of torch 0.1"));
    pawl_buffer_fini(&file);
}

/* Cut anywhere it is an error; with a bit flipped, nothing crashes. */
static void test_damage(void **state)
{
    size_t len = 0;
    char *data = golden_read("legacy.pt", &len);
    struct pawl_error err;
    (void)state;
    for (size_t cut = 0; cut < len; cut++) {
        struct pawl_buffer file = {0};
        pawl_buffer_append(&file, data, cut);
        assert_null(read_shown(&file, &err));
        assert_int_equal(err.code, PAWL_EFORMAT);
        pawl_buffer_fini(&file);
    }
    for (size_t bit = 0; bit < len * 8; bit++) {
        struct pawl_buffer file = {0};
        pawl_buffer_append(&file, data, len);
        file.data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        free(read_shown(&file, &err));
        pawl_buffer_fini(&file);
    }
    free(data);
}

/* Structure touches no payload beyond the window that it reads ahead. */
static void test_lazy(void **state)
{
    enum { WINDOW = 65536 };
    uint64_t count = 1000000;
    struct memory_source memory;
    struct pawl_state *values = NULL;
    struct pawl_buffer file =
        build(HEAD STORAGE6("Float", "8", "1000000", "N") "." KEYS, &count);
    (void)state;
    memory_source_init(&memory, file.data, file.len);
    assert_int_equal(legacy->read(&values, &memory.source, NULL, NULL), 0);
    assert_true(memory.bytes_read <= WINDOW + 512);
    size_t before = memory.bytes_read;
    assert_int_equal(pawl_state_read_all(values, NULL), 0);
    assert_int_equal(memory.bytes_read - before, 8 + 4 * count);
    pawl_state_free(values);
    memory_source_fini(&memory);
    pawl_buffer_fini(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_wrong_heads),
        cmocka_unit_test(test_wrong_storages),
        cmocka_unit_test(test_tar),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_lazy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
