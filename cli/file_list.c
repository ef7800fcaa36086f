/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/file_list.c - the files below a directory
 */
#include "file_list.h"

#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void add(struct file_list *list, const char *dir, const char *name)
{
    struct text path;
    text_open(&path);
    fprintf(path.stream, "%s%s%s", dir, name && *dir ? "/" : "",
            name ? name : "");
    list->paths = text_checked(
        reallocarray(list->paths, list->count + 1, sizeof *list->paths));
    list->paths[list->count++] = text_close(&path);
}

void file_list_free(struct file_list *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->paths[i]);
    }
    free(files->paths);
}

/* Adds what lies in `dir` to `files` and to `dirs`. */
static int look(struct file_list *files, struct file_list *dirs,
                const char *dir, bool is_top)
{
    DIR *stream = opendir(dir);
    struct dirent *entry;
    if (!stream) {
        return errno;
    }
    while ((entry = readdir(stream))) {
        struct stat st;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
            (is_top && !strcmp(entry->d_name, "pawl.json")) ||
            fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW)) {
            continue;
        }
        add(S_ISDIR(st.st_mode) ? dirs : files, dir, entry->d_name);
    }
    closedir(stream);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int file_list_find(struct file_list *files, const char *path)
{
    struct file_list dirs = {NULL, 0};
    struct stat st;
    int rc = 0;
    *files = dirs;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
        add(files, path, NULL);
        return 0;
    }
    add(&dirs, path, NULL);
    for (size_t i = 0; rc == 0 && i < dirs.count; i++) {
        rc = look(files, &dirs, dirs.paths[i], i == 0);
    }
    file_list_free(&dirs);
    if (rc) {
        file_list_free(files);
        *files = (struct file_list){NULL, 0};
    } else if (files->count > 0) {
        qsort(files->paths, files->count, sizeof *files->paths, by_name);
    }
    return rc;
}
