/* SPDX-License-Identifier: Apache-2.0 */
/*
 * staging.c - see staging.h
 *
 * One mapping, cut into blocks.  The free ones are a stack, so that the block
 * given back last, which caches and TLB still know, goes out first.
 */
#include "base/staging.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { PAGE = 4096 };

static const uint64_t HUGE_PAGE = 2u << 20;

struct pawl_staging {
    unsigned char *memory;
    uint64_t mapped_bytes;
    size_t block_bytes;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t given;
        void **free_blocks;
        uint64_t free_count;
        struct pawl_staging_stats stats;
    } locked;
};

static void *map(uint64_t size, bool use_hugetlb)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    void *at = MAP_FAILED;
    if (use_hugetlb) {
        at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1,
                  0);
    }
    if (at == MAP_FAILED) {
        at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (at != MAP_FAILED) {
            madvise(at, size, MADV_HUGEPAGE); /* a wish: may be refused */
        }
    }
    if (at == MAP_FAILED) {
        return NULL;
    }
    /* A DataLoader's fork must neither copy nor keep gigabytes of staging. */
    madvise(at, size, MADV_DONTFORK);
    return at;
}

static int allocate(struct pawl_staging *staging, uint64_t block_count,
                    bool use_hugetlb, struct pawl_error *err)
{
    uint64_t size = block_count * staging->block_bytes;
    staging->mapped_bytes = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    staging->memory = map(staging->mapped_bytes, use_hugetlb);
    staging->locked.free_blocks =
        calloc(block_count, sizeof(*staging->locked.free_blocks));
    if (staging->memory == NULL || staging->locked.free_blocks == NULL) {
        return pawl_fail(err, PAWL_ENOMEM, ENOMEM,
                         "cannot allocate %llu bytes of staging: out of memory",
                         (unsigned long long)size);
    }
    for (uint64_t i = 0; i < block_count; i++) {
        staging->locked.free_blocks[i] =
            staging->memory + (block_count - 1 - i) * staging->block_bytes;
    }
    staging->locked.free_count = block_count;
    staging->locked.stats.block_count = block_count;
    return 0;
}

int pawl_staging_new(struct pawl_staging **out,
                     const struct pawl_staging_options *options,
                     struct pawl_error *err)
{
    PAWL_ASSERT(options->block_bytes > 0 && options->block_bytes % PAGE == 0,
                err);
    struct pawl_staging *staging = calloc(1, sizeof(*staging));
    if (staging == NULL) {
        return pawl_fail_nomem(err);
    }
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&staging->locked.lock, NULL);
    pthread_cond_init(&staging->locked.given, &attr);
    pthread_condattr_destroy(&attr);
    staging->block_bytes = options->block_bytes;

    uint64_t block_count = options->total_bytes / options->block_bytes;
    int rc = allocate(staging, block_count < 2 ? 2 : block_count,
                      options->use_hugetlb, err);
    if (rc < 0) {
        pawl_staging_free(staging);
        return rc;
    }
    *out = staging;
    return 0;
}

void pawl_staging_free(struct pawl_staging *staging)
{
    if (staging == NULL) {
        return;
    }
    if (staging->memory != NULL) {
        munmap(staging->memory, staging->mapped_bytes);
    }
    free(staging->locked.free_blocks);
    pthread_cond_destroy(&staging->locked.given);
    pthread_mutex_destroy(&staging->locked.lock);
    free(staging);
}

void pawl_staging_touch(struct pawl_staging *staging)
{
#ifdef MADV_POPULATE_WRITE
    if (madvise(staging->memory, staging->mapped_bytes, MADV_POPULATE_WRITE) ==
        0) {
        return;
    }
#endif
    for (uint64_t at = 0; at < staging->mapped_bytes; at += PAGE) {
        ((volatile unsigned char *)staging->memory)[at] = 0;
    }
}

size_t pawl_staging_block_bytes(const struct pawl_staging *staging)
{
    return staging->block_bytes;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Waits for a free block; false when the time is over. */
static bool wait_locked(struct pawl_staging *staging, int64_t timeout_ms)
{
    uint64_t start = now_ns();
    uint64_t end = start + (uint64_t)timeout_ms * 1000000u;
    struct timespec deadline = {(time_t)(end / 1000000000u),
                                (long)(end % 1000000000u)};
    int error = 0;
    while (staging->locked.free_count == 0 && error == 0) {
        error = timeout_ms < 0
                    ? pthread_cond_wait(&staging->locked.given,
                                        &staging->locked.lock)
                    : pthread_cond_timedwait(&staging->locked.given,
                                             &staging->locked.lock, &deadline);
    }
    staging->locked.stats.wait_count++;
    staging->locked.stats.wait_ns += now_ns() - start;
    return staging->locked.free_count > 0;
}

void *pawl_staging_take(struct pawl_staging *staging, int64_t timeout_ms)
{
    void *block = NULL;
    pthread_mutex_lock(&staging->locked.lock);
    if (staging->locked.free_count > 0 || wait_locked(staging, timeout_ms)) {
        struct pawl_staging_stats *stats = &staging->locked.stats;
        block = staging->locked.free_blocks[--staging->locked.free_count];
        stats->out_count++;
        if (stats->out_count > stats->out_max) {
            stats->out_max = stats->out_count;
        }
    }
    pthread_mutex_unlock(&staging->locked.lock);
    return block;
}

void pawl_staging_give(struct pawl_staging *staging, void *block)
{
    pthread_mutex_lock(&staging->locked.lock);
    staging->locked.free_blocks[staging->locked.free_count++] = block;
    staging->locked.stats.out_count--;
    pthread_cond_signal(&staging->locked.given);
    pthread_mutex_unlock(&staging->locked.lock);
}

void pawl_staging_stats(struct pawl_staging *staging,
                        struct pawl_staging_stats *out)
{
    pthread_mutex_lock(&staging->locked.lock);
    *out = staging->locked.stats;
    pthread_mutex_unlock(&staging->locked.lock);
}
