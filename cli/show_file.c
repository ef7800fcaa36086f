/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/show_file.c - what is in one file, as a table or as JSON
 *
 * Two walks: one counts who uses which storage, one tells.  Payload is not
 * read.
 */
#include "show_file.h"

#include "table.h"
#include "text.h"
#include "value_text.h"
#include "value_tree.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define INDENT_MAX 40 /* levels */
#define STR_JSON_MAX 60

static const struct table_column columns[] = {
    {"NAME", false}, {"TYPE", false},  {"SHAPE", true},
    {"SIZE", true},  {"VALUE", false},
};

struct storage_use {
    uint32_t users;
    bool is_told;
};

struct show {
    const struct arguments *arguments;
    struct value_tree tree;
    struct storage_use *uses; /* by storage id */
    struct table table;
    json_t *entries;
};

struct totals {
    size_t tensors;
    size_t storages;
    uint64_t size_bytes;
};

/* The storage that a tensor, or a storage told by itself, stands for. */
static struct pawl_storage *storage_of(const struct pawl_value *value)
{
    const struct pawl_tensor *tensor = pawl_get_tensor(value);
    return tensor ? tensor->storage : pawl_get_storage(value);
}

static struct totals count_uses(struct show *show,
                                const struct pawl_state *state)
{
    struct totals totals = {0, 0, 0};
    struct value_node node;
    const size_t count = pawl_state_storage_count(state);
    show->uses = text_checked(calloc(count + 1, sizeof *show->uses));
    value_tree_init(&show->tree, state, true);
    while (value_tree_next(&show->tree, &node)) {
        struct pawl_storage *storage =
            node.value ? storage_of(node.value) : NULL;
        if (storage && !node.is_known) {
            totals.tensors += pawl_get_tensor(node.value) != NULL;
            if (show->uses[pawl_storage_id(storage)].users++ == 0) {
                totals.storages++;
                totals.size_bytes += pawl_storage_size(storage);
            }
        }
    }
    value_tree_fini(&show->tree);
    return totals;
}

static bool matches(const char *filter, const char *path)
{
    return strpbrk(filter, "*?[") ? fnmatch(filter, path, 0) == 0
                                  : strstr(path, filter) != NULL;
}

static char *path_of(const struct show *show, const struct value_node *node)
{
    struct text path;
    text_open(&path);
    value_tree_put_path(path.stream, &show->tree, node->place);
    return text_close(&path);
}

/* The name under which `value` was told first. */
static char *first_path(const struct show *show, const struct pawl_value *value)
{
    struct text text;
    text_open(&text);
    value_tree_put_path(text.stream, &show->tree,
                        value_tree_place(&show->tree, value));
    return text_close(&text);
}

static char *words_of(void (*put)(FILE *, const struct pawl_value *),
                      const struct pawl_value *value)
{
    struct text text;
    text_open(&text);
    put(text.stream, value);
    return text_close(&text);
}

/* ---- a table ----------------------------------------------------------- */

static void add_name(struct show *show, const struct value_node *node)
{
    struct text name;
    text_open(&name);
    if (show->arguments->filter) {
        value_tree_put_path(name.stream, &show->tree, node->place);
    } else {
        const size_t levels =
            node->depth < INDENT_MAX ? node->depth : INDENT_MAX;
        fprintf(name.stream, "%*s", (int)(2 * levels), "");
        if (node->value) {
            value_tree_put_name(name.stream, node->place);
        } else {
            fputs("...", name.stream);
        }
    }
    char *text = text_close(&name);
    table_add(&show->table, text, TONE_PLAIN);
    free(text);
}

/* What there is to say about a tensor beside its shape. */
static void put_tensor_notes(struct show *show, FILE *stream,
                             const struct pawl_value *value)
{
    const struct pawl_tensor *tensor = pawl_get_tensor(value);
    struct pawl_storage *storage = storage_of(value);
    struct storage_use *use = &show->uses[pawl_storage_id(storage)];
    const char *location = pawl_storage_location(storage);
    const char *gap = "";
    if (use->users > 1) {
        fprintf(stream, "%s#%" PRIu32, use->is_told ? "shares " : "",
                pawl_storage_id(storage));
        use->is_told = true;
        gap = ", ";
    }
    if (tensor && (tensor->is_parameter || tensor->requires_grad)) {
        fprintf(stream, "%s%s", gap,
                tensor->is_parameter ? "Parameter" : "requires_grad");
        gap = ", ";
    }
    if (strcmp(location, "cpu") != 0) {
        fputs(gap, stream);
        text_put_safe(stream, location, strlen(location));
    }
}

/* Whether neither its items nor a text of them are told. */
static bool hides_items(const struct value_node *node)
{
    return node->is_shut && (node->depth >= VALUE_TREE_DEPTH_MAX ||
                             pawl_value_kind(node->value) == PAWL_KIND_DICT);
}

static void add_value(struct show *show, const struct value_node *node)
{
    struct text text;
    text_open(&text);
    if (!node->value) {
        fprintf(text.stream, "%" PRIu64 " more (--all)", node->hidden);
    } else if (node->is_known) {
        char *first = first_path(show, node->value);
        fprintf(text.stream, "same as %s", first);
        free(first);
    } else if (storage_of(node->value)) {
        put_tensor_notes(show, text.stream, node->value);
    } else {
        value_text_put(text.stream, node->value, show->arguments->all);
        if (node->depth >= VALUE_TREE_DEPTH_MAX && node->is_shut) {
            fputs(" (too deep)", text.stream);
        } else if (hides_items(node)) {
            fputs(" (--all)", text.stream);
        }
    }
    char *words = text_close(&text);
    table_add(&show->table, words, TONE_PLAIN);
    free(words);
}

static void add_shape_and_size(struct show *show, const struct value_node *node)
{
    const struct pawl_tensor *tensor = pawl_get_tensor(node->value);
    struct pawl_storage *storage = node->value ? storage_of(node->value) : NULL;
    char size[TEXT_SHORT_MAX] = "";
    struct text shape;
    text_open(&shape);
    if (tensor) {
        value_text_put_shape(shape.stream, tensor);
        text_size(size, value_text_tensor_size(tensor));
    } else if (storage) {
        text_size(size, pawl_storage_size(storage));
    }
    char *words = text_close(&shape);
    table_add(&show->table, words, TONE_PLAIN);
    table_add(&show->table, size, TONE_PLAIN);
    free(words);
}

static void add_row(struct show *show, const struct value_node *node)
{
    add_name(show, node);
    if (node->value) {
        char *type = words_of(value_text_put_type, node->value);
        table_add(&show->table, type,
                  pawl_get_object(node->value) ? TONE_ODD : TONE_GOOD);
        free(type);
    } else {
        table_add(&show->table, "", TONE_PLAIN);
    }
    add_shape_and_size(show, node);
    add_value(show, node);
}

/* ---- JSON -------------------------------------------------------------- */

static void set_tensor(json_t *entry, const struct pawl_tensor *tensor)
{
    json_t *shape = text_checked(json_array());
    json_t *strides = text_checked(json_array());
    for (uint32_t i = 0; i < tensor->ndim; i++) {
        json_array_append_new(shape, command_json_size(tensor->shape[i]));
        json_array_append_new(strides, command_json_size(tensor->strides[i]));
    }
    json_object_set_new(entry, "dtype",
                        json_string(pawl_dtype_name(tensor->dtype)));
    json_object_set_new(entry, "shape", shape);
    json_object_set_new(entry, "strides", strides);
    json_object_set_new(entry, "offset", command_json_size(tensor->offset));
    json_object_set_new(entry, "size_bytes",
                        command_json_size(value_text_tensor_size(tensor)));
    json_object_set_new(entry, "requires_grad",
                        json_boolean(tensor->requires_grad));
    json_object_set_new(entry, "is_parameter",
                        json_boolean(tensor->is_parameter));
}

static void set_storage(struct show *show, json_t *entry,
                        const struct pawl_storage *storage)
{
    const uint32_t id = pawl_storage_id(storage);
    json_object_set_new(entry, "storage", json_integer(id));
    json_object_set_new(entry, "storage_bytes",
                        command_json_size(pawl_storage_size(storage)));
    json_object_set_new(entry, "is_shared",
                        json_boolean(show->uses[id].users > 1));
    json_object_set_new(entry, "location",
                        command_json_text(pawl_storage_location(storage)));
}

/* Numbers and truth as JSON's own; other values as they are shown; NULL for
 * what is shown by its items. */
static json_t *plain_json(const struct pawl_value *value, bool all)
{
    int64_t i = 0;
    double f = 0;
    json_t *json = NULL;
    if (pawl_get_int(value, &i)) {
        return json_integer(i);
    }
    if (pawl_value_kind(value) == PAWL_KIND_BOOL) {
        return json_boolean(pawl_get_bool(value));
    }
    if (pawl_get_float(value, &f) && (json = json_real(f))) {
        return json; /* NULL for what JSON cannot say: inf, nan */
    }
    size_t len_bytes = 0;
    const char *text = pawl_get_str(value, &len_bytes);
    if (text && (all || len_bytes <= STR_JSON_MAX) &&
        (json = json_stringn(text, len_bytes))) {
        return json;
    }
    struct text words;
    text_open(&words);
    value_text_put(words.stream, value, all);
    char *shown = text_close(&words);
    json = *shown ? command_json_text(shown) : NULL;
    free(shown);
    return json;
}

static void add_entry(struct show *show, const struct value_node *node)
{
    struct pawl_storage *storage = node->value ? storage_of(node->value) : NULL;
    char *path = path_of(show, node);
    json_t *entry = text_checked(json_object());
    json_object_set_new(entry, "path", command_json_text(path));
    free(path);
    if (node->value) {
        const char *kind = pawl_kind_name(pawl_value_kind(node->value));
        char *type = words_of(value_text_put_type, node->value);
        json_object_set_new(entry, "kind", json_string(kind));
        json_object_set_new(entry, "type", command_json_text(type));
        free(type);
    } else {
        json_object_set_new(entry, "hidden", command_json_size(node->hidden));
    }
    if (node->is_known) {
        char *first = first_path(show, node->value);
        json_object_set_new(entry, "same_as", command_json_text(first));
        free(first);
    }
    if (pawl_get_tensor(node->value)) {
        set_tensor(entry, pawl_get_tensor(node->value));
    } else if (node->value && !node->is_known) {
        json_t *value = plain_json(node->value, show->arguments->all);
        if (value) {
            json_object_set_new(entry, "value", value);
        }
    }
    if (node->value && hides_items(node)) {
        const size_t hidden = value_child_count(node->value);
        json_object_set_new(entry, "hidden", command_json_size(hidden));
    }
    if (storage) {
        set_storage(show, entry, storage);
    }
    json_array_append_new(show->entries, entry);
}

/* ---- both -------------------------------------------------------------- */

static bool is_wanted(const struct show *show, const struct value_node *node)
{
    if (!show->arguments->filter) {
        return true;
    }
    char *path = path_of(show, node);
    const bool is_wanted = matches(show->arguments->filter, path);
    free(path);
    return is_wanted;
}

static void tell_all(struct show *show, const struct pawl_state *state,
                     void (*tell)(struct show *, const struct value_node *))
{
    struct value_node node;
    value_tree_init(&show->tree, state,
                    show->arguments->all || show->arguments->filter);
    while (value_tree_next(&show->tree, &node)) {
        if (is_wanted(show, &node)) {
            tell(show, &node);
        }
    }
    value_tree_fini(&show->tree);
}

void show_file_print(const struct pawl_state *state, const char *path,
                     const struct arguments *arguments,
                     const struct terminal *terminal)
{
    struct show show = {.arguments = arguments};
    char size[TEXT_SHORT_MAX];
    const struct totals totals = count_uses(&show, state);
    text_put_safe(stdout, path, strlen(path));
    printf(": %zu tensor%s, %s in %zu storage%s\n", totals.tensors,
           totals.tensors == 1 ? "" : "s", text_size(size, totals.size_bytes),
           totals.storages, totals.storages == 1 ? "" : "s");
    table_init(&show.table, columns, sizeof columns / sizeof *columns);
    tell_all(&show, state, add_row);
    table_print(&show.table, stdout, terminal);
    table_free(&show.table);
    free(show.uses);
}

json_t *show_file_json(const struct pawl_state *state, const char *path,
                       const struct arguments *arguments)
{
    struct show show = {.arguments = arguments};
    const struct totals totals = count_uses(&show, state);
    show.entries = text_checked(json_array());
    tell_all(&show, state, add_entry);
    free(show.uses);
    return text_checked(json_pack(
        "{s:o, s:o, s:o, s:o, s:o}", "path", command_json_text(path),
        "tensor_count", command_json_size(totals.tensors), "storage_count",
        command_json_size(totals.storages), "storage_bytes",
        command_json_size(totals.size_bytes), "entries", show.entries));
}
