/* SPDX-License-Identifier: Apache-2.0 */
/* pickle_emit.c - see pickle_emit.h. */
#include "format/pickle_emit.h"

#include <string.h>

#define MAX_DOTS 64 /* in a name: keeps hostile ones cheap */

/* ---- opcodes ----------------------------------------------------------- */

void pawl_emit_op(struct pawl_pickler *p, enum pawl_pickle_opcode op)
{
    uint8_t *at = pawl_buffer_extend(&p->buf, 1);
    if (at != NULL) {
        at[0] = (uint8_t)op;
    }
}

/* An opcode and its argument of `width` bytes, little-endian. */
static void emit_le(struct pawl_pickler *p, enum pawl_pickle_opcode op,
                    uint32_t value, size_t width)
{
    uint8_t *at = pawl_buffer_extend(&p->buf, 1 + width);
    if (at != NULL) {
        at[0] = (uint8_t)op;
        for (size_t i = 0; i < width; i++) {
            at[1 + i] = (uint8_t)(value >> (8 * i));
        }
    }
}

void pawl_emit_bool(struct pawl_pickler *p, bool b)
{
    pawl_emit_op(p, b ? PICKLE_NEWTRUE : PICKLE_NEWFALSE);
}

static void emit_long1(struct pawl_pickler *p, const void *le, size_t len)
{
    emit_le(p, PICKLE_LONG1, (uint32_t)len, 1);
    pawl_buffer_append(&p->buf, le, len);
}

void pawl_emit_int(struct pawl_pickler *p, int64_t i)
{
    if (i >= 0 && i <= 0xff) {
        emit_le(p, PICKLE_BININT1, (uint32_t)i, 1);
    } else if (i >= 0 && i <= 0xffff) {
        emit_le(p, PICKLE_BININT2, (uint32_t)i, 2);
    } else if (i >= INT32_MIN && i <= INT32_MAX) {
        emit_le(p, PICKLE_BININT, (uint32_t)i, 4);
    } else {
        uint8_t le[8];
        size_t len = sizeof(le);
        put_le64(le, (uint64_t)i);
        uint8_t sign = i < 0 ? 0xff : 0;
        while (len > 1 && le[len - 1] == sign &&
               ((le[len - 2] ^ sign) & 0x80) == 0) {
            len--;
        }
        emit_long1(p, le, len);
    }
}

int pawl_emit_bigint(struct pawl_pickler *p, const void *le, size_t len)
{
    if (len > INT32_MAX) {
        return pawl_fail(p->err, PAWL_ENOTSUP, 0,
                         "an int of %zu bytes is too large to pickle", len);
    }
    if (len <= 0xff) {
        emit_long1(p, le, len);
        return 0;
    }
    emit_le(p, PICKLE_LONG4, (uint32_t)len, 4);
    pawl_buffer_append(&p->buf, le, len);
    return 0;
}

void pawl_emit_float(struct pawl_pickler *p, double f)
{
    uint64_t bits;
    uint8_t *at = pawl_buffer_extend(&p->buf, 9);
    if (at != NULL) {
        memcpy(&bits, &f, sizeof(bits));
        at[0] = PICKLE_BINFLOAT;
        put_le64(at + 1, __builtin_bswap64(bits));
    }
}

int pawl_emit_text(struct pawl_pickler *p, const char *text, size_t len)
{
    if (len > UINT32_MAX) {
        return pawl_fail(p->err, PAWL_ENOTSUP, 0,
                         "a string of %zu bytes is too large to pickle", len);
    }
    emit_le(p, PICKLE_BINUNICODE, (uint32_t)len, 4);
    pawl_buffer_append(&p->buf, text, len);
    return 0;
}

void pawl_emit_tuple(struct pawl_pickler *p, size_t count)
{
    static const uint8_t ops[] = {PICKLE_EMPTY_TUPLE, PICKLE_TUPLE1,
                                  PICKLE_TUPLE2, PICKLE_TUPLE3};
    pawl_emit_op(p, count < sizeof(ops) ? ops[count] : PICKLE_TUPLE);
}

/* ---- memo -------------------------------------------------------------- */

/* A number that does not fit 32 bits is cut here, and the pickle refused at
 * its end. */
void pawl_emit_put(struct pawl_pickler *p, uint32_t *mark)
{
    uint64_t number = p->memo_count++;
    if (number <= 0xff) {
        emit_le(p, PICKLE_BINPUT, (uint32_t)number, 1);
    } else {
        emit_le(p, PICKLE_LONG_BINPUT, (uint32_t)number, 4);
    }
    if (mark != NULL) {
        *mark = (uint32_t)number + 1;
        p->mark_count++;
    }
}

bool pawl_emit_get(struct pawl_pickler *p, const uint32_t *mark)
{
    if (mark == NULL || *mark == 0) {
        return false;
    }
    uint32_t number = *mark - 1;
    if (number <= 0xff) {
        emit_le(p, PICKLE_BINGET, number, 1);
    } else {
        emit_le(p, PICKLE_LONG_BINGET, number, 4);
    }
    return true;
}

/* ---- constant strings -------------------------------------------------- */

/* The mark that `map` has for a key, made if need be. */
static uint32_t *own_mark(struct pawl_pickler *p, struct pawl_strmap *map,
                          const char *key, size_t len)
{
    uint32_t *mark = pawl_strmap_get(map, key, len);
    if (mark != NULL) {
        return mark;
    }
    const char *copy = pawl_arena_copy(&p->arena, key, len);
    mark = pawl_arena_alloc(&p->arena, sizeof(*mark));
    if (copy == NULL || mark == NULL ||
        !pawl_strmap_put(map, copy, len, mark)) {
        p->buf.failed = true;
        return NULL;
    }
    return mark;
}

uint32_t *pawl_text_mark(struct pawl_pickler *p, const char *text, size_t len)
{
    const struct pawl_value *value = pawl_state_find_str(p->state, text, len);
    return value != NULL ? &p->marks[value->id]
                         : own_mark(p, &p->text_marks, text, len);
}

void pawl_emit_shared_text(struct pawl_pickler *p, uint32_t *mark,
                           const char *text, size_t len)
{
    if (!pawl_emit_get(p, mark)) {
        (void)pawl_emit_text(p, text, len); /* constants are short */
        pawl_emit_put(p, mark);
    }
}

/* ---- names ------------------------------------------------------------- */

static uint32_t *global_mark(struct pawl_pickler *p, const char *module,
                             const char *name)
{
    const struct pawl_value *value =
        pawl_state_find_global(p->state, module, name);
    if (value != NULL) {
        return &p->marks[value->id];
    }
    size_t module_len = strlen(module);
    size_t name_len = strlen(name);
    char *key = pawl_arena_alloc(&p->arena, module_len + 1 + name_len);
    if (key == NULL) {
        p->buf.failed = true;
        return NULL;
    }
    memcpy(key, module, module_len);
    key[module_len] = '\n';
    memcpy(key + module_len + 1, name, name_len);
    return own_mark(p, &p->global_marks, key, module_len + 1 + name_len);
}

static int check_name(struct pawl_pickler *p, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\n') {
            return pawl_fail(p->err, PAWL_EINVAL, 0,
                             "the name '%s' has a newline in it", text);
        }
        if ((unsigned char)*c >= 0x80) {
            return pawl_fail(p->err, PAWL_ENOTSUP, 0,
                             "the name '%s' is not ascii, which pickle "
                             "protocol 2 needs",
                             text);
        }
    }
    return 0;
}

/* GLOBAL module, the first `len` bytes of `name`; no memo. */
static void emit_global(struct pawl_pickler *p, const char *module,
                        const char *name, size_t len)
{
    pawl_emit_op(p, PICKLE_GLOBAL);
    pawl_buffer_append(&p->buf, module, strlen(module));
    pawl_buffer_append(&p->buf, "\n", 1);
    pawl_buffer_append(&p->buf, name, len);
    pawl_buffer_append(&p->buf, "\n", 1);
}

static void emit_plain(struct pawl_pickler *p, const char *module,
                       const char *name)
{
    uint32_t *mark = global_mark(p, module, name);
    if (!pawl_emit_get(p, mark)) {
        emit_global(p, module, name, strlen(name));
        pawl_emit_put(p, mark);
    }
}

/* A string that the pickler splits off: a new object, unless it is of one
 * character. */
static void emit_split_text(struct pawl_pickler *p, const char *text,
                            size_t len)
{
    if (len <= 1) {
        pawl_emit_shared_text(p, pawl_text_mark(p, text, len), text, len);
    } else {
        (void)pawl_emit_text(p, text, len);
        pawl_emit_put(p, NULL);
    }
}

/* "A.B.C" is getattr(getattr(A, "B"), "C"); each of them is an object that
 * the pickler knows again, so it begins at the longest part that it knows. */
static int emit_dotted(struct pawl_pickler *p, const char *module,
                       const char *name)
{
    size_t calls = 0;
    char *known = pawl_arena_copy(&p->arena, name, strlen(name));
    if (known == NULL) {
        return pawl_fail_nomem(p->err);
    }
    for (char *dot = strrchr(known, '.'); dot != NULL;
         dot = strrchr(known, '.')) {
        const uint32_t *mark = global_mark(p, module, known);
        if (mark == NULL || *mark != 0) {
            break;
        }
        if (calls++ == MAX_DOTS) {
            return pawl_fail(p->err, PAWL_ENOTSUP, 0,
                             "the name '%.200s...' has more than %d dots", name,
                             MAX_DOTS);
        }
        pawl_emit_name(p, PAWL_NAME_GETATTR);
        *dot = '\0';
    }
    emit_plain(p, module, known);
    for (; calls > 0; calls--) {
        size_t end = strlen(known);
        const char *part = name + end + 1;
        emit_split_text(p, part, strcspn(part, "."));
        pawl_emit_tuple(p, 2);
        pawl_emit_put(p, NULL);
        pawl_emit_op(p, PICKLE_REDUCE);
        known[end] = '.';
        pawl_emit_put(p, global_mark(p, module, known));
    }
    return 0;
}

int pawl_emit_global(struct pawl_pickler *p, const char *module,
                     const char *name)
{
    int rc = check_name(p, module);
    if (rc == 0) {
        rc = check_name(p, name);
    }
    if (rc < 0) {
        return rc;
    }
    if (strchr(name, '.') != NULL) {
        return emit_dotted(p, module, name);
    }
    emit_plain(p, module, name);
    return 0;
}

static void name_of(enum pawl_pickle_name name, const char **module,
                    const char **qualname)
{
    static const char *const fixed[PAWL_NAME_STORAGE][2] = {
        [PAWL_NAME_REBUILD_TENSOR_V2] = {"torch._utils", "_rebuild_tensor_v2"},
        [PAWL_NAME_REBUILD_TENSOR_V3] = {"torch._utils", "_rebuild_tensor_v3"},
        [PAWL_NAME_REBUILD_PARAMETER] = {"torch._utils", "_rebuild_parameter"},
        [PAWL_NAME_ORDERED_DICT] = {"collections", "OrderedDict"},
        [PAWL_NAME_ENCODE] = {"_codecs", "encode"},
        [PAWL_NAME_BYTES] = {"__builtin__", "bytes"},
        [PAWL_NAME_BYTEARRAY] = {"__builtin__", "bytearray"},
        [PAWL_NAME_COMPLEX] = {"__builtin__", "complex"},
        [PAWL_NAME_SET] = {"__builtin__", "set"},
        [PAWL_NAME_FROZENSET] = {"__builtin__", "frozenset"},
        [PAWL_NAME_GETATTR] = {"__builtin__", "getattr"},
    };
    if (name < PAWL_NAME_STORAGE) {
        *module = fixed[name][0];
        *qualname = fixed[name][1];
    } else if (name < PAWL_NAME_DTYPE) {
        enum pawl_dtype dtype = (enum pawl_dtype)(name - PAWL_NAME_STORAGE);
        *module = dtype == PAWL_UNTYPED ? "torch.storage" : "torch";
        *qualname = pawl_dtype_storage_class(dtype);
    } else {
        *module = "torch";
        *qualname = pawl_dtype_name((enum pawl_dtype)(name - PAWL_NAME_DTYPE));
    }
}

void pawl_emit_name(struct pawl_pickler *p, enum pawl_pickle_name name)
{
    if (pawl_emit_get(p, p->name_marks[name])) {
        return;
    }
    const char *module = NULL;
    const char *qualname = NULL;
    name_of(name, &module, &qualname);
    if (p->name_marks[name] == NULL) {
        p->name_marks[name] = global_mark(p, module, qualname);
    }
    emit_plain(p, module, qualname);
}
