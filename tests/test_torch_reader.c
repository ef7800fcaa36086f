/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_torch_reader.c - torch's zip files become states, or errors
 *
 * The golden files are torch's own; tests/read_oracle.py compares many more
 * with torch.load.
 */
#include "format/torch_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden_zip64.h"
#include "memory_source.h"
#include "show_value.h"
#include "torch_pickles.h"
#include "zip_builder.h"

static const float six[6] = {0, 1, 2, 3, 4, 5};

#define FLOATS STORAGE("Float", "0", "6")
#define GRID TENSOR(FLOATS, "0", "I2\nI3\n", "I3\nI1\n")

/* ---- golden ------------------------------------------------------------ */

/* The text that belongs to a golden file; the caller frees it. */
static char *expected_of(const char *name)
{
    size_t len = 0;
    char *all = golden_read("expected.txt", &len);
    char *line = all;
    size_t name_len = strlen(name);
    while (strncmp(line, name, name_len) != 0 || line[name_len] != '\t') {
        line = strchr(line, '\n') + 1;
    }
    line += name_len + 1;
    char *text = strndup(line, strcspn(line, "\n"));
    free(all);
    return text;
}

/* What tests/golden/make.py put into its checkpoint, storage by storage. */
static void check_golden_payload(struct pawl_state *values)
{
    static const float ones[] = {1, 1};
    static const unsigned char half[] = {0xc0, 0x3f, 0x00, 0xc0};
    static const int64_t seven = 7;
    static const float conj[] = {1, 2};
    float twelve[12];
    for (int i = 0; i < 12; i++) {
        twelve[i] = (float)i;
    }
    const struct {
        const void *data;
        size_t len;
    } payloads[] = {{twelve, sizeof(twelve)},
                    {half, sizeof(half)},
                    {ones, sizeof(ones)},
                    {&seven, sizeof(seven)},
                    {"", 0},
                    {conj, sizeof(conj)}};
    struct pawl_error err = {0};
    assert_int_equal(pawl_state_storage_count(values), 6);
    assert_int_equal(pawl_state_read_all(values, &err), 0);
    const struct pawl_value *root = pawl_state_root(values);
    const struct pawl_value *model = pawl_lookup(root, "model");
    const struct pawl_value *tensors[] = {
        pawl_lookup(model, "w"),        pawl_lookup(model, "half"),
        pawl_lookup(root, "parameter"), pawl_lookup(root, "scalar"),
        pawl_lookup(root, "empty"),     pawl_lookup(root, "conj")};
    for (size_t i = 0; i < 6; i++) {
        const struct pawl_storage *storage =
            pawl_get_tensor(tensors[i])->storage;
        assert_int_equal(pawl_storage_size(storage), payloads[i].len);
        assert_true(payloads[i].len == 0 ||
                    memcmp(pawl_storage_data(storage), payloads[i].data,
                           payloads[i].len) == 0);
    }
}

static void test_golden(void **state)
{
    static const char *const names[] = {"plain.pt", "protocol4.pt", "nocrc.pt",
                                        "deflated.pt"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t len = 0;
        char *data = golden_read(names[i], &len);
        char *expected = expected_of(names[i]);
        struct memory_source memory;
        struct pawl_state *values = NULL;
        struct pawl_error err = {0};
        memory_source_init(&memory, data, len);
        assert_true(pawl_torch_probe(data, len));
        if (pawl_torch_read(&values, &memory.source, NULL, &err) < 0) {
            fail_msg("%s: %s", names[i], err.message);
        }
        char *got = show_value(pawl_state_root(values));
        assert_string_equal(got, expected);
        check_golden_payload(values);
        free(got);
        pawl_state_free(values);
        memory_source_fini(&memory);
        free(expected);
        free(data);
    }
}

static void test_probe(void **state)
{
    (void)state;
    assert_true(pawl_torch_probe("PK\3\4", 4));
    assert_false(pawl_torch_probe("PK\3", 3));
    assert_false(pawl_torch_probe("PK\5\6", 4));
    assert_false(pawl_torch_probe(NULL, 0));
}

/* ---- files built here -------------------------------------------------- */

/* Reads what was built; shows its root, or fills `err`. */
static char *read_shown(const struct zip_builder *zip, struct pawl_error *err)
{
    struct memory_source memory;
    struct pawl_state *values = NULL;
    char *shown = NULL;
    memset(err, 0, sizeof(*err));
    memory_source_init(&memory, zip->file.data, zip->file.len);
    int rc =
        pawl_torch_read(&values, &memory.source, memory_source_release, err);
    assert_int_equal(memory.released, 0);
    if (rc == 0) {
        shown = show_value(pawl_state_root(values));
        pawl_state_free(values);
    }
    /* Once for a state, and never for an error. */
    assert_int_equal(memory.released, rc == 0 ? 1 : 0);
    memory_source_fini(&memory);
    return shown;
}

/* The file of this pickle and of six floats reads as `expected`, or fails with
 * a message that begins with the file and holds `expected`. */
static void expect(const char *pickle, int code, const char *expected)
{
    struct zip_builder zip = {0};
    struct pawl_error err;
    zip_torch_file(&zip, pickle, strlen(pickle), six, sizeof(six));
    char *got = read_shown(&zip, &err);
    if (err.code != code ||
        (code == 0 ? strcmp(got, expected) != 0
                   : strstr(err.message, expected) == NULL ||
                         strncmp(err.message, "'test.pt': ", 11) != 0)) {
        fail_msg("got %d %s %s, expected %s", err.code, got, err.message,
                 expected);
    }
    free(got);
    zip_fini(&zip);
}

static void test_tensors(void **state)
{
    (void)state;
    expect(GRID ".", 0, "tensor(float32 (2, 3) (3, 1) +0 s0)");
    expect(TENSOR(FLOATS, "5", "", "") ".", 0, "tensor(float32 () () +5 s0)");
    expect(TENSOR(FLOATS, "1", "I2\n", "I4\n") ".", 0,
           "tensor(float32 (2) (4) +1 s0)");
    expect(TENSOR(FLOATS, "0", "I9\nI6\n", "I0\nI1\n") ".", 0,
           "tensor(float32 (9, 6) (0, 1) +0 s0)");
    expect(TENSOR(FLOATS, "99", "I0\n", "I1\n") ".", 0,
           "tensor(float32 (0) (1) +99 s0)");
    expect("(" GRID GRID "l.", 0,
           "[tensor(float32 (2, 3) (3, 1) +0 s0), "
           "tensor(float32 (2, 3) (3, 1) +0 s0)]");
    expect("(" FLOATS FLOATS "l.", 0,
           "[storage(float32 s0), "
           "storage(float32 s0)]");
    expect(CALL("_rebuild_tensor", GEOMETRY(FLOATS, "0", "I6\n", "I1\n")) ".",
           0, "tensor(float32 (6) (1) +0 s0)");
    expect(TENSOR(STORAGE("Untyped", "0", "24"), "0", "I6\n", "I1\n") ".", 0,
           "tensor(uint8 (6) (1) +0 s0)");
    expect(TENSOR("(S'storage'\nctorch.cuda\nFloatStorage\nS'0'\nS'cuda:1'\n"
                  "I6\ntQ",
                  "0", "I6\n", "I1\n") ".",
           0, "tensor(float32 (6) (1) +0 s0)");
    expect("(" TENSOR(STORAGE("Byte", "0", "24"), "0", "I6\n", "I1\n")
               STORAGE("Untyped", "0", "24") "l.",
           0, "[tensor(uint8 (6) (1) +0 s0), storage(uint8 s0)]");
}

#define V2(grad, hooks, metadata)                                              \
    CALL("_rebuild_tensor_v2",                                                 \
         GEOMETRY(FLOATS, "0", "I6\n", "I1\n") grad hooks metadata)
#define V3(dtype, metadata)                                                    \
    CALL("_rebuild_tensor_v3",                                                 \
         GEOMETRY(STORAGE("Untyped", "0", "24"), "0", "I6\n",                  \
                  "I1\n") "I00\n" ORDERED_DICT "ctorch\n" dtype "\n" metadata)
#define INERT_ARGS "(storage(float32 s0), 0, (6,), (1,), "

static void test_rebuilds(void **state)
{
    (void)state;
    expect(V2("I01\n", ORDERED_DICT, "") ".", 0,
           "tensor(float32 (6) (1) +0 s0 grad)");
    expect(V2("I01\n", "N", "") ".", 0, "tensor(float32 (6) (1) +0 s0 grad)");
    expect(V2("I00\n", ORDERED_DICT, "(S'conj'\nI01\nS'neg'\nI01\nd") ".", 0,
           "tensor(float32 (6) (1) +0 s0 conj neg)");
    expect(V3("float8_e5m2", "") ".", 0, "tensor(float8_e5m2 (6) (1) +0 s0)");
    expect(V3("complex32", "(S'conj'\nI01\nd") ".", 0,
           "tensor(complex32 (6) (1) +0 s0 conj)");
    expect(CALL("_rebuild_parameter", GRID "I01\n" ORDERED_DICT) ".", 0,
           "parameter(float32 (2, 3) (3, 1) +0 s0 grad)");
    expect(CALL("_rebuild_parameter", GRID "I00\n" ORDERED_DICT) ".", 0,
           "parameter(float32 (2, 3) (3, 1) +0 s0)");
}

/* What would be lost otherwise stays an object. */
static void test_inert(void **state)
{
    (void)state;
    expect(V2("I00\n", ORDERED_DICT "S'k'\nNs", "") ".", 0,
           "call(<torch._utils._rebuild_tensor_v2>, " INERT_ARGS
           "False, ordered{'k': None}))");
    expect(V2("I00\n", ORDERED_DICT, "(S'new'\nI01\nd") ".", 0,
           "call(<torch._utils._rebuild_tensor_v2>, " INERT_ARGS
           "False, ordered{}, {'new': True}))");
    expect(V3("int3", "") ".", 0,
           "call(<torch._utils._rebuild_tensor_v3>, (storage(untyped s0), 0, "
           "(6,), (1,), False, ordered{}, <torch.int3>))");
    expect(CALL("_rebuild_parameter", "N"
                                      "I01\n" ORDERED_DICT) ".",
           0,
           "call(<torch._utils._rebuild_parameter>, (None, True, ordered{}))");
    expect(CALL("_rebuild_sparse_tensor", "N(" GRID "t") ".", 0,
           "call(<torch._utils._rebuild_sparse_tensor>, (None, (tensor(float32 "
           "(2, 3) (3, 1) +0 s0),)))");
    expect("ctorch\nSize\n((I2\nttR.", 0, "call(<torch.Size>, ((2,),))");
    expect("cos\nsystem\n(S'id'\ntR.", 0, "call(<os.system>, ('id',))");
}

static void test_wrong_tensors(void **state)
{
    (void)state;
    expect(TENSOR(FLOATS, "1", "I6\n", "I1\n") ".", PAWL_EFORMAT,
           "record 'data.pkl': byte ");
    expect(TENSOR(FLOATS, "1", "I6\n", "I1\n") ".", PAWL_EFORMAT,
           "(REDUCE): torch._utils._rebuild_tensor_v2: a tensor reaches past "
           "its storage of 6 elements");
    expect(TENSOR(FLOATS, "6", "", "") ".", PAWL_EFORMAT, "reaches past");
    expect(TENSOR(FLOATS, "0", "I2\n", "I6\n") ".", PAWL_EFORMAT,
           "reaches past");
    expect(TENSOR(FLOATS, "0", "I2\n", "I9223372036854775807\n") ".",
           PAWL_EFORMAT, "reaches past");
    expect(TENSOR(FLOATS, "0", "I4294967296\nI4294967296\n", "I0\nI0\n") ".",
           PAWL_EFORMAT, "overflows");
    expect(TENSOR(FLOATS, "0", "I0\nI4294967296\nI4294967296\n",
                  "I0\nI0\nI0\n") ".",
           PAWL_EFORMAT, "overflows");
    expect(TENSOR(FLOATS, "-1", "I1\n", "I1\n") ".", PAWL_EFORMAT,
           "wrong arguments");
    expect(TENSOR(FLOATS, "0", "I-1\n", "I1\n") ".", PAWL_EFORMAT,
           "wrong arguments");
    expect(TENSOR(FLOATS, "0", "I1\n", "I-1\n") ".", PAWL_EFORMAT,
           "wrong arguments");
    expect(TENSOR(FLOATS, "0", "I1\n", "") ".", PAWL_EFORMAT,
           "wrong arguments");
    expect(TENSOR(FLOATS, "0", "N", "I1\n") ".", PAWL_EFORMAT,
           "wrong arguments");
    expect(TENSOR("N", "0", "I1\n", "I1\n") ".", PAWL_EFORMAT,
           "wrong arguments");
    expect(CALL("_rebuild_tensor_v2", "N") ".", PAWL_EFORMAT,
           "wrong arguments");
    expect(CALL("_rebuild_tensor", "N") ".", PAWL_EFORMAT, "wrong arguments");
    expect(CALL("_rebuild_parameter", GRID) ".", PAWL_EFORMAT,
           "wrong arguments");
    /* 25 bytes of 24, through the untyped class */
    expect(TENSOR(STORAGE("Untyped", "0", "24"), "0", "I25\n", "I1\n") ".",
           PAWL_EFORMAT, "reaches past");
    /* 65 dimensions */
    char many[1024];
    char ones[65 * 3 + 1] = "";
    for (size_t i = 0; i < 65; i++) {
        memcpy(ones + 3 * i, "I1\n", 4);
    }
    snprintf(many, sizeof(many),
             "ctorch._utils\n_rebuild_tensor\n(" FLOATS "I0\n(%st(%sttR.", ones,
             ones);
    expect(many, PAWL_EFORMAT, "wrong arguments");
}

static void test_wrong_storages(void **state)
{
    (void)state;
    expect(STORAGE("Float", "0", "7") ".", PAWL_EFORMAT,
           "record 'data/0' has 24 bytes, its storage 28");
    expect(STORAGE("Float", "1", "6") ".", PAWL_EFORMAT,
           "record 'data/1' is missing");
    expect(STORAGE("Float", "1", "0") ".", 0, "storage(float32 s0)");
    expect(STORAGE("Float", "0", "-1") ".", PAWL_EFORMAT, "malformed storage");
    expect(STORAGE("Float", "0", "4611686018427387904") ".", PAWL_EFORMAT,
           "overflows");
    expect(STORAGE("Float", "0", "4611686018427387903") ".", PAWL_EFORMAT,
           "its storage 18446744073709551612");
    expect(STORAGE("Float", "", "6") ".", PAWL_EFORMAT, "key of a storage");
    expect(STORAGE("Float", "../version", "0") ".", 0, "storage(float32 s0)");
    expect(STORAGE("Foo", "0", "6") ".", PAWL_ENOTSUP,
           "storages of class 'FooStorage'");
    expect("(" FLOATS STORAGE("Float", "0", "5") "l.", PAWL_EFORMAT,
           "storage '0' has two types or sizes");
    expect("(" FLOATS STORAGE("Int", "0", "6") "l.", PAWL_EFORMAT,
           "storage '0' has two types or sizes");
    /* an empty one may go by any type */
    expect("(" STORAGE("Int", "9", "0") STORAGE("Float", "9", "0") "l.", 0,
           "[storage(int32 s0), storage(float32 s1)]");
    expect("NQ.", PAWL_EFORMAT, "names no storage");
    expect("(S'module'\nNNNNtQ.", PAWL_EFORMAT, "names no storage");
    expect("(" STORAGE_ID("Float", "0", "6") "NtQ.", PAWL_EFORMAT,
           "malformed storage id");
    expect("(S'storage'\nNS'0'\nS'cpu'\nI6\ntQ.", PAWL_EFORMAT,
           "without a class");
}

/* ---- records ----------------------------------------------------------- */

static void expect_records(struct zip_builder *zip, int code,
                           const char *message)
{
    struct pawl_error err;
    zip_finish(zip);
    char *got = read_shown(zip, &err);
    if (err.code != code || strstr(err.message, message) == NULL) {
        fail_msg("%d %s, expected %s", err.code, err.message, message);
    }
    free(got);
    zip_fini(zip);
}

static void test_version(void **state)
{
    static const struct {
        const char *name;
        const char *text;
        int code;
    } versions[] = {
        {"m/version", "3\n", 0},
        {"m/version", "1", 0},
        {"m/version", "10\n", 0},
        {"m/.data/version", "6\n", 0},
        {"m/version", "0\n", PAWL_ENOTSUP},
        {"m/version", "11\n", PAWL_ENOTSUP},
        {"m/version", "99999999999999999999999\n", PAWL_ENOTSUP},
        {"m/version", "x", PAWL_EFORMAT},
        {"m/version", "", PAWL_EFORMAT},
        {"m/version", "-3", PAWL_EFORMAT},
        {"m/other", "3\n", PAWL_EFORMAT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        struct zip_builder zip = {0};
        zip_add(&zip, "m/data.pkl", "N.", 2);
        zip_add(&zip, versions[i].name, versions[i].text,
                strlen(versions[i].text));
        expect_records(&zip, versions[i].code, "");
    }
}

static void test_records(void **state)
{
    static const struct {
        const char *name;
        const char *text;
        int code;
        const char *message;
    } extras[] = {
        {"m/byteorder", "little", 0, ""},
        {"m/byteorder", "big", PAWL_ENOTSUP, "big-endian"},
        {"m/byteorder", "middle", PAWL_EFORMAT, "record 'byteorder'"},
        {"m/constants.pkl", "N.", PAWL_ENOTSUP, "TorchScript"},
        {"m/anything", "else", 0, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
        struct zip_builder zip = {0};
        zip_add(&zip, "m/data.pkl", "N.", 2);
        zip_add(&zip, "m/version", "3\n", 2);
        zip_add(&zip, extras[i].name, extras[i].text, strlen(extras[i].text));
        expect_records(&zip, extras[i].code, extras[i].message);
    }
    struct zip_builder zip = {0};
    zip_add(&zip, "m/version", "3\n", 2);
    expect_records(&zip, PAWL_EFORMAT, "'data.pkl' is missing");
    struct zip_builder large = {0};
    char text[100];
    memset(text, '3', sizeof(text));
    zip_add(&large, "m/version", text, sizeof(text));
    expect_records(&large, PAWL_EFORMAT, "too long");
}

/* ---- payload ----------------------------------------------------------- */

/* A record that is longer than its storage: the rest is ignored, but covered
 * by the checksum all the same. */
static void test_tail(void **state)
{
    static const char pickle[] = STORAGE("Float", "0", "2") ".";
    struct zip_builder zip = {0};
    struct memory_source memory;
    struct pawl_state *values = NULL;
    struct pawl_error err;
    float got[2];
    (void)state;
    zip_torch_file(&zip, pickle, strlen(pickle), six, sizeof(six));
    memory_source_init(&memory, zip.file.data, zip.file.len);
    assert_int_equal(pawl_torch_read(&values, &memory.source, NULL, NULL), 0);
    struct pawl_storage *storage = pawl_get_storage(pawl_state_root(values));
    assert_int_equal(pawl_storage_size(storage), 8);
    assert_int_equal(pawl_storage_read(storage, got, 8, NULL), 0);
    assert_memory_equal(got, six, 8);
    memory.data[zip.places[2].data + 20] ^= 1;
    assert_int_equal(pawl_storage_read(storage, got, 8, &err), PAWL_ECORRUPT);
    assert_non_null(
        strstr(err.message, "'test.pt': record 'data/0': checksum mismatch"));
    pawl_state_free(values);
    memory_source_fini(&memory);
    zip_fini(&zip);
}

/* Structure touches no payload, and one storage is read alone. */
static void test_lazy(void **state)
{
    enum { LARGE = 1000000, PLENTY = 70000 };
    static const char pickle[] = "(" STORAGE("Byte", "0", "1000000")
        STORAGE("Byte", "1", "1000000") "l.";
    struct zip_builder zip = {0};
    struct memory_source memory;
    struct pawl_state *values = NULL;
    char *payload = calloc(1, LARGE);
    char *got = malloc(LARGE);
    (void)state;
    memset(payload, 'p', LARGE);
    zip_add(&zip, "archive/data/0", payload, LARGE);
    zip_add(&zip, "archive/data/1", payload, LARGE);
    zip_torch_file(&zip, pickle, strlen(pickle), NULL, 0);
    memory_source_init(&memory, zip.file.data, zip.file.len);
    assert_int_equal(pawl_torch_read(&values, &memory.source, NULL, NULL), 0);
    assert_true(memory.bytes_read < PLENTY);
    size_t before = memory.bytes_read;
    struct pawl_storage *second =
        pawl_get_storage(pawl_item(pawl_state_root(values), 1));
    assert_null(pawl_storage_data(second));
    assert_int_equal(pawl_storage_read(second, got, LARGE, NULL), 0);
    assert_memory_equal(got, payload, LARGE);
    assert_true(memory.bytes_read - before < LARGE + 100);
    memory.fail_after = 1;
    struct pawl_error err;
    assert_int_equal(pawl_storage_read(second, got, LARGE, &err), PAWL_EIO);
    pawl_state_free(values);
    memory_source_fini(&memory);
    zip_fini(&zip);
    free(payload);
    free(got);
}

/* ---- beyond 4 GiB ------------------------------------------------------ */

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

/* What torch wrote around 8 GiB of zeros, and the zeros. */
static int read_huge(void *ctx, uint64_t offset, void *dst, size_t len,
                     struct pawl_error *err)
{
    unsigned char *bytes = dst;
    (void)ctx;
    (void)err;
    memset(bytes, 0, len);
    for (size_t i = 0; i < sizeof(golden_zip64) / sizeof(golden_zip64[0]);
         i++) {
        const char *hex = golden_zip64[i].hex;
        size_t piece_len = strlen(hex) / 2;
        for (size_t j = 0; j < piece_len; j++) {
            uint64_t at = golden_zip64[i].offset + j;
            if (at >= offset && at - offset < len) {
                bytes[at - offset] =
                    (unsigned char)(hex_digit(hex[2 * j]) << 4 |
                                    hex_digit(hex[2 * j + 1]));
            }
        }
    }
    return 0;
}

static void test_huge(void **state)
{
    const size_t last = sizeof(golden_zip64) / sizeof(golden_zip64[0]) - 1;
    uint64_t size =
        golden_zip64[last].offset + strlen(golden_zip64[last].hex) / 2;
    struct pawl_source source = {
        .read = read_huge, .size_bytes = size, .name = "huge.pt"};
    struct pawl_state *values = NULL;
    struct pawl_error err = {0};
    static const int64_t zeros[5] = {0};
    int64_t got[5] = {1, 1, 1, 1, 1};
    (void)state;
    if (pawl_torch_read(&values, &source, NULL, &err) < 0) {
        fail_msg("%s", err.message);
    }
    const struct pawl_value *root = pawl_state_root(values);
    char *shown = show_value(root);
    assert_string_equal(shown, "{'a': tensor(float32 (3) (1) +0 s0), "
                               "'b': tensor(uint8 (4563402752) (1) +0 s1), "
                               "'c': tensor(int64 (5) (1) +0 s2), "
                               "'d': tensor(uint8 (4563402752) (1) +0 s3), "
                               "'e': tensor(float32 (0) (1) +0 s4)}");
    free(shown);
    /* Its header lies beyond 4 GiB. */
    const struct pawl_tensor *c = pawl_get_tensor(pawl_lookup(root, "c"));
    assert_int_equal(pawl_storage_read(c->storage, got, sizeof(got), &err), 0);
    assert_memory_equal(got, zeros, sizeof(got));
    pawl_state_free(values);
}

/* ---- threads ----------------------------------------------------------- */

enum { THREADS = 4, STORAGES = 32, WORDS = 4096 };

static void *read_storages(void *arg)
{
    struct pawl_state *values = arg;
    uint32_t *got = malloc(WORDS * sizeof(*got));
    size_t wrong = 0;
    for (size_t i = 0; i < STORAGES; i++) {
        struct pawl_storage *storage =
            pawl_get_storage(pawl_item(pawl_state_root(values), i));
        if (pawl_storage_read(storage, got, WORDS * sizeof(*got), NULL) < 0 ||
            got[0] != i || got[WORDS - 1] != i) {
            wrong++;
        }
    }
    free(got);
    return (void *)wrong;
}

static void test_threads(void **state)
{
    struct zip_builder zip = {0};
    struct memory_source memory;
    struct pawl_state *values = NULL;
    uint32_t *words = malloc(WORDS * sizeof(*words));
    char *pickle = NULL;
    size_t pickle_len = 0;
    FILE *out = open_memstream(&pickle, &pickle_len);
    pthread_t threads[THREADS];
    (void)state;
    fputs("(", out);
    for (uint32_t i = 0; i < STORAGES; i++) {
        char name[64];
        for (size_t j = 0; j < WORDS; j++) {
            words[j] = i;
        }
        snprintf(name, sizeof(name), "archive/data/%u", i);
        (i % 2 ? zip_add : zip_add_deflated)(&zip, name, words,
                                             WORDS * sizeof(*words));
        fprintf(out, "(S'storage'\nctorch\nIntStorage\nS'%u'\nS'cpu'\nI%d\ntQ",
                i, WORDS);
    }
    fputs("l.", out);
    fclose(out);
    zip_torch_file(&zip, pickle, pickle_len, NULL, 0);
    memory_source_init(&memory, zip.file.data, zip.file.len);
    assert_int_equal(pawl_torch_read(&values, &memory.source, NULL, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, read_storages, values), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    pawl_state_free(values);
    memory_source_fini(&memory);
    zip_fini(&zip);
    free(words);
    free(pickle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_rebuilds),
        cmocka_unit_test(test_inert),
        cmocka_unit_test(test_wrong_tensors),
        cmocka_unit_test(test_wrong_storages),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_lazy),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
