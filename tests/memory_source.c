/* SPDX-License-Identifier: Apache-2.0 */
/* memory_source.c - see memory_source.h. */
#include "memory_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_memory(void *ctx, uint64_t offset, void *dst, size_t len,
                       struct pawl_error *err)
{
    struct memory_source *memory = ctx;
    size_t total = atomic_fetch_add(&memory->bytes_read, len) + len;
    if (memory->fail_after > 0 && total > memory->fail_after) {
        return pawl_fail(err, PAWL_EIO, 5, "cannot read 'test.pt': broken");
    }
    if (offset > memory->len || len > memory->len - offset) {
        abort(); /* a reader must never ask for what is not there */
    }
    memcpy(dst, memory->data + offset, len);
    return 0;
}

void memory_source_init(struct memory_source *memory, const void *data,
                        size_t len)
{
    memset(memory, 0, sizeof(*memory));
    memory->data = malloc(len > 0 ? len : 1);
    if (memory->data == NULL) {
        abort();
    }
    if (len > 0) {
        memcpy(memory->data, data, len);
    }
    memory->len = len;
    memory->source = (struct pawl_source){.read = read_memory,
                                          .ctx = memory,
                                          .size_bytes = len,
                                          .name = "test.pt"};
}

void memory_source_fini(struct memory_source *memory)
{
    free(memory->data);
    memory->data = NULL;
}

void memory_source_release(void *ctx)
{
    struct memory_source *memory = ctx;
    memory->released++;
}

char *golden_read(const char *name, size_t *len)
{
    char path[4096];
    char *data = NULL;
    size_t size = 0;
    int byte;
    snprintf(path, sizeof(path), "%s/%s", PAWL_GOLDEN_DIR, name);
    FILE *file = fopen(path, "rb");
    FILE *copy = open_memstream(&data, &size);
    if (file == NULL || copy == NULL) {
        fprintf(stderr, "cannot open '%s'\n", path);
        abort();
    }
    while ((byte = getc(file)) != EOF) {
        putc(byte, copy);
    }
    fclose(file);
    fclose(copy);
    *len = size;
    return data;
}
