/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torch_writer.h - a state as the file that torch.save would write
 *
 * Equal to torch 2.13's, byte for byte, but for one number: the record
 * ".data/serialization_id" holds 40 decimal digits, of which the last 20
 * combine the CRCs of the other records, and are as in torch; the first 20
 * combine hashes of their names, which in torch depend on the C++ library, and
 * here are XXH64 with seed 0.  (So that record's CRC differs too.)
 *
 * Identical states give identical files.
 */
#ifndef PAWL_FORMAT_TORCH_WRITER_H
#define PAWL_FORMAT_TORCH_WRITER_H

#include <pawl/plugin.h>

/* The plan of pawl_format_ops.  The records' prefix is the base name of `name`
 * without its last extension; "archive" if that is empty or `name` is not
 * ASCII, as torch then writes it.  Errors: as pawl_pickle_write, and
 * PAWL_EINVAL for a base name of about 500 bytes or more. */
int pawl_torch_plan(struct pawl_plan **out, struct pawl_state *state,
                    const char *name, struct pawl_error *err);

#endif
