/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mail.h - messages between ranks, each with its key, none of which blocks
 *
 * A message of MPI is, from its start:
 *
 *     0   u16, little endian: length of the key, 1 to 400
 *     2   the key
 *     .   the text, to the end
 *
 * MPI moves messages only while a function of MPI runs, so pawl_mail_work must
 * be called again and again while one is awaited.
 *
 * Not thread-safe: the lock of comm_mpi.c guards it.
 */
#ifndef PAWL_COMM_MPI_MAIL_H
#define PAWL_COMM_MPI_MAIL_H

#include "comm/mpi/board.h"

#include <mpi.h>
#include <pawl/error.h>

#define PAWL_MAIL_TEXT_MAX ((size_t)1 << 30)

struct pawl_mail_out;
struct pawl_mail_in;

struct pawl_mail {
    MPI_Comm comm; /* nobody else receives on it */
    uint32_t rank;
    uint32_t size;
    struct pawl_mail_out *out; /* not yet on their way to all */
    struct pawl_mail_in *in;   /* matched, not yet here */
};

/* Fills `err`, if any, and returns `code`. */
int pawl_mail_fail(struct pawl_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Likewise, for what a function of MPI returned: PAWL_EIO. */
int pawl_mail_fail_mpi(struct pawl_error *err, const char *what, int mpi_rc);

/* Begins to send a text, which it copies: rank 0 to all others, the others to
 * rank 0.  PAWL_ENOMEM, PAWL_EIO. */
int pawl_mail_post(struct pawl_mail *mail, const char *key, const void *data,
                   size_t len_bytes, struct pawl_error *err);

/* Moves what can be moved now, and puts what arrived on the board.  Sets
 * `*moved` if there was anything.  PAWL_ENOMEM, after which what could not be
 * received still can; PAWL_EIO. */
int pawl_mail_work(struct pawl_mail *mail, struct pawl_board *board,
                   bool *moved, struct pawl_error *err);

/* Gives up what is under way.  MPI cannot always take back a message: the
 * memory of one that it keeps is left to it, and lost. */
void pawl_mail_cancel(struct pawl_mail *mail);

/* Frees memory only, after MPI_Finalize. */
void pawl_mail_forget(struct pawl_mail *mail);

#endif
