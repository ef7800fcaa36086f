/* SPDX-License-Identifier: Apache-2.0 */
/* lesser_io.c - see lesser_io.h. */
#include "lesser_io.h"

#include <errno.h>
#include <stdio.h> /* RENAME_EXCHANGE */

static int no_sync(void *ctx, int fd)
{
    (void)ctx;
    (void)fd;
    return 0;
}

static int rename_without_exchange(void *ctx, int old_dir_fd,
                                   const char *old_path, int new_dir_fd,
                                   const char *new_path, unsigned flags)
{
    if (flags == RENAME_EXCHANGE) {
        return -EINVAL;
    }
    return pawl_io_posix.renameat2(ctx, old_dir_fd, old_path, new_dir_fd,
                                   new_path, flags);
}

struct pawl_io lesser_io(bool exchanges)
{
    struct pawl_io io = pawl_io_posix;
    io.fsync = no_sync;
    io.fdatasync = no_sync;
    if (!exchanges) {
        io.renameat2 = rename_without_exchange;
    }
    return io;
}
