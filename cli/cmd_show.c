/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/cmd_show.c - `pawl show`: what is in a file, or in each of a checkpoint's
 */
#include "command.h"
#include "file_list.h"
#include "show_file.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shows one file; STATUS_TROUBLE if it cannot be read. */
static int show_one(const char *path, bool is_first,
                    const struct arguments *arguments,
                    const struct terminal *terminal, json_t *files)
{
    struct pawl_state *state = NULL;
    struct pawl_error err;
    if (pawl_load(&state, path, PAWL_LOAD_LAZY, &err) < 0) {
        if (files) {
            json_array_append_new(
                files, text_checked(json_pack(
                           "{s:o, s:s, s:o}", "path", command_json_text(path),
                           "code", pawl_error_name(err.code), "error",
                           command_json_text(err.message))));
        }
        return command_fail(&err);
    }
    if (files) {
        json_array_append_new(files, show_file_json(state, path, arguments));
    } else {
        fputs(is_first ? "" : "\n", stdout);
        show_file_print(state, path, arguments, terminal);
    }
    pawl_state_free(state);
    return STATUS_GOOD;
}

static int name_first(void *ctx, const struct pawl_checkpoint *checkpoint)
{
    struct text *text = ctx;
    fputs(checkpoint->tag, text->stream);
    return 1;
}

/* A directory without a manifest that holds checkpoints is none: to show all of
 * them would be too much.  True, and `err` says which to name. */
static bool is_too_much(const char *path, struct pawl_error *err)
{
    struct text text;
    text_open(&text);
    const int rc = command_is_dir_without_manifest(path)
                       ? pawl_checkpoint_list(path, name_first, &text, NULL)
                       : PAWL_ENOENT;
    char *tag = text_close(&text);
    const bool is_too_much = rc == 0 && *tag;
    if (is_too_much) {
        *err = (struct pawl_error){.code = PAWL_EINVAL};
        snprintf(
            err->message, sizeof err->message,
            "'%s' is a directory of checkpoints: name one of them, such as "
            "'%s/%s'",
            path, path, tag);
    }
    free(tag);
    return is_too_much;
}

static int run_show(const struct arguments *arguments)
{
    const struct terminal terminal = terminal_of_stdout();
    json_t *files = arguments->json ? text_checked(json_array()) : NULL;
    struct file_list list;
    struct pawl_error err;
    int status = STATUS_GOOD;
    if (is_too_much(arguments->path, &err)) {
        json_decref(files);
        return command_fail(&err);
    }
    const int cause = file_list_find(&list, arguments->path);
    if (cause || list.count == 0) {
        err = (struct pawl_error){.code = PAWL_ENOENT, .sys_errno = cause};
        snprintf(err.message, sizeof err.message, "cannot show '%s': %s",
                 arguments->path, cause ? strerror(cause) : "no files");
        json_decref(files);
        return command_fail(&err);
    }
    for (size_t i = 0; i < list.count; i++) {
        if (show_one(list.paths[i], i == 0, arguments, &terminal, files)) {
            status = STATUS_TROUBLE;
        }
    }
    if (files) {
        command_print_json(json_pack("{s:o}", "files", files));
    }
    file_list_free(&list);
    return status;
}

const struct command command_show = {
    .name = "show",
    .help =
        "usage: pawl show [--filter TEXT] [--all] [--json] FILE|DIR/TAG\n"
        "\n"
        "Shows what is in a file, or in each file of a checkpoint: names, "
        "types,\n"
        "shapes, sizes.  Nothing in the file is run: objects are told by the "
        "name\n"
        "of their class.  Tensors that share a storage carry its number.\n"
        "\n"
        "  -h, --help\n"
        "      --filter TEXT  only what has TEXT in its name, names written "
        "with dots;\n"
        "                     with *, ? or [ a pattern for the whole name\n"
        "      --all          long lists, texts and attributes in full\n"
        "      --json         one JSON document instead of tables\n",
    .has_filter = true,
    .run = run_show,
};
