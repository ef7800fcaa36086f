/* SPDX-License-Identifier: Apache-2.0 */
/*
 * staging.h - a bounded store of memory blocks between tensors and the disk
 *
 * First touch of memory costs as much as the disk does, so the blocks are
 * mapped once, on huge pages where the system has them, and those that were
 * used last go out first: a block is touched by its first user, or ahead of
 * time by pawl_staging_touch, and stays present.  Who needs a block while all
 * are out waits: that is the back-pressure which keeps memory bounded, and it
 * is counted.
 *
 * All calls are thread-safe.
 */
#ifndef PAWL_BASE_STAGING_H
#define PAWL_BASE_STAGING_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pawl_staging;

struct pawl_staging_options {
    uint64_t total_bytes; /* rounded down to whole blocks, at least 2 */
    size_t block_bytes;   /* a multiple of 4096 */
    bool use_hugetlb;     /* reserved huge pages; falls back if there are
                             none */
};

struct pawl_staging_stats {
    uint64_t block_count;
    uint64_t out_count;  /* blocks that are out now */
    uint64_t out_max;    /* the most that ever were */
    uint64_t wait_count; /* takes that had to wait */
    uint64_t wait_ns;    /* for how long, in sum */
};

/* PAWL_ENOMEM. */
int pawl_staging_new(struct pawl_staging **out,
                     const struct pawl_staging_options *options,
                     struct pawl_error *err);
/* All blocks must be back.  NULL is fine. */
void pawl_staging_free(struct pawl_staging *staging);

/* Touches all memory, so that also the first writes find it present.  Takes
 * about 0.1 s a GiB.  To be called before the first take. */
void pawl_staging_touch(struct pawl_staging *staging);

size_t pawl_staging_block_bytes(const struct pawl_staging *staging);

/* A block, aligned to 4096 bytes, to be given back.  Waits up to
 * `timeout_ms` (-1: without end) while there is none; NULL then. */
void *pawl_staging_take(struct pawl_staging *staging, int64_t timeout_ms);
void pawl_staging_give(struct pawl_staging *staging, void *block);

void pawl_staging_stats(struct pawl_staging *staging,
                        struct pawl_staging_stats *out);

#endif
