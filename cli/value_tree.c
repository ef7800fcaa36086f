/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/value_tree.c - a state's values one after the other, with their names
 */
#include "value_tree.h"

#include "text.h"
#include "value_text.h"

#include <stdlib.h>
#include <string.h>

/* Of a longer list, so many items are told, unless all are asked for. */
#define LIST_LONG 20
#define LIST_SHOWN 8

struct value_frame {
    const struct pawl_value *value;
    size_t next;
    size_t end;    /* items that are told */
    size_t hidden; /* items after them that are not */
};

/* ---- what a value holds ------------------------------------------------ */

#define OBJECT_PARTS 6

/* Part `index` of those that the object has. */
static const struct pawl_value *object_part(const struct pawl_object *object,
                                            size_t index, const char **name)
{
    static const char *const names[OBJECT_PARTS] = {
        "<callable>", "<args>", "<kwargs>", "<state>", "<items>", "<pairs>"};
    const struct pawl_value *const parts[OBJECT_PARTS] = {
        object->callable, object->args,  object->kwargs,
        object->state,    object->items, object->pairs};
    for (size_t i = 0; i < OBJECT_PARTS; i++) {
        /* The name of the class is told with the object itself. */
        const bool is_told =
            parts[i] &&
            !(i == 0 && pawl_value_kind(parts[i]) == PAWL_KIND_GLOBAL) &&
            !(i == 1 && pawl_count(parts[i]) == 0);
        if (is_told && index-- == 0) {
            *name = names[i];
            return parts[i];
        }
    }
    return NULL;
}

size_t value_child_count(const struct pawl_value *value)
{
    const struct pawl_object *object = pawl_get_object(value);
    const char *name;
    size_t count = 0;
    if (!object) {
        return pawl_count(value) + (pawl_dict_attrs(value) ? 1 : 0);
    }
    while (object_part(object, count, &name)) {
        count++;
    }
    return count;
}

static const struct pawl_value *child(const struct pawl_value *value,
                                      size_t index)
{
    const struct pawl_object *object = pawl_get_object(value);
    const char *name;
    if (object) {
        return object_part(object, index, &name);
    }
    return index < pawl_count(value) ? pawl_item(value, index)
                                     : pawl_dict_attrs(value);
}

/* Whether `value` may hold others, or payload: then it has a place. */
static bool has_place(const struct pawl_value *value)
{
    switch (pawl_value_kind(value)) {
    case PAWL_KIND_TENSOR:
    case PAWL_KIND_STORAGE:
    case PAWL_KIND_BYTEARRAY:
        return true;
    default:
        return value_child_count(value) > 0;
    }
}

/* ---- names ------------------------------------------------------------- */

void value_tree_put_name(FILE *stream, struct value_place place)
{
    const struct pawl_object *object = pawl_get_object(place.parent);
    const char *name = "";
    if (!place.parent) {
        fputs("root", stream);
    } else if (object) {
        object_part(object, place.index, &name);
        fputs(name, stream);
    } else if (pawl_value_kind(place.parent) != PAWL_KIND_DICT) {
        fprintf(stream, "%zu", place.index);
    } else if (place.index < pawl_count(place.parent)) {
        value_text_put_key(stream, pawl_key(place.parent, place.index));
    } else {
        fputs("<attributes>", stream);
    }
}

struct value_place value_tree_place(const struct value_tree *tree,
                                    const struct pawl_value *value)
{
    return tree->places[pawl_value_id(value)];
}

void value_tree_put_path(FILE *stream, const struct value_tree *tree,
                         struct value_place place)
{
    struct value_place chain[VALUE_TREE_DEPTH_MAX + 1];
    size_t length = 0;
    while (length <= VALUE_TREE_DEPTH_MAX && place.parent) {
        chain[length++] = place;
        place = value_tree_place(tree, place.parent);
    }
    if (!length) {
        fputs("root", stream);
    }
    while (length-- > 0) {
        value_tree_put_name(stream, chain[length]);
        fputs(length ? "." : "", stream);
    }
}

/* ---- the walk ---------------------------------------------------------- */

void value_tree_init(struct value_tree *tree, const struct pawl_state *state,
                     bool all)
{
    memset(tree, 0, sizeof *tree);
    tree->count = pawl_state_value_count(state);
    tree->all = all;
    tree->root = pawl_state_root(state);
    tree->places =
        text_checked(calloc((size_t)tree->count + 1, sizeof *tree->places));
    tree->met = text_checked(calloc((size_t)tree->count + 1, 1));
}

void value_tree_fini(struct value_tree *tree)
{
    free(tree->places);
    free(tree->met);
    free(tree->frames);
}

static bool is_sequence(const struct pawl_value *value)
{
    switch (pawl_value_kind(value)) {
    case PAWL_KIND_LIST:
    case PAWL_KIND_TUPLE:
    case PAWL_KIND_SET:
    case PAWL_KIND_FROZENSET:
        return true;
    default:
        return false;
    }
}

/* Whether the items of `value` are better told than it alone: short lists of
 * numbers and words fit the line. */
static bool is_entered(const struct value_tree *tree,
                       const struct value_node *node)
{
    if (node->depth >= VALUE_TREE_DEPTH_MAX) {
        return false;
    }
    if (tree->all || !is_sequence(node->value)) {
        return tree->all || !node->place.parent ||
               node->value != pawl_dict_attrs(node->place.parent);
    }
    return !value_text_is_plain(node->value);
}

static void enter(struct value_tree *tree, const struct pawl_value *value)
{
    if (tree->depth == tree->capacity) {
        tree->capacity = tree->capacity ? tree->capacity * 2 : 16;
        tree->frames = text_checked(
            reallocarray(tree->frames, tree->capacity, sizeof *tree->frames));
    }
    const size_t count = value_child_count(value);
    const bool is_cut = !tree->all && is_sequence(value) && count > LIST_LONG;
    const size_t end = is_cut ? LIST_SHOWN : count;
    tree->frames[tree->depth++] =
        (struct value_frame){value, 0, end, count - end};
}

/* Tells `value`, and goes into it if it is new. */
static void tell(struct value_tree *tree, struct value_node *node,
                 const struct pawl_value *value, struct value_place place)
{
    *node = (struct value_node){
        .value = value, .place = place, .depth = tree->depth};
    if (!has_place(value)) {
        return;
    }
    const uint32_t id = pawl_value_id(value);
    if (tree->met[id]) {
        node->is_known = true;
        return;
    }
    tree->met[id] = true;
    tree->places[id] = place;
    if (value_child_count(value) > 0) {
        node->is_shut = !is_entered(tree, node);
        if (!node->is_shut) {
            enter(tree, value);
        }
    }
}

bool value_tree_next(struct value_tree *tree, struct value_node *node)
{
    if (tree->root) {
        const struct pawl_value *root = tree->root;
        tree->root = NULL;
        tell(tree, node, root, (struct value_place){NULL, 0});
        return true;
    }
    while (tree->depth > 0) {
        struct value_frame *top = &tree->frames[tree->depth - 1];
        if (top->next < top->end) {
            const struct value_place place = {top->value, top->next++};
            tell(tree, node, child(top->value, place.index), place);
            return true;
        }
        if (top->hidden) {
            *node = (struct value_node){.place = {top->value, top->end},
                                        .depth = tree->depth,
                                        .hidden = top->hidden};
            top->hidden = 0;
            return true;
        }
        tree->depth--;
    }
    return false;
}
