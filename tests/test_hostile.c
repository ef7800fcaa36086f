/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_hostile.c - files made to do harm end in an error or an inert object
 *
 * Never in a crash, a call, wrong data, or memory and time out of proportion
 * to the size of the file.  Run it under the sanitizers; tests/hostile/make.py
 * shows that Python does run the pickles that are used here.
 */
#include "format/format_torch_legacy.h"
#include "format/torch_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crc32.h"
#include "memory_source.h"
#include "show_value.h"
#include "state/value.h"
#include "torch_pickles.h"
#include "zip_builder.h"

static int file_count; /* of different hostile files */

/* ---- reading all of a file --------------------------------------------- */

struct outcome {
    struct pawl_error err; /* of the structure, or of the first payload */
    char *shown;           /* NULL on an error of the structure */
    uint32_t payload_crc;  /* of all storages in a row */
};

static int read_payload(struct pawl_state *values, struct outcome *outcome)
{
    int rc = pawl_state_read_all(values, &outcome->err);
    outcome->payload_crc = 0;
    for (uint32_t i = 0; rc == 0 && i < values->storage_count; i++) {
        const struct pawl_storage *storage = values->storages[i];
        if (storage->len_bytes > 0) {
            outcome->payload_crc =
                pawl_crc32(outcome->payload_crc, storage->data,
                           (size_t)storage->len_bytes);
        }
    }
    return rc;
}

/* The code of the first error.  Free outcome->shown. */
static int read_all(struct outcome *outcome, const void *data, size_t len)
{
    struct memory_source memory;
    struct pawl_state *values = NULL;
    memset(outcome, 0, sizeof(*outcome));
    memory_source_init(&memory, data, len);
    bool zip = pawl_torch_probe(data, len);
    int rc = zip ? pawl_torch_read(&values, &memory.source,
                                   memory_source_release, &outcome->err)
                 : pawl_format_torch_legacy.read(&values, &memory.source,
                                                 memory_source_release,
                                                 &outcome->err);
    if (rc == 0) {
        outcome->shown = show_value(pawl_state_root(values));
        rc = read_payload(values, outcome);
        pawl_state_free(values);
        assert_int_equal(memory.released, 1);
    }
    memory_source_fini(&memory);
    return rc;
}

static void expect_error(const char *name, const struct pawl_buffer *file,
                         int code)
{
    struct outcome outcome;
    int rc = read_all(&outcome, file->data, file->len);
    file_count++;
    if (rc >= 0 || (code != 0 && rc != code) ||
        strlen(outcome.err.message) == 0) {
        fail_msg("%s: got %d %s %s", name, rc, outcome.err.message,
                 outcome.shown == NULL ? "" : outcome.shown);
    }
    free(outcome.shown);
}

/* ---- pickles that call ------------------------------------------------- */

#define SYSTEM "cos\nsystem\n"
#define BINARY_SYSTEM "\x8c\x02os\x8c\x06system\x93"

/* The pickle of each way that pickle knows to make Python call os.system, and
 * what must come of it: NULL is an error. */
static const struct {
    const char *name;
    const char *pickle;
    const char *shown;
} calls[] = {
    {"REDUCE", SYSTEM "(S'id'\ntR.", "call(<os.system>, ('id',))"},
    {"REDUCE by STACK_GLOBAL", "\x80\x04" BINARY_SYSTEM "\x8c\x02id\x85R.",
     "call(<os.system>, ('id',))"},
    {"NEWOBJ", SYSTEM "(S'id'\nt\x81.", "new(<os.system>, ('id',))"},
    {"NEWOBJ_EX", "\x80\x04" SYSTEM "\x8c\x02id\x85}\x92.",
     "new(<os.system>, ('id',), {})"},
    {"INST", "(S'id'\nios\nsystem\n.", "call(<os.system>, ('id',))"},
    {"OBJ", "(" SYSTEM "S'id'\no.", "call(<os.system>, ('id',))"},
    {"BUILD with __setstate__",
     "cm\nC\n)\x81}S'__setstate__'\n" SYSTEM "sbS'id'\nb.", NULL},
    {"BUILD on a function", SYSTEM "S'id'\nb.", NULL},
    {"BUILD on a module's class", "cshop\nPlain\n}S'f'\n" SYSTEM "sb.", NULL},
    {"EXT1", "\x82\x01(S'id'\ntR.", NULL},
    {"EXT4", "\x84\x01\x01\x01\x01(S'id'\ntR.", NULL},
    {"a call that is popped", SYSTEM "(S'id'\ntR0N.", NULL},
    {"a call below a mark", "(" SYSTEM "(S'id'\ntR1N.", "None"},
    {"eval", "c__builtin__\neval\n(S'1'\ntR.",
     "call(<__builtin__.eval>, ('1',))"},
    {"getattr chain",
     "cbuiltins\ngetattr\n(cos\n__dict__\nS'get'\ntR("
     "S'system'\ntR(S'id'\ntR.",
     "call(call(call(<builtins.getattr>, (<os.__dict__>, 'get')), "
     "('system',)), ('id',))"},
    {"dotted name", "\x80\x04\x8c\x02os\x8c\x0bpath.os.abc\x93)R.",
     "call(<os.path.os.abc>, ())"},
    {"in a set", "c__builtin__\nset\n(((" SYSTEM "S'id'\noltR.",
     "set[call(<os.system>, ('id',))]"},
    {"as a key", "(" SYSTEM "(S'id'\ntRNd.",
     "{call(<os.system>, ('id',)): None}"},
    {"as items", "cm\nL\n)\x81(" SYSTEM "(S'id'\ntRe.",
     "new(<m.L>, ()).items=[call(<os.system>, ('id',))]"},
    {"in a tensor's hooks",
     CALL("_rebuild_tensor_v2",
          GEOMETRY(STORAGE("Float", "0", "6"), "0", "I6\n",
                   "I1\n") "I00\n" ORDERED_DICT "S'h'\n" SYSTEM
                           "(S'id'\ntRs") ".",
     "call(<torch._utils._rebuild_tensor_v2>, (storage(float32 s0), 0, (6,), "
     "(1,), False, ordered{'h': call(<os.system>, ('id',))}))"},
    {"as a tensor's offset",
     CALL("_rebuild_tensor",
          STORAGE("Float", "0", "6") SYSTEM "(S'id'\ntR(t(t") ".",
     NULL},
    {"as a storage's class", "(S'storage'\n" SYSTEM "S'0'\nS'cpu'\nI6\ntQ.",
     NULL},
    {"as a storage's key",
     "(S'storage'\nctorch\nFloatStorage\n" SYSTEM "(S'id'\ntR"
     "S'cpu'\nI6\ntQ.",
     NULL},
    {"as a persistent id", SYSTEM "(S'id'\ntRQ.", NULL},
    {"rebuild_from_type_v2",
     CALL("_rebuild_from_type_v2", SYSTEM SYSTEM "(S'id'\ntN") ".",
     "call(<torch._utils._rebuild_from_type_v2>, (<os.system>, <os.system>, "
     "('id',), None))"},
    {"load_from_bytes", "ctorch.storage\n_load_from_bytes\n(S'N.'\ntR.",
     "call(<torch.storage._load_from_bytes>, ('N.',))"},
    {"PERSID", "Pos\n.", NULL},
    {"NEXT_BUFFER", "\x80\x05\x97.", NULL},
};

static void check_call(size_t i, const struct pawl_buffer *file)
{
    struct outcome outcome;
    int rc = read_all(&outcome, file->data, file->len);
    bool right = calls[i].shown == NULL
                     ? rc < 0 && outcome.shown == NULL
                     : rc == 0 && strcmp(outcome.shown, calls[i].shown) == 0;
    if (!right) {
        fail_msg("%s: got %d %s %s", calls[i].name, rc, outcome.err.message,
                 outcome.shown == NULL ? "" : outcome.shown);
    }
    free(outcome.shown);
    file_count++;
}

static void test_calls(void **state)
{
    static const float six[6] = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        struct zip_builder zip = {0};
        zip_torch_file(&zip, calls[i].pickle, strlen(calls[i].pickle), six,
                       sizeof(six));
        check_call(i, &zip.file);
        zip_fini(&zip);
    }
}

/* The same in each of the pickles of a legacy file. */
static void test_calls_legacy(void **state)
{
    static const char magic[] = "L119547037146038801333356L\n.";
    static const char info[] = "(S'little_endian'\nI01\nd.";
    static const char *const heads[] = {"", magic, "I1001\n.", info};
    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        struct pawl_buffer file = {0};
        for (size_t j = 0; j < 4; j++) {
            pawl_buffer_append(&file, calls[i].pickle, strlen(calls[i].pickle));
            expect_error(calls[i].name, &file, 0);
            file.len -= strlen(calls[i].pickle);
            if (j < 3) {
                pawl_buffer_append(&file, heads[j + 1], strlen(heads[j + 1]));
            }
        }
        if (strchr(calls[i].pickle, 'Q') == NULL) {
            pawl_buffer_append(&file, calls[i].pickle, strlen(calls[i].pickle));
            pawl_buffer_append(&file, "(l.", 3);
            check_call(i, &file);
        }
        pawl_buffer_fini(&file);
    }
}

/* ---- pickles that lie -------------------------------------------------- */

#define PICKLE(bytes)                                                          \
    {                                                                          \
#bytes, bytes, sizeof(bytes) - 1                                       \
    }

static void test_pickle_lies(void **state)
{
    static const struct {
        const char *name;
        const char *data;
        size_t len;
    } pickles[] = {
        PICKLE("X\xff\xff\xff\xffx."),
        PICKLE("\x8d\xff\xff\xff\xff\xff\xff\xff\xffx."),
        PICKLE("\x8d\xf0\xff\xff\xff\xff\xff\xff\x7fx."),
        PICKLE("B\xff\xff\xff\x7f."),
        PICKLE("\x8e\0\0\0\0\x01\0\0\0x."),
        PICKLE("\x96\0\0\0\0\0\0\0\x80x."),
        PICKLE("T\xff\xff\xff\xffx."),
        PICKLE("\x8b\xff\xff\xff\x7f."),
        PICKLE("\x95\xff\xff\xff\xff\xff\xff\xff\xffN."),
        PICKLE("Nr\xff\xff\xff\xff."),
        PICKLE("Nr\0\0\0\x10."),
        PICKLE("Np18446744073709551615\n."),
        PICKLE("Np9223372036854775807\n."),
        PICKLE("Np999999999999999999\n."),
        PICKLE("g18446744073709551616\n."),
        PICKLE("j\xff\xff\xff\xff."),
        PICKLE("((((((((."),
        PICKLE("N0000."),
        PICKLE("\x85."),
        PICKLE("NN\x87."),
        PICKLE("R."),
        PICKLE("(b."),
        PICKLE("}(NNNu."),
        PICKLE("}](}}u."),
        PICKLE("c"),
        PICKLE("cos\n"),
        PICKLE("S'unterminated"),
        PICKLE("c__builtin__\nbytearray\n(I2147483647\ntR."),
        PICKLE("c__builtin__\nbytes\n(L99999999999999L\ntR."),
        PICKLE("c__builtin__\nset\n(I5\ntR."),
        PICKLE("ccollections\nOrderedDict\n(I5\ntR."),
        PICKLE("c_codecs\nencode\n(NNtR."),
        PICKLE("\x80\x09N."),
        PICKLE(""),
        PICKLE("."),
    };
    (void)state;
    for (size_t i = 0; i < sizeof(pickles) / sizeof(pickles[0]); i++) {
        struct zip_builder zip = {0};
        zip_torch_file(&zip, pickles[i].data, pickles[i].len, NULL, 0);
        expect_error(pickles[i].name, &zip.file, 0);
        zip_fini(&zip);
    }
}

/* ---- pickles that grow ------------------------------------------------- */

static size_t memory_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Much of the same few instructions: memory stays in proportion, and so
 * does the time.  Whether it is refused in the end does not matter. */
static void check_growth(const char *name, const char *before,
                         size_t before_len, const char *repeated, size_t len)
{
    enum { PICKLE = 1 << 18, FACTOR = 600 };
    struct zip_builder zip = {0};
    struct memory_source memory;
    struct pawl_state *values = NULL;
    struct pawl_buffer pickle = {0};
    pawl_buffer_append(&pickle, before, before_len);
    while (pickle.len < PICKLE) {
        pawl_buffer_append(&pickle, repeated, len);
    }
    pawl_buffer_append(&pickle, "l.", 2); /* from the mark to a list */
    zip_torch_file(&zip, pickle.data, pickle.len, "xxxxxxxx", 8);
    memory_source_init(&memory, zip.file.data, zip.file.len);
    size_t memory_before = memory_in_use();
    double time_before = now();
    int rc = pawl_torch_read(&values, &memory.source, NULL, NULL);
    double time = now() - time_before;
    size_t grown = memory_in_use() - memory_before;
    print_message("%-32s %s, %3zu times the pickle, %.2f s\n", name,
                  rc < 0 ? "refused" : "read", grown / PICKLE, time);
    assert_true(grown / PICKLE < FACTOR);
    assert_true(time < 20);
    pawl_state_free(values);
    memory_source_fini(&memory);
    pawl_buffer_fini(&pickle);
    zip_fini(&zip);
    file_count++;
}

#define GROW(name, before, repeated)                                           \
    check_growth(name, "(" before, sizeof("(" before) - 1, repeated,           \
                 sizeof(repeated) - 1)
#define ONES "I1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\n"
#define PUT(index) "p" #index "\n"
#define GET(index) "h" index

static void test_growth(void **state)
{
    (void)state;
    GROW("None", "", "N");
    GROW("dicts", "", "}");
    GROW("lists", "", "]");
    GROW("marks", "", "(");
    GROW("lists below marks", "", "](");
    GROW("lists twice", "", "]2");
    GROW("dicts of one", "", "}NNs");
    GROW("lists of one", "", "]Na");
    GROW("ints", "", "I999\n");
    GROW("strings", "", "X\1\0\0\0x");
    GROW("tuples", "", "N\x85");
    GROW("memo", "N", "\x94");
    GROW("put at the end of the memo", "N", "r\0\0\x0f\0");
    GROW("calls", "cm\nC\n" PUT(0) "0", GET("\0") ")R");
    GROW("calls with items", "cm\nC\n" PUT(0) "0", GET("\0") ")RNaNNs");
    GROW("names", "", "ca\nb\n");
    GROW("names by STACK_GLOBAL", "S'a'\n" PUT(0), GET("\0") GET("\0") "\x93");
    GROW("ordered dicts", "ccollections\nOrderedDict\n" PUT(0), GET("\0") ")R");
    GROW("tensors of 64 dimensions",
         STORAGE("Float", "0", "2") PUT(0) "(" ONES ONES ONES ONES "t" PUT(1)
             ORDERED_DICT PUT(2) "ctorch._utils\n_rebuild_tensor_v2\n" PUT(
                 3) "(" GET("\0") "I0\n" GET("\1")
                 GET("\1") "I00\n" GET("\2") "t" PUT(4),
         GET("\3") GET("\4") "R");
    /* A call that copies a long argument from the memo, again and again */
    char *before = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&before, &len);
    fputs("(c__builtin__\nset\np0\n(", out);
    for (int i = 0; i < 100000; i++) {
        putc('N', out);
    }
    fputs("l\x85p1\n", out);
    fclose(out);
    check_growth("copies of a long set", before, len, GET("\0") GET("\1") "R",
                 5);
    free(before);
}

/* 200,000 levels, of each kind that can hold another value. */
static void test_deep(void **state)
{
    static const struct {
        const char *open;
        const char *close;
    } levels[] = {
        {"]", "a"}, {"(", "l"},    {"}N", "s"},          {"", "\x85"},
        {"(", "t"}, {"(", "\x91"}, {"cm\nC\n", "\x85R"}, {"cm\nC\n)\x81", "b"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        enum { DEPTH = 200000 };
        struct zip_builder zip = {0};
        struct pawl_buffer pickle = {0};
        struct outcome outcome;
        for (int j = 0; j < DEPTH; j++) {
            pawl_buffer_append(&pickle, levels[i].open, strlen(levels[i].open));
        }
        pawl_buffer_append(&pickle, "N", 1);
        for (int j = 0; j < DEPTH; j++) {
            pawl_buffer_append(&pickle, levels[i].close,
                               strlen(levels[i].close));
        }
        pawl_buffer_append(&pickle, ".", 1);
        zip_torch_file(&zip, pickle.data, pickle.len, NULL, 0);
        assert_int_equal(read_all(&outcome, zip.file.data, zip.file.len), 0);
        free(outcome.shown);
        pawl_buffer_fini(&pickle);
        zip_fini(&zip);
        file_count++;
    }
}

/* ---- tensors that lie -------------------------------------------------- */

static void test_tensor_lies(void **state)
{
#define FLOATS STORAGE("Float", "0", "6")
    static const char *const pickles[] = {
        TENSOR(FLOATS, "0", "I7\n", "I1\n") ".",
        TENSOR(FLOATS, "1", "I6\n", "I1\n") ".",
        TENSOR(FLOATS, "6", "", "") ".",
        TENSOR(FLOATS, "0", "I2\n", "I6\n") ".",
        TENSOR(FLOATS, "-1", "I1\n", "I1\n") ".",
        TENSOR(FLOATS, "0", "I-6\n", "I1\n") ".",
        TENSOR(FLOATS, "5", "I2\n", "I-1\n") ".",
        TENSOR(FLOATS, "0", "I4294967296\nI4294967296\n", "I1\nI1\n") ".",
        TENSOR(FLOATS, "0", "I0\nI9223372036854775807\nI3\n",
               "I1\nI1\nI1\n") ".",
        TENSOR(FLOATS, "9223372036854775807", "I2\n", "I1\n") ".",
        TENSOR(FLOATS, "4", "I2\n", "I9223372036854775807\n") ".",
        TENSOR(FLOATS, "0", "I3\n", "L9223372036854775808L\n") ".",
        TENSOR(FLOATS, "0", "L18446744073709551615L\n", "I1\n") ".",
        TENSOR(FLOATS, "0", "F1.0\n", "I1\n") ".",
        TENSOR(FLOATS, "0", "I2\nI3\n", "I1\n") ".",
        STORAGE("Float", "0", "7") ".",
        STORAGE("Double", "0", "4") ".",
        STORAGE("ComplexDouble", "0", "9223372036854775807") ".",
        STORAGE("Float", "0", "4611686018427387904") ".",
        STORAGE("Float", "9", "6") ".",
        "(" FLOATS STORAGE("Float", "0", "3") "l.",
        "(" FLOATS STORAGE("Int", "0", "6") "l.",
        "(" FLOATS STORAGE("Untyped", "0", "24") "l.",
        CALL("_rebuild_tensor_v3",
             GEOMETRY(STORAGE("Untyped", "0", "24"), "0", "I4\n",
                      "I1\n") "I00\n" ORDERED_DICT "ctorch\ncomplex64\n") ".",
    };
    static const float six[6] = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(pickles) / sizeof(pickles[0]); i++) {
        struct zip_builder zip = {0};
        zip_torch_file(&zip, pickles[i], strlen(pickles[i]), six, sizeof(six));
        expect_error(pickles[i], &zip.file, PAWL_EFORMAT);
        zip_fini(&zip);
    }
}

/* ---- zip files that lie ------------------------------------------------ */

static const char floats_pickle[] = STORAGE("Float", "0", "6") ".";

static void start_file(struct zip_builder *zip)
{
    memset(zip, 0, sizeof(*zip));
    zip_add(zip, "a/data.pkl", floats_pickle, sizeof(floats_pickle) - 1);
    zip_add(zip, "a/version", "3\n", 2);
}

static void end_file(struct zip_builder *zip, const char *name, int code)
{
    zip_finish(zip);
    expect_error(name, &zip->file, code);
    zip_fini(zip);
}

static void test_records_lie(void **state)
{
    static const float six[6] = {0, 1, 2, 3, 4, 5};
    struct zip_builder zip;
    (void)state;
    start_file(&zip);
    end_file(&zip, "no record", PAWL_EFORMAT);
    start_file(&zip);
    zip_add(&zip, "a/data/0", six, 23);
    end_file(&zip, "short record", PAWL_EFORMAT);
    start_file(&zip);
    zip_add_deflated(&zip, "a/data/0", six, 23);
    end_file(&zip, "short record, deflated", PAWL_EFORMAT);
    start_file(&zip);
    zip_add(&zip, "a/data/0", six, 24);
    zip_add(&zip, "a/data/0", six, 24);
    end_file(&zip, "two records", PAWL_EFORMAT);
    start_file(&zip);
    zip_add(&zip, "a/data/0", six, 24);
    zip_add(&zip, "a/data.pkl", "N.", 2);
    end_file(&zip, "two pickles", PAWL_EFORMAT);
    start_file(&zip);
    zip_add(&zip, "a/data/0", six, 24);
    zip_add(&zip, "a/DATA.PKL", "N.", 2);
    end_file(&zip, "two pickles to torch", PAWL_EFORMAT);
    start_file(&zip);
    zip_add(&zip, "b/data/0", six, 24);
    end_file(&zip, "record elsewhere", PAWL_EFORMAT);
    start_file(&zip);
    zip_add(&zip, "a/data/0", six, 24);
    zip_add(&zip, "a/constants.pkl", "N.", 2);
    end_file(&zip, "TorchScript", PAWL_ENOTSUP);
    start_file(&zip);
    zip_add(&zip, "a/data/0", six, 24);
    zip_add(&zip, "a/byteorder", "big", 3);
    end_file(&zip, "big-endian", PAWL_ENOTSUP);
}

/* A field of the entry of data/0, or of its local header, lies. */
static void test_fields_lie(void **state)
{
    static const struct {
        const char *name;
        bool local;
        size_t at;
        size_t width;
        uint64_t value;
    } lies[] = {
        {"flags", false, 8, 2, 1},
        {"method", false, 10, 2, 8},
        {"method 99", false, 10, 2, 99},
        {"crc", false, 16, 4, 1},
        {"stored size", false, 20, 4, 1000},
        {"both sizes", false, 20, 8, UINT64_C(0x0000100000001000)},
        {"sizes without zip64", false, 20, 8, UINT64_MAX},
        {"size 4 GiB", false, 24, 4, UINT32_MAX},
        {"size 20, shorter than the storage", false, 20, 8,
         UINT64_C(0x0000001400000014)},
        {"name length", false, 28, 2, 7},
        {"extra length", false, 30, 2, 4},
        {"disk", false, 34, 2, 7},
        {"offset 0", false, 42, 4, 0},
        {"offset beyond", false, 42, 4, 100000},
        {"offset far beyond", false, 42, 4, UINT32_MAX},
        {"name", false, 46 + 7, 1, '1'},
        {"name with NUL", false, 46 + 7, 1, 0},
        {"local signature", true, 0, 4, 0},
        {"local method", true, 8, 2, 8},
        {"local name length", true, 26, 2, 9},
        {"local extra length", true, 28, 2, 60000},
        {"local name", true, 30 + 7, 1, '1'},
        {"payload", true, 30 + 8, 1, 77},
    };
    static const float six[6] = {0, 1, 2, 3, 4, 5};
    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct zip_builder zip;
        start_file(&zip);
        zip_add(&zip, "a/data/0", six, sizeof(six));
        zip_finish(&zip);
        size_t base =
            lies[i].local ? zip.places[2].local : zip.places[2].central;
        memcpy(zip.file.data + base + lies[i].at, &lies[i].value,
               lies[i].width);
        expect_error(lies[i].name, &zip.file, 0);
        zip_fini(&zip);
    }
}

/* Many entries that share the same bytes: a bomb of overlapping records. */
static void test_overlap_bomb(void **state)
{
    struct zip_builder zip;
    (void)state;
    start_file(&zip);
    char name[32];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "a/data/%d", i);
        zip_add(&zip, name, "x", 1);
    }
    zip_finish(&zip);
    for (size_t i = 3; i < 42; i++) {
        put_le32(zip.file.data + zip.places[i].central + 42,
                 (uint32_t)zip.places[2].local);
    }
    expect_error("overlapping records", &zip.file, PAWL_EFORMAT);
    zip_fini(&zip);
}

/* A pickle of 128 MiB in 128 KiB. */
static void test_pickle_bomb(void **state)
{
    enum { LEN = 128 << 20 };
    struct zip_builder zip = {0};
    char *pickle = malloc(LEN);
    (void)state;
    memset(pickle, 'N', LEN);
    zip_add_deflated(&zip, "a/data.pkl", pickle, LEN);
    zip_add(&zip, "a/version", "3\n", 2);
    zip_finish(&zip);
    expect_error("pickle bomb", &zip.file, PAWL_EFORMAT);
    zip_fini(&zip);
    free(pickle);
}

/* ---- damage everywhere ------------------------------------------------- */

/* If a damaged file can be read at all, it reads as the whole one did. */
static void check_damaged(const struct outcome *whole, const char *data,
                          size_t len, size_t place)
{
    struct outcome outcome;
    int rc = read_all(&outcome, data, len);
    if (rc == 0 && (strcmp(outcome.shown, whole->shown) != 0 ||
                    outcome.payload_crc != whole->payload_crc)) {
        fail_msg("damage at %zu: %s instead of %s", place, outcome.shown,
                 whole->shown);
    }
    free(outcome.shown);
}

static void check_damage(const char *name)
{
    size_t len = 0;
    char *data = golden_read(name, &len);
    struct outcome whole;
    assert_int_equal(read_all(&whole, data, len), 0);
    for (size_t cut = 0; cut < len; cut++) {
        struct outcome outcome;
        assert_true(read_all(&outcome, data, cut) < 0);
        free(outcome.shown);
    }
    for (size_t bit = 0; bit < len * 8; bit++) {
        data[bit / 8] ^= (char)(1 << (bit % 8));
        check_damaged(&whole, data, len, bit / 8);
        data[bit / 8] ^= (char)(1 << (bit % 8));
    }
    print_message("%s: cut at %zu places, %zu bits flipped\n", name, len,
                  len * 8);
    file_count += 2;
    free(whole.shown);
    free(data);
}

static void test_damage(void **state)
{
    (void)state;
    check_damage("plain.pt");
    check_damage("deflated.pt");
}

/* Without checksums wrong data cannot be seen, but nothing worse happens. */
static void test_damage_unseen(void **state)
{
    static const char *const names[] = {"nocrc.pt", "legacy4.pt"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t len = 0;
        char *data = golden_read(names[i], &len);
        for (size_t at = 0; at < len; at++) { /* one bit of each byte */
            struct outcome outcome;
            data[at] ^= (char)(1 << (at % 8));
            read_all(&outcome, data, len);
            free(outcome.shown);
            data[at] ^= (char)(1 << (at % 8));
        }
        free(data);
        file_count++;
    }
}

static void test_count(void **state)
{
    (void)state;
    print_message("%d hostile files\n", file_count);
    assert_true(file_count >= 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_calls_legacy),
        cmocka_unit_test(test_pickle_lies),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_tensor_lies),
        cmocka_unit_test(test_records_lie),
        cmocka_unit_test(test_fields_lie),
        cmocka_unit_test(test_overlap_bomb),
        cmocka_unit_test(test_pickle_bomb),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_damage_unseen),
        cmocka_unit_test(test_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
