/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer.h - one file's way from a plan, through staging blocks, to a store
 *
 * The file is cut into blocks of the staging pool's size.  Each block goes
 * through three steps:
 *
 *   copy    payload is copied from the tensors into the block
 *   seal    in file order: checksums of the payload that lies there, then the
 *           structural bytes, which hold checksums of what stands before them
 *   write   by a thread of the writers' pool; then the block is given back
 *
 * A synchronous engine does copy and seal in one go (pawl_transfer_run), so
 * that the checksum is computed while the copy is in the cache.  An
 * asynchronous one has the copies made by several threads as fast as memory
 * allows (pawl_transfer_copy), while a thread in the background seals and
 * writes (pawl_transfer_drain); a file larger than the pool streams through
 * it, the copies waiting for blocks that the writes give back.
 *
 * Once all copies are made, the plan's payload is not looked at again.
 */
#ifndef PAWL_ENGINE_TRANSFER_H
#define PAWL_ENGINE_TRANSFER_H

#include "base/digest.h"
#include "base/pool.h"
#include "base/rate.h"
#include "base/staging.h"
#include "engine/meter.h"
#include "store/store.h"

#include <pawl/plugin.h>

struct pawl_snapshot_check;
struct pawl_transfer;

struct pawl_transfer_options {
    /* Borrowed until the transfer is freed. */
    struct pawl_staging *staging;
    struct pawl_pool *writers;
    struct pawl_rate *rate; /* of writes; NULL: as fast as they go */
    int64_t timeout_ms;     /* for each wait for a block; -1: without end */
    bool digest;            /* of the file, too */
};

/* What is known of a file that was written. */
struct pawl_written {
    uint64_t size_bytes;
    uint32_t crc32; /* of the whole file */
    struct pawl_digest digest;
    struct pawl_file_times times;
};

/* Takes over `plan` and `object`, also when it fails.  PAWL_ENOMEM. */
int pawl_transfer_new(struct pawl_transfer **out, struct pawl_plan *plan,
                      struct pawl_object_handle object,
                      const struct pawl_transfer_options *options,
                      struct pawl_error *err);

/* Copies, seals, writes and makes durable; blocks until that is done.  The
 * object is closed.  The store's errors; PAWL_ETIMEDOUT. */
int pawl_transfer_run(struct pawl_transfer *transfer, bool durable,
                      struct pawl_written *result, struct pawl_error *err);

/* Copies blocks until none is left to copy; returns when the last block that
 * *this* thread took is copied.  May be called by several threads at once.
 * Fails early when the drain failed.  PAWL_ETIMEDOUT, or the drain's error. */
int pawl_transfer_copy(struct pawl_transfer *transfer, struct pawl_error *err);

/* Seals and writes the blocks as they are copied; as pawl_transfer_run in all
 * else.  Called by one thread, while others copy. */
int pawl_transfer_drain(struct pawl_transfer *transfer, bool durable,
                        struct pawl_written *result, struct pawl_error *err);

/* Has `check`, which is borrowed, told of each copy of pawl_transfer_copy.  To
 * be called before that. */
void pawl_transfer_check(struct pawl_transfer *transfer,
                         struct pawl_snapshot_check *check);

/* Fails the transfer with `why`, if it did not fail yet: what is not written
 * will not be, the other calls return soon.  From any thread. */
void pawl_transfer_cancel(struct pawl_transfer *transfer,
                          const struct pawl_error *why);

/* After all calls above returned.  NULL is fine. */
void pawl_transfer_free(struct pawl_transfer *transfer);

#endif
