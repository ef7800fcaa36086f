/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spare.h - files of deleted checkpoints, to be written over by new ones
 *
 * Writing over blocks that a file has is faster than finding new ones, on
 * thinly provisioned disks about twice as fast.  With `recycle` in the config a
 * save_dir has a directory `.pawl/spare/`: deleting a checkpoint moves its
 * files there, as many as it has, and a new file begins as one of them.
 *
 * What is moved there was out of sight, durably, before (scrap.h): the bytes of
 * a checkpoint that can be found are never written over.  But a program that
 * holds such a file open or mapped sees the new bytes, where it would have gone
 * on seeing the old ones of a deleted file.  A file with another hard link is
 * not taken.
 *
 * Several engines may share the directory: taking is one rename.
 */
#ifndef PAWL_ENGINE_SPARE_H
#define PAWL_ENGINE_SPARE_H

#include "store/store.h"

/* Makes the directory; or deletes it with all that is in it. */
int pawl_spare_enable(struct pawl_store *store, struct pawl_error *err);
void pawl_spare_disable(struct pawl_store *store);

/* How many more files may go there so that there are at most `most`; 0 if
 * there is no such directory. */
size_t pawl_spare_room(struct pawl_store *store, size_t most);

/* Moves file `name` there. */
int pawl_spare_put(struct pawl_store *store, const char *name,
                   struct pawl_error *err);

/* Opens object `name` for `size_bytes` to be written, with PAWL_STORE_DIRECT or
 * 0 in `flags`: over the spare file that is nearest in size, if there is one,
 * else as a new one. */
int pawl_spare_create(struct pawl_store *store, const char *name,
                      unsigned flags, uint64_t size_bytes,
                      struct pawl_object_handle *out, struct pawl_error *err);

#endif
