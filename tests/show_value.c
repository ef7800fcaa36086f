/* SPDX-License-Identifier: Apache-2.0 */
/* show_value.c - see show_value.h. */
#include "show_value.h"

#include "state/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { NESTING_MAX = 200 };

struct show {
    FILE *out;
    uint32_t *numbers; /* by value id, from 1 in the order met */
    uint32_t met;
    int nesting;
};

static void show(struct show *s, const struct pawl_value *value);

static void show_text(struct show *s, const char *prefix, const void *text,
                      size_t len)
{
    const unsigned char *bytes = text;
    fprintf(s->out, "%s'", prefix);
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < ' ' || bytes[i] > '~' || bytes[i] == '\'' ||
            bytes[i] == '\\') {
            fprintf(s->out, "\\x%02x", bytes[i]);
        } else {
            fputc(bytes[i], s->out);
        }
    }
    fputc('\'', s->out);
}

static void show_int(struct show *s, const struct pawl_value *value)
{
    size_t len = 0;
    int64_t number;
    const unsigned char *digits = pawl_get_bigint(value, &len);
    if (pawl_get_int(value, &number)) {
        fprintf(s->out, "%" PRId64, number);
        return;
    }
    fputs("int:", s->out);
    for (size_t i = 0; i < len; i++) {
        fprintf(s->out, "%02x", digits[i]);
    }
}

static void show_atom(struct show *s, const struct pawl_value *value)
{
    double real = 0;
    double imag = 0;
    size_t len = 0;
    const void *text;
    switch (pawl_value_kind(value)) {
    case PAWL_KIND_NONE:
        fputs("None", s->out);
        break;
    case PAWL_KIND_BOOL:
        fputs(pawl_get_bool(value) ? "True" : "False", s->out);
        break;
    case PAWL_KIND_INT:
        show_int(s, value);
        break;
    case PAWL_KIND_FLOAT:
        pawl_get_float(value, &real);
        fprintf(s->out, "%.17g%s", real,
                real < 1e15 && real > -1e15 && real == (double)(int64_t)real
                    ? ".0"
                    : "");
        break;
    case PAWL_KIND_COMPLEX:
        pawl_get_complex(value, &real, &imag);
        fprintf(s->out, "complex(%.17g, %.17g)", real, imag);
        break;
    case PAWL_KIND_STR:
        text = pawl_get_str(value, &len);
        show_text(s, "", text, len);
        break;
    case PAWL_KIND_BYTES:
        text = pawl_get_bytes(value, &len);
        show_text(s, "b", text, len);
        break;
    case PAWL_KIND_BYTEARRAY:
        text = pawl_get_bytes(value, &len);
        show_text(s, "bytearray", text, len);
        break;
    case PAWL_KIND_GLOBAL:
        fprintf(s->out, "<%s.%s>", pawl_global_module(value),
                pawl_global_name(value));
        break;
    default:
        fputs("?", s->out);
        break;
    }
}

static void show_items(struct show *s, const struct pawl_value *value)
{
    enum pawl_kind kind = pawl_value_kind(value);
    const char *open = kind == PAWL_KIND_TUPLE  ? "("
                       : kind == PAWL_KIND_LIST ? "["
                       : kind == PAWL_KIND_SET  ? "set["
                                                : "frozenset[";
    size_t count = pawl_count(value);
    fputs(open, s->out);
    for (size_t i = 0; i < count; i++) {
        fputs(i > 0 ? ", " : "", s->out);
        show(s, pawl_item(value, i));
    }
    fputs(kind != PAWL_KIND_TUPLE ? "]" : count == 1 ? ",)" : ")", s->out);
}

static void show_dict(struct show *s, const struct pawl_value *dict)
{
    fputs(pawl_dict_is_ordered(dict) ? "ordered{" : "{", s->out);
    for (size_t i = 0; i < pawl_count(dict); i++) {
        fputs(i > 0 ? ", " : "", s->out);
        show(s, pawl_key(dict, i));
        fputs(": ", s->out);
        show(s, pawl_item(dict, i));
    }
    fputs("}", s->out);
    if (pawl_dict_attrs(dict) != NULL) {
        fputs("@", s->out);
        show(s, pawl_dict_attrs(dict));
    }
}

static void show_part(struct show *s, const char *name,
                      const struct pawl_value *part)
{
    if (part != NULL) {
        fputs(name, s->out);
        show(s, part);
    }
}

static void show_object(struct show *s, const struct pawl_object *object)
{
    fputs(object->how == PAWL_REDUCE ? "call(" : "new(", s->out);
    show(s, object->callable);
    show_part(s, ", ", object->args);
    show_part(s, ", ", object->kwargs);
    fputs(")", s->out);
    show_part(s, ".state=", object->state);
    show_part(s, ".items=", object->items);
    show_part(s, ".pairs=", object->pairs);
}

static void show_counts(struct show *s, const uint64_t *counts, uint32_t n)
{
    fputs(" (", s->out);
    for (uint32_t i = 0; i < n; i++) {
        fprintf(s->out, "%s%" PRIu64, i > 0 ? ", " : "", counts[i]);
    }
    fputs(")", s->out);
}

static void show_tensor(struct show *s, const struct pawl_tensor *tensor)
{
    fprintf(s->out, "%s(%s", tensor->is_parameter ? "parameter" : "tensor",
            pawl_dtype_name(tensor->dtype));
    show_counts(s, tensor->shape, tensor->ndim);
    show_counts(s, tensor->strides, tensor->ndim);
    fprintf(s->out, " +%" PRIu64 " s%" PRIu32 "%s%s%s)", tensor->offset,
            pawl_storage_id(tensor->storage),
            tensor->requires_grad ? " grad" : "",
            tensor->is_conj ? " conj" : "", tensor->is_neg ? " neg" : "");
}

/* Whether it was shown before; else it gets its number. */
static bool show_again(struct show *s, const struct pawl_value *value)
{
    uint32_t id = pawl_value_id(value);
    if (s->numbers[id] != 0) {
        fprintf(s->out, "#%" PRIu32, s->numbers[id] - 1);
        return true;
    }
    s->numbers[id] = ++s->met;
    return false;
}

static void show_container(struct show *s, const struct pawl_value *value)
{
    const struct pawl_object *object = pawl_get_object(value);
    if (s->nesting == NESTING_MAX) {
        fputs("...", s->out);
        return;
    }
    s->nesting++;
    if (object != NULL) {
        show_object(s, object);
    } else if (pawl_value_kind(value) == PAWL_KIND_DICT) {
        show_dict(s, value);
    } else {
        show_items(s, value);
    }
    s->nesting--;
}

static void show(struct show *s, const struct pawl_value *value)
{
    struct pawl_storage *storage;
    switch (pawl_value_kind(value)) {
    case PAWL_KIND_LIST:
    case PAWL_KIND_TUPLE:
    case PAWL_KIND_SET:
    case PAWL_KIND_FROZENSET:
    case PAWL_KIND_DICT:
    case PAWL_KIND_OBJECT:
        if (pawl_value_kind(value) == PAWL_KIND_TUPLE &&
            pawl_count(value) == 0) {
            fputs("()", s->out);
        } else if (!show_again(s, value)) {
            show_container(s, value);
        }
        break;
    case PAWL_KIND_TENSOR:
        show_tensor(s, pawl_get_tensor(value));
        break;
    case PAWL_KIND_STORAGE:
        storage = pawl_get_storage(value);
        fprintf(s->out, "storage(%s s%" PRIu32 ")",
                pawl_dtype_name(pawl_storage_dtype(storage)),
                pawl_storage_id(storage));
        break;
    default:
        show_atom(s, value);
        break;
    }
}

char *show_value(const struct pawl_value *value)
{
    char *text = NULL;
    size_t len = 0;
    struct show s = {0};
    s.out = open_memstream(&text, &len);
    s.numbers =
        calloc(pawl_state_value_count(value->state) + 1, sizeof(*s.numbers));
    if (s.out == NULL || s.numbers == NULL) {
        abort();
    }
    show(&s, value);
    fclose(s.out);
    free(s.numbers);
    return text;
}
