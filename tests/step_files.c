/* SPDX-License-Identifier: Apache-2.0 */
/* step_files.c - see step_files.h. */
#include "step_files.h"

#include "scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 3 };

static uint64_t mix(uint64_t x)
{
    x = (x + 1) * 0x9e3779b97f4a7c15u;
    x ^= x >> 31;
    x *= 0xbf58476d1ce4e5b9u;
    return x ^ (x >> 29);
}

static unsigned file_count(int64_t step)
{
    return 1 + (unsigned)(mix((uint64_t)step) % FILES_MAX);
}

/* Most are small. */
static size_t element_count(int64_t step, unsigned file, size_t most)
{
    uint64_t draw = mix((uint64_t)step * 31 + file);
    return (size_t)(draw >> 8) % (draw % 4 == 0 ? most : most / 16 + 1);
}

static struct pawl_state *make_state(int64_t step, unsigned file, size_t most)
{
    struct pawl_state *state = pawl_state_new();
    struct pawl_value *root = pawl_dict(state);
    uint64_t shape[1] = {element_count(step, file, most)};
    int64_t *data = malloc((shape[0] + 1) * sizeof(*data));
    if (data == NULL) {
        exit(2);
    }
    for (size_t i = 0; i < shape[0]; i++) {
        data[i] = step * 10 + file;
    }
    struct pawl_value *tensor = pawl_array(state, PAWL_INT64, 1, shape, data);
    pawl_storage_on_release(pawl_get_tensor(tensor)->storage, free, data);
    pawl_dict_set_str(root, "step", pawl_int(state, step));
    pawl_dict_set_str(root, "tensor", tensor);
    pawl_state_set_root(state, root);
    return state;
}

static bool is_right(struct pawl_state *state, int64_t step, unsigned file,
                     size_t most)
{
    const struct pawl_value *root = pawl_state_root(state);
    const struct pawl_tensor *tensor =
        pawl_get_tensor(pawl_lookup(root, "tensor"));
    size_t count = element_count(step, file, most);
    int64_t found = -1;
    if (!pawl_get_int(pawl_lookup(root, "step"), &found) || found != step ||
        tensor == NULL || pawl_tensor_numel(tensor) != count) {
        return false;
    }
    const int64_t *data = pawl_storage_data(tensor->storage);
    for (size_t i = 0; i < count; i++) {
        if (data[i] != step * 10 + file) {
            return false;
        }
    }
    return true;
}

static void name_file(char out[4096], const char *dir, int64_t step,
                      unsigned file)
{
    snprintf(out, 4096, "%s/step-%lld/%s%u.pt", dir, (long long)step,
             file == 1 ? "sub/" : "", file);
}

static int save_files(struct pawl_engine *engine, const char *dir, int64_t step,
                      size_t most, struct pawl_error *err)
{
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < file_count(step); i++) {
        char path[4096];
        struct pawl_state *state = make_state(step, i, most);
        name_file(path, dir, step, i);
        rc = pawl_engine_save(engine, state, path, err);
        pawl_engine_fence(engine, NULL);
        pawl_state_free(state);
    }
    return rc;
}

int step_save(struct pawl_engine *engine, const char *dir, int64_t step,
              size_t most_elements, struct pawl_error *err)
{
    char tag[64];
    snprintf(tag, sizeof(tag), "step-%lld", (long long)step);
    int rc = pawl_engine_create(engine, dir, tag, err);
    if (rc < 0) {
        return rc;
    }
    rc = save_files(engine, dir, step, most_elements, err);
    if (rc < 0) {
        pawl_engine_abort(engine, tag, NULL);
        return rc;
    }
    rc = pawl_engine_commit(engine, tag, err);
    return rc < 0 ? rc : pawl_engine_wait(engine, -1, err);
}

static int load_file(struct pawl_engine *engine, const char *dir, int64_t step,
                     unsigned file, size_t most, struct pawl_error *err)
{
    char path[4096];
    struct pawl_state *state = NULL;
    name_file(path, dir, step, file);
    int rc = pawl_engine_load(&state, engine, path, 0, err);
    if (rc == 0 && !is_right(state, step, file, most)) {
        fprintf(stderr, "WRONG DATA was loaded from '%s'\n", path);
        abort();
    }
    pawl_state_free(state);
    return rc;
}

int step_open(struct pawl_engine *engine, const char *dir, int64_t *step,
              size_t most_elements, struct pawl_error *err)
{
    const char *tag = NULL;
    char opened[64];
    *step = -1;
    int rc = pawl_engine_open(&tag, engine, dir, NULL, err);
    if (rc < 0 || tag == NULL) {
        return rc;
    }
    snprintf(opened, sizeof(opened), "%s", tag);
    *step = strtoll(tag + sizeof("step-") - 1, NULL, 10);
    for (unsigned i = 0; rc == 0 && i < file_count(*step); i++) {
        rc = load_file(engine, dir, *step, i, most_elements, err);
    }
    pawl_engine_close(engine, opened, NULL);
    return rc;
}

void step_check_work_dir(const char *dir)
{
    char *path = scratch_path(dir, ".pawl");
    DIR *work = opendir(path);
    for (struct dirent *entry;
         work != NULL && (entry = readdir(work)) != NULL;) {
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "spare") != 0) {
            fprintf(stderr, "%s: %s was left\n", path, entry->d_name);
            exit(1);
        }
    }
    if (work != NULL) {
        closedir(work);
    }
    free(path);
}
