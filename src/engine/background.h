/* SPDX-License-Identifier: Apache-2.0 */
/*
 * background.h - what an asynchronous engine does behind its caller's back
 *
 * Two threads: the drainer, which does all that is behind the copy, in order;
 * and the snapshotter, which makes the copies of a lazy engine, in order.
 * Order is what keeps staging from deadlock: a file gets blocks only when all
 * files before it have theirs.
 *
 * A draft is a checkpoint on its way to the disk.  It belongs to the saving
 * thread until pawl_draft_commit or pawl_draft_forget; meanwhile the drainer
 * enters finished files into it.
 *
 * No call waits longer than `write_timeout_ms` for a disk that hangs.  The
 * threads may: they cannot be taken from the kernel, so the owner of a
 * background that has something pending must not free it, but leave it.
 */
#ifndef PAWL_ENGINE_BACKGROUND_H
#define PAWL_ENGINE_BACKGROUND_H

#include "engine/making.h"

struct pawl_background;
struct pawl_draft;

/* `setup` (with a lane) and `reading` are borrowed.  PAWL_ENOMEM, PAWL_EIO. */
int pawl_background_new(struct pawl_background **out,
                        const struct pawl_engine_setup *setup,
                        struct pawl_reading *reading, struct pawl_error *err);
/* When nothing is pending.  NULL is fine. */
void pawl_background_free(struct pawl_background *background);

/* Waits until at most `most` drafts that were committed or forgotten are
 * pending; `timeout_ms` -1: without limit.  PAWL_ETIMEDOUT. */
int pawl_background_wait(struct pawl_background *background, uint64_t most,
                         int64_t timeout_ms, struct pawl_error *err);
/* Waits until no lazy copy is under way.  PAWL_ETIMEDOUT. */
int pawl_background_fence(struct pawl_background *background,
                          int64_t timeout_ms, struct pawl_error *err);

/* The oldest failure of a commit that was not told yet, which is told by this;
 * 0 if there is none. */
int pawl_background_failure(struct pawl_background *background,
                            struct pawl_error *err);

/* Takes the tag.  As pawl_making_begin. */
int pawl_draft_new(struct pawl_draft **out, struct pawl_background *background,
                   uint64_t token, const char *save_dir, const char *tag,
                   struct pawl_error *err);

/* What the saving thread uses of it: paths, directories. */
struct pawl_making *pawl_draft_making(struct pawl_draft *draft);

/* Lays a state out as file `below` of the draft, and has it copied and
 * written.  Returns when it is copied, or at once if snapshots are lazy.
 * Fails early if the draft is lost already. */
int pawl_draft_save(struct pawl_draft *draft, struct pawl_state *state,
                    const char *below, struct pawl_error *err);

/* Ends the draft: it will be published, and a failure kept for
 * pawl_background_failure; or, if one is known by now, it is forgotten, and
 * this returns it. */
int pawl_draft_commit(struct pawl_draft *draft, struct pawl_error *err);

/* Ends the draft: what is still to be written is given up, what was is
 * removed.  `why` (of code 0: the caller gave it up) is what other ranks
 * are told.  Waited for, since the caller may make the same tag again.
 * PAWL_ETIMEDOUT: the disk hangs, it ends when that does. */
int pawl_draft_forget(struct pawl_draft *draft, const struct pawl_error *why,
                      struct pawl_error *err);

#endif
