/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_text.h - strings and numbers that a pickle spells as text
 *
 * Functions without an error parameter return false for malformed text.
 * Thread-safe.
 */
#ifndef PAWL_FORMAT_PICKLE_TEXT_H
#define PAWL_FORMAT_PICKLE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Whether `text` is UTF-8 in which lone surrogates may stand as three bytes
 * (Python's "surrogatepass"). */
bool pawl_utf8_valid(const uint8_t *text, size_t len);

/* Whether no character of the UTF-8 `text` is above U+00FF; appends those as
 * single bytes. */
bool pawl_utf8_to_latin1(struct pawl_buffer *out, const char *text, size_t len);

/* Decodes \uXXXX and \UXXXXXXXX in Latin-1 text (Python's
 * "raw-unicode-escape"), and appends UTF-8. */
bool pawl_decode_raw_unicode(struct pawl_buffer *out, const uint8_t *text,
                             size_t len);

/* Decodes what Python 2 writes for a str: quoted, with backslash escapes. */
bool pawl_decode_quoted(struct pawl_buffer *out, const uint8_t *text,
                        size_t len);

/* A decimal integer, signed, of at most PAWL_DIGITS_MAX digits (Python's own
 * limit): appends it in two's complement, little-endian. */
#define PAWL_DIGITS_MAX 4300
bool pawl_decode_decimal(struct pawl_buffer *out, const uint8_t *text,
                         size_t len);

/* A small decimal number without a sign. */
bool pawl_decode_index(uint64_t *out, const uint8_t *text, size_t len);

/* What Python's repr of a float looks like, in any locale. */
bool pawl_decode_float(double *out, const uint8_t *text, size_t len);

#endif
