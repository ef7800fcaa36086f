/* SPDX-License-Identifier: Apache-2.0 */
/* disk_file.c - see disk_file.h. */
#include "disk_file.h"

#include <stdlib.h>
#include <string.h>

#include "seed.h"

enum { SECTOR = 512 };

/* A write, or a new length of the file. */
struct disk_change {
    bool is_length;
    bool doubtful; /* a sync of it failed: no later one proves anything */
    uint64_t offset;
    struct disk_blob *data; /* NULL for a length, which is `offset` */
};

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* ---- bytes --------------------------------------------------------------- */

static struct disk_blob *blob_new(const void *bytes, size_t len)
{
    struct disk_blob *blob = must(malloc(sizeof(*blob) + len + 1));
    blob->refs = 1;
    blob->len = len;
    if (bytes != NULL) {
        memcpy(blob->bytes, bytes, len);
    } else {
        memset(blob->bytes, 0, len);
    }
    return blob;
}

static struct disk_blob *blob_ref(struct disk_blob *blob)
{
    if (blob != NULL) {
        blob->refs++;
    }
    return blob;
}

static void blob_unref(struct disk_blob *blob)
{
    if (blob != NULL && --blob->refs == 0) {
        free(blob);
    }
}

/* Bytes of a file while changes are applied. */
struct content {
    unsigned char *bytes;
    size_t len;
};

static void set_length(struct content *content, size_t len)
{
    content->bytes = must(realloc(content->bytes, len + 1));
    if (len > content->len) {
        memset(content->bytes + content->len, 0, len - content->len);
    }
    content->len = len;
}

static void put(struct content *content, size_t offset,
                const unsigned char *from, size_t len)
{
    if (offset + len > content->len) {
        set_length(content, offset + len);
    }
    if (len > 0) { /* else there may be no memory yet */
        memcpy(content->bytes + offset, from, len);
    }
}

static void put_sectors(struct content *content,
                        const struct disk_change *change, uint64_t *seed)
{
    size_t offset = (size_t)change->offset;
    size_t end = offset + change->data->len;
    for (size_t at = offset; at < end;) {
        size_t next = (at / SECTOR + 1) * SECTOR;
        next = next < end ? next : end;
        if (test_draw(seed, 2) == 0) {
            put(content, at, change->data->bytes + (at - offset), next - at);
        }
        at = next;
    }
}

/* Applies the changes of a file that are kept. */
static struct disk_blob *content_after(const struct disk_file *file,
                                       enum disk_writes how, uint64_t seed)
{
    struct content content = {0};
    put(&content, 0, file->durable->bytes, file->durable->len);
    for (size_t i = 0; i < file->change_count && how != DISK_LOST; i++) {
        const struct disk_change *change = &file->changes[i];
        if (how == DISK_TORN && !change->is_length) {
            put_sectors(&content, change, &seed);
        } else if (how == DISK_TORN && test_draw(&seed, 2) == 0) {
            continue;
        } else if (change->is_length) {
            set_length(&content, (size_t)change->offset);
        } else {
            put(&content, (size_t)change->offset, change->data->bytes,
                change->data->len);
        }
    }
    struct disk_blob *blob = blob_new(content.bytes, content.len);
    free(content.bytes);
    return blob;
}

/* ---- files --------------------------------------------------------------- */

static void forget_changes(struct disk_file *file)
{
    for (size_t i = 0; i < file->change_count; i++) {
        blob_unref(file->changes[i].data);
    }
    free(file->changes);
    file->changes = NULL;
    file->change_count = 0;
}

static void add_change(struct disk_file *file, struct disk_change change)
{
    file->changes = must(realloc(file->changes, (file->change_count + 1) *
                                                    sizeof(*file->changes)));
    file->changes[file->change_count++] = change;
}

void disk_file_init(struct disk_file *file)
{
    *file = (struct disk_file){.durable = blob_new(NULL, 0)};
}

void disk_file_fini(struct disk_file *file)
{
    forget_changes(file);
    blob_unref(file->durable);
}

void disk_file_copy(struct disk_file *to, const struct disk_file *from,
                    bool doubts)
{
    *to = (struct disk_file){.durable = blob_ref(from->durable)};
    for (size_t i = 0; doubts && i < from->change_count; i++) {
        blob_ref(from->changes[i].data);
        add_change(to, from->changes[i]);
    }
}

void disk_file_write(struct disk_file *file, uint64_t offset, const void *bytes,
                     size_t len)
{
    add_change(file, (struct disk_change){.offset = offset,
                                          .data = blob_new(bytes, len)});
}

void disk_file_set_length(struct disk_file *file, uint64_t len)
{
    add_change(file, (struct disk_change){.is_length = true, .offset = len});
}

uint64_t disk_file_seen_length(const struct disk_file *file)
{
    uint64_t len = file->durable->len;
    for (size_t i = 0; i < file->change_count; i++) {
        const struct disk_change *change = &file->changes[i];
        uint64_t end = change->is_length ? change->offset
                                         : change->offset + change->data->len;
        len = change->is_length || end > len ? end : len;
    }
    return len;
}

void disk_file_sync(struct disk_file *file)
{
    struct disk_file sure = {.durable = file->durable};
    struct disk_file doubtful = {0};
    for (size_t i = 0; i < file->change_count; i++) {
        add_change(file->changes[i].doubtful ? &doubtful : &sure,
                   file->changes[i]);
    }
    doubtful.durable = content_after(&sure, DISK_KEPT, 0);
    disk_file_fini(&sure);
    free(file->changes);
    *file = doubtful;
}

void disk_file_doubt(struct disk_file *file)
{
    for (size_t i = 0; i < file->change_count; i++) {
        file->changes[i].doubtful = true;
    }
}

void disk_file_cut(struct disk_file *file, const struct disk_file *from,
                   enum disk_writes how, uint64_t seed)
{
    blob_unref(file->durable);
    file->durable = content_after(from, how, seed);
}
