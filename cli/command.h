/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/command.h - what the commands have in common
 */
#ifndef PAWL_CLI_COMMAND_H
#define PAWL_CLI_COMMAND_H

#include <jansson.h>
#include <pawl/pawl.h>
#include <stdbool.h>

/* How the program ends. */
enum { STATUS_GOOD = 0, STATUS_DAMAGED = 1, STATUS_TROUBLE = 2 };

struct arguments {
    const char *path;
    const char *filter; /* or NULL */
    bool all;
    bool json;
};

struct command {
    const char *name;
    const char *help;
    bool has_filter; /* takes --filter and --all */
    int (*run)(const struct arguments *arguments);
};

extern const struct command command_ls;
extern const struct command command_show;
extern const struct command command_verify;

/* Tells on stderr why something did not work; returns STATUS_TROUBLE. */
int command_fail(const struct pawl_error *why);

/* Then it holds checkpoints, or is one that others wrote. */
bool command_is_dir_without_manifest(const char *path);

/* `text` as JSON; what is not UTF-8 is escaped.  Never NULL. */
json_t *command_json_text(const char *text);
/* The integer, or the greatest that JSON's readers take. */
json_t *command_json_size(uint64_t size_bytes);
/* Prints the document to stdout, and lets go of it. */
void command_print_json(json_t *document);

#endif
