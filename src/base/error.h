/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.h - filling a struct pawl_error
 *
 * The message is set once, where the cause is known (pawl_fail, pawl_fail_sys);
 * on the way up the object's name may be put before it, once
 * (pawl_error_prefix).  All take err == NULL, and are safe from any thread.
 */
#ifndef PAWL_BASE_ERROR_H
#define PAWL_BASE_ERROR_H

#include <pawl/error.h>
#include <pawl/plugin.h> /* pawl_fail */

/* Fails with the code that fits `sys_errno` and a message of the text, ": "
 * and the system's words for it.  Returns the code. */
__attribute__((format(printf, 3, 4))) int
pawl_fail_sys(struct pawl_error *err, int sys_errno, const char *format, ...);

/* PAWL_ENOMEM, "out of memory". */
int pawl_fail_nomem(struct pawl_error *err);

/* Puts the text and ": " before the message that is there. */
__attribute__((format(printf, 2, 3))) void
pawl_error_prefix(struct pawl_error *err, const char *format, ...);

/* Puts `from` to `to`, which may be NULL; returns its code. */
int pawl_error_copy(struct pawl_error *to, const struct pawl_error *from);

/* The PAWL_E* value that fits an errno. */
int pawl_error_from_errno(int sys_errno);

#ifdef __clang_analyzer__
/* It sees one file at a time: this tells it that failing is never 0. */
static inline int pawl_analyzer_failed(int code)
{
    if (code >= 0) {
        __builtin_unreachable();
    }
    return code;
}
#define pawl_fail(...) pawl_analyzer_failed(pawl_fail(__VA_ARGS__))
#define pawl_fail_sys(...) pawl_analyzer_failed(pawl_fail_sys(__VA_ARGS__))
#define pawl_fail_nomem(err) pawl_analyzer_failed(pawl_fail_nomem(err))
#endif

/* Programmer mistakes: abort in debug builds; in release the enclosing
 * function returns PAWL_EBUG.  Never for what comes from outside. */
#ifdef NDEBUG
#define PAWL_ASSERT(cond, err)                                                 \
    do {                                                                       \
        if (!(cond)) {                                                         \
            return pawl_fail((err), PAWL_EBUG, 0, "%s:%d: %s", __FILE__,       \
                             __LINE__, #cond);                                 \
        }                                                                      \
    } while (0)
#else
#include <assert.h>
#define PAWL_ASSERT(cond, err)                                                 \
    do {                                                                       \
        (void)(err);                                                           \
        assert(cond);                                                          \
    } while (0)
#endif

#endif
