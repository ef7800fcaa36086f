/* SPDX-License-Identifier: Apache-2.0 */
/* path.c - paths and tags as text; see path.h. */
#include "base/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Drops empty and "." components in place; `path` begins with '/'. */
static void squeeze(char *path)
{
    char *to = path;
    const char *from = path;
    while (*from != '\0') {
        from += strspn(from, "/");
        size_t len = strcspn(from, "/");
        if (len > 0 && !(len == 1 && from[0] == '.')) {
            *to++ = '/';
            memmove(to, from, len);
            to += len;
        }
        from += len;
    }
    if (to == path) {
        *to++ = '/';
    }
    *to = '\0';
}

int pawl_path_join(char **out, const char *dir, const char *name,
                   struct pawl_error *err)
{
    size_t dir_len = strlen(dir);
    size_t name_len = strlen(name);
    char *joined = malloc(dir_len + name_len + 2);
    if (joined == NULL) {
        return pawl_fail_nomem(err);
    }
    memcpy(joined, dir, dir_len);
    joined[dir_len] = '/';
    memcpy(joined + dir_len + 1, name, name_len + 1);
    *out = joined;
    return 0;
}

int pawl_path_absolute(char **out, const char *path, struct pawl_error *err)
{
    if (path == NULL || path[0] == '\0') {
        return pawl_fail(err, PAWL_EINVAL, EINVAL, "a path is empty");
    }
    char *absolute = NULL;
    if (path[0] == '/') {
        absolute = strdup(path);
        if (absolute == NULL) {
            return pawl_fail_nomem(err);
        }
    } else {
        char *cwd = getcwd(NULL, 0);
        if (cwd == NULL) {
            return pawl_fail_sys(err, errno, "cannot find where '%s' is", path);
        }
        int rc = pawl_path_join(&absolute, cwd, path, err);
        free(cwd);
        if (rc < 0) {
            return rc;
        }
    }
    squeeze(absolute);
    *out = absolute;
    return 0;
}

bool pawl_path_climbs(const char *path)
{
    while (*path != '\0') {
        path += strspn(path, "/");
        size_t len = strcspn(path, "/");
        if (len == 2 && path[0] == '.' && path[1] == '.') {
            return true;
        }
        path += len;
    }
    return false;
}

const char *pawl_path_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    if (len == 1) { /* "/" */
        len = 0;
    }
    if (strncmp(path, dir, len) != 0 || path[len] != '/' ||
        path[len + 1] == '\0') {
        return NULL;
    }
    const char *rest = path + len + 1;
    return pawl_path_climbs(rest) ? NULL : rest;
}

int pawl_path_split(char **dir_out, const char **name_out, const char *path,
                    struct pawl_error *err)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash[1] == '\0') {
        return pawl_fail(err, PAWL_EINVAL, EINVAL, "'%s' names no file", path);
    }
    size_t len = slash == path ? 1 : (size_t)(slash - path);
    char *dir = strndup(path, len);
    if (dir == NULL) {
        return pawl_fail_nomem(err);
    }
    *dir_out = dir;
    *name_out = slash + 1;
    return 0;
}

static const char *tag_fault(const char *tag)
{
    if (tag[0] == '\0') {
        return "is empty";
    }
    if (strlen(tag) > 255) {
        return "is longer than 255 bytes";
    }
    if (tag[0] == '.') {
        return "begins with '.'";
    }
    if (strcmp(tag, "latest") == 0) {
        return "is a reserved word";
    }
    for (const char *c = tag; *c != '\0'; c++) {
        if (*c == '/') {
            return "holds a '/'";
        }
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            return "holds a control character";
        }
    }
    return NULL;
}

int pawl_tag_check(const char *tag, struct pawl_error *err)
{
    if (tag == NULL) {
        return pawl_fail(err, PAWL_EINVAL, EINVAL, "a tag is missing");
    }
    const char *fault = tag_fault(tag);
    if (fault != NULL) {
        return pawl_fail(err, PAWL_EINVAL, EINVAL, "bad tag '%s': it %s", tag,
                         fault);
    }
    return 0;
}
