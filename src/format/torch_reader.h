/* SPDX-License-Identifier: Apache-2.0 */
/* torch_reader.h - reading torch's zip files: the other half of format_torch */
#ifndef PAWL_FORMAT_TORCH_READER_H
#define PAWL_FORMAT_TORCH_READER_H

#include <stdbool.h>
#include <stddef.h>

#include <pawl/plugin.h>

/* Whether a file that begins so is a zip file.  Never fails. */
bool pawl_torch_probe(const void *head, size_t len);

/* Reads the structure of the zip file `source`, and no payload: each storage
 * is lazy, and reads and verifies the whole of its record when asked, from any
 * thread.
 *
 * The source is copied (its name too) and must stay readable until the state
 * is freed; then, and only then, `release(source->ctx)` is called once, if it
 * is not NULL.  When the read fails `release` is not called.
 *
 * Blocks.  PAWL_EFORMAT, PAWL_ECORRUPT, PAWL_ENOTSUP (TorchScript, big-endian
 * files, unknown storage classes), PAWL_ENOMEM, errors of the source. */
int pawl_torch_read(struct pawl_state **out, const struct pawl_source *source,
                    void (*release)(void *ctx), struct pawl_error *err);

#endif
