/* SPDX-License-Identifier: Apache-2.0 */
/* lane.c - see lane.h. */
#include "engine/lane.h"

#include "engine/spare.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { COPIERS_MAX = 8, PAGE = 4096 };

struct pawl_lane {
    atomic_uint references;
    struct pawl_staging *staging;
    struct pawl_pool *writers;
    struct pawl_pool *copiers; /* NULL: one core, the caller is enough */
    unsigned copier_count;
    struct pawl_rate rate;
    int64_t timeout_ms;
    unsigned direct; /* PAWL_STORE_DIRECT or 0 */
    bool digest;
};

static int make_pools(struct pawl_lane *lane, const struct pawl_config *config,
                      struct pawl_error *err)
{
    struct pawl_pool_options writers = {
        .thread_count = (unsigned)config->write_threads,
        .queue_max = (unsigned)config->write_threads,
        .nice = (int)config->nice,
        .name = "pawl-write",
    };
    int rc = pawl_pool_new(&lane->writers, &writers, err);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (rc < 0 || cores < 2) {
        return rc;
    }
    lane->copier_count =
        cores - 1 < COPIERS_MAX ? (unsigned)cores - 1 : COPIERS_MAX;
    struct pawl_pool_options copiers = {
        .thread_count = lane->copier_count,
        .queue_max = lane->copier_count,
        .name = "pawl-copy", /* training waits for these: no niceness */
    };
    return pawl_pool_new(&lane->copiers, &copiers, err);
}

int pawl_lane_new(struct pawl_lane **out, const struct pawl_config *config,
                  struct pawl_error *err)
{
    struct pawl_lane *lane = calloc(1, sizeof(*lane));
    if (lane == NULL) {
        return pawl_fail_nomem(err);
    }
    struct pawl_staging_options staging = {
        .total_bytes = config->staging_bytes,
        .block_bytes = ((size_t)config->block_bytes + PAGE - 1) / PAGE * PAGE,
        .use_hugetlb = config->hugetlb,
    };
    atomic_init(&lane->references, 1);
    pawl_rate_init(&lane->rate, config->max_bytes_per_second);
    lane->direct = config->direct_io ? PAWL_STORE_DIRECT : 0;
    lane->timeout_ms = (int64_t)config->write_timeout_ms;
    lane->digest = config->digest == PAWL_DIGEST_XXH3;
    int rc = pawl_staging_new(&lane->staging, &staging, err);
    if (rc == 0) {
        rc = make_pools(lane, config, err);
    }
    if (rc == 0 && config->prefault) {
        pawl_staging_touch(lane->staging);
    }
    if (rc < 0) {
        pawl_lane_unref(lane);
        return rc;
    }
    *out = lane;
    return 0;
}

struct pawl_lane *pawl_lane_ref(struct pawl_lane *lane)
{
    if (lane != NULL) {
        atomic_fetch_add(&lane->references, 1);
    }
    return lane;
}

void pawl_lane_unref(struct pawl_lane *lane)
{
    if (lane == NULL || atomic_fetch_sub(&lane->references, 1) > 1) {
        return;
    }
    pawl_pool_free(lane->copiers);
    pawl_pool_free(lane->writers);
    pawl_staging_free(lane->staging);
    pawl_rate_fini(&lane->rate);
    free(lane);
}

int pawl_lane_start(struct pawl_transfer **out, struct pawl_lane *lane,
                    struct pawl_plan *plan, struct pawl_store *store,
                    const char *name, struct pawl_error *err)
{
    struct pawl_object_handle object;
    struct pawl_transfer_options options = {
        .staging = lane->staging,
        .writers = lane->writers,
        .rate = &lane->rate,
        .timeout_ms = lane->timeout_ms,
        .digest = lane->digest,
    };
    int rc = pawl_spare_create(store, name, lane->direct, pawl_plan_size(plan),
                               &object, err);
    if (rc < 0) {
        pawl_plan_free(plan);
        return rc;
    }
    return pawl_transfer_new(out, plan, object, &options, err);
}

static void copy_task(void *transfer)
{
    pawl_transfer_copy(transfer, NULL); /* the drain tells what failed */
}

int pawl_lane_copy(struct pawl_lane *lane, struct pawl_transfer *transfer,
                   struct pawl_error *err)
{
    /* Submits and the drain end as copies do: see lane.h. */
    for (unsigned i = 0; i < lane->copier_count; i++) {
        pawl_pool_submit(lane->copiers, copy_task, transfer);
    }
    int rc = pawl_transfer_copy(transfer, err);
    /* The tasks must be over before the transfer may be freed. */
    if (lane->copiers != NULL) {
        pawl_pool_drain(lane->copiers);
    }
    return rc;
}

void pawl_lane_stats(struct pawl_lane *lane, struct pawl_staging_stats *out)
{
    pawl_staging_stats(lane->staging, out);
}
