/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.h - where an engine's stores come from
 *
 * A store is rooted at one directory; an engine works in several: the save_dir,
 * the load_dir, the directory of a single file.  A place makes stores by root:
 * on the file system, in the memory of the engine, or with a plugin's table.
 * Shared by the engine and by the states it loaded lazily, so it is counted.
 */
#ifndef PAWL_ENGINE_PLACE_H
#define PAWL_ENGINE_PLACE_H

#include "store/store.h"

struct pawl_place;

/* A place of its own for `store`: on the file system if that is NULL. */
int pawl_place_new(struct pawl_place **out, const struct pawl_store_ops *store,
                   const char *options_json, struct pawl_error *err);

/* In memory; what is there goes with the last reference. */
int pawl_place_new_memory(struct pawl_place **out, struct pawl_error *err);

/* Stores that `make(ctx)` makes; both are borrowed. */
int pawl_place_new_with(struct pawl_place **out,
                        int (*make)(void *ctx, struct pawl_store *out,
                                    const char *root, struct pawl_error *err),
                        void *ctx, struct pawl_error *err);

struct pawl_place *pawl_place_ref(struct pawl_place *place);
/* NULL is fine. */
void pawl_place_unref(struct pawl_place *place);

/* A store rooted at the absolute path `root`; end it with pawl_store_fini,
 * before the place.  Thread-safe. */
int pawl_place_store(struct pawl_store *out, struct pawl_place *place,
                     const char *root, struct pawl_error *err);

/* Makes the way to `root` durable, on a file system: the names of all
 * directories above it.  Whoever made one of them may have died before it was;
 * a power cut would then take `root` with all that is in it.  Done once for the
 * last root that was asked for.  What cannot be opened is passed over.
 * PAWL_EIO, PAWL_ENOMEM, and what the store says.  Thread-safe. */
int pawl_place_settle(struct pawl_place *place, const char *root,
                      struct pawl_error *err);

#endif
