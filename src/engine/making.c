/* SPDX-License-Identifier: Apache-2.0 */
/* making.c - see making.h. */
#include "engine/making.h"

#include "base/path.h"
#include "engine/assemble.h"
#include "engine/discover.h"
#include "engine/recovery.h"
#include "engine/retention.h"
#include "engine/spare.h"

#include <stdlib.h>
#include <string.h>

static void end(struct pawl_making *making)
{
    pawl_store_fini(&making->store);
    free(making->save_dir);
    free(making->tag_dir);
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

/* Clears the way and takes the tag. */
static int begin_first(struct pawl_making *making, const char *tag,
                       uint64_t *id, struct pawl_error *err)
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
    if (rc == 0) {
        prepare_spares(making);
    }
    return rc;
}

/* With several ranks: all begin, or none.  Rank 0 has begun if `rc` is 0, and
 * tells the others where. */
static int begin_together(struct pawl_making *making, const char *tag,
                          uint64_t id, int rc, struct pawl_error *err)
{
    struct pawl_agreement *agreement = making->setup->agreement;
    struct pawl_buffer told = {0};
    uint8_t number[8];
    bool begun = rc == 0 && pawl_agreement_leads(agreement);
    put_le64(number, id);
    if (begun) {
        pawl_buffer_append(&told, number, sizeof(number));
    }
    if (rc == 0 && told.failed) {
        rc = pawl_fail_nomem(err);
    }
    rc = pawl_agreement_create(agreement, tag, rc, &told, err);
    making->round = agreement->creates;
    if (rc == 0 && !begun) {
        rc = told.len == sizeof(number)
                 ? pawl_commit_join(&making->commit, tag, get_le64(told.data),
                                    err)
                 : pawl_fail(err, PAWL_EBUG, 0, "rank 0 told nothing");
    } else if (rc < 0 && begun) {
        pawl_commit_abort(&making->commit);
    }
    pawl_buffer_fini(&told);
    return rc;
}

int pawl_making_begin(struct pawl_making *making,
                      const struct pawl_engine_setup *setup, uint64_t token,
                      bool is_alone, const char *save_dir, const char *tag,
                      struct pawl_error *err)
{
    uint64_t id = 0;
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
    making->save_dir = strdup(save_dir);
    int rc = making->save_dir == NULL
                 ? pawl_fail_nomem(err)
                 : pawl_path_join(&making->tag_dir, save_dir, tag, err);
    if (rc == 0) {
        rc = pawl_place_store(&making->store, setup->place, save_dir, err);
    }
    if (rc == 0 && pawl_agreement_leads(setup->agreement)) {
        rc = begin_first(making, tag, &id, err);
    }
    if (!pawl_agreement_is_alone(setup->agreement)) {
        rc = begin_together(making, tag, id, rc, err);
    }
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

/* One more than the highest number of a checkpoint that is there. */
static int next_sequence(struct pawl_making *making, uint64_t *out,
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

static void retain(struct pawl_making *making, struct pawl_reading *reading)
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

/* Publishes what all ranks staged. */
static int publish(struct pawl_making *making, struct pawl_reading *reading,
                   struct pawl_error *err)
{
    uint64_t sequence = 0;
    bool moved = false;
    int rc = next_sequence(making, &sequence, err);
    if (rc < 0) {
        pawl_commit_abort(&making->commit);
        return rc;
    }
    rc = pawl_commit_publish(&making->commit, sequence, &moved, err);
    /* While `latest` names an older one, that one must stay. */
    if (rc == 0 && moved) {
        retain(making, reading);
    }
    return rc;
}

/* Rank 0: waits for the files of all, and adds them to the manifest. */
static int collect(struct pawl_making *making, struct pawl_error *err)
{
    struct pawl_comm_parts texts = {0};
    char key[PAWL_AGREEMENT_KEY_MAX];
    pawl_agreement_key(key, PAWL_AGREEMENT_FILES, making->round, 0);
    pawl_commit_describe(&making->commit);
    int rc = pawl_agreement_report(&texts, making->setup->agreement, key, 0, "",
                                   0, err);
    if (rc == 0) {
        rc = pawl_assemble(&making->commit.manifest, &texts, err);
    }
    pawl_comm_parts_fini(&texts);
    return rc;
}

/* The word of rank 0 on how it went. */
static int tell(struct pawl_making *making, int rc, bool *heard,
                struct pawl_error *err)
{
    char key[PAWL_AGREEMENT_KEY_MAX];
    pawl_agreement_key(key, PAWL_AGREEMENT_COMMIT, making->round, 0);
    return pawl_agreement_tell(making->setup->agreement, key, rc, NULL, heard,
                               err);
}

static int publish_as_first(struct pawl_making *making,
                            struct pawl_reading *reading,
                            struct pawl_error *err)
{
    struct pawl_error why;
    int rc = collect(making, err);
    if (rc == 0) {
        rc = publish(making, reading, err);
        if (rc < 0) {
            pawl_error_prefix(err, "rank 0");
        }
    } else {
        pawl_commit_abort(&making->commit);
    }
    /* That the others do not hear of it takes nothing back. */
    if (tell(making, rc, NULL, rc < 0 ? err : &why) < 0 && rc == 0) {
        pawl_log_line(making->setup->log, PAWL_LOG_WARNING,
                      "'%s' is committed, but the other ranks may not know: %s",
                      making->commit.layout.tag, why.message);
    }
    return rc;
}

/* Gives rank 0 the list of files, or the reason why there is none. */
static int report(struct pawl_making *making, int status,
                  const struct pawl_error *why, struct pawl_error *err)
{
    struct pawl_comm_parts none = {0};
    struct pawl_buffer text = {0};
    struct pawl_error copy = {0};
    char key[PAWL_AGREEMENT_KEY_MAX];
    if (status < 0) {
        copy = *why;
    } else {
        pawl_commit_describe(&making->commit);
        status = pawl_assemble_encode(&making->commit.manifest, &text, &copy);
    }
    pawl_agreement_key(key, PAWL_AGREEMENT_FILES, making->round, 0);
    int rc = pawl_agreement_report(&none, making->setup->agreement, key, status,
                                   text.data, text.len, &copy);
    pawl_buffer_fini(&text);
    return rc < 0 ? pawl_error_copy(err, &copy) : 0;
}

static int publish_as_other(struct pawl_making *making, struct pawl_error *err)
{
    struct pawl_error why;
    int rc = pawl_commit_sync(&making->commit, &why);
    int sent = report(making, rc, &why, err);
    pawl_commit_leave(&making->commit);
    if (sent < 0) {
        return sent;
    }
    bool heard = false;
    rc = tell(making, rc, &heard, err);
    if (!heard) {
        pawl_error_prefix(err,
                          "whether checkpoint '%s' was committed is not known",
                          making->commit.layout.tag);
    }
    return rc;
}

int pawl_making_publish(struct pawl_making *making,
                        struct pawl_reading *reading, struct pawl_error *err)
{
    const struct pawl_agreement *agreement = making->setup->agreement;
    struct pawl_error why;
    int rc = pawl_agreement_is_alone(agreement) ? publish(making, reading, &why)
             : pawl_agreement_leads(agreement)
                 ? publish_as_first(making, reading, &why)
                 : publish_as_other(making, &why);
    end(making);
    return rc < 0 ? pawl_error_copy(err, &why) : 0;
}

/* Rank 0 gives up what others may still be writing: after a failure they come
 * to their commit, too; what the caller gave up they may never. */
static void abort_as_first(struct pawl_making *making,
                           const struct pawl_error *why, bool has_failed)
{
    struct pawl_error told = *why;
    struct pawl_error ignored;
    if (has_failed) {
        collect(making, &ignored);
    }
    pawl_commit_abort(&making->commit);
    pawl_error_prefix(&told, "rank 0");
    tell(making, told.code, NULL, &told);
}

void pawl_making_abort(struct pawl_making *making, const struct pawl_error *why)
{
    struct pawl_error given_up;
    bool has_failed = why != NULL && why->code < 0;
    if (making->setup == NULL) {
        return;
    }
    const struct pawl_agreement *agreement = making->setup->agreement;
    if (!has_failed) {
        pawl_fail(&given_up, PAWL_ESTATE, 0, "checkpoint '%s' was given up",
                  making->commit.layout.tag);
        why = &given_up;
    }
    if (pawl_agreement_is_alone(agreement)) {
        pawl_commit_abort(&making->commit);
    } else if (pawl_agreement_leads(agreement)) {
        abort_as_first(making, why, has_failed);
    } else {
        report(making, why->code, why, NULL);
        pawl_commit_leave(&making->commit);
    }
    end(making);
}
