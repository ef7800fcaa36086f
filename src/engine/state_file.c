/* SPDX-License-Identifier: Apache-2.0 */
/* state_file.c - see state_file.h. */
#include "engine/state_file.h"

#include "base/error.h"
#include "base/path.h"
#include "format/format_torch.h"
#include "format/format_torch_legacy.h"

#include <stdlib.h>
#include <string.h>

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

/* Formats ask for what lies in the file only. */
static int read_image(void *ctx, uint64_t offset, void *dst, size_t len_bytes,
                      struct pawl_error *err)
{
    const struct pawl_state_file *file = ctx;
    if (offset > file->source.size_bytes ||
        len_bytes > file->source.size_bytes - offset) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "'%s' is cut short", file->name);
    }
    if (len_bytes > 0) {
        memcpy(dst, (const char *)file->source.memory + offset, len_bytes);
    }
    return 0;
}

static int read_object(void *ctx, uint64_t offset, void *dst, size_t len_bytes,
                       struct pawl_error *err)
{
    struct pawl_state_file *file = ctx;
    if (file->object.impl == NULL) {
        return read_image(ctx, offset, dst, len_bytes, err);
    }
    return pawl_object_read(&file->object, offset, dst, len_bytes, err);
}

int pawl_state_file_open(struct pawl_state_file **out, struct pawl_place *place,
                         const char *dir, const char *name,
                         enum pawl_store_mode mode, struct pawl_error *err)
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
        rc = pawl_store_open(&file->store, name, mode, 0, &file->object, &size,
                             err);
    }
    if (rc < 0) {
        pawl_state_file_close(file);
        return rc;
    }
    file->source = (struct pawl_source){.read = read_object,
                                        .ctx = file,
                                        .size_bytes = size,
                                        .name = file->name};
    *out = file;
    return 0;
}

static uint32_t checksum_image(void *ctx, uint64_t offset, uint64_t len_bytes)
{
    const struct pawl_state_file *file = ctx;
    return pawl_file_image_crc(file->image, offset, len_bytes);
}

int pawl_state_file_of_image(struct pawl_state_file **out, const char *path,
                             struct pawl_file_image *image, bool is_proven,
                             struct pawl_error *err)
{
    struct pawl_state_file *file = calloc(1, sizeof(*file));
    char *name = strdup(path);
    if (file == NULL || name == NULL) {
        free(file);
        free(name);
        pawl_file_image_unref(image);
        return pawl_fail_nomem(err);
    }
    file->image = image;
    file->name = name;
    file->source =
        (struct pawl_source){.read = read_image,
                             .ctx = file,
                             .size_bytes = pawl_file_image_size(image),
                             .name = name,
                             .memory = pawl_file_image_data(image),
                             .checksum = checksum_image,
                             .is_proven = is_proven};
    *out = file;
    return 0;
}

int pawl_state_file_map(struct pawl_state_file *file, struct pawl_error *err)
{
    int rc = pawl_file_image_map(&file->image, &file->object,
                                 file->source.size_bytes, err);
    if (rc == 0) {
        file->source.memory = pawl_file_image_data(file->image);
        file->source.is_proven = true; /* or rather, not to be proven */
        file->source.is_mapped = true;
    }
    return rc;
}

void pawl_state_file_leave(struct pawl_state_file *file)
{
    pawl_object_close(&file->object, false, NULL);
    pawl_store_fini(&file->store);
    pawl_place_unref(file->place);
    file->place = NULL;
}

void pawl_state_file_close(struct pawl_state_file *file)
{
    if (file == NULL) {
        return;
    }
    pawl_file_image_unref(file->image);
    pawl_state_file_leave(file);
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
        rc = file->source.read(file->source.ctx, 0, head, len, err);
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
