/* SPDX-License-Identifier: Apache-2.0 */
/* memory_source.h - a file that is a piece of memory, and golden files. */
#ifndef PAWL_TESTS_MEMORY_SOURCE_H
#define PAWL_TESTS_MEMORY_SOURCE_H

#include <stdatomic.h>
#include <stddef.h>

#include <pawl/plugin.h>

struct memory_source {
    unsigned char *data;
    size_t len;
    _Atomic size_t bytes_read; /* by all reads so far */
    size_t fail_after;         /* reads fail once bytes_read is above; or 0 */
    int released;              /* how often memory_source_release ran */
    struct pawl_source source; /* its context is this struct */
};

/* A source over a copy of `data`, called "test.pt". */
void memory_source_init(struct memory_source *memory, const void *data,
                        size_t len);
void memory_source_fini(struct memory_source *memory);
/* What to give a format as `release`. */
void memory_source_release(void *ctx);

/* The golden file of that name; the caller frees it. */
char *golden_read(const char *name, size_t *len);

#endif
