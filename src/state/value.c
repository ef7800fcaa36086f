/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.c - the values of pawl/state.h: making and reading them
 *
 * Arrays grow by doubling inside the arena; the outgrown ones stay there until
 * the state goes, which at most doubles their memory.
 */
#include "state/value.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

struct pawl_state *pawl_state_new(void)
{
    return calloc(1, sizeof(struct pawl_state));
}

/* What keeps the bytes of a storage. */
struct hold {
    void *owned;
    void (*release)(void *ctx);
    void *release_ctx;
    void (*release_lazy)(void *ctx);
    void *lazy_ctx;
};

struct pawl_memory {
    void (*on_free)(void *ctx);
    void *on_free_ctx;
    size_t count;
    struct hold holds[];
};

static struct hold hold_of(const struct pawl_storage *st)
{
    return (struct hold){
        .owned = st->owned,
        .release = st->release,
        .release_ctx = st->release_ctx,
        .release_lazy = st->ops == NULL ? NULL : st->ops->release,
        .lazy_ctx = st->ops_ctx,
    };
}

static void let_go(const struct hold *hold)
{
    if (hold->release_lazy != NULL) {
        hold->release_lazy(hold->lazy_ctx);
    }
    if (hold->release != NULL) {
        hold->release(hold->release_ctx);
    }
    free(hold->owned);
}

static bool holds_nothing(const struct hold *hold)
{
    return hold->owned == NULL && hold->release == NULL &&
           hold->release_lazy == NULL;
}

/* The values, and no bytes. */
static void free_values(struct pawl_state *state)
{
    free(state->storages);
    pawl_strmap_fini(&state->strings);
    pawl_strmap_fini(&state->globals);
    pawl_arena_fini(&state->arena);
    free(state);
}

void pawl_state_free(struct pawl_state *state)
{
    if (state == NULL) {
        return;
    }
    for (uint32_t i = 0; i < state->storage_count; i++) {
        struct hold hold = hold_of(state->storages[i]);
        let_go(&hold);
    }
    if (state->on_free != NULL) {
        state->on_free(state->on_free_ctx);
    }
    free_values(state);
}

struct pawl_memory *pawl_state_free_but_memory(struct pawl_state *state)
{
    size_t size = sizeof(struct hold) * (state->storage_count + (size_t)1);
    struct pawl_memory *memory = malloc(sizeof(*memory) + size);
    if (memory == NULL) {
        return NULL;
    }
    memory->on_free = state->on_free;
    memory->on_free_ctx = state->on_free_ctx;
    memory->count = 0;
    for (uint32_t i = 0; i < state->storage_count; i++) {
        struct hold hold = hold_of(state->storages[i]);
        if (!holds_nothing(&hold)) {
            memory->holds[memory->count++] = hold;
        }
    }
    free_values(state);
    return memory;
}

void pawl_memory_free(struct pawl_memory *memory)
{
    if (memory == NULL) {
        return;
    }
    for (size_t i = 0; i < memory->count; i++) {
        let_go(&memory->holds[i]);
    }
    if (memory->on_free != NULL) {
        memory->on_free(memory->on_free_ctx);
    }
    free(memory);
}

void pawl_state_on_free(struct pawl_state *state, void (*on_free)(void *ctx),
                        void *ctx)
{
    state->on_free = on_free;
    state->on_free_ctx = ctx;
}

void pawl_state_set_root(struct pawl_state *state, struct pawl_value *root)
{
    state->root = root;
}

struct pawl_value *pawl_state_root(const struct pawl_state *state)
{
    return state->root;
}

int pawl_state_failed(struct pawl_state *state, int code)
{
    if (state->status == 0) {
        state->status = code;
    }
    return code;
}

int pawl_state_status(const struct pawl_state *state, struct pawl_error *err)
{
    if (state->status == 0) {
        return 0;
    }
    return pawl_fail(err, state->status, 0, "the state is not complete: %s",
                     pawl_error_text(state->status));
}

uint32_t pawl_state_value_count(const struct pawl_state *state)
{
    return state->value_count;
}

uint32_t pawl_value_id(const struct pawl_value *value)
{
    return value->id;
}

struct pawl_value *pawl_value_new(struct pawl_state *state, enum pawl_kind kind)
{
    if (state == NULL) {
        return NULL;
    }
    struct pawl_value *value =
        state->value_count == UINT32_MAX
            ? NULL
            : pawl_arena_alloc(&state->arena, sizeof(*value));
    if (value == NULL) {
        pawl_state_failed(state, PAWL_ENOMEM);
        return NULL;
    }
    value->state = state;
    value->id = state->value_count++;
    value->kind = (uint8_t)kind;
    return value;
}

void pawl_value_become(struct pawl_value *value, const struct pawl_value *other)
{
    uint32_t id = value->id;
    *value = *other;
    value->id = id;
}

/* ---- atoms ------------------------------------------------------------- */

struct pawl_value *pawl_none(struct pawl_state *state)
{
    return pawl_value_new(state, PAWL_KIND_NONE);
}

struct pawl_value *pawl_bool(struct pawl_state *state, bool b)
{
    struct pawl_value *value = pawl_value_new(state, PAWL_KIND_BOOL);
    if (value != NULL) {
        value->as.boolean = b;
    }
    return value;
}

struct pawl_value *pawl_int(struct pawl_state *state, int64_t i)
{
    struct pawl_value *value = pawl_value_new(state, PAWL_KIND_INT);
    if (value != NULL) {
        value->as.integer = i;
    }
    return value;
}

struct pawl_value *pawl_float(struct pawl_state *state, double f)
{
    struct pawl_value *value = pawl_value_new(state, PAWL_KIND_FLOAT);
    if (value != NULL) {
        value->as.real = f;
    }
    return value;
}

struct pawl_value *pawl_complex(struct pawl_state *state, double real,
                                double imag)
{
    struct pawl_value *value = pawl_value_new(state, PAWL_KIND_COMPLEX);
    if (value != NULL) {
        value->as.complex.real = real;
        value->as.complex.imag = imag;
    }
    return value;
}

static struct pawl_value *new_text(struct pawl_state *state,
                                   enum pawl_kind kind, const void *data,
                                   size_t len)
{
    struct pawl_value *value = pawl_value_new(state, kind);
    if (value == NULL) {
        return NULL;
    }
    value->as.text.data = pawl_arena_copy(&state->arena, data, len);
    value->as.text.len = len;
    if (value->as.text.data == NULL) {
        pawl_state_failed(state, PAWL_ENOMEM);
        return NULL;
    }
    return value;
}

/* Drops sign bytes that say nothing new, as pickle does. */
static size_t shortest(const unsigned char *le, size_t len)
{
    while (len > 0) {
        unsigned char sign = len > 1 && (le[len - 2] & 0x80) ? 0xff : 0;
        if (le[len - 1] != sign) {
            break;
        }
        len--;
    }
    return len;
}

static int64_t small_int(const unsigned char *le, size_t len)
{
    uint64_t bits = len > 0 && (le[len - 1] & 0x80) ? UINT64_MAX : 0;
    for (size_t i = 0; i < len; i++) {
        unsigned shift = 8 * (unsigned)i;
        bits &= ~((uint64_t)0xff << shift);
        bits |= (uint64_t)le[i] << shift;
    }
    int64_t value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

struct pawl_value *pawl_bigint(struct pawl_state *state, const void *le_bytes,
                               size_t len_bytes)
{
    size_t len = shortest(le_bytes, len_bytes);
    if (len <= sizeof(int64_t)) {
        return pawl_int(state, small_int(le_bytes, len));
    }
    struct pawl_value *value = new_text(state, PAWL_KIND_INT, le_bytes, len);
    if (value != NULL) {
        value->is_big = true;
    }
    return value;
}

struct pawl_value *pawl_str_distinct(struct pawl_state *state, const char *text,
                                     size_t len_bytes)
{
    return new_text(state, PAWL_KIND_STR, text, len_bytes);
}

struct pawl_value *pawl_str_n(struct pawl_state *state, const char *text,
                              size_t len_bytes)
{
    if (state == NULL) {
        return NULL;
    }
    struct pawl_value *value =
        pawl_strmap_get(&state->strings, text, len_bytes);
    if (value != NULL) {
        return value;
    }
    value = pawl_str_distinct(state, text, len_bytes);
    if (value == NULL) {
        return NULL;
    }
    value->is_interned = true;
    if (!pawl_strmap_put(&state->strings, value->as.text.data, len_bytes,
                         value)) {
        pawl_state_failed(state, PAWL_ENOMEM);
        return NULL;
    }
    return value;
}

struct pawl_value *pawl_str(struct pawl_state *state, const char *text)
{
    return pawl_str_n(state, text, strlen(text));
}

const struct pawl_value *pawl_state_find_str(const struct pawl_state *state,
                                             const char *text, size_t len)
{
    return pawl_strmap_get(&state->strings, text, len);
}

struct pawl_value *pawl_bytes(struct pawl_state *state, const void *data,
                              size_t len_bytes)
{
    return new_text(state, PAWL_KIND_BYTES, data, len_bytes);
}

struct pawl_value *pawl_bytearray(struct pawl_state *state, const void *data,
                                  size_t len_bytes)
{
    return new_text(state, PAWL_KIND_BYTEARRAY, data, len_bytes);
}

/* ---- containers -------------------------------------------------------- */

/* Doubles an array of pointers inside the arena; `width` pointers an entry. */
static bool grow(struct pawl_state *state, struct pawl_value ***array,
                 size_t *capacity, size_t width)
{
    size_t larger = *capacity == 0 ? 4 : *capacity * 2;
    if (larger > SIZE_MAX / 2 / sizeof(**array) / width) {
        return false;
    }
    struct pawl_value **copy =
        pawl_arena_alloc(&state->arena, larger * width * sizeof(**array));
    if (copy == NULL) {
        return false;
    }
    if (*capacity > 0) {
        memcpy(copy, *array, *capacity * width * sizeof(**array));
    }
    *array = copy;
    *capacity = larger;
    return true;
}

static bool is_sequence(const struct pawl_value *value)
{
    return value->kind == PAWL_KIND_LIST || value->kind == PAWL_KIND_TUPLE ||
           value->kind == PAWL_KIND_SET || value->kind == PAWL_KIND_FROZENSET;
}

int pawl_append(struct pawl_value *seq, struct pawl_value *item)
{
    if (seq == NULL) {
        return PAWL_ENOMEM;
    }
    if (item == NULL || !is_sequence(seq)) {
        return pawl_state_failed(seq->state, PAWL_EINVAL);
    }
    if (seq->as.seq.count == seq->as.seq.capacity &&
        !grow(seq->state, &seq->as.seq.items, &seq->as.seq.capacity, 1)) {
        return pawl_state_failed(seq->state, PAWL_ENOMEM);
    }
    seq->as.seq.items[seq->as.seq.count++] = item;
    return 0;
}

struct pawl_value *pawl_list(struct pawl_state *state)
{
    return pawl_value_new(state, PAWL_KIND_LIST);
}

struct pawl_value *pawl_tuple(struct pawl_state *state)
{
    return pawl_value_new(state, PAWL_KIND_TUPLE);
}

struct pawl_value *pawl_set(struct pawl_state *state)
{
    return pawl_value_new(state, PAWL_KIND_SET);
}

struct pawl_value *pawl_frozenset(struct pawl_state *state)
{
    return pawl_value_new(state, PAWL_KIND_FROZENSET);
}

struct pawl_value *pawl_dict(struct pawl_state *state)
{
    return pawl_value_new(state, PAWL_KIND_DICT);
}

struct pawl_value *pawl_ordered_dict(struct pawl_state *state)
{
    struct pawl_value *dict = pawl_dict(state);
    if (dict != NULL) {
        dict->is_ordered = true;
    }
    return dict;
}

int pawl_dict_set(struct pawl_value *dict, struct pawl_value *key,
                  struct pawl_value *item)
{
    if (dict == NULL) {
        return PAWL_ENOMEM;
    }
    if (key == NULL || item == NULL || dict->kind != PAWL_KIND_DICT) {
        return pawl_state_failed(dict->state, PAWL_EINVAL);
    }
    if (dict->as.dict.count == dict->as.dict.capacity &&
        !grow(dict->state, &dict->as.dict.pairs, &dict->as.dict.capacity, 2)) {
        return pawl_state_failed(dict->state, PAWL_ENOMEM);
    }
    struct pawl_value **pair = &dict->as.dict.pairs[2 * dict->as.dict.count++];
    pair[0] = key;
    pair[1] = item;
    return 0;
}

int pawl_dict_set_str(struct pawl_value *dict, const char *key,
                      struct pawl_value *item)
{
    if (dict == NULL) {
        return PAWL_ENOMEM;
    }
    return pawl_dict_set(dict, pawl_str(dict->state, key), item);
}

int pawl_dict_set_attrs(struct pawl_value *ordered_dict,
                        struct pawl_value *attrs)
{
    if (ordered_dict == NULL) {
        return PAWL_ENOMEM;
    }
    if (ordered_dict->kind != PAWL_KIND_DICT || !ordered_dict->is_ordered) {
        return pawl_state_failed(ordered_dict->state, PAWL_EINVAL);
    }
    ordered_dict->as.dict.attrs = attrs;
    return 0;
}

/* ---- globals and objects ----------------------------------------------- */

/* The key "module\nname": a newline cannot be part of either, since pickle
 * itself ends them with one. */
static char *global_key(struct pawl_arena *arena, const char *module,
                        const char *name, size_t *len)
{
    size_t module_len = strlen(module);
    size_t name_len = strlen(name);
    *len = module_len + 1 + name_len;
    char *key = pawl_arena_alloc(arena, *len + 1);
    if (key != NULL) {
        memcpy(key, module, module_len);
        key[module_len] = '\n';
        memcpy(key + module_len + 1, name, name_len);
    }
    return key;
}

static struct pawl_value *new_global(struct pawl_state *state,
                                     const char *module, const char *name,
                                     const char *key, size_t key_len)
{
    struct pawl_value *value = pawl_value_new(state, PAWL_KIND_GLOBAL);
    if (value == NULL) {
        return NULL;
    }
    value->as.global.module =
        pawl_arena_copy(&state->arena, module, strlen(module));
    value->as.global.name = pawl_arena_copy(&state->arena, name, strlen(name));
    if (value->as.global.module == NULL || value->as.global.name == NULL ||
        !pawl_strmap_put(&state->globals, key, key_len, value)) {
        pawl_state_failed(state, PAWL_ENOMEM);
        return NULL;
    }
    return value;
}

struct pawl_value *pawl_global(struct pawl_state *state, const char *module,
                               const char *qualname)
{
    if (state == NULL) {
        return NULL;
    }
    size_t key_len = 0;
    char *key = global_key(&state->arena, module, qualname, &key_len);
    if (key == NULL) {
        pawl_state_failed(state, PAWL_ENOMEM);
        return NULL;
    }
    struct pawl_value *found = pawl_strmap_get(&state->globals, key, key_len);
    return found != NULL ? found
                         : new_global(state, module, qualname, key, key_len);
}

const struct pawl_value *pawl_state_find_global(const struct pawl_state *state,
                                                const char *module,
                                                const char *name)
{
    struct pawl_arena scratch = {0};
    size_t key_len = 0;
    char *key = global_key(&scratch, module, name, &key_len);
    const struct pawl_value *found =
        key == NULL ? NULL : pawl_strmap_get(&state->globals, key, key_len);
    pawl_arena_fini(&scratch);
    return found;
}

struct pawl_value *pawl_object(struct pawl_state *state)
{
    struct pawl_value *value = pawl_value_new(state, PAWL_KIND_OBJECT);
    if (value == NULL) {
        return NULL;
    }
    value->as.object =
        pawl_arena_alloc(&state->arena, sizeof(struct pawl_object));
    if (value->as.object == NULL) {
        pawl_state_failed(state, PAWL_ENOMEM);
        return NULL;
    }
    value->as.object->struct_size = sizeof(struct pawl_object);
    return value;
}

int pawl_object_set(struct pawl_value *object, const struct pawl_object *parts)
{
    if (object == NULL) {
        return PAWL_ENOMEM;
    }
    if (object->kind != PAWL_KIND_OBJECT || parts->callable == NULL ||
        parts->struct_size < sizeof(*parts)) {
        return pawl_state_failed(object->state, PAWL_EINVAL);
    }
    *object->as.object = *parts;
    object->as.object->struct_size = sizeof(*parts);
    return 0;
}
