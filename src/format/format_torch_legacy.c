/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format_torch_legacy.c - files that torch wrote before 1.6, read only
 *
 * Five pickles, one after another, and then the storages:
 *
 *   1  the number 0x1950a86a20f9469cfc6c
 *   2  1001, the version
 *   3  a dict: protocol_version, little_endian, type_sizes
 *   4  the object; its persistent ids are ('storage', class, key, location,
 *      number of elements, view), where view is None or (key, offset, number),
 *      and ('module', class, source file, source text)
 *   5  the list of the keys, in the order of the storages
 *   then for each key: number of elements i64, and the elements
 *
 * The number of elements is known from (4), so all offsets are computed
 * without a look at the payload; that the number in front of the payload is
 * the same is checked when a storage is read.  There are no checksums: what
 * can be checked is that the file is long enough.
 *
 * Before that, torch 0.1 wrote tar files; they are recognised and refused.
 */
#include "format/format_torch_legacy.h"

#include "base/bytes.h"
#include "base/error.h"
#include "format/pickle_reader.h"
#include "format/printable.h"
#include "format/torch_rebuild.h"
#include "state/value.h"

#include <stdlib.h>

enum { VERSION = 1001, COUNT_SIZE = 8, TAR_BLOCK = 512, TAR_MAGIC_AT = 257 };

/* 0x1950a86a20f9469cfc6c, little-endian. */
static const uint8_t magic[10] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                  0x20, 0x6a, 0xa8, 0x50, 0x19};

/* What lazy storages read from, one for a state. */
struct legacy_file {
    struct pawl_source source; /* its name is ours */
    void (*release)(void *ctx);
};

/* What one lazy storage reads. */
struct legacy_storage {
    const struct legacy_file *file;
    struct pawl_storage *storage;
    struct legacy_storage *root; /* of a view, else NULL */
    uint64_t root_offset;        /* of a view in it, in bytes */
    uint64_t numel;
    uint64_t count_offset; /* in the file; UINT64_MAX: not known yet */
};

/* The reading of one file. */
struct legacy_load {
    struct pawl_state *state;
    struct legacy_file *file;
    struct pawl_torch_table table;
};

/* ---- storages ---------------------------------------------------------- */

static int read_storage(void *ctx, uint64_t offset, void *dst, size_t len,
                        struct pawl_error *err)
{
    const struct legacy_storage *self = ctx;
    const struct legacy_storage *root = self->root != NULL ? self->root : self;
    const struct pawl_source *source = &self->file->source;
    uint8_t count[COUNT_SIZE] = {0};
    int rc =
        source->read(source->ctx, root->count_offset, count, COUNT_SIZE, err);
    if (rc < 0) {
        return rc;
    }
    if (get_le64(count) != root->numel) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "'%s': a storage has %llu elements where its tensors "
                         "have %llu",
                         source->name, (unsigned long long)get_le64(count),
                         (unsigned long long)root->numel);
    }
    return source->read(source->ctx,
                        root->count_offset + COUNT_SIZE + self->root_offset +
                            offset,
                        dst, len, err);
}

static const struct pawl_storage_ops storage_ops = {
    .struct_size = sizeof(struct pawl_storage_ops),
    .read = read_storage,
};

static int new_storage(void *ctx, const char *key, size_t key_len,
                       uint64_t len_bytes, void **storage_ctx,
                       struct pawl_error *err)
{
    struct legacy_load *load = ctx;
    struct legacy_storage *storage =
        pawl_arena_alloc(&load->state->arena, sizeof(*storage));
    (void)key;
    (void)key_len;
    (void)len_bytes;
    if (storage == NULL) {
        return pawl_fail_nomem(err);
    }
    storage->file = load->file;
    storage->count_offset = UINT64_MAX;
    *storage_ctx = storage;
    return 0;
}

/* ---- persistent ids ---------------------------------------------------- */

/* The entry of view (key, offset, number) of `root`: a storage of its own for
 * whoever holds it, while tensors over it are tensors over the root. */
static int add_view(struct legacy_load *load, struct pawl_torch_entry *root,
                    const struct pawl_torch_id *root_id,
                    const struct pawl_value *view,
                    struct pawl_torch_entry **out, struct pawl_error *err)
{
    int64_t offset = -1;
    int64_t numel = -1;
    uint64_t end = 0;
    struct pawl_torch_id id = *root_id;
    id.key = pawl_item(view, 0);
    if (pawl_value_kind(view) != PAWL_KIND_TUPLE || pawl_count(view) != 3 ||
        pawl_get_str(id.key, NULL) == NULL ||
        !pawl_get_int(pawl_item(view, 1), &offset) || offset < 0 ||
        !pawl_get_int(pawl_item(view, 2), &numel) || numel < 0 ||
        !pawl_add_u64((uint64_t)offset, (uint64_t)numel, &end) ||
        end > root_id->numel) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "a malformed view of a storage");
    }
    size_t item = pawl_dtype_size(id.dtype);
    id.numel = (uint64_t)numel;
    id.len_bytes = id.numel * item; /* no more than the root has */
    int rc = pawl_torch_table_add(&load->table, &id, out, err);
    if (rc < 0) {
        return rc;
    }
    struct pawl_torch_entry *entry = *out;
    struct legacy_storage *storage = entry->storage_ctx;
    uint64_t offset_bytes = (uint64_t)offset * item;
    bool known = entry->base != NULL || storage->storage != NULL;
    if (known && (entry->base != root->value->as.storage ||
                  entry->base_offset_bytes != offset_bytes)) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "a storage in two places");
    }
    storage->root = root->storage_ctx;
    storage->root_offset = offset_bytes;
    entry->base = root->value->as.storage;
    entry->base_offset_bytes = offset_bytes;
    return 0;
}

static int storage_of(struct legacy_load *load, const struct pawl_value *id,
                      struct pawl_value **out, struct pawl_error *err)
{
    struct pawl_torch_id parsed;
    struct pawl_torch_entry *entry = NULL;
    int rc = pawl_torch_parse_id(&parsed, id, err);
    if (rc < 0) {
        return rc;
    }
    if (pawl_count(id) != 6) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "a malformed storage id");
    }
    rc = pawl_torch_table_add(&load->table, &parsed, &entry, err);
    if (rc < 0) {
        return rc;
    }
    struct legacy_storage *storage = entry->storage_ctx;
    if (storage->root != NULL) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "a view of a view");
    }
    storage->storage = entry->value->as.storage;
    storage->numel = parsed.numel;
    const struct pawl_value *view = pawl_item(id, 5);
    if (pawl_value_kind(view) != PAWL_KIND_NONE) {
        rc = add_view(load, entry, &parsed, view, &entry, err);
    }
    *out = entry->value;
    return rc;
}

static int persistent(void *ctx, struct pawl_value *id, struct pawl_value **out,
                      struct pawl_error *err)
{
    struct legacy_load *load = ctx;
    const char *kind = pawl_get_str(pawl_item(id, 0), NULL);
    if (pawl_value_kind(id) == PAWL_KIND_TUPLE && pawl_count(id) == 4 &&
        kind != NULL && strcmp(kind, "module") == 0 &&
        pawl_value_kind(pawl_item(id, 1)) == PAWL_KIND_GLOBAL) {
        *out = pawl_item(id, 1); /* its source text was for comparing only */
        return 0;
    }
    return storage_of(load, id, out, err);
}

static int call(void *ctx, const struct pawl_value *callable,
                const struct pawl_value *args, struct pawl_value **out,
                struct pawl_error *err)
{
    struct legacy_load *load = ctx;
    return pawl_torch_call(&load->table, callable, args, out, err);
}

/* ---- the pickles before the object ------------------------------------- */

static bool is_magic(const struct pawl_value *value)
{
    size_t len = 0;
    const void *digits = pawl_get_bigint(value, &len);
    return digits != NULL && len == sizeof(magic) &&
           memcmp(digits, magic, sizeof(magic)) == 0;
}

static int malformed(struct pawl_error *err, const char *what)
{
    return pawl_fail(err, PAWL_EFORMAT, 0, "%s", what);
}

static int read_head(struct legacy_load *load, struct pawl_pickle_input *in,
                     struct pawl_error *err)
{
    struct pawl_value *value = NULL;
    int64_t version = 0;
    int rc = pawl_pickle_read(&value, load->state, in, NULL, err);
    if (rc == 0 && !is_magic(value)) {
        rc = malformed(err, "it does not begin as a torch file");
    }
    if (rc == 0) {
        rc = pawl_pickle_read(&value, load->state, in, NULL, err);
    }
    if (rc == 0 && (!pawl_get_int(value, &version) || version != VERSION)) {
        rc = pawl_fail(err, PAWL_ENOTSUP, 0, "an unknown version");
    }
    if (rc == 0) {
        rc = pawl_pickle_read(&value, load->state, in, NULL, err);
    }
    if (rc < 0) {
        return rc;
    }
    const struct pawl_value *little = pawl_lookup(value, "little_endian");
    if (pawl_value_kind(little) != PAWL_KIND_BOOL) {
        return malformed(err, "it does not tell its byte order");
    }
    if (!pawl_get_bool(little)) {
        return pawl_fail(err, PAWL_ENOTSUP, 0,
                         "it was written on a big-endian machine");
    }
    return 0;
}

/* ---- places ------------------------------------------------------------ */

/* Gives the storage of `key` the place `*at`, and moves that behind it. */
static int place(struct legacy_load *load, const struct pawl_value *key,
                 uint64_t *at, struct pawl_error *err)
{
    struct pawl_torch_entry *entry =
        pawl_get_str(key, NULL) == NULL
            ? NULL
            : pawl_torch_table_find(&load->table, key);
    struct legacy_storage *storage = entry == NULL ? NULL : entry->storage_ctx;
    if (storage == NULL || storage->root != NULL ||
        storage->count_offset != UINT64_MAX) {
        return malformed(err, "the list of storages is malformed");
    }
    uint64_t end;
    uint64_t len = entry->value->as.storage->len_bytes;
    if (!pawl_add_u64(*at, COUNT_SIZE, &end) || !pawl_add_u64(end, len, &end) ||
        end > load->file->source.size_bytes) {
        return pawl_fail(
            err, PAWL_EFORMAT, 0, "the file is cut short in storage '%s'",
            pawl_printable(key->as.text.data, key->as.text.len).text);
    }
    storage->count_offset = *at;
    *at = end;
    return 0;
}

static int place_all(struct legacy_load *load, const struct pawl_value *keys,
                     uint64_t at, struct pawl_error *err)
{
    if (pawl_value_kind(keys) != PAWL_KIND_LIST) {
        return malformed(err, "the list of storages is missing");
    }
    for (size_t i = 0; i < pawl_count(keys); i++) {
        int rc = place(load, pawl_item(keys, i), &at, err);
        if (rc < 0) {
            return rc;
        }
    }
    for (uint32_t i = 0; i < load->state->storage_count; i++) {
        const struct legacy_storage *storage =
            load->table.entries[i]->storage_ctx;
        if (storage->root == NULL && storage->count_offset == UINT64_MAX &&
            storage->storage->len_bytes > 0) {
            return malformed(err, "a storage is missing in the list of them");
        }
    }
    return 0;
}

/* ---- the whole --------------------------------------------------------- */

/* The names that torch 0.1 gave to the first member of its tar files. */
static bool begins_like_tar(const void *head, size_t len)
{
    static const char *const members[] = {"sys_info", "pickle", "tensors",
                                          "storages"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        size_t name_len = strlen(members[i]) + 1;
        if (len >= name_len && memcmp(head, members[i], name_len) == 0) {
            return true;
        }
    }
    return false;
}

static int refuse_tar(const struct pawl_source *source, struct pawl_error *err)
{
    uint8_t block[TAR_BLOCK] = {0};
    if (source->size_bytes < TAR_BLOCK) {
        return 0;
    }
    int rc = source->read(source->ctx, 0, block, TAR_BLOCK, err);
    if (rc == 0 && memcmp(block + TAR_MAGIC_AT, "ustar", 5) == 0) {
        return pawl_fail(err, PAWL_ENOTSUP, 0,
                         "a tar file of torch 0.1; load and save it with a "
                         "later torch");
    }
    return rc;
}

static int read_pickles(struct legacy_load *load, struct pawl_error *err)
{
    struct pawl_pickle_hooks hooks = {persistent, call, load};
    struct pawl_pickle_input in;
    struct pawl_value *root = NULL;
    struct pawl_value *keys = NULL;
    pawl_pickle_input_source(&in, &load->file->source, 0);
    int rc = read_head(load, &in, err);
    if (rc == 0) {
        rc = pawl_pickle_read(&root, load->state, &in, &hooks, err);
    }
    if (rc == 0) {
        rc = pawl_pickle_read(&keys, load->state, &in, NULL, err);
    }
    if (rc == 0) {
        rc = place_all(load, keys, pawl_pickle_tell(&in), err);
    }
    if (rc == 0) {
        rc = pawl_state_status(load->state, err);
    }
    pawl_pickle_input_fini(&in);
    if (rc == 0) {
        pawl_state_set_root(load->state, root);
    }
    return rc;
}

static int read_state(struct pawl_state *state, struct legacy_file *file,
                      struct pawl_error *err)
{
    struct legacy_load load = {.state = state, .file = file};
    struct pawl_torch_backing backing = {new_storage, &load, &storage_ops};
    pawl_torch_table_init(&load.table, state, &backing);
    int rc = refuse_tar(&file->source, err);
    if (rc == 0) {
        rc = read_pickles(&load, err);
    }
    if (rc == PAWL_EFORMAT || rc == PAWL_ENOTSUP) {
        pawl_error_prefix(err, "'%s'", file->source.name);
    }
    pawl_torch_table_fini(&load.table);
    return rc;
}

static void free_file(struct legacy_file *file)
{
    free((void *)(uintptr_t)file->source.name);
    free(file);
}

static void close_file(void *ctx)
{
    struct legacy_file *file = ctx;
    if (file->release != NULL) {
        file->release(file->source.ctx);
    }
    free_file(file);
}

static struct legacy_file *new_file(const struct pawl_source *source)
{
    struct legacy_file *file = calloc(1, sizeof(*file));
    if (file == NULL) {
        return NULL;
    }
    file->source = *source;
    file->source.name = strdup(source->name != NULL ? source->name : "?");
    if (file->source.name == NULL) {
        free(file);
        return NULL;
    }
    return file;
}

static int legacy_read(struct pawl_state **out,
                       const struct pawl_source *source,
                       void (*release)(void *ctx), struct pawl_error *err)
{
    struct pawl_state *state = pawl_state_new();
    struct legacy_file *file = new_file(source);
    int rc = state == NULL || file == NULL ? pawl_fail_nomem(err)
                                           : read_state(state, file, err);
    if (rc < 0) {
        pawl_state_free(state);
        if (file != NULL) {
            free_file(file);
        }
        return rc;
    }
    file->release = release;
    pawl_state_on_free(state, close_file, file);
    *out = state;
    return 0;
}

/* The first pickle lies within the head, whatever its protocol. */
static bool legacy_probe(const void *head, size_t len)
{
    struct pawl_pickle_input in;
    struct pawl_value *value = NULL;
    if (begins_like_tar(head, len)) {
        return true;
    }
    struct pawl_state *state = pawl_state_new();
    if (state == NULL) {
        return false;
    }
    pawl_pickle_input_memory(&in, head, len);
    bool ours = pawl_pickle_read(&value, state, &in, NULL, NULL) == 0 &&
                is_magic(value);
    pawl_state_free(state);
    return ours;
}

const struct pawl_format_ops pawl_format_torch_legacy = {
    .struct_size = sizeof(struct pawl_format_ops),
    .name = "torch-legacy",
    .probe = legacy_probe,
    .read = legacy_read,
};
