/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reading.h - a checkpoint between open and close, and loads in and out of it
 *
 * The half of every built-in engine that reads.  Calls come checked and in
 * order (contract.h); load may run in any number of threads meanwhile.
 */
#ifndef PAWL_ENGINE_READING_H
#define PAWL_ENGINE_READING_H

#include "engine/image_cache.h"
#include "engine/manifest.h"
#include "engine/setup.h"
#include "engine/state_file.h"
#include "engine/verify.h"

#include <pthread.h>

struct pawl_reading {
    const struct pawl_engine_setup *setup; /* borrowed */
    struct pawl_formats formats;
    uint64_t token;          /* of the engine: see owner.h */
    uint64_t opens;          /* tried so far; the opening thread's */
    struct pawl_share share; /* of what is opened; the opening thread's */
    bool is_alone;           /* no checkpoint is under way; likewise */
    struct pawl_image_options images;
    struct pawl_image_cache cache; /* of the open checkpoint */
    /* What load may look at while another thread opens or closes; the lock is
     * never held over I/O. */
    struct {
        pthread_mutex_t lock;
        char *dir; /* load_dir/tag; NULL: none is open */
        bool is_signed;
        bool is_proven; /* every byte of our share was verified */
        struct pawl_share share;
        struct pawl_manifest manifest;
    } locked;
};

void pawl_reading_init(struct pawl_reading *reading,
                       const struct pawl_engine_setup *setup, uint64_t token);
void pawl_reading_fini(struct pawl_reading *reading);

/* These three: as the calls of struct pawl_engine_ops.  `is_alone`: the engine
 * has no checkpoint under way. */
int pawl_reading_open(struct pawl_reading *reading, bool is_alone,
                      const char *load_dir, const char *tag,
                      char tag_out[PAWL_TAG_MAX + 1], struct pawl_error *err);
int pawl_reading_load(struct pawl_reading *reading, const char *path,
                      unsigned flags, struct pawl_state **out,
                      struct pawl_error *err);
void pawl_reading_close(struct pawl_reading *reading);

/* The tag that is open in `save_dir`, allocated, or NULL. */
char *pawl_reading_opened(struct pawl_reading *reading, const char *save_dir);

#endif
