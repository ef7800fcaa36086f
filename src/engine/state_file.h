/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_file.h - a file of a store, open for reading, and the state in it
 *
 * The file has a store of its own and keeps its place alive, so that a state
 * that was loaded lazily can read after the engine is gone; or it is the image
 * of one, in memory.
 */
#ifndef PAWL_ENGINE_STATE_FILE_H
#define PAWL_ENGINE_STATE_FILE_H

#include "engine/file_image.h"
#include "engine/place.h"

#include <pawl/plugin.h>

/* What a file may be, in the order in which they are tried; the first is the
 * one that is written. */
#define PAWL_FORMATS_MAX 4
struct pawl_formats {
    const struct pawl_format_ops *list[PAWL_FORMATS_MAX];
    size_t count;
};

/* `first` (may be NULL: torch's), then all that Pawl can read. */
void pawl_formats_init(struct pawl_formats *formats,
                       const struct pawl_format_ops *first);

struct pawl_state_file {
    struct pawl_place *place; /* a reference */
    struct pawl_store store;
    struct pawl_object_handle object;
    struct pawl_file_image *image; /* instead of all these, or beside them */
    struct pawl_source source;     /* reads the object, or the image */
    char *name;                    /* owned; for messages */
};

/* Opens file `name` below the absolute directory `dir`; `mode` is
 * PAWL_STORE_READ, with PAWL_STORE_DIRECT if all of it will be read.
 * PAWL_ENOENT, and what the store says. */
int pawl_state_file_open(struct pawl_state_file **out, struct pawl_place *place,
                         const char *dir, const char *name,
                         enum pawl_store_mode mode, struct pawl_error *err);
/* The file at `path` in memory.  Takes the image over, also on failure: its
 * memory is the state's.  `is_proven`: its checksum was compared.
 * PAWL_ENOMEM. */
int pawl_state_file_of_image(struct pawl_state_file **out, const char *path,
                             struct pawl_file_image *image, bool is_proven,
                             struct pawl_error *err);
/* Maps an open file: storages can lie in the mapping.  What is read is still
 * read from the file, since a fault in a mapping makes the system read far
 * ahead.  PAWL_ENOTSUP, PAWL_ENOMEM. */
int pawl_state_file_map(struct pawl_state_file *file, struct pawl_error *err);
/* Closes what is open of a mapped file; the mapping remains, and is what reads
 * come from. */
void pawl_state_file_leave(struct pawl_state_file *file);

/* NULL is fine. */
void pawl_state_file_close(struct pawl_state_file *file);

/* The format that the file begins like, or NULL; a file that cannot be read is
 * an error. */
int pawl_state_file_probe(const struct pawl_format_ops **out,
                          struct pawl_state_file *file,
                          const struct pawl_formats *formats,
                          struct pawl_error *err);

/* Reads the structure.  Takes the file over, also on failure: it is closed
 * when the state is freed.  PAWL_EFORMAT, PAWL_ECORRUPT, ... */
int pawl_state_file_read(struct pawl_state **out, struct pawl_state_file *file,
                         const struct pawl_format_ops *format,
                         struct pawl_error *err);

#endif
