/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c - see pool.h.  One lock; nothing is called while it is held. */
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct task {
    pawl_task_fn fn;
    void *ctx;
};

struct pawl_pool {
    pid_t owner; /* the process whose threads these are */
    int nice;
    char name[16];
    unsigned thread_count; /* that were started */
    pthread_t *threads;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t queued;   /* a task came, or the end */
        pthread_cond_t finished; /* a task left the queue, or ended */
        struct task *ring;
        unsigned ring_size;
        unsigned first;
        unsigned count;
        unsigned running;
        bool ending;
    } locked;
};

/* Linux keeps niceness per thread, so the trainer's own is left alone. */
static void lower_priority(int nice)
{
    if (nice > 0) {
        id_t self = (id_t)syscall(SYS_gettid);
        int now = getpriority(PRIO_PROCESS, self);
        setpriority(PRIO_PROCESS, self, now + nice);
    }
}

static bool next_task(struct pawl_pool *pool, struct task *out)
{
    pthread_mutex_lock(&pool->locked.lock);
    while (pool->locked.count == 0 && !pool->locked.ending) {
        pthread_cond_wait(&pool->locked.queued, &pool->locked.lock);
    }
    bool found = pool->locked.count > 0;
    if (found) {
        *out = pool->locked.ring[pool->locked.first];
        pool->locked.first = (pool->locked.first + 1) % pool->locked.ring_size;
        pool->locked.count--;
        pool->locked.running++;
        pthread_cond_broadcast(&pool->locked.finished);
    }
    pthread_mutex_unlock(&pool->locked.lock);
    return found;
}

static void *thread_main(void *arg)
{
    struct pawl_pool *pool = arg;
    struct task task;
    pthread_setname_np(pthread_self(), pool->name);
    lower_priority(pool->nice);
    while (next_task(pool, &task)) {
        task.fn(task.ctx);
        pthread_mutex_lock(&pool->locked.lock);
        pool->locked.running--;
        pthread_cond_broadcast(&pool->locked.finished);
        pthread_mutex_unlock(&pool->locked.lock);
    }
    return NULL;
}

/* Threads inherit the mask of their maker: block all for that moment. */
static int start_threads(struct pawl_pool *pool, unsigned count,
                         struct pawl_error *err)
{
    sigset_t all, before;
    int error = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->thread_count < count && error == 0) {
        error = pthread_create(&pool->threads[pool->thread_count], NULL,
                               thread_main, pool);
        pool->thread_count += error == 0 ? 1 : 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        return pawl_fail_sys(err, error, "cannot start a thread of '%s'",
                             pool->name);
    }
    return 0;
}

int pawl_pool_new(struct pawl_pool **out,
                  const struct pawl_pool_options *options,
                  struct pawl_error *err)
{
    PAWL_ASSERT(options->thread_count > 0 && options->queue_max > 0, err);
    struct pawl_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return pawl_fail_nomem(err);
    }
    pool->owner = getpid();
    pool->nice = options->nice;
    strncpy(pool->name, options->name, sizeof(pool->name) - 1);
    pthread_mutex_init(&pool->locked.lock, NULL);
    pthread_cond_init(&pool->locked.queued, NULL);
    pthread_cond_init(&pool->locked.finished, NULL);
    pool->locked.ring_size = options->queue_max;
    pool->locked.ring = calloc(options->queue_max, sizeof(*pool->locked.ring));
    pool->threads = calloc(options->thread_count, sizeof(*pool->threads));

    int rc = pool->locked.ring == NULL || pool->threads == NULL
                 ? pawl_fail_nomem(err)
                 : start_threads(pool, options->thread_count, err);
    if (rc < 0) {
        pawl_pool_free(pool);
        return rc;
    }
    *out = pool;
    return 0;
}

static void join_threads(struct pawl_pool *pool)
{
    pthread_mutex_lock(&pool->locked.lock);
    pool->locked.ending = true;
    pthread_cond_broadcast(&pool->locked.queued);
    pthread_mutex_unlock(&pool->locked.lock);
    for (unsigned i = 0; i < pool->thread_count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pthread_cond_destroy(&pool->locked.finished);
    pthread_cond_destroy(&pool->locked.queued);
    pthread_mutex_destroy(&pool->locked.lock);
}

void pawl_pool_free(struct pawl_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    if (pool->owner == getpid()) {
        join_threads(pool);
    }
    free(pool->locked.ring);
    free(pool->threads);
    free(pool);
}

void pawl_pool_submit(struct pawl_pool *pool, pawl_task_fn fn, void *ctx)
{
    pthread_mutex_lock(&pool->locked.lock);
    while (pool->locked.count == pool->locked.ring_size) {
        pthread_cond_wait(&pool->locked.finished, &pool->locked.lock);
    }
    unsigned last =
        (pool->locked.first + pool->locked.count) % pool->locked.ring_size;
    pool->locked.ring[last] = (struct task){fn, ctx};
    pool->locked.count++;
    pthread_cond_signal(&pool->locked.queued);
    pthread_mutex_unlock(&pool->locked.lock);
}

void pawl_pool_drain(struct pawl_pool *pool)
{
    pthread_mutex_lock(&pool->locked.lock);
    while (pool->locked.count > 0 || pool->locked.running > 0) {
        pthread_cond_wait(&pool->locked.finished, &pool->locked.lock);
    }
    pthread_mutex_unlock(&pool->locked.lock);
}
