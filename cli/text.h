/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/text.h - words for people: safe, short, measured
 *
 * Names come from files that anyone may have written, so what reaches a
 * terminal passes text_put_safe first.  A column is one code point here.
 */
#ifndef PAWL_CLI_TEXT_H
#define PAWL_CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Long enough for text_size, text_time. */
#define TEXT_SHORT_MAX 40

/* `memory`; ends the program, with a message, when it is NULL. */
void *text_checked(void *memory);

/* A stream that collects into `*text`, which is the caller's to free once the
 * stream was closed with text_close. */
struct text {
    FILE *stream;
    char *bytes;
    size_t len_bytes;
};
void text_open(struct text *text);
/* Closes the stream and returns the text, never NULL. */
char *text_close(struct text *text);

/* Writes `len_bytes` of `bytes`: what is not printable UTF-8, or would change
 * the direction of writing, as \xNN of each byte. */
void text_put_safe(FILE *stream, const char *bytes, size_t len_bytes);
/* The same as a new string. */
char *text_safe(const char *bytes, size_t len_bytes);

/* Code points of `text`. */
size_t text_columns(const char *text);
/* How many bytes of `text` make at most `columns` code points. */
size_t text_fit(const char *text, size_t columns);

/* "2.5 KiB"; "12 B" is exact. */
const char *text_size(char out[TEXT_SHORT_MAX], uint64_t size_bytes);
/* Local time, "2026-01-31 23:59:59". */
const char *text_time(char out[TEXT_SHORT_MAX], int64_t unix_ms);

#endif
