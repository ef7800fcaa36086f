/* SPDX-License-Identifier: Apache-2.0 */
/* format_torch_legacy.h - what torch wrote before 1.6: read only. */
#ifndef PAWL_FORMAT_FORMAT_TORCH_LEGACY_H
#define PAWL_FORMAT_FORMAT_TORCH_LEGACY_H

#include <pawl/plugin.h>

/* Its `plan` is NULL. */
extern const struct pawl_format_ops pawl_format_torch_legacy;

#endif
