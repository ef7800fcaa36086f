/* SPDX-License-Identifier: Apache-2.0 */
/* comm_self.c - see comm.h; a rank alone, and what all comms have in common. */
#include "comm/comm.h"

#include <errno.h>
#include <stdlib.h>

static int self_gather(void *ctx, const char *key, const void *data,
                       size_t len_bytes, int64_t timeout_ms,
                       pawl_comm_part_fn part, void *part_ctx,
                       uint32_t *missing_rank, struct pawl_error *err)
{
    (void)ctx;
    (void)key;
    (void)timeout_ms;
    (void)err;
    *missing_rank = UINT32_MAX;
    return part(part_ctx, 0, data, len_bytes);
}

static int self_broadcast(void *ctx, const char *key, const void *data,
                          size_t len_bytes, int64_t timeout_ms,
                          pawl_comm_part_fn part, void *part_ctx,
                          struct pawl_error *err)
{
    (void)ctx;
    (void)key;
    (void)data;
    (void)len_bytes;
    (void)timeout_ms;
    (void)part;
    (void)part_ctx;
    (void)err;
    return 0;
}

static const struct pawl_comm_ops self_ops = {
    .struct_size = sizeof(struct pawl_comm_ops),
    .name = "self",
    .gather = self_gather,
    .broadcast = self_broadcast,
};

struct pawl_comm pawl_comm_self(void)
{
    return (struct pawl_comm){.ops = &self_ops, .size = 1};
}

int pawl_comm_check(const struct pawl_comm *comm, struct pawl_error *err)
{
    if (comm == NULL || comm->ops == NULL ||
        comm->ops->struct_size < sizeof(struct pawl_comm_ops) ||
        comm->ops->gather == NULL || comm->ops->broadcast == NULL) {
        return pawl_fail(err, PAWL_EINVAL, 0,
                         "a comm needs a table with 'struct_size', 'gather' "
                         "and 'broadcast'");
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
        return pawl_fail(err, code, 0, "the comm '%s' failed: %s",
                         comm->ops->name == NULL ? "" : comm->ops->name,
                         pawl_error_text(code));
    }
    return rc;
}

static void forget(struct pawl_error *err)
{
    if (err != NULL) {
        err->code = 0;
    }
}

int pawl_comm_gather(struct pawl_comm_parts *out, const struct pawl_comm *comm,
                     const char *key, const void *data, size_t len_bytes,
                     int64_t timeout_ms, struct pawl_error *err)
{
    struct pawl_comm_parts parts = {.count = comm->rank == 0 ? comm->size : 0};
    uint32_t missing = UINT32_MAX;
    if (parts.count > 0) {
        parts.of_rank = calloc(parts.count, sizeof(*parts.of_rank));
        if (parts.of_rank == NULL) {
            return pawl_fail_nomem(err);
        }
    }
    forget(err);
    int rc = comm->ops->gather(comm->ctx, key, data, len_bytes, timeout_ms,
                               take_part, &parts, &missing, err);
    if (rc == 0 && parts.came != parts.count) {
        rc = PAWL_EBUG;
    }
    if (rc != 0) {
        rc = explain(comm, rc, missing, timeout_ms, err);
        pawl_comm_parts_fini(&parts);
        return rc;
    }
    *out = parts;
    return 0;
}

/* A pawl_comm_part_fn. */
static int take_text(void *ctx, uint32_t rank, const void *data,
                     size_t len_bytes)
{
    struct pawl_buffer *text = ctx;
    if (rank != 0) {
        return PAWL_EBUG;
    }
    pawl_buffer_append(text, data, len_bytes);
    return text->failed ? PAWL_ENOMEM : 0;
}

int pawl_comm_broadcast(struct pawl_buffer *text, const struct pawl_comm *comm,
                        const char *key, int64_t timeout_ms,
                        struct pawl_error *err)
{
    forget(err);
    int rc = comm->ops->broadcast(comm->ctx, key, text->data, text->len,
                                  timeout_ms, take_text, text, err);
    return rc == 0 ? 0 : explain(comm, rc, 0, timeout_ms, err);
}
