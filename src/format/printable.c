/* SPDX-License-Identifier: Apache-2.0 */
/* printable.c - see printable.h. */
#include "format/printable.h"

#include <string.h>

struct pawl_printable pawl_printable(const char *name, size_t len)
{
    struct pawl_printable shown = {""};
    const size_t room = sizeof(shown.text) - sizeof("...");
    size_t take = len < room ? len : room;
    for (size_t i = 0; i < take; i++) {
        char c = name[i];
        if (c < ' ' || c > '~' || c == '\'') {
            c = '?';
        }
        shown.text[i] = c;
    }
    if (take < len) {
        memcpy(shown.text + take, "...", sizeof("..."));
    }
    return shown;
}
