/* SPDX-License-Identifier: Apache-2.0 */
/* rank_hub.c - a comm of threads: see rank_fixture.h. */
#include "rank_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* A text that was given; a list, newest first. */
struct given {
    struct given *next;
    char key[512]; /* with the rank */
    size_t len;
    char data[];
};

struct rank_hub {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t size;
    bool first_is_mute;
    size_t count;
    struct given *list;
    struct seat {
        struct rank_hub *hub;
        uint32_t rank;
    } seats[RANKS_MAX]; /* what each comm has */
};

struct rank_hub *rank_hub_new(uint32_t size)
{
    struct rank_hub *hub = calloc(1, sizeof(*hub));
    pthread_condattr_t attr;
    assert_non_null(hub);
    hub->size = size;
    pthread_mutex_init(&hub->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&hub->changed, &attr);
    pthread_condattr_destroy(&attr);
    for (uint32_t i = 0; i < RANKS_MAX; i++) {
        hub->seats[i].hub = hub;
        hub->seats[i].rank = i;
    }
    return hub;
}

void rank_hub_free(struct rank_hub *hub)
{
    while (hub->list != NULL) {
        struct given *next = hub->list->next;
        free(hub->list);
        hub->list = next;
    }
    pthread_cond_destroy(&hub->changed);
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}

void rank_hub_mute_first(struct rank_hub *hub, bool mute)
{
    pthread_mutex_lock(&hub->lock);
    hub->first_is_mute = mute;
    pthread_mutex_unlock(&hub->lock);
}

size_t rank_hub_count(struct rank_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    size_t count = hub->count;
    pthread_mutex_unlock(&hub->lock);
    return count;
}

static void name_it(char out[512], const char *key, uint32_t rank)
{
    snprintf(out, 512, "%s#%u", key, rank);
}

static const struct given *find_locked(struct rank_hub *hub, const char *name)
{
    const struct given *given = hub->list;
    while (given != NULL && strcmp(given->key, name) != 0) {
        given = given->next;
    }
    return given;
}

static int give(struct rank_hub *hub, const char *key, uint32_t rank,
                const void *data, size_t len)
{
    struct given *given = calloc(1, sizeof(*given) + len);
    if (given == NULL) {
        return PAWL_ENOMEM;
    }
    name_it(given->key, key, rank);
    given->len = len;
    if (len > 0) {
        memcpy(given->data, data, len);
    }
    pthread_mutex_lock(&hub->lock);
    bool twice = find_locked(hub, given->key) != NULL;
    given->next = hub->list;
    hub->list = given;
    hub->count++;
    pthread_cond_broadcast(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
    return twice ? PAWL_EBUG : 0; /* a key is used once */
}

/* What came of that rank, by the deadline; NULL if nothing did. */
static const struct given *await(struct rank_hub *hub, const char *key,
                                 uint32_t rank, const struct timespec *deadline)
{
    char name[512];
    int error = 0;
    name_it(name, key, rank);
    pthread_mutex_lock(&hub->lock);
    const struct given *given = find_locked(hub, name);
    while (given == NULL && error != ETIMEDOUT) {
        error = pthread_cond_timedwait(&hub->changed, &hub->lock, deadline);
        given = find_locked(hub, name);
    }
    pthread_mutex_unlock(&hub->lock);
    return given;
}

static struct timespec deadline_in(int64_t timeout_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(timeout_ms / 1000);
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

static int hub_gather(void *ctx, const char *key, const void *data, size_t len,
                      int64_t timeout_ms, pawl_comm_part_fn part,
                      void *part_ctx, uint32_t *missing_rank,
                      struct pawl_error *err)
{
    const struct seat *seat = ctx;
    struct rank_hub *hub = seat->hub;
    struct timespec deadline = deadline_in(timeout_ms);
    int rc = give(hub, key, seat->rank, data, len);
    (void)err;
    *missing_rank = UINT32_MAX;
    for (uint32_t i = 0; rc == 0 && seat->rank == 0 && i < hub->size; i++) {
        const struct given *given = await(hub, key, i, &deadline);
        if (given == NULL) {
            *missing_rank = i;
            return PAWL_ETIMEDOUT;
        }
        rc = part(part_ctx, i, given->data, given->len);
    }
    return rc;
}

static int hub_broadcast(void *ctx, const char *key, const void *data,
                         size_t len, int64_t timeout_ms, pawl_comm_part_fn part,
                         void *part_ctx, struct pawl_error *err)
{
    const struct seat *seat = ctx;
    struct rank_hub *hub = seat->hub;
    (void)err;
    if (seat->rank == 0) {
        return hub->first_is_mute ? 0 : give(hub, key, 0, data, len);
    }
    struct timespec deadline = deadline_in(timeout_ms);
    const struct given *given = await(hub, key, 0, &deadline);
    return given == NULL ? PAWL_ETIMEDOUT
                         : part(part_ctx, 0, given->data, given->len);
}

static const struct pawl_comm_ops hub_ops = {
    .struct_size = sizeof(struct pawl_comm_ops),
    .name = "threads",
    .gather = hub_gather,
    .broadcast = hub_broadcast,
};

struct pawl_comm rank_hub_comm(struct rank_hub *hub, uint32_t rank)
{
    return (struct pawl_comm){&hub_ops, &hub->seats[rank], rank, hub->size};
}
