/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill_loop.c - kills a saving program at random moments, and looks what is
 * left
 *
 *     kill_loop KILL_SAVER [ROUNDS]
 *
 * Each round starts the saver, sends it SIGKILL 1 to 60 ms later, and opens in
 * a process of its own what it left: that must be whole, and no older than the
 * last step whose commit returned (invariants 1 to 4).  Rounds take turns in
 * directories of each engine: with and without retention, with a tag for each
 * step, with one tag for all, with a single file, and with the next step begun
 * while one is still being written.  What a round left is where the next of
 * that directory goes on.
 *
 * Prints where the kills hit, so that one sees that they hit everywhere.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"
#include "seed.h"

#define ROUNDS 120

/* Small, so that a file is many blocks and fills the staging. */
#define LANE "\"block_bytes\": 4096, \"staging_bytes\": 65536"
#define TORCH "{\"engine\": \"torch\""
#define DIRECT "{\"engine\": \"direct\", " LANE
#define ASYNC "{\"engine\": \"async\", " LANE

struct track {
    const char *mode;
    const char *config;
    char *dir;
    long long step; /* the newest that was ever seen; -1: none */
};

/* What lay in `.pawl/` when the saver was dead. */
static const struct {
    const char *suffix;
    const char *meaning;
} marks[] = {
    {".part", "in a save, or in a commit before its last step"},
    {".file", "in the save of a single file"},
    {".latest", "while latest was moved"},
    {".dead", "while an old checkpoint was deleted"},
    {".owner", "with nothing staged: just begun, or just committed"},
    {".claim", "while a tag was taken"},
};
#define MARK_COUNT (sizeof(marks) / sizeof(*marks))

struct tally {
    unsigned hits[MARK_COUNT];
    unsigned between; /* nothing lay there */
    unsigned commits; /* that returned, in all rounds */
    unsigned ahead;   /* rounds whose last step was committed, but not said */
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- processes ----------------------------------------------------------- */

/* Starts `argv` with its stdout in a pipe. */
static pid_t start(char *const argv[], int *out_fd)
{
    int fds[2];
    if (pipe(fds) < 0) {
        die("pipe");
    }
    pid_t pid = fork();
    if (pid < 0) {
        die("fork");
    }
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        execv(argv[0], argv);
        die(argv[0]);
    }
    close(fds[1]);
    *out_fd = fds[0];
    return pid;
}

/* All that comes from `fd` until its end. */
static void read_all(int fd, char *text, size_t size)
{
    size_t len = strlen(text);
    ssize_t got;
    while (len + 1 < size && (got = read(fd, text + len, size - len - 1)) > 0) {
        len += (size_t)got;
        text[len] = '\0';
    }
    close(fd);
}

/* The number behind the last complete line "WORD NUMBER"; -1 if there is
 * none. */
static long long last_number(const char *text, const char *word,
                             unsigned *count)
{
    long long number = -1;
    size_t word_len = strlen(word);
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
        if (strncmp(text, word, word_len) == 0) {
            number = strtoll(text + word_len, NULL, 10);
            *count += 1;
        }
    }
    return number;
}

/* ---- a round ------------------------------------------------------------- */

/* Saves from `first` on until it is killed; the last step that it said was
 * committed. */
static long long save_and_kill(const char *saver, const struct track *track,
                               long long first, useconds_t delay_us,
                               struct tally *tally)
{
    static char text[1 << 20];
    char number[32];
    int fd = -1;
    snprintf(number, sizeof(number), "%lld", first);
    char *argv[] = {(char *)(uintptr_t)saver,
                    (char *)(uintptr_t) "save",
                    track->dir,
                    number,
                    (char *)(uintptr_t)track->config,
                    (char *)(uintptr_t)track->mode,
                    NULL};
    pid_t pid = start(argv, &fd);
    usleep(delay_us);
    kill(pid, SIGKILL);
    int status = 0;
    waitpid(pid, &status, 0);
    text[0] = '\0';
    read_all(fd, text, sizeof(text));
    if (!WIFSIGNALED(status)) {
        fprintf(stderr, "the saver ended by itself in '%s'\n", track->dir);
        exit(1);
    }
    return last_number(text, "committed ", &tally->commits);
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text);
    size_t end_len = strlen(end);
    return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

/* Counts a round under the first mark that it has. */
static void note_marks(struct tally *tally, const char *dir)
{
    char *work = scratch_path(dir, ".pawl");
    bool has[MARK_COUNT] = {false};
    DIR *entries = opendir(work);
    for (struct dirent *entry;
         entries != NULL && (entry = readdir(entries)) != NULL;) {
        for (size_t i = 0; i < MARK_COUNT; i++) {
            has[i] |= ends_with(entry->d_name, marks[i].suffix);
        }
    }
    if (entries != NULL) {
        closedir(entries);
    }
    free(work);
    size_t i = 0;
    while (i < MARK_COUNT && !has[i]) {
        i++;
    }
    if (i < MARK_COUNT) {
        tally->hits[i]++;
    } else {
        tally->between++;
    }
}

/* The step that a process of its own opens; -1: none. */
static long long open_newest(const char *saver, const struct track *track)
{
    char text[4096] = "";
    unsigned count = 0;
    int fd = -1;
    int status = 0;
    char *argv[] = {(char *)(uintptr_t)saver, (char *)(uintptr_t) "check",
                    track->dir, (char *)(uintptr_t)track->mode, NULL};
    pid_t pid = start(argv, &fd);
    read_all(fd, text, sizeof(text));
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "the check failed in '%s'\n", track->dir);
        exit(1);
    }
    return last_number(text, "step ", &count);
}

static void run_round(const char *saver, struct track *track,
                      useconds_t delay_us, struct tally *tally)
{
    long long said =
        save_and_kill(saver, track, track->step + 1, delay_us, tally);
    note_marks(tally, track->dir);
    long long least = said < 0 ? track->step : said;
    long long found = open_newest(saver, track);
    if (found < least || found > least + 1) {
        fprintf(stderr,
                "'%s' (%s, %s): step %lld was committed, %lld was opened\n",
                track->dir, track->mode, track->config, least, found);
        exit(1);
    }
    tally->ahead += found > least;
    track->step = found;
}

static void report(const struct tally *tally, unsigned rounds)
{
    printf("%u rounds: the newest whole checkpoint was opened each time\n",
           rounds);
    printf("%u commits returned; %u rounds were killed after one was visible "
           "and before it returned\n",
           tally->commits, tally->ahead);
    printf("the kills hit:\n");
    for (size_t i = 0; i < MARK_COUNT; i++) {
        printf("%5u  %s\n", tally->hits[i], marks[i].meaning);
    }
    printf("%5u  outside\n", tally->between);
}

int main(int argc, char **argv)
{
    struct track tracks[] = {
        {"many", TORCH "}", NULL, -1},
        {"many", TORCH ", \"keep_last\": 2}", NULL, -1},
        {"same", TORCH "}", NULL, -1},
        {"many", TORCH ", \"keep_last\": 1, \"recycle\": true}", NULL, -1},
        {"file", TORCH "}", NULL, -1},
        {"same", TORCH ", \"keep_last\": 2}", NULL, -1},
        {"many", DIRECT ", \"keep_last\": 2, \"recycle\": true}", NULL, -1},
        {"same", DIRECT ", \"recycle\": true}", NULL, -1},
        {"many", ASYNC ", \"keep_last\": 1, \"recycle\": true}", NULL, -1},
        {"same", ASYNC "}", NULL, -1},
        {"ahead", ASYNC ", \"keep_last\": 2, \"recycle\": true}", NULL, -1},
        {"ahead", ASYNC ", \"snapshot\": \"lazy\"}", NULL, -1},
    };
    size_t track_count = sizeof(tracks) / sizeof(*tracks);
    struct tally tally = {0};
    if (argc < 2) {
        fprintf(stderr, "usage: kill_loop KILL_SAVER [ROUNDS]\n");
        return 2;
    }
    unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : ROUNDS;
    uint64_t seed = test_seed();
    for (size_t i = 0; i < track_count; i++) {
        tracks[i].dir = scratch_new();
    }
    for (unsigned i = 0; i < rounds; i++) {
        useconds_t delay_us = 1000 + (useconds_t)test_draw(&seed, 59000);
        run_round(argv[1], &tracks[i % track_count], delay_us, &tally);
    }
    report(&tally, rounds);
    for (size_t i = 0; i < track_count; i++) {
        scratch_free(tracks[i].dir);
    }
    return 0;
}
