/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/file_list.h - the files below a directory
 */
#ifndef PAWL_CLI_FILE_LIST_H
#define PAWL_CLI_FILE_LIST_H

#include <stddef.h>

struct file_list {
    char **paths; /* each begins with the directory's path */
    size_t count;
};

/* Finds the files of the checkpoint `path`, in order of their names, its
 * manifest left out; or `path` alone, if it is no directory,
 * or not there at all.  Symbolic links
 * to directories are not followed.  0, or an errno. */
int file_list_find(struct file_list *files, const char *path);
void file_list_free(struct file_list *files);

#endif
