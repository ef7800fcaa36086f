/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/show_file.h - what is in one file, as a table or as JSON
 */
#ifndef PAWL_CLI_SHOW_FILE_H
#define PAWL_CLI_SHOW_FILE_H

#include "command.h"
#include "terminal.h"

/* Prints the tree of values.  `path` is told as the file's name. */
void show_file_print(const struct pawl_state *state, const char *path,
                     const struct arguments *arguments,
                     const struct terminal *terminal);
/* The same as JSON. */
json_t *show_file_json(const struct pawl_state *state, const char *path,
                       const struct arguments *arguments);

#endif
