/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge.h - publishing into a directory that the caller filled himself
 *
 * <tag>/ is there, holds files, and has no manifest: it is the caller's, so it
 * cannot be exchanged for the staged one.  The staging directory is renamed to
 * `.pawl/<tag>.merge/`, which says that it is complete and on its way.  Then
 * its files move into <tag>/ one by one, and the manifest last: that rename is
 * the commit.  Until then the tag is not whole, which readers see by the
 * manifest that is still in the merge directory.  A dead process's merge is
 * rolled forward by recovery; a live one's that fails is undone.
 *
 * A file that a staged one replaces moves to `.pawl/<tag>.aside/` first, so
 * that it can come back.
 */
#ifndef PAWL_ENGINE_MERGE_H
#define PAWL_ENGINE_MERGE_H

#include "engine/layout.h"
#include "engine/listing.h"
#include "engine/manifest.h"

/* Init with the first four; zero the rest.  The caller has taken the tag. */
struct pawl_merge {
    struct pawl_store *store;
    const struct pawl_layout *layout;
    const struct pawl_manifest *manifest; /* what is staged */
    bool durable;
    struct pawl_listing staged; /* mark: moved, or made */
    bool begun;                 /* the directory has its name */
    bool committed;             /* the manifest has moved */
};

/* The first step.  On failure nothing was moved, but for PAWL_EIO and the like
 * of a sync, perhaps the directory's name: undo. */
int pawl_merge_begin(struct pawl_merge *merge, struct pawl_error *err);

/* Moves everything, also where another process was interrupted while it did.
 * On failure some have moved: undo, or try again. */
int pawl_merge_run(struct pawl_merge *merge, struct pawl_error *err);

/* Moves back what the two moved, which is durable then: what is in the staging
 * directory may be deleted. */
int pawl_merge_undo(struct pawl_merge *merge, struct pawl_error *err);

void pawl_merge_fini(struct pawl_merge *merge);

#endif
