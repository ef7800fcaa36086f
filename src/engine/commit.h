/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commit.h - making a checkpoint: begin, stage, publish or abort
 *
 * The protocol is pawl_commit_publish, in one function; why it survives a
 * crash at any point is in docs/durability.md, whose invariants are:
 *
 *   1 a committed checkpoint stays readable until a newer one is committed and
 *     retention drops it
 *   2 `latest` never names a checkpoint that was not committed
 *   3 a tag directory with a manifest is whole
 *   4 a failed or killed save leaves nothing but `.pawl/`
 *   5 a byte that changed after the commit is reported, never returned as data
 *   6 Pawl deletes only what a Pawl manifest names
 */
#ifndef PAWL_ENGINE_COMMIT_H
#define PAWL_ENGINE_COMMIT_H

#include "base/log.h"
#include "engine/layout.h"
#include "engine/manifest.h"
#include "engine/publish.h"
#include "store/store.h"

/* A checkpoint in the making. */
struct pawl_commit {
    struct pawl_store *store; /* rooted at the save_dir; borrowed */
    struct pawl_log *log;     /* borrowed */
    uint64_t token;           /* of the engine: see owner.h */
    bool durable;
    bool is_alone;     /* the engine has nothing else under way */
    bool keeps_latest; /* `latest` stays as it is */
    uint32_t ranks;    /* how many make it; 0 counts as 1 */
    struct pawl_layout layout;
    struct pawl_manifest manifest; /* the files that were saved; its number and
                                      time come last */
    bool dir_made;                 /* makedirs was called for <tag> itself */
    struct pawl_publish publish;   /* what pawl_commit_show did */
};

/* Takes the tag, clears away what is left of it, and makes the staging
 * directory.  The fields above `layout` are set, the others zero.  `id` (may be
 * NULL if there is one rank) gets the number that makes the staging directory
 * of several ranks one of this attempt alone.  PAWL_EINVAL, PAWL_EBUSY, and
 * what the store says; then nothing is held. */
int pawl_commit_begin(struct pawl_commit *commit, const char *tag, uint64_t *id,
                      struct pawl_error *err);

/* The same for a rank that only stages files, into the staging directory with
 * that number: pawl_commit_sync and pawl_commit_leave end it, and it changes
 * nothing else.  PAWL_EINVAL. */
int pawl_commit_join(struct pawl_commit *commit, const char *tag, uint64_t id,
                     struct pawl_error *err);

/* Makes the names of what was staged durable, as the first step of
 * pawl_commit_publish does. */
int pawl_commit_sync(struct pawl_commit *commit, struct pawl_error *err);

/* Ends the part of a rank that joined, and touches nothing on the disk. */
void pawl_commit_leave(struct pawl_commit *commit);

/* The staged name of file `path` (relative to the tag) to `out`, the caller's.
 * PAWL_EINVAL for a path that no manifest can name. */
int pawl_commit_stage(char **out, const struct pawl_commit *commit,
                      const char *path, struct pawl_error *err);

/* Makes a directory in the staging directory; "" is that itself.  PAWL_EEXIST
 * if it is there and not `exist_ok`. */
int pawl_commit_makedirs(struct pawl_commit *commit, const char *path,
                         bool exist_ok, struct pawl_error *err);

/* Publishes what was staged as checkpoint number `sequence`.  0: it is visible
 * and (if `durable`) survives a power cut; that `latest` could not be moved, or
 * the old checkpoint of that tag not be deleted, is only logged, and `*settled`
 * (may be NULL) tells whether `latest` is as it should be.  On failure the old
 * state is back: nothing is visible, nothing is staged.  If even going back
 * fails, that is logged, the reason says that it is not known whether the
 * commit stands, and the next recovery settles it, one way or the other.  Ends
 * the commit. */
int pawl_commit_publish(struct pawl_commit *commit, uint64_t sequence,
                        bool *settled, struct pawl_error *err);

/* The steps of pawl_commit_publish, for ranks that agree on each; see there.
 *
 * Writes the manifest, which is filled, into the staging directory, durably. */
int pawl_commit_prepare(struct pawl_commit *commit, struct pawl_error *err);
/* Makes the prepared checkpoint visible, durably.  On failure take it back. */
int pawl_commit_show(struct pawl_commit *commit, struct pawl_error *err);
/* It counts: moves `latest`, unless it stays, and returns whether it is as it
 * should be; clears away what it replaced.  Ends the commit. */
bool pawl_commit_finish(struct pawl_commit *commit);
/* It does not count, for the reason that is in `err`: the old state comes back,
 * whatever was done; if that fails, the reason says so, too.  Ends the commit.
 */
void pawl_commit_take_back(struct pawl_commit *commit, struct pawl_error *err);
/* Puts before the reason that nobody here knows whether it counts. */
void pawl_commit_doubt(const struct pawl_commit *commit,
                       struct pawl_error *err);
/* Nobody knows whether it counts: leaves what is visible as it is.  Ends the
 * commit. */
void pawl_commit_keep(struct pawl_commit *commit);

/* Forgets what was staged.  Ends the commit. */
void pawl_commit_abort(struct pawl_commit *commit);

#endif
