/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - see config.h
 *
 * The table `keys` is the whole list of what a config may hold: the parser
 * walks the user's object and looks each key up there.
 */
#include "engine/config.h"

#include "base/bytes.h"
#include "base/path.h"
#include "engine/file_image.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* A block below a page is a mistake; one above a GiB would be memory spent on
 * nothing. */
#define BLOCK_BYTES_MIN (UINT64_C(4) << 10)
#define BLOCK_BYTES_MAX (UINT64_C(1) << 30)
#define THREADS_MAX 64
/* So that milliseconds fit nanoseconds in an int64_t. */
#define TIMEOUT_MS_MAX (INT64_MAX / 1000000)

static int bad(struct pawl_error *err, const char *key, const char *what)
{
    return pawl_fail(err, PAWL_ECONFIG, 0, "config: '%s' must be %s", key,
                     what);
}

/* ---- values ------------------------------------------------------------ */

bool pawl_config_size(const char *text, uint64_t *out)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"kB", 1000},
        {"MB", 1000000},
        {"GB", 1000000000},
        {"TB", 1000000000000},
        {"KiB", UINT64_C(1) << 10},
        {"MiB", UINT64_C(1) << 20},
        {"GiB", UINT64_C(1) << 30},
        {"TiB", UINT64_C(1) << 40},
    };
    uint64_t number = 0;
    size_t digits = strspn(text, "0123456789");
    for (size_t i = 0; i < digits; i++) {
        if (!pawl_mul_u64(number, 10, &number) ||
            !pawl_add_u64(number, (uint64_t)(text[i] - '0'), &number)) {
            return false;
        }
    }
    const char *unit = text + digits;
    unit += strspn(unit, " ");
    for (size_t i = 0; digits > 0 && i < sizeof(units) / sizeof(*units); i++) {
        if (strcasecmp(unit, units[i].name) == 0) {
            return pawl_mul_u64(number, units[i].factor, out);
        }
    }
    return false;
}

static int take_string(void *field, const char *key, json_t *value,
                       struct pawl_error *err)
{
    const char *text = json_string_value(value);
    if (text == NULL || text[0] == '\0') {
        return bad(err, key, "a string that is not empty");
    }
    *(const char **)field = text;
    return 0;
}

static int take_bool(void *field, const char *key, json_t *value,
                     struct pawl_error *err)
{
    if (!json_is_boolean(value)) {
        return bad(err, key, "true or false");
    }
    *(bool *)field = json_is_true(value);
    return 0;
}

static int take_count(void *field, const char *key, json_t *value,
                      struct pawl_error *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return bad(err, key, "a whole number, 0 or more");
    }
    *(uint64_t *)field = (uint64_t)json_integer_value(value);
    return 0;
}

static int take_timeout(void *field, const char *key, json_t *value,
                        struct pawl_error *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > TIMEOUT_MS_MAX) {
        return bad(err, key, "a whole number of milliseconds, 0 or more");
    }
    *(uint64_t *)field = (uint64_t)json_integer_value(value);
    return 0;
}

static bool read_size(json_t *value, uint64_t *out)
{
    if (json_is_string(value)) {
        return pawl_config_size(json_string_value(value), out);
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return false;
    }
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static int take_size(void *field, const char *key, json_t *value,
                     struct pawl_error *err)
{
    return read_size(value, field)
               ? 0
               : bad(err, key, "a size in bytes, or like \"4MiB\"");
}

static int take_block(void *field, const char *key, json_t *value,
                      struct pawl_error *err)
{
    uint64_t size = 0;
    if (!read_size(value, &size) || size < BLOCK_BYTES_MIN ||
        size > BLOCK_BYTES_MAX) {
        return bad(err, key,
                   "a size between 4KiB and 1GiB, in bytes or as \"4MiB\"");
    }
    *(uint64_t *)field = size;
    return 0;
}

static int take_threads(void *field, const char *key, json_t *value,
                        struct pawl_error *err)
{
    json_int_t count = json_integer_value(value);
    if (!json_is_integer(value) || count < 1 || count > THREADS_MAX) {
        return bad(err, key, "a whole number from 1 to 64");
    }
    *(uint64_t *)field = (uint64_t)count;
    return 0;
}

static int take_nice(void *field, const char *key, json_t *value,
                     struct pawl_error *err)
{
    json_int_t nice = json_integer_value(value);
    if (!json_is_integer(value) || nice < 0 || nice > 19) {
        return bad(err, key, "a whole number from 0 to 19");
    }
    *(uint64_t *)field = (uint64_t)nice;
    return 0;
}

/* 0 or 1, as `value` is the first word or the second; else -1. */
static int which(json_t *value, const char *first, const char *second)
{
    const char *text = json_string_value(value);
    if (text == NULL) {
        return -1;
    }
    return strcmp(text, first) == 0 ? 0 : strcmp(text, second) == 0 ? 1 : -1;
}

static int take_verify(void *field, const char *key, json_t *value,
                       struct pawl_error *err)
{
    int word = which(value, "full", "size");
    if (word < 0) {
        return bad(err, key, "\"full\" or \"size\"");
    }
    *(enum pawl_verify *)field = (enum pawl_verify)word;
    return 0;
}

static int take_digest(void *field, const char *key, json_t *value,
                       struct pawl_error *err)
{
    int word = which(value, "none", "xxh3");
    if (word < 0) {
        return bad(err, key, "\"none\" or \"xxh3\"");
    }
    *(enum pawl_digest_kind *)field = (enum pawl_digest_kind)word;
    return 0;
}

static int take_when_full(void *field, const char *key, json_t *value,
                          struct pawl_error *err)
{
    int word = which(value, "wait", "skip");
    if (word < 0) {
        return bad(err, key, "\"wait\" or \"skip\"");
    }
    *(enum pawl_when_full *)field = (enum pawl_when_full)word;
    return 0;
}

static int take_layout(void *field, const char *key, json_t *value,
                       struct pawl_error *err)
{
    int word = which(value, "shared", "local");
    if (word < 0) {
        return bad(err, key, "\"shared\" or \"local\"");
    }
    *(enum pawl_ranks_layout *)field = (enum pawl_ranks_layout)word;
    return 0;
}

static int take_snapshot(void *field, const char *key, json_t *value,
                         struct pawl_error *err)
{
    int word = which(value, "copy", "lazy");
    if (word < 0) {
        return bad(err, key, "\"copy\" or \"lazy\"");
    }
    *(enum pawl_snapshot *)field = (enum pawl_snapshot)word;
    return 0;
}

/* Of the whole config, since it fills two fields. */
static int take_pinned(void *field, const char *key, json_t *value,
                       struct pawl_error *err)
{
    struct pawl_config *config = field;
    if (!json_is_array(value)) {
        return bad(err, key, "a list of tags");
    }
    size_t count = json_array_size(value);
    config->pinned = calloc(count + 1, sizeof(*config->pinned));
    if (config->pinned == NULL) {
        return pawl_fail_nomem(err);
    }
    for (size_t i = 0; i < count; i++) {
        const char *tag = json_string_value(json_array_get(value, i));
        if (tag == NULL || pawl_tag_check(tag, NULL) < 0) {
            return bad(err, key, "a list of tags");
        }
        config->pinned[config->pinned_count++] = tag;
    }
    return 0;
}

static int take_options(void *field, const char *key, json_t *value,
                        struct pawl_error *err)
{
    if (!json_is_object(value)) {
        return bad(err, key, "an object");
    }
    char *text = json_dumps(value, JSON_COMPACT);
    if (text == NULL) {
        return pawl_fail_nomem(err);
    }
    *(char **)field = text;
    return 0;
}

/* ---- keys -------------------------------------------------------------- */

static const struct key {
    const char *name;
    int (*take)(void *field, const char *key, json_t *value,
                struct pawl_error *err);
    size_t offset; /* of the field in struct pawl_config */
} keys[] = {
#define FIELD(name) offsetof(struct pawl_config, name)
    {"engine", take_string, FIELD(engine)},
    {"plugin", take_string, FIELD(plugin)},
    {"options", take_options, FIELD(options)},
    {"format", take_string, FIELD(format)},
    {"store", take_string, FIELD(store)},
    {"keep_last", take_count, FIELD(keep_last)},
    {"keep_every", take_count, FIELD(keep_every)},
    {"pinned", take_pinned, 0},
    {"verify", take_verify, FIELD(verify)},
    {"digest", take_digest, FIELD(digest)},
    {"durable", take_bool, FIELD(durable)},
    {"recycle", take_bool, FIELD(recycle)},
    {"block_bytes", take_block, FIELD(block_bytes)},
    {"open_timeout_ms", take_timeout, FIELD(open_timeout_ms)},
    {"close_timeout_ms", take_timeout, FIELD(close_timeout_ms)},
    {"rank_timeout_ms", take_timeout, FIELD(rank_timeout_ms)},
    {"layout", take_layout, FIELD(layout)},
    {"staging_bytes", take_size, FIELD(staging_bytes)},
    {"write_threads", take_threads, FIELD(write_threads)},
    {"write_timeout_ms", take_timeout, FIELD(write_timeout_ms)},
    {"max_bytes_per_second", take_size, FIELD(max_bytes_per_second)},
    {"nice", take_nice, FIELD(nice)},
    {"direct_io", take_bool, FIELD(direct_io)},
    {"hugetlb", take_bool, FIELD(hugetlb)},
    {"prefault", take_bool, FIELD(prefault)},
    {"read_threads", take_threads, FIELD(read_threads)},
    {"load_cache_bytes", take_size, FIELD(load_cache_bytes)},
    {"max_pending", take_threads, FIELD(max_pending)},
    {"when_full", take_when_full, FIELD(when_full)},
    {"snapshot", take_snapshot, FIELD(snapshot)},
    {"check_snapshots", take_bool, FIELD(check_snapshots)},
#undef FIELD
};
#define KEY_COUNT (sizeof(keys) / sizeof(*keys))

#define DISTANCE_MAX 63 /* of a longer word only the beginning is compared */

/* How many letters must be added, dropped or changed to get from `a` to `b`:
 * Levenshtein's distance, one row of the table at a time. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[DISTANCE_MAX + 1];
    size_t a_len = strnlen(a, DISTANCE_MAX);
    size_t b_len = strnlen(b, DISTANCE_MAX);
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < best ? change : best;
        }
    }
    return row[b_len];
}

static int unknown_key(struct pawl_error *err, const char *name)
{
    const char *nearest = keys[0].name;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        size_t distance = edit_distance(name, keys[i].name);
        if (distance < least) {
            least = distance;
            nearest = keys[i].name;
        }
    }
    return pawl_fail(err, PAWL_ECONFIG, 0,
                     "config: unknown key '%s'; did you mean '%s'?", name,
                     nearest);
}

static int take(struct pawl_config *config, const char *name, json_t *value,
                struct pawl_error *err)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(name, keys[i].name) == 0) {
            void *field = (char *)config + keys[i].offset;
            return keys[i].take(field, name, value, err);
        }
    }
    return unknown_key(err, name);
}

static int take_all(struct pawl_config *config, struct pawl_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(config->json, name, value)
    {
        int rc = take(config, name, value, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (config->options == NULL) {
        config->options = strdup("{}");
    }
    return config->options == NULL ? pawl_fail_nomem(err) : 0;
}

/* Of the machine; 0 if it does not tell. */
static uint64_t memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    return pages <= 0 || page_bytes <= 0
               ? 0
               : (uint64_t)pages * (uint64_t)page_bytes;
}

/* An eighth of the machine's memory, so that eight ranks on a node fit when
 * their states do, but 64 MiB to 4 GiB. */
static uint64_t default_staging(void)
{
    uint64_t least = UINT64_C(64) << 20;
    uint64_t most = UINT64_C(4) << 30;
    uint64_t share = memory_bytes() / 8;
    return share < least ? least : share > most ? most : share;
}

int pawl_config_parse(struct pawl_config *out, const char *json,
                      struct pawl_error *err)
{
    struct pawl_config config = {
        .engine = "async",
        .store = "file",
        .format = "torch",
        .verify = PAWL_VERIFY_FULL,
        .durable = true,
        .block_bytes = UINT64_C(16) << 20,
        .open_timeout_ms = 60000,
        .close_timeout_ms = 60000,
        .rank_timeout_ms = 300000,
        .staging_bytes = default_staging(),
        .write_threads = 4,
        .direct_io = true,
        .write_timeout_ms = 600000,
        .nice = 5,
        .max_pending = 1,
        .read_threads = PAWL_READ_THREADS,
        .load_cache_bytes = memory_bytes() / 4,
    };
    json_error_t cause;
    bool is_empty = json == NULL || json[0] == '\0';
    config.json =
        json_loads(is_empty ? "{}" : json, JSON_REJECT_DUPLICATES, &cause);
    if (config.json == NULL) {
        return pawl_fail(err, PAWL_ECONFIG, 0, "config: line %d, column %d: %s",
                         cause.line, cause.column, cause.text);
    }
    int rc = 0;
    if (!json_is_object(config.json)) {
        rc = pawl_fail(err, PAWL_ECONFIG, 0, "config: not a JSON object");
    } else {
        rc = take_all(&config, err);
    }
    if (rc < 0) {
        pawl_config_fini(&config);
        return rc;
    }
    *out = config;
    return 0;
}

void pawl_config_fini(struct pawl_config *config)
{
    free(config->options);
    free(config->pinned);
    json_decref(config->json);
    *config = (struct pawl_config){0};
}

bool pawl_config_is_pinned(const struct pawl_config *config, const char *tag)
{
    for (size_t i = 0; i < config->pinned_count; i++) {
        if (strcmp(config->pinned[i], tag) == 0) {
            return true;
        }
    }
    return false;
}
