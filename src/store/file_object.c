/* SPDX-License-Identifier: Apache-2.0 */
/* file_object.c - see file_object.h. */
#include "store/file_object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

static const size_t ALIGNMENT = 4096; /* enough for every known device */

/* By way of /proc, so that it is the same file whatever happened to its name;
 * the kernel checks the permissions anew. */
static int reopen_direct(const struct pawl_io *io, int fd, bool is_written)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int access = is_written ? O_WRONLY : O_RDONLY;
    int direct_fd = pawl_io_openat(io, AT_FDCWD, path, access | O_DIRECT, 0);
    return direct_fd < 0 ? -1 : direct_fd;
}

void pawl_file_object_init(struct pawl_file_object *object,
                           const struct pawl_io *io, int fd, bool is_written,
                           bool direct)
{
    object->io = io;
    object->fd = fd;
    object->direct_fd = direct ? reopen_direct(io, fd, is_written) : -1;
    object->is_written = is_written;
    object->cut = false;
    atomic_init(&object->direct_fails, false);
    atomic_init(&object->end, 0);
}

int pawl_file_object_reserve(struct pawl_file_object *object,
                             uint64_t size_bytes)
{
    if (size_bytes == 0) {
        return 0;
    }
    /* Direct writes beyond the end of a file wait for each other, within it
     * they do not: so the file gets its size now. */
    object->cut |= object->direct_fd >= 0;
    int mode = object->direct_fd >= 0 ? 0 : FALLOC_FL_KEEP_SIZE;
    int rc = pawl_io_fallocate(object->io, object->fd, mode, 0, size_bytes);
    bool too_large = rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG;
    return too_large ? rc : 0;
}

/* How many bytes of a transfer can go past the page cache. */
static size_t direct_part(const struct pawl_file_object *object,
                          const void *memory, uint64_t offset, size_t len)
{
    if (object->direct_fd < 0 || (uintptr_t)memory % ALIGNMENT != 0 ||
        offset % ALIGNMENT != 0 ||
        atomic_load_explicit(&object->direct_fails, memory_order_relaxed)) {
        return 0;
    }
    return len / ALIGNMENT * ALIGNMENT;
}

/* Whether a direct transfer was refused rather than failed.  Some systems open
 * with O_DIRECT and then say no, or want more alignment than we have. */
static bool refused(struct pawl_file_object *object, int rc)
{
    if (rc != -EINVAL && rc != -EOPNOTSUPP) {
        return false;
    }
    atomic_store_explicit(&object->direct_fails, true, memory_order_relaxed);
    return true;
}

/* Whether most of a range need not come from the disk. */
static bool is_cached(const struct pawl_file_object *object, uint64_t offset,
                      size_t len)
{
    int64_t found = pawl_io_cached(object->io, object->fd, offset, len);
    return found > 0 && (uint64_t)found >= len / 2;
}

int pawl_file_object_read(struct pawl_file_object *object, uint64_t offset,
                          void *dst, size_t len_bytes)
{
    size_t direct = direct_part(object, dst, offset, len_bytes);
    if (direct > 0 && is_cached(object, offset, direct)) {
        direct = 0;
    }
    if (direct > 0) {
        int rc = pawl_io_read_full(object->io, object->direct_fd, dst, direct,
                                   offset);
        if (rc < 0 && !refused(object, rc)) {
            return rc;
        }
        direct = rc < 0 ? 0 : direct;
    }
    return pawl_io_read_full(object->io, object->fd,
                             (unsigned char *)dst + direct, len_bytes - direct,
                             offset + direct);
}

int pawl_file_object_map(const struct pawl_file_object *object,
                         size_t size_bytes, void **out)
{
    void *at = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_NORESERVE, object->fd, 0);
    if (at == MAP_FAILED) {
        return -errno;
    }
    *out = at;
    return 0;
}

static void note_end(struct pawl_file_object *object, uint64_t end)
{
    uint_fast64_t known =
        atomic_load_explicit(&object->end, memory_order_relaxed);
    while (known < end && !atomic_compare_exchange_weak_explicit(
                              &object->end, &known, end, memory_order_relaxed,
                              memory_order_relaxed)) {
    }
}

int pawl_file_object_write(struct pawl_file_object *object, uint64_t offset,
                           const void *src, size_t len_bytes)
{
    size_t direct = direct_part(object, src, offset, len_bytes);
    int rc = 0;
    if (!object->is_written) {
        return -EBADF;
    }
    if (direct > 0) {
        rc = pawl_io_write_full(object->io, object->direct_fd, src, direct,
                                offset);
        if (rc < 0 && !refused(object, rc)) {
            return rc;
        }
        direct = rc < 0 ? 0 : direct;
    }
    if (direct < len_bytes) {
        rc = pawl_io_write_full(object->io, object->fd,
                                (const unsigned char *)src + direct,
                                len_bytes - direct, offset + direct);
    }
    if (rc == 0) {
        note_end(object, offset + len_bytes);
    }
    return rc;
}

/* fdatasync suffices: it writes the size and where the blocks are, and the
 * times of a file mean nothing to us. */
int pawl_file_object_finish(struct pawl_file_object *object, bool durable)
{
    int rc = 0;
    if (!object->is_written) {
        return 0;
    }
    if (object->cut) {
        rc = pawl_io_ftruncate(
            object->io, object->fd,
            atomic_load_explicit(&object->end, memory_order_relaxed));
    }
    return rc == 0 && durable ? pawl_io_fdatasync(object->io, object->fd) : rc;
}

int pawl_file_object_close(struct pawl_file_object *object)
{
    if (object->direct_fd >= 0) {
        pawl_io_close(object->io, object->direct_fd);
    }
    return pawl_io_close(object->io, object->fd);
}
