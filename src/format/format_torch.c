/* SPDX-License-Identifier: Apache-2.0 */
/* format_torch.c - torch's zip format as a table for the engines. */
#include "format/format_torch.h"

#include "format/torch_reader.h"
#include "format/torch_writer.h"

const struct pawl_format_ops pawl_format_torch = {
    .struct_size = sizeof(struct pawl_format_ops),
    .name = "torch",
    .plan = pawl_torch_plan,
    .probe = pawl_torch_probe,
    .read = pawl_torch_read,
};
