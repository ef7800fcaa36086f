/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.h - every system call on files, behind one table
 *
 * Pawl touches the disk only through a `struct pawl_io`, so that a test can
 * put a table in its place that fails, cuts short, or records each call.  The
 * library's own is pawl_io_posix.
 *
 * Errors are the return value: 0 (or a count, or a descriptor) or a negative
 * errno, such as -ENOSPC.  The global errno means nothing here.  Code above
 * this layer turns them into a struct pawl_error with pawl_fail_sys.
 *
 * Call the pawl_io_* functions, not the table: they go on after EINTR and
 * check ranges.  Everything blocks, and is as thread-safe as the system call.
 * Descriptors are opened with O_CLOEXEC, always.
 */
#ifndef PAWL_BASE_IO_H
#define PAWL_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Each entry makes one system call, once, and returns its result or -errno.
 * `ctx` is the table's own. */
struct pawl_io {
    void *ctx;
    int (*openat)(void *ctx, int dir_fd, const char *path, int flags,
                  mode_t mode);
    /* openat2 with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS: -EXDEV for a
     * path that leaves `dir_fd`; -ENOSYS where the kernel lacks it. */
    int (*open_beneath)(void *ctx, int dir_fd, const char *path, int flags,
                        mode_t mode);
    int (*close)(void *ctx, int fd);
    ssize_t (*pread)(void *ctx, int fd, void *dst, size_t len_bytes,
                     uint64_t offset);
    ssize_t (*pwrite)(void *ctx, int fd, const void *src, size_t len_bytes,
                      uint64_t offset);
    int (*ftruncate)(void *ctx, int fd, uint64_t size_bytes);
    int (*fallocate)(void *ctx, int fd, int mode, uint64_t offset,
                     uint64_t len_bytes);
    int (*fdatasync)(void *ctx, int fd);
    int (*fsync)(void *ctx, int fd);
    int (*fstat)(void *ctx, int fd, struct stat *out);
    int (*fstatat)(void *ctx, int dir_fd, const char *path, struct stat *out,
                   int flags);
    int (*mkdirat)(void *ctx, int dir_fd, const char *path, mode_t mode);
    int (*unlinkat)(void *ctx, int dir_fd, const char *path, int flags);
    /* `flags` are RENAME_NOREPLACE or RENAME_EXCHANGE; 0 is plain renameat,
     * which every kernel and file system has. */
    int (*renameat2)(void *ctx, int old_dir_fd, const char *old_path,
                     int new_dir_fd, const char *new_path, unsigned flags);
    ssize_t (*readlinkat)(void *ctx, int dir_fd, const char *path, char *dst,
                          size_t len_bytes);
    /* Fills `dst` with struct dirent64; 0 at the end. */
    ssize_t (*getdents)(void *ctx, int dir_fd, void *dst, size_t len_bytes);
    /* How many bytes of a range are in the page cache, whole pages counted;
     * the one entry that may be NULL. */
    int64_t (*cached)(void *ctx, int fd, uint64_t offset, size_t len_bytes);
};

extern const struct pawl_io pawl_io_posix;

/* ---- descriptors ------------------------------------------------------- */

/* The descriptor, or -errno.  O_CLOEXEC is added to `flags`. */
int pawl_io_openat(const struct pawl_io *io, int dir_fd, const char *path,
                   int flags, mode_t mode);

/* As pawl_io_openat, but never reaches outside the directory `dir_fd`, by
 * ".." or by symbolic links.  `path` is relative, without "." and ".."
 * components.  Links that stay inside are followed, except where the kernel
 * (before 5.6, or a sandbox) cannot do that safely: there no link is, as by
 * pawl_io_open_no_link.  -EXDEV: the path leads out. */
int pawl_io_open_beneath(const struct pawl_io *io, int dir_fd, const char *path,
                         int flags, mode_t mode);

/* The same for who writes: no component of `path` may be a link, wherever it
 * leads.  By steps of one component, on every kernel.  -ELOOP: one is. */
int pawl_io_open_no_link(const struct pawl_io *io, int dir_fd, const char *path,
                         int flags, mode_t mode);

/* Never retried: after EINTR the descriptor is gone as well.  EINTR counts as
 * success, since it says nothing about data that was synced before. */
int pawl_io_close(const struct pawl_io *io, int fd);

/* ---- data -------------------------------------------------------------- */

/* Reads until `len_bytes` are there or the file ends.  The count or -errno. */
ssize_t pawl_io_read_some(const struct pawl_io *io, int fd, void *dst,
                          size_t len_bytes, uint64_t offset);

/* Reads all of `len_bytes`.  0; -ENODATA if the file ends before; -errno. */
int pawl_io_read_full(const struct pawl_io *io, int fd, void *dst,
                      size_t len_bytes, uint64_t offset);

/* How many bytes of a range are in the page cache, at this moment and about;
 * starts no reading.  -ENOSYS where that cannot be told. */
int64_t pawl_io_cached(const struct pawl_io *io, int fd, uint64_t offset,
                       size_t len_bytes);

/* Writes all of `len_bytes`.  0 or -errno; then any part may be written. */
int pawl_io_write_full(const struct pawl_io *io, int fd, const void *src,
                       size_t len_bytes, uint64_t offset);

int pawl_io_ftruncate(const struct pawl_io *io, int fd, uint64_t size_bytes);

/* Reserves space; `mode` as for fallocate(2).  Not retried after EINTR: tmpfs
 * gives back what it had, and under a profiler's timer would never end. */
int pawl_io_fallocate(const struct pawl_io *io, int fd, int mode,
                      uint64_t offset, uint64_t len_bytes);

/* After a failure (-EIO, -ENOSPC) the kernel may have dropped the dirty
 * pages: calling again and getting 0 proves nothing.  Write the file anew. */
int pawl_io_fdatasync(const struct pawl_io *io, int fd);
int pawl_io_fsync(const struct pawl_io *io, int fd);

/* ---- names ------------------------------------------------------------- */

int pawl_io_fstat(const struct pawl_io *io, int fd, struct stat *out);
int pawl_io_fstatat(const struct pawl_io *io, int dir_fd, const char *path,
                    struct stat *out, int flags);
int pawl_io_mkdirat(const struct pawl_io *io, int dir_fd, const char *path,
                    mode_t mode);
int pawl_io_unlinkat(const struct pawl_io *io, int dir_fd, const char *path,
                     int flags);

/* See the table; -ENOSYS or -EINVAL where flags are not supported. */
int pawl_io_renameat2(const struct pawl_io *io, int old_dir_fd,
                      const char *old_path, int new_dir_fd,
                      const char *new_path, unsigned flags);

/* Puts the link's text, NUL-terminated, to `dst`; -ENAMETOOLONG if it does
 * not fit.  Its length or -errno. */
ssize_t pawl_io_readlinkat(const struct pawl_io *io, int dir_fd,
                           const char *path, char *dst, size_t len_bytes);

/* ---- directories ------------------------------------------------------- */

/* Walks the entries of an open directory, "." and ".." left out:
 *
 *     struct pawl_io_dir dir;
 *     pawl_io_dir_init(&dir, io, fd);
 *     while ((rc = pawl_io_dir_next(&dir, &name)) > 0) { ... }
 *
 * Holds no memory and does not close `fd`, which must not be O_PATH. */
struct pawl_io_dir {
    const struct pawl_io *io;
    int fd;
    size_t at;  /* offset of the next entry in buf */
    size_t len; /* filled part of buf */
    _Alignas(8) unsigned char buf[4096];
};

void pawl_io_dir_init(struct pawl_io_dir *dir, const struct pawl_io *io,
                      int fd);
/* 1 and a name, valid until the next call; 0 at the end; -errno. */
int pawl_io_dir_next(struct pawl_io_dir *dir, const char **name);

#endif
