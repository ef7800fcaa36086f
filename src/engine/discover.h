/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discover.h - which checkpoints a directory has, newest first
 *
 * Signed ones are ordered by their sequence numbers.  Unsigned ones (a
 * directory without a manifest, with at least one torch file) have no number:
 * they are ordered by the time of their newest file, but the one that `latest`
 * names goes first, and each takes its place among the signed by time.  The
 * text of `latest` decides nothing else.
 */
#ifndef PAWL_ENGINE_DISCOVER_H
#define PAWL_ENGINE_DISCOVER_H

#include "base/log.h"
#include "engine/manifest.h"
#include "engine/state_file.h"

struct pawl_candidate {
    char tag[PAWL_TAG_MAX + 1];
    bool is_signed;
    bool is_home; /* signed, under the tag that its manifest says, and not by
                     way of a link */
    uint64_t sequence;
    int64_t time_ms; /* Unix time */
};

/* Init with {0}; free `items`. */
struct pawl_candidates {
    struct pawl_candidate *items;
    size_t count;
    size_t capacity;
};

/* All that could be opened below `dir` (absolute), newest first.  What looks
 * like a checkpoint and cannot be one (a broken manifest, one that is being
 * made) is left out, and the reason logged.  A `dir` that is not there has
 * none.  PAWL_ENOMEM, and what the store says about `dir`. */
int pawl_discover(struct pawl_candidates *out, struct pawl_place *place,
                  const char *dir, const struct pawl_formats *formats,
                  uint64_t token, struct pawl_log *log, struct pawl_error *err);

/* The signed ones below the store's root, newest first; nothing is logged. */
int pawl_discover_signed(struct pawl_candidates *out, struct pawl_store *store,
                         struct pawl_error *err);

/* Adds a tag of which nothing else is known. */
int pawl_candidates_add(struct pawl_candidates *candidates, const char *tag,
                        struct pawl_error *err);
/* Adds one of another list. */
int pawl_candidates_copy(struct pawl_candidates *candidates,
                         const struct pawl_candidate *item,
                         struct pawl_error *err);

void pawl_candidates_fini(struct pawl_candidates *candidates);

/* What `latest` in the store's root says, or "" if that is no tag, or is not
 * there.  What the store says. */
int pawl_read_latest(char out[PAWL_TAG_MAX + 1], struct pawl_store *store,
                     struct pawl_error *err);

#endif
