/* SPDX-License-Identifier: Apache-2.0 */
/* publish.c - see publish.h. */
#include "engine/publish.h"

#include "base/error.h"
#include "engine/manifest_file.h"

/* The old checkpoint lies in `.pawl/` for a moment, so the names there must
 * not be lost: both directories are synced before the second rename. */
static int by_moving_aside(struct pawl_publish *publish, struct pawl_error *err)
{
    struct pawl_store *store = publish->merge.store;
    const struct pawl_layout *layout = publish->merge.layout;
    int rc = pawl_store_rename(store, layout->tag, layout->old, PAWL_RENAME_NEW,
                               err);
    if (rc < 0) {
        return rc;
    }
    publish->way = PAWL_PUBLISH_ASIDE;
    if (publish->merge.durable) {
        rc = pawl_store_sync(store, PAWL_WORK_DIR, err);
        if (rc == 0) {
            rc = pawl_store_sync(store, "", err);
        }
    }
    return rc < 0 ? rc
                  : pawl_store_rename(store, layout->part, layout->tag,
                                      PAWL_RENAME_NEW, err);
}

static int over_a_checkpoint(struct pawl_publish *publish,
                             struct pawl_error *err)
{
    const struct pawl_layout *layout = publish->merge.layout;
    int rc = pawl_store_rename(publish->merge.store, layout->part, layout->tag,
                               PAWL_RENAME_EXCHANGE, err);
    if (rc == 0) {
        publish->way = PAWL_PUBLISH_EXCHANGE;
        return 0;
    }
    return rc == PAWL_ENOTSUP ? by_moving_aside(publish, err) : rc;
}

static int into_a_directory(struct pawl_publish *publish,
                            struct pawl_error *err)
{
    const struct pawl_layout *layout = publish->merge.layout;
    int rc = pawl_store_rename(publish->merge.store, layout->part, layout->tag,
                               PAWL_RENAME_REPLACE, err);
    if (rc == 0) {
        publish->way = PAWL_PUBLISH_EMPTY;
        return 0;
    }
    if (rc != PAWL_EEXIST) {
        return rc;
    }
    publish->way = PAWL_PUBLISH_MERGE;
    rc = pawl_merge_begin(&publish->merge, err);
    return rc < 0 ? rc : pawl_merge_run(&publish->merge, err);
}

static int over_nothing(struct pawl_publish *publish, struct pawl_error *err)
{
    const struct pawl_layout *layout = publish->merge.layout;
    int rc = pawl_store_rename(publish->merge.store, layout->part, layout->tag,
                               PAWL_RENAME_NEW, err);
    if (rc == 0) {
        publish->way = PAWL_PUBLISH_NEW;
        return 0;
    }
    return rc == PAWL_EEXIST ? into_a_directory(publish, err) : rc;
}

/* Which of two checkpoints of a tag is the old one is told by their numbers, so
 * the new one's must be higher.  It is, unless the old one could not be read
 * when the number was chosen. */
static int check_older(const struct pawl_publish *publish,
                       const struct pawl_manifest *old, struct pawl_error *err)
{
    const struct pawl_manifest *staged = publish->merge.manifest;
    if (old->sequence < staged->sequence) {
        return 0;
    }
    return pawl_fail(err, PAWL_EACCES, 0,
                     "cannot replace checkpoint '%s': its manifest could not "
                     "be read before, and its number %llu is not below %llu",
                     publish->merge.layout->tag,
                     (unsigned long long)old->sequence,
                     (unsigned long long)staged->sequence);
}

int pawl_publish_run(struct pawl_publish *publish, struct pawl_error *err)
{
    struct pawl_manifest old = {0};
    publish->way = PAWL_PUBLISH_NONE;
    int rc = pawl_manifest_read(&old, publish->merge.store,
                                publish->merge.layout->tag, err);
    int older = rc == 0 ? check_older(publish, &old, err) : 0;
    pawl_manifest_fini(&old);
    switch (rc) {
    case 0:
        return older < 0 ? older : over_a_checkpoint(publish, err);
    case PAWL_ENOENT:
        return over_nothing(publish, err);
    case PAWL_EFORMAT:
    case PAWL_ECORRUPT:
        /* What a broken manifest named cannot be known, so nothing of it may
         * be deleted: as if it were not there. */
        return into_a_directory(publish, err);
    default:
        return rc;
    }
}

int pawl_publish_undo(struct pawl_publish *publish, struct pawl_error *err)
{
    struct pawl_store *store = publish->merge.store;
    const struct pawl_layout *layout = publish->merge.layout;
    int rc = 0;
    switch (publish->way) {
    case PAWL_PUBLISH_NONE:
        break;
    case PAWL_PUBLISH_NEW:
    case PAWL_PUBLISH_EMPTY:
        rc = pawl_store_rename(store, layout->tag, layout->part,
                               PAWL_RENAME_NEW, err);
        if (rc == 0 && publish->way == PAWL_PUBLISH_EMPTY) {
            rc = pawl_store_mkdir(store, layout->tag, err);
        }
        break;
    case PAWL_PUBLISH_EXCHANGE:
        rc = pawl_store_rename(store, layout->tag, layout->part,
                               PAWL_RENAME_EXCHANGE, err);
        break;
    case PAWL_PUBLISH_ASIDE:
        /* Whether the second rename was reached or not. */
        rc = pawl_store_rename(store, layout->tag, layout->part,
                               PAWL_RENAME_NEW, err);
        if (rc == 0 || rc == PAWL_ENOENT) {
            rc = pawl_store_rename(store, layout->old, layout->tag,
                                   PAWL_RENAME_NEW, err);
        }
        break;
    case PAWL_PUBLISH_MERGE:
        rc = pawl_merge_undo(&publish->merge, err);
        break;
    }
    if (rc == 0) {
        publish->way = PAWL_PUBLISH_NONE;
    }
    return rc;
}
