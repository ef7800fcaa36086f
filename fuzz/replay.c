/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - runs a fuzz target over files, without a fuzzer
 *
 *     replay_TARGET FILE|FOLDER ...
 *
 * A target aborts when something is wrong.  Prints how many files there were.
 */
#include <dirent.h>
#include <stdio.h>

#include "fuzz_target.h"

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    size_t len = 0;
    size_t capacity = 1 << 16;
    uint8_t *data = malloc(capacity);
    size_t got = 1;
    if (data == NULL) {
        abort();
    }
    while (got > 0) {
        got = fread(data + len, 1, capacity - len, file);
        len += got;
        if (len == capacity) {
            capacity *= 2;
            uint8_t *more = realloc(data, capacity);
            if (more == NULL) {
                abort();
            }
            data = more;
        }
    }
    fclose(file);
    /* Exactly as long as the input: a sanitizer sees a read behind it. */
    uint8_t *exact = malloc(len > 0 ? len : 1);
    if (exact == NULL) {
        abort();
    }
    memcpy(exact, data, len);
    free(data);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return 0;
}

static int replay_folder(DIR *folder, const char *path, unsigned *count)
{
    int rc = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        char file[4096];
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_REG) {
            rc |= replay_file(file);
            ++*count;
        }
    }
    return rc;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    int rc = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (folder != NULL) {
            rc |= replay_folder(folder, argv[i], &count);
            closedir(folder);
        } else {
            rc |= replay_file(argv[i]);
            count++;
        }
    }
    printf("%u files replayed\n", count);
    return rc;
}
