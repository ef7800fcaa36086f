/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/command.c - what the commands have in common
 */
#include "command.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int command_fail(const struct pawl_error *why)
{
    fputs("pawl: ", stderr);
    text_put_safe(stderr, why->message, strlen(why->message));
    fputc('\n', stderr);
    return STATUS_TROUBLE;
}

bool command_is_dir_without_manifest(const char *path)
{
    struct stat st;
    struct text manifest;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
        return false;
    }
    text_open(&manifest);
    fprintf(manifest.stream, "%s/pawl.json", path);
    char *name = text_close(&manifest);
    const bool has_none = lstat(name, &st) < 0;
    free(name);
    return has_none;
}

json_t *command_json_text(const char *text)
{
    json_t *string = json_string(text);
    if (!string) {
        char *safe = text_safe(text, strlen(text));
        string = text_checked(json_string(safe));
        free(safe);
    }
    return string;
}

json_t *command_json_size(uint64_t size_bytes)
{
    return text_checked(json_integer(
        size_bytes > INT64_MAX ? INT64_MAX : (json_int_t)size_bytes));
}

void command_print_json(json_t *document)
{
    text_checked(document);
    json_dumpf(document, stdout, JSON_INDENT(2));
    fputc('\n', stdout);
    json_decref(document);
}
