/* SPDX-License-Identifier: Apache-2.0 */
/* agreement.c - see agreement.h. */
#include "comm/agreement.h"

#include <stdio.h>
#include <string.h>

#define MAGIC "PWL1"
enum { MAGIC_LEN = 4, HEAD_LEN = 16 };

bool pawl_agreement_is_alone(const struct pawl_agreement *agreement)
{
    return pawl_agreement_size(agreement) == 1;
}

bool pawl_agreement_leads(const struct pawl_agreement *agreement)
{
    return pawl_agreement_rank(agreement) == 0;
}

uint32_t pawl_agreement_rank(const struct pawl_agreement *agreement)
{
    return agreement == NULL ? 0 : agreement->comm.rank;
}

uint32_t pawl_agreement_size(const struct pawl_agreement *agreement)
{
    return agreement == NULL ? 1 : agreement->comm.size;
}

void pawl_agreement_sign(const struct pawl_agreement *agreement,
                         struct pawl_error *err)
{
    if (!pawl_agreement_is_alone(agreement)) {
        pawl_error_prefix(err, "rank %u", pawl_agreement_rank(agreement));
    }
}

/* ---- messages ------------------------------------------------------------ */

/* Appends a report.  A failed buffer is told by pawl_buffer's own flag. */
static void put_report(struct pawl_buffer *out, int status,
                       const struct pawl_error *err, const void *text,
                       size_t len_bytes)
{
    bool failed = status < 0 && err != NULL;
    size_t message_len =
        failed ? strnlen(err->message, sizeof(err->message)) : 0;
    uint8_t *head = pawl_buffer_extend(out, HEAD_LEN);
    if (head == NULL) {
        return;
    }
    memcpy(head, MAGIC, MAGIC_LEN);
    put_le32(head + 4, (uint32_t)status);
    put_le32(head + 8, failed ? (uint32_t)err->sys_errno : 0);
    put_le32(head + 12, (uint32_t)message_len);
    pawl_buffer_append(out, failed ? err->message : "", message_len);
    pawl_buffer_append(out, text, len_bytes);
}

/* Takes the report's head off `message`, so that its text is left, and returns
 * the status that it tells. */
static int take_report(struct pawl_buffer *message, struct pawl_error *err)
{
    const uint8_t *head = message->data;
    size_t left = message->len < HEAD_LEN ? 0 : message->len - HEAD_LEN;
    if (message->len < HEAD_LEN || memcmp(head, MAGIC, MAGIC_LEN) != 0 ||
        get_le32(head + 12) > left || (int32_t)get_le32(head + 4) > 0 ||
        (int32_t)get_le32(head + 4) < PAWL_EBUG) {
        return pawl_fail(err, PAWL_ECANCELED, 0,
                         "the ranks do not understand each other: are all of "
                         "the same version of Pawl?");
    }
    size_t message_len = get_le32(head + 12);
    int status = (int32_t)get_le32(head + 4);
    if (status < 0) {
        pawl_fail(err, status, (int32_t)get_le32(head + 8), "%.*s",
                  (int)message_len, (const char *)head + HEAD_LEN);
    }
    message->len = left - message_len;
    memmove(message->data, message->data + HEAD_LEN + message_len,
            message->len);
    return status;
}

/* ---- the two halves ------------------------------------------------------ */

/* What a comm says of a lost connection is not to be taken for what a disk
 * says. */
static int lost(int rc, struct pawl_error *err)
{
    if (rc == 0 || rc == PAWL_ETIMEDOUT || rc == PAWL_ENOMEM) {
        return rc;
    }
    if (err != NULL) {
        err->code = PAWL_ECANCELED;
    }
    return PAWL_ECANCELED;
}

/* What the first that failed said, or the texts alone. */
static int take_reports(struct pawl_comm_parts *parts, struct pawl_error *err)
{
    for (uint32_t rank = 0; rank < parts->count; rank++) {
        int status = take_report(&parts->of_rank[rank], err);
        if (status < 0) {
            pawl_error_prefix(err, "rank %u", rank);
            return status;
        }
    }
    return 0;
}

int pawl_agreement_report(struct pawl_comm_parts *texts,
                          const struct pawl_agreement *agreement,
                          const char *key, int status, const void *text,
                          size_t len_bytes, struct pawl_error *err)
{
    struct pawl_buffer report = {0};
    struct pawl_comm_parts parts = {0};
    put_report(&report, status, err, text, len_bytes);
    int rc =
        report.failed
            ? pawl_fail_nomem(err)
            : lost(pawl_comm_gather(&parts, &agreement->comm, key, report.data,
                                    report.len, agreement->timeout_ms, err),
                   err);
    pawl_buffer_fini(&report);
    if (rc == 0) {
        rc = take_reports(&parts, err);
    }
    if (rc < 0) {
        pawl_comm_parts_fini(&parts);
        return rc;
    }
    *texts = parts;
    return 0;
}

static int64_t twice(int64_t timeout_ms)
{
    return timeout_ms > INT64_MAX / 2 ? INT64_MAX : 2 * timeout_ms;
}

static int say(const struct pawl_agreement *agreement, const char *key,
               int status, const struct pawl_buffer *told,
               struct pawl_error *err)
{
    struct pawl_buffer message = {0};
    struct pawl_error why;
    put_report(&message, status, err, told == NULL ? NULL : told->data,
               told == NULL ? 0 : told->len);
    int rc = message.failed
                 ? pawl_fail_nomem(&why)
                 : lost(pawl_comm_broadcast(&message, &agreement->comm, key, 0,
                                            &why),
                        &why);
    pawl_buffer_fini(&message);
    return status < 0 ? status : rc < 0 ? pawl_error_copy(err, &why) : 0;
}

static int hear(const struct pawl_agreement *agreement, const char *key,
                struct pawl_buffer *told, bool *heard, struct pawl_error *err)
{
    struct pawl_buffer message = {0};
    int rc = lost(pawl_comm_broadcast(&message, &agreement->comm, key,
                                      twice(agreement->timeout_ms), err),
                  err);
    *heard = rc == 0;
    if (rc == 0) {
        rc = take_report(&message, err);
    }
    if (rc == 0 && told != NULL) {
        *told = message;
    } else {
        pawl_buffer_fini(&message);
    }
    return rc;
}

int pawl_agreement_tell(const struct pawl_agreement *agreement, const char *key,
                        int status, struct pawl_buffer *told, bool *heard,
                        struct pawl_error *err)
{
    bool unasked = true;
    heard = heard == NULL ? &unasked : heard;
    *heard = true;
    return pawl_agreement_leads(agreement)
               ? say(agreement, key, status, told, err)
               : hear(agreement, key, told, heard, err);
}

/* ---- a whole round ------------------------------------------------------- */

void pawl_agreement_said(char out[PAWL_AGREEMENT_KEY_MAX + 8], const char *key)
{
    snprintf(out, PAWL_AGREEMENT_KEY_MAX + 8, "%s/said", key);
}

static int round_as_first(const struct pawl_agreement *agreement,
                          const char *key, int status, const void *text,
                          size_t len_bytes, pawl_agreement_fn decide, void *ctx,
                          struct pawl_buffer *told, struct pawl_error *err)
{
    struct pawl_comm_parts texts = {0};
    char said[PAWL_AGREEMENT_KEY_MAX + 8];
    if (status < 0) { /* decided: the others need not come before they know */
        pawl_agreement_sign(agreement, err);
        return pawl_agreement_tell(agreement, key, status, NULL, NULL, err);
    }
    pawl_agreement_said(said, key);
    int rc =
        pawl_agreement_report(&texts, agreement, said, 0, text, len_bytes, err);
    if (rc == 0 && decide != NULL) {
        rc = decide(ctx, &texts, told, err);
        if (rc == 0 && told != NULL && told->failed) {
            rc = pawl_fail_nomem(err);
        }
    }
    pawl_comm_parts_fini(&texts);
    return pawl_agreement_tell(agreement, key, rc, told, NULL, err);
}

int pawl_agreement_round(const struct pawl_agreement *agreement,
                         const char *key, int status, const void *text,
                         size_t len_bytes, pawl_agreement_fn decide, void *ctx,
                         struct pawl_buffer *told, bool *heard,
                         struct pawl_error *err)
{
    char said[PAWL_AGREEMENT_KEY_MAX + 8];
    struct pawl_comm_parts none = {0};
    struct pawl_error why;
    bool unasked = true;
    heard = heard == NULL ? &unasked : heard;
    if (status < 0 && err == NULL) {
        err = &why;
        pawl_fail(err, status, 0, "%s", pawl_error_text(status));
    }
    if (pawl_agreement_leads(agreement)) {
        *heard = true;
        return round_as_first(agreement, key, status, text, len_bytes, decide,
                              ctx, told, err);
    }
    struct pawl_error own = {0};
    if (status < 0) {
        own = *err;
        pawl_agreement_sign(agreement, &own);
    }
    *heard = false;
    pawl_agreement_said(said, key);
    int rc = pawl_agreement_report(&none, agreement, said, status, text,
                                   len_bytes, err);
    if (rc == 0) {
        rc = pawl_agreement_tell(agreement, key, status, told, heard, err);
    }
    /* What failed here says more than that nobody answers. */
    return status < 0 && !*heard ? pawl_error_copy(err, &own) : rc;
}

/* A pawl_agreement_fn: whether all are at the same. */
static int compare(void *ctx, const struct pawl_comm_parts *texts,
                   struct pawl_buffer *told, struct pawl_error *err)
{
    const char *what = ctx;
    (void)told;
    for (uint32_t rank = 1; rank < texts->count; rank++) {
        const struct pawl_buffer *theirs = &texts->of_rank[rank];
        if (theirs->len != strlen(what) ||
            (theirs->len > 0 && memcmp(theirs->data, what, theirs->len) != 0)) {
            return pawl_fail(err, PAWL_EINVAL, 0,
                             "the ranks are not at the same: rank 0 at '%s', "
                             "rank %u at '%.*s'",
                             what, rank, (int)theirs->len,
                             theirs->len > 0 ? (const char *)theirs->data : "");
        }
    }
    return 0;
}

int pawl_agreement_settle(const struct pawl_agreement *agreement,
                          const char *key, const char *what, int status,
                          struct pawl_buffer *told, struct pawl_error *err)
{
    return pawl_agreement_round(agreement, key, status, what, strlen(what),
                                compare, (void *)(uintptr_t)what, told, NULL,
                                err);
}

/* ---- the rounds ---------------------------------------------------------- */

void pawl_agreement_key(char out[PAWL_AGREEMENT_KEY_MAX],
                        enum pawl_agreement_step step, uint64_t round,
                        size_t index)
{
    static const char *const names[] = {"create", "commit", "open",
                                        "meet",   "prove",  "fit"};
    snprintf(out, PAWL_AGREEMENT_KEY_MAX, "%s/%llu/%zu", names[step],
             (unsigned long long)round, index);
}

int pawl_agreement_create(struct pawl_agreement *agreement, const char *tag,
                          int status, struct pawl_buffer *told,
                          struct pawl_error *err)
{
    char key[PAWL_AGREEMENT_KEY_MAX];
    pawl_agreement_key(key, PAWL_AGREEMENT_CREATE, ++agreement->creates, 0);
    return pawl_agreement_settle(agreement, key, tag, status, told, err);
}

void pawl_agreement_refuse_open(struct pawl_agreement *agreement, int status,
                                const struct pawl_error *err)
{
    struct pawl_error copy;
    char key[PAWL_AGREEMENT_KEY_MAX];
    uint64_t round = ++agreement->opens;
    if (err == NULL) {
        pawl_fail(&copy, status, 0, "%s", pawl_error_text(status));
    } else {
        copy = *err;
    }
    if (pawl_agreement_leads(agreement)) {
        pawl_agreement_sign(agreement, &copy);
        pawl_agreement_key(key, PAWL_AGREEMENT_OPEN, round, 0);
        pawl_agreement_tell(agreement, key, status, NULL, NULL, &copy);
        return;
    }
    /* Where rank 0 looks first. */
    struct pawl_comm_parts none = {0};
    char said[PAWL_AGREEMENT_KEY_MAX + 8];
    pawl_agreement_key(key, PAWL_AGREEMENT_PROVE, round, 0);
    pawl_agreement_said(said, key);
    pawl_agreement_report(&none, agreement, said, status, "", 0, &copy);
}
