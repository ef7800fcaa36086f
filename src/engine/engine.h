/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h - an engine as tests make it: with a place of their own
 */
#ifndef PAWL_ENGINE_ENGINE_H
#define PAWL_ENGINE_ENGINE_H

#include "engine/place.h"

#include <pawl/comm.h>

/* As pawl_engine_new with a built-in engine, but stores come from `place`, of
 * which it takes a reference: for tests that make system calls fail. */
int pawl_engine_new_at(struct pawl_engine **out, struct pawl_place *place,
                       const char *config_json, struct pawl_error *err);

/* As pawl_engine_new_ranks, likewise; `place` may be NULL. */
int pawl_engine_new_ranks_at(struct pawl_engine **out, struct pawl_place *place,
                             const char *config_json,
                             const struct pawl_comm *comm,
                             struct pawl_error *err);

#endif
