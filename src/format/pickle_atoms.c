/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_atoms.c - instructions for the stack, the memo, numbers and strings
 *
 * Binary operands are little-endian, but for BINFLOAT's big-endian double.
 * Textual ones are lines.
 */
#include "format/pickle_ops.h"
#include "format/pickle_text.h"

enum { PROTOCOL_MAX = 5 };

/* ---- stack ------------------------------------------------------------- */

int pawl_pickle_op_mark(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    return pawl_pickle_push_mark(m, err);
}

int pawl_pickle_op_stop(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    if (m->depth != 1 || m->mark_count != 0) {
        return pawl_pickle_malformed(
            err, "the pickle does not end with exactly one value");
    }
    m->stopped = true;
    return 0;
}

int pawl_pickle_op_pop_mark(struct pawl_pickle_machine *m,
                            struct pawl_error *err)
{
    struct pawl_value **items;
    size_t count;
    return pawl_pickle_pop_mark(m, &items, &count, err);
}

int pawl_pickle_op_dup(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    struct pawl_value *value;
    int rc = pawl_pickle_top(m, &value, err);
    return rc < 0 ? rc : pawl_pickle_push(m, value, err);
}

int pawl_pickle_op_refused(struct pawl_pickle_machine *m,
                           struct pawl_error *err)
{
    bool buffer =
        m->opcode == PICKLE_NEXT_BUFFER || m->opcode == PICKLE_READONLY_BUFFER;
    return pawl_fail(err, PAWL_ENOTSUP, 0,
                     buffer ? "a buffer that is kept outside of the pickle"
                            : "a name that only Python's copyreg registry has");
}

/* ---- calls that are popped --------------------------------------------- */

/* Texts of any kind, or numbers that do not fit an int64_t. */
static int same_text(struct pawl_pickle_machine *m, const struct pawl_value *a,
                     const struct pawl_value *b, bool *same,
                     struct pawl_error *err)
{
    size_t len = a->as.text.len;
    *same = false;
    if (len != b->as.text.len) {
        return 0;
    }
    int rc = pawl_pickle_charge(m, len, err);
    *same = rc == 0 && memcmp(a->as.text.data, b->as.text.data, len) == 0;
    return rc;
}

static uint64_t bits_of(double real)
{
    uint64_t bits;
    memcpy(&bits, &real, sizeof(bits));
    return bits;
}

/* Whether two values, neither of them a tuple, are the same: one, or equal and
 * immutable. */
static int same_atom(struct pawl_pickle_machine *m, const struct pawl_value *a,
                     const struct pawl_value *b, bool *same,
                     struct pawl_error *err)
{
    *same = a == b;
    if (*same || a->kind != b->kind) {
        return 0;
    }
    switch ((enum pawl_kind)a->kind) {
    case PAWL_KIND_STR:
    case PAWL_KIND_BYTES:
        return same_text(m, a, b, same, err);
    case PAWL_KIND_INT:
        if (a->is_big && b->is_big) {
            return same_text(m, a, b, same, err);
        }
        *same = a->is_big == b->is_big && a->as.integer == b->as.integer;
        return 0;
    case PAWL_KIND_FLOAT: /* by its bits, as NaN and -0.0 are written */
        *same = bits_of(a->as.real) == bits_of(b->as.real);
        return 0;
    default:
        return 0;
    }
}

/* The same for tuples within tuples; the stack holds what is still to be
 * compared, in pairs.  Costs are charged to the length of the pickle. */
static int same_value(struct pawl_pickle_machine *m, struct pawl_value *a,
                      struct pawl_value *b, bool *same, struct pawl_error *err)
{
    size_t bottom = m->depth;
    int rc = 0;
    *same = true;
    for (;;) {
        bool tuples = a != b && a->kind == PAWL_KIND_TUPLE &&
                      b->kind == PAWL_KIND_TUPLE &&
                      a->as.seq.count == b->as.seq.count;
        size_t count = tuples ? a->as.seq.count : 0;
        rc = tuples ? pawl_pickle_charge(m, count * sizeof(a), err)
                    : same_atom(m, a, b, same, err);
        for (size_t i = 0; rc == 0 && i < count; i++) {
            rc = pawl_pickle_push(m, a->as.seq.items[i], err);
            rc = rc < 0 ? rc : pawl_pickle_push(m, b->as.seq.items[i], err);
        }
        if (rc < 0 || !*same || m->depth == bottom) {
            break;
        }
        b = m->stack[--m->depth];
        a = m->stack[--m->depth];
    }
    m->depth = bottom;
    return rc;
}

/* A call that was never memoised and is popped.  A pickler does so with an
 * object that is in its own arguments: it finds out at the end that it made it
 * on the way, by the same call, and gets that one.  Any other was made for its
 * effect (a "state setter"), and to drop it would lose what it did. */
static int drop_call(struct pawl_pickle_machine *m,
                     const struct pawl_value *call, struct pawl_error *err)
{
    const uint8_t *next;
    struct pawl_value *made = NULL;
    bool same = false;
    int rc = pawl_pickle_take(m->in, &next, 1, err);
    if (rc == 0 && (*next == PICKLE_GET || *next == PICKLE_BINGET ||
                    *next == PICKLE_LONG_BINGET)) {
        m->opcode = *next;
        rc = pawl_pickle_op_get(m, err);
        made = rc == 0 ? m->stack[m->depth - 1] : NULL;
    }
    if (made != NULL && made->kind == PAWL_KIND_OBJECT &&
        made->as.object->how == call->as.object->how &&
        made->as.object->callable == call->as.object->callable) {
        rc = same_value(m, made->as.object->args, call->as.object->args, &same,
                        err);
    }
    if (rc == 0 && !same) {
        m->opcode = PICKLE_POP;
        rc = pawl_fail(err, PAWL_ENOTSUP, 0,
                       "a call is made for its effect on another object");
    }
    return rc;
}

/* A pickler pops what it finds in its memo after all. */
int pawl_pickle_op_pop(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    struct pawl_value *value;
    if (m->mark_count > 0 && m->marks[m->mark_count - 1] == m->depth) {
        m->mark_count--;
        return 0;
    }
    int rc = pawl_pickle_pop(m, &value, err);
    return rc == 0 && value == m->call ? drop_call(m, value, err) : rc;
}

/* ---- operands ---------------------------------------------------------- */

/* An unsigned number of 1, 2, 4 or 8 bytes. */
static int take_number(struct pawl_pickle_machine *m, size_t width,
                       uint64_t *out, struct pawl_error *err)
{
    const uint8_t *at;
    int rc = pawl_pickle_take(m->in, &at, width, err);
    if (rc < 0) {
        return rc;
    }
    uint64_t number = 0;
    memcpy(&number, at, width);
    *out = number;
    return 0;
}

/* As many bytes as the number before them says. */
static int take_counted(struct pawl_pickle_machine *m, size_t width,
                        const uint8_t **out, size_t *len,
                        struct pawl_error *err)
{
    uint64_t count = 0;
    int rc = take_number(m, width, &count, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_pickle_take(m->in, out, count, err);
    *len = (size_t)count; /* it was there, so it fits */
    return rc;
}

/* Ends an instruction that decoded text to m->scratch. */
static int text_decoded(struct pawl_pickle_machine *m, bool well_formed,
                        struct pawl_error *err)
{
    if (m->scratch.failed) {
        return pawl_fail_nomem(err);
    }
    return well_formed ? 0 : pawl_pickle_malformed(err, "malformed text");
}

static const char *scratch_text(const struct pawl_pickle_machine *m)
{
    return m->scratch.len > 0 ? (const char *)m->scratch.data : "";
}

int pawl_pickle_op_proto(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    uint64_t protocol;
    int rc = take_number(m, 1, &protocol, err);
    if (rc == 0 && protocol > PROTOCOL_MAX) {
        return pawl_fail(err, PAWL_ENOTSUP, 0, "pickle protocol %d",
                         (int)protocol);
    }
    return rc;
}

int pawl_pickle_op_frame(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    uint64_t len;
    int rc = take_number(m, 8, &len, err);
    if (rc == 0 && len > pawl_pickle_left(m->in)) {
        return pawl_pickle_malformed(err, "a frame is cut short");
    }
    return rc;
}

/* ---- memo -------------------------------------------------------------- */

static int take_index(struct pawl_pickle_machine *m, uint64_t *out,
                      struct pawl_error *err)
{
    switch (m->opcode) {
    case PICKLE_BINPUT:
    case PICKLE_BINGET:
        return take_number(m, 1, out, err);
    case PICKLE_LONG_BINPUT:
    case PICKLE_LONG_BINGET:
        return take_number(m, 4, out, err);
    case PICKLE_MEMOIZE:
        *out = m->memo_count;
        return 0;
    default:
        break;
    }
    const uint8_t *line;
    size_t len = 0;
    int rc = pawl_pickle_take_line(m->in, &line, &len, err);
    if (rc == 0 && !pawl_decode_index(out, line, len)) {
        return pawl_pickle_malformed(err, "a malformed memo number");
    }
    return rc;
}

int pawl_pickle_op_put(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    struct pawl_value *value;
    uint64_t index = 0;
    int rc = take_index(m, &index, err);
    if (rc == 0) {
        rc = pawl_pickle_top(m, &value, err);
    }
    return rc == 0 ? pawl_pickle_memo_put(m, index, value, err) : rc;
}

int pawl_pickle_op_get(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    struct pawl_value *value;
    uint64_t index = 0;
    int rc = take_index(m, &index, err);
    if (rc == 0) {
        rc = pawl_pickle_memo_get(m, index, &value, err);
    }
    return rc == 0 ? pawl_pickle_push(m, value, err) : rc;
}

/* ---- numbers ----------------------------------------------------------- */

static int push_bool(struct pawl_pickle_machine *m, bool b,
                     struct pawl_error *err)
{
    if (m->booleans[b] == NULL) {
        m->booleans[b] = pawl_bool(m->state, b);
    }
    return pawl_pickle_push(m, m->booleans[b], err);
}

int pawl_pickle_op_constant(struct pawl_pickle_machine *m,
                            struct pawl_error *err)
{
    if (m->opcode != PICKLE_NONE) {
        return push_bool(m, m->opcode == PICKLE_NEWTRUE, err);
    }
    if (m->none == NULL) {
        m->none = pawl_none(m->state);
    }
    return pawl_pickle_push(m, m->none, err);
}

static int push_int(struct pawl_pickle_machine *m, int64_t number,
                    struct pawl_error *err)
{
    if (number < 0 || number >= PICKLE_SMALL_INTS) {
        return pawl_pickle_push(m, pawl_int(m->state, number), err);
    }
    if (m->ints[number] == NULL) {
        m->ints[number] = pawl_int(m->state, number);
    }
    return pawl_pickle_push(m, m->ints[number], err);
}

int pawl_pickle_op_int(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    uint64_t number = 0;
    size_t width = m->opcode == PICKLE_BININT1   ? 1
                   : m->opcode == PICKLE_BININT2 ? 2
                                                 : 4;
    int rc = take_number(m, width, &number, err);
    if (rc < 0) {
        return rc;
    }
    int64_t value = width == 4 ? (int32_t)(uint32_t)number : (int64_t)number;
    return push_int(m, value, err);
}

int pawl_pickle_op_long(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    const uint8_t *digits;
    size_t len = 0;
    int rc =
        take_counted(m, m->opcode == PICKLE_LONG1 ? 1 : 4, &digits, &len, err);
    return rc < 0
               ? rc
               : pawl_pickle_push(m, pawl_bigint(m->state, digits, len), err);
}

/* "I01" and "I00" are True and False; "L12L" ends in an L. */
int pawl_pickle_op_text_int(struct pawl_pickle_machine *m,
                            struct pawl_error *err)
{
    const uint8_t *line;
    size_t len = 0;
    int rc = pawl_pickle_take_line(m->in, &line, &len, err);
    if (rc < 0) {
        return rc;
    }
    if (m->opcode == PICKLE_INT && len == 2 && line[0] == '0' &&
        (line[1] == '0' || line[1] == '1')) {
        return push_bool(m, line[1] == '1', err);
    }
    if (m->opcode == PICKLE_LONG && len > 0 && line[len - 1] == 'L') {
        len--;
    }
    m->scratch.len = 0;
    rc = text_decoded(m, pawl_decode_decimal(&m->scratch, line, len), err);
    if (rc < 0) {
        return rc;
    }
    return pawl_pickle_push(
        m, pawl_bigint(m->state, m->scratch.data, m->scratch.len), err);
}

int pawl_pickle_op_text_float(struct pawl_pickle_machine *m,
                              struct pawl_error *err)
{
    const uint8_t *line;
    size_t len = 0;
    double number = 0;
    int rc = pawl_pickle_take_line(m->in, &line, &len, err);
    if (rc < 0) {
        return rc;
    }
    if (!pawl_decode_float(&number, line, len)) {
        return pawl_pickle_malformed(err, "a malformed number");
    }
    return pawl_pickle_push(m, pawl_float(m->state, number), err);
}

int pawl_pickle_op_float(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    uint64_t bits = 0;
    double number;
    int rc = take_number(m, 8, &bits, err);
    if (rc < 0) {
        return rc;
    }
    bits = __builtin_bswap64(bits);
    memcpy(&number, &bits, sizeof(number));
    return pawl_pickle_push(m, pawl_float(m->state, number), err);
}

/* ---- strings ----------------------------------------------------------- */

/* Every string instruction makes a string of its own: what Python wrote once
 * it also gets from the memo. */
int pawl_pickle_op_str(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    const uint8_t *text;
    size_t len = 0;
    size_t width = m->opcode == PICKLE_SHORT_BINUNICODE ? 1
                   : m->opcode == PICKLE_BINUNICODE     ? 4
                                                        : 8;
    int rc = take_counted(m, width, &text, &len, err);
    if (rc < 0) {
        return rc;
    }
    if (!pawl_utf8_valid(text, len)) {
        return pawl_pickle_malformed(err, "a string that is not UTF-8");
    }
    return pawl_pickle_push(
        m, pawl_str_distinct(m->state, (const char *)text, len), err);
}

int pawl_pickle_op_text_str(struct pawl_pickle_machine *m,
                            struct pawl_error *err)
{
    const uint8_t *line;
    size_t len = 0;
    int rc = pawl_pickle_take_line(m->in, &line, &len, err);
    if (rc < 0) {
        return rc;
    }
    m->scratch.len = 0;
    rc = text_decoded(m, pawl_decode_raw_unicode(&m->scratch, line, len), err);
    if (rc < 0) {
        return rc;
    }
    return pawl_pickle_push(
        m, pawl_str_distinct(m->state, scratch_text(m), m->scratch.len), err);
}

/* A str of Python 2 held text or bytes, and nothing tells which.  torch.load
 * takes it for UTF-8 and fails if it is not; here it is then bytes. */
static int push_str2(struct pawl_pickle_machine *m, const uint8_t *text,
                     size_t len, struct pawl_error *err)
{
    struct pawl_value *value =
        pawl_utf8_valid(text, len)
            ? pawl_str_distinct(m->state, (const char *)text, len)
            : pawl_bytes(m->state, text, len);
    return pawl_pickle_push(m, value, err);
}

int pawl_pickle_op_str2(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    const uint8_t *text;
    size_t len = 0;
    size_t width = m->opcode == PICKLE_SHORT_BINSTRING ? 1 : 4;
    int rc = take_counted(m, width, &text, &len, err);
    return rc < 0 ? rc : push_str2(m, text, len, err);
}

int pawl_pickle_op_text_str2(struct pawl_pickle_machine *m,
                             struct pawl_error *err)
{
    const uint8_t *line;
    size_t len = 0;
    int rc = pawl_pickle_take_line(m->in, &line, &len, err);
    if (rc < 0) {
        return rc;
    }
    m->scratch.len = 0;
    rc = text_decoded(m, pawl_decode_quoted(&m->scratch, line, len), err);
    return rc < 0 ? rc
                  : push_str2(m, (const uint8_t *)scratch_text(m),
                              m->scratch.len, err);
}

int pawl_pickle_op_bytes(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    const uint8_t *data;
    size_t len = 0;
    size_t width = m->opcode == PICKLE_SHORT_BINBYTES ? 1
                   : m->opcode == PICKLE_BINBYTES     ? 4
                                                      : 8;
    int rc = take_counted(m, width, &data, &len, err);
    if (rc < 0) {
        return rc;
    }
    struct pawl_value *value = m->opcode == PICKLE_BYTEARRAY8
                                   ? pawl_bytearray(m->state, data, len)
                                   : pawl_bytes(m->state, data, len);
    return pawl_pickle_push(m, value, err);
}
