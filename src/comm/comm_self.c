/* SPDX-License-Identifier: Apache-2.0 */
/* comm_self.c - see comm.h; a rank alone, and what all comms have in common. */
#include "comm/comm.h"

#include <errno.h>
#include <stdlib.h>

static int self_exchange(void *ctx, const char *key, const void *data,
                         size_t len_bytes, int64_t timeout_ms,
                         pawl_comm_part_fn part, void *part_ctx,
                         uint32_t *missing_rank, struct pawl_error *err)
{
    (void)ctx;
    (void)key;
    (void)err;
    *missing_rank = UINT32_MAX;
    return timeout_ms == 0 ? 0 : part(part_ctx, 0, data, len_bytes);
}

static const struct pawl_comm_ops self_ops = {
    .struct_size = sizeof(struct pawl_comm_ops),
    .name = "self",
    .exchange = self_exchange,
};

struct pawl_comm pawl_comm_self(void)
{
    return (struct pawl_comm){.ops = &self_ops, .size = 1};
}

int pawl_comm_check(const struct pawl_comm *comm, struct pawl_error *err)
{
    if (comm == NULL || comm->ops == NULL ||
        comm->ops->struct_size < sizeof(struct pawl_comm_ops) ||
        comm->ops->exchange == NULL) {
        return pawl_fail(err, PAWL_EINVAL, 0,
                         "a comm needs a table with 'struct_size' and "
                         "'exchange'");
    }
    if (comm->rank >= comm->size) {
        return pawl_fail(err, PAWL_EINVAL, 0,
                         "rank %u of %u ranks cannot be: ranks count from 0",
                         comm->rank, comm->size);
    }
    return 0;
}

void pawl_comm_fini(struct pawl_comm *comm)
{
    if (comm->ops != NULL && comm->ops->free != NULL) {
        comm->ops->free(comm->ctx);
    }
    *comm = (struct pawl_comm){0};
}

void pawl_comm_parts_fini(struct pawl_comm_parts *parts)
{
    for (uint32_t i = 0; i < parts->count; i++) {
        pawl_buffer_fini(&parts->of_rank[i]);
    }
    free(parts->of_rank);
    *parts = (struct pawl_comm_parts){0};
}

/* A pawl_comm_part_fn.  What comes is counted, so that a table that calls for
 * the wrong ranks is found out. */
static int take_part(void *ctx, uint32_t rank, const void *data,
                     size_t len_bytes)
{
    struct pawl_comm_parts *parts = ctx;
    if (rank != parts->came || rank >= parts->count) {
        return PAWL_EBUG;
    }
    pawl_buffer_append(&parts->of_rank[rank], data, len_bytes);
    parts->came++;
    return parts->of_rank[rank].failed ? PAWL_ENOMEM : 0;
}

static int explain(const struct pawl_comm *comm, int rc, uint32_t missing,
                   int64_t timeout_ms, struct pawl_error *err)
{
    if (rc == PAWL_ETIMEDOUT && missing < comm->size) {
        return pawl_fail(err, rc, ETIMEDOUT,
                         "rank %u did not come within %lld ms", missing,
                         (long long)timeout_ms);
    }
    if (rc == PAWL_ENOMEM) {
        return pawl_fail_nomem(err);
    }
    if (rc == PAWL_EBUG || err == NULL || err->code != rc) {
        int code = rc < 0 ? rc : PAWL_EBUG;
        return pawl_fail(err, code, 0,
                         "the exchange of ranks by '%s' failed: %s",
                         comm->ops->name == NULL ? "" : comm->ops->name,
                         pawl_error_text(code));
    }
    return rc;
}

int pawl_comm_gather(struct pawl_comm_parts *out, const struct pawl_comm *comm,
                     const char *key, const void *data, size_t len_bytes,
                     int64_t timeout_ms, struct pawl_error *err)
{
    struct pawl_comm_parts parts = {
        .of_rank = calloc(comm->size, sizeof(*parts.of_rank)),
        .count = comm->size,
    };
    uint32_t missing = UINT32_MAX;
    if (parts.of_rank == NULL) {
        return pawl_fail_nomem(err);
    }
    if (err != NULL) {
        err->code = 0;
    }
    /* A timeout of 0 would wait for nobody, and take nothing. */
    int64_t wait_ms = timeout_ms < 1 ? 1 : timeout_ms;
    int rc = comm->ops->exchange(comm->ctx, key, data, len_bytes, wait_ms,
                                 take_part, &parts, &missing, err);
    if (rc == 0 && parts.came != parts.count) {
        rc = PAWL_EBUG;
    }
    if (rc != 0) {
        rc = explain(comm, rc, missing, wait_ms, err);
        pawl_comm_parts_fini(&parts);
        return rc;
    }
    *out = parts;
    return 0;
}

int pawl_comm_give(const struct pawl_comm *comm, const char *key,
                   const void *data, size_t len_bytes, struct pawl_error *err)
{
    uint32_t missing = UINT32_MAX;
    return comm->ops->exchange(comm->ctx, key, data, len_bytes, 0, NULL, NULL,
                               &missing, err);
}
