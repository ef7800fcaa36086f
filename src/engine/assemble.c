/* SPDX-License-Identifier: Apache-2.0 */
/* assemble.c - see assemble.h. */
#include "engine/assemble.h"

#include "base/error.h"
#include "base/strmap.h"

#include <string.h>

/* Adds the files of one rank. */
static int add_rank(struct pawl_manifest *manifest, uint32_t rank,
                    const struct pawl_buffer *text, struct pawl_error *err)
{
    struct pawl_manifest theirs = {0};
    int rc = pawl_manifest_parse(&theirs, text->data, text->len, err);
    if (rc == 0 && strcmp(theirs.tag, manifest->tag) != 0) {
        rc = pawl_fail(err, PAWL_EINVAL, 0, "it commits '%s', not '%s'",
                       theirs.tag, manifest->tag);
    }
    for (size_t i = 0; i < theirs.count; i++) {
        theirs.files[i].rank = rank;
    }
    if (rc == 0) {
        rc = pawl_manifest_move(manifest, &theirs, err);
    }
    pawl_manifest_fini(&theirs);
    if (rc < 0) {
        pawl_error_prefix(err, "rank %u", rank);
    }
    return rc;
}

static int check_unique(const struct pawl_manifest *manifest,
                        struct pawl_error *err)
{
    struct pawl_strmap seen = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < manifest->count; i++) {
        struct pawl_manifest_file *file = &manifest->files[i];
        size_t len = strlen(file->path);
        const struct pawl_manifest_file *other =
            pawl_strmap_get(&seen, file->path, len);
        if (other != NULL) {
            rc = pawl_fail(err, PAWL_EINVAL, 0,
                           "ranks %u and %u both saved '%s'", other->rank,
                           file->rank, file->path);
        } else if (!pawl_strmap_put(&seen, file->path, len, file)) {
            rc = pawl_fail_nomem(err);
        }
    }
    pawl_strmap_fini(&seen);
    return rc;
}

int pawl_assemble(struct pawl_manifest *manifest,
                  const struct pawl_comm_parts *texts, struct pawl_error *err)
{
    int rc = 0;
    for (uint32_t rank = 0; rc == 0 && rank < texts->count; rank++) {
        const struct pawl_buffer *text = &texts->of_rank[rank];
        rc = text->len == 0 ? 0 : add_rank(manifest, rank, text, err);
    }
    return rc < 0 ? rc : check_unique(manifest, err);
}
