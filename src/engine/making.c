/* SPDX-License-Identifier: Apache-2.0 */
/* making.c - see making.h. */
#include "engine/making.h"

#include "base/path.h"
#include "engine/discover.h"
#include "engine/parts.h"
#include "engine/recovery.h"
#include "engine/retention.h"
#include "engine/spare.h"
#include "engine/together.h"

#include <stdlib.h>
#include <string.h>

static void end(struct pawl_making *making)
{
    pawl_store_fini(&making->store);
    free(making->save_dir);
    free(making->tag_dir);
    pawl_nodes_fini(&making->nodes);
    *making = (struct pawl_making){0};
}

/* That there is nothing to write over costs time, not a checkpoint. */
static void prepare_spares(struct pawl_making *making)
{
    struct pawl_error err;
    if (!making->setup->config->recycle) {
        pawl_spare_disable(&making->store);
    } else if (pawl_spare_enable(&making->store, &err) < 0) {
        pawl_log_line(making->setup->log, PAWL_LOG_WARNING,
                      "cannot recycle files: %s", err.message);
    }
}

int pawl_making_take(struct pawl_making *making, const char *tag, uint64_t *id,
                     struct pawl_error *err)
{
    struct pawl_recovery recovery = {
        .store = &making->store,
        .log = making->setup->log,
        .token = making->commit.token,
        .durable = making->commit.durable,
        .ours_too = making->commit.is_alone,
    };
    pawl_recover(&recovery);
    int rc = pawl_commit_begin(&making->commit, tag, id, err);
    if (rc == 0 && making->commit.durable) {
        rc = pawl_place_settle(making->setup->place, making->save_dir, err);
        if (rc < 0) {
            pawl_commit_abort(&making->commit);
        }
    }
    if (rc == 0) {
        prepare_spares(making);
    }
    return rc;
}

static bool is_alone(const struct pawl_making *making)
{
    return pawl_agreement_is_alone(making->setup->agreement);
}

static bool is_local(const struct pawl_making *making)
{
    return making->setup->config->layout == PAWL_LAYOUT_LOCAL;
}

static int begin(struct pawl_making *making, const char *save_dir,
                 const char *tag, struct pawl_error *err)
{
    making->save_dir = strdup(save_dir);
    int rc = making->save_dir == NULL
                 ? pawl_fail_nomem(err)
                 : pawl_path_join(&making->tag_dir, save_dir, tag, err);
    if (rc == 0) {
        rc = pawl_place_store(&making->store, making->setup->place, save_dir,
                              err);
    }
    if (is_alone(making)) {
        return rc < 0 ? rc : pawl_making_take(making, tag, NULL, err);
    }
    return is_local(making) ? pawl_parts_begin(making, tag, rc, err)
                            : pawl_together_begin(making, tag, rc, err);
}

int pawl_making_begin(struct pawl_making *making,
                      const struct pawl_engine_setup *setup, uint64_t token,
                      bool is_alone, const char *save_dir, const char *tag,
                      struct pawl_error *err)
{
    *making = (struct pawl_making){
        .setup = setup,
        .commit = {.store = &making->store,
                   .log = setup->log,
                   .token = token,
                   .durable = setup->config->durable,
                   .is_alone = is_alone,
                   .keeps_latest =
                       setup->keeps_latest != NULL && *setup->keeps_latest,
                   .ranks = pawl_agreement_size(setup->agreement)},
    };
    int rc = begin(making, save_dir, tag, err);
    if (rc < 0) {
        end(making);
    }
    return rc;
}

const char *pawl_making_below(const struct pawl_making *making,
                              const char *path)
{
    if (making->setup == NULL) {
        return NULL;
    }
    return strcmp(path, making->tag_dir) == 0
               ? ""
               : pawl_path_below(path, making->tag_dir);
}

int pawl_making_makedirs(struct pawl_making *making,
                         const struct pawl_engine_setup *setup,
                         const char *path, bool exist_ok,
                         struct pawl_error *err)
{
    const char *below = pawl_making_below(making, path);
    if (below != NULL) {
        return pawl_commit_makedirs(&making->commit, below, exist_ok, err);
    }
    struct pawl_store store = {0};
    int rc = pawl_place_store(&store, setup->place, path, err);
    if (rc == 0) {
        rc = pawl_store_mkdir(&store, "", err);
        pawl_store_fini(&store);
    }
    return rc == PAWL_EEXIST && exist_ok ? 0 : rc;
}

int pawl_making_add(struct pawl_making *making, const char *below,
                    const struct pawl_written *written, struct pawl_error *err)
{
    struct pawl_manifest_file file = {
        .path = strdup(below), /* copied by the callee, which wants it plain */
        .size_bytes = written->size_bytes,
        .crc32 = written->crc32,
        .rank = pawl_agreement_rank(making->setup->agreement),
        .digest = written->digest,
    };
    int rc = file.path == NULL
                 ? pawl_fail_nomem(err)
                 : pawl_manifest_add(&making->commit.manifest, &file, err);
    free(file.path);
    return rc;
}

int pawl_making_next_sequence(struct pawl_making *making, uint64_t *out,
                              struct pawl_error *err)
{
    struct pawl_candidates all = {0};
    int rc = pawl_discover_signed(&all, &making->store, err);
    if (rc == 0) {
        *out = all.count > 0 ? all.items[0].sequence + 1 : 1;
    }
    pawl_candidates_fini(&all);
    return rc;
}

void pawl_making_retain(struct pawl_making *making,
                        struct pawl_reading *reading)
{
    char *opened = pawl_reading_opened(reading, making->save_dir);
    struct pawl_retention retention = {
        .store = &making->store,
        .config = making->setup->config,
        .log = making->setup->log,
        .token = making->commit.token,
        .committed = making->commit.layout.tag,
        .opened = opened,
    };
    pawl_retain(&retention);
    free(opened);
}

int pawl_making_publish_here(struct pawl_making *making,
                             struct pawl_reading *reading,
                             struct pawl_error *err)
{
    uint64_t sequence = 0;
    bool settled = false;
    int rc = pawl_making_next_sequence(making, &sequence, err);
    if (rc < 0) {
        pawl_commit_abort(&making->commit);
        return rc;
    }
    rc = pawl_commit_publish(&making->commit, sequence, &settled, err);
    /* If `latest` could not be moved, the disk is not to be trusted to tell
     * what it names. */
    if (rc == 0 && settled) {
        pawl_making_retain(making, reading);
    }
    return rc;
}

int pawl_making_publish(struct pawl_making *making,
                        struct pawl_reading *reading, struct pawl_error *err)
{
    struct pawl_error why;
    int rc = is_alone(making) ? pawl_making_publish_here(making, reading, &why)
             : is_local(making) ? pawl_parts_publish(making, reading, &why)
                                : pawl_together_publish(making, reading, &why);
    end(making);
    return rc < 0 ? pawl_error_copy(err, &why) : 0;
}

void pawl_making_abort(struct pawl_making *making, const struct pawl_error *why)
{
    if (making->setup == NULL) {
        return;
    }
    if (is_alone(making)) {
        pawl_commit_abort(&making->commit);
    } else {
        pawl_together_abort(making, why);
    }
    end(making);
}
