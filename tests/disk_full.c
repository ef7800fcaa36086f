/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_full.c - a disk that is full at another moment of each save
 *
 *     disk_full [ROUNDS]
 *
 * Each round fills a file system of 64 MiB up to some room that is drawn, saves
 * by one of the engines, with retention and recycled files, and empties it
 * again.  What a save says must be so: a step that was committed is opened, one
 * that failed for want of space (PAWL_ENOSPC, with a path) is not, and the
 * newest that was committed is whole.  After a recovery nothing that was staged
 * is left in `.pawl/`.
 *
 * The file system is a tmpfs in a mount namespace of this process alone, which
 * takes root or user namespaces; without either the program says so and exits
 * with 77.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "scratch.h"
#include "seed.h"
#include "step_files.h"

enum { ROUNDS = 24, SKIPPED = 77 };

#define MIB ((uint64_t)1 << 20)
#define MOST_ELEMENTS (6 * MIB / 8) /* of a tensor: 6 MiB */
#define LANE "\"block_bytes\": 262144, \"staging_bytes\": 1048576, "
#define KEEP "\"keep_last\": 2, \"recycle\": true"

struct track {
    const char *config;
    char *dir;
    struct pawl_engine *engine;
    int64_t committed; /* -1: none */
    int64_t tried;
};

static struct track tracks[] = {
    {"{\"engine\": \"torch\", " KEEP "}", NULL, NULL, -1, -1},
    {"{\"engine\": \"direct\", " LANE KEEP "}", NULL, NULL, -1, -1},
    {"{\"engine\": \"async\", " LANE KEEP "}", NULL, NULL, -1, -1},
    {"{\"engine\": \"async\", \"snapshot\": \"lazy\", " LANE
     "\"keep_last\": 1}",
     NULL, NULL, -1, -1},
};
#define TRACK_COUNT (sizeof(tracks) / sizeof(*tracks))

struct tally {
    unsigned committed;
    unsigned full;
    unsigned without_latest; /* committed, but no room to move `latest` */
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "disk_full: %s: %s\n", what, why);
    exit(1);
}

/* ---- the disk --------------------------------------------------------------
 */

static void mount_or_skip(const char *at)
{
    int rc = unshare(CLONE_NEWNS);
    if (rc < 0 && errno == EPERM) {
        rc = unshare(CLONE_NEWUSER | CLONE_NEWNS);
    }
    if (rc == 0) {
        rc = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    }
    if (rc == 0) {
        rc = mount("pawl", at, "tmpfs", 0, "size=64m");
    }
    if (rc < 0) {
        printf("skipped: no file system of our own: %s (needs root, or user "
               "namespaces)\n",
               strerror(errno));
        exit(SKIPPED);
    }
}

static uint64_t room(const char *dir)
{
    struct statvfs st;
    if (statvfs(dir, &st) < 0) {
        die(dir, strerror(errno));
    }
    return (uint64_t)st.f_bavail * st.f_bsize;
}

/* Takes all but `left` bytes. */
static void fill(const char *disk, uint64_t left)
{
    char *path = scratch_path(disk, "ballast");
    uint64_t have = room(disk);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 ||
        (have > left && posix_fallocate(fd, 0, (off_t)(have - left)) != 0)) {
        die(path, "cannot fill the disk");
    }
    close(fd);
    free(path);
}

static void empty(const char *disk)
{
    char *path = scratch_path(disk, "ballast");
    unlink(path);
    free(path);
}

/* ---- a round ----------------------------------------------------------------
 */

static unsigned warnings_of_latest;

static void note_warning(void *ctx, enum pawl_log_level level, const char *line)
{
    (void)ctx;
    if (level == PAWL_LOG_WARNING &&
        strstr(line, "'latest' could not") != NULL) {
        warnings_of_latest++;
    }
}

static void restart(struct track *track)
{
    struct pawl_error err;
    pawl_engine_free(track->engine);
    track->engine = NULL;
    if (pawl_engine_new(&track->engine, track->config, &err) < 0) {
        die(track->config, err.message);
    }
    pawl_engine_set_log(track->engine, note_warning, NULL);
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text);
    size_t end_len = strlen(end);
    return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

static void check_newest(struct track *track, const char *when)
{
    struct pawl_error err;
    int64_t step = -1;
    if (step_open(track->engine, track->dir, &step, MOST_ELEMENTS, &err) < 0) {
        die(when, err.message);
    }
    if (step != track->committed) {
        fprintf(stderr, "%s: step %lld was committed, %lld was opened\n", when,
                (long long)track->committed, (long long)step);
        exit(1);
    }
}

static void check_error(const struct track *track, const struct pawl_error *err)
{
    if (err->code != PAWL_ENOSPC || err->sys_errno != ENOSPC ||
        strstr(err->message, track->dir) == NULL ||
        !ends_with(err->message, "no space left on device")) {
        die(pawl_error_name(err->code), err->message);
    }
}

static void run_round(struct track *track, const char *disk, uint64_t left,
                      struct tally *tally)
{
    struct pawl_error err;
    warnings_of_latest = 0;
    fill(disk, left);
    int rc = step_save(track->engine, track->dir, ++track->tried, MOST_ELEMENTS,
                       &err);
    if (rc < 0) {
        check_error(track, &err);
        tally->full++;
    } else {
        track->committed = track->tried;
        tally->committed++;
        tally->without_latest += warnings_of_latest > 0;
    }
    check_newest(track, "while the disk is full");
    empty(disk);
    check_newest(track, "with room again");
    step_check_work_dir(track->dir);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : ROUNDS;
    struct tally tally = {0};
    char *disk = scratch_new();
    mount_or_skip(disk);
    uint64_t seed = test_seed();
    for (size_t i = 0; i < TRACK_COUNT; i++) {
        char name[16];
        snprintf(name, sizeof(name), "run-%zu", i);
        tracks[i].dir = scratch_path(disk, name);
        restart(&tracks[i]);
    }
    for (unsigned i = 0; i < rounds; i++) {
        struct track *track = &tracks[i % TRACK_COUNT];
        /* Often too little for the manifest, or for `latest`. */
        uint64_t left = test_draw(&seed, 3) == 0 ? test_draw(&seed, 32) * 4096
                                                 : test_draw(&seed, 12 * MIB);
        if (test_draw(&seed, 5) == 0) {
            restart(track);
        }
        run_round(track, disk, left, &tally);
    }
    printf(
        "%u rounds: %u committed, %u found the disk full; of those that were "
        "committed %u had no room for 'latest'\n",
        rounds, tally.committed, tally.full, tally.without_latest);
    for (size_t i = 0; i < TRACK_COUNT; i++) {
        pawl_engine_free(tracks[i].engine);
        free(tracks[i].dir);
    }
    umount2(disk, MNT_DETACH);
    scratch_free(disk);
    return 0;
}
