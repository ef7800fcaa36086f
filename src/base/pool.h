/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.h - threads that do tasks in the background
 *
 * A pool belongs to a handle and dies with it.  Its queue is bounded: a
 * submit waits while it is full, which is how back-pressure reaches the
 * caller.  Tasks start in the order of submission; with one thread they also
 * end in it.
 *
 * The threads block all signals, so that a training program's handlers never
 * run on them.  After a fork the child has no threads of the pool: it must
 * not use it, and pawl_pool_free in the child only frees memory.
 */
#ifndef PAWL_BASE_POOL_H
#define PAWL_BASE_POOL_H

#include "base/error.h"

#include <stdbool.h>

struct pawl_pool;

struct pawl_pool_options {
    unsigned thread_count; /* 1 .. 256 */
    unsigned queue_max;    /* tasks that may wait, at least 1 */
    int nice;              /* added to the threads' niceness, 0 .. 19 */
    const char *name;      /* of the threads, up to 15 bytes */
};

typedef void (*pawl_task_fn)(void *ctx);

/* PAWL_ENOMEM, PAWL_EIO (no thread could be made). */
int pawl_pool_new(struct pawl_pool **out,
                  const struct pawl_pool_options *options,
                  struct pawl_error *err);

/* Runs what was submitted, then ends the threads.  Blocks.  NULL is fine. */
void pawl_pool_free(struct pawl_pool *pool);

/* Has `fn(ctx)` called on a thread of the pool.  Blocks while the queue is
 * full.  Thread-safe, also from a task, if the queue cannot fill up by tasks
 * that submit. */
void pawl_pool_submit(struct pawl_pool *pool, pawl_task_fn fn, void *ctx);

/* Waits until no task is queued or running. */
void pawl_pool_drain(struct pawl_pool *pool);

#endif
