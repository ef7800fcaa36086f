/* SPDX-License-Identifier: Apache-2.0 */
/*
 * contract.h - the contract: what pawl/engine.h promises of every engine
 *
 * Each call checks its arguments and the order of calls, passes a path that is
 * absolute and a tag that is good to the engine's table, and keeps the books.
 * The state below `locked` is changed before and after a call of the table,
 * never during one: the lock is not held over I/O.
 *
 *              create                     commit, abort
 *     idle  ------------->  making a tag  ------------->  idle
 *              open (found one)           close
 *     idle  ------------->  reading a tag ------------->  idle
 *
 * The two are independent of each other: contract_save.c and contract_load.c;
 * contract_life.c is what comes before and after.
 */
#ifndef PAWL_ENGINE_CONTRACT_H
#define PAWL_ENGINE_CONTRACT_H

#include "base/log.h"
#include "comm/agreement.h"
#include "engine/config.h"
#include "engine/engine.h"
#include "engine/meter.h"
#include "engine/registry.h"

#include <pthread.h>
#include <sys/types.h>

struct pawl_engine {
    struct pawl_config config;
    struct pawl_registry_pick pick;
    const struct pawl_engine_ops *ops; /* pick.engine */
    struct pawl_place *place;
    struct pawl_agreement agreement;
    void *impl;
    bool keeps_latest; /* checkpoints that are created now leave it alone */
    pid_t owner;       /* the process that made it */
    struct pawl_log log;
    struct pawl_meter meter;

    struct {
        pthread_mutex_t lock;
        char *making_dir; /* save_dir/tag while a checkpoint is made */
        char *making_save_dir;
        struct pawl_error save_error; /* the first save that failed, or 0 */
        struct pawl_status status;
    } locked;
};

static inline void contract_lock(struct pawl_engine *engine)
{
    pthread_mutex_lock(&engine->locked.lock);
}

static inline void contract_unlock(struct pawl_engine *engine)
{
    pthread_mutex_unlock(&engine->locked.lock);
}

/* Whether this process made the engine: threads do not survive a fork, and a
 * tag has one maker.  PAWL_ESTATE. */
int pawl_contract_check_process(const struct pawl_engine *engine,
                                struct pawl_error *err);

/* Bytes of all storages. */
uint64_t pawl_contract_payload(const struct pawl_state *state);

#endif
