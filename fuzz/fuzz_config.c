/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_config.c - any text as a config
 *
 * What is accepted must be within the limits of docs/config.md, and must come
 * out the same when it is written as JSON and read again.
 */
#include "engine/config.h"

#include <jansson.h>

#include "fuzz_target.h"

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void check(const struct pawl_config *config)
{
    json_t *options = json_loads(config->options, 0, NULL);
    must(json_is_object(options));
    json_decref(options);
    must(config->engine != NULL && config->store != NULL &&
         config->format != NULL);
    must(config->block_bytes >= 4096 && config->block_bytes <= 1 << 30);
    must(config->write_threads >= 1 && config->write_threads <= 64);
    must(config->read_threads >= 1 && config->read_threads <= 64);
    must(config->max_pending >= 1 && config->max_pending <= 64);
    must(config->nice <= 19);
    for (size_t i = 0; i < config->pinned_count; i++) {
        must(pawl_config_is_pinned(config, config->pinned[i]));
    }
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void compare(const struct pawl_config *a, const struct pawl_config *b)
{
    must(same_text(a->engine, b->engine) && same_text(a->store, b->store) &&
         same_text(a->plugin, b->plugin) && same_text(a->format, b->format));
    must(json_equal(a->json, b->json) && a->pinned_count == b->pinned_count);
    must(a->keep_last == b->keep_last && a->keep_every == b->keep_every &&
         a->verify == b->verify && a->durable == b->durable &&
         a->recycle == b->recycle && a->block_bytes == b->block_bytes);
    must(a->open_timeout_ms == b->open_timeout_ms &&
         a->close_timeout_ms == b->close_timeout_ms &&
         a->rank_timeout_ms == b->rank_timeout_ms &&
         a->write_timeout_ms == b->write_timeout_ms);
    must(a->staging_bytes == b->staging_bytes &&
         a->max_bytes_per_second == b->max_bytes_per_second &&
         a->load_cache_bytes == b->load_cache_bytes &&
         a->write_threads == b->write_threads &&
         a->read_threads == b->read_threads && a->nice == b->nice);
    must(a->direct_io == b->direct_io && a->hugetlb == b->hugetlb &&
         a->prefault == b->prefault && a->max_pending == b->max_pending &&
         a->when_full == b->when_full && a->snapshot == b->snapshot &&
         a->check_snapshots == b->check_snapshots);
}

static void write_and_read(const struct pawl_config *config)
{
    struct pawl_config again = {0};
    char *text = json_dumps(config->json, JSON_COMPACT);
    must(text != NULL && pawl_config_parse(&again, text, NULL) == 0);
    compare(config, &again);
    pawl_config_fini(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pawl_config config = {0};
    struct pawl_error err = {0};
    uint64_t size = 0;
    char *text = malloc(len + 1);
    must(text != NULL);
    if (len > 0) {
        memcpy(text, data, len);
    }
    text[len] = '\0';
    pawl_config_size(text, &size);
    int rc = pawl_config_parse(&config, text, &err);
    if (rc == 0) {
        check(&config);
        write_and_read(&config);
    } else {
        must(rc == PAWL_ECONFIG && rc == err.code && err.message[0] != '\0');
    }
    pawl_config_fini(&config);
    free(text);
    return 0;
}
