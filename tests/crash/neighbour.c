/* SPDX-License-Identifier: Apache-2.0 */
/* neighbour.c - see neighbour.h. */
#include "neighbour.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "replica.h"

static const char staged[] = "bytes of a checkpoint in the making";
static char record[2048];

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static void write_record(const struct pawl_process_id *id)
{
    snprintf(record, sizeof(record),
             "{\"tag\": \"theirs\", \"pid\": %lld, \"start_ticks\": %llu, "
             "\"pid_ns\": %llu, \"hostname\": \"%s\", \"machine_id\": \"%s\", "
             "\"boot_id\": \"%s\", \"token\": \"0000000000000001\", "
             "\"id\": \"0000000000000001\", \"created_unix_ms\": 1}\n",
             (long long)id->pid, (unsigned long long)id->start_ticks,
             (unsigned long long)id->pid_ns, id->hostname, id->machine_id,
             id->boot_id);
}

/* The child: tells who it is, and sleeps. */
static void live(int fd)
{
    struct pawl_process_id id;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pawl_process_self(&id);
    if (write(fd, &id, sizeof(id)) != (ssize_t)sizeof(id)) {
        _exit(2);
    }
    close(fd);
    for (;;) {
        pause();
    }
}

void neighbour_start(void)
{
    struct pawl_process_id id;
    int fds[2];
    if (pipe(fds) < 0) {
        die("pipe");
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        die("fork");
    }
    if (pid == 0) {
        close(fds[0]);
        live(fds[1]);
    }
    close(fds[1]);
    if (read(fds[0], &id, sizeof(id)) != (ssize_t)sizeof(id)) {
        die("read from the neighbour");
    }
    close(fds[0]);
    write_record(&id);
}

static void put(const char *save_dir, const char *name, const char *text)
{
    char path[8192];
    snprintf(path, sizeof(path), "%s/%s", save_dir, name);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        die(path);
    }
}

void neighbour_put(const char *save_dir)
{
    static const char *const dirs[] = {"", ".pawl", ".pawl/theirs.part"};
    char path[8192];
    for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
        snprintf(path, sizeof(path), "%s/%s", save_dir, dirs[i]);
        mkdir(path, 0777); /* it may be there */
    }
    put(save_dir, ".pawl/theirs.owner", record);
    put(save_dir, ".pawl/theirs.part/model.pt", staged);
}

static bool is_same(const char *save_dir, const char *name, const char *text)
{
    size_t len = 0;
    char *bytes = replica_read(save_dir, name, &len);
    bool same = bytes != NULL && strcmp(bytes, text) == 0;
    free(bytes);
    return same;
}

bool neighbour_is_whole(const char *save_dir)
{
    return is_same(save_dir, ".pawl/theirs.owner", record) &&
           is_same(save_dir, ".pawl/theirs.part/model.pt", staged);
}

bool neighbour_has(const char *entry)
{
    return strncmp(entry, "theirs.", strlen("theirs.")) == 0;
}
