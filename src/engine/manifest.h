/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.h - `<tag>/pawl.json`: what a checkpoint consists of
 *
 * Its presence is the commit.  It is JSON, UTF-8, version 1:
 *
 *     {
 *       "pawl_manifest": 1,
 *       "pawl_version": "0.1.0",
 *       "tag": "step-10",
 *       "sequence": 12,
 *       "created_unix_ms": 1764037018123,
 *       "world_size": 1,
 *       "files": [
 *         {"path": "model.pt", "size": 1843, "crc32": "0a1b2c3d", "rank": 0},
 *         {"path": "optim/rank0.pt", "size": 977, "crc32": "99c0ffee", "rank":
 * 0}
 *       ],
 *       "manifest_crc32": "5d1f00aa"
 *     }
 *
 *   tag              the name it was committed under (it may have been renamed
 *                    or copied since)
 *   sequence         1 for the first checkpoint of a save_dir, and one more
 *                    than the highest for each that follows: the order of
 *                    checkpoints, whatever the clock did
 *   created_unix_ms  when the commit began
 *   world_size       how many ranks took part
 *   part, parts      only with `"layout": "local"`: which part this is, from 0,
 *                    and of how many; the others lie on other nodes
 *   files            path below the tag's directory, bytes, the zip CRC-32 of
 *                    them all, and the rank that wrote it; if the config
 *                    says `"digest": "xxh3"` also "xxh3", which is explained
 *                    in base/digest.h
 *   manifest_crc32   the CRC-32 of every byte of this file before the line
 *                    that holds it; that line and "}" end the file
 *
 * A reader ignores keys it does not know, refuses a higher "pawl_manifest",
 * and trusts nothing: duplicate keys or paths, paths that are absolute or
 * climb, and files over 64 MiB are refused.
 */
#ifndef PAWL_ENGINE_MANIFEST_H
#define PAWL_ENGINE_MANIFEST_H

#include "base/bytes.h"
#include "base/digest.h"

#include <pawl/engine.h>

#define PAWL_MANIFEST_NAME "pawl.json"
#define PAWL_MANIFEST_MAX_BYTES ((size_t)64 << 20)
#define PAWL_MANIFEST_PATH_MAX 4000
/* Exact in a double, so that any JSON reader gets it right. */
#define PAWL_SEQUENCE_MAX (UINT64_C(1) << 53)

struct pawl_manifest_file {
    char *path; /* owned */
    uint64_t size_bytes;
    uint32_t crc32;
    uint32_t rank;
    struct pawl_digest digest; /* not known, as a rule */
};

/* Init with {0}, but for the numbers that are known. */
struct pawl_manifest {
    char tag[PAWL_TAG_MAX + 1];
    uint64_t sequence;
    uint64_t created_unix_ms;
    uint32_t world_size;
    uint32_t part;
    uint32_t parts; /* 0: it is all */
    struct pawl_manifest_file *files;
    size_t count;
    size_t capacity;
};

void pawl_manifest_fini(struct pawl_manifest *manifest);

/* Checks a path below the checkpoint: PAWL_EINVAL with what is wrong if it is
 * absolute, climbs, has an empty component or one over 255 bytes, is not
 * UTF-8, or is the manifest's own. */
int pawl_manifest_check_path(const char *path, struct pawl_error *err);

/* Adds a file, or replaces the entry of that path.  The path is copied.
 * PAWL_EINVAL, PAWL_ENOMEM. */
int pawl_manifest_add(struct pawl_manifest *manifest,
                      const struct pawl_manifest_file *file,
                      struct pawl_error *err);

/* Moves all files of `from` behind those of `to`, whatever paths are there
 * already.  PAWL_ENOMEM. */
int pawl_manifest_move(struct pawl_manifest *to, struct pawl_manifest *from,
                       struct pawl_error *err);

/* The file of that path, or NULL.  Linear. */
const struct pawl_manifest_file *
pawl_manifest_find(const struct pawl_manifest *manifest, const char *path);

/* Appends the text.  PAWL_EINVAL, PAWL_ENOMEM. */
int pawl_manifest_encode(const struct pawl_manifest *manifest,
                         struct pawl_buffer *out, struct pawl_error *err);

/* Reads a text that may be anything.  PAWL_EFORMAT (not a manifest),
 * PAWL_ECORRUPT (its checksum does not match), PAWL_ENOTSUP (of a later
 * version), PAWL_ENOMEM. */
int pawl_manifest_parse(struct pawl_manifest *out, const void *text,
                        size_t len_bytes, struct pawl_error *err);

#endif
