/* SPDX-License-Identifier: Apache-2.0 */
/* printable.h - names from a file, made fit for a message. */
#ifndef PAWL_FORMAT_PRINTABLE_H
#define PAWL_FORMAT_PRINTABLE_H

#include <stddef.h>

/* Room for a name in a message; longer ones are cut and end in "...". */
struct pawl_printable {
    char text[128];
};

/* `name` with every byte that is not printable ASCII, and every quote, as '?'.
 * Thread-safe. */
struct pawl_printable pawl_printable(const char *name, size_t len);

#endif
