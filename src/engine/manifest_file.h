/* SPDX-License-Identifier: Apache-2.0 */
/* manifest_file.h - manifests in a store: directory `dir` ("": the root)
 * holds pawl.json. */
#ifndef PAWL_ENGINE_MANIFEST_FILE_H
#define PAWL_ENGINE_MANIFEST_FILE_H

#include "engine/manifest.h"
#include "store/store.h"

/* PAWL_ENOENT: there is none.  PAWL_EFORMAT, PAWL_ECORRUPT, PAWL_ENOTSUP: there
 * is one that cannot be used (messages name the directory).  Else what the
 * store says. */
int pawl_manifest_read(struct pawl_manifest *out, struct pawl_store *store,
                       const char *dir, struct pawl_error *err);

int pawl_manifest_write(const struct pawl_manifest *manifest,
                        struct pawl_store *store, const char *dir, bool durable,
                        struct pawl_error *err);

/* "dir/pawl.json" to `out`. */
int pawl_manifest_name(char **out, const char *dir, struct pawl_error *err);

#endif
