/* SPDX-License-Identifier: Apache-2.0 */
/* contract_save.c - create, makedirs, save, commit, abort: see contract.h. */
#include "engine/contract.h"

#include "base/path.h"
#include "state/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

uint64_t pawl_contract_payload(const struct pawl_state *state)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < state->storage_count; i++) {
        sum += state->storages[i]->len_bytes;
    }
    return sum;
}

static int check_idle(struct pawl_engine *engine, const char *tag,
                      struct pawl_error *err)
{
    int rc = 0;
    contract_lock(engine);
    if (engine->locked.making_dir != NULL) {
        rc = pawl_fail(err, PAWL_ESTATE, 0,
                       "cannot create checkpoint '%s' while '%s' is not "
                       "committed",
                       tag, engine->locked.status.creating);
    }
    contract_unlock(engine);
    return rc;
}

/* Takes the two strings over. */
static void begin_making(struct pawl_engine *engine, const char *tag,
                         char *save_dir, char *dir)
{
    contract_lock(engine);
    engine->locked.making_save_dir = save_dir;
    engine->locked.making_dir = dir;
    engine->locked.save_error = (struct pawl_error){0};
    snprintf(engine->locked.status.creating,
             sizeof(engine->locked.status.creating), "%s", tag);
    contract_unlock(engine);
}

static void end_making(struct pawl_engine *engine)
{
    contract_lock(engine);
    free(engine->locked.making_save_dir);
    free(engine->locked.making_dir);
    engine->locked.making_save_dir = NULL;
    engine->locked.making_dir = NULL;
    engine->locked.status.creating[0] = '\0';
    contract_unlock(engine);
}

int pawl_engine_keep_latest(struct pawl_engine *engine, bool keep,
                            struct pawl_error *err)
{
    if (keep && engine->pick.make == NULL) {
        return pawl_fail(err, PAWL_ENOTSUP, 0,
                         "engine '%s' decides itself about 'latest'",
                         engine->pick.engine_name);
    }
    engine->keeps_latest = keep;
    return 0;
}

/* What create does on this rank; the strings are the caller's to free. */
static int create(struct pawl_engine *engine, const char *save_dir,
                  const char *tag, char **absolute, char **dir,
                  struct pawl_error *err)
{
    int rc = pawl_tag_check(tag, err);
    if (rc == 0) {
        rc = check_idle(engine, tag, err);
    }
    if (rc == 0) {
        rc = pawl_path_absolute(absolute, save_dir, err);
    }
    if (rc == 0) {
        rc = pawl_path_join(dir, strcmp(*absolute, "/") == 0 ? "" : *absolute,
                            tag, err);
    }
    if (rc == 0) {
        uint64_t start = pawl_now_ns();
        rc = engine->ops->create(engine->impl, *absolute, tag, err);
        pawl_meter_stalled(&engine->meter, pawl_now_ns() - start);
    }
    return rc;
}

int pawl_engine_create(struct pawl_engine *engine, const char *save_dir,
                       const char *tag, struct pawl_error *err)
{
    char *absolute = NULL;
    char *dir = NULL;
    int rc = pawl_contract_check_process(engine, err);
    if (rc < 0) {
        return rc;
    }
    uint64_t round = engine->agreement.creates;
    rc = create(engine, save_dir, tag, &absolute, &dir, err);
    if (rc < 0 && !pawl_agreement_is_alone(&engine->agreement) &&
        engine->agreement.creates == round) {
        rc = pawl_agreement_create(&engine->agreement, tag == NULL ? "" : tag,
                                   rc, NULL, err);
    }
    if (rc < 0) {
        free(absolute);
        free(dir);
        return rc;
    }
    begin_making(engine, tag, absolute, dir);
    return 0;
}

/* Makes `path` absolute and, while a checkpoint is made, checks that it lies
 * below it; its own directory is allowed if `dir_too`.  1 while one is made, 0
 * otherwise, or an error. */
static int resolve(char **out, struct pawl_engine *engine, const char *path,
                   bool dir_too, struct pawl_error *err)
{
    char *absolute = NULL;
    int rc = pawl_contract_check_process(engine, err);
    if (rc == 0) {
        rc = pawl_path_absolute(&absolute, path, err);
    }
    if (absolute == NULL) {
        return rc;
    }
    contract_lock(engine);
    const char *dir = engine->locked.making_dir;
    if (dir != NULL) {
        rc = 1;
        if (pawl_path_below(absolute, dir) == NULL &&
            !(dir_too && strcmp(absolute, dir) == 0)) {
            rc = pawl_fail(err, PAWL_EINVAL, 0,
                           "'%s' does not lie in the open checkpoint '%s'",
                           path, engine->locked.status.creating);
        }
    }
    contract_unlock(engine);
    if (rc < 0) {
        free(absolute);
        return rc;
    }
    *out = absolute;
    return rc;
}

/* The default of `makedirs`: as `mkdir -p`. */
static int make_local_dirs(char *path, bool exist_ok, struct pawl_error *err)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
    for (char *slash = strchr(path + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int made = mkdir(path, 0777);
        int cause = errno;
        *slash = '/';
        if (made < 0 && cause != EEXIST) {
            return pawl_fail_sys(err, cause, "cannot make directory '%s'",
                                 path);
        }
    }
    if (mkdir(path, 0777) < 0 && !(errno == EEXIST && exist_ok)) {
        return pawl_fail_sys(err, errno, "cannot make directory '%s'", path);
    }
    return 0;
}

int pawl_engine_makedirs(struct pawl_engine *engine, const char *path,
                         bool exist_ok, struct pawl_error *err)
{
    char *absolute = NULL;
    int rc = resolve(&absolute, engine, path, true, err);
    if (rc >= 0) {
        rc = engine->ops->makedirs == NULL
                 ? make_local_dirs(absolute, exist_ok, err)
                 : engine->ops->makedirs(engine->impl, absolute, exist_ok, err);
    }
    free(absolute);
    return rc;
}

/* A save that failed fails the commit, whatever the reason: the caller asked
 * for a checkpoint with that file in it. */
static void remember_failure(struct pawl_engine *engine,
                             const struct pawl_error *why)
{
    contract_lock(engine);
    if (engine->locked.making_dir != NULL &&
        engine->locked.save_error.code == 0) {
        engine->locked.save_error = *why;
    }
    contract_unlock(engine);
}

static void count_save(struct pawl_engine *engine,
                       const struct pawl_state *state)
{
    if (engine->pick.make == NULL) { /* it has no meter: what is known */
        pawl_meter_saved(&engine->meter, pawl_contract_payload(state),
                         &(struct pawl_file_times){0});
    }
}

int pawl_engine_save(struct pawl_engine *engine, struct pawl_state *state,
                     const char *path, struct pawl_error *err)
{
    struct pawl_error why = {0};
    char *absolute = NULL;
    int rc = resolve(&absolute, engine, path, false, &why);
    if (rc >= 0 && state == NULL) {
        rc = pawl_fail(&why, PAWL_EINVAL, 0,
                       "there is no state to save as "
                       "'%s'",
                       path);
    }
    if (rc >= 0) {
        rc = pawl_state_status(state, &why);
    }
    if (rc >= 0) {
        uint64_t start = pawl_now_ns();
        rc = engine->ops->save(engine->impl, state, absolute, &why);
        pawl_meter_stalled(&engine->meter, pawl_now_ns() - start);
    }
    free(absolute);
    if (rc < 0) {
        remember_failure(engine, &why);
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    count_save(engine, state);
    return 0;
}

/* Whether `tag` is what is being made. */
static int check_making(struct pawl_engine *engine, const char *what,
                        const char *tag, struct pawl_error *err)
{
    int rc = pawl_contract_check_process(engine, err);
    if (rc < 0) {
        return rc;
    }
    contract_lock(engine);
    const char *making = engine->locked.status.creating;
    if (tag == NULL || making[0] == '\0' || strcmp(making, tag) != 0) {
        rc = pawl_fail(err, PAWL_ESTATE, 0,
                       "cannot %s checkpoint '%s': it is not being made", what,
                       tag == NULL ? "" : tag);
    }
    contract_unlock(engine);
    return rc;
}

static void count_commit(struct pawl_engine *engine, const char *tag, int rc,
                         const struct pawl_error *why)
{
    if (rc < 0) {
        pawl_meter_failed(&engine->meter, tag, why);
    } else {
        pawl_meter_committed(&engine->meter, tag, 0);
    }
}

int pawl_engine_commit(struct pawl_engine *engine, const char *tag,
                       struct pawl_error *err)
{
    char copy[PAWL_TAG_MAX + 1]; /* `tag` may be status.creating's text */
    int rc = check_making(engine, "commit", tag, err);
    if (rc < 0) {
        return rc;
    }
    snprintf(copy, sizeof(copy), "%s", tag);
    contract_lock(engine);
    struct pawl_error why = engine->locked.save_error;
    contract_unlock(engine);

    bool is_lost = why.code < 0;
    if (is_lost) {
        struct pawl_error reason = why;
        engine->ops->commit(engine->impl, copy, false, &reason);
        pawl_agreement_sign(&engine->agreement, &why);
        pawl_error_prefix(&why, "cannot commit checkpoint '%s'", copy);
        rc = why.code;
    } else {
        uint64_t start = pawl_now_ns();
        rc = engine->ops->commit(engine->impl, copy, true, &why);
        pawl_meter_stalled(&engine->meter, pawl_now_ns() - start);
    }
    end_making(engine);
    if (is_lost || engine->pick.make == NULL) { /* else it counts itself */
        count_commit(engine, copy, rc, &why);
    }
    return rc < 0 ? pawl_error_copy(err, &why) : 0;
}

int pawl_engine_abort(struct pawl_engine *engine, const char *tag,
                      struct pawl_error *err)
{
    int rc = check_making(engine, "abort", tag, err);
    if (rc < 0) {
        return rc;
    }
    struct pawl_error why = {0};
    rc = engine->ops->commit(engine->impl, tag, false, &why);
    end_making(engine);
    return rc < 0 ? pawl_error_copy(err, &why) : 0;
}
