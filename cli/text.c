/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/text.c - words for people: safe, short, measured
 */
#include "text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void *text_checked(void *memory)
{
    if (!memory) {
        fputs("pawl: out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

void text_open(struct text *text)
{
    text->bytes = NULL;
    text->len_bytes = 0;
    text->stream = text_checked(open_memstream(&text->bytes, &text->len_bytes));
}

char *text_close(struct text *text)
{
    const bool failed = ferror(text->stream);
    return text_checked(fclose(text->stream) || failed ? NULL : text->bytes);
}

/* Bytes of the code point at `s`, and the point itself; 0 if it is none. */
static size_t decode(uint32_t *out, const unsigned char *s, size_t len_bytes)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t n = s[0] < 0x80             ? 1
                     : (s[0] & 0xe0) == 0xc0 ? 2
                     : (s[0] & 0xf0) == 0xe0 ? 3
                     : (s[0] & 0xf8) == 0xf0 ? 4
                                             : 0;
    if (!n || n > len_bytes) {
        return 0;
    }
    uint32_t point = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (s[i] & 0x3f);
    }
    if (point < smallest[n] || point > 0x10ffff ||
        (point >= 0xd800 && point <= 0xdfff)) {
        return 0;
    }
    *out = point;
    return n;
}

static bool is_safe(uint32_t point)
{
    const bool control = point < 0x20 || (point >= 0x7f && point < 0xa0);
    const bool turns = point == 0x061c || point == 0x200e || point == 0x200f ||
                       (point >= 0x2028 && point <= 0x202e) ||
                       (point >= 0x2066 && point <= 0x2069);
    return !control && !turns;
}

void text_put_safe(FILE *stream, const char *bytes, size_t len_bytes)
{
    const unsigned char *s = (const unsigned char *)bytes;
    while (len_bytes > 0) {
        uint32_t point = 0;
        size_t n = decode(&point, s, len_bytes);
        if (n && is_safe(point)) {
            fwrite(s, 1, n, stream);
        } else {
            n = n ? n : 1;
            for (size_t i = 0; i < n; i++) {
                fprintf(stream, "\\x%02x", s[i]);
            }
        }
        s += n;
        len_bytes -= n;
    }
}

char *text_safe(const char *bytes, size_t len_bytes)
{
    struct text text;
    text_open(&text);
    text_put_safe(text.stream, bytes, len_bytes);
    return text_close(&text);
}

static bool starts_point(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

size_t text_columns(const char *text)
{
    size_t columns = 0;
    for (; *text; text++) {
        columns += starts_point(*text);
    }
    return columns;
}

size_t text_fit(const char *text, size_t columns)
{
    size_t i = 0;
    for (; text[i]; i++) {
        if (starts_point(text[i]) && columns-- == 0) {
            break;
        }
    }
    return i;
}

const char *text_size(char out[TEXT_SHORT_MAX], uint64_t size_bytes)
{
    static const char *const units[] = {"B",   "KiB", "MiB", "GiB",
                                        "TiB", "PiB", "EiB"};
    double size = (double)size_bytes;
    size_t unit = 0;
    while (size >= 1023.95 && unit < 6) {
        size /= 1024;
        unit++;
    }
    snprintf(out, TEXT_SHORT_MAX, "%.*f %s", unit ? 1 : 0, size, units[unit]);
    return out;
}

const char *text_time(char out[TEXT_SHORT_MAX], int64_t unix_ms)
{
    const time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    if (!localtime_r(&seconds, &tm) ||
        !strftime(out, TEXT_SHORT_MAX, "%Y-%m-%d %H:%M:%S", &tm)) {
        snprintf(out, TEXT_SHORT_MAX, "?");
    }
    return out;
}
