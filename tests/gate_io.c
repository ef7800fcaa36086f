/* SPDX-License-Identifier: Apache-2.0 */
/* gate_io.c - see gate_io.h. */
#include "gate_io.h"

#include "lesser_io.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { LARGE = 4096 };

struct gate_io {
    struct pawl_io table;
    pthread_t opener;
    bool has_opener;
    unsigned delay_ms;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool is_closed;
        int waiting;
        int sys_errno;
    } locked;
};

/* 0, or what the write is to fail with. */
static int pass(struct gate_io *gate)
{
    pthread_mutex_lock(&gate->locked.lock);
    gate->locked.waiting++;
    pthread_cond_broadcast(&gate->locked.changed);
    while (gate->locked.is_closed) {
        pthread_cond_wait(&gate->locked.changed, &gate->locked.lock);
    }
    gate->locked.waiting--;
    int sys_errno = gate->locked.sys_errno;
    pthread_mutex_unlock(&gate->locked.lock);
    return sys_errno;
}

static ssize_t gate_pwrite(void *ctx, int fd, const void *src, size_t len_bytes,
                           uint64_t offset)
{
    int sys_errno = len_bytes >= LARGE ? pass(ctx) : 0;
    return sys_errno != 0 ? -sys_errno
                          : pawl_io_posix.pwrite(pawl_io_posix.ctx, fd, src,
                                                 len_bytes, offset);
}

struct gate_io *gate_io_new(void)
{
    struct gate_io *gate = calloc(1, sizeof(*gate));
    if (gate == NULL) {
        abort();
    }
    gate->table = lesser_io(true); /* whose entries do not look at ctx */
    gate->table.ctx = gate;
    gate->table.pwrite = gate_pwrite;
    pthread_mutex_init(&gate->locked.lock, NULL);
    pthread_cond_init(&gate->locked.changed, NULL);
    return gate;
}

void gate_io_free(struct gate_io *gate)
{
    if (gate == NULL) {
        return;
    }
    if (gate->has_opener) {
        pthread_join(gate->opener, NULL);
    }
    pthread_cond_destroy(&gate->locked.changed);
    pthread_mutex_destroy(&gate->locked.lock);
    free(gate);
}

const struct pawl_io *gate_io_table(const struct gate_io *gate)
{
    return &gate->table;
}

void gate_io_close(struct gate_io *gate)
{
    pthread_mutex_lock(&gate->locked.lock);
    gate->locked.is_closed = true;
    pthread_mutex_unlock(&gate->locked.lock);
}

void gate_io_open(struct gate_io *gate, int sys_errno)
{
    pthread_mutex_lock(&gate->locked.lock);
    gate->locked.is_closed = false;
    gate->locked.sys_errno = sys_errno;
    pthread_cond_broadcast(&gate->locked.changed);
    pthread_mutex_unlock(&gate->locked.lock);
}

static void *open_later(void *arg)
{
    struct gate_io *gate = arg;
    struct timespec pause = {gate->delay_ms / 1000,
                             (long)(gate->delay_ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
    gate_io_open(gate, 0);
    return NULL;
}

void gate_io_open_later(struct gate_io *gate, unsigned delay_ms)
{
    if (gate->has_opener) {
        pthread_join(gate->opener, NULL);
    }
    gate->delay_ms = delay_ms;
    gate->has_opener =
        pthread_create(&gate->opener, NULL, open_later, gate) == 0;
    if (!gate->has_opener) {
        abort();
    }
}

void gate_io_await(struct gate_io *gate)
{
    pthread_mutex_lock(&gate->locked.lock);
    while (gate->locked.waiting == 0) {
        pthread_cond_wait(&gate->locked.changed, &gate->locked.lock);
    }
    pthread_mutex_unlock(&gate->locked.lock);
}
