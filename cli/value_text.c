/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/value_text.c - one value as a few words
 */
#include "value_text.h"

#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES_MAX 200
#define STR_BYTES_MAX 60
#define BYTES_MAX 16
#define WORD_BYTES_MAX 20 /* of a string in a list */
#define ITEMS_MAX 8

static bool is_scalar(enum pawl_kind kind)
{
    return kind == PAWL_KIND_NONE || kind == PAWL_KIND_BOOL ||
           kind == PAWL_KIND_INT || kind == PAWL_KIND_FLOAT ||
           kind == PAWL_KIND_COMPLEX;
}

bool value_text_is_plain(const struct pawl_value *sequence)
{
    const size_t count = pawl_count(sequence);
    for (size_t i = 0; i < count; i++) {
        const struct pawl_value *item = pawl_item(sequence, i);
        size_t len_bytes = 0;
        if (pawl_get_str(item, &len_bytes)
                ? len_bytes > WORD_BYTES_MAX
                : !is_scalar(pawl_value_kind(item))) {
            return false;
        }
    }
    return true;
}

/* At most `max_bytes` of `text`, and no part of a code point. */
static size_t cut(const char *text, size_t len_bytes, size_t max_bytes)
{
    size_t shown = len_bytes;
    if (len_bytes > max_bytes) {
        shown = max_bytes;
        while (shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80) {
            shown--;
        }
    }
    return shown;
}

/* ---- scalars ----------------------------------------------------------- */

/* The shortest digits that give `f` back. */
static void put_float(FILE *stream, double f)
{
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, f);
        if (strtod(digits, NULL) == f) {
            break;
        }
    }
    fputs(digits, stream);
    if (isfinite(f) && !strpbrk(digits, ".e")) {
        fputs(".0", stream);
    }
}

/* Two's complement, little-endian, shown in base 16. */
static void put_bigint(FILE *stream, const unsigned char *bytes, size_t len)
{
    const bool negative = len && bytes[len - 1] & 0x80;
    unsigned char *digits = text_checked(malloc(len + 1));
    unsigned carry = negative;
    for (size_t i = 0; i < len; i++) {
        const unsigned digit = (negative ? bytes[i] ^ 0xffu : bytes[i]) + carry;
        digits[i] = (unsigned char)digit;
        carry = digit >> 8;
    }
    digits[len] = (unsigned char)carry;
    size_t top = len;
    while (top > 0 && !digits[top]) {
        top--;
    }
    fprintf(stream, "%s0x%x", negative ? "-" : "", digits[top]);
    while (top-- > 0) {
        fprintf(stream, "%02x", digits[top]);
    }
    free(digits);
}

static void put_int(FILE *stream, const struct pawl_value *value, bool all)
{
    int64_t i = 0;
    size_t len_bytes = 0;
    const void *bytes = pawl_get_bigint(value, &len_bytes);
    if (pawl_get_int(value, &i)) {
        fprintf(stream, "%" PRId64, i);
    } else if (all || len_bytes <= (size_t)4 * BYTES_MAX) {
        put_bigint(stream, bytes, len_bytes);
    } else {
        fprintf(stream, "an int of %zu bytes", len_bytes);
    }
}

static void put_str(FILE *stream, const struct pawl_value *value, bool all)
{
    size_t len_bytes = 0;
    const char *text = pawl_get_str(value, &len_bytes);
    const size_t shown = cut(text, len_bytes, all ? len_bytes : STR_BYTES_MAX);
    fputc('\'', stream);
    text_put_safe(stream, text, shown);
    fputc('\'', stream);
    if (shown < len_bytes) {
        fprintf(stream, "... (%zu bytes)", len_bytes);
    }
}

static void put_bytes(FILE *stream, const struct pawl_value *value, bool all)
{
    size_t len_bytes = 0;
    const unsigned char *bytes = pawl_get_bytes(value, &len_bytes);
    const size_t shown = all || len_bytes <= BYTES_MAX ? len_bytes : BYTES_MAX;
    fputs("b'", stream);
    for (size_t i = 0; i < shown; i++) {
        const bool is_text = bytes[i] >= 0x20 && bytes[i] < 0x7f;
        fprintf(stream, is_text ? "%c" : "\\x%02x", bytes[i]);
    }
    fputc('\'', stream);
    if (shown < len_bytes) {
        fprintf(stream, "... (%zu bytes)", len_bytes);
    }
}

static void put_global(FILE *stream, const struct pawl_value *value)
{
    const char *module = pawl_global_module(value);
    const char *name = pawl_global_name(value);
    text_put_safe(stream, module, strlen(module));
    fputc('.', stream);
    text_put_safe(stream, name, strlen(name));
}

/* A value that holds no others. */
static void put_leaf(FILE *stream, const struct pawl_value *value, bool all)
{
    double real = 0;
    double imag = 0;
    switch (pawl_value_kind(value)) {
    case PAWL_KIND_NONE:
        fputs("None", stream);
        break;
    case PAWL_KIND_BOOL:
        fputs(pawl_get_bool(value) ? "True" : "False", stream);
        break;
    case PAWL_KIND_INT:
        put_int(stream, value, all);
        break;
    case PAWL_KIND_FLOAT:
        pawl_get_float(value, &real);
        put_float(stream, real);
        break;
    case PAWL_KIND_COMPLEX:
        pawl_get_complex(value, &real, &imag);
        fputc('(', stream);
        put_float(stream, real);
        fputs(signbit(imag) ? "" : "+", stream);
        put_float(stream, imag);
        fputs("j)", stream);
        break;
    case PAWL_KIND_STR:
        put_str(stream, value, all);
        break;
    case PAWL_KIND_BYTES:
    case PAWL_KIND_BYTEARRAY:
        put_bytes(stream, value, all);
        break;
    case PAWL_KIND_GLOBAL:
        put_global(stream, value);
        break;
    default:
        break;
    }
}

/* ---- containers -------------------------------------------------------- */

static void put_sequence(FILE *stream, const struct pawl_value *value, bool all)
{
    const enum pawl_kind kind = pawl_value_kind(value);
    const size_t count = pawl_count(value);
    const size_t shown = all || count <= ITEMS_MAX ? count : ITEMS_MAX;
    const char *ends = kind == PAWL_KIND_LIST    ? "[]"
                       : kind == PAWL_KIND_TUPLE ? "()"
                                                 : "{}";
    fputc(ends[0], stream);
    for (size_t i = 0; i < shown; i++) {
        fputs(i ? ", " : "", stream);
        put_leaf(stream, pawl_item(value, i), all);
    }
    if (shown < count) {
        fprintf(stream, ", ... (%zu items)", count);
    } else if (count == 1 && kind == PAWL_KIND_TUPLE) {
        fputc(',', stream);
    }
    fputc(ends[1], stream);
}

void value_text_put(FILE *stream, const struct pawl_value *value, bool all)
{
    const size_t count = pawl_count(value);
    switch (pawl_value_kind(value)) {
    case PAWL_KIND_LIST:
    case PAWL_KIND_TUPLE:
    case PAWL_KIND_SET:
    case PAWL_KIND_FROZENSET:
        if (value_text_is_plain(value)) {
            put_sequence(stream, value, all);
            break;
        } /* fall through */
    case PAWL_KIND_DICT:
        fprintf(stream, "%zu item%s", count, count == 1 ? "" : "s");
        break;
    case PAWL_KIND_TENSOR:
    case PAWL_KIND_STORAGE:
    case PAWL_KIND_OBJECT:
        break;
    default:
        put_leaf(stream, value, all);
        break;
    }
}

void value_text_put_key(FILE *stream, const struct pawl_value *key)
{
    size_t len_bytes = 0;
    const char *text = pawl_get_str(key, &len_bytes);
    if (!text) {
        struct text words;
        text_open(&words);
        value_text_put(words.stream, key, false);
        char *bytes = text_close(&words);
        fputs(*bytes ? bytes : pawl_kind_name(pawl_value_kind(key)), stream);
        free(bytes);
    } else {
        const size_t shown = cut(text, len_bytes, KEY_BYTES_MAX);
        text_put_safe(stream, text, shown);
        fputs(shown < len_bytes ? "..." : "", stream);
    }
}

/* The class of an object: what is called, or what that builds. */
static void put_class(FILE *stream, const struct pawl_object *object)
{
    const struct pawl_value *name = object->callable;
    const struct pawl_value *first =
        pawl_count(object->args) ? pawl_item(object->args, 0) : NULL;
    const bool is_rebuilder =
        pawl_value_kind(name) == PAWL_KIND_GLOBAL &&
        (strcmp(pawl_global_name(name), "_reconstructor") == 0 ||
         strcmp(pawl_global_name(name), "_reconstruct") == 0);
    if (is_rebuilder && pawl_value_kind(first) == PAWL_KIND_GLOBAL) {
        name = first;
    }
    if (pawl_value_kind(name) == PAWL_KIND_GLOBAL) {
        put_global(stream, name);
    } else {
        fputs("object", stream);
    }
}

void value_text_put_type(FILE *stream, const struct pawl_value *value)
{
    const struct pawl_tensor *tensor = pawl_get_tensor(value);
    const struct pawl_object *object = pawl_get_object(value);
    if (tensor) {
        fputs(pawl_dtype_name(tensor->dtype), stream);
    } else if (object) {
        put_class(stream, object);
    } else if (pawl_dict_is_ordered(value)) {
        fputs("OrderedDict", stream);
    } else {
        fputs(pawl_kind_name(pawl_value_kind(value)), stream);
    }
}

void value_text_put_shape(FILE *stream, const struct pawl_tensor *tensor)
{
    for (uint32_t i = 0; i < tensor->ndim; i++) {
        fprintf(stream, "%s%" PRIu64, i ? "x" : "", tensor->shape[i]);
    }
    if (!tensor->ndim) {
        fputs("scalar", stream);
    }
}

uint64_t value_text_tensor_size(const struct pawl_tensor *tensor)
{
    uint64_t size_bytes = 0;
    return __builtin_mul_overflow(pawl_tensor_numel(tensor),
                                  pawl_dtype_size(tensor->dtype), &size_bytes)
               ? UINT64_MAX
               : size_bytes;
}
