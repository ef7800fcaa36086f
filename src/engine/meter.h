/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meter.h - what an engine counts, for pawl_engine_status
 *
 * Thread-safe: the contract's calls, threads in the background and whoever
 * asks for the status meet here.
 */
#ifndef PAWL_ENGINE_METER_H
#define PAWL_ENGINE_METER_H

#include <pawl/engine.h>
#include <pthread.h>

struct pawl_meter {
    struct {
        pthread_mutex_t lock;
        struct pawl_status status;
        pawl_event_fn event; /* NULL: nobody listens */
        void *event_ctx;
    } locked;
};

void pawl_meter_init(struct pawl_meter *meter);
void pawl_meter_fini(struct pawl_meter *meter);

/* A file was written: its bytes on the disk, and the nanoseconds that each
 * stage took. */
struct pawl_file_times {
    uint64_t copy_ns;
    uint64_t wait_ns;
    uint64_t write_ns;
};
void pawl_meter_saved(struct pawl_meter *meter, uint64_t size_bytes,
                      const struct pawl_file_times *times);
void pawl_meter_loaded(struct pawl_meter *meter, uint64_t size_bytes);
/* A commit came to its end: well, or with an error.  These two tell whoever
 * listens to events. */
void pawl_meter_committed(struct pawl_meter *meter, const char *tag,
                          uint64_t publish_ns);
void pawl_meter_failed(struct pawl_meter *meter, const char *tag,
                       const struct pawl_error *why);
void pawl_meter_skipped(struct pawl_meter *meter, const char *tag);
/* Commits that are under way. */
void pawl_meter_pending(struct pawl_meter *meter, uint64_t count);
/* The caller was held up for so long. */
void pawl_meter_stalled(struct pawl_meter *meter, uint64_t stall_ns);

void pawl_meter_listen(struct pawl_meter *meter, pawl_event_fn fn, void *ctx);

/* Puts all of that to the fields of `out` that it belongs to; the others are
 * left alone. */
void pawl_meter_read(struct pawl_meter *meter, struct pawl_status *out);

/* Of the monotonic clock. */
uint64_t pawl_now_ns(void);

#endif
