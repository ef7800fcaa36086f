/* SPDX-License-Identifier: Apache-2.0 */
/* parts.c - see parts.h. */
#include "engine/parts.h"

#include "engine/assemble.h"
#include "engine/manifest_file.h"
#include "engine/owner.h"

#include <stdlib.h>
#include <string.h>

/* Round `index` of those by which a checkpoint is begun or committed. */
static int go_round(struct pawl_making *making, enum pawl_agreement_step step,
                    size_t index, int status, const struct pawl_buffer *text,
                    pawl_agreement_fn decide, void *ctx,
                    struct pawl_buffer *told, bool *heard,
                    struct pawl_error *err)
{
    char key[PAWL_AGREEMENT_KEY_MAX];
    pawl_agreement_key(key, step, making->round, index);
    return pawl_agreement_round(
        making->setup->agreement, key, status, text == NULL ? NULL : text->data,
        text == NULL ? 0 : text->len, decide, ctx, told, heard, err);
}

/* ---- whether parts fit --------------------------------------------------- */

/* What a rank tells of its node's part: u64 number, u64 milliseconds, u32 part,
 * u32 parts. */
enum { FIT_BYTES = 24 };

static void put_fit(uint8_t out[FIT_BYTES],
                    const struct pawl_manifest *manifest)
{
    put_le64(out, manifest->sequence);
    put_le64(out + 8, manifest->created_unix_ms);
    put_le32(out + 16, manifest->part);
    put_le32(out + 20, manifest->parts);
}

/* A pawl_agreement_fn: whether all are of one checkpoint, and none is missing.
 */
static int compare_parts(void *ctx, const struct pawl_comm_parts *texts,
                         struct pawl_buffer *told, struct pawl_error *err)
{
    const uint8_t *first = texts->of_rank[0].data;
    (void)ctx;
    (void)told;
    for (uint32_t rank = 0; rank < texts->count; rank++) {
        const struct pawl_buffer *text = &texts->of_rank[rank];
        if (text->len != FIT_BYTES || memcmp(text->data, first, 16) != 0 ||
            get_le32(text->data + 20) != get_le32(first + 20)) {
            return pawl_fail(err, PAWL_ECORRUPT, 0,
                             "the nodes of rank 0 and rank %u have parts of "
                             "different checkpoints of that name",
                             rank);
        }
    }
    uint32_t parts = get_le32(first + 20);
    for (uint32_t part = 0; part < parts; part++) {
        uint32_t rank = 0;
        while (rank < texts->count &&
               get_le32(texts->of_rank[rank].data + 16) != part) {
            rank++;
        }
        if (rank == texts->count) {
            return pawl_fail(err, PAWL_ECORRUPT, 0,
                             "part %u of its %u is on none of the nodes",
                             part + 1, parts);
        }
    }
    return 0;
}

/* ---- begin --------------------------------------------------------------- */

/* What the first of a node tells: u64 number of its staging directory and, if
 * the tag is there, of which checkpoint that is a part. */
enum { NUMBER_BYTES = 8 };

/* Nodes that are not here may have the other parts of what is. */
static int check_absent(const struct pawl_making *making,
                        const struct pawl_comm_parts *olds,
                        struct pawl_error *err)
{
    uint32_t here = pawl_nodes_before(&making->nodes, olds->count);
    for (uint32_t rank = 0; rank < olds->count; rank++) {
        const struct pawl_buffer *old = &olds->of_rank[rank];
        uint32_t parts = old->len == FIT_BYTES ? get_le32(old->data + 20) : 0;
        if (parts > here) {
            return pawl_fail(err, PAWL_EEXIST, 0,
                             "the node of rank %u has part of a checkpoint "
                             "'%s' of %u nodes, of which only %u are here, so "
                             "it cannot be known whether that is whole",
                             rank, making->commit.layout.tag, parts, here);
        }
    }
    return 0;
}

/* A checkpoint of that name is not to be replaced.  But one that was never
 * whole, such as of nodes that died before all had it, is in the way of the
 * step that is made again. */
static int check_old(const struct pawl_making *making,
                     const struct pawl_comm_parts *texts,
                     struct pawl_error *err)
{
    uint32_t count = pawl_agreement_size(making->setup->agreement);
    struct pawl_comm_parts olds = {.count = count};
    olds.of_rank = calloc(count, sizeof(*olds.of_rank));
    if (olds.of_rank == NULL) {
        return pawl_fail_nomem(err);
    }
    int rc = 0;
    for (uint32_t rank = 0; rank < count; rank++) {
        const struct pawl_buffer *text =
            &texts->of_rank[pawl_nodes_first(&making->nodes, rank)];
        pawl_buffer_append(&olds.of_rank[rank], text->data + NUMBER_BYTES,
                           text->len - NUMBER_BYTES);
        rc = olds.of_rank[rank].failed ? pawl_fail_nomem(err) : rc;
    }
    rc = rc == 0 ? check_absent(making, &olds, err) : rc;
    if (rc == 0 && compare_parts(NULL, &olds, NULL, NULL) == 0) {
        rc = pawl_fail(err, PAWL_EEXIST, 0,
                       "there is a checkpoint '%s' already, which cannot be "
                       "replaced with the layout \"local\"",
                       making->commit.layout.tag);
    }
    pawl_comm_parts_fini(&olds);
    return rc;
}

/* A pawl_agreement_fn: the number of each rank's staging directory, in order.
 */
static int list_numbers(void *ctx, const struct pawl_comm_parts *texts,
                        struct pawl_buffer *told, struct pawl_error *err)
{
    const struct pawl_making *making = ctx;
    for (uint32_t rank = 0; rank < texts->count; rank++) {
        const struct pawl_buffer *text =
            &texts->of_rank[pawl_nodes_first(&making->nodes, rank)];
        if (text->len < NUMBER_BYTES) {
            return pawl_fail(err, PAWL_EBUG, 0,
                             "rank %u did not say where it stages", rank);
        }
        pawl_buffer_append(told, text->data, NUMBER_BYTES);
    }
    return check_old(making, texts, err);
}

/* The first of a node takes the tag there. */
static int take(struct pawl_making *making, const char *tag,
                struct pawl_buffer *text, struct pawl_error *err)
{
    struct pawl_manifest old = {0};
    uint8_t number[NUMBER_BYTES];
    uint8_t fit[FIT_BYTES];
    uint64_t id = 0;
    int rc = pawl_making_take(making, tag, &id, err);
    if (rc < 0) {
        return rc;
    }
    put_le64(number, id);
    pawl_buffer_append(text, number, sizeof(number));
    if (pawl_manifest_read(&old, &making->store, tag, NULL) == 0) {
        put_fit(fit, &old);
        pawl_buffer_append(text, fit, sizeof(fit));
        pawl_manifest_fini(&old);
    }
    if (text->failed) {
        pawl_commit_abort(&making->commit);
        return pawl_fail_nomem(err);
    }
    return 0;
}

/* All say where they stage. */
static int begin_parts(struct pawl_making *making, const char *tag,
                       struct pawl_error *err)
{
    uint32_t rank = pawl_agreement_rank(making->setup->agreement);
    struct pawl_buffer text = {0};
    struct pawl_buffer told = {0};
    making->leads = pawl_nodes_first(&making->nodes, rank) == rank;
    int taken = making->leads ? take(making, tag, &text, err) : 0;
    int rc = go_round(making, PAWL_AGREEMENT_CREATE, 2, taken, &text,
                      list_numbers, making, &told, NULL, err);
    if (rc == 0 && !making->leads) {
        size_t at = (size_t)rank * 8;
        rc = at + 8 <= told.len
                 ? pawl_commit_join(&making->commit, tag,
                                    get_le64(told.data + at), err)
                 : pawl_fail(err, PAWL_EBUG, 0, "rank 0 told nothing");
    } else if (rc < 0 && making->leads && taken == 0) {
        pawl_commit_abort(&making->commit);
    }
    pawl_buffer_fini(&text);
    pawl_buffer_fini(&told);
    return rc;
}

int pawl_parts_begin(struct pawl_making *making, const char *tag, int status,
                     struct pawl_error *err)
{
    struct pawl_agreement *agreement = making->setup->agreement;
    char key[PAWL_AGREEMENT_KEY_MAX];
    int rc = pawl_agreement_create(agreement, tag, status, NULL, err);
    making->round = agreement->creates;
    if (rc == 0) {
        pawl_agreement_key(key, PAWL_AGREEMENT_CREATE, making->round, 1);
        rc = pawl_nodes_meet(&making->nodes, agreement, key, making->save_dir,
                             err);
    }
    return rc < 0 ? rc : begin_parts(making, tag, err);
}

/* ---- publish ------------------------------------------------------------- */

/* What rank 0 tells of the files of all: u64 number, u64 milliseconds, and for
 * each rank u32 bytes and the text of its manifest. */
enum { HEAD_BYTES = 16 };

/* A pawl_agreement_fn. */
static int list_files(void *ctx, const struct pawl_comm_parts *texts,
                      struct pawl_buffer *told, struct pawl_error *err)
{
    uint64_t highest = 0;
    (void)ctx;
    if (pawl_buffer_extend(told, HEAD_BYTES) == NULL) {
        return pawl_fail_nomem(err);
    }
    for (uint32_t rank = 0; rank < texts->count; rank++) {
        const struct pawl_buffer *text = &texts->of_rank[rank];
        struct pawl_manifest manifest = {0};
        int rc = pawl_manifest_parse(&manifest, text->data, text->len, err);
        if (rc < 0) {
            pawl_error_prefix(err, "rank %u", rank);
            return rc;
        }
        highest = manifest.sequence > highest ? manifest.sequence : highest;
        pawl_manifest_fini(&manifest);
        uint8_t len[4];
        put_le32(len, (uint32_t)text->len);
        pawl_buffer_append(told, len, sizeof(len));
        pawl_buffer_append(told, text->data, text->len);
    }
    if (told->failed) {
        return pawl_fail_nomem(err);
    }
    put_le64(told->data, highest);
    put_le64(told->data + 8, pawl_now_unix_ms());
    return 0;
}

/* The texts of the ranks of our node, without our own; others are empty. */
static int take_texts(struct pawl_comm_parts *out,
                      const struct pawl_making *making,
                      const struct pawl_buffer *told, struct pawl_error *err)
{
    const struct pawl_agreement *agreement = making->setup->agreement;
    uint32_t self = pawl_agreement_rank(agreement);
    uint32_t count = pawl_agreement_size(agreement);
    size_t at = HEAD_BYTES;
    out->of_rank = calloc(count, sizeof(*out->of_rank));
    if (out->of_rank == NULL) {
        return pawl_fail_nomem(err);
    }
    out->count = count;
    for (uint32_t rank = 0; rank < count; rank++) {
        size_t len = told->len - at < 4 ? SIZE_MAX : get_le32(told->data + at);
        if (len > told->len - at - 4) {
            return pawl_fail(err, PAWL_EBUG, 0, "rank 0 told too little");
        }
        if (rank != self && pawl_nodes_first(&making->nodes, rank) == self) {
            pawl_buffer_append(&out->of_rank[rank], told->data + at + 4, len);
            if (out->of_rank[rank].failed) {
                return pawl_fail_nomem(err);
            }
        }
        at += 4 + len;
    }
    return 0;
}

/* The first of a node makes its manifest of what all told, and stages it. */
static int prepare(struct pawl_making *making, const struct pawl_buffer *told,
                   struct pawl_error *err)
{
    struct pawl_manifest *manifest = &making->commit.manifest;
    uint32_t self = pawl_agreement_rank(making->setup->agreement);
    struct pawl_comm_parts texts = {0};
    int rc = told->len < HEAD_BYTES
                 ? pawl_fail(err, PAWL_EBUG, 0, "rank 0 told too little")
                 : take_texts(&texts, making, told, err);
    if (rc == 0) {
        rc = pawl_assemble(manifest, &texts, err);
    }
    pawl_comm_parts_fini(&texts);
    if (rc < 0) {
        return rc;
    }
    manifest->sequence = get_le64(told->data);
    manifest->created_unix_ms = get_le64(told->data + 8);
    manifest->part = pawl_nodes_before(&making->nodes, self);
    manifest->parts = pawl_nodes_before(&making->nodes, making->nodes.ranks);
    return pawl_commit_prepare(&making->commit, err);
}

/* Round 1. */
static int share_files(struct pawl_making *making, struct pawl_buffer *told,
                       struct pawl_error *err)
{
    struct pawl_buffer text = {0};
    uint64_t sequence = 1;
    int rc = pawl_commit_sync(&making->commit, err);
    if (rc == 0 && making->leads) {
        rc = pawl_making_next_sequence(making, &sequence, err);
    }
    if (rc == 0) {
        making->commit.manifest.sequence = sequence;
        rc = pawl_manifest_encode(&making->commit.manifest, &text, err);
    }
    rc = go_round(making, PAWL_AGREEMENT_COMMIT, 0, rc, &text, list_files, NULL,
                  told, NULL, err);
    pawl_buffer_fini(&text);
    return rc;
}

/* Round 3.  `rc` is how this rank's part of it went. */
static int conclude(struct pawl_making *making, struct pawl_reading *reading,
                    int rc, struct pawl_error *err)
{
    bool heard = false;
    bool shown = rc == 0;
    rc = go_round(making, PAWL_AGREEMENT_COMMIT, 2, rc, NULL, NULL, NULL, NULL,
                  &heard, err);
    if (!heard && shown) {
        pawl_commit_doubt(&making->commit, err);
    }
    if (!making->leads) {
        pawl_commit_leave(&making->commit);
    } else if (!heard && shown) {
        pawl_commit_keep(&making->commit);
    } else if (rc < 0) {
        pawl_commit_take_back(&making->commit, err);
    } else if (pawl_commit_finish(&making->commit)) {
        pawl_making_retain(making, reading);
    }
    return rc;
}

int pawl_parts_publish(struct pawl_making *making, struct pawl_reading *reading,
                       struct pawl_error *err)
{
    struct pawl_buffer told = {0};
    int rc = share_files(making, &told, err);
    if (rc == 0) { /* round 2 */
        rc = making->leads ? prepare(making, &told, err) : 0;
        rc = go_round(making, PAWL_AGREEMENT_COMMIT, 1, rc, NULL, NULL, NULL,
                      NULL, NULL, err);
    }
    pawl_buffer_fini(&told);
    if (rc < 0) { /* nothing was visible on any node */
        if (making->leads) {
            pawl_commit_abort(&making->commit);
        } else {
            pawl_commit_leave(&making->commit);
        }
        return rc;
    }
    rc = making->leads ? pawl_commit_show(&making->commit, err) : 0;
    return conclude(making, reading, rc, err);
}

/* ---- open ---------------------------------------------------------------- */

int pawl_parts_fit(const struct pawl_agreement *agreement, uint64_t round,
                   size_t index, const struct pawl_manifest *manifest,
                   struct pawl_error *err)
{
    char key[PAWL_AGREEMENT_KEY_MAX];
    uint8_t text[FIT_BYTES];
    put_fit(text, manifest);
    pawl_agreement_key(key, PAWL_AGREEMENT_FIT, round, index);
    return pawl_agreement_round(agreement, key, 0, text, sizeof(text),
                                compare_parts, NULL, NULL, NULL, err);
}
