/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/table.c - rows of text, lined up, as wide as the terminal
 */
#include "table.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

#define GAP 2 /* columns between two columns */

void table_init(struct table *table, const struct table_column *columns,
                size_t column_count)
{
    memset(table, 0, sizeof *table);
    table->columns = columns;
    table->column_count = column_count;
}

void table_add(struct table *table, const char *text, enum tone tone)
{
    if (table->cell_count == table->capacity) {
        const size_t more = table->capacity ? table->capacity * 2 : 64;
        table->cells = text_checked(
            reallocarray(table->cells, more, sizeof *table->cells));
        table->capacity = more;
    }
    table->cells[table->cell_count].text = text_checked(strdup(text));
    table->cells[table->cell_count].tone = tone;
    table->cell_count++;
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++) {
        free(table->cells[i].text);
    }
    free(table->cells);
}

static void measure(const struct table *table, size_t widths[])
{
    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = text_columns(table->columns[c].title);
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        const size_t width = text_columns(table->cells[i].text);
        size_t *widest = &widths[i % table->column_count];
        *widest = width > *widest ? width : *widest;
    }
}

/* Cuts the widest column to the next one's width, again and again, until the
 * row fits. */
static void shrink(size_t widths[], size_t count, size_t limit)
{
    for (;;) {
        size_t total = GAP * (count - 1);
        size_t widest = 0;
        size_t next = 0; /* the second greatest width */
        for (size_t c = 0; c < count; c++) {
            total += widths[c];
            widest = widths[c] > widths[widest] ? c : widest;
        }
        for (size_t c = 0; c < count; c++) {
            next = c != widest && widths[c] > next ? widths[c] : next;
        }
        if (total <= limit || widths[widest] <= 1) {
            return;
        }
        const size_t excess = total - limit;
        const size_t step = widths[widest] > next ? widths[widest] - next : 1;
        widths[widest] -= step < excess ? step : excess;
    }
}

/* Cuts or fills to `width`; spaces at the end are left in `*pad`, for lines
 * have none. */
static void put_cell(FILE *stream, const char *text, size_t width, bool right,
                     int *pad)
{
    const size_t columns = text_columns(text);
    const int missing = columns < width ? (int)(width - columns) : 0;
    if (columns == 0) {
        *pad += missing;
        return;
    }
    fprintf(stream, "%*s", *pad + (right ? missing : 0), "");
    if (columns > width) {
        fwrite(text, 1, text_fit(text, width - 1), stream);
        fputc('~', stream);
    } else {
        fputs(text, stream);
    }
    *pad = right ? 0 : missing;
}

void table_print(const struct table *table, FILE *stream,
                 const struct terminal *terminal)
{
    const size_t count = table->column_count;
    size_t widths[TABLE_COLUMNS_MAX];
    int pad = 0;
    if (count == 0) {
        return;
    }
    measure(table, widths);
    if (terminal->width) {
        shrink(widths, count, terminal->width);
    }
    for (size_t i = 0; i < count + table->cell_count; i++) {
        const size_t c = i % count;
        const enum tone tone =
            i < count ? TONE_FAINT : table->cells[i - count].tone;
        const char *text =
            i < count ? table->columns[c].title : table->cells[i - count].text;

        fputs(terminal_begin(terminal, tone), stream);
        put_cell(stream, text, widths[c], table->columns[c].right, &pad);
        fputs(terminal_end(terminal, tone), stream);
        pad += GAP;
        if (c == count - 1) {
            fputc('\n', stream);
            pad = 0;
        }
    }
}
