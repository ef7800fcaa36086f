/* SPDX-License-Identifier: Apache-2.0 */
/* error.c - error codes, their texts, and messages; see error.h. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* They are defined here, whatever error.h makes of them for an analyzer. */
#undef pawl_fail
#undef pawl_fail_sys
#undef pawl_fail_nomem

const char *pawl_error_text(int code)
{
    switch (code) {
    case PAWL_OK:
        return "success";
#define CASE(name, value, text)                                                \
    case name:                                                                 \
        return text;
        PAWL_ERROR_CODES(CASE)
#undef CASE
    default:
        return "unknown error";
    }
}

const char *pawl_error_name(int code)
{
    switch (code) {
    case PAWL_OK:
        return "PAWL_OK";
#define CASE(name, value, text)                                                \
    case name:                                                                 \
        return #name;
        PAWL_ERROR_CODES(CASE)
#undef CASE
    default:
        return "PAWL_E?";
    }
}

int pawl_error_from_errno(int sys_errno)
{
    switch (sys_errno) {
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
        return PAWL_EINVAL;
    case ENOMEM:
        return PAWL_ENOMEM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return PAWL_ENOSPC;
    case EEXIST:
    case ENOTEMPTY:
        return PAWL_EEXIST;
    case ENOENT:
        return PAWL_ENOENT;
    case EACCES:
    case EPERM:
    case EROFS:
        return PAWL_EACCES;
    case EBUSY:
    case ETXTBSY:
        return PAWL_EBUSY;
    case ENOSYS:
    case EOPNOTSUPP:
        return PAWL_ENOTSUP;
    case ETIMEDOUT:
        return PAWL_ETIMEDOUT;
    default:
        return PAWL_EIO;
    }
}

static int set_message(struct pawl_error *err, int code, int sys_errno,
                       const char *format, va_list args)
{
    if (err != NULL) {
        err->code = code;
        err->sys_errno = sys_errno;
        vsnprintf(err->message, sizeof(err->message), format, args);
    }
    return code;
}

int pawl_fail(struct pawl_error *err, int code, int sys_errno,
              const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_message(err, code, sys_errno, format, args);
    va_end(args);
    return code;
}

/* strerror is lower-cased to fit the style of our messages; "Input/output
 * error" reads on as "input/output error". */
static void append_cause(struct pawl_error *err, int sys_errno)
{
    char cause[128] = "";
    const char *text = strerror_r(sys_errno, cause, sizeof(cause));
    size_t len = strlen(err->message);
    size_t room = sizeof(err->message) - len;
    int written = snprintf(err->message + len, room, ": %s", text);
    if (written > 2 && (size_t)written < room) {
        char *first = &err->message[len + 2];
        if (first[0] >= 'A' && first[0] <= 'Z' &&
            !(first[1] >= 'A' && first[1] <= 'Z')) {
            first[0] = (char)(first[0] - 'A' + 'a');
        }
    }
}

int pawl_fail_sys(struct pawl_error *err, int sys_errno, const char *format,
                  ...)
{
    int code = pawl_error_from_errno(sys_errno);
    if (err == NULL) {
        return code;
    }
    va_list args;
    va_start(args, format);
    set_message(err, code, sys_errno, format, args);
    va_end(args);
    append_cause(err, sys_errno);
    return code;
}

int pawl_error_copy(struct pawl_error *to, const struct pawl_error *from)
{
    if (to != NULL) {
        *to = *from;
    }
    return from->code;
}

int pawl_fail_nomem(struct pawl_error *err)
{
    return pawl_fail(err, PAWL_ENOMEM, ENOMEM, "out of memory");
}

void pawl_error_prefix(struct pawl_error *err, const char *format, ...)
{
    if (err == NULL) {
        return;
    }
    char rest[PAWL_ERROR_MESSAGE_MAX];
    memcpy(rest, err->message, sizeof(rest));

    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);

    size_t len = strlen(err->message);
    snprintf(err->message + len, sizeof(err->message) - len, ": %s", rest);
}
