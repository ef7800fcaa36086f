/* SPDX-License-Identifier: Apache-2.0 */
/* engine_fixture.c - see engine_fixture.h. */
#include "engine_fixture.h"

#include "engine/engine.h"
#include "engine/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void succeeded(int rc, const struct pawl_error *err)
{
    if (rc < 0) {
        fail_msg("%s: %s", pawl_error_name(rc), err->message);
    }
}

void engine_fixture_log(void *ctx, enum pawl_log_level level, const char *line)
{
    struct engine_fixture *fix = ctx;
    size_t len = strlen(fix->log);
    (void)level;
    snprintf(fix->log + len, sizeof(fix->log) - len, "%s\n", line);
}

void engine_fixture_restart(struct engine_fixture *fix, const char *config)
{
    struct pawl_error err;
    pawl_engine_free(fix->engine);
    fix->engine = NULL;
    succeeded(pawl_engine_new_at(&fix->engine, fix->place, config, &err), &err);
    pawl_engine_set_log(fix->engine, engine_fixture_log, fix);
}

struct engine_fixture *engine_fixture_new_at(const char *config,
                                             struct pawl_place *place)
{
    struct engine_fixture *fix = calloc(1, sizeof(*fix));
    struct pawl_error err;
    assert_non_null(fix);
    fix->fd_count = scratch_fd_count();
    fix->dir = scratch_new();
    fix->run = scratch_path(fix->dir, "run");
    fix->place = pawl_place_ref(place);
    succeeded(pawl_place_store(&fix->store, place, fix->run, &err), &err);
    engine_fixture_restart(fix, config);
    return fix;
}

struct engine_fixture *engine_fixture_new(const char *config, bool in_memory)
{
    struct pawl_place *place = NULL;
    struct pawl_error err;
    succeeded(in_memory ? pawl_place_new_memory(&place, &err)
                        : pawl_place_new(&place, NULL, "{}", &err),
              &err);
    struct engine_fixture *fix = engine_fixture_new_at(config, place);
    pawl_place_unref(place);
    return fix;
}

void engine_fixture_free(struct engine_fixture *fix)
{
    pawl_engine_free(fix->engine);
    pawl_store_fini(&fix->store);
    pawl_place_unref(fix->place);
    scratch_free(fix->dir);
    free(fix->run);
    int left = scratch_fd_count() - fix->fd_count;
    free(fix);
    assert_int_equal(left, 0);
}

bool engine_fixture_logged(struct engine_fixture *fix, const char *text)
{
    bool has = strstr(fix->log, text) != NULL;
    if (!has && fix->log[0] != '\0') {
        print_message("log was: %s", fix->log);
    }
    fix->log[0] = '\0';
    return has;
}

const char *engine_fixture_path(struct engine_fixture *fix, const char *name)
{
    snprintf(fix->path, sizeof(fix->path), "%s/%s", fix->run, name);
    return fix->path;
}

/* ---- past the engine ---------------------------------------------------- */

static int count_one(void *ctx, const struct pawl_store_entry *entry)
{
    (void)entry;
    ++*(size_t *)ctx;
    return 0;
}

size_t run_count(struct engine_fixture *fix, const char *name)
{
    size_t count = 0;
    pawl_store_list(&fix->store, name, count_one, &count, NULL);
    return count;
}

bool run_has(struct engine_fixture *fix, const char *name)
{
    size_t count = 0;
    return pawl_object_exists(&fix->store, name, NULL, NULL) > 0 ||
           pawl_store_list(&fix->store, name, count_one, &count, NULL) == 0;
}

char *run_read(struct engine_fixture *fix, const char *name, size_t *len_bytes)
{
    struct pawl_buffer bytes = {0};
    struct pawl_error err;
    succeeded(pawl_object_get(&fix->store, name, SIZE_MAX, &bytes, &err), &err);
    *len_bytes = bytes.len;
    pawl_buffer_append(&bytes, "", 1);
    assert_false(bytes.failed);
    return (char *)bytes.data;
}

void run_write(struct engine_fixture *fix, const char *name, const void *data,
               size_t len_bytes)
{
    struct pawl_error err;
    succeeded(pawl_object_put(&fix->store, name, data, len_bytes, false, &err),
              &err);
}

void run_remove(struct engine_fixture *fix, const char *name)
{
    struct pawl_error err;
    succeeded(pawl_store_remove(&fix->store, name, &err), &err);
}

void run_damage(struct engine_fixture *fix, const char *name)
{
    size_t len = 0;
    char *bytes = run_read(fix, name, &len);
    assert_true(len > 0);
    bytes[len / 2] = (char)(bytes[len / 2] ^ 1);
    run_write(fix, name, bytes, len);
    free(bytes);
}

/* ---- states ------------------------------------------------------------- */

struct pawl_state *numbered_state(int64_t number, size_t count)
{
    struct pawl_state *state = pawl_state_new();
    struct pawl_value *root = pawl_dict(state);
    uint64_t shape[1] = {count};
    int64_t *data = malloc(count * sizeof(*data) + 1);
    assert_non_null(data);
    for (size_t i = 0; i < count; i++) {
        data[i] = number;
    }
    struct pawl_value *tensor = pawl_array(state, PAWL_INT64, 1, shape, data);
    assert_non_null(tensor);
    pawl_storage_on_release(pawl_get_tensor(tensor)->storage, free, data);
    pawl_dict_set_str(root, "number", pawl_int(state, number));
    pawl_dict_set_str(root, "tensor", tensor);
    pawl_state_set_root(state, root);
    assert_int_equal(pawl_state_status(state, NULL), 0);
    return state;
}

int64_t number_of(struct pawl_state *state)
{
    const struct pawl_value *root = pawl_state_root(state);
    int64_t number = -1;
    const struct pawl_tensor *tensor =
        pawl_get_tensor(pawl_lookup(root, "tensor"));
    if (!pawl_get_int(pawl_lookup(root, "number"), &number) || tensor == NULL) {
        return -1;
    }
    const int64_t *data = pawl_storage_data(tensor->storage);
    for (uint64_t i = 0; i < pawl_tensor_numel(tensor); i++) {
        if (data == NULL || data[i] != number) {
            return -1;
        }
    }
    return number;
}

/* ---- calls -------------------------------------------------------------- */

int try_save(struct engine_fixture *fix, const char *name, int64_t number,
             struct pawl_error *err)
{
    struct pawl_state *state = numbered_state(number, 1000);
    int rc = pawl_engine_save(fix->engine, state,
                              engine_fixture_path(fix, name), err);
    pawl_engine_fence(fix->engine,
                      NULL); /* a lazy engine reads it until then */
    pawl_state_free(state);
    return rc;
}

int try_load(struct engine_fixture *fix, const char *name,
             struct pawl_error *err)
{
    struct pawl_state *state = NULL;
    int rc = pawl_engine_load(&state, fix->engine,
                              engine_fixture_path(fix, name), 0, err);
    pawl_state_free(state);
    return rc;
}

int try_open(struct engine_fixture *fix, const char *tag,
             struct pawl_error *err)
{
    const char *opened = NULL;
    return pawl_engine_open(&opened, fix->engine, fix->run, tag, err);
}

void must_create(struct engine_fixture *fix, const char *tag)
{
    struct pawl_error err;
    succeeded(pawl_engine_create(fix->engine, fix->run, tag, &err), &err);
}

void must_save(struct engine_fixture *fix, const char *name, int64_t number)
{
    struct pawl_error err;
    succeeded(try_save(fix, name, number, &err), &err);
}

void must_commit(struct engine_fixture *fix, const char *tag)
{
    struct pawl_error err;
    succeeded(pawl_engine_commit(fix->engine, tag, &err), &err);
    succeeded(pawl_engine_wait(fix->engine, 60000, &err), &err);
}

void must_make(struct engine_fixture *fix, const char *tag, int64_t number)
{
    char name[300];
    snprintf(name, sizeof(name), "%s/model.pt", tag);
    must_create(fix, tag);
    must_save(fix, name, number);
    must_commit(fix, tag);
}

const char *must_open(struct engine_fixture *fix, const char *tag)
{
    struct pawl_error err;
    const char *opened = NULL;
    succeeded(pawl_engine_open(&opened, fix->engine, fix->run, tag, &err),
              &err);
    return opened;
}

void must_close(struct engine_fixture *fix, const char *tag)
{
    struct pawl_error err;
    succeeded(pawl_engine_close(fix->engine, tag, &err), &err);
}

int64_t must_load(struct engine_fixture *fix, const char *name)
{
    struct pawl_error err;
    struct pawl_state *state = NULL;
    succeeded(pawl_engine_load(&state, fix->engine,
                               engine_fixture_path(fix, name), 0, &err),
              &err);
    int64_t number = number_of(state);
    pawl_state_free(state);
    return number;
}

void assert_failed(int rc, int code, const struct pawl_error *err,
                   const char *text)
{
    if (rc != code) {
        fail_msg("%s, not %s: %s", pawl_error_name(rc), pawl_error_name(code),
                 rc < 0 ? err->message : "");
    }
    assert_int_equal(err->code, code);
    if (strstr(err->message, text) == NULL) {
        fail_msg("no '%s' in: %s", text, err->message);
    }
}
