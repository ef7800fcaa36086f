/* SPDX-License-Identifier: Apache-2.0 */
/* format_torch.h - torch's zip files, written and read: docs/formats.md. */
#ifndef PAWL_FORMAT_FORMAT_TORCH_H
#define PAWL_FORMAT_FORMAT_TORCH_H

#include <pawl/plugin.h>

extern const struct pawl_format_ops pawl_format_torch;

#endif
