/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_tensor.h - tensors and storages in a pickle, as torch.save has them
 *
 * Each returns 0 or PAWL_ESTATE (lazy storage), PAWL_ENOTSUP (two dtypes over
 * one storage; quantized), PAWL_EINVAL (too large), PAWL_ENOMEM.
 */
#ifndef PAWL_FORMAT_PICKLE_TENSOR_H
#define PAWL_FORMAT_PICKLE_TENSOR_H

#include "format/pickle_emit.h"

/* A tensor or parameter that is not in the memo yet. */
int pawl_emit_tensor(struct pawl_pickler *p, const struct pawl_value *value);

/* A storage by itself: a persistent id, never in the memo. */
int pawl_emit_storage(struct pawl_pickler *p,
                      const struct pawl_storage *storage);

#endif
