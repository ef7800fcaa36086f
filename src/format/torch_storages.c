/* SPDX-License-Identifier: Apache-2.0 */
/* torch_storages.c - the table of storages of torch_rebuild.h. */
#include "base/bytes.h"
#include "format/printable.h"
#include "format/torch_rebuild.h"
#include "state/value.h"

#include <stdlib.h>

void pawl_torch_table_init(struct pawl_torch_table *table,
                           struct pawl_state *state,
                           const struct pawl_torch_backing *backing)
{
    *table = (struct pawl_torch_table){.state = state, .backing = *backing};
}

void pawl_torch_table_fini(struct pawl_torch_table *table)
{
    pawl_strmap_fini(&table->by_key);
    free(table->entries);
    *table = (struct pawl_torch_table){0};
}

struct pawl_torch_entry *
pawl_torch_table_find(const struct pawl_torch_table *table,
                      const struct pawl_value *key)
{
    return pawl_strmap_get(&table->by_key, key->as.text.data, key->as.text.len);
}

/* ---- persistent ids ---------------------------------------------------- */

/* torch's loader goes by the name and leaves the module alone ("torch",
 * "torch.cuda" in old files, "torch.storage"). */
static int storage_dtype(const struct pawl_value *cls, enum pawl_dtype *out,
                         struct pawl_error *err)
{
    const char *name = pawl_global_name(cls);
    if (name == NULL) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "a storage without a class");
    }
    if (strcmp(name, "UntypedStorage") == 0 ||
        strcmp(name, "_UntypedStorage") == 0) {
        *out = PAWL_UNTYPED;
        return 0;
    }
    int dtype = pawl_dtype_from_storage_class(name);
    if (dtype < 0) {
        return pawl_fail(err, PAWL_ENOTSUP, 0, "storages of class '%s'",
                         pawl_printable(name, strlen(name)).text);
    }
    *out = (enum pawl_dtype)dtype;
    return 0;
}

int pawl_torch_parse_id(struct pawl_torch_id *out, const struct pawl_value *id,
                        struct pawl_error *err)
{
    int64_t numel = 0;
    const char *kind = pawl_get_str(pawl_item(id, 0), NULL);
    size_t location_len = 0;
    if (pawl_value_kind(id) != PAWL_KIND_TUPLE || pawl_count(id) < 5 ||
        kind == NULL || strcmp(kind, "storage") != 0) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "a persistent id that names no storage");
    }
    out->key = pawl_item(id, 2);
    out->location = pawl_item(id, 3);
    const char *location = pawl_get_str(out->location, &location_len);
    if (pawl_get_str(out->key, NULL) == NULL || location == NULL ||
        strlen(location) != location_len ||
        !pawl_get_int(pawl_item(id, 4), &numel) || numel < 0) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "a malformed storage id");
    }
    int rc = storage_dtype(pawl_item(id, 1), &out->dtype, err);
    if (rc < 0) {
        return rc;
    }
    out->numel = (uint64_t)numel;
    if (!pawl_mul_u64(out->numel, pawl_dtype_size(out->dtype),
                      &out->len_bytes)) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "the size of a storage overflows");
    }
    return 0;
}

/* ---- entries ----------------------------------------------------------- */

static bool reserve(struct pawl_torch_table *table, size_t id)
{
    size_t larger = table->capacity == 0 ? 64 : table->capacity * 2;
    if (id < table->capacity) {
        return true;
    }
    struct pawl_torch_entry **grown =
        realloc(table->entries, larger * sizeof(struct pawl_torch_entry *));
    if (grown == NULL) {
        return false;
    }
    table->entries = grown;
    table->capacity = larger;
    return true;
}

/* The same key again: torch writes one type for one storage, but bytes may
 * also go by the untyped class, and an empty storage by any. */
static bool same_storage(const struct pawl_storage *storage,
                         const struct pawl_torch_id *id)
{
    enum pawl_dtype have = storage->dtype;
    bool bytes = (have == PAWL_UINT8 || have == PAWL_UNTYPED) &&
                 (id->dtype == PAWL_UINT8 || id->dtype == PAWL_UNTYPED);
    return storage->len_bytes == id->len_bytes && (have == id->dtype || bytes);
}

static int new_entry(struct pawl_torch_table *table,
                     const struct pawl_torch_id *id,
                     struct pawl_torch_entry **out, struct pawl_error *err)
{
    const char *key = id->key->as.text.data;
    size_t key_len = id->key->as.text.len;
    struct pawl_torch_entry *entry =
        pawl_arena_alloc(&table->state->arena, sizeof(*entry));
    if (entry == NULL || !reserve(table, table->state->storage_count)) {
        return pawl_fail_nomem(err);
    }
    int rc = table->backing.find(table->backing.ctx, key, key_len,
                                 id->len_bytes, &entry->storage_ctx, err);
    if (rc < 0) {
        return rc;
    }
    struct pawl_storage *storage =
        pawl_storage_lazy(table->state, id->dtype, id->len_bytes,
                          table->backing.ops, entry->storage_ctx);
    entry->value = pawl_storage_value(storage);
    if (entry->value == NULL ||
        !pawl_strmap_put(&table->by_key, key, key_len, entry)) {
        return pawl_fail_nomem(err);
    }
    /* The text lies in the state already. */
    storage->location = id->location->as.text.data;
    table->entries[storage->id] = entry;
    *out = entry;
    return 0;
}

int pawl_torch_table_add(struct pawl_torch_table *table,
                         const struct pawl_torch_id *id,
                         struct pawl_torch_entry **out, struct pawl_error *err)
{
    struct pawl_torch_entry *entry = pawl_torch_table_find(table, id->key);
    if (entry != NULL && same_storage(entry->value->as.storage, id)) {
        *out = entry;
        return 0;
    }
    if (entry != NULL &&
        (id->len_bytes > 0 || entry->value->as.storage->len_bytes > 0)) {
        return pawl_fail(
            err, PAWL_EFORMAT, 0, "storage '%s' has two types or sizes",
            pawl_printable(id->key->as.text.data, id->key->as.text.len).text);
    }
    return new_entry(table, id, out, err);
}

int pawl_torch_persistent(void *ctx, struct pawl_value *id,
                          struct pawl_value **out, struct pawl_error *err)
{
    struct pawl_torch_id parsed;
    struct pawl_torch_entry *entry = NULL;
    int rc = pawl_torch_parse_id(&parsed, id, err);
    if (rc == 0 && pawl_count(id) != 5) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "a malformed storage id");
    }
    if (rc == 0) {
        rc = pawl_torch_table_add(ctx, &parsed, &entry, err);
    }
    if (rc == 0) {
        *out = entry->value;
    }
    return rc;
}
