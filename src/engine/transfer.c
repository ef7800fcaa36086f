/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer.c - see transfer.h
 *
 * Who may touch what: `blocks[i].memory` belongs to the copier from take to
 * ready, to the draining thread until its write is submitted, then to the
 * writer, who gives it back.  The plan belongs to the draining thread; copiers
 * read payload extents only.  Lock order: claim, then the staging pool's own;
 * `locked.lock` alone.  The claim lock is held while waiting for memory, so
 * that blocks get theirs in file order: else a later block could take the last
 * memory, for which an earlier one, to be written first, then waits for ever.
 */
#include "engine/transfer.h"

#include "base/bytes.h"
#include "base/copy.h"
#include "base/crc32.h"
#include "engine/snapshot_check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct block {
    struct pawl_transfer *transfer;
    unsigned char *memory;
    uint64_t offset;
    size_t len;
    size_t first_extent;
    bool ready; /* copied; guarded by the lock */
};

struct pawl_transfer {
    struct pawl_transfer_options options;
    struct pawl_plan *plan;
    struct pawl_object_handle object;
    const struct pawl_extent *extents;
    size_t extent_count;
    struct block *blocks;
    size_t block_count;
    struct pawl_snapshot_check *check; /* borrowed; NULL: none */

    /* The draining thread's. */
    uint32_t record_crc;
    uint32_t file_crc;
    struct pawl_hasher *hasher; /* NULL: no digest is asked for */
    uint64_t started_ns;

    struct {
        pthread_mutex_t lock;
        size_t next; /* block to be copied */
        uint64_t wait_ns;
    } claim;

    struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool is_starved; /* a copier waits for blocks to be written */
        size_t copied_count;
        size_t writing_count;
        uint64_t copy_ns;
        bool failed;
        struct pawl_error error;
    } locked;
};

/* ---- making ------------------------------------------------------------ */

/* Notes for each block the extent in which it begins. */
static void cut_into_blocks(struct pawl_transfer *transfer, uint64_t size,
                            size_t block_bytes)
{
    size_t extent = 0;
    for (size_t i = 0; i < transfer->block_count; i++) {
        struct block *block = &transfer->blocks[i];
        uint64_t left = size - i * block_bytes;
        block->transfer = transfer;
        block->offset = i * block_bytes;
        block->len = left < block_bytes ? (size_t)left : block_bytes;
        while (extent + 1 < transfer->extent_count &&
               transfer->extents[extent + 1].offset <= block->offset) {
            extent++;
        }
        block->first_extent = extent;
    }
}

int pawl_transfer_new(struct pawl_transfer **out, struct pawl_plan *plan,
                      struct pawl_object_handle object,
                      const struct pawl_transfer_options *options,
                      struct pawl_error *err)
{
    struct pawl_transfer *transfer = calloc(1, sizeof(*transfer));
    uint64_t size = pawl_plan_size(plan);
    size_t block_bytes = pawl_staging_block_bytes(options->staging);
    uint64_t block_count = (size + block_bytes - 1) / block_bytes;
    struct block *blocks =
        calloc(block_count > 0 ? block_count : 1, sizeof(*blocks));
    struct pawl_hasher *hasher = options->digest ? pawl_hasher_new() : NULL;
    if (transfer == NULL || blocks == NULL ||
        (hasher == NULL && options->digest)) {
        pawl_hasher_free(hasher);
        free(transfer);
        free(blocks);
        pawl_plan_free(plan);
        pawl_object_close(&object, false, NULL);
        return pawl_fail_nomem(err);
    }
    transfer->options = *options;
    transfer->plan = plan;
    transfer->object = object;
    transfer->extents = pawl_plan_extents(plan, &transfer->extent_count);
    transfer->blocks = blocks;
    transfer->block_count = block_count;
    transfer->hasher = hasher;
    pthread_mutex_init(&transfer->claim.lock, NULL);
    pthread_mutex_init(&transfer->locked.lock, NULL);
    pthread_cond_init(&transfer->locked.changed, NULL);
    cut_into_blocks(transfer, size, block_bytes);
    *out = transfer;
    return 0;
}

void pawl_transfer_free(struct pawl_transfer *transfer)
{
    if (transfer == NULL) {
        return;
    }
    for (size_t i = 0; i < transfer->block_count; i++) {
        if (transfer->blocks[i].memory != NULL) {
            pawl_staging_give(transfer->options.staging,
                              transfer->blocks[i].memory);
        }
    }
    pawl_object_close(&transfer->object, false, NULL);
    pawl_plan_free(transfer->plan);
    pthread_cond_destroy(&transfer->locked.changed);
    pthread_mutex_destroy(&transfer->locked.lock);
    pthread_mutex_destroy(&transfer->claim.lock);
    pawl_hasher_free(transfer->hasher);
    free(transfer->blocks);
    free(transfer);
}

void pawl_transfer_check(struct pawl_transfer *transfer,
                         struct pawl_snapshot_check *check)
{
    transfer->check = check;
}

/* ---- failing ----------------------------------------------------------- */

/* The first failure stays. */
static void fail_locked(struct pawl_transfer *transfer,
                        const struct pawl_error *error)
{
    if (!transfer->locked.failed) {
        transfer->locked.failed = true;
        transfer->locked.error = *error;
    }
    pthread_cond_broadcast(&transfer->locked.changed);
}

void pawl_transfer_cancel(struct pawl_transfer *transfer,
                          const struct pawl_error *error)
{
    pthread_mutex_lock(&transfer->locked.lock);
    fail_locked(transfer, error);
    pthread_mutex_unlock(&transfer->locked.lock);
}

/* 0, or the failure that was noted. */
static int outcome(struct pawl_transfer *transfer, struct pawl_error *err)
{
    int rc = 0;
    pthread_mutex_lock(&transfer->locked.lock);
    if (transfer->locked.failed) {
        rc = transfer->locked.error.code;
        if (err != NULL) {
            *err = transfer->locked.error;
        }
    }
    pthread_mutex_unlock(&transfer->locked.lock);
    return rc;
}

/* ---- pieces ------------------------------------------------------------ */

/* The part of an extent that lies in a block. */
struct piece {
    const struct pawl_extent *extent;
    const unsigned char *data; /* in the tensor or the plan */
    unsigned char *to;         /* in the block */
    size_t len;
    bool is_last; /* the extent ends with it */
};

/* Walks the pieces of a block; start with *extent = block->first_extent and
 * *at = 0.  False at the block's end. */
static bool next_piece(const struct block *block, size_t *extent, size_t *at,
                       struct piece *out)
{
    const struct pawl_transfer *transfer = block->transfer;
    if (*at == block->len) {
        return false;
    }
    const struct pawl_extent *e = &transfer->extents[*extent];
    uint64_t skip = block->offset + *at - e->offset;
    uint64_t left = e->len_bytes - skip;
    size_t room = block->len - *at;
    out->extent = e;
    out->data = (const unsigned char *)e->data + skip;
    out->to = block->memory + *at;
    out->len = left < room ? (size_t)left : room;
    out->is_last = out->len == left;
    *at += out->len;
    *extent += out->is_last ? 1 : 0;
    return true;
}

/* Goes on with the file's checksum: from the piece's own, if that is known and
 * the piece is long enough that combining beats reading it again. */
static void add_to_file_crc(struct pawl_transfer *transfer,
                            const struct piece *piece, const uint32_t *crc)
{
    transfer->file_crc =
        crc != NULL && piece->len >= PAWL_CRC32_COMBINE_MIN
            ? pawl_crc32_combine(transfer->file_crc, *crc, piece->len)
            : pawl_crc32(transfer->file_crc, piece->to, piece->len);
}

/* What is known of a record's checksum after one more piece of it. */
static void add_to_record_crc(struct pawl_transfer *transfer,
                              const struct piece *piece, uint32_t crc)
{
    bool is_first = piece->data == piece->extent->data;
    transfer->record_crc =
        is_first ? crc
                 : pawl_crc32_combine(transfer->record_crc, crc, piece->len);
    if (piece->is_last) {
        pawl_plan_set_crc(transfer->plan, piece->extent->record,
                          transfer->record_crc);
    }
}

static void check_piece(struct pawl_transfer *transfer,
                        const struct piece *piece)
{
    if (transfer->check != NULL) {
        const unsigned char *start = piece->extent->data;
        pawl_snapshot_check_copied(transfer->check, piece->extent->record,
                                   (uint64_t)(piece->data - start), piece->to,
                                   piece->len);
    }
}

/* Payload only: runs beside other copiers. */
static void copy_payload(const struct block *block)
{
    struct piece piece;
    size_t extent = block->first_extent;
    size_t at = 0;
    while (next_piece(block, &extent, &at, &piece)) {
        if (piece.extent->record != PAWL_NO_RECORD) {
            pawl_copy_streaming(piece.to, piece.data, piece.len);
            check_piece(block->transfer, &piece);
        }
    }
}

/* In file order.  `copied`: the payload is in the block already. */
static void seal(struct block *block, bool copied)
{
    struct piece piece;
    size_t extent = block->first_extent;
    size_t at = 0;
    while (next_piece(block, &extent, &at, &piece)) {
        if (piece.extent->record == PAWL_NO_RECORD) {
            memcpy(piece.to, piece.data, piece.len);
            add_to_file_crc(block->transfer, &piece, NULL);
            continue;
        }
        uint32_t crc =
            copied ? pawl_crc32(0, piece.to, piece.len)
                   : pawl_copy_crc32(0, piece.to, piece.data, piece.len);
        add_to_record_crc(block->transfer, &piece, crc);
        add_to_file_crc(block->transfer, &piece, &crc);
    }
    pawl_hasher_add(block->transfer->hasher, block->memory, block->len);
}

/* ---- copying ----------------------------------------------------------- */

static bool has_failed(struct pawl_transfer *transfer)
{
    return outcome(transfer, NULL) < 0;
}

static void fail_timeout(struct pawl_transfer *transfer)
{
    struct pawl_error error;
    pawl_fail(&error, PAWL_ETIMEDOUT, 0,
              "no staging block came back within %lld ms: the disk hangs",
              (long long)transfer->options.timeout_ms);
    pawl_transfer_cancel(transfer, &error);
}

/* Memory for a block.  When there is none, the drain is told, which holds back
 * for the sake of the copies. */
static void *take_memory(struct pawl_transfer *transfer)
{
    void *memory = pawl_staging_take(transfer->options.staging, 0);
    if (memory != NULL) {
        return memory;
    }
    pthread_mutex_lock(&transfer->locked.lock);
    transfer->locked.is_starved = true;
    pthread_cond_broadcast(&transfer->locked.changed);
    pthread_mutex_unlock(&transfer->locked.lock);
    return pawl_staging_take(transfer->options.staging,
                             transfer->options.timeout_ms);
}

/* The next block, with memory; NULL when all are taken, or on failure. */
static struct block *claim_block(struct pawl_transfer *transfer)
{
    struct block *block = NULL;
    pthread_mutex_lock(&transfer->claim.lock);
    if (transfer->claim.next < transfer->block_count && !has_failed(transfer)) {
        uint64_t start = pawl_now_ns();
        struct block *next = &transfer->blocks[transfer->claim.next];
        next->memory = take_memory(transfer);
        transfer->claim.wait_ns += pawl_now_ns() - start;
        if (next->memory == NULL) {
            fail_timeout(transfer);
        } else {
            transfer->claim.next++;
            block = next;
        }
    }
    pthread_mutex_unlock(&transfer->claim.lock);
    return block;
}

int pawl_transfer_copy(struct pawl_transfer *transfer, struct pawl_error *err)
{
    struct block *block;
    while ((block = claim_block(transfer)) != NULL) {
        uint64_t start = pawl_now_ns();
        copy_payload(block);
        pthread_mutex_lock(&transfer->locked.lock);
        block->ready = true;
        transfer->locked.copied_count++;
        transfer->locked.copy_ns += pawl_now_ns() - start;
        pthread_cond_broadcast(&transfer->locked.changed);
        pthread_mutex_unlock(&transfer->locked.lock);
    }
    return outcome(transfer, err);
}

/* ---- writing ----------------------------------------------------------- */

static void give_back(struct block *block)
{
    void *memory = block->memory;
    block->memory = NULL;
    pawl_staging_give(block->transfer->options.staging, memory);
}

/* A task of the writers' pool. */
static void write_block(void *ctx)
{
    struct block *block = ctx;
    struct pawl_transfer *transfer = block->transfer;
    struct pawl_error error;
    int rc = 0;
    if (!has_failed(transfer)) {
        rc = pawl_object_write(&transfer->object, block->offset, block->memory,
                               block->len, &error);
    }
    /* First, so that the copier who gets the block takes no other one. */
    if (rc < 0) {
        pawl_transfer_cancel(transfer, &error);
    }
    give_back(block);
    pthread_mutex_lock(&transfer->locked.lock);
    transfer->locked.writing_count--;
    pthread_cond_broadcast(&transfer->locked.changed);
    pthread_mutex_unlock(&transfer->locked.lock);
}

/* May wait for a writer.  A disk that hangs holds up whoever drains or runs
 * the transfer, as it would one that wrote by itself; never those who copy. */
static void submit_write(struct pawl_transfer *transfer, struct block *block)
{
    if (transfer->options.rate != NULL) {
        pawl_rate_wait(transfer->options.rate, block->len);
    }
    pthread_mutex_lock(&transfer->locked.lock);
    transfer->locked.writing_count++;
    pthread_mutex_unlock(&transfer->locked.lock);
    pawl_pool_submit(transfer->options.writers, write_block, block);
}

/* Waits for the block to be copied; false on failure.  Ends, since copying is
 * memory only, and each wait of a copier for a block has its timeout. */
static bool wait_ready(struct pawl_transfer *transfer, struct block *block)
{
    pthread_mutex_lock(&transfer->locked.lock);
    while (!block->ready && !transfer->locked.failed) {
        pthread_cond_wait(&transfer->locked.changed, &transfer->locked.lock);
    }
    bool ok = !transfer->locked.failed;
    pthread_mutex_unlock(&transfer->locked.lock);
    return ok;
}

/* Likewise.  There is no way out: the kernel has the blocks. */
static void wait_written(struct pawl_transfer *transfer)
{
    pthread_mutex_lock(&transfer->locked.lock);
    while (transfer->locked.writing_count > 0) {
        pthread_cond_wait(&transfer->locked.changed, &transfer->locked.lock);
    }
    pthread_mutex_unlock(&transfer->locked.lock);
}

/* After a failure: blocks that will not be written, for which a copier may
 * wait. */
static void give_back_ready(struct pawl_transfer *transfer)
{
    for (size_t i = 0; i < transfer->block_count; i++) {
        struct block *block = &transfer->blocks[i];
        pthread_mutex_lock(&transfer->locked.lock);
        bool ready = block->ready;
        pthread_mutex_unlock(&transfer->locked.lock);
        if (ready && block->memory != NULL) {
            give_back(block);
        }
    }
}

/* Waits for the writes and closes the object. */
static int finish(struct pawl_transfer *transfer, bool durable,
                  struct pawl_written *result, struct pawl_error *err)
{
    wait_written(transfer);
    int rc = outcome(transfer, err);
    if (rc < 0) {
        give_back_ready(transfer);
        pawl_object_close(&transfer->object, false, NULL);
        return rc;
    }
    rc = pawl_object_close(&transfer->object, durable, err);
    *result = (struct pawl_written){
        .size_bytes = pawl_plan_size(transfer->plan),
        .crc32 = transfer->file_crc,
        .digest = pawl_hasher_digest(transfer->hasher),
        .times = {.copy_ns = transfer->locked.copy_ns,
                  .wait_ns = transfer->claim.wait_ns,
                  .write_ns = pawl_now_ns() - transfer->started_ns},
    };
    return rc;
}

int pawl_transfer_run(struct pawl_transfer *transfer, bool durable,
                      struct pawl_written *result, struct pawl_error *err)
{
    struct block *block;
    transfer->started_ns = pawl_now_ns();
    while ((block = claim_block(transfer)) != NULL) {
        uint64_t start = pawl_now_ns();
        seal(block, false);
        transfer->locked.copy_ns += pawl_now_ns() - start; /* no other copier */
        submit_write(transfer, block);
    }
    return finish(transfer, durable, result, err);
}

/* Training waits for the copies: while they need no blocks back, checksums and
 * writes would only take cores and memory bandwidth from them. */
static void wait_for_copies(struct pawl_transfer *transfer)
{
    pthread_mutex_lock(&transfer->locked.lock);
    while (transfer->locked.copied_count < transfer->block_count &&
           !transfer->locked.is_starved && !transfer->locked.failed) {
        pthread_cond_wait(&transfer->locked.changed, &transfer->locked.lock);
    }
    pthread_mutex_unlock(&transfer->locked.lock);
}

int pawl_transfer_drain(struct pawl_transfer *transfer, bool durable,
                        struct pawl_written *result, struct pawl_error *err)
{
    wait_for_copies(transfer);
    transfer->started_ns = pawl_now_ns();
    for (size_t i = 0; i < transfer->block_count; i++) {
        struct block *block = &transfer->blocks[i];
        if (!wait_ready(transfer, block)) {
            break;
        }
        seal(block, true);
        submit_write(transfer, block);
    }
    return finish(transfer, durable, result, err);
}
