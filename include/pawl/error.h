/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pawl/error.h - how every function of Pawl tells that it failed
 *
 * A function that can fail returns 0 or one of the negative codes below, and
 * takes a `struct pawl_error *` as its last parameter.  The struct belongs to
 * the caller and is filled only on failure; pass NULL to do without the text.
 * It is plain memory: it may be copied, kept, or handed to another thread.
 *
 *     struct pawl_error err;
 *     if (pawl_save(state, "model.pt", &err) < 0) {
 *         fprintf(stderr, "%s\n", err.message);
 *     }
 *
 * Messages are lower case, name their subject in quotes and put the cause
 * last: cannot write 'step-10/model.pt': no space left on device
 */
#ifndef PAWL_ERROR_H
#define PAWL_ERROR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && !defined(PAWL_API)
#define PAWL_API __attribute__((visibility("default")))
#elif !defined(PAWL_API)
#define PAWL_API
#endif

/* X(name, value, text).  The values are part of the ABI and never change. */
#define PAWL_ERROR_CODES(X)                                                    \
    X(PAWL_EINVAL, -1, "invalid argument")                                     \
    X(PAWL_ENOMEM, -2, "out of memory")                                        \
    X(PAWL_EIO, -3, "input/output error")                                      \
    X(PAWL_ENOSPC, -4, "no space left")                                        \
    X(PAWL_EEXIST, -5, "already exists")                                       \
    X(PAWL_ENOENT, -6, "does not exist")                                       \
    X(PAWL_EACCES, -7, "permission denied")                                    \
    X(PAWL_ESTATE, -8, "call out of order")                                    \
    X(PAWL_EBUSY, -9, "in use")                                                \
    X(PAWL_EFORMAT, -10, "malformed file")                                     \
    X(PAWL_ECORRUPT, -11, "checksum mismatch")                                 \
    X(PAWL_ENOTSUP, -12, "not supported")                                      \
    X(PAWL_ETIMEDOUT, -13, "timed out")                                        \
    X(PAWL_ECANCELED, -14, "canceled")                                         \
    X(PAWL_ECONFIG, -15, "bad configuration")                                  \
    X(PAWL_EBUG, -16, "internal error")

enum pawl_error_code {
    PAWL_OK = 0,
#define PAWL_ERROR_ENUM(name, value, text) name = (value),
    PAWL_ERROR_CODES(PAWL_ERROR_ENUM)
#undef PAWL_ERROR_ENUM
};

#define PAWL_ERROR_MESSAGE_MAX 1016

struct pawl_error {
    int code;      /* a PAWL_E* value */
    int sys_errno; /* the errno behind it, or 0 */
    char
        message[PAWL_ERROR_MESSAGE_MAX]; /* NUL-terminated UTF-8, cut if long */
};

/* The fixed text of `code`, "success" for 0, "unknown error" for others.
 * Never NULL; static storage.  Thread-safe. */
PAWL_API const char *pawl_error_text(int code);

/* The name of `code`, such as "PAWL_EINVAL"; never NULL.  Thread-safe. */
PAWL_API const char *pawl_error_name(int code);

#ifdef __cplusplus
}
#endif
#endif
