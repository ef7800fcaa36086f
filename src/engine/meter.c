/* SPDX-License-Identifier: Apache-2.0 */
/* meter.c - see meter.h. */
#include "engine/meter.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void pawl_meter_init(struct pawl_meter *meter)
{
    memset(&meter->locked, 0, sizeof(meter->locked));
    pthread_mutex_init(&meter->locked.lock, NULL);
}

void pawl_meter_fini(struct pawl_meter *meter)
{
    pthread_mutex_destroy(&meter->locked.lock);
}

static struct pawl_status *take(struct pawl_meter *meter)
{
    pthread_mutex_lock(&meter->locked.lock);
    return &meter->locked.status;
}

static void give(struct pawl_meter *meter)
{
    pthread_mutex_unlock(&meter->locked.lock);
}

void pawl_meter_saved(struct pawl_meter *meter, uint64_t size_bytes,
                      const struct pawl_file_times *times)
{
    struct pawl_status *status = take(meter);
    status->files_saved++;
    status->bytes_saved += size_bytes;
    status->copy_ns += times->copy_ns;
    status->wait_ns += times->wait_ns;
    status->write_ns += times->write_ns;
    give(meter);
}

void pawl_meter_loaded(struct pawl_meter *meter, uint64_t size_bytes)
{
    take(meter)->bytes_loaded += size_bytes;
    give(meter);
}

/* Not under the lock: the listener may ask for the status. */
static void tell(struct pawl_meter *meter, enum pawl_event_kind kind,
                 const char *tag, const char *message)
{
    struct pawl_event event = {sizeof(event), kind, tag, message};
    take(meter);
    pawl_event_fn fn = meter->locked.event;
    void *ctx = meter->locked.event_ctx;
    give(meter);
    if (fn != NULL) {
        fn(ctx, &event);
    }
}

void pawl_meter_committed(struct pawl_meter *meter, const char *tag,
                          uint64_t publish_ns)
{
    struct pawl_status *status = take(meter);
    status->publish_ns += publish_ns;
    status->commits++;
    snprintf(status->committed, sizeof(status->committed), "%s", tag);
    give(meter);
    tell(meter, PAWL_EVENT_COMMITTED, tag, "");
}

void pawl_meter_failed(struct pawl_meter *meter, const char *tag,
                       const struct pawl_error *why)
{
    take(meter)->failures++;
    give(meter);
    tell(meter, PAWL_EVENT_FAILED, tag, why->message);
}

void pawl_meter_skipped(struct pawl_meter *meter, const char *tag)
{
    take(meter)->skipped++;
    give(meter);
    tell(meter, PAWL_EVENT_SKIPPED, tag, "");
}

void pawl_meter_listen(struct pawl_meter *meter, pawl_event_fn fn, void *ctx)
{
    take(meter);
    meter->locked.event = fn;
    meter->locked.event_ctx = ctx;
    give(meter);
}

void pawl_meter_pending(struct pawl_meter *meter, uint64_t count)
{
    take(meter)->pending = count;
    give(meter);
}

void pawl_meter_stalled(struct pawl_meter *meter, uint64_t stall_ns)
{
    take(meter)->stall_ns += stall_ns;
    give(meter);
}

void pawl_meter_read(struct pawl_meter *meter, struct pawl_status *out)
{
    const struct pawl_status *status = take(meter);
    memcpy(out->committed, status->committed, sizeof(out->committed));
    out->commits = status->commits;
    out->failures = status->failures;
    out->files_saved = status->files_saved;
    out->bytes_saved = status->bytes_saved;
    out->bytes_loaded = status->bytes_loaded;
    out->pending = status->pending;
    out->skipped = status->skipped;
    out->stall_ns = status->stall_ns;
    out->copy_ns = status->copy_ns;
    out->wait_ns = status->wait_ns;
    out->write_ns = status->write_ns;
    out->publish_ns = status->publish_ns;
    give(meter);
}

uint64_t pawl_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
