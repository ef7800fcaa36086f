/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retention.h - deleting checkpoints that the config no longer wants
 *
 * Runs after a commit, never before.  Of the checkpoints that have a manifest
 * of their own tag (a copy under another name is the user's), it keeps
 *
 *   the `keep_last` newest (0: all)
 *   those whose number is a multiple of `keep_every` (0: none for that)
 *   those whose tag is `pinned`
 *   the one that was just committed, the one that `latest` names, and the one
 *     that this engine has open
 *   those that another process works on
 *
 * and deletes the others as scrap.h says.
 */
#ifndef PAWL_ENGINE_RETENTION_H
#define PAWL_ENGINE_RETENTION_H

#include "base/log.h"
#include "engine/config.h"
#include "store/store.h"

struct pawl_retention {
    struct pawl_store *store; /* rooted at the save_dir */
    const struct pawl_config *config;
    struct pawl_log *log;
    uint64_t token;
    const char *committed; /* the tag; not deleted */
    const char *opened;    /* likewise, or NULL */
};

/* Never fails: what could not be deleted is logged, and tried again after the
 * next commit. */
void pawl_retain(const struct pawl_retention *retention);

#endif
