/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/cmd_verify.c - `pawl verify`: reads all, and compares all checksums
 *
 * A directory with a manifest is a checkpoint.  Another directory is one of
 * checkpoints if there are any in it, and else a checkpoint without manifest.
 */
#include "command.h"
#include "terminal.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

struct verification {
    struct terminal terminal;
    struct progress progress;
    json_t *json;     /* what is done, or NULL */
    json_t *files;    /* of the checkpoint that is read, or NULL */
    const char *path; /* what is read: a checkpoint or a file */
    uint64_t size_bytes;
    size_t file_count;
    int status;
};

/* A checkpoint that a directory holds. */
struct entry {
    char *path;
    char *reason;
    enum pawl_checkpoint_state state;
};

struct entries {
    struct entry *items;
    size_t count;
    const char *dir;
};

static void put_line(const struct verification *v, enum tone tone,
                     const char *verdict, const char *path, const char *why)
{
    printf("%s%-8s%s ", terminal_begin(&v->terminal, tone), verdict,
           terminal_end(&v->terminal, tone));
    text_put_safe(stdout, path, strlen(path));
    fputs(*why ? ": " : "", stdout);
    text_put_safe(stdout, why, strlen(why));
    fputc('\n', stdout);
}

static bool is_damage(int rc)
{
    return rc == PAWL_ECORRUPT || rc == PAWL_EFORMAT;
}

/* ---- one checkpoint or file -------------------------------------------- */

/* The caller's words for a file that is told by its path in the checkpoint, or,
 * if it is all that is read, by its absolute path. */
static char *path_of(const struct verification *v, const char *path)
{
    struct text text;
    text_open(&text);
    fputs(v->path, text.stream);
    if (*path != '/') {
        fprintf(text.stream, "/%s", path);
    }
    return text_close(&text);
}

static void on_file(void *ctx, const char *path, uint64_t size_bytes,
                    const struct pawl_error *why)
{
    struct verification *v = ctx;
    char size[TEXT_SHORT_MAX];
    progress_clear(&v->progress);
    v->file_count++;
    v->size_bytes += size_bytes;
    if (v->json) {
        json_t *file = text_checked(json_pack(
            "{s:o, s:o, s:b}", "path",
            command_json_text(*path == '/' ? v->path : path), "size_bytes",
            command_json_size(size_bytes), "is_whole", !why));
        if (why) {
            json_object_set_new(file, "code",
                                json_string(pawl_error_name(why->code)));
            json_object_set_new(file, "error", command_json_text(why->message));
        }
        json_array_append_new(v->files, file);
        return;
    }
    char *whole_path = path_of(v, path);
    if (why) {
        put_line(v, TONE_BAD, is_damage(why->code) ? "damaged" : "unread",
                 whole_path, why->message);
    } else {
        put_line(v, TONE_GOOD, "whole", whole_path,
                 text_size(size, size_bytes));
    }
    free(whole_path);
}

static void on_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
    struct verification *v = ctx;
    progress_update(&v->progress, done_bytes, total_bytes);
}

static void add_json(struct verification *v, const char *path,
                     const char *verdict, const char *reason)
{
    json_t *item = text_checked(json_pack(
        "{s:o, s:s, s:o, s:O}", "path", command_json_text(path), "verdict",
        verdict, "reason", command_json_text(reason), "files", v->files));
    json_array_append_new(v->json, item);
}

/* Reads it all.  `known_reason`: why it is broken although each of its files
 * may be whole; or "".  `is_bare`: a directory without a manifest, which may be
 * no checkpoint. */
static void verify_one(struct verification *v, const char *path,
                       const char *known_reason, bool is_bare)
{
    const struct pawl_verify_listener listener = {sizeof listener, on_file,
                                                  on_progress, v};
    const size_t files_before = v->file_count;
    struct pawl_error err = {0, 0, ""};
    v->path = path;
    v->files = v->json ? text_checked(json_array()) : NULL;
    progress_begin(&v->progress);
    const int rc = pawl_verify(path, &listener, &err);
    progress_clear(&v->progress);

    const bool is_told = v->file_count > files_before;
    const char *reason = rc < 0 ? err.message : known_reason;
    int status = *reason ? STATUS_DAMAGED : STATUS_GOOD;
    if (rc < 0 && (!is_damage(rc) || (is_bare && !is_told))) {
        status = is_told ? STATUS_TROUBLE : command_fail(&err);
    }
    v->status = status > v->status ? status : v->status;
    if (v->json) {
        static const char *const verdicts[] = {"whole", "damaged", "unread"};
        add_json(v, path, verdicts[status], reason);
        json_decref(v->files);
    } else if (status == STATUS_DAMAGED && (!is_told || rc == 0)) {
        put_line(v, TONE_BAD, "damaged", path, reason);
    }
}

/* ---- many -------------------------------------------------------------- */

static int collect(void *ctx, const struct pawl_checkpoint *checkpoint)
{
    struct entries *entries = ctx;
    struct text path;
    entries->items = text_checked(reallocarray(
        entries->items, entries->count + 1, sizeof *entries->items));
    text_open(&path);
    fprintf(path.stream, "%s/%s", entries->dir, checkpoint->tag);
    entries->items[entries->count++] = (struct entry){
        text_close(&path), text_checked(strdup(checkpoint->reason)),
        checkpoint->state};
    return 0;
}

static void verify_entries(struct verification *v,
                           const struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        const struct entry *entry = &entries->items[i];
        if (entry->state != PAWL_CHECKPOINT_MAKING) {
            const bool is_broken = entry->state == PAWL_CHECKPOINT_BROKEN;
            verify_one(v, entry->path, is_broken ? entry->reason : "", false);
        } else if (v->json) {
            v->files = text_checked(json_array());
            add_json(v, entry->path, "making", entry->reason);
            json_decref(v->files);
        } else {
            put_line(v, TONE_ODD, "making", entry->path, entry->reason);
        }
    }
}

static void finish(struct verification *v)
{
    char size[TEXT_SHORT_MAX];
    if (v->json) {
        command_print_json(json_pack("{s:b, s:O}", "is_whole",
                                     v->status == STATUS_GOOD, "checkpoints",
                                     v->json));
        json_decref(v->json);
        return;
    }
    if (v->file_count == 0 && v->status == STATUS_TROUBLE) {
        return; /* it was said on stderr */
    }
    printf("%zu file%s, %s: ", v->file_count, v->file_count == 1 ? "" : "s",
           text_size(size, v->size_bytes));
    if (v->status == STATUS_GOOD) {
        puts("all whole");
    } else if (v->status == STATUS_DAMAGED) {
        puts("damaged");
    } else {
        puts("not all could be read");
    }
}

static int run_verify(const struct arguments *arguments)
{
    struct verification v = {.terminal = terminal_of_stdout()};
    struct entries entries = {NULL, 0, arguments->path};
    struct pawl_error err;
    const bool is_bare = command_is_dir_without_manifest(arguments->path);
    int rc = 0;
    if (is_bare) {
        rc = pawl_checkpoint_list(arguments->path, collect, &entries, &err);
    }
    if (rc == 0) {
        v.json = arguments->json ? text_checked(json_array()) : NULL;
        if (entries.count > 0) {
            verify_entries(&v, &entries);
        } else {
            verify_one(&v, arguments->path, "", is_bare);
        }
        finish(&v);
    }
    for (size_t i = 0; i < entries.count; i++) {
        free(entries.items[i].path);
        free(entries.items[i].reason);
    }
    free(entries.items);
    return rc == 0 ? v.status : command_fail(&err);
}

const struct command command_verify = {
    .name = "verify",
    .help =
        "usage: pawl verify [--json] FILE|DIR/TAG|DIR\n"
        "\n"
        "Reads every byte of a file, of a checkpoint, or of every checkpoint "
        "in a\n"
        "directory, and compares all checksums that there are: the manifest's, "
        "and\n"
        "those within the files.  What is in the making is left out.\n"
        "\n"
        "  -h, --help\n"
        "      --json  one JSON document instead of lines\n"
        "\n"
        "Exit status: 0 all is whole, 1 something is damaged, 2 wrong usage, "
        "or\n"
        "something cannot be read.\n",
    .run = run_verify,
};
