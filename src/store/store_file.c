/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_file.c - the store of files below a directory; see store_file.h
 *
 * Checks names, calls the file tree, and says in words what went wrong: each
 * message names the path as a user would type it.
 *
 * Who makes what durable: close(durable) the bytes of a file, sync(directory)
 * the names in it, along with every directory up the path that this store
 * made or renamed (file_tree.h).
 */
#include "store/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/path.h"
#include "store/file_object.h"
#include "store/file_tree.h"
#include "store/store_name.h"

struct file_store {
    struct pawl_file_tree tree;
};

struct file_object {
    struct file_store *store;
    struct pawl_file_object file;
    char name[];
};

/* ---- messages ---------------------------------------------------------- */

static int fail(struct pawl_error *err, int rc, const char *verb,
                const struct file_store *store, const char *name)
{
    return pawl_store_fail(err, rc, verb, store->tree.root, name);
}

static int fail_object(struct pawl_error *err, int rc, const char *verb,
                       const struct file_object *object)
{
    return fail(err, rc, verb, object->store, object->name);
}

/* ---- the store --------------------------------------------------------- */

static int make_impl(void **out, const char *root, const struct pawl_io *io,
                     struct pawl_error *err)
{
    if (root[0] != '/') {
        return pawl_fail(err, PAWL_EINVAL, EINVAL,
                         "the directory '%s' of a store is not absolute", root);
    }
    struct file_store *store = calloc(1, sizeof(*store));
    char *normal = NULL;
    int rc = pawl_path_absolute(&normal, root, err);
    if (rc == 0 &&
        (store == NULL || pawl_file_tree_init(&store->tree, normal, io) < 0)) {
        rc = pawl_fail_nomem(err);
    }
    free(normal);
    if (rc < 0) {
        free(store);
        return rc;
    }
    *out = store;
    return 0;
}

static int file_make(void **out, const char *root, const char *options_json,
                     struct pawl_error *err)
{
    (void)options_json; /* none yet; the config's reader refuses others */
    return make_impl(out, root, &pawl_io_posix, err);
}

int pawl_store_file_make(struct pawl_store *out, const char *root,
                         const struct pawl_io *io, struct pawl_error *err)
{
    void *impl = NULL;
    int rc = make_impl(&impl, root, io, err);
    if (rc == 0) {
        *out = (struct pawl_store){&pawl_store_file, impl};
    }
    return rc;
}

static void file_free(void *impl)
{
    struct file_store *store = impl;
    if (store != NULL) {
        pawl_file_tree_fini(&store->tree);
        free(store);
    }
}

/* ---- objects ----------------------------------------------------------- */

static struct file_object *new_object(struct file_store *store,
                                      const char *name)
{
    size_t size = strlen(name) + 1;
    struct file_object *object = malloc(sizeof(*object) + size);
    if (object != NULL) {
        object->store = store;
        memcpy(object->name, name, size);
    }
    return object;
}

static int open_fd(struct file_store *store, const char *name,
                   enum pawl_store_mode mode, uint64_t *size)
{
    switch (mode) {
    case PAWL_STORE_CREATE:
        return pawl_file_tree_create_file(&store->tree, name);
    case PAWL_STORE_REUSE:
        return pawl_file_tree_reopen_file(&store->tree, name);
    default:
        return pawl_file_tree_open_file(&store->tree, name, size);
    }
}

/* Opens and reserves; an object that does not fit is removed again. */
static int open_object(struct file_object *object, enum pawl_store_mode mode,
                       uint64_t size_hint, uint64_t *size)
{
    struct pawl_file_tree *tree = &object->store->tree;
    bool direct = (mode & PAWL_STORE_DIRECT) != 0;
    mode &= ~(unsigned)PAWL_STORE_DIRECT;
    bool is_written = mode != PAWL_STORE_READ;
    int fd = open_fd(object->store, object->name, mode, size);
    if (fd < 0) {
        return fd;
    }
    pawl_file_object_init(&object->file, tree->io, fd, is_written, direct);
    if (!is_written) {
        return 0;
    }
    object->file.cut = mode == PAWL_STORE_REUSE;
    int rc = pawl_file_object_reserve(&object->file, size_hint);
    if (rc < 0) {
        pawl_file_object_close(&object->file);
        pawl_file_tree_remove(tree, object->name);
    }
    return rc;
}

static int file_open(void *impl, const char *name, enum pawl_store_mode mode,
                     uint64_t size_hint, void **object_out, uint64_t *size_out,
                     struct pawl_error *err)
{
    struct file_store *store = impl;
    int rc = pawl_store_name_check(name, false, err);
    if (rc < 0) {
        return rc;
    }
    struct file_object *object = new_object(store, name);
    if (object == NULL) {
        return pawl_fail_nomem(err);
    }
    uint64_t size_bytes = 0;
    rc = open_object(object, mode, size_hint, &size_bytes);
    if (rc < 0) {
        bool create = (mode & PAWL_STORE_CREATE) != 0;
        rc = fail_object(err, rc, create ? "create" : "open", object);
        free(object);
        return rc;
    }
    if (size_out != NULL) {
        *size_out = size_bytes;
    }
    *object_out = object;
    return 0;
}

static int file_read(void *impl, uint64_t offset, void *dst, size_t len_bytes,
                     struct pawl_error *err)
{
    struct file_object *object = impl;
    int rc = pawl_file_object_read(&object->file, offset, dst, len_bytes);
    return rc < 0 ? fail_object(err, rc, "read", object) : 0;
}

static int file_map(void *impl, size_t size_bytes, void **out,
                    struct pawl_error *err)
{
    struct file_object *object = impl;
    int rc = pawl_file_object_map(&object->file, size_bytes, out);
    return rc < 0 ? fail_object(err, rc, "map", object) : 0;
}

static int file_write(void *impl, uint64_t offset, const void *src,
                      size_t len_bytes, struct pawl_error *err)
{
    struct file_object *object = impl;
    int rc = pawl_file_object_write(&object->file, offset, src, len_bytes);
    return rc < 0 ? fail_object(err, rc, "write", object) : 0;
}

static int file_close(void *impl, bool durable, struct pawl_error *err)
{
    struct file_object *object = impl;
    int rc = pawl_file_object_finish(&object->file, durable);
    if (rc < 0) {
        rc = fail_object(err, rc, "sync", object);
    }
    int close_rc = pawl_file_object_close(&object->file);
    if (rc == 0 && close_rc < 0 && object->file.is_written) {
        rc = fail_object(err, close_rc, "close", object);
    }
    free(object);
    return rc;
}

/* ---- directories ------------------------------------------------------- */

/* Why a link may be listed as a mere link; other errors must be told, or a
 * checkpoint behind a link would vanish from a listing for want of memory. */
static bool leads_nowhere(int rc)
{
    return rc == -ENOENT || rc == -ELOOP || rc == -ENOTDIR || rc == -EACCES;
}

/* A link counts as what it leads to, if that lies below the root. */
static int stat_entry(struct file_store *store, int dir_fd, const char *dir,
                      const char *entry, struct stat *st, bool *is_link)
{
    int rc =
        pawl_io_fstatat(store->tree.io, dir_fd, entry, st, AT_SYMLINK_NOFOLLOW);
    *is_link = rc == 0 && S_ISLNK(st->st_mode);
    if (rc < 0 || !*is_link) {
        return rc;
    }
    char *name = NULL;
    const char *slash = dir[0] == '\0' ? "" : "/";
    if (asprintf(&name, "%s%s%s", dir, slash, entry) < 0) {
        return -ENOMEM;
    }
    struct stat target;
    rc = pawl_file_tree_stat(&store->tree, name, &target);
    free(name);
    if (rc == 0) {
        *st = target;
    }
    return leads_nowhere(rc) ? 0 : rc;
}

static int list_fd(struct file_store *store, int fd, const char *dir_name,
                   pawl_store_entry_fn fn, void *ctx)
{
    struct pawl_io_dir dir;
    pawl_io_dir_init(&dir, store->tree.io, fd);
    const char *name = NULL;
    int rc;
    while ((rc = pawl_io_dir_next(&dir, &name)) > 0) {
        struct stat st;
        bool is_link = false;
        rc = stat_entry(store, fd, dir_name, name, &st, &is_link);
        if (rc == -ENOENT) {
            continue; /* removed meanwhile */
        }
        if (rc < 0) {
            return rc;
        }
        struct pawl_store_entry entry = {
            .name = name,
            .is_dir = S_ISDIR(st.st_mode),
            .size_bytes = (uint64_t)st.st_size,
            .mtime_ns =
                (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
            .is_link = is_link,
        };
        if (fn(ctx, &entry) != 0) {
            return 0;
        }
    }
    return rc;
}

static int file_list(void *impl, const char *name, pawl_store_entry_fn fn,
                     void *ctx, struct pawl_error *err)
{
    struct file_store *store = impl;
    int rc = pawl_store_name_check(name, true, err);
    if (rc < 0) {
        return rc;
    }
    int fd = pawl_file_tree_open_dir(&store->tree, name);
    if (fd < 0) {
        return fail(err, fd, "list", store, name);
    }
    rc = list_fd(store, fd, name, fn, ctx);
    pawl_io_close(store->tree.io, fd);
    return rc < 0 ? fail(err, rc, "list", store, name) : 0;
}

static int file_mkdir(void *impl, const char *name, struct pawl_error *err)
{
    struct file_store *store = impl;
    int rc = pawl_store_name_check(name, true, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_file_tree_mkdir(&store->tree, name);
    return rc < 0 ? fail(err, rc, "make directory", store, name) : 0;
}

static int file_rename(void *impl, const char *from, const char *to,
                       enum pawl_store_rename how, struct pawl_error *err)
{
    static const unsigned flags[] = {
        [PAWL_RENAME_REPLACE] = 0,
        [PAWL_RENAME_NEW] = RENAME_NOREPLACE,
        [PAWL_RENAME_EXCHANGE] = RENAME_EXCHANGE,
    };
    struct file_store *store = impl;
    int rc = pawl_store_rename_check(from, to, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_file_tree_rename(&store->tree, from, to, flags[how]);
    return rc < 0 ? pawl_store_fail_rename(err, rc, store->tree.root, from, to)
                  : 0;
}

static int file_remove(void *impl, const char *name, struct pawl_error *err)
{
    struct file_store *store = impl;
    int rc = pawl_store_name_check(name, false, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_file_tree_remove(&store->tree, name);
    return rc < 0 ? fail(err, rc, "remove", store, name) : 0;
}

static int file_sync(void *impl, const char *name, struct pawl_error *err)
{
    struct file_store *store = impl;
    int rc = pawl_store_name_check(name, true, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_file_tree_sync(&store->tree, name);
    return rc < 0 ? fail(err, rc, "sync", store, name) : 0;
}

const struct pawl_store_ops pawl_store_file = {
    .struct_size = sizeof(struct pawl_store_ops),
    .name = "file",
    .make = file_make,
    .free = file_free,
    .open = file_open,
    .read = file_read,
    .write = file_write,
    .close = file_close,
    .list = file_list,
    .mkdir = file_mkdir,
    .rename = file_rename,
    .remove = file_remove,
    .sync = file_sync,
    .map = file_map,
};
