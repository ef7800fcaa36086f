/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/cmd_ls.c - `pawl ls`: the checkpoints in a directory
 */
#include "command.h"
#include "table.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct table_column columns[] = {
    {"TAG", false}, {"STEP", true},  {"TIME", false},
    {"SIZE", true}, {"FILES", true}, {"STATE", false},
};

struct listing {
    struct table table;
    json_t *json; /* or NULL */
    size_t count;
};

static const char *state_name(enum pawl_checkpoint_state state)
{
    static const char *const names[] = {
        [PAWL_CHECKPOINT_COMMITTED] = "committed",
        [PAWL_CHECKPOINT_UNSIGNED] = "unsigned",
        [PAWL_CHECKPOINT_BROKEN] = "broken",
        [PAWL_CHECKPOINT_MAKING] = "making",
    };
    return names[state];
}

/* The digits at the end of the tag, or "". */
static const char *step_digits(const char *tag)
{
    size_t i = strlen(tag);
    while (i > 0 && tag[i - 1] >= '0' && tag[i - 1] <= '9') {
        i--;
    }
    return tag + i;
}

static void add_json(struct listing *listing, const struct pawl_checkpoint *c)
{
    const char *digits = step_digits(c->tag);
    const bool has_step = *digits && strlen(digits) <= 18;
    json_t *row = text_checked(json_pack(
        "{s:o, s:o, s:I, s:I, s:o, s:I, s:I, s:s, s:o, s:b, s:I, s:I}", "tag",
        command_json_text(c->tag), "step",
        has_step ? json_integer(strtoll(digits, NULL, 10)) : json_null(),
        "sequence", (json_int_t)c->sequence, "time_unix_ms",
        (json_int_t)c->time_unix_ms, "size_bytes",
        command_json_size(c->size_bytes), "file_count",
        (json_int_t)c->file_count, "world_size", (json_int_t)c->world_size,
        "state", state_name(c->state), "reason", command_json_text(c->reason),
        "is_latest", c->is_latest, "part", (json_int_t)c->part, "parts",
        (json_int_t)c->parts));
    json_array_append_new(listing->json, row);
}

static void add_row(struct listing *listing, const struct pawl_checkpoint *c)
{
    static const enum tone tones[] = {
        [PAWL_CHECKPOINT_COMMITTED] = TONE_GOOD,
        [PAWL_CHECKPOINT_UNSIGNED] = TONE_PLAIN,
        [PAWL_CHECKPOINT_BROKEN] = TONE_BAD,
        [PAWL_CHECKPOINT_MAKING] = TONE_ODD,
    };
    char words[TEXT_SHORT_MAX];
    char *tag = text_safe(c->tag, strlen(c->tag));
    struct text state;

    table_add(&listing->table, tag, TONE_PLAIN);
    table_add(&listing->table, step_digits(tag), TONE_PLAIN);
    table_add(&listing->table, text_time(words, c->time_unix_ms), TONE_PLAIN);
    table_add(&listing->table, text_size(words, c->size_bytes), TONE_PLAIN);
    snprintf(words, sizeof words, "%" PRIu64, c->file_count);
    table_add(&listing->table, words, TONE_PLAIN);

    text_open(&state);
    fprintf(state.stream, "%s%s", state_name(c->state),
            c->is_latest ? ", latest" : "");
    if (c->parts > 0) {
        fprintf(state.stream, ", part %u of %u", c->part + 1, c->parts);
    }
    if (c->reason && *c->reason) {
        fputs(": ", state.stream);
        text_put_safe(state.stream, c->reason, strlen(c->reason));
    }
    char *text = text_close(&state);
    table_add(&listing->table, text, tones[c->state]);
    free(text);
    free(tag);
}

static int add(void *ctx, const struct pawl_checkpoint *checkpoint)
{
    struct listing *listing = ctx;
    listing->count++;
    if (listing->json) {
        add_json(listing, checkpoint);
    } else {
        add_row(listing, checkpoint);
    }
    return 0;
}

static int run_ls(const struct arguments *arguments)
{
    const struct terminal terminal = terminal_of_stdout();
    struct listing listing = {.json = NULL};
    struct pawl_error err;
    if (arguments->json) {
        listing.json = text_checked(json_array());
    }
    table_init(&listing.table, columns, sizeof columns / sizeof *columns);
    const int rc = pawl_checkpoint_list(arguments->path, add, &listing, &err);
    if (rc == 0 && arguments->json) {
        command_print_json(json_pack("{s:O}", "checkpoints", listing.json));
    } else if (rc == 0 && listing.count > 0) {
        table_print(&listing.table, stdout, &terminal);
    } else if (rc == 0) {
        puts("no checkpoints");
    }
    json_decref(listing.json);
    table_free(&listing.table);
    return rc == 0 ? STATUS_GOOD : command_fail(&err);
}

const struct command command_ls = {
    .name = "ls",
    .help =
        "usage: pawl ls [--json] DIR\n"
        "\n"
        "Lists the checkpoints in DIR, the newest first.  Sizes and structure "
        "are\n"
        "looked at, not every byte: 'pawl verify' does that.\n"
        "\n"
        "  committed   whole, as its manifest says\n"
        "  unsigned    has no manifest: others wrote it\n"
        "  broken      and why\n"
        "  making      not committed, and who makes it\n"
        "  latest      the file 'latest' names it\n"
        "\n"
        "  -h, --help\n"
        "      --json  one JSON document instead of a table\n",
    .run = run_ls,
};
