/* SPDX-License-Identifier: Apache-2.0 */
/* replica.c - see replica.h. */
#include "replica.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"

static void die(const char *what, const char *path)
{
    fprintf(stderr, "cannot %s '%s': %s\n", what, path, strerror(errno));
    exit(2);
}

/* ---- records of owners ---------------------------------------------------
 */

static bool ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text);
    size_t end_len = strlen(end);
    return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

static bool is_record(const char *path)
{
    return ends_with(path, ".owner") || ends_with(path, ".claim") ||
           ends_with(path, ".next");
}

/* Changes the first digit behind `key`, if the text has it. */
static void change_digit(char *text, const char *key)
{
    char *at = strstr(text, key);
    if (at != NULL) {
        at += strlen(key);
        *at = *at == '1' ? '2' : '1';
    }
}

static void age(char *text, enum replica_death death)
{
    struct pawl_process_id self;
    pawl_process_self(&self);
    bool reboot = death == REPLICA_REBOOT && self.machine_id[0] != '\0';
    change_digit(text, reboot ? "\"boot_id\": \"" : "\"start_ticks\": ");
}

/* ---- writing ------------------------------------------------------------- */

struct writer {
    const char *dir;
    enum replica_death death;
};

static void write_file(const char *path, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || close(fd) < 0) {
        die("write", path);
    }
}

static void write_one(void *ctx, const char *name, const unsigned char *bytes,
                      size_t len)
{
    const struct writer *writer = ctx;
    char path[8192];
    snprintf(path, sizeof(path), "%s/%s", writer->dir, name);
    if (bytes == NULL) {
        if (mkdir(path, 0777) < 0) {
            die("make directory", path);
        }
        return;
    }
    if (!is_record(name)) {
        write_file(path, bytes, len);
        return;
    }
    char *text = calloc(1, len + 1);
    if (text == NULL) {
        abort();
    }
    memcpy(text, bytes, len);
    age(text, writer->death);
    write_file(path, text, len);
    free(text);
}

void replica_write(const struct disk *disk, const char *dir,
                   enum replica_death death)
{
    struct writer writer = {dir, death};
    disk_walk(disk, write_one, &writer);
}

/* ---- the rest ------------------------------------------------------------ */

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    if (ftw->level > 0 && remove(path) < 0) {
        die("remove", path);
    }
    return 0;
}

void replica_clear(const char *dir)
{
    if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0) {
        die("clear", dir);
    }
}

char *replica_read(const char *dir, const char *name, size_t *len)
{
    char path[8192];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT && errno != ENOTDIR) {
            die("open", path);
        }
        return NULL;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return NULL;
    }
    char *bytes = malloc((size_t)st.st_size + 1);
    if (bytes == NULL ||
        read(fd, bytes, (size_t)st.st_size) != (ssize_t)st.st_size) {
        die("read", path);
    }
    close(fd);
    *len = (size_t)st.st_size;
    bytes[*len] = '\0';
    return bytes;
}
