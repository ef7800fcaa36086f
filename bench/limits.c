/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.c - what this machine can do: the line that engines are held against
 *
 *     limits CASE DIR SIZE_BYTES
 *
 * runs one case once, on memory that was touched before, and prints one JSON
 * object.  The cases:
 *   write_new    O_DIRECT to a new, preallocated file, then fdatasync
 *   write_over   the same over a file whose blocks exist
 *   read         O_DIRECT from a file
 *   copy_first   memcpy into memory that was never touched
 *   crc          CRC-32 of warm memory, one core
 *   touch        fresh memory, in huge pages where there are: each page is
 *                touched once, one core
 * Transfers are of 16 MiB, four in flight: the best of what was tried on the
 * machines that Pawl was made on.
 */
#include "base/crc32.h"
#include "plain_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 16 << 20, IN_FLIGHT = 4 };

struct job {
    int fd;
    bool writing;
    unsigned char *memory;
    uint64_t size;
    uint64_t next; /* atomic: offset of the next block */
    int error;     /* atomic: first errno */
};

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void fail(const char *what, int error)
{
    fprintf(stderr, "limits: %s: %s\n", what, strerror(error));
    exit(1);
}

static unsigned char *map_memory(uint64_t size, bool touch)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        fail("mmap", errno);
    }
    madvise(at, size, MADV_HUGEPAGE);
    if (touch) {
        unsigned char *bytes = at;
        for (uint64_t i = 0; i < size; i += 8) {
            uint64_t word = i * 0x9e3779b97f4a7c15u;
            memcpy(bytes + i, &word, sizeof(word));
        }
    }
    return at;
}

static void *transfer(void *arg)
{
    struct job *job = arg;
    for (;;) {
        uint64_t at = __atomic_fetch_add(&job->next, BLOCK, __ATOMIC_RELAXED);
        if (at >= job->size) {
            return NULL;
        }
        size_t len = job->size - at < BLOCK ? job->size - at : BLOCK;
        ssize_t done = job->writing
                           ? pwrite(job->fd, job->memory + at, len, (off_t)at)
                           : pread(job->fd, job->memory + at, len, (off_t)at);
        if (done != (ssize_t)len) {
            job->error = done < 0 ? errno : EIO;
            return NULL;
        }
    }
}

static void transfer_all(struct job *job)
{
    pthread_t threads[IN_FLIGHT];
    for (int i = 0; i < IN_FLIGHT; i++) {
        int error = pthread_create(&threads[i], NULL, transfer, job);
        if (error != 0) {
            fail("pthread_create", error);
        }
    }
    for (int i = 0; i < IN_FLIGHT; i++) {
        pthread_join(threads[i], NULL);
    }
    if (job->error != 0) {
        fail(job->writing ? "write" : "read", job->error);
    }
}

static double run_file(const char *name, const char *dir, uint64_t size)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/limits.bin", dir);
    bool is_new = strcmp(name, "write_new") == 0;
    struct job job = {.writing = strcmp(name, "read") != 0, .size = size};
    job.memory = map_memory(size, true);
    if (is_new) {
        unlink(path);
    }
    double start = seconds_now();
    job.fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0666);
    if (job.fd < 0) {
        fail(path, errno);
    }
    if (is_new) {
        (void)!fallocate(job.fd, 0, 0, (off_t)size);
    }
    transfer_all(&job);
    if (job.writing && fdatasync(job.fd) < 0) {
        fail("fdatasync", errno);
    }
    close(job.fd);
    return seconds_now() - start;
}

/* ---- memory ------------------------------------------------------------ */

static double touch_once(uint64_t size)
{
    double start = seconds_now();
    volatile unsigned char *memory = map_memory(size, false);
    for (uint64_t i = 0; i < size; i += 4096) {
        memory[i] = 1;
    }
    return seconds_now() - start;
}

static double run_memory(const char *name, uint64_t size)
{
    if (strcmp(name, "touch") == 0) {
        return touch_once(size);
    }
    unsigned char *from = map_memory(size, true);
    struct plain_piece all = {map_memory(size, false), from, size};
    double start = seconds_now();
    if (strcmp(name, "crc") == 0) {
        volatile uint32_t crc = pawl_crc32(0, from, size);
        (void)crc;
    } else {
        plain_copy(&all, 1, false);
    }
    return seconds_now() - start;
}

int main(int argc, char **argv)
{
    static const char *const disk[] = {"write_new", "write_over", "read"};
    static const char *const memory[] = {"copy_first", "crc", "touch"};
    if (argc == 4) {
        uint64_t size = strtoull(argv[3], NULL, 10) / 4096 * 4096;
        double seconds = -1;
        for (size_t i = 0; i < sizeof(disk) / sizeof(*disk); i++) {
            if (strcmp(argv[1], disk[i]) == 0) {
                seconds = run_file(argv[1], argv[2], size);
            }
        }
        for (size_t i = 0; i < sizeof(memory) / sizeof(*memory); i++) {
            if (strcmp(argv[1], memory[i]) == 0) {
                seconds = run_memory(argv[1], size);
            }
        }
        if (seconds >= 0) {
            printf("{\"case\": \"%s\", \"bytes\": %llu, \"seconds\": %.6f}\n",
                   argv[1], (unsigned long long)size, seconds);
            return 0;
        }
    }
    fprintf(stderr, "usage: limits CASE DIR SIZE_BYTES\n");
    return 2;
}
