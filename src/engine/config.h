/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - an engine's config: the JSON of pawl_engine_new, checked
 *
 * docs/config.md is the user's page on the keys; a key that is added here is
 * added there.  Read-only once parsed, so any thread may look.
 */
#ifndef PAWL_ENGINE_CONFIG_H
#define PAWL_ENGINE_CONFIG_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pawl_verify {
    PAWL_VERIFY_FULL, /* every byte is read */
    PAWL_VERIFY_SIZE  /* sizes and structure only */
};

/* What the manifest says of each file, beside its CRC-32. */
enum pawl_digest_kind {
    PAWL_DIGEST_NONE,
    PAWL_DIGEST_XXH3 /* see base/digest.h */
};

/* What create does when `max_pending` commits are still being written. */
enum pawl_when_full {
    PAWL_WHEN_FULL_WAIT,
    PAWL_WHEN_FULL_SKIP /* the checkpoint is left out; status counts it */
};

/* Where several ranks save. */
enum pawl_ranks_layout {
    PAWL_LAYOUT_SHARED, /* all in one directory */
    PAWL_LAYOUT_LOCAL   /* the ranks of each node in its own */
};

/* When save of an asynchronous engine returns. */
enum pawl_snapshot {
    PAWL_SNAPSHOT_COPY, /* once the state is copied */
    PAWL_SNAPSHOT_LAZY  /* at once; the copy is over when fence returns */
};

struct json_t;

struct pawl_config {
    struct json_t *json; /* owned; the strings below lie in it */
    const char *engine;
    const char *plugin; /* NULL: none */
    const char *store;
    const char *format;
    char *options;       /* owned; a JSON object as text, "{}" if absent */
    uint64_t keep_last;  /* 0: all */
    uint64_t keep_every; /* 0: none is kept for its number */
    const char **pinned; /* owned array */
    size_t pinned_count;
    enum pawl_verify verify;
    enum pawl_digest_kind digest;
    bool durable;
    bool recycle; /* write new files over those that retention deletes */
    uint64_t block_bytes;
    uint64_t open_timeout_ms;
    uint64_t close_timeout_ms;
    uint64_t rank_timeout_ms; /* how long ranks wait for one another */
    enum pawl_ranks_layout layout;
    /* Of the engines that write in the background or in parallel. */
    uint64_t staging_bytes;
    uint64_t write_threads;
    uint64_t write_timeout_ms;
    uint64_t max_bytes_per_second; /* 0: as fast as it goes */
    uint64_t nice;                 /* of threads in the background, 0..19 */
    bool direct_io;                /* past the page cache where the store can */
    bool hugetlb;
    uint64_t read_threads;     /* reads in flight */
    uint64_t load_cache_bytes; /* of files kept from open to close */
    bool prefault;             /* touch all staging when the engine is made */
    uint64_t max_pending;
    enum pawl_when_full when_full;
    enum pawl_snapshot snapshot;
    bool check_snapshots; /* that no tensor changes before the fence */
};

/* Parses a JSON object; NULL and "" mean "{}".  Duplicate and unknown keys,
 * wrong types and values out of range are errors that name the key.
 * PAWL_ECONFIG, PAWL_ENOMEM. */
int pawl_config_parse(struct pawl_config *out, const char *json,
                      struct pawl_error *err);
/* A config that was not parsed, all zero, is fine. */
void pawl_config_fini(struct pawl_config *config);

/* Whether `tag` is on the list "pinned". */
bool pawl_config_is_pinned(const struct pawl_config *config, const char *tag);

/* "512", "1kB", "2GiB": a whole number and a unit, in any case; decimal with
 * kB MB GB TB, binary with KiB MiB GiB TiB.  False if it is none of these or
 * does not fit. */
bool pawl_config_size(const char *text, uint64_t *out);

#endif
