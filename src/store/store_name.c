/* SPDX-License-Identifier: Apache-2.0 */
/* store_name.c - see store_name.h. */
#include "store/store_name.h"

#include <errno.h>
#include <string.h>

static const char *component_fault(const char *at, size_t len)
{
    if (len == 0) {
        return "has an empty component";
    }
    if (at[0] == '.' && (len == 1 || (len == 2 && at[1] == '.'))) {
        return "has a '.' or '..' component";
    }
    if (len > PAWL_STORE_COMPONENT_MAX) {
        return "has a component of more than 255 bytes";
    }
    return NULL;
}

static const char *name_fault(const char *name)
{
    if (name[0] == '\0') {
        return "is empty";
    }
    if (name[0] == '/') {
        return "is absolute";
    }
    for (const char *at = name;; at++) {
        size_t len = strcspn(at, "/");
        const char *fault = component_fault(at, len);
        if (fault != NULL) {
            return fault;
        }
        at += len;
        if (*at == '\0') {
            return NULL;
        }
    }
}

int pawl_store_name_check(const char *name, bool root_too,
                          struct pawl_error *err)
{
    if (root_too && name[0] == '\0') {
        return 0;
    }
    const char *fault = name_fault(name);
    if (fault != NULL) {
        return pawl_fail(err, PAWL_EINVAL, EINVAL, "bad name '%s': it %s", name,
                         fault);
    }
    return 0;
}

/* Whether `name` is `dir` and '/' and more. */
static bool lies_in(const char *name, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(name, dir, len) == 0 && name[len] == '/';
}

int pawl_store_rename_check(const char *from, const char *to,
                            struct pawl_error *err)
{
    int rc = pawl_store_name_check(from, false, err);
    if (rc == 0) {
        rc = pawl_store_name_check(to, false, err);
    }
    if (rc == 0 && (lies_in(from, to) || lies_in(to, from))) {
        rc = pawl_fail(err, PAWL_EINVAL, EINVAL,
                       "cannot rename '%s' to '%s': one lies in the other",
                       from, to);
    }
    return rc;
}

int pawl_store_fail(struct pawl_error *err, int rc, const char *verb,
                    const char *root, const char *name)
{
    const char *slash = name[0] == '\0' || strcmp(root, "/") == 0 ? "" : "/";
    switch (rc) {
    case -ELOOP: /* the system's words speak of too many of them */
        return pawl_fail(err, PAWL_EINVAL, ELOOP,
                         "cannot %s '%s%s%s': a symbolic link leads elsewhere",
                         verb, root, slash, name);
    case -ENODATA: /* of pawl_io_read_full */
        return pawl_fail(err, PAWL_EIO, 0,
                         "cannot %s '%s%s%s': it ends too early", verb, root,
                         slash, name);
    default:
        return pawl_fail_sys(err, -rc, "cannot %s '%s%s%s'", verb, root, slash,
                             name);
    }
}

int pawl_store_fail_rename(struct pawl_error *err, int rc, const char *root,
                           const char *from, const char *to)
{
    const char *shown = strcmp(root, "/") == 0 ? "" : root;
    return pawl_fail_sys(err, -rc, "cannot rename '%s/%s' to '%s/%s'", shown,
                         from, shown, to);
}
