/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_meaning.c - calls that Python itself writes for its own types
 *
 *   _codecs.encode(str, "latin1")        bytes, before protocol 3
 *   builtins.bytes()                     b"", likewise
 *   builtins.bytearray(...)              of nothing, bytes, or str + "latin-1"
 *   builtins.set(list), .frozenset(list) before protocol 4
 *   builtins.complex(real, imag)
 *   collections.OrderedDict()            its pairs follow as items; Python 2
 *                                        gave a list of them as argument
 *
 * The module builtins is called __builtin__ before protocol 3.  Arguments of
 * another form are refused: no pickler writes them.
 */
#include "format/pickle_machine.h"
#include "format/pickle_text.h"

/* The arguments of a call. */
struct arguments {
    struct pawl_value *const *items;
    size_t count;
};

typedef int meaning_fn(struct pawl_pickle_machine *m, struct arguments args,
                       struct pawl_value **out, struct pawl_error *err);

static int wrong_arguments(struct pawl_error *err)
{
    return pawl_pickle_malformed(err, "it is called with wrong arguments");
}

static int made(struct pawl_value *value, struct pawl_value **out,
                struct pawl_error *err)
{
    *out = value;
    return value != NULL ? 0 : pawl_fail_nomem(err);
}

/* ---- bytes ------------------------------------------------------------- */

static bool is_latin1(const struct pawl_value *encoding)
{
    const char *name = pawl_get_str(encoding, NULL);
    return name != NULL &&
           (strcmp(name, "latin1") == 0 || strcmp(name, "latin-1") == 0);
}

/* Encodes a (str, "latin1") pair of arguments to m->scratch. */
static int encode_latin1(struct pawl_pickle_machine *m, struct arguments args,
                         struct pawl_error *err)
{
    size_t len = 0;
    const char *text =
        args.count == 2 ? pawl_get_str(args.items[0], &len) : NULL;
    if (text == NULL || !is_latin1(args.items[1])) {
        return wrong_arguments(err);
    }
    int rc = pawl_pickle_charge(m, len, err);
    if (rc < 0) {
        return rc;
    }
    m->scratch.len = 0;
    if (!pawl_utf8_to_latin1(&m->scratch, text, len)) {
        return pawl_pickle_malformed(err, "characters that Latin-1 has not");
    }
    return m->scratch.failed ? pawl_fail_nomem(err) : 0;
}

static int encode(struct pawl_pickle_machine *m, struct arguments args,
                  struct pawl_value **out, struct pawl_error *err)
{
    int rc = encode_latin1(m, args, err);
    return rc < 0 ? rc
                  : made(pawl_bytes(m->state, m->scratch.data, m->scratch.len),
                         out, err);
}

/* bytes() and bytearray() take nothing or bytes. */
static int plain_bytes(struct pawl_pickle_machine *m, struct arguments args,
                       const void **data, size_t *len, struct pawl_error *err)
{
    *data = NULL;
    *len = 0;
    if (args.count == 0) {
        return 0;
    }
    *data = args.count == 1 ? pawl_get_bytes(args.items[0], len) : NULL;
    if (*data == NULL) {
        return wrong_arguments(err);
    }
    return pawl_pickle_charge(m, *len, err);
}

static int bytes(struct pawl_pickle_machine *m, struct arguments args,
                 struct pawl_value **out, struct pawl_error *err)
{
    const void *data;
    size_t len;
    int rc = plain_bytes(m, args, &data, &len, err);
    return rc < 0 ? rc : made(pawl_bytes(m->state, data, len), out, err);
}

static int bytearray(struct pawl_pickle_machine *m, struct arguments args,
                     struct pawl_value **out, struct pawl_error *err)
{
    const void *data;
    size_t len;
    int rc;
    if (args.count == 2) {
        rc = encode_latin1(m, args, err);
        data = m->scratch.data;
        len = m->scratch.len;
    } else {
        rc = plain_bytes(m, args, &data, &len, err);
    }
    return rc < 0 ? rc : made(pawl_bytearray(m->state, data, len), out, err);
}

/* ---- numbers ----------------------------------------------------------- */

static bool to_double(const struct pawl_value *value, double *out)
{
    int64_t integer;
    if (pawl_get_int(value, &integer)) {
        *out = (double)integer;
        return true;
    }
    return pawl_get_float(value, out);
}

static int complex_number(struct pawl_pickle_machine *m, struct arguments args,
                          struct pawl_value **out, struct pawl_error *err)
{
    double real;
    double imag;
    if (args.count != 2 || !to_double(args.items[0], &real) ||
        !to_double(args.items[1], &imag)) {
        return wrong_arguments(err);
    }
    return made(pawl_complex(m->state, real, imag), out, err);
}

/* ---- containers -------------------------------------------------------- */

/* The items of a sequence given as the only argument, or none. */
static int only_sequence(struct pawl_pickle_machine *m, struct arguments args,
                         struct arguments *items, struct pawl_error *err)
{
    *items = (struct arguments){NULL, 0};
    if (args.count == 0) {
        return 0;
    }
    const struct pawl_value *sequence = args.items[0];
    bool is_sequence = sequence->kind == PAWL_KIND_LIST ||
                       sequence->kind == PAWL_KIND_TUPLE ||
                       sequence->kind == PAWL_KIND_SET ||
                       sequence->kind == PAWL_KIND_FROZENSET;
    if (args.count != 1 || !is_sequence) {
        return wrong_arguments(err);
    }
    items->items = sequence->as.seq.items;
    items->count = sequence->as.seq.count;
    return pawl_pickle_charge(m, items->count * sizeof(void *), err);
}

static int set(struct pawl_pickle_machine *m, struct arguments args,
               struct pawl_value **out, struct pawl_error *err)
{
    struct arguments items;
    int rc = only_sequence(m, args, &items, err);
    return rc < 0 ? rc
                  : pawl_pickle_sequence(m, out, PAWL_KIND_SET, items.items,
                                         items.count, err);
}

static int frozenset(struct pawl_pickle_machine *m, struct arguments args,
                     struct pawl_value **out, struct pawl_error *err)
{
    struct arguments items;
    int rc = only_sequence(m, args, &items, err);
    return rc < 0 ? rc
                  : pawl_pickle_sequence(m, out, PAWL_KIND_FROZENSET,
                                         items.items, items.count, err);
}

static int ordered_dict(struct pawl_pickle_machine *m, struct arguments args,
                        struct pawl_value **out, struct pawl_error *err)
{
    struct arguments pairs;
    struct pawl_value *dict = pawl_ordered_dict(m->state);
    int rc = only_sequence(m, args, &pairs, err);
    for (size_t i = 0; rc == 0 && i < pairs.count; i++) {
        const struct pawl_value *pair = pairs.items[i];
        if ((pair->kind != PAWL_KIND_LIST && pair->kind != PAWL_KIND_TUPLE) ||
            pair->as.seq.count != 2) {
            return wrong_arguments(err);
        }
        rc = pawl_pickle_check_key(m, pair->as.seq.items[0], err);
        if (rc == 0 && pawl_dict_set(dict, pair->as.seq.items[0],
                                     pair->as.seq.items[1]) < 0) {
            rc = pawl_fail_nomem(err);
        }
    }
    return rc < 0 ? rc : made(dict, out, err);
}

/* ---- the table --------------------------------------------------------- */

static const struct {
    const char *module;
    const char *name;
    meaning_fn *call;
} known[] = {
    {"collections", "OrderedDict", ordered_dict},
    {"_codecs", "encode", encode},
    {"builtins", "bytearray", bytearray},
    {"builtins", "bytes", bytes},
    {"builtins", "complex", complex_number},
    {"builtins", "frozenset", frozenset},
    {"builtins", "set", set},
};

int pawl_pickle_call_builtin(struct pawl_pickle_machine *m,
                             const struct pawl_value *callable,
                             const struct pawl_value *args,
                             struct pawl_value **out, struct pawl_error *err)
{
    const char *module = callable->as.global.module;
    struct arguments arguments = {args->as.seq.items, args->as.seq.count};
    if (strcmp(module, "__builtin__") == 0) {
        module = "builtins";
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].name, callable->as.global.name) == 0 &&
            strcmp(known[i].module, module) == 0) {
            return known[i].call(m, arguments, out, err);
        }
    }
    return 0;
}
