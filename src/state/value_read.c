/* SPDX-License-Identifier: Apache-2.0 */
/* value_read.c - looking into values: the accessors of pawl/state.h. */
#include "state/value.h"

#include <string.h>

static bool is(const struct pawl_value *value, enum pawl_kind kind)
{
    return value != NULL && value->kind == kind;
}

static bool is_sequence(const struct pawl_value *value)
{
    return is(value, PAWL_KIND_LIST) || is(value, PAWL_KIND_TUPLE) ||
           is(value, PAWL_KIND_SET) || is(value, PAWL_KIND_FROZENSET);
}

enum pawl_kind pawl_value_kind(const struct pawl_value *value)
{
    return value == NULL ? PAWL_KIND_NONE : (enum pawl_kind)value->kind;
}

const char *pawl_kind_name(enum pawl_kind kind)
{
    static const char *const names[] = {
        [PAWL_KIND_NONE] = "none",       [PAWL_KIND_BOOL] = "bool",
        [PAWL_KIND_INT] = "int",         [PAWL_KIND_FLOAT] = "float",
        [PAWL_KIND_COMPLEX] = "complex", [PAWL_KIND_STR] = "str",
        [PAWL_KIND_BYTES] = "bytes",     [PAWL_KIND_BYTEARRAY] = "bytearray",
        [PAWL_KIND_LIST] = "list",       [PAWL_KIND_TUPLE] = "tuple",
        [PAWL_KIND_SET] = "set",         [PAWL_KIND_FROZENSET] = "frozenset",
        [PAWL_KIND_DICT] = "dict",       [PAWL_KIND_TENSOR] = "tensor",
        [PAWL_KIND_STORAGE] = "storage", [PAWL_KIND_GLOBAL] = "global",
        [PAWL_KIND_OBJECT] = "object",
    };
    return (unsigned)kind < sizeof(names) / sizeof(names[0]) ? names[kind]
                                                             : "?";
}

bool pawl_get_bool(const struct pawl_value *value)
{
    return is(value, PAWL_KIND_BOOL) && value->as.boolean;
}

bool pawl_get_int(const struct pawl_value *value, int64_t *out)
{
    if (!is(value, PAWL_KIND_INT) || value->is_big) {
        return false;
    }
    *out = value->as.integer;
    return true;
}

const void *pawl_get_bigint(const struct pawl_value *value, size_t *len_bytes)
{
    if (!is(value, PAWL_KIND_INT) || !value->is_big) {
        return NULL;
    }
    *len_bytes = value->as.text.len;
    return value->as.text.data;
}

bool pawl_get_float(const struct pawl_value *value, double *out)
{
    if (!is(value, PAWL_KIND_FLOAT)) {
        return false;
    }
    *out = value->as.real;
    return true;
}

bool pawl_get_complex(const struct pawl_value *value, double *real,
                      double *imag)
{
    if (!is(value, PAWL_KIND_COMPLEX)) {
        return false;
    }
    *real = value->as.complex.real;
    *imag = value->as.complex.imag;
    return true;
}

static const char *text_of(const struct pawl_value *value, size_t *len_bytes)
{
    if (len_bytes != NULL) {
        *len_bytes = value->as.text.len;
    }
    return value->as.text.data;
}

const char *pawl_get_str(const struct pawl_value *value, size_t *len_bytes)
{
    return is(value, PAWL_KIND_STR) ? text_of(value, len_bytes) : NULL;
}

const void *pawl_get_bytes(const struct pawl_value *value, size_t *len_bytes)
{
    if (!is(value, PAWL_KIND_BYTES) && !is(value, PAWL_KIND_BYTEARRAY)) {
        return NULL;
    }
    return text_of(value, len_bytes);
}

size_t pawl_count(const struct pawl_value *value)
{
    if (is(value, PAWL_KIND_DICT)) {
        return value->as.dict.count;
    }
    return is_sequence(value) ? value->as.seq.count : 0;
}

struct pawl_value *pawl_item(const struct pawl_value *value, size_t index)
{
    if (index >= pawl_count(value)) {
        return NULL;
    }
    return value->kind == PAWL_KIND_DICT ? value->as.dict.pairs[2 * index + 1]
                                         : value->as.seq.items[index];
}

struct pawl_value *pawl_key(const struct pawl_value *dict, size_t index)
{
    if (!is(dict, PAWL_KIND_DICT) || index >= dict->as.dict.count) {
        return NULL;
    }
    return dict->as.dict.pairs[2 * index];
}

struct pawl_value *pawl_lookup(const struct pawl_value *dict, const char *key)
{
    size_t key_len = strlen(key);
    for (size_t i = pawl_count(dict); i > 0; i--) {
        size_t len = 0;
        const char *text = pawl_get_str(pawl_key(dict, i - 1), &len);
        if (text != NULL && len == key_len && memcmp(text, key, len) == 0) {
            return pawl_item(dict, i - 1);
        }
    }
    return NULL;
}

bool pawl_dict_is_ordered(const struct pawl_value *dict)
{
    return is(dict, PAWL_KIND_DICT) && dict->is_ordered;
}

struct pawl_value *pawl_dict_attrs(const struct pawl_value *dict)
{
    return is(dict, PAWL_KIND_DICT) ? dict->as.dict.attrs : NULL;
}

const char *pawl_global_module(const struct pawl_value *value)
{
    return is(value, PAWL_KIND_GLOBAL) ? value->as.global.module : NULL;
}

const char *pawl_global_name(const struct pawl_value *value)
{
    return is(value, PAWL_KIND_GLOBAL) ? value->as.global.name : NULL;
}

const struct pawl_object *pawl_get_object(const struct pawl_value *value)
{
    return is(value, PAWL_KIND_OBJECT) ? value->as.object : NULL;
}

const struct pawl_tensor *pawl_get_tensor(const struct pawl_value *value)
{
    return is(value, PAWL_KIND_TENSOR) ? value->as.tensor : NULL;
}

struct pawl_storage *pawl_get_storage(const struct pawl_value *value)
{
    return is(value, PAWL_KIND_STORAGE) ? value->as.storage : NULL;
}
