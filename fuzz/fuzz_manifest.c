/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_manifest.c - any bytes as a manifest
 *
 * Nearly all are refused for their checksum, so what comes is read once more
 * with the line behind it that makes it right.  A manifest that is accepted
 * must be written, and read back, with nothing lost.
 */
#include "engine/manifest.h"

#include <stdio.h>

#include "base/crc32.h"
#include "fuzz_target.h"

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void compare(const struct pawl_manifest *a,
                    const struct pawl_manifest *b)
{
    must(strcmp(a->tag, b->tag) == 0 && a->sequence == b->sequence &&
         a->created_unix_ms == b->created_unix_ms &&
         a->world_size == b->world_size && a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        const struct pawl_manifest_file *x = &a->files[i];
        const struct pawl_manifest_file *y = &b->files[i];
        must(strcmp(x->path, y->path) == 0 && x->size_bytes == y->size_bytes &&
             x->crc32 == y->crc32 && x->rank == y->rank);
    }
}

/* What whoever uses a manifest relies on. */
static void check(const struct pawl_manifest *manifest)
{
    must(manifest->sequence > 0 && manifest->sequence <= PAWL_SEQUENCE_MAX &&
         manifest->world_size > 0 && manifest->tag[0] != '\0');
    for (size_t i = 0; i < manifest->count; i++) {
        const char *path = manifest->files[i].path;
        must(path[0] != '/' && strstr(path, "//") == NULL &&
             strncmp(path, "../", 3) != 0 && strstr(path, "/../") == NULL &&
             strcmp(path, "..") != 0 && strcmp(path, PAWL_MANIFEST_NAME) != 0);
        for (size_t k = 0; k < i; k++) {
            must(strcmp(path, manifest->files[k].path) != 0);
        }
    }
}

static void write_and_read(const struct pawl_manifest *manifest)
{
    struct pawl_buffer text = {0};
    struct pawl_buffer again = {0};
    struct pawl_manifest copy = {0};
    must(pawl_manifest_encode(manifest, &text, NULL) == 0);
    must(pawl_manifest_parse(&copy, text.data, text.len, NULL) == 0);
    compare(manifest, &copy);
    must(pawl_manifest_encode(&copy, &again, NULL) == 0);
    must(text.len == again.len && memcmp(text.data, again.data, text.len) == 0);
    pawl_manifest_fini(&copy);
    pawl_buffer_fini(&again);
    pawl_buffer_fini(&text);
}

static void read_manifest(const void *text, size_t len)
{
    struct pawl_manifest manifest = {0};
    struct pawl_error err = {0};
    int rc = pawl_manifest_parse(&manifest, text, len, &err);
    if (rc == 0) {
        check(&manifest);
        write_and_read(&manifest);
    } else {
        must(rc == err.code && err.message[0] != '\0' && manifest.count == 0);
    }
    pawl_manifest_fini(&manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char tail[] = "  \"manifest_crc32\": \"%08x\"\n}\n";
    struct pawl_buffer whole = {0};
    char line[sizeof(tail) + 8];
    read_manifest(data, len);
    snprintf(line, sizeof(line), tail, pawl_crc32(0, data, len));
    pawl_buffer_append(&whole, data, len);
    pawl_buffer_append(&whole, line, strlen(line));
    must(!whole.failed);
    read_manifest(whole.data, whole.len);
    pawl_buffer_fini(&whole);
    return 0;
}
