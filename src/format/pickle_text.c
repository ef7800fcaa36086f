/* SPDX-License-Identifier: Apache-2.0 */
/* pickle_text.c - see pickle_text.h. */
#include "format/pickle_text.h"

#include <locale.h>
#include <stdlib.h>

/* ---- UTF-8 ------------------------------------------------------------- */

/* Length of the sequence that begins with `first` and the least code point it
 * may stand for; 0 for a byte that begins none. */
static size_t sequence_length(uint8_t first, uint32_t *least)
{
    if (first >= 0xc2 && first <= 0xdf) {
        *least = 0x80;
        return 2;
    }
    if ((first & 0xf0) == 0xe0) {
        *least = 0x800;
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        *least = 0x10000;
        return 4;
    }
    return 0;
}

/* The code point at `text`, or UINT32_MAX; `*len` becomes its length. */
static uint32_t decode_one(const uint8_t *text, size_t *len)
{
    uint32_t least = 0;
    if (text[0] < 0x80) {
        *len = 1;
        return text[0];
    }
    size_t need = sequence_length(text[0], &least);
    if (need == 0 || need > *len) {
        return UINT32_MAX;
    }
    uint32_t code = text[0] & (0x7fu >> need);
    for (size_t i = 1; i < need; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return UINT32_MAX;
        }
        code = (code << 6) | (text[i] & 0x3fu);
    }
    *len = need;
    return code < least || code > 0x10ffff ? UINT32_MAX : code;
}

bool pawl_utf8_valid(const uint8_t *text, size_t len)
{
    size_t i = 0;
    while (i < len) {
        if (len - i >= 8 && (get_le64(text + i) & 0x8080808080808080u) == 0) {
            i += 8;
            continue;
        }
        size_t step = len - i;
        if (decode_one(text + i, &step) == UINT32_MAX) {
            return false;
        }
        i += step;
    }
    return true;
}

bool pawl_utf8_to_latin1(struct pawl_buffer *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t step = len - i;
        uint32_t code = decode_one((const uint8_t *)text + i, &step);
        if (code > 0xff) {
            return false;
        }
        uint8_t byte = (uint8_t)code;
        pawl_buffer_append(out, &byte, 1);
        i += step;
    }
    return true;
}

static void append_utf8(struct pawl_buffer *out, uint32_t code)
{
    uint8_t bytes[4];
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (len == 1) {
        bytes[0] = (uint8_t)code;
    } else {
        for (size_t i = len - 1; i > 0; i--) {
            bytes[i] = (uint8_t)(0x80 | (code & 0x3f));
            code >>= 6;
        }
        bytes[0] = (uint8_t)((0xf00u >> len) | code);
    }
    pawl_buffer_append(out, bytes, len);
}

/* ---- escapes ----------------------------------------------------------- */

static int digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* The number of exactly `digits` hexadecimal digits. */
static bool decode_hex(uint32_t *out, const uint8_t *text, size_t len,
                       size_t digits)
{
    uint32_t value = 0;
    if (len < digits) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        int digit = digit_value(text[i]);
        if (digit > 15) {
            return false;
        }
        value = (value << 4) | (uint32_t)digit;
    }
    *out = value;
    return true;
}

bool pawl_decode_raw_unicode(struct pawl_buffer *out, const uint8_t *text,
                             size_t len)
{
    size_t backslashes = 0; /* that stand directly before text[i] */
    for (size_t i = 0; i < len; i++) {
        bool escape =
            backslashes % 2 == 1 && (text[i] == 'u' || text[i] == 'U');
        backslashes = text[i] == '\\' ? backslashes + 1 : 0;
        if (!escape) {
            append_utf8(out, text[i]);
            continue;
        }
        size_t digits = text[i] == 'u' ? 4 : 8;
        uint32_t code = 0;
        if (!decode_hex(&code, text + i + 1, len - i - 1, digits) ||
            code > 0x10ffff) {
            return false;
        }
        if (!out->failed) {
            out->len--; /* the backslash, which was taken for itself */
        }
        append_utf8(out, code);
        i += digits;
    }
    return true;
}

/* The byte that the escape at `text`, behind its backslash, stands for; false
 * when it is none.  `*used` is its length. */
static bool decode_escape(uint8_t *out, size_t *used, const uint8_t *text,
                          size_t len)
{
    static const char letters[] = "\\'\"abfnrtv";
    static const char meanings[] = "\\'\"\a\b\f\n\r\t\v";
    uint32_t value = 0;
    if (len > 0 && text[0] == 'x') {
        *used = 3;
        if (!decode_hex(&value, text + 1, len - 1, 2)) {
            return false;
        }
        *out = (uint8_t)value;
        return true;
    }
    size_t digits = 0;
    while (digits < 3 && digits < len && text[digits] >= '0' &&
           text[digits] <= '7') {
        value = value * 8 + (uint32_t)(text[digits++] - '0');
    }
    if (digits > 0) {
        *used = digits;
        *out = (uint8_t)value;
        return true;
    }
    const char *letter =
        len > 0 && text[0] != '\0' ? strchr(letters, text[0]) : NULL;
    if (letter == NULL) {
        return false;
    }
    *used = 1;
    *out = (uint8_t)meanings[letter - letters];
    return true;
}

bool pawl_decode_quoted(struct pawl_buffer *out, const uint8_t *text,
                        size_t len)
{
    if (len < 2 || text[0] != text[len - 1] ||
        (text[0] != '\'' && text[0] != '"')) {
        return false;
    }
    for (size_t i = 1; i < len - 1; i++) {
        uint8_t byte = text[i];
        size_t used = 0;
        if (byte == '\\' &&
            !decode_escape(&byte, &used, text + i + 1, len - 2 - i)) {
            return false;
        }
        pawl_buffer_append(out, &byte, 1);
        i += used;
    }
    return true;
}

/* ---- numbers ----------------------------------------------------------- */

bool pawl_decode_index(uint64_t *out, const uint8_t *text, size_t len)
{
    uint64_t value = 0;
    if (len == 0 || len > 18) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *out = value;
    return true;
}

/* number = number * 10 + digit, little-endian with room for the carry. */
static void times_ten_plus(uint8_t *number, size_t len, unsigned digit)
{
    unsigned carry = digit;
    for (size_t i = 0; i < len; i++) {
        unsigned value = number[i] * 10u + carry;
        number[i] = (uint8_t)value;
        carry = value >> 8;
    }
}

static void negate(uint8_t *number, size_t len)
{
    unsigned carry = 1;
    for (size_t i = 0; i < len; i++) {
        unsigned value = (uint8_t)~number[i] + carry;
        number[i] = (uint8_t)value;
        carry = value >> 8;
    }
}

bool pawl_decode_decimal(struct pawl_buffer *out, const uint8_t *text,
                         size_t len)
{
    bool negative = len > 0 && text[0] == '-';
    size_t sign = len > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    size_t digits = len - sign;
    if (digits == 0 || digits > PAWL_DIGITS_MAX) {
        return false;
    }
    size_t room = digits / 2 + 1; /* log2(10) / 8 bytes a digit, and a sign */
    uint8_t *number = pawl_buffer_extend(out, room);
    if (number == NULL) {
        return true; /* the buffer tells */
    }
    memset(number, 0, room);
    for (size_t i = sign; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        times_ten_plus(number, room, (unsigned)(text[i] - '0'));
    }
    if (negative) {
        negate(number, room);
    }
    return true;
}

bool pawl_decode_float(double *out, const uint8_t *text, size_t len)
{
    char copy[64];
    if (len == 0 || len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (strspn(copy, "+-.0123456789einfaINFAE") != len) {
        return false; /* strtod would take "0x1p3" and leading blanks */
    }
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0) {
        return false;
    }
    char *end = NULL;
    *out = strtod_l(copy, &end, c_locale);
    freelocale(c_locale);
    return end == copy + len;
}
