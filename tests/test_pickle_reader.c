/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pickle_reader.c - pickles of all protocols mean what Python meant
 *
 * The golden pickles are Python's own, with their meaning written by Python.
 * The others are spelled out instruction by instruction.
 */
#include "format/pickle_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory_source.h"
#include "show_value.h"

/* ---- reading ----------------------------------------------------------- */

/* Reads a pickle; shows its value, or the name of the error.  The caller frees
 * it. */
static char *read_shown(const void *data, size_t len,
                        const struct pawl_pickle_hooks *hooks,
                        struct pawl_error *err)
{
    struct pawl_state *state = pawl_state_new();
    struct pawl_value *value = NULL;
    struct pawl_pickle_input in;
    err->message[0] = '\0';
    pawl_pickle_input_memory(&in, data, len);
    int rc = pawl_pickle_read(&value, state, &in, hooks, err);
    char *shown = rc < 0 ? strdup(pawl_error_name(rc)) : show_value(value);
    pawl_pickle_input_fini(&in);
    pawl_state_free(state);
    return shown;
}

static void expect_n(const char *pickle, size_t len, const char *shown)
{
    struct pawl_error err;
    /* A copy of exactly that length, so that a sanitizer sees an overrun. */
    char *copy = malloc(len);
    memcpy(copy, pickle, len);
    char *got = read_shown(copy, len, NULL, &err);
    if (strcmp(got, shown) != 0) {
        fail_msg("got %s (%s), expected %s", got, err.message, shown);
    }
    free(got);
    free(copy);
}

/* For a literal, which may hold NUL. */
#define EXPECT(pickle, shown) expect_n(pickle, sizeof(pickle) - 1, shown)

/* ---- golden ------------------------------------------------------------ */

static void check_golden(const char *name, const char *shown)
{
    size_t len = 0;
    struct pawl_error err;
    char *data = golden_read(name, &len);
    char *got = read_shown(data, len, NULL, &err);
    if (strcmp(got, shown) != 0) {
        fail_msg("%s: got %s (%s), expected %s", name, got, err.message, shown);
    }
    free(got);
    /* Cut anywhere it is an error, and nothing else. */
    for (size_t cut = 0; cut < len; cut++) {
        char *part = malloc(cut + 1);
        memcpy(part, data, cut);
        got = read_shown(part, cut, NULL, &err);
        assert_string_equal(got, "PAWL_EFORMAT");
        free(got);
        free(part);
    }
    free(data);
}

static void test_golden(void **state)
{
    size_t len = 0;
    int count = 0;
    char *expected = golden_read("expected.txt", &len);
    char *line = expected;
    (void)state;
    while (*line != '\0') {
        char *end = strchr(line, '\n');
        char *tab = strchr(line, '\t');
        assert_non_null(end);
        assert_non_null(tab);
        *end = '\0';
        *tab = '\0';
        if (strstr(line, ".pkl") != NULL) {
            check_golden(line, tab + 1);
            count++;
        }
        line = end + 1;
    }
    free(expected);
    assert_int_equal(count, 28);
}

/* The same through a window that is much smaller than the pickle. */
static void test_source(void **state)
{
    enum { ITEMS = 40000, LONG = 300000 };
    struct memory_source memory;
    struct pawl_pickle_input in;
    struct pawl_value *value = NULL;
    struct pawl_value *next = NULL;
    struct pawl_state *values = pawl_state_new();
    char *data = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&data, &len);
    (void)state;
    fputs("garbage\x80\x04]\x94(", out);
    for (int i = 0; i < ITEMS; i++) {
        fprintf(out, "I%d\n", i);
    }
    fwrite("eX\xe0\x93\x04\0", 6, 1, out); /* 300,000 */
    for (int i = 0; i < LONG; i++) {
        putc('x', out);
    }
    fputs("a.K\x07.", out);
    fclose(out);
    memory_source_init(&memory, data, len);
    pawl_pickle_input_source(&in, &memory.source, 7);
    assert_int_equal(pawl_pickle_read(&value, values, &in, NULL, NULL), 0);
    assert_int_equal(pawl_pickle_tell(&in), len - 3);
    assert_int_equal(pawl_pickle_left(&in), 3);
    assert_int_equal(pawl_pickle_read(&next, values, &in, NULL, NULL), 0);
    assert_int_equal(pawl_count(value), ITEMS + 1);
    for (size_t i = 0; i < ITEMS; i++) {
        int64_t number = -1;
        assert_true(pawl_get_int(pawl_item(value, i), &number));
        assert_int_equal(number, i);
    }
    size_t text_len = 0;
    assert_non_null(pawl_get_str(pawl_item(value, ITEMS), &text_len));
    assert_int_equal(text_len, LONG);
    pawl_pickle_input_fini(&in);
    pawl_state_free(values);
    memory_source_fini(&memory);
    free(data);
}

/* A line whose newline falls on each side of the end of a window. */
static void test_window_end(void **state)
{
    enum { WINDOW = 65536 };
    (void)state;
    for (size_t len = WINDOW - 4; len < WINDOW + 4; len++) {
        struct memory_source memory;
        struct pawl_pickle_input in;
        struct pawl_value *value = NULL;
        struct pawl_state *values = pawl_state_new();
        size_t got = 0;
        char *data = malloc(len + 3);
        memset(data, 'x', len + 1);
        data[0] = 'V';
        memcpy(data + 1 + len, "\n.", 2);
        memory_source_init(&memory, data, len + 3);
        pawl_pickle_input_source(&in, &memory.source, 0);
        assert_int_equal(pawl_pickle_read(&value, values, &in, NULL, NULL), 0);
        assert_non_null(pawl_get_str(value, &got));
        assert_int_equal(got, len);
        pawl_pickle_input_fini(&in);
        pawl_state_free(values);
        memory_source_fini(&memory);
        free(data);
    }
}

/* ---- instructions ------------------------------------------------------ */

static void test_stack(void **state)
{
    (void)state;
    EXPECT("N.", "None");
    EXPECT("K\x01K\x02"
           "0.",
           "1");
    EXPECT("(K\x01K\x02"
           "1N.",
           "None");
    EXPECT("K\x01(0.", "1"); /* POP takes a mark, too */
    EXPECT("K\x01"
           "2\x86.",
           "(1, 1)");
    EXPECT("]2\x86.", "([], #1)");
    EXPECT(".", "PAWL_EFORMAT");
    EXPECT("0.", "PAWL_EFORMAT");
    EXPECT("2.", "PAWL_EFORMAT");
    EXPECT("1.", "PAWL_EFORMAT");
    EXPECT("t.", "PAWL_EFORMAT");
    EXPECT("K\x01(\x85.", "PAWL_EFORMAT"); /* the mark is in between */
    EXPECT("NN.", "PAWL_EFORMAT");
    EXPECT("N(.", "PAWL_EFORMAT");
    EXPECT("\xff.", "PAWL_EFORMAT");
    EXPECT("", "PAWL_EFORMAT");
    EXPECT("\x80\x05N.", "None");
    EXPECT("\x80\x06N.", "PAWL_ENOTSUP");
    EXPECT("\x95\x02\0\0\0\0\0\0\0N.", "None");
    EXPECT("\x95\x03\0\0\0\0\0\0\0N.", "PAWL_EFORMAT");
}

static void test_memo(void **state)
{
    (void)state;
    EXPECT("]q\0h\0\x86.", "([], #1)");
    EXPECT("]p0\ng0\n\x86.", "([], #1)");
    EXPECT("]r\x01\0\0\0j\x01\0\0\0\x86.", "([], #1)");
    EXPECT("]\x94K\x05\x94h\0h\x01\x86\x86\x86.", "([], (5, (#1, 5)))");
    EXPECT("]q\0"
           "0K\x05q\0"
           "0h\0.",
           "5"); /* put again */
    EXPECT("h\0.", "PAWL_EFORMAT");
    EXPECT("q\0.", "PAWL_EFORMAT");
    EXPECT("Nr\xff\xff\xff\x7f.", "PAWL_EFORMAT");
    EXPECT("Nr\x07\0\0\0.", "PAWL_EFORMAT");
    EXPECT("Np4294967296\n.", "PAWL_EFORMAT");
    EXPECT("Np99999999999999999999\n.", "PAWL_EFORMAT");
    EXPECT("Np-1\n.", "PAWL_EFORMAT");
    EXPECT("Np\n.", "PAWL_EFORMAT");
}

static void test_numbers(void **state)
{
    (void)state;
    EXPECT("I01\n.", "True");
    EXPECT("I00\n.", "False");
    EXPECT("I1\n.", "1");
    EXPECT("I-5\n.", "-5");
    EXPECT("I\n.", "PAWL_EFORMAT");
    EXPECT("I-\n.", "PAWL_EFORMAT");
    EXPECT("I1x\n.", "PAWL_EFORMAT");
    EXPECT("L9223372036854775808L\n.", "int:000000000000008000");
    EXPECT("L-9223372036854775808L\n.", "-9223372036854775808");
    EXPECT("L12\n.", "12");
    EXPECT("L00012L\n.", "12");
    EXPECT("M\xff\xff.", "65535");
    EXPECT("J\xff\xff\xff\xff.", "-1");
    EXPECT("\x8a\0.", "0");
    EXPECT("\x8a\x02\xff\xff.", "-1");
    EXPECT("\x8b\x01\0\0\0\x80.", "-128");
    EXPECT("\x8b\xff\xff\xff\xff.", "PAWL_EFORMAT");
    EXPECT("F1.5\n.", "1.5");
    EXPECT("F-inf\n.", "-inf");
    EXPECT("F1e400\n.", "inf");
    EXPECT("F0x10\n.", "PAWL_EFORMAT");
    EXPECT("F 1\n.", "PAWL_EFORMAT");
    EXPECT("F\n.", "PAWL_EFORMAT");
    EXPECT("G\x3f\xf8\0\0\0\0\0\0.", "1.5");
}

/* A decimal number of more digits than Python takes is refused, for the time
 * that it would need. */
static void test_digits(void **state)
{
    enum { MOST = 4300 };
    char *pickle = malloc(MOST + 5);
    struct pawl_error err;
    (void)state;
    for (size_t digits = MOST; digits <= MOST + 1; digits++) {
        pickle[0] = 'L';
        memset(pickle + 1, '9', digits);
        memcpy(pickle + 1 + digits, "\n.", 2);
        char *got = read_shown(pickle, digits + 3, NULL, &err);
        if (digits > MOST) {
            assert_string_equal(got, "PAWL_EFORMAT");
        } else {
            assert_memory_equal(got, "int:", 4);
        }
        free(got);
    }
    free(pickle);
}

static void test_strings(void **state)
{
    (void)state;
    EXPECT("X\x02\0\0\0\xc3\xa9.", "'\\xc3\\xa9'");
    EXPECT("X\x03\0\0\0\xed\xa0\x80.", "'\\xed\\xa0\\x80'"); /* surrogate */
    EXPECT("X\x01\0\0\0\xff.", "PAWL_EFORMAT");
    EXPECT("X\x02\0\0\0\xc0\x80.", "PAWL_EFORMAT"); /* overlong */
    EXPECT("X\x03\0\0\0\xe0\x80\x80.", "PAWL_EFORMAT");
    EXPECT("X\x04\0\0\0\xf4\x90\x80\x80.", "PAWL_EFORMAT"); /* > 10ffff */
    EXPECT("X\x02\0\0\0\xe2\x82.", "PAWL_EFORMAT");
    EXPECT("X\xff\xff\xff\xff.", "PAWL_EFORMAT");
    EXPECT("\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "PAWL_EFORMAT");
    EXPECT("\x8c\x01"
           "a.",
           "'a'");
    EXPECT("\x8d\x01\0\0\0\0\0\0\0a.", "'a'");
    EXPECT("Va\\u20acb\\U0001F600\n.",
           "'a\\xe2\\x82\\xacb\\xf0\\x9f\\x98\\x80'");
    EXPECT("V\\\\u0041\xe9\n.", "'\\x5c\\x5cu0041\\xc3\\xa9'");
    EXPECT("V\\u004\n.", "PAWL_EFORMAT");
    EXPECT("V\\U00110000\n.", "PAWL_EFORMAT");
    EXPECT("S'a\\n\\x41\\101\\'\\\\'\n.", "'a\\x0aAA\\x27\\x5c'");
    EXPECT("S\"q\"\n.", "'q'");
    EXPECT("S'\\xe9'\n.", "b'\\xe9'"); /* not UTF-8: bytes */
    EXPECT("S'a\n.", "PAWL_EFORMAT");
    EXPECT("S'\n.", "PAWL_EFORMAT");
    EXPECT("S'\\q'\n.", "PAWL_EFORMAT");
    EXPECT("S'\\'\n.", "PAWL_EFORMAT");
    EXPECT("S'\\x4'\n.", "PAWL_EFORMAT");
    EXPECT("U\x02\xc3\xa9.", "'\\xc3\\xa9'");
    EXPECT("T\x01\0\0\0\xe9.", "b'\\xe9'");
    EXPECT("T\xff\xff\xff\xff\xe9.", "PAWL_EFORMAT");
    EXPECT("C\x01"
           "a.",
           "b'a'");
    EXPECT("B\x01\0\0\0a.", "b'a'");
    EXPECT("\x8e\x01\0\0\0\0\0\0\0a.", "b'a'");
    EXPECT("\x96\x01\0\0\0\0\0\0\0a.", "bytearray'a'");
    EXPECT("\x96\xff\xff\xff\xff\xff\xff\xff\x7f"
           "a.",
           "PAWL_EFORMAT");
}

static void test_containers(void **state)
{
    (void)state;
    EXPECT("(K\x01K\x02l.", "[1, 2]");
    EXPECT("(K\x01K\x02"
           "d.",
           "{1: 2}");
    EXPECT("(K\x01"
           "d.",
           "PAWL_EFORMAT");
    EXPECT("}(K\x01u.", "PAWL_EFORMAT");
    EXPECT("](K\x01K\x02"
           "e.",
           "[1, 2]");
    EXPECT("](e.", "[]");
    EXPECT("\x8f(K\x01K\x02\x90.", "set[1, 2]");
    EXPECT("(K\x01\x91.", "frozenset[1]");
    EXPECT("Na.", "PAWL_EFORMAT");
    EXPECT("NNa.", "PAWL_EFORMAT");
    EXPECT(")Na.", "PAWL_EFORMAT");
    EXPECT("\x8fNa.", "PAWL_EFORMAT");
    EXPECT("](N\x90.", "PAWL_EFORMAT");
    EXPECT("]NNs.", "PAWL_EFORMAT");
    EXPECT("]q\0h\0a.", "[#0]");
    EXPECT("}q\0K\x01h\0s.", "{1: #0}");
}

static void test_hashing(void **state)
{
    (void)state;
    EXPECT("}]Ns.", "PAWL_EFORMAT");
    EXPECT("}}Ns.", "PAWL_EFORMAT");
    EXPECT("}]\x85Ns.", "PAWL_EFORMAT");
    EXPECT("}]\x85\x85Ns.", "PAWL_EFORMAT");
    EXPECT("})\x85Ns.", "{((),): None}");
    EXPECT("}(\x91Ns.", "{frozenset[]: None}");
    EXPECT("(]\x91.", "PAWL_EFORMAT");
    EXPECT("\x8f(\x8f\x90.", "PAWL_EFORMAT");
    EXPECT("(]Nd.", "PAWL_EFORMAT");
    EXPECT("c__builtin__\nset\n]]a\x85R.", "PAWL_EFORMAT");
    EXPECT("}\x96\0\0\0\0\0\0\0\0Ns.", "PAWL_EFORMAT");
}

static void test_names(void **state)
{
    (void)state;
    EXPECT("cos\nsystem\n.", "<os.system>");
    EXPECT("\x8c\x02os\x8c\x06system\x93.", "<os.system>");
    EXPECT("c\nsystem\n.", "PAWL_EFORMAT");
    EXPECT("cos\n\n.", "PAWL_EFORMAT");
    EXPECT("cos\nsys\x01\n.", "PAWL_EFORMAT");
    EXPECT("cos\n\xff\n.", "PAWL_EFORMAT");
    EXPECT("\x8c\x03o\ns\x8c\x06system\x93.", "PAWL_EFORMAT");
    EXPECT("\x8c\x03os\0\x8c\x06system\x93.", "PAWL_EFORMAT");
    EXPECT("K\x01\x8c\x06system\x93.", "PAWL_EFORMAT");
    EXPECT("\x82\x01.", "PAWL_ENOTSUP");
    EXPECT("\x83\x01\x01.", "PAWL_ENOTSUP");
    EXPECT("\x84\x01\x01\x01\x01.", "PAWL_ENOTSUP");
    EXPECT("\x97.", "PAWL_ENOTSUP");
    EXPECT("N\x98.", "PAWL_ENOTSUP");
    EXPECT("Pid\n.", "PAWL_ENOTSUP");
    EXPECT("NQ.", "PAWL_ENOTSUP");
}

/* Whatever calls a function makes an inert object. */
static void test_inert(void **state)
{
    (void)state;
    EXPECT("cos\nsystem\nX\x02\0\0\0id\x85R.", "call(<os.system>, ('id',))");
    EXPECT("cos\nsystem\nX\x02\0\0\0id\x85\x81.", "new(<os.system>, ('id',))");
    EXPECT("cos\nsystem\nX\x02\0\0\0id\x85}\x92.",
           "new(<os.system>, ('id',), {})");
    EXPECT("(S'id'\nios\nsystem\n.", "call(<os.system>, ('id',))");
    EXPECT("(ios\nsystem\n.", "new(<os.system>, ())");
    EXPECT("(cos\nsystem\nS'id'\no.", "call(<os.system>, ('id',))");
    EXPECT("cm\nC\n)\x81K\x01"
           "b.",
           "new(<m.C>, ()).state=1");
    EXPECT("cm\nC\n)\x81Nb.", "new(<m.C>, ()).state=None");
    EXPECT("cm\nC\n)\x81NaNa.", "new(<m.C>, ()).items=[None, None]");
    EXPECT("cm\nC\n)\x81NNs.", "new(<m.C>, ()).pairs={None: None}");
    /* the result of a call is called */
    EXPECT("cbuiltins\ngetattr\ncos\nX\nX\x06\0\0\0system\x86R)R.",
           "call(call(<builtins.getattr>, (<os.X>, 'system')), ())");
    EXPECT("cos\nsystem\n]R.", "PAWL_EFORMAT");
    EXPECT("cos\nsystem\nNR.", "PAWL_EFORMAT");
    EXPECT("cos\nsystem\n))\x92.", "PAWL_EFORMAT");
    EXPECT("K\x01)R.", "PAWL_EFORMAT");
    EXPECT("](No.", "PAWL_EFORMAT");
    EXPECT("(o.", "PAWL_EFORMAT");
    EXPECT("cm\nC\n(\x90.", "PAWL_EFORMAT");
}

/* Nothing is lost in silence. */
static void test_states(void **state)
{
    (void)state;
    EXPECT("cm\nC\n)\x81}b}b.", "PAWL_ENOTSUP");
    EXPECT("ccollections\nOrderedDict\n)R}K\x01K\x02sb}K\x01K\x02sb.",
           "PAWL_ENOTSUP");
    EXPECT("ccollections\nOrderedDict\n)R}b.", "ordered{}");
    EXPECT("ccollections\nOrderedDict\n)RNb.", "ordered{}");
    EXPECT("cos\nsystem\n}b.", "PAWL_ENOTSUP");
    EXPECT("cos\nsystem\n}NNsb.", "PAWL_ENOTSUP");
    EXPECT("]}NNsb.", "PAWL_ENOTSUP");
    EXPECT("]}b.", "[]");
    EXPECT("K\x01K\x02"
           "b.",
           "PAWL_ENOTSUP");
    /* a call for its effect: a state setter */
    EXPECT("cm\nC\n)\x81q\0cm\nset_state\nh\0N\x86R0.", "PAWL_ENOTSUP");
    EXPECT("cm\nC\n)Rq\0"
           "0h\0.",
           "call(<m.C>, ())");
}

/* What follows is l = []; r = Reducing(l, ...); l.append(r); dumps(r). */
#define BEGIN "cm\nC\nq\0]q\1h\0h\1" /* the callable, the list, both again */
#define MADE "Rq\2a"                 /* the inner one, in the list */
#define OUTER "R0h\2." /* the outer one, and the inner after all */

/* An object is in what it is made from: it is made on the way, and what is
 * made at the end is dropped for it. */
static void test_call_in_its_own_arguments(void **state)
{
    (void)state;
    EXPECT(BEGIN "\x85" MADE "\x85" OUTER, "call(<m.C>, ([#0],))");
    /* arguments that are there once */
    EXPECT(BEGIN "\x85q\3" MADE "0h\3" OUTER, "call(<m.C>, ([#0],))");
    /* equal, not the same */
    EXPECT(BEGIN "X\1\0\0\0aG\0\0\0\0\0\0\0\0\x87" MADE
                 "X\1\0\0\0aG\0\0\0\0\0\0\0\0\x87" OUTER,
           "call(<m.C>, ([#0], 'a', 0.0))");
    EXPECT(BEGIN "K\1h\1\x85\x86\x86" MADE "K\1h\1\x85\x86\x86" OUTER,
           "call(<m.C>, ([#0], (1, (#2,))))");
}

/* A call that is dropped is made for its effect, unless what it would make
 * comes next. */
static void test_call_for_its_effect(void **state)
{
    (void)state;
    /* other arguments */
    EXPECT(BEGIN "K\1\x86" MADE "K\2\x86" OUTER, "PAWL_ENOTSUP");
    EXPECT(BEGIN "K\1\x86" MADE "\x88\x86" OUTER, "PAWL_ENOTSUP");
    EXPECT(BEGIN "X\1\0\0\0a\x86" MADE "X\1\0\0\0b\x86" OUTER, "PAWL_ENOTSUP");
    EXPECT(BEGIN "X\1\0\0\0a\x86" MADE "B\1\0\0\0a\x86" OUTER, "PAWL_ENOTSUP");
    EXPECT(BEGIN "\x85" MADE "N\x86" OUTER, "PAWL_ENOTSUP");
    EXPECT(BEGIN "]\x86" MADE "]\x86" OUTER, "PAWL_ENOTSUP");
    /* another callable */
    EXPECT("cm\nD\n]q\1cm\nC\nh\1\x85" MADE "\x85" OUTER, "PAWL_ENOTSUP");
    /* another kind of object, or none */
    EXPECT("cm\nC\nq\0]q\1h\0h\1\x85\x81q\2a\x85" OUTER, "PAWL_ENOTSUP");
    EXPECT("cm\nC\n]q\2\x85R0h\2.", "PAWL_ENOTSUP");
    /* something else comes next, or nothing */
    EXPECT(BEGIN "\x85" MADE "\x85R0.", "PAWL_ENOTSUP");
    EXPECT(BEGIN "\x85" MADE "\x85R0Nh\2\x86.", "PAWL_ENOTSUP");
    EXPECT(BEGIN "\x85" MADE "\x85R0", "PAWL_EFORMAT");
    EXPECT(BEGIN "\x85" MADE "\x85R0h\7.", "PAWL_EFORMAT");
}

static void test_known_calls(void **state)
{
    (void)state;
    EXPECT("c_codecs\nencode\nX\x02\0\0\0\xc3\xa9X\x06\0\0\0latin1\x86R.",
           "b'\\xe9'");
    EXPECT("c_codecs\nencode\nX\x03\0\0\0\xe2\x82\xacX\x06\0\0\0latin1\x86R.",
           "PAWL_EFORMAT");
    EXPECT("c_codecs\nencode\nX\x01\0\0\0aX\x04\0\0\0utf8\x86R.",
           "PAWL_EFORMAT");
    EXPECT("c_codecs\nencode\n)R.", "PAWL_EFORMAT");
    EXPECT("c__builtin__\nbytes\n)R.", "b''");
    EXPECT("cbuiltins\nbytearray\nC\x01"
           "a\x85R.",
           "bytearray'a'");
    EXPECT("cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.", "PAWL_EFORMAT");
    EXPECT("cbuiltins\nbytes\nJ\xff\xff\xff\x7f\x85R.", "PAWL_EFORMAT");
    EXPECT("c__builtin__\nset\n](K\x01K\x02"
           "e\x85R.",
           "set[1, 2]");
    EXPECT("c__builtin__\nfrozenset\n)R.", "frozenset[]");
    EXPECT("c__builtin__\nset\nK\x01\x85R.", "PAWL_EFORMAT");
    EXPECT("c__builtin__\ncomplex\nG\x3f\xf8\0\0\0\0\0\0K\x02\x86R.",
           "complex(1.5, 2)");
    EXPECT("c__builtin__\ncomplex\nK\x01\x85R.", "PAWL_EFORMAT");
    EXPECT("ccollections\nOrderedDict\n(](K\x01K\x02"
           "eltR.",
           "PAWL_EFORMAT");
    EXPECT("ccollections\nOrderedDict\n(](K\x01K\x02l(K\x03K\x04lel\x85R.",
           "PAWL_EFORMAT");
    EXPECT("ccollections\nOrderedDict\n]((K\x01K\x02l(K\x03K\x04le\x85R.",
           "ordered{1: 2, 3: 4}");
    EXPECT("ccollections\nOrderedDict\n](K\x01"
           "e\x85R.",
           "PAWL_EFORMAT");
    EXPECT("ccollections\nOrderedDict\n](]]\x86"
           "e\x85R.",
           "PAWL_EFORMAT");
    EXPECT("ccollections\nOrderedDict\n)R}NNsb.", "ordered{}@{None: None}");
    /* a name that only looks like it */
    EXPECT("cshop\nset\n)R.", "call(<shop.set>, ())");
}

/* ---- limits ------------------------------------------------------------ */

static void test_deep(void **state)
{
    enum { DEPTH = 100000 };
    struct pawl_state *values = pawl_state_new();
    struct pawl_value *value = NULL;
    struct pawl_pickle_input in;
    char *pickle = malloc(2 * DEPTH + 1);
    (void)state;
    memset(pickle, ']', DEPTH);
    memset(pickle + DEPTH, 'a', DEPTH - 1);
    pickle[2 * DEPTH - 1] = '.';
    pawl_pickle_input_memory(&in, pickle, 2 * DEPTH);
    assert_int_equal(pawl_pickle_read(&value, values, &in, NULL, NULL), 0);
    size_t depth = 0;
    for (; value != NULL; value = pawl_item(value, 0)) {
        depth++;
    }
    assert_int_equal(depth, DEPTH);
    pawl_state_free(values);
    free(pickle);
}

/* A string that is in the file once, and is copied by calls again and again. */
static void test_copying(void **state)
{
    enum { LONG = 1000000, CALLS = 100 };
    char *data = NULL;
    size_t len = 0;
    struct pawl_error err;
    FILE *out = open_memstream(&data, &len);
    (void)state;
    fwrite("](cbuiltins\nbytearray\nq\0B\x40\x42\x0f\0", 29, 1, out);
    for (int i = 0; i < LONG; i++) {
        putc('x', out);
    }
    fwrite("\x85q\1", 3, 1, out);
    for (int i = 0; i < CALLS; i++) {
        fwrite("h\0h\1R", 5, 1, out);
    }
    fputs("e.", out);
    fclose(out);
    char *got = read_shown(data, len, NULL, &err);
    assert_string_equal(got, "PAWL_EFORMAT");
    assert_non_null(strstr(err.message, "grow far beyond"));
    free(got);
    free(data);
}

/* ---- hooks and messages ------------------------------------------------ */

static int persistent(void *ctx, struct pawl_value *id, struct pawl_value **out,
                      struct pawl_error *err)
{
    if (pawl_value_kind(id) == PAWL_KIND_NONE) {
        return pawl_fail(err, PAWL_ECORRUPT, 0, "no such id");
    }
    *out = pawl_list(ctx);
    pawl_append(*out, id);
    return 0;
}

static int call(void *ctx, const struct pawl_value *callable,
                const struct pawl_value *args, struct pawl_value **out,
                struct pawl_error *err)
{
    (void)args;
    if (strcmp(pawl_global_name(callable), "fail") == 0) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "no such call");
    }
    if (strcmp(pawl_global_name(callable), "seven") == 0) {
        *out = pawl_int(ctx, 7);
    }
    return 0;
}

static void expect_hooked(const char *pickle, const char *shown,
                          const char *message)
{
    struct pawl_state *values = pawl_state_new();
    struct pawl_value *value = NULL;
    struct pawl_error err = {0};
    struct pawl_pickle_hooks hooks = {persistent, call, values};
    struct pawl_pickle_input in;
    pawl_pickle_input_memory(&in, pickle, strlen(pickle));
    int rc = pawl_pickle_read(&value, values, &in, &hooks, &err);
    char *got = rc < 0 ? strdup(pawl_error_name(rc)) : show_value(value);
    assert_string_equal(got, shown);
    assert_string_equal(err.message, message);
    free(got);
    pawl_state_free(values);
}

static void test_hooks(void **state)
{
    (void)state;
    expect_hooked("Pabc\n.", "['abc']", "");
    expect_hooked("K\x05Q.", "[5]", "");
    expect_hooked("NQ.", "PAWL_ECORRUPT", "no such id");
    expect_hooked("cm\nseven\n)R.", "7", "");
    expect_hooked("cm\nother\n)R.", "call(<m.other>, ())", "");
    expect_hooked("cm\nseven\n)\x81.", "new(<m.seven>, ())", "");
    expect_hooked("cm\nfail\n)R.", "PAWL_EFORMAT",
                  "byte 9 of the pickle (REDUCE): m.fail: no such call");
    expect_hooked("NNa.", "PAWL_EFORMAT",
                  "byte 2 of the pickle (APPEND): an item is added to a none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_window_end),
        cmocka_unit_test(test_stack),
        cmocka_unit_test(test_memo),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_hashing),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_inert),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_call_in_its_own_arguments),
        cmocka_unit_test(test_call_for_its_effect),
        cmocka_unit_test(test_known_calls),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_copying),
        cmocka_unit_test(test_hooks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
