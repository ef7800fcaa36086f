/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pawl/comm.h - ranks: processes that make one checkpoint together
 *
 *     struct pawl_comm comm = {&my_comm_ops, ctx, rank, size};
 *     pawl_engine_new_ranks(&engine, config, &comm, &err);
 *
 * Every rank makes its engine so, then calls create, save, commit, open, load
 * and close as one process does.  A commit is then one for all: each rank makes
 * its files durable and tells rank 0 its outcome and its list of files; rank 0
 * alone writes the manifest, makes the checkpoint visible, and tells all
 * whether it did.  One failure anywhere is a failure everywhere, which names
 * the rank.  open returns the same tag on every rank: the newest that all of
 * them together have proved whole.
 *
 * Ranks talk by two calls, to and from rank 0, of short texts and with
 * deadlines.  There is a comm for MPI (pawl/pawl_mpi.h) and, in Python, one for
 * torch.distributed; another one is a table of three functions.
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

/* Takes what rank `rank` gave; called on the thread that called gather or
 * broadcast.  `data` is borrowed during the call.  Nonzero ends the call, which
 * returns it. */
typedef int (*pawl_comm_part_fn)(void *ctx, uint32_t rank, const void *data,
                                 size_t len_bytes);

/* Keys are printable ASCII, up to 400 bytes, and each is used for one gather or
 * one broadcast in the life of a comm.  Calls with different keys have nothing
 * to do with each other, whatever the order and the threads in which ranks make
 * them: several threads may call at once, and one that waits must not make
 * another one wait.  Some megabytes must pass.
 *
 * Both return PAWL_EIO when the connection itself failed, with the cause in
 * `err`. */
struct pawl_comm_ops {
    size_t struct_size; /* sizeof(struct pawl_comm_ops) */
    const char *name;   /* for messages: "mpi" */

    /* Gives `data` to rank 0.  On other ranks it returns when that is on its
     * way, and waits for nobody; what was given can be taken although rank 0
     * comes later, and although this rank makes no other call.
     *
     * On rank 0 it waits `timeout_ms` at most for what each rank gives under
     * that key, and calls `part` once for each, in order of rank, its own
     * included.  PAWL_ETIMEDOUT when a rank did not come: `*missing_rank` is
     * the first such (else UINT32_MAX), and `part` was called for none, or for
     * ranks before it. */
    int (*gather)(void *ctx, const char *key, const void *data,
                  size_t len_bytes, int64_t timeout_ms, pawl_comm_part_fn part,
                  void *part_ctx, uint32_t *missing_rank,
                  struct pawl_error *err);

    /* Rank 0 gives `data` to all others, and waits for nobody.  On those it
     * waits `timeout_ms` at most for it (`data` and `len_bytes` are not looked
     * at), and calls `part` for it with rank 0: PAWL_ETIMEDOUT when it did not
     * come. */
    int (*broadcast)(void *ctx, const char *key, const void *data,
                     size_t len_bytes, int64_t timeout_ms,
                     pawl_comm_part_fn part, void *part_ctx,
                     struct pawl_error *err);

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
 * also on failure.  All ranks give the same config and call create, commit,
 * abort and open in the same order.  Rank 0 waits `rank_timeout_ms` of the
 * config for a rank that is late, and the others twice as long for rank 0.
 *
 * PAWL_EINVAL for a rank or size that cannot be; PAWL_ENOTSUP for more than one
 * rank with an engine or store that keeps files in the process, an engine of a
 * plugin, or `when_full` "skip"; else as pawl_engine_new. */
PAWL_API int pawl_engine_new_ranks(struct pawl_engine **out,
                                   const char *config_json,
                                   const struct pawl_comm *comm,
                                   struct pawl_error *err);

#ifdef __cplusplus
}
#endif
#endif
