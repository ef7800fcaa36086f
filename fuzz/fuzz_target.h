/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_target.h - what all fuzz targets stand on. */
#ifndef PAWL_FUZZ_TARGET_H
#define PAWL_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/plugin.h>

/* What libFuzzer, or replay.c, calls. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A file that is the input. */
struct fuzz_source {
    const uint8_t *data;
    size_t len;
    struct pawl_source source; /* its context is this struct */
};

static inline int fuzz_source_read(void *ctx, uint64_t offset, void *dst,
                                   size_t len, struct pawl_error *err)
{
    const struct fuzz_source *fuzz = ctx;
    (void)err;
    if (offset > fuzz->len || len > fuzz->len - offset) {
        abort(); /* a reader must never ask for what is not there */
    }
    memcpy(dst, fuzz->data + offset, len);
    return 0;
}

static inline void fuzz_source_init(struct fuzz_source *fuzz,
                                    const uint8_t *data, size_t len)
{
    fuzz->data = data;
    fuzz->len = len;
    fuzz->source = (struct pawl_source){.read = fuzz_source_read,
                                        .ctx = fuzz,
                                        .size_bytes = len,
                                        .name = "fuzz"};
}

#endif
