/* SPDX-License-Identifier: Apache-2.0 */
/* scratch.c - see scratch.h. */
#include "scratch.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

char *scratch_path(const char *dir, const char *name)
{
    char *path = NULL;
    must(asprintf(&path, "%s/%s", dir, name) >= 0, "asprintf");
    return path;
}

char *scratch_new(void)
{
    const char *parent = getenv("TMPDIR");
    char *dir = scratch_path(parent != NULL ? parent : "/tmp", "pawl.XXXXXX");
    must(mkdtemp(dir) != NULL, dir);
    /* As the kernel names it, so that tests can compare paths. */
    char *real = realpath(dir, NULL);
    must(real != NULL, dir);
    free(dir);
    return real;
}

static int remove_entry(const char *path, const struct stat *st, int type,
                        struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void scratch_free(char *dir)
{
    must(nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0, dir);
    free(dir);
}

void scratch_write(const char *dir, const char *name, const void *data,
                   size_t len_bytes)
{
    char *path = scratch_path(dir, name);
    FILE *file = fopen(path, "wb");
    must(file != NULL, path);
    must(fwrite(data, 1, len_bytes, file) == len_bytes, path);
    must(fclose(file) == 0, path);
    free(path);
}

char *scratch_read(const char *dir, const char *name, size_t *len_bytes)
{
    char *path = scratch_path(dir, name);
    FILE *file = fopen(path, "rb");
    must(file != NULL, path);
    struct stat st;
    must(fstat(fileno(file), &st) == 0, path);
    size_t len = (size_t)st.st_size;
    char *data = malloc(len + 1);
    must(data != NULL && fread(data, 1, len, file) == len, path);
    data[len] = '\0';
    fclose(file);
    free(path);
    if (len_bytes != NULL) {
        *len_bytes = len;
    }
    return data;
}

bool scratch_exists(const char *dir, const char *name)
{
    char *path = scratch_path(dir, name);
    struct stat st;
    bool exists = lstat(path, &st) == 0;
    free(path);
    return exists;
}

int scratch_fd_count(void)
{
    DIR *fds = opendir("/proc/self/fd");
    must(fds != NULL, "/proc/self/fd");
    int count = 0;
    while (readdir(fds) != NULL) {
        count++;
    }
    closedir(fds);
    return count - 3; /* ".", ".." and the one of the listing */
}

bool under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}
