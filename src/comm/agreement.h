/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agreement.h - how the ranks that make one checkpoint agree
 *
 * In a *round* each rank reports how something went for it, rank 0 decides, and
 * all learn the same *status*: 0, or what failed first and on which rank.
 *
 *     rank 1..N-1   report ---gather--->            ---broadcast---> status
 *     rank 0                            decide, act
 *
 * Rounds have keys, made of a number that every rank counts for itself, so that
 * a rank which is late, or which gave up, disturbs no later round.  Rank 0
 * waits `timeout_ms` for the others, and they wait twice as long for it, so
 * that they hear from it whom it missed.
 *
 * A report or status in a message is, from its start:
 *
 *     0   "PWL1"
 *     4   i32, little endian: 0 or a PAWL_E* value
 *     8   i32: the errno behind it, or 0
 *    12   u32: bytes of the error's message, which follow
 *     .   a text that goes with it, to the end
 */
#ifndef PAWL_COMM_AGREEMENT_H
#define PAWL_COMM_AGREEMENT_H

#include "comm/comm.h"

struct pawl_agreement {
    struct pawl_comm comm; /* owned */
    int64_t timeout_ms;
    uint64_t creates; /* rounds so far; the saving thread's */
    uint64_t opens;   /* likewise; the opening thread's */
};

/* Whether there is but one rank, so that nothing need be agreed on.  NULL is
 * alone. */
bool pawl_agreement_is_alone(const struct pawl_agreement *agreement);
/* Whether this rank is the one that decides. */
bool pawl_agreement_leads(const struct pawl_agreement *agreement);
/* 0 if alone. */
uint32_t pawl_agreement_rank(const struct pawl_agreement *agreement);
/* 1 if alone. */
uint32_t pawl_agreement_size(const struct pawl_agreement *agreement);

/* Puts "rank N: " of this rank before a reason of its own, as the others have
 * it from rank 0; no-op if alone. */
void pawl_agreement_sign(const struct pawl_agreement *agreement,
                         struct pawl_error *err);

/* Room for any key that is made here. */
#define PAWL_AGREEMENT_KEY_MAX 64

/* All below block until the deadline at most, and are safe from any thread for
 * different keys.  Each takes how it went so far, `status`: 0, or a PAWL_E*
 * value, with the reason in `err`; and returns how it goes on, likewise.  A
 * reason from a rank begins with its number: "rank 3: ".  When the ranks cannot
 * talk to each other that is PAWL_ETIMEDOUT, which names the rank that did not
 * come, PAWL_ECANCELED, or PAWL_ENOMEM. */

/* The first half of a round.  Rank 0: 0 if all said so, and `texts` holds what
 * each gave; else the first that failed.  Others: give `status` and the text,
 * and wait for nobody; 0 if that is on its way. */
int pawl_agreement_report(struct pawl_comm_parts *texts,
                          const struct pawl_agreement *agreement,
                          const char *key, int status, const void *text,
                          size_t len_bytes, struct pawl_error *err);

/* The second half.  Rank 0 tells `status` and the text `told`; others get both,
 * whatever theirs was.  `told` may be NULL: no text.  `heard` (may be NULL):
 * whether what is returned is the word of rank 0. */
int pawl_agreement_tell(const struct pawl_agreement *agreement, const char *key,
                        int status, struct pawl_buffer *told, bool *heard,
                        struct pawl_error *err);

/* Makes of what all ranks gave what rank 0 tells them.  0, or the status of
 * all. */
typedef int (*pawl_agreement_fn)(void *ctx, const struct pawl_comm_parts *texts,
                                 struct pawl_buffer *told,
                                 struct pawl_error *err);

/* A whole round: all give their status and a text, and get what rank 0 made of
 * them with `decide` (NULL: nothing), which it alone calls.  `heard` as above.
 */
int pawl_agreement_round(const struct pawl_agreement *agreement,
                         const char *key, int status, const void *text,
                         size_t len_bytes, pawl_agreement_fn decide, void *ctx,
                         struct pawl_buffer *told, bool *heard,
                         struct pawl_error *err);

/* A round in which all give their status and what they are at, `what`, which
 * must be the same on all, or the outcome is PAWL_EINVAL.  `told` (may be
 * NULL): what rank 0 tells the others. */
int pawl_agreement_settle(const struct pawl_agreement *agreement,
                          const char *key, const char *what, int status,
                          struct pawl_buffer *told, struct pawl_error *err);

/* ---- the rounds ---------------------------------------------------------- */

enum pawl_agreement_step {
    PAWL_AGREEMENT_CREATE, /* a checkpoint is begun */
    PAWL_AGREEMENT_COMMIT, /* it is durable, and becomes visible */
    PAWL_AGREEMENT_OPEN,   /* which one to try, as number `index` */
    PAWL_AGREEMENT_MEET,   /* which ranks share a directory */
    PAWL_AGREEMENT_PROVE,  /* whether that one is whole */
    PAWL_AGREEMENT_FIT     /* whether its parts belong together */
};
void pawl_agreement_key(char out[PAWL_AGREEMENT_KEY_MAX],
                        enum pawl_agreement_step step, uint64_t round,
                        size_t index);
/* Of the first half of the round of `key`. */
void pawl_agreement_said(char out[PAWL_AGREEMENT_KEY_MAX + 8], const char *key);

/* The round of a create: see pawl_agreement_settle. */
int pawl_agreement_create(struct pawl_agreement *agreement, const char *tag,
                          int status, struct pawl_buffer *told,
                          struct pawl_error *err);

/* Joins the next round of an open for a call that failed with `status` before
 * it came to that, so that the others need not wait for this rank. */
void pawl_agreement_refuse_open(struct pawl_agreement *agreement, int status,
                                const struct pawl_error *err);

#endif
