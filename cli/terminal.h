/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/terminal.h - what the output goes to: how wide, how colourful
 */
#ifndef PAWL_CLI_TERMINAL_H
#define PAWL_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct terminal {
    size_t width; /* columns of stdout; 0: no terminal, no limit */
    bool colour;  /* stdout is a terminal, and NO_COLOR is not set */
};

enum tone { TONE_PLAIN, TONE_GOOD, TONE_ODD, TONE_BAD, TONE_FAINT };

/* Looks at stdout, at COLUMNS (if the terminal does not tell its width) and at
 * NO_COLOR. */
struct terminal terminal_of_stdout(void);

/* What to print before and after text of `tone`; "" without colours. */
const char *terminal_begin(const struct terminal *terminal, enum tone tone);
const char *terminal_end(const struct terminal *terminal, enum tone tone);

/* A bar on stderr, if that is a terminal; else nothing is shown. */
struct progress {
    bool shown;
    size_t width;
    uint64_t start_ns;
    uint64_t drawn_ns;
};
void progress_begin(struct progress *progress);
/* Draws at most ten times a second.  `total_bytes` 0: not known. */
void progress_update(struct progress *progress, uint64_t done_bytes,
                     uint64_t total_bytes);
/* Takes the bar away, so that other text can be printed. */
void progress_clear(struct progress *progress);

#endif
