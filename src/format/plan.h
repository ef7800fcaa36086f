/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h - building the plans of pawl/plugin.h, for any format
 *
 * A format goes through its file from front to back.  Bytes of the container
 * (headers, an index) are appended to memory of the plan; payload is described
 * where it lies.  Neighbouring container bytes become one extent.
 *
 *     struct pawl_plan *plan = pawl_plan_new();
 *     pawl_plan_append(plan, header, sizeof(header));
 *     uint32_t record = pawl_plan_payload(plan, data, len);
 *     size_t at = pawl_plan_here(plan);
 *     pawl_plan_append(plan, footer, sizeof(footer));
 *     pawl_plan_put_crc(plan, record, at + FOOTER_CRC);
 *     int rc = pawl_plan_seal(plan, err);
 *
 * Checksums come later, by pawl_plan_set_crc: each is then written to all the
 * places that pawl_plan_put_crc named.  When the last one is there, and what
 * depends on all of them can be computed, the finish function runs, once; in a
 * plan without payload records it runs in pawl_plan_seal.
 *
 * Places in container bytes are positions in the plan's own memory, not in the
 * file (pawl_plan_here against pawl_plan_offset).  Building never fails on the
 * spot: pawl_plan_seal tells.  Cost: linear, and amortised constant
 * allocations.  One thread at a time.
 */
#ifndef PAWL_FORMAT_PLAN_H
#define PAWL_FORMAT_PLAN_H

#include <pawl/plugin.h>

/* An empty plan, NULL when out of memory; free it with pawl_plan_free. */
struct pawl_plan *pawl_plan_new(void);

/* Room for `len` > 0 container bytes at the end; NULL after a failure.  The
 * pointer is valid until the next call. */
uint8_t *pawl_plan_extend(struct pawl_plan *plan, size_t len);
void pawl_plan_append(struct pawl_plan *plan, const void *src, size_t len);

/* The payload of a new record, `len_bytes` > 0 at `data`, which is borrowed.
 * Its number, from 0; PAWL_NO_RECORD after a failure. */
uint32_t pawl_plan_payload(struct pawl_plan *plan, const void *data,
                           uint64_t len_bytes);

/* Where the next byte will be: in the file, and in the container bytes. */
uint64_t pawl_plan_offset(const struct pawl_plan *plan);
size_t pawl_plan_here(const struct pawl_plan *plan);

/* The CRC of `record` belongs, little-endian, into the four container bytes at
 * `place`, which lie behind the record in the file.  Does nothing for
 * PAWL_NO_RECORD. */
void pawl_plan_put_crc(struct pawl_plan *plan, uint32_t record, size_t place);

/* Computes what depends on all CRCs; `ctx` is what pawl_plan_on_last_crc was
 * given.  May change container bytes behind the last payload record. */
typedef void (*pawl_plan_finish_fn)(struct pawl_plan *plan, void *ctx);

/* Sets the finish function.  `ctx` belongs to the plan, which free()s it. */
void pawl_plan_on_last_crc(struct pawl_plan *plan, pawl_plan_finish_fn finish,
                           void *ctx);

/* Ends the building: extents now point at their memory.  PAWL_ENOMEM, or
 * PAWL_EINVAL when the file would be larger than 2^63-1 bytes. */
int pawl_plan_seal(struct pawl_plan *plan, struct pawl_error *err);

/* For a finish function: the CRC of a record, and the container bytes. */
uint32_t pawl_plan_crc(const struct pawl_plan *plan, uint32_t record);
uint8_t *pawl_plan_at(struct pawl_plan *plan, size_t place);

#endif
