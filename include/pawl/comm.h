/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pawl/comm.h - ranks: processes that make one checkpoint together
 *
 *     struct pawl_comm comm = {&my_comm_ops, ctx, rank, size};
 *     pawl_engine_new_ranks(&engine, config, &comm, &err);
 *
 * What is meant to hold (today a size of 1 alone is accepted):
 *
 * Every rank makes its engine so, then calls create, save, commit, open, load
 * and close as one process does.  A commit is then one for all: each rank makes
 * its files durable, all exchange their outcome and their lists of files, rank
 * 0 alone writes the manifest and makes the checkpoint visible, and all learn
 * whether it did.  One failure anywhere is a failure everywhere, which names
 * the rank.  open returns the same tag on every rank.
 *
 * Ranks talk by one call, an exchange of short texts with a deadline.  In
 * Python there is one for torch.distributed; another one is a table of two
 * functions.
 */
#ifndef PAWL_COMM_H
#define PAWL_COMM_H

#include <pawl/engine.h>
#include <pawl/error.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Takes what rank `rank` gave; called once for each rank, in order, on the
 * thread that called exchange.  `data` is borrowed during the call.  Nonzero
 * ends the exchange, which returns it. */
typedef int (*pawl_comm_part_fn)(void *ctx, uint32_t rank, const void *data,
                                 size_t len_bytes);

struct pawl_comm_ops {
    size_t struct_size; /* sizeof(struct pawl_comm_ops) */
    const char *name;   /* for messages: "mpi" */

    /* Gives `data` to all ranks, and takes what each rank gave under the same
     * key, this one included.
     *
     * Keys are printable ASCII, up to 400 bytes, and are used once by each
     * rank of a comm: exchanges with different keys have nothing to do with
     * each other, whatever the order and the threads in which ranks call them.
     * So several threads may call at once, and a call that waits must not make
     * another one wait.  Some megabytes must pass.
     *
     * Waits `timeout_ms` at most; 0 means: only give, wait for nobody, take
     * nothing, return 0.  PAWL_ETIMEDOUT when a rank did not come, naming the
     * first such rank in `err` and in `*missing_rank` (else UINT32_MAX); what
     * this rank gave may still be taken by others.  PAWL_EIO when the
     * connection itself failed. */
    int (*exchange)(void *ctx, const char *key, const void *data,
                    size_t len_bytes, int64_t timeout_ms,
                    pawl_comm_part_fn part, void *part_ctx,
                    uint32_t *missing_rank, struct pawl_error *err);

    /* Called once, when the engine that has it is freed.  NULL: nothing to
     * free. */
    void (*free)(void *ctx);
};

struct pawl_comm {
    const struct pawl_comm_ops *ops; /* must outlive the engine */
    void *ctx;
    uint32_t rank; /* 0 to size-1 */
    uint32_t size; /* at least 1 */
};

/* As pawl_engine_new, for one of several ranks.  The engine takes `comm` over,
 * also on failure.  All ranks give the same config and call create, commit and
 * open in the same order; how long they wait for one another is
 * `rank_timeout_ms` of the config.  PAWL_EINVAL for a rank or size that cannot
 * be; else as pawl_engine_new.  For now only a size of 1 is taken, with the
 * engines that Pawl brings; else PAWL_ENOTSUP. */
PAWL_API int pawl_engine_new_ranks(struct pawl_engine **out,
                                   const char *config_json,
                                   const struct pawl_comm *comm,
                                   struct pawl_error *err);

#ifdef __cplusplus
}
#endif
#endif
