/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing.h - what is in a directory of a store, as a list
 *
 * The store's own `list` calls back; a list can be gone through twice, sorted,
 * and changed under.  Bounded: a directory tree of more than a million entries
 * is an error.
 */
#ifndef PAWL_ENGINE_LISTING_H
#define PAWL_ENGINE_LISTING_H

#include "store/store.h"

struct pawl_listing_item {
    char *path; /* owned; relative to the directory that was listed */
    bool is_dir;
    bool is_link; /* to a directory, if is_dir */
    bool mark;    /* the caller's */
    uint64_t size_bytes;
    int64_t mtime_ns;
};

/* Init with {0}. */
struct pawl_listing {
    struct pawl_listing_item *items;
    size_t count;
    size_t capacity;
};

void pawl_listing_fini(struct pawl_listing *listing);

/* The entries of `dir` ("" is the root), in no order.  PAWL_ENOENT if it is
 * not there, and what the store says. */
int pawl_listing_dir(struct pawl_listing *out, struct pawl_store *store,
                     const char *dir, struct pawl_error *err);

/* All that is below `dir`; each directory stands before its contents, so
 * going backwards empties before it removes.  Links are not followed.  Not
 * recursive. */
int pawl_listing_tree(struct pawl_listing *out, struct pawl_store *store,
                      const char *dir, struct pawl_error *err);

/* Removes all that is below `dir`, and `dir`.  Goes on after a failure and
 * returns the first; what is not there counts as removed.  Only for places
 * that are Pawl's own. */
int pawl_tree_remove(struct pawl_store *store, const char *dir,
                     struct pawl_error *err);

/* Makes the names in `dir`, and in all directories below it, durable. */
int pawl_tree_sync(struct pawl_store *store, const char *dir,
                   struct pawl_error *err);

/* Makes the directory and its parents; 0 also if it is there. */
int pawl_tree_mkdir(struct pawl_store *store, const char *dir,
                    struct pawl_error *err);

/* Makes the parents of `name`; "a.pt" has none. */
int pawl_tree_mkdir_above(struct pawl_store *store, const char *name,
                          struct pawl_error *err);

/* The same where a file is about to move to `name`, which lies in a directory;
 * if `durable`, durably: with a directory that a power cut takes away the file
 * would be lost. */
int pawl_tree_make_room(struct pawl_store *store, const char *name,
                        bool durable, struct pawl_error *err);

#endif
