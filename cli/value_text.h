/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/value_text.h - one value as a few words
 *
 * All of it is safe to print.
 */
#ifndef PAWL_CLI_VALUE_TEXT_H
#define PAWL_CLI_VALUE_TEXT_H

#include <pawl/pawl.h>
#include <stdbool.h>
#include <stdio.h>

/* A key as part of a name: strings bare, other values as they are shown. */
void value_text_put_key(FILE *stream, const struct pawl_value *key);
/* The value as Python would write it, more or less; long strings end in "..."
 * unless `all`.  Of containers only those of plain items show them. */
void value_text_put(FILE *stream, const struct pawl_value *value, bool all);
/* What it is: a dtype, the name of an object's class, or a kind. */
void value_text_put_type(FILE *stream, const struct pawl_value *value);
/* "64x10", "scalar" */
void value_text_put_shape(FILE *stream, const struct pawl_tensor *tensor);

/* Whether all items are numbers, short words, True, False or None. */
bool value_text_is_plain(const struct pawl_value *sequence);

/* Bytes of a tensor's elements, UINT64_MAX if there are more. */
uint64_t value_text_tensor_size(const struct pawl_tensor *tensor);

#endif
