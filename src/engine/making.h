/* SPDX-License-Identifier: Apache-2.0 */
/*
 * making.h - a checkpoint between create and commit
 *
 * The half of every built-in engine that writes, but for how the bytes of a
 * file get to the store.  One thread at a time.
 */
#ifndef PAWL_ENGINE_MAKING_H
#define PAWL_ENGINE_MAKING_H

#include "engine/commit.h"
#include "engine/nodes.h"
#include "engine/reading.h"
#include "engine/setup.h"
#include "engine/transfer.h"

struct pawl_making {
    const struct pawl_engine_setup *setup; /* borrowed; NULL: nothing is made */
    char *save_dir;
    char *tag_dir;           /* save_dir/tag */
    struct pawl_store store; /* rooted at the save_dir */
    struct pawl_commit commit;
    /* With several ranks: */
    uint64_t round;          /* of their agreement on it */
    bool leads;              /* this one has taken the tag, and publishes */
    struct pawl_nodes nodes; /* of which, if their directories are local */
};

/* Clears away what dead processes left and takes the tag; of several ranks rank
 * 0 does, and all begin or none.  `is_alone`: the engine has no other
 * checkpoint under way, so what has its token is what it could not clear away
 * before.  On failure nothing is held. */
int pawl_making_begin(struct pawl_making *making,
                      const struct pawl_engine_setup *setup, uint64_t token,
                      bool is_alone, const char *save_dir, const char *tag,
                      struct pawl_error *err);

/* What of `path` lies below the checkpoint: "" for its own directory, NULL if
 * nothing is being made or the path lies elsewhere. */
const char *pawl_making_below(const struct pawl_making *making,
                              const char *path);

/* As the call of struct pawl_engine_ops, also while nothing is made, for
 * which `setup` is there. */
int pawl_making_makedirs(struct pawl_making *making,
                         const struct pawl_engine_setup *setup,
                         const char *path, bool exist_ok,
                         struct pawl_error *err);

/* Enters a file that was written, in place of an older entry. */
int pawl_making_add(struct pawl_making *making, const char *below,
                    const struct pawl_written *written, struct pawl_error *err);

/* Publishes it under the next number, then lets retention run, which spares
 * what `reading` has open.  Of several ranks rank 0 does, once all have told it
 * that their files are durable, and all return the same; but PAWL_ETIMEDOUT or
 * PAWL_ECANCELED on another one may mean that only the answer is missing, which
 * the message says.  Ends the making, also on failure. */
int pawl_making_publish(struct pawl_making *making,
                        struct pawl_reading *reading, struct pawl_error *err);

/* Forgets it, because of `why`; or, if that is NULL or of code 0, since the
 * caller gave it up.  The other ranks are told; after a failure rank 0 first
 * waits for them, since they may still be writing.  No-op when nothing is made.
 */
void pawl_making_abort(struct pawl_making *making,
                       const struct pawl_error *why);

/* ---- steps, for together.c and parts.c ----------------------------------- */

/* Clears away what dead processes left, and takes the tag: see
 * pawl_commit_begin. */
int pawl_making_take(struct pawl_making *making, const char *tag, uint64_t *id,
                     struct pawl_error *err);

/* One more than the highest number of a checkpoint that is there. */
int pawl_making_next_sequence(struct pawl_making *making, uint64_t *out,
                              struct pawl_error *err);

/* Publishes what is staged, with the manifest as it is, then lets retention
 * run.  Ends the commit, not the making. */
int pawl_making_publish_here(struct pawl_making *making,
                             struct pawl_reading *reading,
                             struct pawl_error *err);

/* Lets retention run after a commit. */
void pawl_making_retain(struct pawl_making *making,
                        struct pawl_reading *reading);

#endif
