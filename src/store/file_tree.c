/* SPDX-License-Identifier: Apache-2.0 */
/* file_tree.c - see file_tree.h. */
#include "store/file_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/process.h"

/* Enough to stat and open below it; needs no permission to read it. */
#define AS_PATH (O_PATH | O_DIRECTORY)
#define AS_DIR (O_RDONLY | O_DIRECTORY)

enum { NEW_DIR_MODE = 0777, NEW_FILE_MODE = 0666 };

int pawl_file_tree_init(struct pawl_file_tree *tree, const char *root,
                        const struct pawl_io *io)
{
    char *copy = strdup(root);
    if (copy == NULL) {
        return -ENOMEM;
    }
    tree->io = io;
    tree->root = copy;
    pawl_unsynced_init(&tree->unsynced);
    return 0;
}

void pawl_file_tree_fini(struct pawl_file_tree *tree)
{
    pawl_unsynced_fini(&tree->unsynced);
    free(tree->root);
}

/* ---- paths as text ----------------------------------------------------- */

/* The absolute path of a name; NULL when out of memory. */
static char *path_of(const struct pawl_file_tree *tree, const char *name)
{
    const char *root = strcmp(tree->root, "/") == 0 ? "" : tree->root;
    char *path = NULL;
    if (name[0] == '\0') {
        return strdup(tree->root);
    }
    return asprintf(&path, "%s/%s", root, name) < 0 ? NULL : path;
}

/* Cuts the last component off an absolute path; false if there is none. */
static bool cut_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL || slash[1] == '\0') {
        return false;
    }
    slash[slash == path ? 1 : 0] = '\0';
    return true;
}

static const char *last_component(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash == NULL ? name : slash + 1;
}

/* ---- making directories ------------------------------------------------ */

/* mkdirat, noted as unsynced under its absolute path. */
static int make_dir(struct pawl_file_tree *tree, int dir_fd, const char *name,
                    const char *path)
{
    pawl_unsynced_begin(&tree->unsynced, path);
    int rc = pawl_io_mkdirat(tree->io, dir_fd, name, NEW_DIR_MODE);
    pawl_unsynced_end(&tree->unsynced, path, rc == 0);
    return rc;
}

/* Makes the root and what is missing above it.  0 also if it is there. */
static int make_root(struct pawl_file_tree *tree)
{
    char *path = strdup(tree->root);
    if (path == NULL) {
        return -ENOMEM;
    }
    /* Up to the first that can be made, so that directories which are there
     * are not touched; then down again. */
    size_t len = strlen(path);
    int rc = make_dir(tree, AT_FDCWD, path, path);
    while (rc == -ENOENT) {
        char *slash = strrchr(path, '/');
        if (slash == NULL || slash == path) {
            break;
        }
        *slash = '\0';
        rc = make_dir(tree, AT_FDCWD, path, path);
    }
    while ((rc == 0 || rc == -EEXIST) && strlen(path) < len) {
        path[strlen(path)] = '/'; /* back, and with it one component */
        rc = make_dir(tree, AT_FDCWD, path, path);
    }
    free(path);
    return rc == -EEXIST ? 0 : rc;
}

static int open_root(struct pawl_file_tree *tree, int flags)
{
    return pawl_io_openat(tree->io, AT_FDCWD, tree->root, flags, 0);
}

static int open_or_make_root(struct pawl_file_tree *tree, int flags)
{
    int fd = open_root(tree, flags);
    if (fd != -ENOENT) {
        return fd;
    }
    int rc = make_root(tree);
    return rc < 0 ? rc : open_root(tree, flags);
}

/* For who reads: links that stay below the root are followed. */
static int open_beneath(struct pawl_file_tree *tree, int root_fd,
                        const char *name, int flags)
{
    int fd = pawl_io_open_beneath(tree->io, root_fd, name, flags, 0);
    return fd == -EXDEV ? -ELOOP : fd;
}

/* Opens directory `prefix`, a beginning of a name, in its parent `parent_fd`,
 * and makes it if it is missing. */
static int open_or_make_dir(struct pawl_file_tree *tree, int parent_fd,
                            const char *prefix)
{
    const char *last = last_component(prefix);
    int fd = pawl_io_open_no_link(tree->io, parent_fd, last, AS_PATH, 0);
    if (fd != -ENOENT) {
        return fd;
    }
    char *path = path_of(tree, prefix);
    if (path == NULL) {
        return -ENOMEM;
    }
    int rc = make_dir(tree, parent_fd, last, path);
    free(path);
    if (rc < 0 && rc != -EEXIST) {
        return rc;
    }
    return pawl_io_open_no_link(tree->io, parent_fd, last, AS_PATH, 0);
}

/* Opens directory `name` and makes what is missing on the way. */
static int make_dirs(struct pawl_file_tree *tree, int root_fd, const char *name)
{
    char *prefix = strdup(name);
    if (prefix == NULL) {
        return -ENOMEM;
    }
    int fd = root_fd;
    size_t end = strcspn(prefix, "/");
    for (;;) {
        char cut = prefix[end];
        prefix[end] = '\0';
        int next_fd = open_or_make_dir(tree, fd, prefix);
        prefix[end] = cut;
        if (fd != root_fd) {
            pawl_io_close(tree->io, fd);
        }
        fd = next_fd;
        if (fd < 0 || cut == '\0') {
            break;
        }
        end += 1 + strcspn(prefix + end + 1, "/");
    }
    free(prefix);
    return fd;
}

/* Opens the directory that `name` lies in, for who makes, renames or removes
 * `name`, and with `make` sees to it that it is there. */
static int open_parent(struct pawl_file_tree *tree, const char *name, bool make)
{
    int root_fd =
        make ? open_or_make_root(tree, AS_PATH) : open_root(tree, AS_PATH);
    const char *last = last_component(name);
    if (root_fd < 0 || last == name) {
        return root_fd;
    }
    int fd = -ENOMEM;
    char *parent = strndup(name, (size_t)(last - name) - 1);
    if (parent != NULL) {
        fd = pawl_io_open_no_link(tree->io, root_fd, parent, AS_PATH, 0);
        if (fd == -ENOENT && make) {
            fd = make_dirs(tree, root_fd, parent);
        }
    }
    free(parent);
    pawl_io_close(tree->io, root_fd);
    return fd;
}

static int mkdir_root(struct pawl_file_tree *tree)
{
    int fd = open_root(tree, AS_PATH);
    if (fd >= 0) {
        pawl_io_close(tree->io, fd);
        return -EEXIST;
    }
    return fd == -ENOENT ? make_root(tree) : fd;
}

int pawl_file_tree_mkdir(struct pawl_file_tree *tree, const char *name)
{
    if (name[0] == '\0') {
        return mkdir_root(tree);
    }
    char *path = path_of(tree, name);
    if (path == NULL) {
        return -ENOMEM;
    }
    int rc = open_parent(tree, name, true);
    if (rc >= 0) {
        int parent_fd = rc;
        rc = make_dir(tree, parent_fd, last_component(name), path);
        pawl_io_close(tree->io, parent_fd);
    }
    free(path);
    return rc;
}

/* ---- opening ----------------------------------------------------------- */

/* Opens what is below the root, or with "" the root itself. */
static int open_name(struct pawl_file_tree *tree, const char *name, int flags)
{
    if (name[0] == '\0') {
        return open_root(tree, flags);
    }
    int root_fd = open_root(tree, AS_PATH);
    if (root_fd < 0) {
        return root_fd;
    }
    int fd = open_beneath(tree, root_fd, name, flags);
    pawl_io_close(tree->io, root_fd);
    return fd;
}

int pawl_file_tree_open_dir(struct pawl_file_tree *tree, const char *name)
{
    return open_name(tree, name, AS_DIR);
}

static int regular_or_error(const struct stat *st)
{
    if (S_ISDIR(st->st_mode)) {
        return -EISDIR;
    }
    return S_ISREG(st->st_mode) ? 0 : -EINVAL;
}

int pawl_file_tree_open_file(struct pawl_file_tree *tree, const char *name,
                             uint64_t *size_bytes)
{
    /* O_NONBLOCK: to open a pipe would wait for its writer. */
    int fd = open_name(tree, name, O_RDONLY | O_NONBLOCK);
    if (fd < 0) {
        return fd;
    }
    struct stat st;
    int rc = pawl_io_fstat(tree->io, fd, &st);
    if (rc == 0) {
        rc = regular_or_error(&st);
    }
    if (rc < 0) {
        pawl_io_close(tree->io, fd);
        return rc;
    }
    *size_bytes = (uint64_t)st.st_size;
    return fd;
}

/* Whether a file may stand for one that we would make in `dir_fd`: nobody
 * else may read or write it who could not read or write that one. */
static bool is_like_a_new_one(const struct pawl_io *io, int dir_fd,
                              const struct stat *st)
{
    mode_t umask = 0;
    struct stat dir;
    return pawl_process_umask(&umask) &&
           (st->st_mode & 07777) == (NEW_FILE_MODE & ~umask) &&
           st->st_uid == geteuid() &&
           (st->st_gid == getegid() ||
            (pawl_io_fstat(io, dir_fd, &dir) == 0 && st->st_gid == dir.st_gid));
}

static int reopen_at(struct pawl_file_tree *tree, int dir_fd, const char *name)
{
    int fd =
        pawl_io_open_no_link(tree->io, dir_fd, name, O_RDWR | O_NONBLOCK, 0);
    if (fd < 0) {
        return fd;
    }
    struct stat st;
    int rc = pawl_io_fstat(tree->io, fd, &st);
    if (rc == 0) {
        rc = regular_or_error(&st);
    }
    if (rc == 0 && st.st_nlink > 1) {
        rc = -EMLINK;
    }
    if (rc == 0 && !is_like_a_new_one(tree->io, dir_fd, &st)) {
        rc = -EPERM;
    }
    if (rc < 0) {
        pawl_io_close(tree->io, fd);
        return rc;
    }
    return fd;
}

int pawl_file_tree_reopen_file(struct pawl_file_tree *tree, const char *name)
{
    int dir_fd = open_parent(tree, name, false);
    if (dir_fd < 0) {
        return dir_fd;
    }
    int fd = reopen_at(tree, dir_fd, last_component(name));
    pawl_io_close(tree->io, dir_fd);
    return fd;
}

int pawl_file_tree_stat(struct pawl_file_tree *tree, const char *name,
                        struct stat *out)
{
    int fd = open_name(tree, name, O_PATH);
    if (fd < 0) {
        return fd;
    }
    int rc = pawl_io_fstat(tree->io, fd, out);
    pawl_io_close(tree->io, fd);
    return rc;
}

/* Removes the file or link that is in the way of a new file. */
static int clear_place(struct pawl_file_tree *tree, int dir_fd,
                       const char *name)
{
    struct stat st;
    int rc = pawl_io_fstatat(tree->io, dir_fd, name, &st, AT_SYMLINK_NOFOLLOW);
    if (rc == 0 && !S_ISLNK(st.st_mode)) {
        rc = regular_or_error(&st);
    }
    if (rc == 0) {
        rc = pawl_io_unlinkat(tree->io, dir_fd, name, 0);
    }
    return rc == -ENOENT ? 0 : rc;
}

static int create_at(struct pawl_file_tree *tree, int dir_fd, const char *name)
{
    enum { TRIES = 16 }; /* against somebody who keeps putting it back */
    int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW;
    for (int i = 0; i < TRIES; i++) {
        int fd = pawl_io_openat(tree->io, dir_fd, name, flags, NEW_FILE_MODE);
        if (fd != -EEXIST) {
            return fd;
        }
        int rc = clear_place(tree, dir_fd, name);
        if (rc < 0) {
            return rc;
        }
    }
    return -EBUSY;
}

int pawl_file_tree_create_file(struct pawl_file_tree *tree, const char *name)
{
    int dir_fd = open_parent(tree, name, true);
    if (dir_fd < 0) {
        return dir_fd;
    }
    int fd = create_at(tree, dir_fd, last_component(name));
    pawl_io_close(tree->io, dir_fd);
    return fd;
}

/* ---- renaming and removing --------------------------------------------- */

struct place {
    int dir_fd;
    const char *name;
};

/* For file systems whose renames know no flags. */
static int rename_if_free(const struct pawl_io *io, struct place from,
                          struct place to)
{
    struct stat st;
    int rc = pawl_io_fstatat(io, to.dir_fd, to.name, &st, AT_SYMLINK_NOFOLLOW);
    if (rc == 0) {
        return -EEXIST;
    }
    if (rc != -ENOENT) {
        return rc;
    }
    return pawl_io_renameat2(io, from.dir_fd, from.name, to.dir_fd, to.name, 0);
}

static int rename_at(const struct pawl_io *io, struct place from,
                     struct place to, unsigned flags)
{
    int rc = pawl_io_renameat2(io, from.dir_fd, from.name, to.dir_fd, to.name,
                               flags);
    if (flags == 0 || (rc != -ENOSYS && rc != -EINVAL)) {
        return rc;
    }
    return flags == RENAME_NOREPLACE ? rename_if_free(io, from, to)
                                     : -EOPNOTSUPP;
}

/* rename_at, noted as unsynced under the absolute paths. */
static int rename_noted(struct pawl_file_tree *tree, struct place from,
                        struct place to, unsigned flags, const char *paths[2])
{
    bool exchange = flags == RENAME_EXCHANGE;
    struct pawl_unsynced *unsynced = &tree->unsynced;
    pawl_unsynced_begin(unsynced, paths[1]);
    if (exchange) {
        pawl_unsynced_begin(unsynced, paths[0]);
    }
    int rc = rename_at(tree->io, from, to, flags);
    if (rc == 0) {
        pawl_unsynced_swap(unsynced, paths[0], paths[1]);
    }
    pawl_unsynced_end(unsynced, paths[1], rc == 0);
    if (exchange) {
        pawl_unsynced_end(unsynced, paths[0], rc == 0);
    } else if (rc == 0) {
        pawl_unsynced_forget(unsynced, paths[0]);
    }
    return rc;
}

int pawl_file_tree_rename(struct pawl_file_tree *tree, const char *from,
                          const char *to, unsigned flags)
{
    char *from_path = path_of(tree, from);
    char *to_path = path_of(tree, to);
    int from_fd = open_parent(tree, from, false);
    int to_fd = open_parent(tree, to, false);
    int rc;
    if (from_path == NULL || to_path == NULL) {
        rc = -ENOMEM;
    } else if (from_fd < 0) {
        rc = from_fd;
    } else if (to_fd < 0) {
        rc = to_fd;
    } else {
        rc = rename_noted(tree, (struct place){from_fd, last_component(from)},
                          (struct place){to_fd, last_component(to)}, flags,
                          (const char *[2]){from_path, to_path});
    }
    if (from_fd >= 0) {
        pawl_io_close(tree->io, from_fd);
    }
    if (to_fd >= 0) {
        pawl_io_close(tree->io, to_fd);
    }
    free(from_path);
    free(to_path);
    return rc;
}

static int remove_at(const struct pawl_io *io, int dir_fd, const char *name)
{
    int rc = pawl_io_unlinkat(io, dir_fd, name, 0);
    if (rc != -EISDIR && rc != -EPERM) {
        return rc;
    }
    int rc_dir = pawl_io_unlinkat(io, dir_fd, name, AT_REMOVEDIR);
    return rc_dir == -ENOTDIR ? rc : rc_dir;
}

int pawl_file_tree_remove(struct pawl_file_tree *tree, const char *name)
{
    char *path = path_of(tree, name);
    if (path == NULL) {
        return -ENOMEM;
    }
    int rc = open_parent(tree, name, false);
    if (rc >= 0) {
        int parent_fd = rc;
        rc = remove_at(tree->io, parent_fd, last_component(name));
        pawl_io_close(tree->io, parent_fd);
    }
    if (rc == 0) {
        pawl_unsynced_forget(&tree->unsynced, path);
    }
    free(path);
    return rc;
}

/* ---- durability -------------------------------------------------------- */

static bool has_no_dir_sync(int rc)
{
    return rc == -EINVAL || rc == -EOPNOTSUPP || rc == -ENOSYS;
}

/* Syncs the directory at an absolute path, in the root or above it. */
static int sync_dir(struct pawl_file_tree *tree, const char *path)
{
    const char *name = pawl_path_below(path, tree->root);
    int fd = name != NULL ? open_name(tree, name, AS_DIR)
                          : pawl_io_openat(tree->io, AT_FDCWD, path, AS_DIR, 0);
    if (fd < 0) {
        return fd;
    }
    uint64_t now = pawl_unsynced_now(&tree->unsynced);
    int rc = pawl_io_fsync(tree->io, fd);
    if (has_no_dir_sync(rc)) {
        rc = 0;
    }
    if (rc == 0) {
        pawl_unsynced_synced(&tree->unsynced, path, now);
    }
    pawl_io_close(tree->io, fd);
    return rc;
}

int pawl_file_tree_sync(struct pawl_file_tree *tree, const char *name)
{
    char *path = path_of(tree, name);
    if (path == NULL) {
        return -ENOMEM;
    }
    int rc = sync_dir(tree, path);
    while (rc == 0) {
        bool entry_unsynced = pawl_unsynced_has(&tree->unsynced, path);
        if (!cut_last(path)) {
            break;
        }
        if (entry_unsynced) {
            rc = sync_dir(tree, path);
        }
    }
    free(path);
    return rc;
}
