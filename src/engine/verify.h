/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h - whether a checkpoint is whole
 *
 * Signed ones are held against their manifest, unsigned ones (no manifest:
 * others wrote them) against themselves: every torch file in them must parse,
 * and its records match their own checksums.
 */
#ifndef PAWL_ENGINE_VERIFY_H
#define PAWL_ENGINE_VERIFY_H

#include "engine/config.h"
#include "engine/image_cache.h"
#include "engine/manifest.h"
#include "engine/object.h"
#include "engine/state_file.h"

/* Several ranks verify a checkpoint together, each the files that it wrote, or
 * of as many when other ranks wrote it.  `ranks` 0 or 1: all of them. */
struct pawl_share {
    uint32_t rank;
    uint32_t ranks;
};

/* Whether file number `index` of `manifest` is for this share to verify. */
bool pawl_share_has(const struct pawl_share *share,
                    const struct pawl_manifest *manifest, size_t index);

struct pawl_verifier {
    struct pawl_place *place;
    const struct pawl_formats *formats;
    enum pawl_verify level;
    size_t block_bytes;
    /* As of struct pawl_loading: files are read so, and what the cache has
     * room for is kept. */
    const struct pawl_image_options *images;
    struct pawl_image_cache *cache;
    struct pawl_share share;
};

/* 0 if every file of the manifest, of our share, is in `dir` (absolute), as
 * long as it should be, and: at full level its bytes give the checksum; at size
 * level it parses. PAWL_ECORRUPT, PAWL_EFORMAT, PAWL_EIO, with the file and
 * what is wrong. */
int pawl_verify_signed(const struct pawl_verifier *verifier, const char *dir,
                       const struct pawl_manifest *manifest,
                       struct pawl_error *err);

/* 0 if `dir` has at least one torch file, and each one parses; at full level
 * every storage is read as well.  Of several ranks each looks at its share. */
int pawl_verify_unsigned(const struct pawl_verifier *verifier, const char *dir,
                         struct pawl_error *err);

/* Compares an open file with what its manifest says: the size, and the
 * checksum of all its bytes if `read_all`.  `listener` may be NULL. */
int pawl_verify_file(struct pawl_state_file *file,
                     const struct pawl_manifest_file *expected, bool read_all,
                     size_t block_bytes,
                     const struct pawl_object_listener *listener,
                     struct pawl_error *err);

/* Compares an open file of torch's zip format with what its manifest says: the
 * size, and the checksum that the file must have by its zip directory, if that
 * tells.  Reads no payload, and of an intact file the directory alone. */
int pawl_verify_directory(struct pawl_state_file *file,
                          const struct pawl_manifest_file *expected,
                          struct pawl_error *err);

/* Reads every storage of a state, one at a time, and drops it; checksums that
 * the file itself has are compared.  `listener`, unless it is NULL, hears of
 * each that was read.  PAWL_ECORRUPT, PAWL_ENOMEM, and what the store says. */
int pawl_verify_storages(struct pawl_state *state,
                         const struct pawl_object_listener *listener,
                         struct pawl_error *err);

/* Reads all of an open file, and compares it with what its manifest says if
 * `expected` is not NULL.  PAWL_ENOMEM: too large. */
int pawl_verify_image(struct pawl_file_image **out,
                      struct pawl_state_file *file,
                      const struct pawl_manifest_file *expected,
                      const struct pawl_image_options *options,
                      struct pawl_error *err);

#endif
