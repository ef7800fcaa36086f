/* SPDX-License-Identifier: Apache-2.0 */
/* together.c - see together.h. */
#include "engine/together.h"

#include "engine/assemble.h"

/* ---- begin --------------------------------------------------------------- */

int pawl_together_begin(struct pawl_making *making, const char *tag, int status,
                        struct pawl_error *err)
{
    struct pawl_agreement *agreement = making->setup->agreement;
    struct pawl_buffer told = {0};
    uint8_t number[8];
    uint64_t id = 0;
    int rc = status;
    making->leads = pawl_agreement_leads(agreement);
    if (rc == 0 && making->leads) {
        rc = pawl_making_take(making, tag, &id, err);
    }
    bool taken = rc == 0 && making->leads;
    if (taken) { /* the others get it from here */
        put_le64(number, id);
        pawl_buffer_append(&told, number, sizeof(number));
    }
    rc = pawl_agreement_create(agreement, tag, rc, &told, err);
    making->round = agreement->creates;
    if (rc == 0 && !taken) {
        rc = told.len == sizeof(number)
                 ? pawl_commit_join(&making->commit, tag, get_le64(told.data),
                                    err)
                 : pawl_fail(err, PAWL_EBUG, 0, "rank 0 told nothing");
    } else if (rc < 0 && taken) {
        pawl_commit_abort(&making->commit);
    }
    pawl_buffer_fini(&told);
    return rc;
}

/* ---- publish ------------------------------------------------------------- */

static void key_of(const struct pawl_making *making,
                   char key[PAWL_AGREEMENT_KEY_MAX])
{
    pawl_agreement_key(key, PAWL_AGREEMENT_COMMIT, making->round, 0);
}

/* Rank 0: waits for the files of all, and adds them to the manifest. */
static int collect(struct pawl_making *making, struct pawl_error *err)
{
    struct pawl_comm_parts texts = {0};
    char key[PAWL_AGREEMENT_KEY_MAX];
    char said[PAWL_AGREEMENT_KEY_MAX + 8];
    key_of(making, key);
    pawl_agreement_said(said, key);
    int rc = pawl_agreement_report(&texts, making->setup->agreement, said, 0,
                                   "", 0, err);
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
    key_of(making, key);
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
        rc = pawl_making_publish_here(making, reading, err);
        if (rc < 0) {
            pawl_agreement_sign(making->setup->agreement, err);
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
    char said[PAWL_AGREEMENT_KEY_MAX + 8];
    if (status < 0) {
        copy = *why;
    } else {
        making->commit.manifest.sequence = 1; /* rank 0 knows the true one */
        status = pawl_manifest_encode(&making->commit.manifest, &text, &copy);
    }
    key_of(making, key);
    pawl_agreement_said(said, key);
    int rc = pawl_agreement_report(&none, making->setup->agreement, said,
                                   status, text.data, text.len, &copy);
    pawl_buffer_fini(&text);
    return rc < 0 ? pawl_error_copy(err, &copy) : 0;
}

static int publish_as_other(struct pawl_making *making, struct pawl_error *err)
{
    struct pawl_error why;
    bool heard = false;
    int synced = pawl_commit_sync(&making->commit, &why);
    int sent = report(making, synced, &why, err);
    int rc = sent < 0 ? sent : tell(making, synced, &heard, err);
    if (synced < 0 && !heard) { /* it says more than that nobody answers */
        pawl_agreement_sign(making->setup->agreement, &why);
        rc = pawl_error_copy(err, &why);
    } else if (sent == 0 && !heard) {
        pawl_commit_doubt(&making->commit, err);
    }
    pawl_commit_leave(&making->commit);
    return rc;
}

int pawl_together_publish(struct pawl_making *making,
                          struct pawl_reading *reading, struct pawl_error *err)
{
    return making->leads ? publish_as_first(making, reading, err)
                         : publish_as_other(making, err);
}

/* ---- abort --------------------------------------------------------------- */

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
    pawl_agreement_sign(making->setup->agreement, &told);
    tell(making, told.code, NULL, &told);
}

void pawl_together_abort(struct pawl_making *making,
                         const struct pawl_error *why)
{
    struct pawl_error given_up;
    bool has_failed = why != NULL && why->code < 0;
    if (!has_failed) {
        pawl_fail(&given_up, PAWL_ESTATE, 0, "checkpoint '%s' was given up",
                  making->commit.layout.tag);
        why = &given_up;
    }
    if (pawl_agreement_leads(making->setup->agreement)) {
        abort_as_first(making, why, has_failed);
        return;
    }
    report(making, why->code, why, NULL);
    if (making->leads) { /* of a node of its own */
        pawl_commit_abort(&making->commit);
    } else {
        pawl_commit_leave(&making->commit);
    }
}
