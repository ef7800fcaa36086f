/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recovery.h - clearing away what dead processes left
 *
 * For each tag that the work directory knows, if its owner is provably dead
 * (or there is none, so that he died before or after his work), from what is
 * on the disk:
 *
 *   .old and no <tag>             the old checkpoint moves back
 *   .old and a whole <tag>        the old one is deleted
 *   .part older than <tag>        an exchange was done: the old one is deleted
 *   any other .part               was never committed: removed
 *   .merge with a manifest        a merge was under way: it is finished, unless
 *                                 a file is gone by now
 *   any other .merge              a merge was done: removed
 *   .aside and a whole <tag>      a merge was done: removed
 *   .aside otherwise              its files move back
 *   .dead                         deleted to the end
 *   .latest, .file, .next, claims removed
 */
#ifndef PAWL_ENGINE_RECOVERY_H
#define PAWL_ENGINE_RECOVERY_H

#include "base/log.h"
#include "engine/layout.h"
#include "store/store.h"

/* Does it for one tag, which the caller has taken.  Also the end of every
 * commit: what is left then is told by the same rules. */
int pawl_recover_tag(struct pawl_store *store, const struct pawl_layout *layout,
                     bool durable, struct pawl_log *log,
                     struct pawl_error *err);

struct pawl_recovery {
    struct pawl_store *store; /* rooted at the save_dir or load_dir */
    struct pawl_log *log;
    uint64_t token; /* of the engine: see owner.h */
    bool durable;
    bool ours_too; /* the engine has nothing under way: what has its token is
                      what it could not clear away before */
};

/* Does it for all tags whose owners are dead.  Never fails: what could not be
 * done is logged, and left to the next.  A store that cannot be written is
 * fine. */
void pawl_recover(const struct pawl_recovery *recovery);

#endif
