/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.c - the system calls themselves, and the care they need; see io.h
 *
 * First the posix table: one call each, errno turned into the result.  Then
 * the functions around a table: EINTR, short counts, ranges, and openat2's
 * twin for kernels without it.
 */
#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Some C libraries and kernel headers that we build with do not know them. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

enum { RESOLVE_NO_MAGICLINKS_ = 0x02, RESOLVE_BENEATH_ = 0x08 };

/* struct open_how of linux/openat2.h, as it was first. */
struct how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

/* ---- the posix table --------------------------------------------------- */

static int result(long rc)
{
    return rc < 0 ? -errno : (int)rc;
}

static ssize_t count(ssize_t rc)
{
    return rc < 0 ? -errno : rc;
}

static int posix_openat(void *ctx, int dir_fd, const char *path, int flags,
                        mode_t mode)
{
    (void)ctx;
    return result(openat(dir_fd, path, flags, mode));
}

static int posix_open_beneath(void *ctx, int dir_fd, const char *path,
                              int flags, mode_t mode)
{
    (void)ctx;
    struct how how = {
        .flags = (uint64_t)(unsigned)flags,
        .mode = (flags & O_CREAT) != 0 ? mode : 0, /* else refused */
        .resolve = RESOLVE_BENEATH_ | RESOLVE_NO_MAGICLINKS_,
    };
    return result(syscall(SYS_openat2, dir_fd, path, &how, sizeof(how)));
}

static int posix_close(void *ctx, int fd)
{
    (void)ctx;
    return result(close(fd));
}

static ssize_t posix_pread(void *ctx, int fd, void *dst, size_t len_bytes,
                           uint64_t offset)
{
    (void)ctx;
    return count(pread(fd, dst, len_bytes, (off_t)offset));
}

static ssize_t posix_pwrite(void *ctx, int fd, const void *src,
                            size_t len_bytes, uint64_t offset)
{
    (void)ctx;
    return count(pwrite(fd, src, len_bytes, (off_t)offset));
}

static int posix_ftruncate(void *ctx, int fd, uint64_t size_bytes)
{
    (void)ctx;
    return result(ftruncate(fd, (off_t)size_bytes));
}

static int posix_fallocate_call(void *ctx, int fd, int mode, uint64_t offset,
                                uint64_t len_bytes)
{
    (void)ctx;
    return result(fallocate(fd, mode, (off_t)offset, (off_t)len_bytes));
}

static int posix_fdatasync(void *ctx, int fd)
{
    (void)ctx;
    return result(fdatasync(fd));
}

static int posix_fsync(void *ctx, int fd)
{
    (void)ctx;
    return result(fsync(fd));
}

static int posix_fstat(void *ctx, int fd, struct stat *out)
{
    (void)ctx;
    return result(fstat(fd, out));
}

static int posix_fstatat(void *ctx, int dir_fd, const char *path,
                         struct stat *out, int flags)
{
    (void)ctx;
    return result(fstatat(dir_fd, path, out, flags));
}

static int posix_mkdirat(void *ctx, int dir_fd, const char *path, mode_t mode)
{
    (void)ctx;
    return result(mkdirat(dir_fd, path, mode));
}

static int posix_unlinkat(void *ctx, int dir_fd, const char *path, int flags)
{
    (void)ctx;
    return result(unlinkat(dir_fd, path, flags));
}

static int posix_renameat2(void *ctx, int old_dir_fd, const char *old_path,
                           int new_dir_fd, const char *new_path, unsigned flags)
{
    (void)ctx;
    if (flags == 0) {
        return result(renameat(old_dir_fd, old_path, new_dir_fd, new_path));
    }
    return result(syscall(SYS_renameat2, old_dir_fd, old_path, new_dir_fd,
                          new_path, flags));
}

static ssize_t posix_readlinkat(void *ctx, int dir_fd, const char *path,
                                char *dst, size_t len_bytes)
{
    (void)ctx;
    return count(readlinkat(dir_fd, path, dst, len_bytes));
}

static ssize_t posix_getdents(void *ctx, int dir_fd, void *dst,
                              size_t len_bytes)
{
    (void)ctx;
    return count(syscall(SYS_getdents64, dir_fd, dst, len_bytes));
}

/* cachestat, of Linux 6.5. */
static int64_t cached_by_stat(int fd, uint64_t offset, size_t len_bytes)
{
    struct {
        uint64_t offset;
        uint64_t len;
    } range = {offset, len_bytes};
    struct {
        uint64_t pages;
        uint64_t others[4]; /* dirty, in writeback, evicted, lately so */
    } stat = {0, {0}};
    long rc = syscall(SYS_cachestat, fd, &range, &stat, 0);
    return rc < 0 ? -errno : (int64_t)(stat.pages * (uint64_t)getpagesize());
}

/* A mapping that is never touched; offset must be that of a page. */
static int64_t cached_by_mincore(int fd, uint64_t offset, size_t len_bytes)
{
    size_t page = (size_t)getpagesize();
    size_t pages = (len_bytes + page - 1) / page;
    int64_t found = 0;
    unsigned char *flags = malloc(pages + 1);
    if (flags == NULL) {
        return -ENOMEM;
    }
    void *at = mmap(NULL, len_bytes, PROT_READ, MAP_SHARED, fd, (off_t)offset);
    bool known = at != MAP_FAILED && mincore(at, len_bytes, flags) == 0;
    if (!known) {
        found = -errno;
    }
    for (size_t i = 0; known && i < pages; i++) {
        found += (flags[i] & 1) != 0 ? (int64_t)page : 0;
    }
    if (at != MAP_FAILED) {
        munmap(at, len_bytes);
    }
    free(flags);
    return found;
}

static int64_t posix_cached(void *ctx, int fd, uint64_t offset,
                            size_t len_bytes)
{
    (void)ctx;
    int64_t found = cached_by_stat(fd, offset, len_bytes);
    return found >= 0 ? found : cached_by_mincore(fd, offset, len_bytes);
}

const struct pawl_io pawl_io_posix = {
    .ctx = NULL,
    .openat = posix_openat,
    .open_beneath = posix_open_beneath,
    .close = posix_close,
    .pread = posix_pread,
    .pwrite = posix_pwrite,
    .ftruncate = posix_ftruncate,
    .fallocate = posix_fallocate_call,
    .fdatasync = posix_fdatasync,
    .fsync = posix_fsync,
    .fstat = posix_fstat,
    .fstatat = posix_fstatat,
    .mkdirat = posix_mkdirat,
    .unlinkat = posix_unlinkat,
    .renameat2 = posix_renameat2,
    .readlinkat = posix_readlinkat,
    .getdents = posix_getdents,
    .cached = posix_cached,
};

/* ---- descriptors ------------------------------------------------------- */

/* Evaluates `call` until it is not interrupted. */
#define RETRY_EINTR(rc, call)                                                  \
    do {                                                                       \
        (rc) = (call);                                                         \
    } while ((rc) == -EINTR)

int pawl_io_openat(const struct pawl_io *io, int dir_fd, const char *path,
                   int flags, mode_t mode)
{
    int rc;
    RETRY_EINTR(rc, io->openat(io->ctx, dir_fd, path, flags | O_CLOEXEC, mode));
    return rc;
}

int pawl_io_close(const struct pawl_io *io, int fd)
{
    int rc = io->close(io->ctx, fd);
    return rc == -EINTR ? 0 : rc;
}

/* Opens the directory at the first component of `*path` and moves `*path`
 * behind it.  No link is followed. */
static int enter(const struct pawl_io *io, int dir_fd, const char **path)
{
    char component[NAME_MAX + 1];
    size_t len = strcspn(*path, "/");
    if (len >= sizeof(component)) {
        return -ENAMETOOLONG;
    }
    memcpy(component, *path, len);
    component[len] = '\0';
    *path += len + strspn(*path + len, "/");
    int fd = pawl_io_openat(io, dir_fd, component,
                            O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
    struct stat st;
    if (fd == -ENOTDIR && /* which says nothing of a link */
        pawl_io_fstatat(io, dir_fd, component, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(st.st_mode)) {
        return -ELOOP;
    }
    return fd;
}

int pawl_io_open_no_link(const struct pawl_io *io, int dir_fd, const char *path,
                         int flags, mode_t mode)
{
    int fd = dir_fd;
    while (strchr(path, '/') != NULL) {
        int next_fd = enter(io, fd, &path);
        if (fd != dir_fd) {
            pawl_io_close(io, fd);
        }
        if (next_fd < 0) {
            return next_fd;
        }
        fd = next_fd;
    }
    int rc = pawl_io_openat(io, fd, path, flags | O_NOFOLLOW, mode);
    if (fd != dir_fd) {
        pawl_io_close(io, fd);
    }
    return rc;
}

int pawl_io_open_beneath(const struct pawl_io *io, int dir_fd, const char *path,
                         int flags, mode_t mode)
{
    /* -EAGAIN: a rename elsewhere raced with a ".." in a link's text. */
    enum { TRIES = 32 };
    int rc = -EAGAIN;
    for (int i = 0; i < TRIES && (rc == -EAGAIN || rc == -EINTR); i++) {
        rc = io->open_beneath(io->ctx, dir_fd, path, flags | O_CLOEXEC, mode);
    }
    /* Sandboxes answer -EPERM to calls that they do not know. */
    if (rc == -ENOSYS || rc == -EPERM) {
        return pawl_io_open_no_link(io, dir_fd, path, flags, mode);
    }
    return rc;
}

/* ---- data -------------------------------------------------------------- */

/* Whether [offset, offset + len) has a place in a file. */
static bool in_range(uint64_t offset, uint64_t len_bytes)
{
    return offset <= INT64_MAX && len_bytes <= (uint64_t)INT64_MAX - offset;
}

ssize_t pawl_io_read_some(const struct pawl_io *io, int fd, void *dst,
                          size_t len_bytes, uint64_t offset)
{
    if (!in_range(offset, len_bytes)) {
        return -EFBIG;
    }
    size_t done = 0;
    while (done < len_bytes) {
        ssize_t n = io->pread(io->ctx, fd, (char *)dst + done, len_bytes - done,
                              offset + done);
        if (n == 0) {
            break;
        }
        if (n < 0 && n != -EINTR) {
            return n;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)done;
}

int pawl_io_read_full(const struct pawl_io *io, int fd, void *dst,
                      size_t len_bytes, uint64_t offset)
{
    ssize_t n = pawl_io_read_some(io, fd, dst, len_bytes, offset);
    if (n < 0) {
        return (int)n;
    }
    return (size_t)n == len_bytes ? 0 : -ENODATA;
}

int64_t pawl_io_cached(const struct pawl_io *io, int fd, uint64_t offset,
                       size_t len_bytes)
{
    if (io->cached == NULL || len_bytes == 0) {
        return io->cached == NULL ? -ENOSYS : 0;
    }
    return io->cached(io->ctx, fd, offset, len_bytes);
}

int pawl_io_write_full(const struct pawl_io *io, int fd, const void *src,
                       size_t len_bytes, uint64_t offset)
{
    if (!in_range(offset, len_bytes)) {
        return -EFBIG;
    }
    size_t done = 0;
    while (done < len_bytes) {
        ssize_t n = io->pwrite(io->ctx, fd, (const char *)src + done,
                               len_bytes - done, offset + done);
        if (n == 0) {
            return -EIO; /* no kernel does; we would never end */
        }
        if (n < 0 && n != -EINTR) {
            return (int)n;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int pawl_io_ftruncate(const struct pawl_io *io, int fd, uint64_t size_bytes)
{
    if (!in_range(size_bytes, 0)) {
        return -EFBIG;
    }
    int rc;
    RETRY_EINTR(rc, io->ftruncate(io->ctx, fd, size_bytes));
    return rc;
}

int pawl_io_fallocate(const struct pawl_io *io, int fd, int mode,
                      uint64_t offset, uint64_t len_bytes)
{
    if (!in_range(offset, len_bytes)) {
        return -EFBIG;
    }
    return io->fallocate(io->ctx, fd, mode, offset, len_bytes);
}

int pawl_io_fdatasync(const struct pawl_io *io, int fd)
{
    int rc;
    RETRY_EINTR(rc, io->fdatasync(io->ctx, fd));
    return rc;
}

int pawl_io_fsync(const struct pawl_io *io, int fd)
{
    int rc;
    RETRY_EINTR(rc, io->fsync(io->ctx, fd));
    return rc;
}

/* ---- names ------------------------------------------------------------- */

int pawl_io_fstat(const struct pawl_io *io, int fd, struct stat *out)
{
    int rc;
    RETRY_EINTR(rc, io->fstat(io->ctx, fd, out));
    return rc;
}

int pawl_io_fstatat(const struct pawl_io *io, int dir_fd, const char *path,
                    struct stat *out, int flags)
{
    int rc;
    RETRY_EINTR(rc, io->fstatat(io->ctx, dir_fd, path, out, flags));
    return rc;
}

int pawl_io_mkdirat(const struct pawl_io *io, int dir_fd, const char *path,
                    mode_t mode)
{
    int rc;
    RETRY_EINTR(rc, io->mkdirat(io->ctx, dir_fd, path, mode));
    return rc;
}

int pawl_io_unlinkat(const struct pawl_io *io, int dir_fd, const char *path,
                     int flags)
{
    int rc;
    RETRY_EINTR(rc, io->unlinkat(io->ctx, dir_fd, path, flags));
    return rc;
}

int pawl_io_renameat2(const struct pawl_io *io, int old_dir_fd,
                      const char *old_path, int new_dir_fd,
                      const char *new_path, unsigned flags)
{
    int rc;
    RETRY_EINTR(rc, io->renameat2(io->ctx, old_dir_fd, old_path, new_dir_fd,
                                  new_path, flags));
    return rc;
}

ssize_t pawl_io_readlinkat(const struct pawl_io *io, int dir_fd,
                           const char *path, char *dst, size_t len_bytes)
{
    ssize_t rc;
    RETRY_EINTR(rc, io->readlinkat(io->ctx, dir_fd, path, dst, len_bytes));
    if (rc < 0) {
        return rc;
    }
    if ((size_t)rc >= len_bytes) {
        return -ENAMETOOLONG;
    }
    dst[rc] = '\0';
    return rc;
}

/* ---- directories ------------------------------------------------------- */

void pawl_io_dir_init(struct pawl_io_dir *dir, const struct pawl_io *io, int fd)
{
    dir->io = io;
    dir->fd = fd;
    dir->at = 0;
    dir->len = 0;
}

/* 1: there is an entry at dir->at; 0: the end; -errno. */
static int fill(struct pawl_io_dir *dir)
{
    if (dir->at < dir->len) {
        return 1;
    }
    ssize_t n;
    RETRY_EINTR(n, dir->io->getdents(dir->io->ctx, dir->fd, dir->buf,
                                     sizeof(dir->buf)));
    if (n <= 0) {
        return (int)n;
    }
    dir->at = 0;
    dir->len = (size_t)n;
    return 1;
}

static bool is_dot_or_dotdot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int pawl_io_dir_next(struct pawl_io_dir *dir, const char **name)
{
    for (;;) {
        int rc = fill(dir);
        if (rc <= 0) {
            return rc;
        }
        const unsigned char *entry = dir->buf + dir->at;
        uint16_t entry_len;
        memcpy(&entry_len, entry + offsetof(struct dirent64, d_reclen),
               sizeof(entry_len));
        if (entry_len == 0 || entry_len > dir->len - dir->at) {
            return -EIO;
        }
        dir->at += entry_len;
        const char *entry_name =
            (const char *)entry + offsetof(struct dirent64, d_name);
        if (!is_dot_or_dotdot(entry_name)) {
            *name = entry_name;
            return 1;
        }
    }
}
