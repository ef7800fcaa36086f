/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owner.h - who may change a tag: the record `.pawl/<tag>.owner`
 *
 * Whoever makes, recovers or deletes checkpoint <tag> first takes the tag and
 * drops it last.  The record is one JSON object:
 *
 *     {"tag": "step-10", "pid": 4711, "start_ticks": 123456, "pid_ns": 40265,
 *      "hostname": "node7", "machine_id": "...", "boot_id": "...",
 *      "token": "1f0c...", "id": "83aa...", "created_unix_ms": 1764037018123}
 *
 * Taking is safe against any number of others who take at the same moment, and
 * against death at any moment:
 *   - A record is written under a name of its own (a claim) and is then
 *     renamed to where it counts, never over something that is there.
 *   - A free tag is taken by renaming the claim to `<tag>.owner`.
 *   - The record X of a dead process may be replaced by the one who holds the
 *     name `<tag>.<id of X>.next`, which is taken in the same way.  He looks
 *     once more whether X is still there (once replaced it never comes back),
 *     and renames his record over it.
 *   - If he dies holding that name, his record there may be replaced by who
 *     holds the name made of its id; and so on.
 *   - Names that were left so are removed by the next owner, for whom nobody
 *     can be a successor while he lives.
 * `token` tells the engines of a process apart.  An engine that has nothing
 * else under way may take what it left behind itself when dropping failed.
 */
#ifndef PAWL_ENGINE_OWNER_H
#define PAWL_ENGINE_OWNER_H

#include "base/process.h"
#include "engine/layout.h"
#include "store/store.h"

struct pawl_owner {
    char tag[PAWL_TAG_MAX + 1];
    struct pawl_process_id process;
    uint64_t token; /* of the engine */
    uint64_t id;    /* of this record alone */
    uint64_t created_unix_ms;
};

enum pawl_owner_state {
    PAWL_OWNER_NONE,  /* nobody works on the tag */
    PAWL_OWNER_OURS,  /* this engine (the same token) */
    PAWL_OWNER_SELF,  /* another engine of this process */
    PAWL_OWNER_OTHER, /* a process that lives, or may live */
    PAWL_OWNER_DEAD   /* a process that is provably dead, or a record that was
                         never finished */
};

/* Milliseconds since 1970. */
uint64_t pawl_now_unix_ms(void);
/* A number that no other engine has. */
uint64_t pawl_owner_token(void);

/* Who has the tag of `layout`; `out` (may be NULL) gets the record unless
 * there is none.  What the store says. */
int pawl_owner_look(enum pawl_owner_state *state, struct pawl_owner *out,
                    struct pawl_store *store, const struct pawl_layout *layout,
                    uint64_t token, struct pawl_error *err);

/* Takes the tag.  `was` tells who had it (NONE, DEAD, or with `ours_too` also
 * OURS), `from` (may be NULL) is his record.  PAWL_EBUSY, naming the process
 * and its host, if that one is not provably dead; then nothing was changed. */
int pawl_owner_take(enum pawl_owner_state *was, struct pawl_owner *from,
                    struct pawl_store *store, const struct pawl_layout *layout,
                    uint64_t token, bool ours_too, struct pawl_error *err);

/* Gives the tag back.  What the store says; then it is still taken, by a
 * process that will be dead one day. */
int pawl_owner_drop(struct pawl_store *store, const struct pawl_layout *layout,
                    struct pawl_error *err);

/* Removes claim `name` of the work directory if who wrote it is dead, or is the
 * engine of that token (0: none). */
void pawl_owner_sweep_claim(struct pawl_store *store, const char *name,
                            uint64_t token);

/* Fails with PAWL_EBUSY: who makes the tag. */
int pawl_owner_busy(const struct pawl_owner *owner, enum pawl_owner_state state,
                    struct pawl_error *err);

#endif
