/* SPDX-License-Identifier: Apache-2.0 */
/* disk_model.c - see disk_model.h. */
#include "disk_model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk_file.h"

enum { NONE = -1, ROOT = 0 };

struct inode {
    bool is_dir;
    struct disk_file file; /* if it is none */
};

/* A name in a directory; NONE: not there. */
struct entry {
    int dir;
    char *name;
    int seen;
    int durable;
};

/* One or two names that change together. */
struct step {
    int count;
    struct {
        int entry;
        int before;
        int after;
    } names[2];
};

struct disk {
    char *root;
    struct inode *inodes;
    size_t inode_count;
    struct entry *entries;
    size_t entry_count;
    struct step *steps; /* in doubt, in order */
    size_t step_count;
};

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* Room for one more at the end of an array. */
#define GROW(array, count)                                                     \
    ((array) = must(realloc((array), ((count) + 1) * sizeof(*(array)))))

static void impossible(const char *what, const char *path)
{
    fprintf(stderr, "disk model: %s: '%s'\n", what, path);
    abort();
}

/* ---- names --------------------------------------------------------------- */

static int new_inode(struct disk *disk, bool is_dir)
{
    GROW(disk->inodes, disk->inode_count);
    disk->inodes[disk->inode_count] = (struct inode){.is_dir = is_dir};
    disk_file_init(&disk->inodes[disk->inode_count].file);
    return (int)disk->inode_count++;
}

static int find_entry(struct disk *disk, int dir, const char *name, size_t len)
{
    for (size_t i = 0; i < disk->entry_count; i++) {
        const struct entry *entry = &disk->entries[i];
        if (entry->dir == dir && strncmp(entry->name, name, len) == 0 &&
            entry->name[len] == '\0') {
            return (int)i;
        }
    }
    GROW(disk->entries, disk->entry_count);
    disk->entries[disk->entry_count] =
        (struct entry){dir, must(strndup(name, len)), NONE, NONE};
    return (int)disk->entry_count++;
}

/* The entry of a path as the record has it, or NONE if it lies elsewhere.
 * NONE, with `*is_root`, for the root itself. */
static int entry_of(struct disk *disk, const char *path, bool *is_root)
{
    size_t len = strlen(disk->root);
    *is_root = path != NULL && strcmp(path, disk->root) == 0;
    if (path == NULL || strncmp(path, disk->root, len) != 0 ||
        path[len] != '/') {
        return NONE;
    }
    int dir = ROOT;
    for (const char *at = path + len + 1;; at++) {
        size_t name_len = strcspn(at, "/");
        int entry = find_entry(disk, dir, at, name_len);
        if (at[name_len] == '\0') {
            return entry;
        }
        dir = disk->entries[entry].seen;
        if (dir == NONE) {
            return NONE;
        }
        at += name_len;
    }
}

/* The inode of a path, or NONE. */
static int inode_of(struct disk *disk, const char *path)
{
    bool is_root = false;
    int entry = entry_of(disk, path, &is_root);
    return is_root ? ROOT : entry == NONE ? NONE : disk->entries[entry].seen;
}

static void change_name(struct disk *disk, struct step *step, int entry,
                        int after)
{
    step->names[step->count].entry = entry;
    step->names[step->count].before = disk->entries[entry].seen;
    step->names[step->count].after = after;
    step->count++;
    disk->entries[entry].seen = after;
}

static void add_step(struct disk *disk, const struct step *step)
{
    GROW(disk->steps, disk->step_count);
    disk->steps[disk->step_count++] = *step;
}

static bool share_name(const struct step *a, const struct step *b)
{
    for (int i = 0; i < a->count; i++) {
        for (int k = 0; k < b->count; k++) {
            if (a->names[i].entry == b->names[k].entry) {
                return true;
            }
        }
    }
    return false;
}

static bool is_in(const struct disk *disk, const struct step *step, int dir)
{
    for (int i = 0; i < step->count; i++) {
        if (disk->entries[step->names[i].entry].dir == dir) {
            return true;
        }
    }
    return false;
}

/* Does a step if its names are as they were before it. */
static void do_step(struct disk *disk, const struct step *step)
{
    for (int i = 0; i < step->count; i++) {
        if (disk->entries[step->names[i].entry].durable !=
            step->names[i].before) {
            return;
        }
    }
    for (int i = 0; i < step->count; i++) {
        disk->entries[step->names[i].entry].durable = step->names[i].after;
    }
}

static void sync_dir(struct disk *disk, int dir)
{
    size_t count = disk->step_count;
    bool *done = must(calloc(count + 1, sizeof(*done)));
    size_t left = 0;
    for (size_t i = count; i-- > 0;) {
        done[i] |= is_in(disk, &disk->steps[i], dir);
        for (size_t k = 0; done[i] && k < i; k++) {
            done[k] |= share_name(&disk->steps[i], &disk->steps[k]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (done[i]) {
            do_step(disk, &disk->steps[i]);
        } else {
            disk->steps[left++] = disk->steps[i];
        }
    }
    disk->step_count = left;
    free(done);
}

/* ---- calls --------------------------------------------------------------- */

static bool apply_make(struct disk *disk, const char *path, bool is_dir)
{
    bool is_root = false;
    struct step step = {0};
    int entry = entry_of(disk, path, &is_root);
    if (entry == NONE || disk->entries[entry].seen != NONE) {
        return false; /* elsewhere; or opened, not made */
    }
    change_name(disk, &step, entry, new_inode(disk, is_dir));
    add_step(disk, &step);
    return true;
}

static bool apply_unlink(struct disk *disk, const char *path)
{
    bool is_root = false;
    struct step step = {0};
    int entry = entry_of(disk, path, &is_root);
    if (entry == NONE || disk->entries[entry].seen == NONE) {
        impossible("removed, and was not there", path);
    }
    change_name(disk, &step, entry, NONE);
    add_step(disk, &step);
    return true;
}

static bool apply_rename(struct disk *disk, const struct fault_record *record)
{
    bool is_root = false;
    struct step step = {0};
    int from = entry_of(disk, record->path, &is_root);
    int to = entry_of(disk, record->path_to, &is_root);
    if (from == NONE || to == NONE || disk->entries[from].seen == NONE) {
        impossible("renamed, and was not there", record->path);
    }
    int moved = disk->entries[from].seen;
    bool exchange = ((unsigned)record->flags & RENAME_EXCHANGE) != 0;
    change_name(disk, &step, from, exchange ? disk->entries[to].seen : NONE);
    change_name(disk, &step, to, moved);
    add_step(disk, &step);
    return true;
}

static bool apply_data(struct disk *disk, const struct fault_record *record)
{
    int number = inode_of(disk, record->path);
    if (number == NONE) {
        return false; /* has no name any more */
    }
    struct disk_file *file = &disk->inodes[number].file;
    uint64_t end = record->offset + record->len;
    switch (record->call) {
    case FAULT_PWRITE:
        if (record->data == NULL) {
            return false;
        }
        disk_file_write(file, record->offset, record->data,
                        (size_t)record->result);
        return true;
    case FAULT_FTRUNCATE:
        disk_file_set_length(file, record->len);
        return true;
    default: /* fallocate */
        if ((record->flags & FALLOC_FL_KEEP_SIZE) != 0 ||
            end <= disk_file_seen_length(file)) {
            return false;
        }
        disk_file_set_length(file, end);
        return true;
    }
}

static bool apply_sync(struct disk *disk, const struct fault_record *record)
{
    int number = inode_of(disk, record->path);
    if (number == NONE) {
        return false;
    }
    struct inode *inode = &disk->inodes[number];
    if (record->result < 0) {
        disk_file_doubt(&inode->file);
        return false;
    }
    if (inode->is_dir) {
        sync_dir(disk, number);
    } else {
        disk_file_sync(&inode->file);
    }
    return true;
}

bool disk_apply(struct disk *disk, const struct fault_record *record)
{
    bool is_sync =
        record->call == FAULT_FSYNC || record->call == FAULT_FDATASYNC;
    if (record->result < 0 && !is_sync) {
        return false;
    }
    switch (record->call) {
    case FAULT_OPENAT:
    case FAULT_OPEN_BENEATH:
        return (record->flags & O_CREAT) != 0 &&
               apply_make(disk, record->path, false);
    case FAULT_MKDIRAT:
        return apply_make(disk, record->path, true);
    case FAULT_UNLINKAT:
        return apply_unlink(disk, record->path);
    case FAULT_RENAMEAT2:
        return apply_rename(disk, record);
    case FAULT_PWRITE:
    case FAULT_FTRUNCATE:
    case FAULT_FALLOCATE:
        return apply_data(disk, record);
    case FAULT_FSYNC:
    case FAULT_FDATASYNC:
        return apply_sync(disk, record);
    default:
        return false;
    }
}

/* ---- disks --------------------------------------------------------------- */

struct disk *disk_new(const char *root)
{
    struct disk *disk = must(calloc(1, sizeof(*disk)));
    disk->root = must(strdup(root));
    new_inode(disk, true);
    return disk;
}

void disk_set_root(struct disk *disk, const char *root)
{
    free(disk->root);
    disk->root = must(strdup(root));
}

static struct disk *copy(const struct disk *from, bool doubts)
{
    struct disk *disk = must(calloc(1, sizeof(*disk)));
    disk->root = must(strdup(from->root));
    disk->inode_count = from->inode_count;
    disk->inodes = must(calloc(from->inode_count, sizeof(*disk->inodes)));
    for (size_t i = 0; i < from->inode_count; i++) {
        disk->inodes[i].is_dir = from->inodes[i].is_dir;
        disk_file_copy(&disk->inodes[i].file, &from->inodes[i].file, doubts);
    }
    disk->entry_count = from->entry_count;
    disk->entries = must(calloc(from->entry_count + 1, sizeof(*disk->entries)));
    for (size_t i = 0; i < from->entry_count; i++) {
        disk->entries[i] = from->entries[i];
        disk->entries[i].name = must(strdup(from->entries[i].name));
    }
    for (size_t i = 0; doubts && i < from->step_count; i++) {
        add_step(disk, &from->steps[i]);
    }
    return disk;
}

struct disk *disk_copy(const struct disk *from)
{
    return copy(from, true);
}

void disk_free(struct disk *disk)
{
    if (disk == NULL) {
        return;
    }
    for (size_t i = 0; i < disk->inode_count; i++) {
        disk_file_fini(&disk->inodes[i].file);
    }
    for (size_t i = 0; i < disk->entry_count; i++) {
        free(disk->entries[i].name);
    }
    free(disk->inodes);
    free(disk->entries);
    free(disk->steps);
    free(disk->root);
    free(disk);
}

size_t disk_step_count(const struct disk *disk)
{
    return disk->step_count;
}

size_t disk_dirty_count(const struct disk *disk)
{
    size_t count = 0;
    for (size_t i = 0; i < disk->inode_count; i++) {
        count += disk->inodes[i].file.change_count > 0;
    }
    return count;
}

struct disk *disk_after(const struct disk *from, const struct disk_cut *cut)
{
    struct disk *disk = copy(from, false);
    size_t dirty = 0;
    for (size_t i = 0; i < from->inode_count; i++) {
        if (from->inodes[i].file.change_count > 0) {
            disk_file_cut(&disk->inodes[i].file, &from->inodes[i].file,
                          cut->writes[dirty], cut->seed + i);
            dirty++;
        }
    }
    for (size_t i = 0; i < from->step_count; i++) {
        if (cut->steps[i]) {
            do_step(disk, &from->steps[i]);
        }
    }
    for (size_t i = 0; i < disk->entry_count; i++) {
        disk->entries[i].seen = disk->entries[i].durable;
    }
    return disk;
}

struct disk *disk_as_seen(const struct disk *from)
{
    struct disk *disk = copy(from, false);
    for (size_t i = 0; i < from->inode_count; i++) {
        if (from->inodes[i].file.change_count > 0) {
            disk_file_cut(&disk->inodes[i].file, &from->inodes[i].file,
                          DISK_KEPT, 0);
        }
    }
    for (size_t i = 0; i < disk->entry_count; i++) {
        disk->entries[i].durable = disk->entries[i].seen;
    }
    return disk;
}

/* ---- going through one --------------------------------------------------- */

void disk_walk(const struct disk *disk,
               void (*fn)(void *ctx, const char *path,
                          const unsigned char *bytes, size_t len),
               void *ctx)
{
    enum { DEEPEST = 16 };
    struct {
        int dir;
        size_t next;
        size_t path_len;
    } stack[DEEPEST] = {{ROOT, 0, 0}};
    char path[4096] = "";
    int depth = 0;
    while (depth >= 0) {
        size_t at = stack[depth].next++;
        size_t len = stack[depth].path_len;
        if (at >= disk->entry_count) {
            depth--;
            continue;
        }
        const struct entry *entry = &disk->entries[at];
        if (entry->dir != stack[depth].dir || entry->durable == NONE) {
            continue;
        }
        int end = snprintf(path + len, sizeof(path) - len, "%s%s",
                           len > 0 ? "/" : "", entry->name);
        const struct inode *inode = &disk->inodes[entry->durable];
        if (!inode->is_dir) {
            fn(ctx, path, inode->file.durable->bytes, inode->file.durable->len);
            continue;
        }
        fn(ctx, path, NULL, 0);
        if (++depth == DEEPEST) {
            impossible("too deep", path);
        }
        stack[depth].dir = entry->durable;
        stack[depth].next = 0;
        stack[depth].path_len = len + (size_t)end;
    }
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3u;
    }
    return hash;
}

static void hash_one(void *ctx, const char *path, const unsigned char *bytes,
                     size_t len)
{
    /* The order of entries is that of their first mention: the sum does not
     * depend on it. */
    uint64_t *sum = ctx;
    uint64_t hash = mix(0xcbf29ce484222325u, path, strlen(path) + 1);
    hash = bytes == NULL ? hash * 31 : mix(hash, bytes, len);
    *sum += hash ^ (hash >> 29);
}

uint64_t disk_hash(const struct disk *disk)
{
    uint64_t sum = 0;
    disk_walk(disk, hash_one, &sum);
    return sum;
}
