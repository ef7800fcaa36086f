/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill_saver.c - saves for ever, to be killed; or checks what the killed left
 *
 *     kill_saver save DIR FIRST_STEP CONFIG many|same|ahead|file
 *     kill_saver check DIR many|same|ahead|file
 *
 * `save` commits step after step and prints "committed STEP" after each:
 * `many` under a tag for each step, `same` under one tag, `ahead` as `many` but
 * without waiting for what is in the background (the next create does), `file`
 * as one file without a checkpoint.  `check` opens the newest and prints "step
 * STEP", or "none"; it fails if anything in it is not of that step, or if it
 * left anything of the dead process in `.pawl/`.
 *
 * Uses the public headers only, as a training program would.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/pawl.h>

#define FILES_MAX 4

/* Ends the process: there is no test without it. */
static void need(int rc, const struct pawl_error *err)
{
    if (rc < 0) {
        fprintf(stderr, "kill_saver: %s: %s\n", pawl_error_name(rc),
                err->message);
        exit(2);
    }
}

/* ---- what a step looks like ---------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15u;
    return x ^ (x >> 29);
}

/* 1 to FILES_MAX. */
static unsigned file_count(int64_t step)
{
    return 1 + (unsigned)(mix((uint64_t)step) % FILES_MAX);
}

/* Elements of file `i`: from none to a quarter of a MiB. */
static size_t element_count(int64_t step, unsigned i)
{
    uint64_t draw = mix((uint64_t)step * 31 + i);
    return (size_t)(draw % 7 == 0 ? 0 : draw % (draw % 5 == 0 ? 32768 : 512));
}

static int64_t element(int64_t step, unsigned file, size_t index)
{
    return step * 1000003 + file * 101 + (int64_t)index;
}

static void file_path(char out[4096], const char *dir, const char *tag,
                      unsigned i)
{
    snprintf(out, 4096, "%s/%s/%s%u.pt", dir, tag, i % 2 == 0 ? "" : "sub/", i);
}

static void tag_of(char out[64], const char *mode, int64_t step)
{
    if (strcmp(mode, "same") == 0) {
        snprintf(out, 64, "best");
    } else {
        snprintf(out, 64, "step-%lld", (long long)step);
    }
}

static struct pawl_state *make_state(int64_t step, unsigned file)
{
    struct pawl_state *state = pawl_state_new();
    struct pawl_value *root = pawl_dict(state);
    size_t count = element_count(step, file);
    int64_t *data = malloc((count + 1) * sizeof(*data));
    if (data == NULL) {
        exit(2);
    }
    for (size_t i = 0; i < count; i++) {
        data[i] = element(step, file, i);
    }
    uint64_t shape[1] = {count};
    struct pawl_value *tensor = pawl_array(state, PAWL_INT64, 1, shape, data);
    pawl_storage_on_release(pawl_get_tensor(tensor)->storage, free, data);
    pawl_dict_set_str(root, "step", pawl_int(state, step));
    pawl_dict_set_str(root, "files", pawl_int(state, file_count(step)));
    pawl_dict_set_str(root, "tensor", tensor);
    pawl_state_set_root(state, root);
    return state;
}

/* The step, if the state is that of file `file` of it and whole; else -1. */
static int64_t check_state(const struct pawl_state *state, unsigned file)
{
    const struct pawl_value *root = pawl_state_root(state);
    int64_t step = -1;
    const struct pawl_tensor *tensor =
        pawl_get_tensor(pawl_lookup(root, "tensor"));
    if (!pawl_get_int(pawl_lookup(root, "step"), &step) || tensor == NULL ||
        pawl_tensor_numel(tensor) != element_count(step, file)) {
        return -1;
    }
    const int64_t *data = pawl_storage_data(tensor->storage);
    for (size_t i = 0; i < element_count(step, file); i++) {
        if (data[i] != element(step, file, i)) {
            return -1;
        }
    }
    return step;
}

/* ---- save ---------------------------------------------------------------- */

static void say_committed(int64_t step)
{
    printf("committed %lld\n", (long long)step);
    fflush(stdout);
}

static void save_step(struct pawl_engine *engine, const char *dir,
                      const char *mode, int64_t step)
{
    struct pawl_error err;
    struct pawl_status status = PAWL_STATUS_INIT;
    char tag[64];
    bool ahead = strcmp(mode, "ahead") == 0;
    tag_of(tag, mode, step);
    need(pawl_engine_create(engine, dir, tag, &err), &err);
    need(pawl_engine_status(engine, &status, &err), &err);
    if (ahead && status.commits > 0) {
        say_committed(step - 1);
    }
    for (unsigned i = 0; i < file_count(step); i++) {
        char path[4096];
        struct pawl_state *state = make_state(step, i);
        file_path(path, dir, tag, i);
        need(pawl_engine_save(engine, state, path, &err), &err);
        need(pawl_engine_fence(engine, &err), &err);
        pawl_state_free(state);
    }
    need(pawl_engine_commit(engine, tag, &err), &err);
    if (!ahead) {
        need(pawl_engine_wait(engine, -1, &err), &err);
        say_committed(step);
    }
}

static void save_file(const char *dir, int64_t step)
{
    struct pawl_error err;
    char path[4096];
    struct pawl_state *state = make_state(step, 0);
    snprintf(path, sizeof(path), "%s/model.pt", dir);
    need(pawl_save(state, path, &err), &err);
    pawl_state_free(state);
}

static void save_for_ever(const char *dir, int64_t step, const char *config,
                          const char *mode)
{
    struct pawl_engine *engine = NULL;
    struct pawl_error err;
    need(pawl_engine_new(&engine, config, &err), &err);
    for (;; step++) {
        if (strcmp(mode, "file") == 0) {
            save_file(dir, step);
            say_committed(step);
        } else {
            save_step(engine, dir, mode, step);
        }
    }
}

/* ---- check --------------------------------------------------------------- */

static void say_why(void *ctx, enum pawl_log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "  %s\n", line);
}

static int64_t load_step(struct pawl_engine *engine, const char *path,
                         unsigned file)
{
    struct pawl_error err;
    struct pawl_state *state = NULL;
    need(pawl_engine_load(&state, engine, path, 0, &err), &err);
    int64_t step = check_state(state, file);
    pawl_state_free(state);
    return step;
}

/* The step of the checkpoint that is open; ends the process if it is mixed. */
static int64_t check_checkpoint(struct pawl_engine *engine, const char *dir,
                                const char *tag)
{
    char path[4096];
    file_path(path, dir, tag, 0);
    int64_t step = load_step(engine, path, 0);
    for (unsigned i = 0; step >= 0 && i < file_count(step); i++) {
        file_path(path, dir, tag, i);
        int64_t other = load_step(engine, path, i);
        if (other != step) {
            fprintf(stderr, "kill_saver: '%s' is of step %lld, not %lld\n",
                    path, (long long)other, (long long)step);
            exit(2);
        }
    }
    if (step < 0) {
        fprintf(stderr, "kill_saver: '%s' holds something else\n", path);
        exit(2);
    }
    return step;
}

static bool has_leftovers(const char *dir)
{
    char path[4096];
    bool found = false;
    snprintf(path, sizeof(path), "%s/.pawl", dir);
    DIR *work = opendir(path);
    if (work == NULL) {
        return false;
    }
    for (struct dirent *entry; (entry = readdir(work)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, "spare") != 0) { /* files to write over */
            fprintf(stderr, "kill_saver: '%s/%s' is left\n", path,
                    entry->d_name);
            found = true;
        }
    }
    closedir(work);
    return found;
}

static bool is_there(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file != NULL) {
        fclose(file);
    }
    return file != NULL;
}

static int check(const char *dir, const char *mode)
{
    struct pawl_engine *engine = NULL;
    struct pawl_error err;
    const char *tag = NULL;
    char path[4096];
    int64_t step = -1;
    need(pawl_engine_new(&engine, "{}", &err), &err);
    if (getenv("PAWL_TEST_VERBOSE") != NULL) {
        pawl_engine_set_log(engine, say_why, NULL);
    }
    need(pawl_engine_open(&tag, engine, dir, NULL, &err), &err);
    snprintf(path, sizeof(path), "%s/model.pt", dir);
    if (strcmp(mode, "file") == 0) {
        step = is_there(path) ? load_step(engine, path, 0) : -1;
    } else if (tag != NULL) {
        step = check_checkpoint(engine, dir, tag);
    }
    pawl_engine_free(engine);
    if (has_leftovers(dir)) {
        return 2;
    }
    if (step < 0) {
        printf("none\n");
    } else {
        printf("step %lld\n", (long long)step);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "save") == 0) {
        save_for_ever(argv[2], strtoll(argv[3], NULL, 10), argv[4], argv[5]);
    }
    if (argc == 4 && strcmp(argv[1], "check") == 0) {
        return check(argv[2], argv[3]);
    }
    fprintf(stderr, "usage: see the top of kill_saver.c\n");
    return 2;
}
