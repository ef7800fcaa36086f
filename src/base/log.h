/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - one line at a time to the function that the user gave
 *
 * `init/fini` for memory the caller has.  Thread-safe: lines are delivered one
 * after another.  Nothing may be locked by the caller that the log function
 * could need.
 */
#ifndef PAWL_BASE_LOG_H
#define PAWL_BASE_LOG_H

#include <pawl/engine.h>
#include <pthread.h>

struct pawl_log {
    struct {
        pthread_mutex_t lock;
        pawl_log_fn fn; /* NULL: nobody listens */
        void *ctx;
    } locked;
};

void pawl_log_init(struct pawl_log *log, pawl_log_fn fn, void *ctx);
void pawl_log_fini(struct pawl_log *log);
void pawl_log_set(struct pawl_log *log, pawl_log_fn fn, void *ctx);

/* printf-like; cut at 1,500 bytes.  `log` may be NULL. */
__attribute__((format(printf, 3, 4))) void
pawl_log_line(struct pawl_log *log, enum pawl_log_level level,
              const char *format, ...);

#endif
