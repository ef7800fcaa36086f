/* SPDX-License-Identifier: Apache-2.0 */
/* plain_copy.c - see plain_copy.h. */
#include "plain_copy.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { LINE = 64, CORES_MAX = 64 };

/* The bytes from `begin` to `end` of all pieces, one after the other. */
struct share {
    const struct plain_piece *pieces;
    size_t count;
    size_t begin;
    size_t end;
    bool streaming;
};

static void copy_streaming(unsigned char *to, const unsigned char *from,
                           size_t len)
{
#ifdef __x86_64__
    size_t done = (uintptr_t)to % sizeof(__m128i) == 0 ? len / LINE * LINE : 0;
    for (size_t i = 0; i < done; i += sizeof(__m128i)) {
        __m128i word;
        memcpy(&word, from + i, sizeof(word));
        _mm_stream_si128((void *)(to + i), word);
    }
    _mm_sfence();
    memcpy(to + done, from + done, len - done);
#else
    memcpy(to, from, len);
#endif
}

static void *copy_share(void *arg)
{
    const struct share *share = arg;
    size_t at = 0; /* where the piece begins */
    for (size_t i = 0; i < share->count && at < share->end; i++) {
        const struct plain_piece *piece = &share->pieces[i];
        size_t begin = share->begin > at ? share->begin - at : 0;
        size_t end =
            share->end < at + piece->len ? share->end - at : piece->len;
        at += piece->len;
        if (begin >= end) {
            continue;
        }
        if (share->streaming) {
            copy_streaming(piece->to + begin, piece->from + begin, end - begin);
        } else {
            memcpy(piece->to + begin, piece->from + begin, end - begin);
        }
    }
    return NULL;
}

static size_t core_count(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > CORES_MAX ? CORES_MAX : (size_t)cores;
}

void plain_copy(const struct plain_piece *pieces, size_t count, bool streaming)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += pieces[i].len;
    }
    size_t cores = core_count();
    size_t part = size / cores / LINE * LINE;
    struct share shares[CORES_MAX];
    pthread_t threads[CORES_MAX];
    size_t started = 0;
    for (size_t i = 0; i < cores; i++) {
        size_t end = i + 1 == cores ? size : (i + 1) * part;
        shares[i] = (struct share){pieces, count, i * part, end, streaming};
        if (i + 1 == cores || pthread_create(&threads[started], NULL,
                                             copy_share, &shares[i]) != 0) {
            copy_share(&shares[i]);
        } else {
            started++;
        }
    }
    for (size_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
}
