/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torch_reader.c - from the records of a zip file to a state
 *
 * data.pkl is read, verified and unpickled; a storage of key K is the record
 * data/K, which is found and measured at once, and read later.  The open zip
 * file belongs to the state from then on.
 */
#include "format/torch_reader.h"

#include "base/bytes.h"
#include "format/pickle_reader.h"
#include "format/printable.h"
#include "format/torch_rebuild.h"
#include "format/zip_reader.h"
#include "state/value.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SMALL_RECORD_MAX = 64,
    STORAGE_KEY_MAX = 200,
    VERSION_MAX = 10, /* what torch accepts */
    /* A pickle seldom deflates to less than a tenth. */
    PICKLE_RATIO_MAX = 64,
    PICKLE_FREE_BYTES = 64 << 20
};

/* What lazy storages read from, one for a state. */
struct torch_file {
    struct pawl_zip_reader *zip;
    void (*release)(void *ctx);
    void *release_ctx;
};

/* What one lazy storage reads. */
struct torch_storage {
    const struct pawl_zip_reader *zip;
    const struct pawl_zip_record *record;
    bool is_shared; /* another storage has that record */
};

enum { STORAGE_ALIGNMENT = 64 }; /* what torch writes, and vector code likes */

bool pawl_torch_probe(const void *head, size_t len)
{
    return len >= 4 && memcmp(head, "PK\3\4", 4) == 0;
}

/* ---- small records ----------------------------------------------------- */

static const struct pawl_zip_record *find(const struct pawl_zip_reader *zip,
                                          const char *name)
{
    return pawl_zip_find(zip, name, strlen(name));
}

static int fault(const struct pawl_zip_reader *zip,
                 const struct pawl_zip_record *record, int code,
                 const char *what, struct pawl_error *err)
{
    return pawl_zip_blame(zip, record, pawl_fail(err, code, 0, "%s", what),
                          err);
}

/* The text of a record of a few bytes. */
static int read_text(const struct pawl_zip_reader *zip,
                     const struct pawl_zip_record *record,
                     char text[SMALL_RECORD_MAX + 1], struct pawl_error *err)
{
    if (record->size_bytes > SMALL_RECORD_MAX) {
        return fault(zip, record, PAWL_EFORMAT, "it is too long", err);
    }
    size_t len = (size_t)record->size_bytes;
    text[len] = '\0';
    return pawl_zip_read(zip, record, 0, text, len, err);
}

static int check_version(const struct pawl_zip_reader *zip,
                         struct pawl_error *err)
{
    char text[SMALL_RECORD_MAX + 1] = "";
    const struct pawl_zip_record *record = find(zip, "version");
    if (record == NULL) {
        record = find(zip, ".data/version");
    }
    if (record == NULL) {
        return fault(zip, NULL, PAWL_EFORMAT,
                     "record 'version' is missing: no torch file", err);
    }
    int rc = read_text(zip, record, text, err);
    if (rc < 0) {
        return rc;
    }
    char *end = NULL;
    unsigned long version = strtoul(text, &end, 10);
    if (end == text || text[0] < '0' || text[0] > '9') {
        return fault(zip, record, PAWL_EFORMAT, "it holds no number", err);
    }
    if (version < 1 || version > VERSION_MAX) {
        return fault(zip, record, PAWL_ENOTSUP, "an unknown version", err);
    }
    return 0;
}

static int check_byteorder(const struct pawl_zip_reader *zip,
                           struct pawl_error *err)
{
    char text[SMALL_RECORD_MAX + 1];
    const struct pawl_zip_record *record = find(zip, "byteorder");
    if (record == NULL) {
        return 0; /* before torch 2.1: little */
    }
    int rc = read_text(zip, record, text, err);
    if (rc < 0 || strcmp(text, "little") == 0) {
        return rc;
    }
    if (strcmp(text, "big") == 0) {
        return fault(zip, record, PAWL_ENOTSUP,
                     "the file was written on a big-endian machine", err);
    }
    return fault(zip, record, PAWL_EFORMAT, "an unknown byte order", err);
}

/* ---- storages ---------------------------------------------------------- */

static int read_storage(void *ctx, uint64_t offset, void *dst, size_t len,
                        struct pawl_error *err)
{
    const struct torch_storage *storage = ctx;
    return pawl_zip_read(storage->zip, storage->record, offset, dst, len, err);
}

static int map_storage(void *ctx, void **out, struct pawl_error *err)
{
    const struct torch_storage *storage = ctx;
    void *memory = NULL;
    int rc = 0;
    if (!storage->is_shared) {
        rc = pawl_zip_map(storage->zip, storage->record, &memory, err);
    }
    bool is_aligned = (uintptr_t)memory % STORAGE_ALIGNMENT == 0;
    *out = is_aligned ? memory : NULL;
    return rc;
}

static const struct pawl_storage_ops storage_ops = {
    .struct_size = sizeof(struct pawl_storage_ops),
    .read = read_storage,
    .map = map_storage,
};

/* What finding needs. */
struct finder {
    const struct pawl_zip_reader *zip;
    struct pawl_state *state;
    size_t next; /* the record behind the one found last */
};

/* Storages mostly come in the order of their records. */
static const struct pawl_zip_record *
find_next(struct finder *finder, const char *name, size_t name_len)
{
    const struct pawl_zip_record *record =
        pawl_zip_at(finder->zip, finder->next);
    if (record == NULL || record->name_len != name_len ||
        memcmp(record->name, name, name_len) != 0) {
        record = pawl_zip_find(finder->zip, name, name_len);
    }
    if (record != NULL) {
        finder->next = (size_t)(record - pawl_zip_at(finder->zip, 0)) + 1;
    }
    return record;
}

static int find_storage(void *ctx, const char *key, size_t key_len,
                        uint64_t len_bytes, void **storage_ctx,
                        struct pawl_error *err)
{
    struct finder *finder = ctx;
    char name[STORAGE_KEY_MAX + sizeof("data/")] = "data/";
    if (key_len == 0 || key_len > STORAGE_KEY_MAX) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "the key of a storage is malformed");
    }
    memcpy(name + strlen("data/"), key, key_len);
    size_t name_len = strlen("data/") + key_len;
    const struct pawl_zip_record *record = find_next(finder, name, name_len);
    if (record == NULL && len_bytes == 0) {
        return 0;
    }
    if (record == NULL) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "record '%s' is missing",
                         pawl_printable(name, name_len).text);
    }
    /* torch reads past the end of a short one; of a long one, the beginning. */
    if (record->size_bytes < len_bytes) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "record '%s' has %llu bytes, its storage %llu",
                         pawl_printable(name, name_len).text,
                         (unsigned long long)record->size_bytes,
                         (unsigned long long)len_bytes);
    }
    struct torch_storage *storage =
        pawl_arena_alloc(&finder->state->arena, sizeof(*storage));
    if (storage == NULL) {
        return pawl_fail_nomem(err);
    }
    storage->zip = finder->zip;
    storage->record = record;
    storage->is_shared = !pawl_zip_claim(finder->zip, record);
    *storage_ctx = storage;
    return 0;
}

/* ---- data.pkl ---------------------------------------------------------- */

static int load_pickle(const struct pawl_zip_reader *zip,
                       const struct pawl_zip_record *record, uint8_t **out,
                       struct pawl_error *err)
{
    size_t len = 0;
    if (record->size_bytes > PICKLE_FREE_BYTES &&
        record->size_bytes / PICKLE_RATIO_MAX > record->stored_bytes) {
        return fault(zip, record, PAWL_EFORMAT,
                     "it grows too much when it is decompressed", err);
    }
    if (!pawl_to_size(record->size_bytes, &len)) {
        return pawl_fail_nomem(err);
    }
    uint8_t *data = malloc(len + 1);
    if (data == NULL) {
        return pawl_fail_nomem(err);
    }
    int rc = pawl_zip_read(zip, record, 0, data, len, err);
    if (rc < 0) {
        free(data);
        return rc;
    }
    *out = data;
    return 0;
}

static int unpickle(struct pawl_value **out, struct pawl_state *state,
                    const struct pawl_zip_reader *zip, struct pawl_error *err)
{
    struct finder finder = {zip, state, 0};
    struct pawl_torch_backing backing = {find_storage, &finder, &storage_ops};
    struct pawl_torch_table table;
    struct pawl_pickle_hooks hooks = {pawl_torch_persistent, pawl_torch_call,
                                      &table};
    struct pawl_pickle_input in;
    uint8_t *data = NULL;
    const struct pawl_zip_record *record = find(zip, "data.pkl");
    if (record == NULL) {
        return fault(zip, NULL, PAWL_EFORMAT,
                     "record 'data.pkl' is missing: no torch file", err);
    }
    int rc = load_pickle(zip, record, &data, err);
    if (rc < 0) {
        return rc;
    }
    pawl_torch_table_init(&table, state, &backing);
    pawl_pickle_input_memory(&in, data, (size_t)record->size_bytes);
    rc = pawl_pickle_read(out, state, &in, &hooks, err);
    pawl_zip_blame(zip, record, rc, err);
    pawl_torch_table_fini(&table);
    free(data);
    return rc;
}

/* ---- the whole --------------------------------------------------------- */

static int check_records(const struct pawl_zip_reader *zip,
                         struct pawl_error *err)
{
    if (find(zip, "constants.pkl") != NULL) {
        return fault(zip, NULL, PAWL_ENOTSUP,
                     "a TorchScript program, not a checkpoint", err);
    }
    int rc = check_version(zip, err);
    return rc < 0 ? rc : check_byteorder(zip, err);
}

static int read_state(struct pawl_state *state,
                      const struct pawl_zip_reader *zip, struct pawl_error *err)
{
    struct pawl_value *root = NULL;
    int rc = check_records(zip, err);
    if (rc == 0) {
        rc = unpickle(&root, state, zip, err);
    }
    if (rc == 0) {
        rc = pawl_state_status(state, err);
    }
    if (rc == 0) {
        pawl_state_set_root(state, root);
    }
    return rc;
}

static void close_file(void *ctx)
{
    struct torch_file *file = ctx;
    pawl_zip_reader_free(file->zip);
    if (file->release != NULL) {
        file->release(file->release_ctx);
    }
    free(file);
}

int pawl_torch_read(struct pawl_state **out, const struct pawl_source *source,
                    void (*release)(void *ctx), struct pawl_error *err)
{
    struct pawl_zip_reader *zip = NULL;
    struct pawl_state *state = pawl_state_new();
    struct torch_file *file = calloc(1, sizeof(*file));
    int rc = state == NULL || file == NULL
                 ? pawl_fail_nomem(err)
                 : pawl_zip_reader_open(&zip, source, err);
    if (rc == 0) {
        rc = read_state(state, zip, err);
    }
    if (rc < 0) {
        pawl_state_free(state);
        pawl_zip_reader_free(zip);
        free(file);
        return rc;
    }
    *file = (struct torch_file){zip, release, source->ctx};
    pawl_state_on_free(state, close_file, file);
    *out = state;
    return 0;
}
