/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mail.c - messages between ranks, each with its key, none of which blocks
 *
 * A message is received into memory of its own: probed for its length, then
 * received from the rank that was probed.  Nothing comes between, since nobody
 * else receives on this communicator and messages of one rank keep their order.
 */
#include "comm/mpi/mail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG = 1, HEADER_BYTES = 2 };

/* So many messages are received at once, before others may have the lock. */
#define BATCH_MAX 64

struct pawl_mail_out {
    struct pawl_mail_out *next;
    uint32_t taken; /* the first of `requests` are complete */
    uint32_t count; /* of requests */
    unsigned char *message;
    MPI_Request requests[];
};

struct pawl_mail_in {
    struct pawl_mail_in *next;
    uint32_t from;
    size_t len_bytes;
    MPI_Request request;
    unsigned char *message;
};

int pawl_mail_fail(struct pawl_error *err, int code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->message, sizeof(err->message), format, args);
        va_end(args);
        err->code = code;
        err->sys_errno = 0;
    }
    return code;
}

int pawl_mail_fail_mpi(struct pawl_error *err, const char *what, int mpi_rc)
{
    char text[MPI_MAX_ERROR_STRING] = "unknown error";
    int len = 0;
    MPI_Error_string(mpi_rc, text, &len);
    return pawl_mail_fail(err, PAWL_EIO, "%s: %s", what, text);
}

/* ---- out ----------------------------------------------------------------- */

static void free_out(struct pawl_mail_out *out)
{
    free(out->message);
    free(out);
}

static struct pawl_mail_out *new_out(uint32_t count, size_t len_bytes)
{
    struct pawl_mail_out *out =
        malloc(sizeof(*out) + count * sizeof(out->requests[0]));
    if (out == NULL) {
        return NULL;
    }
    *out = (struct pawl_mail_out){.count = count, .message = malloc(len_bytes)};
    if (out->message == NULL) {
        free(out);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        out->requests[i] = MPI_REQUEST_NULL;
    }
    return out;
}

static void write_message(unsigned char *message, const char *key,
                          size_t key_len, const void *data, size_t len_bytes)
{
    message[0] = (unsigned char)(key_len & 0xff);
    message[1] = (unsigned char)(key_len >> 8);
    memcpy(message + HEADER_BYTES, key, key_len);
    if (len_bytes > 0) {
        memcpy(message + HEADER_BYTES + key_len, data, len_bytes);
    }
}

int pawl_mail_post(struct pawl_mail *mail, const char *key, const void *data,
                   size_t len_bytes, struct pawl_error *err)
{
    size_t key_len = strlen(key);
    size_t total = HEADER_BYTES + key_len + len_bytes;
    bool to_all = mail->rank == 0;
    struct pawl_mail_out *out = new_out(to_all ? mail->size - 1 : 1, total);
    if (out == NULL) {
        return pawl_mail_fail(err, PAWL_ENOMEM, "out of memory");
    }
    write_message(out->message, key, key_len, data, len_bytes);
    out->next = mail->out;
    mail->out = out;
    for (uint32_t i = 0; i < out->count; i++) {
        int to = to_all ? (int)i + 1 : 0;
        int rc = MPI_Isend(out->message, (int)total, MPI_BYTE, to, TAG,
                           mail->comm, &out->requests[i]);
        if (rc != MPI_SUCCESS) {
            char what[64];
            snprintf(what, sizeof(what), "cannot send to rank %d", to);
            return pawl_mail_fail_mpi(err, what, rc);
        }
    }
    return 0;
}

/* Looks at one request that is not complete at most, so that waiting for one
 * rank of thousands costs one call. */
static int advance_out(struct pawl_mail_out *out, struct pawl_error *err)
{
    int done = 1;
    while (out->taken < out->count && done) {
        int rc = MPI_Test(&out->requests[out->taken], &done, MPI_STATUS_IGNORE);
        if (rc != MPI_SUCCESS) {
            out->requests[out->taken] = MPI_REQUEST_NULL;
            return pawl_mail_fail_mpi(err, "cannot send to a rank", rc);
        }
        out->taken += done ? 1 : 0;
    }
    return 0;
}

static int work_out(struct pawl_mail *mail, bool *moved, struct pawl_error *err)
{
    struct pawl_mail_out **link = &mail->out;
    while (*link != NULL) {
        struct pawl_mail_out *out = *link;
        int rc = advance_out(out, err);
        if (rc < 0) {
            return rc;
        }
        if (out->taken == out->count) {
            *link = out->next;
            free_out(out);
            *moved = true;
        } else {
            link = &out->next;
        }
    }
    return 0;
}

/* ---- in ------------------------------------------------------------------ */

static void free_in(struct pawl_mail_in *in)
{
    free(in->message);
    free(in);
}

/* Receives the message that was probed; it may still be on its way. */
static int begin_in(struct pawl_mail *mail, const MPI_Status *status,
                    struct pawl_error *err)
{
    int len = 0;
    MPI_Get_count(status, MPI_BYTE, &len);
    struct pawl_mail_in *in = calloc(1, sizeof(*in));
    if (in != NULL && len > 0) {
        in->message = malloc((size_t)len);
    }
    if (in == NULL || (len > 0 && in->message == NULL)) {
        free(in);
        return pawl_mail_fail(err, PAWL_ENOMEM, "out of memory");
    }
    in->from = (uint32_t)status->MPI_SOURCE;
    in->len_bytes = len > 0 ? (size_t)len : 0;
    int rc = MPI_Irecv(in->message, len, MPI_BYTE, status->MPI_SOURCE, TAG,
                       mail->comm, &in->request);
    if (rc != MPI_SUCCESS) {
        free_in(in);
        return pawl_mail_fail_mpi(err, "cannot receive", rc);
    }
    in->next = mail->in;
    mail->in = in;
    return 0;
}

static int probe(struct pawl_mail *mail, bool *moved, struct pawl_error *err)
{
    for (int i = 0; i < BATCH_MAX; i++) {
        int there = 0;
        MPI_Status status;
        int rc = MPI_Iprobe(MPI_ANY_SOURCE, TAG, mail->comm, &there, &status);
        if (rc != MPI_SUCCESS) {
            return pawl_mail_fail_mpi(err, "cannot look for messages", rc);
        }
        if (!there) {
            return 0;
        }
        *moved = true;
        rc = begin_in(mail, &status, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* Puts a message that is here on the board, which takes its memory over. */
static int deliver(struct pawl_board *board, struct pawl_mail_in *in,
                   struct pawl_error *err)
{
    char key[PAWL_BOARD_KEY_MAX + 1];
    const unsigned char *m = in->message;
    size_t key_len =
        in->len_bytes < HEADER_BYTES ? 0 : (size_t)m[0] | (size_t)m[1] << 8;
    if (key_len == 0 || key_len > PAWL_BOARD_KEY_MAX ||
        key_len > in->len_bytes - HEADER_BYTES ||
        in->from >= board->rank_count) {
        return pawl_mail_fail(err, PAWL_EIO, "a bad message of rank %u",
                              (unsigned)in->from);
    }
    memcpy(key, m + HEADER_BYTES, key_len);
    key[key_len] = '\0';
    struct pawl_board_part part = {
        .memory = in->message,
        .data = m + HEADER_BYTES + key_len,
        .len_bytes = in->len_bytes - HEADER_BYTES - key_len,
    };
    if (!pawl_board_put(board, key, in->from, &part)) {
        return pawl_mail_fail(err, PAWL_ENOMEM, "out of memory");
    }
    in->message = NULL;
    return 0;
}

static int work_in(struct pawl_mail *mail, struct pawl_board *board,
                   bool *moved, struct pawl_error *err)
{
    struct pawl_mail_in **link = &mail->in;
    while (*link != NULL) {
        struct pawl_mail_in *in = *link;
        int done = 0;
        int rc = MPI_Test(&in->request, &done, MPI_STATUS_IGNORE);
        if (rc == MPI_SUCCESS && !done) {
            link = &in->next;
            continue;
        }
        rc = rc == MPI_SUCCESS ? deliver(board, in, err)
                               : pawl_mail_fail_mpi(err, "cannot receive", rc);
        if (rc == PAWL_ENOMEM) {
            return rc; /* its request is complete: the next call delivers it */
        }
        *link = in->next;
        free_in(in);
        *moved = true;
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* ---- both ---------------------------------------------------------------- */

int pawl_mail_work(struct pawl_mail *mail, struct pawl_board *board,
                   bool *moved, struct pawl_error *err)
{
    int rc = work_out(mail, moved, err);
    if (rc == 0) {
        rc = probe(mail, moved, err);
    }
    return rc == 0 ? work_in(mail, board, moved, err) : rc;
}

static void cancel(MPI_Request *request)
{
    if (*request != MPI_REQUEST_NULL) {
        MPI_Cancel(request);
        MPI_Request_free(request);
    }
}

void pawl_mail_cancel(struct pawl_mail *mail)
{
    while (mail->out != NULL) {
        struct pawl_mail_out *out = mail->out;
        mail->out = out->next;
        for (uint32_t i = 0; i < out->count; i++) {
            cancel(&out->requests[i]);
        }
        free(out); /* without its message, which MPI may still read */
    }
    while (mail->in != NULL) {
        struct pawl_mail_in *in = mail->in;
        mail->in = in->next;
        if (in->request == MPI_REQUEST_NULL) {
            free(in->message);
        }
        cancel(&in->request);
        free(in); /* else without its message, which MPI may still write */
    }
}

void pawl_mail_forget(struct pawl_mail *mail)
{
    while (mail->out != NULL) {
        struct pawl_mail_out *out = mail->out;
        mail->out = out->next;
        free_out(out);
    }
    while (mail->in != NULL) {
        struct pawl_mail_in *in = mail->in;
        mail->in = in->next;
        free_in(in);
    }
}
