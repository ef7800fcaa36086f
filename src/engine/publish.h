/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish.h - the one step by which a staged checkpoint becomes visible
 *
 * What is at <tag> decides the way:
 *
 *   nothing                       one rename
 *   an empty directory            one rename over it
 *   a checkpoint with a manifest  exchanged for the staged one, whose number
 * must be higher (PAWL_EACCES), in one step, or, where the file system cannot:
 * moved aside, the staged one renamed; recovery brings the old one back if we
 * die in between another directory             it is the caller's: merge.h a
 * file                        an error
 */
#ifndef PAWL_ENGINE_PUBLISH_H
#define PAWL_ENGINE_PUBLISH_H

#include "engine/merge.h"

enum pawl_publish_way {
    PAWL_PUBLISH_NONE, /* nothing was moved */
    PAWL_PUBLISH_NEW,
    PAWL_PUBLISH_EMPTY,
    PAWL_PUBLISH_EXCHANGE,
    PAWL_PUBLISH_ASIDE,
    PAWL_PUBLISH_MERGE
};

struct pawl_publish {
    struct pawl_merge merge; /* holds the store and the names, always */
    enum pawl_publish_way way;
};

/* Makes the staging directory visible as the tag.  On failure something may
 * have moved: undo. */
int pawl_publish_run(struct pawl_publish *publish, struct pawl_error *err);

/* Moves everything back to where it was.  0 also if nothing had moved.  If
 * this fails, leave everything as it is: recovery knows what to do. */
int pawl_publish_undo(struct pawl_publish *publish, struct pawl_error *err);

#endif
