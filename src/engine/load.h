/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.h - one file into a state, every byte verified
 *
 * A file in a checkpoint is held against the checkpoint's manifest, which is
 * looked for beside the file and in the directories above it; the nearest one
 * decides, and says nothing of a file that it does not name.  Then, and for
 * files without a manifest, the format's own checksums are what there is.
 */
#ifndef PAWL_ENGINE_LOAD_H
#define PAWL_ENGINE_LOAD_H

#include "engine/image_cache.h"
#include "engine/manifest.h"
#include "engine/state_file.h"

struct pawl_loading {
    struct pawl_place *place;
    const struct pawl_formats *formats;
    size_t block_bytes;
    const char *path; /* absolute */
    unsigned flags;   /* PAWL_LOAD_* */
    /* What the manifest of an open checkpoint says of the file, or NULL: then
     * a manifest is looked for. */
    const struct pawl_manifest_file *expected;
    bool is_proven; /* its checksum was compared since the open */
    /* How to read the whole of it at once into memory where the tensors then
     * lie; NULL: storage by storage. */
    const struct pawl_image_options *images;
    struct pawl_image_cache *cache; /* or NULL */
    uint64_t cache_generation;      /* before `expected` was looked up */
};

/* Reads the file.  A lazy load does not read all of it to compare its checksum
 * with the manifest (but with PAWL_LOAD_VERIFY).  It compares the one that it
 * must have by its zip directory: another file is noticed; also after the open
 * that read it all, since it reads another time.  Each storage's own checksum
 * is compared when it is read.  Files of a format without such (all but torch's
 * zip) are read all the same.  `size_out` gets the file's size.  PAWL_ENOENT,
 * PAWL_EFORMAT, PAWL_ECORRUPT, and what the store says. */
int pawl_load_file(struct pawl_state **out, const struct pawl_loading *how,
                   uint64_t *size_out, struct pawl_error *err);

#endif
