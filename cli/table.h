/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/table.h - rows of text, lined up, as wide as the terminal
 *
 * Cells are added from left to right, row after row.  On a terminal that is too
 * narrow the widest columns lose their ends, which a '~' marks; elsewhere
 * nothing is cut.
 */
#ifndef PAWL_CLI_TABLE_H
#define PAWL_CLI_TABLE_H

#include "terminal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 8

struct table_column {
    const char *title;
    bool right; /* numbers: aligned to the right */
};

struct table_cell {
    char *text;
    enum tone tone;
};

struct table {
    const struct table_column *columns;
    size_t column_count; /* at most TABLE_COLUMNS_MAX */
    struct table_cell *cells;
    size_t cell_count;
    size_t capacity;
};

/* `columns` is borrowed until table_free. */
void table_init(struct table *table, const struct table_column *columns,
                size_t column_count);
/* Copies `text`, which has to be safe to print. */
void table_add(struct table *table, const char *text, enum tone tone);
/* Titles, and all rows. */
void table_print(const struct table *table, FILE *stream,
                 const struct terminal *terminal);
void table_free(struct table *table);

#endif
