/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void pawl_log_init(struct pawl_log *log, pawl_log_fn fn, void *ctx)
{
    pthread_mutex_init(&log->locked.lock, NULL);
    log->locked.fn = fn;
    log->locked.ctx = ctx;
}

void pawl_log_fini(struct pawl_log *log)
{
    pthread_mutex_destroy(&log->locked.lock);
}

void pawl_log_set(struct pawl_log *log, pawl_log_fn fn, void *ctx)
{
    pthread_mutex_lock(&log->locked.lock);
    log->locked.fn = fn;
    log->locked.ctx = ctx;
    pthread_mutex_unlock(&log->locked.lock);
}

void pawl_log_line(struct pawl_log *log, enum pawl_log_level level,
                   const char *format, ...)
{
    if (log == NULL) {
        return;
    }
    char line[1500];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);

    /* The one callback that runs under a lock: engine.h promises the user
     * that lines come one by one. */
    pthread_mutex_lock(&log->locked.lock);
    if (log->locked.fn != NULL) {
        log->locked.fn(log->locked.ctx, level, line);
    }
    pthread_mutex_unlock(&log->locked.lock);
}
