/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unsynced.h - which new names would not survive a power cut yet
 *
 * A directory that was made, or a name that was renamed, is durable once the
 * directory that holds it was synced; and what lies in a new directory is
 * durable only if the new directory itself is.  This list remembers the names
 * in between, so that a sync can do what is missing up the path, and no more.
 *
 * Paths are absolute texts, compared as such.  Running out of memory is no
 * error: then every path counts as unsynced, which is slow and safe.
 * Thread-safe.
 *
 * The order that makes it safe: begin() before the system call, end() after
 * it, so that whoever can see the name can see the mark; and a sync drops only
 * marks that ended before it began (pawl_unsynced_now).
 */
#ifndef PAWL_STORE_UNSYNCED_H
#define PAWL_STORE_UNSYNCED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pawl_unsynced_mark;

struct pawl_unsynced {
    struct {
        pthread_mutex_t lock;
        struct pawl_unsynced_mark *marks;
        size_t count;
        size_t capacity;
        uint64_t now;       /* grows with each end() */
        bool out_of_memory; /* all paths are unsynced */
    } locked;
};

void pawl_unsynced_init(struct pawl_unsynced *list);
void pawl_unsynced_fini(struct pawl_unsynced *list);

/* Around the call that makes the name `path`; `made`: it did. */
void pawl_unsynced_begin(struct pawl_unsynced *list, const char *path);
void pawl_unsynced_end(struct pawl_unsynced *list, const char *path, bool made);

/* Whether the directory that holds `path` must be synced for it. */
bool pawl_unsynced_has(struct pawl_unsynced *list, const char *path);

/* Ask before syncing directory `dir`; tell after it succeeded. */
uint64_t pawl_unsynced_now(struct pawl_unsynced *list);
void pawl_unsynced_synced(struct pawl_unsynced *list, const char *dir,
                          uint64_t now);

/* `a` was renamed to `b`, or they were exchanged: marks below one are from now
 * on below the other.  `a` and `b` themselves are for begin() and end(). */
void pawl_unsynced_swap(struct pawl_unsynced *list, const char *a,
                        const char *b);
/* `path` is gone. */
void pawl_unsynced_forget(struct pawl_unsynced *list, const char *path);

#endif
