/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/main.c - the `pawl` command: looks after checkpoints
 *
 * It stands on the public headers only, and changes nothing on the disk.
 */
#include "command.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: pawl COMMAND [OPTION]... PATH\n"
    "\n"
    "Looks after checkpoints; changes nothing on the disk.\n"
    "\n"
    "  ls DIR                       the checkpoints in a directory\n"
    "  show FILE|DIR/TAG            what is in a file: names, dtypes, shapes\n"
    "  verify FILE|DIR/TAG|DIR      reads all, and compares all checksums\n"
    "\n"
    "  -h, --help                   this text; after COMMAND: its own\n"
    "      --version\n"
    "\n"
    "Exit status: 0 good, 1 something is damaged, 2 wrong usage or cannot "
    "read.\n";

static const struct command *const commands[] = {&command_ls, &command_show,
                                                 &command_verify};

static int misused(const char *command)
{
    fprintf(stderr, "pawl: try 'pawl %s%s--help'\n", command,
            *command ? " " : "");
    return STATUS_TROUBLE;
}

/* Fills `arguments`.  False, and how the program ends, if nothing is to run. */
static bool parse(struct arguments *arguments, int *status,
                  const struct command *command, int argc, char **argv)
{
    static const struct option all_options[] = {
        {"help", no_argument, NULL, 'h'},
        {"json", no_argument, NULL, 'j'},
        {"filter", required_argument, NULL, 'f'},
        {"all", no_argument, NULL, 'a'},
        {NULL, 0, NULL, 0},
    };
    struct option options[sizeof all_options / sizeof *all_options];
    memcpy(options, all_options, sizeof options);
    if (!command->has_filter) {
        memset(&options[2], 0, sizeof options[2]);
    }
    *status = STATUS_TROUBLE;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'h':
            fputs(command->help, stdout);
            *status = STATUS_GOOD;
            return false;
        case 'j':
            arguments->json = true;
            break;
        case 'f':
            arguments->filter = optarg;
            break;
        case 'a':
            arguments->all = true;
            break;
        default:
            misused(command->name);
            return false;
        }
    }
    if (argc - optind != 1) {
        fprintf(stderr, "pawl: %s takes one path\n", command->name);
        misused(command->name);
        return false;
    }
    arguments->path = argv[optind];
    return true;
}

static int run(int argc, char **argv)
{
    static char program[] = "pawl";
    const char *name = argc > 1 ? argv[1] : "";
    int status = STATUS_TROUBLE;
    if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
        fputs(help, stdout);
        return STATUS_GOOD;
    }
    if (!strcmp(name, "--version")) {
        printf("pawl %s\n", pawl_version());
        return STATUS_GOOD;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (!strcmp(name, commands[i]->name)) {
            struct arguments arguments = {NULL, NULL, false, false};
            argv[1] = program; /* getopt names it in its messages */
            return parse(&arguments, &status, commands[i], argc - 1, argv + 1)
                       ? commands[i]->run(&arguments)
                       : status;
        }
    }
    fprintf(stderr,
            *name ? "pawl: unknown command '%s'\n"
                  : "pawl: a command is missing%s\n",
            name);
    return misused("");
}

int main(int argc, char **argv)
{
    const int status = run(argc, argv);
    if (fflush(stdout) || ferror(stdout)) {
        perror("pawl: cannot write the output");
        return STATUS_TROUBLE;
    }
    return status;
}
