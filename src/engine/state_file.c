/* SPDX-License-Identifier: Apache-2.0 */
/* state_file.c - see state_file.h. */
#include "engine/state_file.h"

#include "base/error.h"
#include "base/path.h"
#include "format/format_torch.h"
#include "format/format_torch_legacy.h"

#include <stdlib.h>

#define PROBE_BYTES 64

void pawl_formats_init(struct pawl_formats *formats,
                       const struct pawl_format_ops *first)
{
    *formats = (struct pawl_formats){0};
    if (first != NULL && first != &pawl_format_torch) {
        formats->list[formats->count++] = first;
    }
    formats->list[formats->count++] = &pawl_format_torch;
    formats->list[formats->count++] = &pawl_format_torch_legacy;
}

static int read_object(void *ctx, uint64_t offset, void *dst, size_t len_bytes,
                       struct pawl_error *err)
{
    struct pawl_state_file *file = ctx;
    return pawl_object_read(&file->object, offset, dst, len_bytes, err);
}

int pawl_state_file_open(struct pawl_state_file **out, struct pawl_place *place,
                         const char *dir, const char *name,
                         struct pawl_error *err)
{
    struct pawl_state_file *file = calloc(1, sizeof(*file));
    if (file == NULL) {
        return pawl_fail_nomem(err);
    }
    file->place = pawl_place_ref(place);
    int rc = pawl_path_join(&file->name, dir, name, err);
    if (rc == 0) {
        rc = pawl_place_store(&file->store, place, dir, err);
    }
    uint64_t size = 0;
    if (rc == 0) {
        rc = pawl_store_open(&file->store, name, PAWL_STORE_READ, 0,
                             &file->object, &size, err);
    }
    if (rc < 0) {
        pawl_state_file_close(file);
        return rc;
    }
    file->source = (struct pawl_source){read_object, file, size, file->name};
    *out = file;
    return 0;
}

void pawl_state_file_close(struct pawl_state_file *file)
{
    if (file == NULL) {
        return;
    }
    pawl_object_close(&file->object, false, NULL);
    pawl_store_fini(&file->store);
    pawl_place_unref(file->place);
    free(file->name);
    free(file);
}

int pawl_state_file_probe(const struct pawl_format_ops **out,
                          struct pawl_state_file *file,
                          const struct pawl_formats *formats,
                          struct pawl_error *err)
{
    uint8_t head[PROBE_BYTES];
    uint64_t size = file->source.size_bytes;
    size_t len = size < sizeof(head) ? (size_t)size : sizeof(head);
    int rc = 0;
    if (len > 0) {
        rc = pawl_object_read(&file->object, 0, head, len, err);
    }
    *out = NULL;
    for (size_t i = 0; rc == 0 && *out == NULL && i < formats->count; i++) {
        if (formats->list[i]->probe(head, len)) {
            *out = formats->list[i];
        }
    }
    return rc;
}

static void release(void *ctx)
{
    pawl_state_file_close(ctx);
}

int pawl_state_file_read(struct pawl_state **out, struct pawl_state_file *file,
                         const struct pawl_format_ops *format,
                         struct pawl_error *err)
{
    int rc = format->read(out, &file->source, release, err);
    if (rc < 0) {
        pawl_state_file_close(file); /* no state was made to release it */
    }
    return rc;
}
