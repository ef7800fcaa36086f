/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_check.h - whether tensors changed between save and their copy
 *
 * A lazy snapshot trusts the caller to leave tensors alone until the fence.
 * For finding out who does not, this takes the checksum of each payload when
 * save is called, and another of the bytes that were copied.  It costs reading
 * all payload twice more, and is a tool for debugging.
 */
#ifndef PAWL_ENGINE_SNAPSHOT_CHECK_H
#define PAWL_ENGINE_SNAPSHOT_CHECK_H

#include <pawl/plugin.h>

struct pawl_snapshot_check;

/* Reads all payload of `plan`, which is borrowed until this call returns.
 * PAWL_ENOMEM. */
int pawl_snapshot_check_new(struct pawl_snapshot_check **out,
                            const struct pawl_plan *plan,
                            struct pawl_error *err);
/* NULL is fine. */
void pawl_snapshot_check_free(struct pawl_snapshot_check *check);

/* The piece of `record` that begins at `offset` of its payload was copied to
 * `copy`.  Each byte once, in any order.  Thread-safe. */
void pawl_snapshot_check_copied(struct pawl_snapshot_check *check,
                                uint32_t record, uint64_t offset,
                                const void *copy, size_t len_bytes);

/* When all is copied.  PAWL_EINVAL: a tensor changed; the message names the
 * file `path` of checkpoint `tag`, and the record. */
int pawl_snapshot_check_compare(const struct pawl_snapshot_check *check,
                                const char *tag, const char *path,
                                struct pawl_error *err);

#endif
