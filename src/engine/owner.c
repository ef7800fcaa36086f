/* SPDX-License-Identifier: Apache-2.0 */
/* owner.c - see owner.h. */
#include "engine/owner.h"

#include "engine/object.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define RECORD_MAX_BYTES 8192
/* How often a tag that changes hands while we look is looked at again. */
#define ATTEMPTS 8
/* How many may have died, each while he took over from the one before. */
#define DEATHS_MAX 32

uint64_t pawl_now_unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t pawl_owner_token(void)
{
    uint64_t token = 0;
    if (getrandom(&token, sizeof(token), GRND_NONBLOCK) !=
        (ssize_t)sizeof(token)) {
        struct timespec now; /* no entropy at early boot */
        clock_gettime(CLOCK_MONOTONIC, &now);
        token = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
        token ^= (uint64_t)getpid() << 44;
    }
    return token == 0 ? 1 : token;
}

/* ---- the record -------------------------------------------------------- */

static int encode(const struct pawl_owner *owner, struct pawl_buffer *out,
                  struct pawl_error *err)
{
    char token[17];
    char id[17];
    snprintf(token, sizeof(token), "%016llx", (unsigned long long)owner->token);
    snprintf(id, sizeof(id), "%016llx", (unsigned long long)owner->id);
    json_t *json = json_pack(
        "{s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:I}", "tag", owner->tag,
        "pid", (json_int_t)owner->process.pid, "start_ticks",
        (json_int_t)owner->process.start_ticks, "pid_ns",
        (json_int_t)owner->process.pid_ns, "hostname", owner->process.hostname,
        "machine_id", owner->process.machine_id, "boot_id",
        owner->process.boot_id, "token", token, "id", id, "created_unix_ms",
        (json_int_t)owner->created_unix_ms);
    char *text = json_dumps(json, JSON_INDENT(2));
    json_decref(json);
    if (text != NULL) {
        pawl_buffer_append(out, text, strlen(text));
        pawl_buffer_append(out, "\n", 1);
    }
    free(text);
    return text == NULL || out->failed ? pawl_fail_nomem(err) : 0;
}

static void get_text(char *out, size_t size, const json_t *json,
                     const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    snprintf(out, size, "%s", text == NULL ? "" : text);
}

static uint64_t get_hex(const json_t *json, const char *key)
{
    char text[17];
    get_text(text, sizeof(text), json, key);
    return strtoull(text, NULL, 16);
}

static uint64_t get_number(const json_t *json, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(json, key));
    return value < 0 ? 0 : (uint64_t)value;
}

/* False for a text that is no record.  Fields that are missing prove nothing,
 * so such an owner counts as alive. */
static bool decode(struct pawl_owner *out, const struct pawl_buffer *text)
{
    json_t *json = json_loadb((const char *)text->data, text->len,
                              JSON_REJECT_DUPLICATES, NULL);
    bool ok = json_is_object(json);
    if (ok) {
        *out = (struct pawl_owner){0};
        get_text(out->tag, sizeof(out->tag), json, "tag");
        get_text(out->process.hostname, sizeof(out->process.hostname), json,
                 "hostname");
        get_text(out->process.machine_id, sizeof(out->process.machine_id), json,
                 "machine_id");
        get_text(out->process.boot_id, sizeof(out->process.boot_id), json,
                 "boot_id");
        out->token = get_hex(json, "token");
        out->id = get_hex(json, "id");
        out->process.pid = (int64_t)get_number(json, "pid");
        out->process.start_ticks = get_number(json, "start_ticks");
        out->process.pid_ns = get_number(json, "pid_ns");
        out->created_unix_ms = get_number(json, "created_unix_ms");
    }
    json_decref(json);
    return ok;
}

static bool same_process(const struct pawl_process_id *a,
                         const struct pawl_process_id *b)
{
    return a->pid == b->pid && a->start_ticks == b->start_ticks &&
           a->pid_ns == b->pid_ns && strcmp(a->boot_id, b->boot_id) == 0 &&
           strcmp(a->hostname, b->hostname) == 0;
}

static enum pawl_owner_state judge(const struct pawl_owner *owner,
                                   uint64_t token)
{
    struct pawl_process_id self;
    pawl_process_self(&self);
    if (same_process(&owner->process, &self)) {
        return owner->token == token ? PAWL_OWNER_OURS : PAWL_OWNER_SELF;
    }
    return pawl_process_liveness(&owner->process) == PAWL_PROCESS_DEAD
               ? PAWL_OWNER_DEAD
               : PAWL_OWNER_OTHER;
}

/* The id of a record that has none: made of its name, so that those who succeed
 * its writer each have a name of their own (FNV-1a). */
static uint64_t id_of_name(const char *name)
{
    uint64_t id = 0xcbf29ce484222325u;
    for (; *name != '\0'; name++) {
        id = (id ^ (unsigned char)*name) * 0x100000001b3u;
    }
    return id;
}

/* Reads record `name`.  A record is renamed to its place whole, so one that
 * cannot be read as such was cut short by a power cut: its writer is dead. */
static int look_at(enum pawl_owner_state *state, struct pawl_owner *out,
                   struct pawl_store *store, const char *name, uint64_t token,
                   struct pawl_error *err)
{
    struct pawl_buffer text = {0};
    *out = (struct pawl_owner){0};
    *state = PAWL_OWNER_NONE;
    int rc = pawl_object_get(store, name, RECORD_MAX_BYTES, &text, err);
    if (rc == PAWL_ENOENT) {
        rc = 0;
    } else if (rc == 0) {
        *state = PAWL_OWNER_DEAD;
        if (decode(out, &text)) {
            *state = judge(out, token);
        } else {
            out->id = id_of_name(name);
        }
    }
    pawl_buffer_fini(&text);
    return rc;
}

int pawl_owner_look(enum pawl_owner_state *state, struct pawl_owner *out,
                    struct pawl_store *store, const struct pawl_layout *layout,
                    uint64_t token, struct pawl_error *err)
{
    struct pawl_owner owner;
    int rc = look_at(state, &owner, store, layout->owner, token, err);
    if (rc == 0 && out != NULL) {
        *out = owner;
    }
    return rc;
}

int pawl_owner_busy(const struct pawl_owner *owner, enum pawl_owner_state state,
                    struct pawl_error *err)
{
    if (state == PAWL_OWNER_SELF || state == PAWL_OWNER_OURS) {
        return pawl_fail(err, PAWL_EBUSY, 0,
                         "checkpoint '%s' is being made by this process (%lld)",
                         owner->tag, (long long)owner->process.pid);
    }
    return pawl_fail(err, PAWL_EBUSY, 0,
                     "checkpoint '%s' is being made by process %lld on '%s'",
                     owner->tag, (long long)owner->process.pid,
                     owner->process.hostname);
}

/* ---- taking ------------------------------------------------------------ */

/* One who wants a tag. */
struct taker {
    struct pawl_store *store;
    const struct pawl_layout *layout;
    bool ours_too;
    struct pawl_owner self;
    char claim[PAWL_WORK_NAME_MAX]; /* where `self` is written */
};

static bool is_busy(enum pawl_owner_state state, bool ours_too)
{
    return state == PAWL_OWNER_SELF || state == PAWL_OWNER_OTHER ||
           (state == PAWL_OWNER_OURS && !ours_too);
}

/* The result of a rename: 1 done, 0 look again: another was faster (EEXIST), or
 * swept our claim away before he could read whose it was (ENOENT). */
static int moved(int rc)
{
    return rc == 0 ? 1 : rc == PAWL_EEXIST || rc == PAWL_ENOENT ? 0 : rc;
}

/* The names between us and the tag: each but the last is held by someone who
 * died on his way to the one before. */
struct ladder {
    char names[DEATHS_MAX + 1][PAWL_WORK_NAME_MAX];
    uint64_t ids[DEATHS_MAX + 1]; /* of the dead record in each */
    size_t count;
};

/* Climbs to the first free name and takes it.  1 if we hold the top, 0 to look
 * again. */
static int climb(struct taker *taker, struct ladder *ladder,
                 struct pawl_error *err)
{
    while (ladder->count <= DEATHS_MAX) {
        enum pawl_owner_state state;
        struct pawl_owner holder;
        char *next = ladder->names[ladder->count];
        pawl_layout_next(next, taker->layout, ladder->ids[ladder->count - 1]);
        int rc = pawl_store_rename(taker->store, taker->claim, next,
                                   PAWL_RENAME_NEW, err);
        if (rc != PAWL_EEXIST) {
            return moved(rc);
        }
        rc = look_at(&state, &holder, taker->store, next, taker->self.token,
                     err);
        if (rc < 0 || state != PAWL_OWNER_DEAD) {
            return rc; /* he lives: he will have the tag in a moment */
        }
        ladder->ids[ladder->count++] = holder.id;
    }
    return pawl_fail(err, PAWL_EBUSY, 0,
                     "checkpoint '%s' was left by too many that died",
                     taker->layout->tag);
}

/* Goes down again, replacing the dead one's record on each step.  1 if that
 * led to the tag, 0 to look again. */
static int descend(struct taker *taker, struct ladder *ladder,
                   struct pawl_error *err)
{
    const char *held = ladder->names[ladder->count];
    int rc = 1;
    for (size_t i = ladder->count; rc == 1 && i > 0; i--) {
        enum pawl_owner_state state;
        struct pawl_owner holder;
        rc = look_at(&state, &holder, taker->store, ladder->names[i - 1],
                     taker->self.token, err);
        if (rc == 0 && state == PAWL_OWNER_DEAD &&
            holder.id == ladder->ids[i - 1]) {
            rc = moved(pawl_store_rename(taker->store, held,
                                         ladder->names[i - 1],
                                         PAWL_RENAME_REPLACE, err));
            held = rc == 1 ? ladder->names[i - 1] : held;
        }
    }
    if (rc != 1) {
        pawl_store_remove(taker->store, held, NULL);
    }
    return rc;
}

static int succeed(struct taker *taker, const struct pawl_owner *dead,
                   struct pawl_error *err)
{
    struct ladder *ladder = calloc(1, sizeof(*ladder));
    if (ladder == NULL) {
        return pawl_fail_nomem(err);
    }
    snprintf(ladder->names[0], PAWL_WORK_NAME_MAX, "%s", taker->layout->owner);
    ladder->ids[0] = dead->id;
    ladder->count = 1;
    int rc = climb(taker, ladder, err);
    if (rc == 1) {
        rc = descend(taker, ladder, err);
    }
    free(ladder);
    return rc;
}

/* Writes the claim; its directory may vanish under us, when another process
 * tidies up after itself. */
static int put_claim(struct taker *taker, struct pawl_error *err)
{
    struct pawl_buffer text = {0};
    int rc = encode(&taker->self, &text, err);
    for (int i = 0; rc == 0 && i < ATTEMPTS; i++) {
        rc = pawl_object_put(taker->store, taker->claim, text.data, text.len,
                             false, err);
        if (rc != PAWL_ENOENT) {
            break;
        }
        rc = i + 1 < ATTEMPTS ? 0 : rc;
    }
    pawl_buffer_fini(&text);
    return rc;
}

/* One attempt: 1 taken, 0 look again. */
static int take_once(struct taker *taker, enum pawl_owner_state *was,
                     struct pawl_owner *from, struct pawl_error *err)
{
    struct pawl_store *store = taker->store;
    const char *owner = taker->layout->owner;
    int rc = look_at(was, from, store, owner, taker->self.token, err);
    if (rc == 0 && is_busy(*was, taker->ours_too)) {
        rc = pawl_owner_busy(from, *was, err);
    }
    if (rc == 0) { /* most attempts that fail have failed by now, unwritten */
        rc = put_claim(taker, err);
    }
    if (rc < 0) {
        return rc;
    }
    switch (*was) {
    case PAWL_OWNER_DEAD:
        return succeed(taker, from, err);
    case PAWL_OWNER_OURS:
        return moved(pawl_store_rename(store, taker->claim, owner,
                                       PAWL_RENAME_REPLACE, err));
    default:
        return moved(pawl_store_rename(store, taker->claim, owner,
                                       PAWL_RENAME_NEW, err));
    }
}

static void pause_briefly(void)
{
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
}

int pawl_owner_take(enum pawl_owner_state *was, struct pawl_owner *from,
                    struct pawl_store *store, const struct pawl_layout *layout,
                    uint64_t token, bool ours_too, struct pawl_error *err)
{
    struct pawl_owner before = {0};
    struct taker taker = {
        .store = store,
        .layout = layout,
        .ours_too = ours_too,
        .self = {.token = token,
                 .id = pawl_owner_token(),
                 .created_unix_ms = pawl_now_unix_ms()},
    };
    snprintf(taker.self.tag, sizeof(taker.self.tag), "%s", layout->tag);
    pawl_process_self(&taker.self.process);
    pawl_layout_claim(taker.claim, layout, taker.self.id);

    int rc = take_once(&taker, was, &before, err);
    for (int i = 1; rc == 0 && i < ATTEMPTS; i++) {
        pause_briefly();
        rc = take_once(&taker, was, &before, err);
    }
    if (rc == 0) {
        rc = pawl_fail(err, PAWL_EBUSY, 0,
                       "checkpoint '%s' keeps changing hands", layout->tag);
    }
    pawl_store_remove(store, taker.claim, NULL); /* if it was not renamed */
    if (rc > 0 && from != NULL) {
        *from = before;
    }
    return rc > 0 ? 0 : rc;
}

int pawl_owner_drop(struct pawl_store *store, const struct pawl_layout *layout,
                    struct pawl_error *err)
{
    int rc = pawl_store_remove(store, layout->owner, err);
    return rc == PAWL_ENOENT ? 0 : rc;
}

void pawl_owner_sweep_claim(struct pawl_store *store, const char *name,
                            uint64_t token)
{
    enum pawl_owner_state state;
    struct pawl_owner owner;
    if (look_at(&state, &owner, store, name, token, NULL) == 0 &&
        (state == PAWL_OWNER_DEAD || state == PAWL_OWNER_OURS)) {
        pawl_store_remove(store, name, NULL);
    }
}
