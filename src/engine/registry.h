/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry.h - engines, stores and formats by name
 *
 * The built-in tables are constants; a plugin's are found in the shared object
 * that the config names.  A plugin's names go before the built-in ones.
 */
#ifndef PAWL_ENGINE_REGISTRY_H
#define PAWL_ENGINE_REGISTRY_H

#include "engine/setup.h"

#include <pawl/plugin.h>

/* What a config's words stand for. */
struct pawl_registry_pick {
    struct pawl_engine_ops engine; /* as far as its struct_size reached */
    /* Of a built-in engine, instead of engine.make; else NULL. */
    int (*make)(void **out, const struct pawl_engine_setup *setup,
                struct pawl_error *err);
    const char *engine_name;
    const struct pawl_store_ops *store; /* NULL: files */
    bool store_in_memory;
    const struct pawl_format_ops *format;
    void *library; /* of dlopen, or NULL */
};

/* Loads the plugin that `config` names, if any, and looks the names up.  With
 * `engine` not NULL that table is taken and the config's name ignored.
 * PAWL_ECONFIG (unknown name), PAWL_ENOENT (no such shared object),
 * PAWL_ENOTSUP (not a plugin, or for another version).  Free the result with
 * pawl_registry_fini. */
int pawl_registry_find(struct pawl_registry_pick *out,
                       const struct pawl_config *config,
                       const struct pawl_engine_ops *engine,
                       struct pawl_error *err);

/* The shared object stays in memory: a state that was loaded lazily may still
 * call into it. */
void pawl_registry_fini(struct pawl_registry_pick *pick);

#endif
