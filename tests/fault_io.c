/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault_io.c - see fault_io.h
 *
 * Each entry is the same four steps: begin() takes the lock, records the call
 * and asks the plan; unless the plan refuses it the call is made; end() notes
 * the result and gives the lock back.
 */
#include "fault_io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fault_io {
    struct pawl_io table;
    const struct pawl_io *below;
    void (*before)(void *ctx, const struct fault_record *record);
    void *before_ctx;
    bool keep_data;
    bool skip_syncs;

    struct {
        pthread_mutex_t lock;
        struct fault_plan plan;
        size_t seen; /* calls that the plan is about, since it was set */
        size_t fired;
        int open_count;
        struct fault_record *records;
        size_t count;
        size_t capacity;
    } locked;
};

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

const char *fault_call_name(enum fault_call call)
{
    switch (call) {
#define CASE(constant, entry)                                                  \
    case constant:                                                             \
        return #entry;
        FAULT_CALLS(CASE)
#undef CASE
    case FAULT_ANY:
    default:
        return "any";
    }
}

/* ---- the record -------------------------------------------------------- */

/* The absolute path of `name` in directory `fd`, or of `fd` itself. */
static char *path_of(int fd, const char *name)
{
    char dir[PATH_MAX] = "";
    if (name == NULL || name[0] != '/') {
        char link[64];
        if (fd == AT_FDCWD) {
            snprintf(link, sizeof(link), "/proc/self/cwd");
        } else {
            snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        }
        ssize_t len = readlink(link, dir, sizeof(dir) - 1);
        dir[len < 0 ? 0 : len] = '\0';
    }
    if (name == NULL) {
        return must(strdup(dir));
    }
    char *path = NULL;
    if (asprintf(&path, "%s%s%s", dir, name[0] == '/' ? "" : "/", name) < 0) {
        abort();
    }
    return path;
}

static struct fault_record *add_record_locked(struct fault_io *fault)
{
    if (fault->locked.count == fault->locked.capacity) {
        fault->locked.capacity = fault->locked.capacity * 2 + 64;
        fault->locked.records =
            must(realloc(fault->locked.records,
                         fault->locked.capacity * sizeof(struct fault_record)));
    }
    struct fault_record *record = &fault->locked.records[fault->locked.count++];
    *record = (struct fault_record){0};
    return record;
}

static void forget_records(struct fault_io *fault)
{
    for (size_t i = 0; i < fault->locked.count; i++) {
        free(fault->locked.records[i].path);
        free(fault->locked.records[i].path_to);
        free(fault->locked.records[i].data);
    }
    fault->locked.count = 0;
}

/* ---- the plan ---------------------------------------------------------- */

static bool plan_hits_locked(struct fault_io *fault, enum fault_call call)
{
    const struct fault_plan *plan = &fault->locked.plan;
    if (plan->nth == 0 || (plan->call != FAULT_ANY && plan->call != call)) {
        return false;
    }
    fault->locked.seen++;
    return plan->from_then_on ? fault->locked.seen >= plan->nth
                              : fault->locked.seen == plan->nth;
}

static void apply_plan_locked(struct fault_io *fault,
                              struct fault_record *record)
{
    if (!plan_hits_locked(fault, record->call)) {
        return;
    }
    fault->locked.fired++;
    const struct fault_plan *plan = &fault->locked.plan;
    if (plan->sys_errno != 0) {
        record->injected = true;
        record->result = -plan->sys_errno;
    } else if ((record->call == FAULT_PREAD || record->call == FAULT_PWRITE) &&
               record->len > plan->short_count) {
        record->len = plan->short_count;
    }
}

/* ---- begin, end -------------------------------------------------------- */

/* Takes the lock, and keeps it until end(). */
static struct fault_record *begin(struct fault_io *fault, enum fault_call call,
                                  int fd, const char *name)
{
    pthread_mutex_lock(&fault->locked.lock);
    struct fault_record *record = add_record_locked(fault);
    record->call = call;
    record->path = path_of(fd, name);
    return record;
}

/* After the fields are set: whether the call is to be made. */
static bool go_on(struct fault_io *fault, struct fault_record *record)
{
    if (fault->before != NULL) {
        fault->before(fault->before_ctx, record);
    }
    apply_plan_locked(fault, record);
    return !record->injected;
}

static int64_t end(struct fault_io *fault, struct fault_record *record)
{
    int64_t result = record->result;
    bool opens =
        record->call == FAULT_OPENAT || record->call == FAULT_OPEN_BENEATH;
    if (opens && result >= 0) {
        fault->locked.open_count++;
    }
    pthread_mutex_unlock(&fault->locked.lock);
    return result;
}

/* ---- the table --------------------------------------------------------- */

static int fault_openat(void *ctx, int dir_fd, const char *path, int flags,
                        mode_t mode)
{
    struct fault_io *fault = ctx;
    struct fault_record *record = begin(fault, FAULT_OPENAT, dir_fd, path);
    record->flags = flags;
    if (go_on(fault, record)) {
        record->result =
            fault->below->openat(fault->below->ctx, dir_fd, path, flags, mode);
    }
    return (int)end(fault, record);
}

static int fault_open_beneath(void *ctx, int dir_fd, const char *path,
                              int flags, mode_t mode)
{
    struct fault_io *fault = ctx;
    struct fault_record *record =
        begin(fault, FAULT_OPEN_BENEATH, dir_fd, path);
    record->flags = flags;
    if (go_on(fault, record)) {
        record->result = fault->below->open_beneath(fault->below->ctx, dir_fd,
                                                    path, flags, mode);
    }
    return (int)end(fault, record);
}

/* Closes in any case, as Linux does when it reports an error. */
static int fault_close(void *ctx, int fd)
{
    struct fault_io *fault = ctx;
    struct fault_record *record = begin(fault, FAULT_CLOSE, fd, NULL);
    bool honest = go_on(fault, record);
    int rc = fault->below->close(fault->below->ctx, fd);
    if (rc == 0) {
        fault->locked.open_count--;
    }
    if (honest) {
        record->result = rc;
    }
    return (int)end(fault, record);
}

static ssize_t fault_pread(void *ctx, int fd, void *dst, size_t len_bytes,
                           uint64_t offset)
{
    struct fault_io *fault = ctx;
    struct fault_record *record = begin(fault, FAULT_PREAD, fd, NULL);
    record->offset = offset;
    record->len = len_bytes;
    if (go_on(fault, record)) {
        record->result = fault->below->pread(fault->below->ctx, fd, dst,
                                             (size_t)record->len, offset);
    }
    return (ssize_t)end(fault, record);
}

static void keep_data(struct fault_record *record, const void *src)
{
    if (record->result > 0) {
        record->data = must(malloc((size_t)record->result));
        memcpy(record->data, src, (size_t)record->result);
    }
}

static ssize_t fault_pwrite(void *ctx, int fd, const void *src,
                            size_t len_bytes, uint64_t offset)
{
    struct fault_io *fault = ctx;
    struct fault_record *record = begin(fault, FAULT_PWRITE, fd, NULL);
    record->offset = offset;
    record->len = len_bytes;
    if (go_on(fault, record)) {
        record->result = fault->below->pwrite(fault->below->ctx, fd, src,
                                              (size_t)record->len, offset);
    }
    if (fault->keep_data) {
        keep_data(record, src);
    }
    return (ssize_t)end(fault, record);
}

static int fault_ftruncate(void *ctx, int fd, uint64_t size_bytes)
{
    struct fault_io *fault = ctx;
    struct fault_record *record = begin(fault, FAULT_FTRUNCATE, fd, NULL);
    record->len = size_bytes;
    if (go_on(fault, record)) {
        record->result =
            fault->below->ftruncate(fault->below->ctx, fd, size_bytes);
    }
    return (int)end(fault, record);
}

static int fault_fallocate(void *ctx, int fd, int mode, uint64_t offset,
                           uint64_t len_bytes)
{
    struct fault_io *fault = ctx;
    struct fault_record *record = begin(fault, FAULT_FALLOCATE, fd, NULL);
    record->flags = mode;
    record->offset = offset;
    record->len = len_bytes;
    if (go_on(fault, record)) {
        record->result = fault->below->fallocate(fault->below->ctx, fd, mode,
                                                 offset, len_bytes);
    }
    return (int)end(fault, record);
}

static int fault_fdatasync(void *ctx, int fd)
{
    struct fault_io *fault = ctx;
    struct fault_record *record = begin(fault, FAULT_FDATASYNC, fd, NULL);
    if (go_on(fault, record) && !fault->skip_syncs) {
        record->result = fault->below->fdatasync(fault->below->ctx, fd);
    }
    return (int)end(fault, record);
}

static int fault_fsync(void *ctx, int fd)
{
    struct fault_io *fault = ctx;
    struct fault_record *record = begin(fault, FAULT_FSYNC, fd, NULL);
    if (go_on(fault, record) && !fault->skip_syncs) {
        record->result = fault->below->fsync(fault->below->ctx, fd);
    }
    return (int)end(fault, record);
}

static int fault_fstat(void *ctx, int fd, struct stat *out)
{
    struct fault_io *fault = ctx;
    struct fault_record *record = begin(fault, FAULT_FSTAT, fd, NULL);
    if (go_on(fault, record)) {
        record->result = fault->below->fstat(fault->below->ctx, fd, out);
    }
    return (int)end(fault, record);
}

static int fault_fstatat(void *ctx, int dir_fd, const char *path,
                         struct stat *out, int flags)
{
    struct fault_io *fault = ctx;
    struct fault_record *record = begin(fault, FAULT_FSTATAT, dir_fd, path);
    record->flags = flags;
    if (go_on(fault, record)) {
        record->result =
            fault->below->fstatat(fault->below->ctx, dir_fd, path, out, flags);
    }
    return (int)end(fault, record);
}

static int fault_mkdirat(void *ctx, int dir_fd, const char *path, mode_t mode)
{
    struct fault_io *fault = ctx;
    struct fault_record *record = begin(fault, FAULT_MKDIRAT, dir_fd, path);
    if (go_on(fault, record)) {
        record->result =
            fault->below->mkdirat(fault->below->ctx, dir_fd, path, mode);
    }
    return (int)end(fault, record);
}

static int fault_unlinkat(void *ctx, int dir_fd, const char *path, int flags)
{
    struct fault_io *fault = ctx;
    struct fault_record *record = begin(fault, FAULT_UNLINKAT, dir_fd, path);
    record->flags = flags;
    if (go_on(fault, record)) {
        record->result =
            fault->below->unlinkat(fault->below->ctx, dir_fd, path, flags);
    }
    return (int)end(fault, record);
}

static int fault_renameat2(void *ctx, int old_dir_fd, const char *old_path,
                           int new_dir_fd, const char *new_path, unsigned flags)
{
    struct fault_io *fault = ctx;
    struct fault_record *record =
        begin(fault, FAULT_RENAMEAT2, old_dir_fd, old_path);
    record->path_to = path_of(new_dir_fd, new_path);
    record->flags = (int)flags;
    if (go_on(fault, record)) {
        record->result =
            fault->below->renameat2(fault->below->ctx, old_dir_fd, old_path,
                                    new_dir_fd, new_path, flags);
    }
    return (int)end(fault, record);
}

static ssize_t fault_readlinkat(void *ctx, int dir_fd, const char *path,
                                char *dst, size_t len_bytes)
{
    struct fault_io *fault = ctx;
    struct fault_record *record = begin(fault, FAULT_READLINKAT, dir_fd, path);
    record->len = len_bytes;
    if (go_on(fault, record)) {
        record->result = fault->below->readlinkat(fault->below->ctx, dir_fd,
                                                  path, dst, len_bytes);
    }
    return (ssize_t)end(fault, record);
}

static ssize_t fault_getdents(void *ctx, int dir_fd, void *dst,
                              size_t len_bytes)
{
    struct fault_io *fault = ctx;
    struct fault_record *record = begin(fault, FAULT_GETDENTS, dir_fd, NULL);
    if (go_on(fault, record)) {
        record->result =
            fault->below->getdents(fault->below->ctx, dir_fd, dst, len_bytes);
    }
    return (ssize_t)end(fault, record);
}

/* ---- for the tests ----------------------------------------------------- */

struct fault_io *fault_io_new(const struct pawl_io *below)
{
    struct fault_io *fault = must(calloc(1, sizeof(*fault)));
    fault->below = below;
#define SET(constant, entry) fault->table.entry = fault_##entry;
    FAULT_CALLS(SET)
#undef SET
    fault->table.ctx = fault;
    pthread_mutex_init(&fault->locked.lock, NULL);
    return fault;
}

void fault_io_free(struct fault_io *fault)
{
    if (fault != NULL) {
        forget_records(fault);
        free(fault->locked.records);
        pthread_mutex_destroy(&fault->locked.lock);
        free(fault);
    }
}

const struct pawl_io *fault_io_table(const struct fault_io *fault)
{
    return &fault->table;
}

void fault_io_arm(struct fault_io *fault, const struct fault_plan *plan)
{
    pthread_mutex_lock(&fault->locked.lock);
    forget_records(fault);
    memset(&fault->locked.plan, 0, sizeof(fault->locked.plan));
    if (plan != NULL) {
        fault->locked.plan = *plan;
    }
    fault->locked.seen = 0;
    fault->locked.fired = 0;
    pthread_mutex_unlock(&fault->locked.lock);
}

size_t fault_io_fired(const struct fault_io *fault)
{
    return fault->locked.fired;
}

void fault_io_keep_data(struct fault_io *fault)
{
    fault->keep_data = true;
}

void fault_io_skip_syncs(struct fault_io *fault)
{
    fault->skip_syncs = true;
}

void fault_io_set_hook(struct fault_io *fault,
                       void (*before)(void *ctx,
                                      const struct fault_record *record),
                       void *ctx)
{
    fault->before = before;
    fault->before_ctx = ctx;
}

size_t fault_io_count(const struct fault_io *fault, enum fault_call call)
{
    struct fault_io *counted = (struct fault_io *)(uintptr_t)fault;
    size_t count = 0;
    pthread_mutex_lock(&counted->locked.lock);
    for (size_t i = 0; i < fault->locked.count; i++) {
        count += call == FAULT_ANY || fault->locked.records[i].call == call;
    }
    pthread_mutex_unlock(&counted->locked.lock);
    return count;
}

const struct fault_record *fault_io_record(const struct fault_io *fault,
                                           size_t index)
{
    return index < fault->locked.count ? &fault->locked.records[index] : NULL;
}

void fault_io_print(const struct fault_io *fault)
{
    for (size_t i = 0; i < fault->locked.count; i++) {
        const struct fault_record *record = &fault->locked.records[i];
        fprintf(stderr, "%4zu %-12s %s%s%s off %llu len %llu -> %lld%s\n", i,
                fault_call_name(record->call), record->path,
                record->path_to != NULL ? " -> " : "",
                record->path_to != NULL ? record->path_to : "",
                (unsigned long long)record->offset,
                (unsigned long long)record->len, (long long)record->result,
                record->injected ? " (injected)" : "");
    }
}

int fault_io_open_count(const struct fault_io *fault)
{
    return fault->locked.open_count;
}
