/* SPDX-License-Identifier: Apache-2.0 */
/*
 * comm.h - ranks that tell one another what they know, as the engine sees them
 *
 * Over the table of <pawl/comm.h>.  With one rank nothing of it is called, and
 * what was given comes back at once.
 */
#ifndef PAWL_COMM_COMM_H
#define PAWL_COMM_COMM_H

#include "base/bytes.h"

#include <pawl/comm.h>

/* One rank, alone. */
struct pawl_comm pawl_comm_self(void);

/* PAWL_EINVAL: no table, or a rank or a size that cannot be. */
int pawl_comm_check(const struct pawl_comm *comm, struct pawl_error *err);

/* Ends it; zero is fine. */
void pawl_comm_fini(struct pawl_comm *comm);

/* What each rank gave.  Init with {0}. */
struct pawl_comm_parts {
    struct pawl_buffer *of_rank;
    uint32_t count; /* of ranks */
    uint32_t came;  /* how many ranks' parts are here: 0 to came-1 */
};
void pawl_comm_parts_fini(struct pawl_comm_parts *parts);

/* Gives `len_bytes` of `data` to rank 0 under `key`.  Rank 0 gets what each
 * rank gave, and waits `timeout_ms` at most; on others `out` stays empty, and
 * nothing is waited for.  Thread-safe for different keys.  PAWL_ETIMEDOUT,
 * whose message begins with the rank that did not come: "rank 3 did not come
 * within 500 ms".  PAWL_EIO, PAWL_ENOMEM. */
int pawl_comm_gather(struct pawl_comm_parts *out, const struct pawl_comm *comm,
                     const char *key, const void *data, size_t len_bytes,
                     int64_t timeout_ms, struct pawl_error *err);

/* Rank 0 gives `text` to all under `key`; others append it to `text`, and wait
 * `timeout_ms` at most for it.  Errors as of pawl_comm_gather. */
int pawl_comm_broadcast(struct pawl_buffer *text, const struct pawl_comm *comm,
                        const char *key, int64_t timeout_ms,
                        struct pawl_error *err);

#endif
