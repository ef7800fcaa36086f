/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_pickle_reader.c - any bytes as a pickle
 *
 * Read from memory and through a window it must give the same, up to the same
 * byte; and torch's hooks must make no tensor that leaves its storage.
 */
#include "format/pickle_reader.h"

#include "format/torch_rebuild.h"
#include "fuzz_target.h"
#include "state/value.h"

/* Every storage exists, of up to a megabyte. */
static int find(void *ctx, const char *key, size_t key_len, uint64_t len_bytes,
                void **storage_ctx, struct pawl_error *err)
{
    (void)ctx;
    (void)key;
    (void)key_len;
    *storage_ctx = NULL;
    return len_bytes <= 1 << 20
               ? 0
               : pawl_fail(err, PAWL_EFORMAT, 0, "a storage is too large");
}

static int read_nothing(void *ctx, uint64_t offset, void *dst, size_t len,
                        struct pawl_error *err)
{
    (void)ctx;
    (void)offset;
    (void)dst;
    (void)len;
    return pawl_fail(err, PAWL_EIO, 0, "there is no payload");
}

static const struct pawl_storage_ops storage_ops = {
    .struct_size = sizeof(struct pawl_storage_ops),
    .read = read_nothing,
};

struct result {
    int rc;
    uint64_t end;
    uint32_t value_count;
    enum pawl_kind kind;
};

static struct result read_pickle(struct pawl_pickle_input *in)
{
    struct pawl_state *state = pawl_state_new();
    struct pawl_torch_backing backing = {find, NULL, &storage_ops};
    struct pawl_torch_table table;
    struct pawl_pickle_hooks hooks = {pawl_torch_persistent, pawl_torch_call,
                                      &table};
    struct pawl_value *value = NULL;
    struct pawl_error err;
    struct result result = {0};
    if (state == NULL) {
        abort();
    }
    pawl_torch_table_init(&table, state, &backing);
    result.rc = pawl_pickle_read(&value, state, in, &hooks, &err);
    result.end = pawl_pickle_tell(in);
    result.value_count = pawl_state_value_count(state);
    result.kind = pawl_value_kind(value);
    if (result.rc == 0 && pawl_state_status(state, &err) < 0) {
        abort();
    }
    const struct pawl_tensor *tensor = pawl_get_tensor(value);
    if (tensor != NULL && pawl_tensor_check(tensor, &err) < 0) {
        abort();
    }
    pawl_torch_table_fini(&table);
    pawl_state_free(state);
    pawl_pickle_input_fini(in);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct fuzz_source fuzz;
    struct pawl_pickle_input in;
    pawl_pickle_input_memory(&in, data, len);
    struct result memory = read_pickle(&in);
    fuzz_source_init(&fuzz, data, len);
    pawl_pickle_input_source(&in, &fuzz.source, 0);
    struct result source = read_pickle(&in);
    if (memory.rc != source.rc || memory.kind != source.kind ||
        memory.value_count != source.value_count ||
        (memory.rc == 0 && memory.end != source.end)) {
        abort();
    }
    return 0;
}
