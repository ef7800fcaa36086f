/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_round_trip.c - a state that the bytes describe, as a file and back
 *
 * The bytes are a program for a stack machine that builds values.  The state is
 * laid out as a torch file in memory and read again: kinds, contents, order,
 * sharing and payload must be the same; what was read makes the trip again, and
 * must then give the same file.  What Python could not pickle is not built: an
 * unfinished tuple or frozenset in itself, a list as a key; nor are nested
 * classes, which come back as the call of getattr that they are written as.
 */
#include "format/format_torch.h"

#include <stdio.h>

#include "base/crc32.h"
#include "fuzz_target.h"
#include "same_state.h"

enum { STACK_MAX = 64, STORAGES_MAX = 16, OPS_MAX = 4096, PAYLOAD_MAX = 512 };

struct machine {
    const uint8_t *data;
    size_t len;
    struct pawl_state *state;
    struct pawl_value *stack[STACK_MAX];
    size_t depth;
    struct pawl_storage *storages[STORAGES_MAX];
    size_t storage_count;
    uint8_t payload[STORAGES_MAX][PAYLOAD_MAX];
    struct pawl_value *made[256]; /* containers, to be used again */
    size_t made_count;
};

/* ---- what the bytes say ------------------------------------------------ */

static uint8_t take_byte(struct machine *m)
{
    if (m->len == 0) {
        return 0;
    }
    m->len--;
    return *m->data++;
}

static size_t take_bytes(struct machine *m, void *dst, size_t len)
{
    if (len > m->len) {
        len = m->len;
    }
    if (len > 0) {
        memcpy(dst, m->data, len);
    }
    m->data += len;
    m->len -= len;
    return len;
}

static double take_double(struct machine *m)
{
    double number = 0;
    take_bytes(m, &number, sizeof(number));
    return number;
}

static void push(struct machine *m, struct pawl_value *value)
{
    if (m->depth < STACK_MAX && value != NULL) {
        m->stack[m->depth++] = value;
    }
}

static struct pawl_value *pop(struct machine *m)
{
    return m->depth > 0 ? m->stack[--m->depth] : pawl_none(m->state);
}

static struct pawl_value *top(struct machine *m)
{
    return m->depth > 0 ? m->stack[m->depth - 1] : NULL;
}

static void push_made(struct machine *m, struct pawl_value *value)
{
    m->made[m->made_count++ % 256] = value;
    push(m, value);
}

/* ---- scalars ----------------------------------------------------------- */

static struct pawl_value *take_text(struct machine *m, bool distinct)
{
    char text[256];
    size_t len = take_bytes(m, text, take_byte(m));
    for (size_t i = 0; i < len; i++) { /* or it would not be UTF-8 */
        text[i] &= 0x7f;
    }
    return distinct ? pawl_str_distinct(m->state, text, len)
                    : pawl_str_n(m->state, text, len);
}

static struct pawl_value *take_global(struct machine *m)
{
    static const char *const names[][2] = {
        {"torch", "float32"},    {"torch", "int8"},
        {"torch", "Size"},       {"collections", "OrderedDict"},
        {"my.module", "Class"},  {"my.module", "Other"},
        {"__builtin__", "set"},  {"my.module", "a_function"},
        {"builtins", "complex"}, {"torch._utils", "_rebuild_parameter"}};
    size_t i = take_byte(m) % (sizeof(names) / sizeof(*names));
    return pawl_global(m->state, names[i][0], names[i][1]);
}

static struct pawl_value *take_scalar(struct machine *m, unsigned kind)
{
    uint8_t bytes[256];
    size_t len;
    switch (kind) {
    case 0:
        return pawl_none(m->state);
    case 1:
        return pawl_bool(m->state, take_byte(m) & 1);
    case 2:
        len = take_bytes(m, bytes, take_byte(m) % 10);
        return pawl_bigint(m->state, bytes, len);
    case 3:
        len = take_bytes(m, bytes, take_byte(m));
        return pawl_bigint(m->state, bytes, len);
    case 4:
        return pawl_float(m->state, take_double(m));
    case 5: {
        double real = take_double(m);
        return pawl_complex(m->state, real, take_double(m));
    }
    case 6:
    case 7:
        return take_text(m, kind == 7);
    case 8:
        len = take_bytes(m, bytes, take_byte(m));
        return pawl_bytes(m->state, bytes, len);
    case 9:
        len = take_bytes(m, bytes, take_byte(m));
        return pawl_bytearray(m->state, bytes, len);
    default:
        return take_global(m);
    }
}

/* ---- tensors ----------------------------------------------------------- */

/* A new storage, or one from before. */
static struct pawl_storage *take_storage(struct machine *m)
{
    size_t i = take_byte(m) % STORAGES_MAX;
    if (i < m->storage_count) {
        return m->storages[i];
    }
    enum pawl_dtype dtype = (enum pawl_dtype)(take_byte(m) % PAWL_DTYPE_COUNT);
    if (pawl_dtype_storage_class(dtype) == NULL ||
        pawl_dtype_name(dtype)[0] == 'q') {
        dtype = PAWL_UINT8;
    }
    i = m->storage_count;
    if (i == STORAGES_MAX) {
        return m->storages[0];
    }
    size_t size = pawl_dtype_size(dtype);
    size_t len = size * (take_byte(m) % (PAYLOAD_MAX / size + 1));
    memset(m->payload[i], (int)i + 1, PAYLOAD_MAX);
    take_bytes(m, m->payload[i], take_byte(m) % (len + 1));
    m->storages[i] = pawl_storage_borrow(m->state, dtype, m->payload[i], len);
    if (take_byte(m) % 8 == 1) {
        pawl_storage_set_location(m->storages[i], "cuda:1");
    }
    m->storage_count++;
    return m->storages[i];
}

/* Its last element lies in the storage. */
static bool fits(const struct pawl_tensor *t, uint64_t count)
{
    uint64_t last = t->offset;
    for (uint32_t i = 0; i < t->ndim; i++) {
        if (t->shape[i] == 0) {
            return t->offset <= count;
        }
        last += (t->shape[i] - 1) * t->strides[i];
    }
    return last < count;
}

static struct pawl_value *take_tensor(struct machine *m)
{
    uint64_t shape[8];
    uint64_t strides[8];
    struct pawl_tensor t = PAWL_TENSOR_INIT;
    t.storage = take_storage(m);
    t.dtype = pawl_storage_dtype(t.storage);
    t.shape = shape;
    t.strides = strides;
    t.ndim = take_byte(m) % 5;
    t.offset = take_byte(m) % 8;
    for (uint32_t i = 0; i < t.ndim; i++) {
        shape[i] = take_byte(m) % 6;
        strides[i] = take_byte(m) % 16;
    }
    uint8_t flags = take_byte(m);
    t.is_parameter = flags & 1;
    t.requires_grad = flags & 2;
    t.is_conj = (flags & 4) && t.dtype == PAWL_COMPLEX64;
    t.is_neg = flags & 8;
    uint64_t count = pawl_storage_size(t.storage) / pawl_dtype_size(t.dtype);
    return fits(&t, count) ? pawl_tensor(m->state, &t)
                           : pawl_storage_value(t.storage);
}

/* ---- containers -------------------------------------------------------- */

/* What Python would take for a key or the item of a set, or None. */
static struct pawl_value *hashable(struct machine *m, struct pawl_value *value)
{
    switch (pawl_value_kind(value)) {
    case PAWL_KIND_BOOL:
    case PAWL_KIND_INT:
    case PAWL_KIND_STR:
    case PAWL_KIND_BYTES:
        return value;
    default:
        return pawl_none(m->state);
    }
}

/* A tuple or frozenset of what lies on the stack. */
static void gather(struct machine *m, bool frozen)
{
    struct pawl_value *made =
        frozen ? pawl_frozenset(m->state) : pawl_tuple(m->state);
    for (unsigned n = take_byte(m) % 8; n > 0 && m->depth > 0; n--) {
        struct pawl_value *item = pop(m);
        pawl_append(made, frozen ? hashable(m, item) : item);
    }
    push_made(m, made);
}

/* The value on top goes into the container below it. */
static void put_in(struct machine *m)
{
    struct pawl_value *item = pop(m);
    struct pawl_value *into = top(m);
    enum pawl_kind kind = into == NULL ? PAWL_KIND_NONE : pawl_value_kind(into);
    if (kind == PAWL_KIND_LIST) {
        pawl_append(into, item);
    } else if (kind == PAWL_KIND_SET) {
        pawl_append(into, hashable(m, item));
    } else if (kind == PAWL_KIND_DICT) {
        char key[32]; /* one that is not there */
        snprintf(key, sizeof(key), "key.%zu", pawl_count(into));
        pawl_dict_set(into,
                      take_byte(m) % 2 == 0
                          ? pawl_str(m->state, key)
                          : pawl_int(m->state, (int64_t)pawl_count(into)),
                      item);
    } else {
        push(m, item);
    }
}

static void put_attrs(struct machine *m)
{
    struct pawl_value *into = top(m);
    if (into != NULL && pawl_value_kind(into) == PAWL_KIND_DICT &&
        pawl_dict_is_ordered(into) && pawl_dict_attrs(into) == NULL) {
        struct pawl_value *attrs = pawl_dict(m->state);
        /* Python writes none that are empty. */
        pawl_dict_set_str(attrs, "attr", pawl_none(m->state));
        pawl_dict_set_attrs(into, attrs);
        push_made(m, attrs);
    }
}

static void make_object(struct machine *m)
{
    struct pawl_object parts = PAWL_OBJECT_INIT;
    struct pawl_value *object = pawl_object(m->state);
    uint8_t flags = take_byte(m);
    parts.how = flags & 1 ? PAWL_NEWOBJ : PAWL_REDUCE;
    parts.callable = pawl_global(m->state, "my.module", "Class");
    parts.args = pawl_tuple(m->state);
    if (flags & 2) {
        pawl_append(parts.args, pop(m));
    }
    if (flags & 4) {
        parts.state = pawl_dict(m->state);
        pawl_dict_set_str(parts.state, "attr", pop(m));
    }
    if (flags & 8) {
        parts.items = pawl_list(m->state);
        pawl_append(parts.items, pop(m));
    }
    if (flags & 16) {
        parts.pairs = pawl_dict(m->state);
        pawl_dict_set_str(parts.pairs, "pair", pop(m));
    }
    pawl_object_set(object, &parts);
    push_made(m, object);
}

static void step(struct machine *m)
{
    uint8_t op = take_byte(m) % 32;
    switch (op) {
    case 11:
    case 12:
        push(m, take_tensor(m));
        break;
    case 13:
        push_made(m, pawl_list(m->state));
        break;
    case 14:
        push_made(m, pawl_set(m->state));
        break;
    case 15:
        push_made(m, pawl_dict(m->state));
        break;
    case 16:
        push_made(m, pawl_ordered_dict(m->state));
        break;
    case 17:
    case 18:
        gather(m, op == 18);
        break;
    case 19:
        put_attrs(m);
        break;
    case 20:
        make_object(m);
        break;
    case 21:
        if (m->made_count > 0) {
            push(m, m->made[take_byte(m) %
                            (m->made_count < 256 ? m->made_count : 256)]);
        }
        break;
    default:
        if (op < 11) {
            push(m, take_scalar(m, op));
        } else {
            put_in(m);
        }
        break;
    }
}

static struct pawl_state *build(struct machine *m)
{
    m->state = pawl_state_new();
    if (m->state == NULL) {
        abort();
    }
    struct pawl_value *root = pawl_list(m->state);
    for (int i = 0; m->len > 0 && i < OPS_MAX; i++) {
        step(m);
    }
    for (size_t i = 0; i < m->depth; i++) {
        pawl_append(root, m->stack[i]);
    }
    pawl_state_set_root(m->state, root);
    return m->state;
}

/* ---- the trip ---------------------------------------------------------- */

static void die(const char *what, const struct pawl_error *err)
{
    fprintf(stderr, "%s: %s\n", what, err == NULL ? "" : err->message);
    abort();
}

/* Carries the plan out as an engine does: checksums come as payload goes. */
static unsigned char *plan_bytes(struct pawl_plan *plan, size_t *len)
{
    size_t count = 0;
    size_t here = 0;
    const struct pawl_extent *extents = pawl_plan_extents(plan, &count);
    unsigned char *bytes = malloc((size_t)pawl_plan_size(plan));
    if (bytes == NULL) {
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        const struct pawl_extent *extent = &extents[i];
        if (extent->offset != here ||
            extent->len_bytes > pawl_plan_size(plan) - here) {
            die("extents that do not follow one another", NULL);
        }
        memcpy(bytes + here, extent->data, (size_t)extent->len_bytes);
        here += (size_t)extent->len_bytes;
        if (extent->record != PAWL_NO_RECORD) {
            pawl_plan_set_crc(
                plan, extent->record,
                pawl_crc32(0, extent->data, (size_t)extent->len_bytes));
        }
    }
    *len = here;
    return bytes;
}

static unsigned char *write_state(struct pawl_state *state, size_t *len)
{
    struct pawl_plan *plan = NULL;
    struct pawl_error err;
    if (pawl_format_torch.plan(&plan, state, "fuzz.pt", &err) < 0) {
        die("cannot be written", &err);
    }
    unsigned char *file = plan_bytes(plan, len);
    pawl_plan_free(plan);
    return file;
}

static struct pawl_state *read_state(struct fuzz_source *fuzz,
                                     const unsigned char *file, size_t len)
{
    struct pawl_state *state = NULL;
    struct pawl_error err;
    fuzz_source_init(fuzz, file, len);
    int rc = pawl_format_torch.read(&state, &fuzz->source, NULL, &err);
    if (rc < 0 || pawl_state_read_all(state, &err) < 0) {
        die("cannot be read", &err);
    }
    return state;
}

/* Writes and reads; the file goes to `file`, which the caller frees after the
 * state. */
static struct pawl_state *travel(struct pawl_state *before,
                                 struct fuzz_source *fuzz, unsigned char **file,
                                 size_t *len)
{
    *file = write_state(before, len);
    struct pawl_state *after = read_state(fuzz, *file, *len);
    const char *fault = same_state(before, after);
    if (fault != NULL) {
        die(fault, NULL);
    }
    return after;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct machine *m = calloc(1, sizeof(*m));
    struct fuzz_source fuzz[2];
    unsigned char *files[3] = {NULL, NULL, NULL};
    size_t lens[3] = {0, 0, 0};
    struct pawl_error err;
    if (m == NULL) {
        abort();
    }
    m->data = data;
    m->len = len;
    struct pawl_state *made = build(m);
    if (pawl_state_status(made, &err) < 0) {
        die("cannot be built", &err);
    }
    /* Strings that Python interns are only shared in what was made: so the
     * second file is the first that must stay as it is. */
    struct pawl_state *once = travel(made, &fuzz[0], &files[0], &lens[0]);
    struct pawl_state *twice = travel(once, &fuzz[1], &files[1], &lens[1]);
    files[2] = write_state(twice, &lens[2]);
    if (lens[1] != lens[2] || memcmp(files[1], files[2], lens[1]) != 0) {
        die("what was read gives another file", NULL);
    }
    pawl_state_free(twice);
    pawl_state_free(once);
    pawl_state_free(made);
    for (size_t i = 0; i < 3; i++) {
        free(files[i]);
    }
    free(m);
    return 0;
}
