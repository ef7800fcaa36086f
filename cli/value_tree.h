/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/value_tree.h - a state's values one after the other, with their names
 *
 * A walk in depth without recursion.  What was met before is told again, but
 * not entered again: so cycles end.
 */
#ifndef PAWL_CLI_VALUE_TREE_H
#define PAWL_CLI_VALUE_TREE_H

#include <pawl/pawl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Nothing is entered that lies deeper. */
#define VALUE_TREE_DEPTH_MAX 1000

/* Where a value was met first: item `index` of `parent`; NULL for the root. */
struct value_place {
    const struct pawl_value *parent;
    size_t index;
};

struct value_node {
    const struct pawl_value *value; /* NULL: stands for `hidden` items */
    struct value_place place;
    size_t depth;
    bool is_known; /* it was met before, at value_tree_place */
    bool is_shut;  /* its items are not told, though it has some */
    uint64_t hidden;
};

struct value_frame;
struct value_tree {
    struct value_place *places; /* by value id */
    bool *met;
    uint32_t count;
    bool all; /* enter everything, and tell all items of long lists */
    struct value_frame *frames;
    size_t depth;
    size_t capacity;
    const struct pawl_value *root; /* until it was told */
};

/* `state` is borrowed. */
void value_tree_init(struct value_tree *tree, const struct pawl_state *state,
                     bool all);
void value_tree_fini(struct value_tree *tree);
/* The next value; false when there is none. */
bool value_tree_next(struct value_tree *tree, struct value_node *node);

/* Where `value`, which was met, was met first. */
struct value_place value_tree_place(const struct value_tree *tree,
                                    const struct pawl_value *value);
/* Writes the last part of a name: a key, an index, "root". */
void value_tree_put_name(FILE *stream, struct value_place place);
/* Writes the whole name, with dots; "root" for the root. */
void value_tree_put_path(FILE *stream, const struct value_tree *tree,
                         struct value_place place);

/* How many values `value` holds: items of containers, parts of objects. */
size_t value_child_count(const struct pawl_value *value);

#endif
