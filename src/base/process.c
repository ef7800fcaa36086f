/* SPDX-License-Identifier: Apache-2.0 */
/* process.c - identities from /proc; see process.h. */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/io.h"

/* The beginning of a file as text, "" when it cannot be read. */
static void read_text(const char *path, char *dst, size_t size)
{
    const struct pawl_io *io = &pawl_io_posix;
    dst[0] = '\0';
    int fd = pawl_io_openat(io, AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0) {
        return;
    }
    ssize_t len = pawl_io_read_some(io, fd, dst, size - 1, 0);
    pawl_io_close(io, fd);
    dst[len > 0 ? len : 0] = '\0';
}

/* The first line; "" if the file cannot be read or the line is too long to be
 * an id. */
static void read_id(const char *path, char *dst, size_t size)
{
    read_text(path, dst, size);
    size_t len = strcspn(dst, "\n");
    dst[dst[len] == '\n' ? len : 0] = '\0';
}

/* Three numbers of /proc/PID/stat; see proc(5). */
struct stat_line {
    int64_t pid;
    char state;
    int64_t thread_count;
    uint64_t start_ticks;
};

/* `text` is "pid (name) state ...", and the name may hold anything, spaces
 * and parentheses too: what follows begins behind the last ')'. */
static bool parse_stat(const char *text, struct stat_line *out)
{
    enum { STATE = 3, THREAD_COUNT = 20, START = 22 };
    const char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ' || at[2] == '\0') {
        return false;
    }
    out->pid = strtoll(text, NULL, 10);
    at += 2;
    out->state = *at;
    for (int field = STATE; field < START; field++) {
        at = strchr(at, ' ');
        if (at == NULL) {
            return false;
        }
        at++;
        if (field + 1 == THREAD_COUNT) {
            out->thread_count = strtoll(at, NULL, 10);
        }
    }
    out->start_ticks = strtoull(at, NULL, 10);
    return true;
}

static bool read_stat(int64_t pid, struct stat_line *out)
{
    char path[64];
    char text[1024]; /* name and 52 numbers, at most 20 digits each */
    snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    read_text(path, text, sizeof(text));
    return parse_stat(text, out) && out->pid == pid;
}

/* Whether /proc speaks of our own pid namespace.  One that was mounted before
 * we entered it does not, and calls us, and everyone, by other numbers. */
static bool proc_is_ours(void)
{
    char text[32];
    ssize_t len = pawl_io_readlinkat(&pawl_io_posix, AT_FDCWD, "/proc/self",
                                     text, sizeof(text));
    return len > 0 && strtoll(text, NULL, 10) == (int64_t)getpid();
}

void pawl_process_self(struct pawl_process_id *out)
{
    *out = (struct pawl_process_id){.pid = (int64_t)getpid()};

    struct stat_line line;
    if (proc_is_ours() && read_stat(out->pid, &line)) {
        out->start_ticks = line.start_ticks;
    }
    struct stat ns;
    if (pawl_io_fstatat(&pawl_io_posix, AT_FDCWD, "/proc/self/ns/pid", &ns,
                        0) == 0) {
        out->pid_ns = (uint64_t)ns.st_ino;
    }
    struct utsname uts;
    if (uname(&uts) == 0) {
        snprintf(out->hostname, sizeof(out->hostname), "%s", uts.nodename);
    }
    read_id("/etc/machine-id", out->machine_id, sizeof(out->machine_id));
    if (strlen(out->machine_id) != 32) {
        out->machine_id[0] = '\0'; /* "uninitialized", as images have it */
    }
    read_id("/proc/sys/kernel/random/boot_id", out->boot_id,
            sizeof(out->boot_id));
}

static bool same_id(const char *a, const char *b)
{
    return a[0] != '\0' && strcmp(a, b) == 0;
}

static bool other_id(const char *a, const char *b)
{
    return a[0] != '\0' && b[0] != '\0' && strcmp(a, b) != 0;
}

/* A zombie does no more harm, unless it is only the first thread that ended:
 * then the others go on under the same pid. */
static bool is_finished(const struct stat_line *line)
{
    bool ended = line->state == 'Z' || line->state == 'X' || line->state == 'x';
    return ended && line->thread_count <= 1;
}

/* Of a process of our boot and pid namespace. */
static enum pawl_liveness liveness_here(const struct pawl_process_id *id)
{
    struct stat_line line;
    if (proc_is_ours() && read_stat(id->pid, &line)) {
        if (is_finished(&line)) {
            return PAWL_PROCESS_DEAD;
        }
        if (id->start_ticks == 0) {
            return PAWL_PROCESS_UNKNOWN;
        }
        return line.start_ticks == id->start_ticks ? PAWL_PROCESS_ALIVE
                                                   : PAWL_PROCESS_DEAD;
    }
    /* /proc may hide the processes of other users; signals do not lie. */
    bool gone = kill((pid_t)id->pid, 0) < 0 && errno == ESRCH;
    return gone ? PAWL_PROCESS_DEAD : PAWL_PROCESS_UNKNOWN;
}

enum pawl_liveness pawl_process_liveness(const struct pawl_process_id *id)
{
    struct pawl_process_id self;
    pawl_process_self(&self);

    if (other_id(id->boot_id, self.boot_id)) {
        bool same_machine = same_id(id->hostname, self.hostname) &&
                            same_id(id->machine_id, self.machine_id);
        return same_machine ? PAWL_PROCESS_DEAD : PAWL_PROCESS_UNKNOWN;
    }
    bool here = same_id(id->boot_id, self.boot_id) && id->pid_ns != 0 &&
                id->pid_ns == self.pid_ns;
    /* 0 and negative numbers would be process groups to kill(). */
    if (!here || id->pid <= 0 || id->pid > INT_MAX) {
        return PAWL_PROCESS_UNKNOWN;
    }
    return liveness_here(id);
}

bool pawl_process_umask(mode_t *out)
{
    char text[1024]; /* the second line, behind a name of at most 64 bytes */
    read_text("/proc/self/status", text, sizeof(text));
    const char *at = strstr(text, "\nUmask:");
    char *end = NULL;
    if (at == NULL) {
        return false;
    }
    at += strlen("\nUmask:");
    *out = (mode_t)strtoul(at, &end, 8);
    return end != at && *end == '\n';
}
