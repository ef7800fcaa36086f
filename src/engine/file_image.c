/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_image.c - see file_image.h
 *
 * One `struct work` is shared by the threads of one read, scan or copy.  They
 * take blocks by an atomic counter and write to the memory and the checksums
 * of their own blocks only; joining them is what publishes both.
 */
#include "engine/file_image.h"

#include "base/bytes.h"
#include "base/copy.h"
#include "base/crc32.h"
#include "base/pages.h"
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define GRAIN ((size_t)64 << 10) /* one checksum each */
#define PAGE ((size_t)4096)
#define THREADS_MAX 64

struct pawl_file_image {
    atomic_uint references;
    uint8_t *data;
    size_t size_bytes;
    uint32_t *sums; /* of each grain */
    struct pawl_digest digest;
};

struct work {
    struct pawl_object_handle *object;   /* read it: or */
    const struct pawl_file_image *model; /* copy it */
    uint8_t *to; /* NULL: each thread has a block of its own */
    uint32_t *sums;
    uint64_t size_bytes;
    size_t block_bytes; /* whole grains */
    atomic_uint_fast64_t next_block;
    atomic_bool has_failed;
    struct pawl_hasher *hasher; /* NULL: no digest; for whose turn it is */
    struct {
        pthread_mutex_t lock;
        pthread_cond_t turn;
        uint64_t hashed_bytes; /* whose turn: the block that begins there */
        int rc;
        struct pawl_error err; /* of the first failure */
    } locked;
};

/* ---- memory ------------------------------------------------------------- */

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static uint32_t *new_sums(uint64_t size_bytes)
{
    return calloc((size_t)(size_bytes / GRAIN) + 1, sizeof(uint32_t));
}

static int new_image(struct pawl_file_image **out, uint64_t size_bytes,
                     struct pawl_error *err)
{
    struct pawl_file_image *image = calloc(1, sizeof(*image));
    if (image == NULL) {
        return pawl_fail_nomem(err);
    }
    atomic_init(&image->references, 1);
    if (!pawl_to_size(size_bytes, &image->size_bytes) ||
        size_bytes > SIZE_MAX / 2) {
        pawl_file_image_unref(image);
        return pawl_fail_nomem(err);
    }
    if (size_bytes > 0) {
        image->data = pawl_pages_map(image->size_bytes);
    }
    if (size_bytes == 0 || image->data != NULL) {
        image->sums = new_sums(size_bytes);
    }
    if (image->sums == NULL) {
        pawl_file_image_unref(image);
        return pawl_fail_nomem(err);
    }
    *out = image;
    return 0;
}

int pawl_file_image_map(struct pawl_file_image **out,
                        struct pawl_object_handle *object, uint64_t size_bytes,
                        struct pawl_error *err)
{
    struct pawl_file_image *image = calloc(1, sizeof(*image));
    void *data = NULL;
    if (image == NULL || !pawl_to_size(size_bytes, &image->size_bytes)) {
        free(image);
        return pawl_fail_nomem(err);
    }
    int rc = pawl_object_map(object, image->size_bytes, &data, err);
    if (rc < 0) {
        free(image);
        return rc;
    }
    atomic_init(&image->references, 1);
    image->data = data;
    *out = image;
    return 0;
}

struct pawl_file_image *pawl_file_image_ref(struct pawl_file_image *image)
{
    if (image != NULL) {
        atomic_fetch_add_explicit(&image->references, 1, memory_order_relaxed);
    }
    return image;
}

void pawl_file_image_unref(struct pawl_file_image *image)
{
    if (image == NULL || atomic_fetch_sub_explicit(&image->references, 1,
                                                   memory_order_acq_rel) > 1) {
        return;
    }
    pawl_pages_unmap(image->data, image->size_bytes);
    free(image->sums);
    free(image);
}

void *pawl_file_image_data(const struct pawl_file_image *image)
{
    return image->data;
}

uint64_t pawl_file_image_size(const struct pawl_file_image *image)
{
    return image->size_bytes;
}

struct pawl_digest pawl_file_image_digest(const struct pawl_file_image *image)
{
    return image->digest;
}

/* ---- checksums ---------------------------------------------------------- */

/* Grains that lie in the range as a whole need not be looked at. */
uint32_t pawl_file_image_crc(const struct pawl_file_image *image,
                             uint64_t offset, uint64_t len_bytes)
{
    size_t at = (size_t)offset;
    size_t end = at + (size_t)len_bytes;
    uint32_t crc = 0;
    while (at < end) {
        size_t grain = at / GRAIN * GRAIN;
        size_t left = image->size_bytes - grain;
        size_t grain_end = grain + (left < GRAIN ? left : GRAIN);
        size_t len = (end < grain_end ? end : grain_end) - at;
        bool is_whole = at == grain && at + len == grain_end;
        uint32_t sum = is_whole ? image->sums[grain / GRAIN]
                                : pawl_crc32(0, image->data + at, len);
        crc = at == offset ? sum : pawl_crc32_combine(crc, sum, len);
        at += len;
    }
    return crc;
}

/* ---- blocks ------------------------------------------------------------- */

static int read_block(struct work *work, uint64_t at, uint8_t *to, size_t len,
                      struct pawl_error *err)
{
    int rc = pawl_object_read(work->object, at, to, len, err);
    for (size_t i = 0; rc == 0 && i < len; i += GRAIN) {
        size_t piece = len - i < GRAIN ? len - i : GRAIN;
        work->sums[(at + i) / GRAIN] = pawl_crc32(0, to + i, piece);
    }
    return rc;
}

/* The sums are those of the copy: who writes to the model meanwhile makes them
 * differ, and is found out. */
static int copy_block(struct work *work, uint64_t at, uint8_t *to, size_t len,
                      struct pawl_error *err)
{
    const struct pawl_file_image *model = work->model;
    for (size_t i = 0; i < len; i += GRAIN) {
        size_t piece = len - i < GRAIN ? len - i : GRAIN;
        size_t grain = (size_t)(at + i) / GRAIN;
        work->sums[grain] =
            pawl_copy_crc32(0, to + i, model->data + at + i, piece);
        if (work->sums[grain] != model->sums[grain]) {
            return pawl_fail(err, PAWL_ECORRUPT, 0,
                             "what was read was changed in memory");
        }
    }
    return 0;
}

static void note_failure(struct work *work, int rc,
                         const struct pawl_error *err)
{
    pthread_mutex_lock(&work->locked.lock);
    if (work->locked.rc == 0) {
        work->locked.rc = rc;
        work->locked.err = *err;
    }
    pthread_cond_broadcast(&work->locked.turn);
    pthread_mutex_unlock(&work->locked.lock);
    atomic_store_explicit(&work->has_failed, true, memory_order_relaxed);
}

/* Adds a block to the digest when all before it are.  Blocks are taken in their
 * order, so whoever has the earliest waits for nobody. */
static void hash_in_turn(struct work *work, uint64_t at, const uint8_t *data,
                         size_t len)
{
    pthread_mutex_lock(&work->locked.lock);
    while (work->locked.hashed_bytes != at && work->locked.rc == 0) {
        pthread_cond_wait(&work->locked.turn, &work->locked.lock);
    }
    bool is_useless = work->locked.rc != 0;
    pthread_mutex_unlock(&work->locked.lock);
    if (is_useless) {
        return;
    }
    pawl_hasher_add(work->hasher, data, len);
    pthread_mutex_lock(&work->locked.lock);
    work->locked.hashed_bytes = at + len;
    pthread_cond_broadcast(&work->locked.turn);
    pthread_mutex_unlock(&work->locked.lock);
}

/* Takes the next block: false when there is none, or no use. */
static bool next_block(struct work *work, uint64_t *at, size_t *len)
{
    if (atomic_load_explicit(&work->has_failed, memory_order_relaxed)) {
        return false;
    }
    uint64_t block =
        atomic_fetch_add_explicit(&work->next_block, 1, memory_order_relaxed);
    *at = block * work->block_bytes;
    if (*at >= work->size_bytes) {
        return false;
    }
    uint64_t left = work->size_bytes - *at;
    *len = left < work->block_bytes ? (size_t)left : work->block_bytes;
    return true;
}

static void do_blocks(void *ctx)
{
    struct work *work = ctx;
    struct pawl_error err;
    uint8_t *own = NULL;
    uint64_t at;
    size_t len;
    while (next_block(work, &at, &len)) {
        if (work->to == NULL && own == NULL) {
            own = pawl_pages_map(work->block_bytes);
        }
        uint8_t *to = work->to == NULL ? own : work->to + at;
        if (to == NULL) {
            note_failure(work, pawl_fail_nomem(&err), &err);
            break;
        }
        if (work->to != NULL) {
            /* Where the kernel cannot, the read touches the pages. */
            (void)madvise(to, round_up(len, PAGE), MADV_POPULATE_WRITE);
        }
        int rc = work->object != NULL ? read_block(work, at, to, len, &err)
                                      : copy_block(work, at, to, len, &err);
        if (rc < 0) {
            note_failure(work, rc, &err);
        } else if (work->hasher != NULL) {
            hash_in_turn(work, at, to, len);
        }
    }
    pawl_pages_unmap(own, work->block_bytes);
}

/* Does all blocks, with threads of its own: they are made in less time than a
 * block takes, and so neither wait behind what an engine writes nor outlive a
 * fork. */
static int do_all(struct work *work, const struct pawl_image_options *options,
                  struct pawl_error *err)
{
    struct pawl_pool *pool = NULL;
    size_t block = round_up(options->block_bytes, GRAIN);
    work->block_bytes = block > 0 ? block : GRAIN;
    uint64_t blocks = work->size_bytes / work->block_bytes + 1;
    unsigned threads =
        options->threads < THREADS_MAX ? options->threads : THREADS_MAX;
    unsigned helpers = blocks < threads ? (unsigned)blocks - 1
                       : threads > 0    ? threads - 1
                                        : 0;
    struct pawl_pool_options pool_options = {
        .thread_count = helpers,
        .queue_max = helpers,
        .name = "pawl-read",
    };
    pthread_mutex_init(&work->locked.lock, NULL);
    pthread_cond_init(&work->locked.turn, NULL);
    if (helpers > 0 && pawl_pool_new(&pool, &pool_options, NULL) == 0) {
        for (unsigned i = 0; i < helpers; i++) {
            pawl_pool_submit(pool, do_blocks, work);
        }
    }
    do_blocks(work); /* alone, if no thread could be made */
    pawl_pool_free(pool);
    pthread_cond_destroy(&work->locked.turn);
    pthread_mutex_destroy(&work->locked.lock);
    if (work->locked.rc < 0 && err != NULL) {
        *err = work->locked.err;
    }
    return work->locked.rc;
}

/* ---- the calls ---------------------------------------------------------- */

/* Fills a new image by `work`. */
static int fill(struct pawl_file_image **out, struct work *work,
                const struct pawl_image_options *options,
                struct pawl_error *err)
{
    struct pawl_file_image *image = NULL;
    int rc = new_image(&image, work->size_bytes, err);
    if (rc < 0) {
        return rc;
    }
    work->to = image->data;
    work->sums = image->sums;
    rc = do_all(work, options, err);
    if (rc < 0) {
        pawl_file_image_unref(image);
        return rc;
    }
    *out = image;
    return 0;
}

int pawl_file_image_read(struct pawl_file_image **out,
                         struct pawl_object_handle *object, uint64_t size_bytes,
                         const struct pawl_image_options *options, bool digest,
                         struct pawl_error *err)
{
    struct work work = {.object = object, .size_bytes = size_bytes};
    if (digest && (work.hasher = pawl_hasher_new()) == NULL) {
        return pawl_fail_nomem(err);
    }
    int rc = fill(out, &work, options, err);
    if (rc == 0) {
        (*out)->digest = pawl_hasher_digest(work.hasher);
    }
    pawl_hasher_free(work.hasher);
    return rc;
}

int pawl_file_image_copy(struct pawl_file_image **out,
                         const struct pawl_file_image *image,
                         const struct pawl_image_options *options,
                         struct pawl_error *err)
{
    struct work work = {.model = image, .size_bytes = image->size_bytes};
    return fill(out, &work, options, err);
}

int pawl_file_image_scan(struct pawl_sums *out,
                         struct pawl_object_handle *object, uint64_t size_bytes,
                         const struct pawl_image_options *options, bool digest,
                         struct pawl_error *err)
{
    struct work work = {.object = object, .size_bytes = size_bytes};
    work.sums = new_sums(size_bytes);
    work.hasher = digest ? pawl_hasher_new() : NULL;
    int rc = work.sums == NULL || (digest && work.hasher == NULL)
                 ? pawl_fail_nomem(err)
                 : do_all(&work, options, err);
    if (rc == 0) {
        /* All grains are whole, so the bytes are not asked for. */
        struct pawl_file_image sums = {.size_bytes = (size_t)size_bytes,
                                       .sums = work.sums};
        out->crc32 = pawl_file_image_crc(&sums, 0, size_bytes);
        out->digest = pawl_hasher_digest(work.hasher);
    }
    pawl_hasher_free(work.hasher);
    free(work.sums);
    return rc;
}
