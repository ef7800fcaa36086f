/* SPDX-License-Identifier: Apache-2.0 */
/*
 * comm_mpi.c - the table of functions by which ranks of MPI talk
 *
 * Whoever waits does the work of all: it sends, receives and sorts whatever
 * there is, its own or not, for an instant under the one lock, and sleeps a
 * while without it.  So calls on several threads wait side by side, and no two
 * threads call MPI for one connection at once.
 *
 * Who gives does not wait, but MPI moves a large text only while somebody is in
 * it.  Where MPI lets any thread call, one of our own, the courier, does so
 * until the text is gone; mostly it sleeps.
 */
#include "comm/mpi/board.h"
#include "comm/mpi/mail.h"

#include <pawl/pawl_mpi.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Sleeps between looks: short at first, since most answers come at once, then
 * long enough that waiting costs no processor.  Not longer from look to look:
 * two ranks that answer each other would slow each other down. */
#define SLEEP_NS 20000
#define LONG_SLEEP_NS 1000000
#define SHORT_SLEEPS 200

/* How long the end of the connection waits for messages on their way. */
#define LINGER_MS 1000

struct comm_mpi {
    bool main_only;  /* the thread level wants all calls from one thread */
    pthread_t owner; /* that thread */
    bool has_courier;
    pthread_t courier;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* mail to carry, or `stop` */
    struct {
        bool stop;
        struct pawl_mail mail;
        struct pawl_board board;
    } locked;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Sleeps, after `*count` times in vain. */
static void doze(unsigned *count)
{
    bool is_long = *count >= SHORT_SLEEPS;
    struct timespec t = {.tv_nsec = is_long ? LONG_SLEEP_NS : SLEEP_NS};
    nanosleep(&t, NULL);
    *count += is_long ? 0 : 1;
}

/* ---- gather and broadcast ----------------------------------------------- */

static int check_call(const struct comm_mpi *c, const char *key,
                      size_t len_bytes, struct pawl_error *err)
{
    size_t key_len = strlen(key);
    if (key_len == 0 || key_len > PAWL_BOARD_KEY_MAX) {
        return pawl_mail_fail(err, PAWL_EINVAL,
                              "the key '%.60s' has %zu bytes, not 1 to %d", key,
                              key_len, PAWL_BOARD_KEY_MAX);
    }
    if (len_bytes > PAWL_MAIL_TEXT_MAX) {
        return pawl_mail_fail(err, PAWL_EINVAL,
                              "cannot give '%s': %zu bytes are too many", key,
                              len_bytes);
    }
    if (c->main_only && !pthread_equal(c->owner, pthread_self())) {
        return pawl_mail_fail(
            err, PAWL_ENOTSUP,
            "cannot give '%s' in the background: MPI was initialised "
            "without MPI_THREAD_MULTIPLE; ask MPI_Init_thread for it, or use "
            "the engine \"torch\"",
            key);
    }
    return 0;
}

/* Sends a text, and lets MPI move once.  A text that was sent in vain is no
 * failure: whoever waits for it says so. */
static int give(struct comm_mpi *c, const char *key, const void *data,
                size_t len_bytes, struct pawl_error *err)
{
    bool moved = false;
    pthread_mutex_lock(&c->lock);
    int rc = pawl_mail_post(&c->locked.mail, key, data, len_bytes, err);
    if (rc == 0) {
        rc = pawl_mail_work(&c->locked.mail, &c->locked.board, &moved, err);
    }
    if (c->locked.mail.out != NULL) {
        pthread_cond_signal(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    return rc;
}

/* Asks for the texts of others; rank 0 adds its own. */
static int ask(struct comm_mpi *c, const char *key,
               const struct pawl_board_part *own,
               struct pawl_board_topic **topic, struct pawl_error *err)
{
    bool used = false;
    int rc = 0;
    pthread_mutex_lock(&c->lock);
    *topic = pawl_board_claim(&c->locked.board, key, &used);
    if (*topic == NULL) {
        rc = used ? pawl_mail_fail(err, PAWL_EINVAL,
                                   "the key '%s' was used before", key)
                  : pawl_mail_fail(err, PAWL_ENOMEM, "out of memory");
    } else if (own != NULL) {
        /* Cannot fail: the topic is there. */
        pawl_board_put(&c->locked.board, key, 0, own);
    }
    pthread_mutex_unlock(&c->lock);
    return rc;
}

/* Works until all texts are here, or `until_ms`. */
static int await(struct comm_mpi *c, const struct pawl_board_topic *topic,
                 int64_t until_ms, struct pawl_error *err)
{
    unsigned naps = 0;
    for (;;) {
        bool moved = false;
        pthread_mutex_lock(&c->lock);
        int rc = pawl_mail_work(&c->locked.mail, &c->locked.board, &moved, err);
        bool all = pawl_board_missing(&c->locked.board, topic) == UINT32_MAX;
        pthread_mutex_unlock(&c->lock);
        if (rc < 0 || all || (!moved && now_ms() >= until_ms)) {
            return all ? 0 : rc;
        }
        if (moved) {
            naps = 0;
        } else {
            doze(&naps);
        }
    }
}

/* Hands over what came of ranks below `end`.  Only this thread looks at a
 * closed topic's texts. */
static int take(const struct pawl_board_topic *topic, uint32_t end,
                pawl_comm_part_fn part, void *part_ctx)
{
    int rc = 0;
    for (uint32_t i = 0; i < end && rc == 0; i++) {
        const struct pawl_board_part *p = &topic->parts[i];
        rc = part(part_ctx, i, p->data, p->len_bytes);
    }
    return rc;
}

/* Waits no more for `topic`; returns the first rank that did not come. */
static uint32_t close_topic(struct comm_mpi *c, struct pawl_board_topic *topic)
{
    pthread_mutex_lock(&c->lock);
    uint32_t missing = pawl_board_missing(&c->locked.board, topic);
    pawl_board_close(topic);
    pthread_mutex_unlock(&c->lock);
    return missing;
}

static void leave(struct comm_mpi *c, struct pawl_board_topic *topic)
{
    pthread_mutex_lock(&c->lock);
    pawl_board_release(&c->locked.board, topic);
    pthread_mutex_unlock(&c->lock);
}

/* Waits for the texts of others, and hands over what came in time. */
static int receive(struct comm_mpi *c, const char *key,
                   const struct pawl_board_part *own, int64_t timeout_ms,
                   pawl_comm_part_fn part, void *part_ctx,
                   uint32_t *missing_rank, struct pawl_error *err)
{
    struct pawl_board_topic *topic = NULL;
    int64_t now = now_ms();
    int64_t until_ms =
        timeout_ms < INT64_MAX - now ? now + timeout_ms : INT64_MAX;
    int rc = ask(c, key, own, &topic, err);
    if (rc < 0) {
        return rc;
    }
    rc = await(c, topic, until_ms, err);
    uint32_t missing = close_topic(c, topic);
    uint32_t count = c->locked.board.rank_count;
    if (rc == 0) {
        rc = take(topic, missing < count ? missing : count, part, part_ctx);
    }
    leave(c, topic);
    if (rc == 0 && missing != UINT32_MAX) {
        *missing_rank = missing;
        rc = pawl_mail_fail(err, PAWL_ETIMEDOUT,
                            "rank %u did not come to '%s' within %lld ms",
                            (unsigned)missing, key, (long long)timeout_ms);
    }
    return rc;
}

static int comm_mpi_gather(void *ctx, const char *key, const void *data,
                           size_t len_bytes, int64_t timeout_ms,
                           pawl_comm_part_fn part, void *part_ctx,
                           uint32_t *missing_rank, struct pawl_error *err)
{
    struct comm_mpi *c = ctx;
    const struct pawl_board_part own = {.data = data, .len_bytes = len_bytes};
    *missing_rank = UINT32_MAX;
    int rc = check_call(c, key, len_bytes, err);
    if (rc < 0) {
        return rc;
    }
    return c->locked.mail.rank != 0 ? give(c, key, data, len_bytes, err)
                                    : receive(c, key, &own, timeout_ms, part,
                                              part_ctx, missing_rank, err);
}

static int comm_mpi_broadcast(void *ctx, const char *key, const void *data,
                              size_t len_bytes, int64_t timeout_ms,
                              pawl_comm_part_fn part, void *part_ctx,
                              struct pawl_error *err)
{
    struct comm_mpi *c = ctx;
    uint32_t missing_rank;
    bool gives = c->locked.mail.rank == 0;
    int rc = check_call(c, key, gives ? len_bytes : 0, err);
    if (rc < 0) {
        return rc;
    }
    return gives ? give(c, key, data, len_bytes, err)
                 : receive(c, key, NULL, timeout_ms, part, part_ctx,
                           &missing_rank, err);
}

/* ---- the courier ----------------------------------------------------------
 */

static bool is_over(void)
{
    int finalized = 0;
    MPI_Finalized(&finalized);
    return finalized;
}

/* Waits for mail; whether there is any, not the end. */
static bool await_mail(struct comm_mpi *c)
{
    pthread_mutex_lock(&c->lock);
    while (!c->locked.stop && c->locked.mail.out == NULL) {
        pthread_cond_wait(&c->changed, &c->lock);
    }
    bool stop = c->locked.stop;
    pthread_mutex_unlock(&c->lock);
    return !stop && !is_over();
}

/* The thread.  Errors end it: whoever waits finds them, too, and tells them. */
static void *carry(void *ctx)
{
    struct comm_mpi *c = ctx;
    unsigned naps = 0;
    int rc = 0;
    while (rc == 0 && await_mail(c)) {
        bool moved = false;
        pthread_mutex_lock(&c->lock);
        rc = pawl_mail_work(&c->locked.mail, &c->locked.board, &moved, NULL);
        pthread_mutex_unlock(&c->lock);
        if (moved) {
            naps = 0;
        } else {
            doze(&naps);
        }
    }
    return NULL;
}

/* Without one if MPI lets no other thread call, or there are no threads. */
static void start_courier(struct comm_mpi *c)
{
    int level = MPI_THREAD_SINGLE;
    sigset_t all;
    sigset_t old;
    MPI_Query_thread(&level);
    if (level < MPI_THREAD_MULTIPLE || c->locked.mail.size == 1) {
        return;
    }
    sigfillset(&all); /* signals are for the program's own threads */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    c->has_courier = pthread_create(&c->courier, NULL, carry, c) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void stop_courier(struct comm_mpi *c)
{
    if (c->has_courier) {
        pthread_mutex_lock(&c->lock);
        c->locked.stop = true;
        pthread_cond_signal(&c->changed);
        pthread_mutex_unlock(&c->lock);
        pthread_join(c->courier, NULL);
    }
}

/* ---- end of the connection ----------------------------------------------- */

/* Gives the others time to take what was given. */
static void drain(struct comm_mpi *c)
{
    int64_t until_ms = now_ms() + LINGER_MS;
    unsigned naps = 0;
    int rc = 0;
    while (c->locked.mail.out != NULL && rc == 0 && now_ms() < until_ms) {
        bool moved = false;
        rc = pawl_mail_work(&c->locked.mail, &c->locked.board, &moved, NULL);
        if (!moved) {
            doze(&naps);
        }
    }
}

static void comm_mpi_free(void *ctx)
{
    struct comm_mpi *c = ctx;
    stop_courier(c);
    if (is_over()) {
        pawl_mail_forget(&c->locked.mail);
    } else {
        drain(c);
        pawl_mail_cancel(&c->locked.mail);
        MPI_Comm_free(&c->locked.mail.comm);
    }
    pawl_board_fini(&c->locked.board);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static const struct pawl_comm_ops comm_mpi_ops = {
    .struct_size = sizeof(struct pawl_comm_ops),
    .name = "mpi",
    .gather = comm_mpi_gather,
    .broadcast = comm_mpi_broadcast,
    .free = comm_mpi_free,
};

/* ---- its beginning ------------------------------------------------------- */

static int check_running(struct pawl_error *err)
{
    int initialized = 0;
    int finalized = 0;
    MPI_Initialized(&initialized);
    MPI_Finalized(&finalized);
    if (!initialized || finalized) {
        return pawl_mail_fail(err, PAWL_ESTATE, "MPI is not running: %s",
                              finalized ? "MPI_Finalize was called"
                                        : "call MPI_Init_thread first");
    }
    return 0;
}

static int check_comm(MPI_Comm comm, struct pawl_error *err)
{
    int inter = 0;
    if (comm == MPI_COMM_NULL) {
        return pawl_mail_fail(err, PAWL_EINVAL,
                              "there are no ranks in MPI_COMM_NULL");
    }
    int rc = MPI_Comm_test_inter(comm, &inter);
    if (rc != MPI_SUCCESS) {
        return pawl_mail_fail_mpi(err, "cannot use the communicator", rc);
    }
    if (inter) {
        return pawl_mail_fail(
            err, PAWL_EINVAL,
            "an intercommunicator has two groups of ranks, not one");
    }
    return 0;
}

/* Below MPI_THREAD_SERIALIZED only the main thread may call MPI. */
static int check_thread(bool *main_only, struct pawl_error *err)
{
    int level = MPI_THREAD_SINGLE;
    int is_main = 0;
    MPI_Query_thread(&level);
    MPI_Is_thread_main(&is_main);
    *main_only = level < MPI_THREAD_SERIALIZED;
    if (*main_only && !is_main) {
        return pawl_mail_fail(err, PAWL_ENOTSUP,
                              "not the thread that initialised MPI, and MPI "
                              "was initialised without MPI_THREAD_MULTIPLE");
    }
    return 0;
}

static int connect_ranks(struct pawl_mail *mail, MPI_Comm comm,
                         struct pawl_error *err)
{
    int rank = 0;
    int size = 0;
    int rc = MPI_Comm_dup(comm, &mail->comm);
    if (rc != MPI_SUCCESS) {
        return pawl_mail_fail_mpi(err, "cannot duplicate the communicator", rc);
    }
    MPI_Comm_set_errhandler(mail->comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(mail->comm, &rank);
    MPI_Comm_size(mail->comm, &size);
    mail->rank = (uint32_t)rank;
    mail->size = (uint32_t)size;
    return 0;
}

int pawl_comm_mpi(struct pawl_comm *out, MPI_Comm comm, struct pawl_error *err)
{
    bool main_only = false;
    int rc = check_running(err);
    if (rc == 0) {
        rc = check_comm(comm, err);
    }
    if (rc == 0) {
        rc = check_thread(&main_only, err);
    }
    if (rc < 0) {
        return rc;
    }
    struct comm_mpi *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return pawl_mail_fail(err, PAWL_ENOMEM, "out of memory");
    }
    rc = connect_ranks(&c->locked.mail, comm, err);
    if (rc < 0) {
        free(c);
        return rc;
    }
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    c->main_only = main_only;
    c->owner = pthread_self();
    c->locked.board.rank_count =
        c->locked.mail.rank == 0 ? c->locked.mail.size : 1;
    start_courier(c);
    *out = (struct pawl_comm){.ops = &comm_mpi_ops,
                              .ctx = c,
                              .rank = c->locked.mail.rank,
                              .size = c->locked.mail.size};
    return 0;
}
