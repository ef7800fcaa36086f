/* SPDX-License-Identifier: Apache-2.0 */
/* contract_load.c - open, load, close: see contract.h. */
#include "engine/contract.h"

#include "base/path.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int check_none_open(struct pawl_engine *engine, struct pawl_error *err)
{
    int rc = 0;
    contract_lock(engine);
    if (engine->locked.status.opened[0] != '\0') {
        rc = pawl_fail(err, PAWL_ESTATE, 0,
                       "cannot open a checkpoint while '%s' is not closed",
                       engine->locked.status.opened);
    }
    contract_unlock(engine);
    return rc;
}

/* Whether this engine makes `tag` in `dir` now. */
static bool is_making(struct pawl_engine *engine, const char *dir,
                      const char *tag)
{
    contract_lock(engine);
    bool making = engine->locked.making_dir != NULL &&
                  strcmp(engine->locked.making_save_dir, dir) == 0 &&
                  strcmp(engine->locked.status.creating, tag) == 0;
    contract_unlock(engine);
    return making;
}

static void sleep_ms(uint64_t ms)
{
    struct timespec pause = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL); /* woken early: we only look once more */
}

/* Opens, and while the tag is being made within this process looks again now
 * and then until it is committed.  One thread that opens what it makes itself
 * waits for nothing: hence the timeout. */
static int open_and_wait(struct pawl_engine *engine, const char *dir,
                         const char *tag, char tag_out[PAWL_TAG_MAX + 1],
                         struct pawl_error *err)
{
    uint64_t start = pawl_now_ns();
    uint64_t pause = 1;
    for (;;) {
        tag_out[0] = '\0';
        int rc = engine->ops->open(engine->impl, dir, tag, tag_out, err);
        bool wait = tag != NULL &&
                    pawl_agreement_is_alone(&engine->agreement) &&
                    (rc == PAWL_ESTATE ||
                     (rc == PAWL_ENOENT && is_making(engine, dir, tag)));
        if (!wait) {
            return rc;
        }
        uint64_t waited = (pawl_now_ns() - start) / 1000000;
        uint64_t timeout = engine->config.open_timeout_ms;
        if (waited >= timeout) {
            return pawl_fail(err, PAWL_EBUSY, 0,
                             "checkpoint '%s' is being made by this process, "
                             "and was not committed within %llu ms",
                             tag, (unsigned long long)timeout);
        }
        uint64_t left = timeout - waited;
        sleep_ms(pause < left ? pause : left);
        pause = pause < 64 ? pause * 2 : pause;
    }
}

/* What open does on this rank. */
static int open_checked(struct pawl_engine *engine, const char *load_dir,
                        const char *tag, char opened[PAWL_TAG_MAX + 1],
                        struct pawl_error *err)
{
    char *dir = NULL;
    int rc = tag == NULL ? 0 : pawl_tag_check(tag, err);
    if (rc == 0) {
        rc = check_none_open(engine, err);
    }
    if (rc == 0) {
        rc = pawl_path_absolute(&dir, load_dir, err);
    }
    if (rc == 0) {
        rc = open_and_wait(engine, dir, tag, opened, err);
    }
    free(dir);
    return rc;
}

int pawl_engine_open(const char **out_tag, struct pawl_engine *engine,
                     const char *load_dir, const char *tag,
                     struct pawl_error *err)
{
    char opened[PAWL_TAG_MAX + 1] = "";
    int rc = pawl_contract_check_process(engine, err);
    if (rc < 0) {
        return rc;
    }
    if (tag != NULL && strcmp(tag, "latest") == 0) {
        tag = NULL;
    }
    uint64_t round = engine->agreement.opens;
    rc = open_checked(engine, load_dir, tag, opened, err);
    if (rc < 0 && !pawl_agreement_is_alone(&engine->agreement) &&
        engine->agreement.opens == round) {
        pawl_agreement_refuse_open(&engine->agreement, rc, err);
        pawl_agreement_sign(&engine->agreement, err);
    }
    if (rc < 0) {
        return rc;
    }
    opened[PAWL_TAG_MAX] = '\0';
    contract_lock(engine);
    char *kept = engine->locked.status.opened;
    memcpy(kept, opened, sizeof(opened));
    contract_unlock(engine);
    *out_tag = opened[0] == '\0' ? NULL : kept;
    return 0;
}

int pawl_engine_load(struct pawl_state **out, struct pawl_engine *engine,
                     const char *path, unsigned flags, struct pawl_error *err)
{
    char *absolute = NULL;
    struct pawl_state *state = NULL;
    if ((flags &
         ~(unsigned)(PAWL_LOAD_LAZY | PAWL_LOAD_VERIFY | PAWL_LOAD_MAP)) != 0) {
        return pawl_fail(err, PAWL_EINVAL, 0, "unknown flags 0x%x for load",
                         flags);
    }
    int rc = pawl_contract_check_process(engine, err);
    if (rc == 0) {
        rc = pawl_path_absolute(&absolute, path, err);
    }
    if (rc == 0) {
        rc = engine->ops->load(engine->impl, absolute, flags, &state, err);
    }
    free(absolute);
    if (rc < 0) {
        return rc;
    }
    contract_lock(engine);
    engine->locked.status.files_loaded++;
    contract_unlock(engine);
    if (engine->pick.make == NULL) {
        pawl_meter_loaded(&engine->meter, pawl_contract_payload(state));
    }
    *out = state;
    return 0;
}

int pawl_engine_close(struct pawl_engine *engine, const char *tag,
                      struct pawl_error *err)
{
    char copy[PAWL_TAG_MAX + 1] = ""; /* `tag` may be what open returned */
    int rc = pawl_contract_check_process(engine, err);
    if (rc < 0) {
        return rc;
    }
    contract_lock(engine);
    char *opened = engine->locked.status.opened;
    if (tag == NULL || opened[0] == '\0' || strcmp(opened, tag) != 0) {
        rc = pawl_fail(err, PAWL_ESTATE, 0,
                       "cannot close checkpoint '%s': it is not open",
                       tag == NULL ? "" : tag);
    } else {
        memcpy(copy, opened, sizeof(copy));
    }
    contract_unlock(engine);
    if (rc < 0) {
        return rc;
    }
    if (engine->ops->close != NULL) {
        rc = engine->ops->close(engine->impl, copy, err);
    }
    contract_lock(engine);
    opened[0] = '\0';
    contract_unlock(engine);
    return rc;
}
