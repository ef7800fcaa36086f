/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tag_state.h - what a tag is at this moment, for who wants to read it
 *
 * Others may commit while we look; what is returned was true at one moment
 * between the call and its return.
 */
#ifndef PAWL_ENGINE_TAG_STATE_H
#define PAWL_ENGINE_TAG_STATE_H

#include "engine/manifest.h"
#include "engine/owner.h"

enum pawl_tag_state {
    PAWL_TAG_MISSING,
    PAWL_TAG_SIGNED,   /* committed: it has a manifest */
    PAWL_TAG_UNSIGNED, /* a directory without one, that nobody works on */
    PAWL_TAG_MAKING,   /* being made, and was never committed */
    PAWL_TAG_HALF      /* its maker died while he merged it: not whole */
};

/* Looks at `tag`.  SIGNED: `manifest` is filled, and the caller's to free.
 * MAKING: `owner` and `maker` tell by whom.  A broken manifest is an error:
 * PAWL_EFORMAT, PAWL_ECORRUPT, PAWL_ENOTSUP; else what the store says. */
int pawl_tag_look(enum pawl_tag_state *out, struct pawl_manifest *manifest,
                  enum pawl_owner_state *maker, struct pawl_owner *owner,
                  struct pawl_store *store, const char *tag, uint64_t token,
                  struct pawl_error *err);

#endif
