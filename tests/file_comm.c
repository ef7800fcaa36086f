/* SPDX-License-Identifier: Apache-2.0 */
/* file_comm.c - see file_comm.h. */
#include "file_comm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct file_comm {
    const char *dir;
    uint32_t rank;
    uint32_t size;
};

static void name_it(char out[1024], const struct file_comm *comm,
                    const char *key, uint32_t rank, const char *end)
{
    char flat[512];
    size_t i = 0;
    for (; key[i] != '\0' && i + 1 < sizeof(flat); i++) {
        flat[i] = key[i] == '/' ? ',' : key[i];
    }
    flat[i] = '\0';
    snprintf(out, 1024, "%s/%s.%u%s", comm->dir, flat, rank, end);
}

static int give(const struct file_comm *comm, const char *key, const void *data,
                size_t len)
{
    char name[1024];
    char temp[1024];
    name_it(name, comm, key, comm->rank, "");
    name_it(temp, comm, key, comm->rank, ".tmp");
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return PAWL_EIO;
    }
    bool whole = len == 0 || write(fd, data, len) == (ssize_t)len;
    close(fd);
    return whole && rename(temp, name) == 0 ? 0 : PAWL_EIO;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Hands on what `rank` gave. */
static int take(const struct file_comm *comm, const char *key, uint32_t rank,
                int64_t until_ms, pawl_comm_part_fn part, void *part_ctx)
{
    char name[1024];
    int fd;
    name_it(name, comm, key, rank, "");
    while ((fd = open(name, O_RDONLY | O_CLOEXEC)) < 0) {
        if (now_ms() >= until_ms) {
            return PAWL_ETIMEDOUT;
        }
        usleep(300);
    }
    struct stat info;
    char *text = NULL;
    int rc = PAWL_EIO;
    if (fstat(fd, &info) == 0 &&
        (text = malloc((size_t)info.st_size + 1)) != NULL &&
        read(fd, text, (size_t)info.st_size) == info.st_size) {
        rc = part(part_ctx, rank, text, (size_t)info.st_size);
    }
    free(text);
    close(fd);
    return rc;
}

static int file_gather(void *ctx, const char *key, const void *data, size_t len,
                       int64_t timeout_ms, pawl_comm_part_fn part,
                       void *part_ctx, uint32_t *missing_rank,
                       struct pawl_error *err)
{
    const struct file_comm *comm = ctx;
    int64_t until_ms = now_ms() + timeout_ms;
    int rc = give(comm, key, data, len);
    (void)err;
    *missing_rank = UINT32_MAX;
    for (uint32_t i = 0; rc == 0 && comm->rank == 0 && i < comm->size; i++) {
        rc = take(comm, key, i, until_ms, part, part_ctx);
        *missing_rank = rc == PAWL_ETIMEDOUT ? i : UINT32_MAX;
    }
    return rc;
}

static int file_broadcast(void *ctx, const char *key, const void *data,
                          size_t len, int64_t timeout_ms,
                          pawl_comm_part_fn part, void *part_ctx,
                          struct pawl_error *err)
{
    const struct file_comm *comm = ctx;
    (void)err;
    return comm->rank == 0
               ? give(comm, key, data, len)
               : take(comm, key, 0, now_ms() + timeout_ms, part, part_ctx);
}

static void file_free(void *ctx)
{
    free(ctx);
}

static const struct pawl_comm_ops file_ops = {
    .struct_size = sizeof(struct pawl_comm_ops),
    .name = "files",
    .gather = file_gather,
    .broadcast = file_broadcast,
    .free = file_free,
};

struct pawl_comm file_comm_new(const char *dir, uint32_t rank, uint32_t size)
{
    struct file_comm *comm = malloc(sizeof(*comm));
    if (comm == NULL) {
        abort();
    }
    *comm = (struct file_comm){dir, rank, size};
    return (struct pawl_comm){&file_ops, comm, rank, size};
}
