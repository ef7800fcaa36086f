/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c - see registry.h. */
#include "engine/registry.h"

#include "base/error.h"
#include "engine/engine_async.h"
#include "engine/engine_direct.h"
#include "engine/engine_memory.h"
#include "format/format_torch.h"

#include <dlfcn.h>
#include <string.h>

static const struct builtin {
    const char *name;
    const struct pawl_engine_ops *ops;
    int (*make)(void **out, const struct pawl_engine_setup *setup,
                struct pawl_error *err);
} builtins[] = {
    {"torch", &pawl_engine_torch, pawl_engine_torch_make},
    {"memory", &pawl_engine_torch, pawl_engine_memory_make},
    {"direct", &pawl_engine_torch, pawl_engine_direct_make},
    {"async", &pawl_engine_async, pawl_engine_async_make},
};
#define BUILTIN_COUNT (sizeof(builtins) / sizeof(*builtins))

/* Whether a table of `size` bytes has a field, and it is not NULL. */
#define HAS(table, field)                                                      \
    ((table)->struct_size >=                                                   \
         offsetof(__typeof__(*(table)), field) + sizeof((table)->field) &&     \
     (table)->field != NULL)

/* ---- plugins ------------------------------------------------------------ */

static int not_a_plugin(struct pawl_error *err, const char *path,
                        const char *why)
{
    return pawl_fail(err, PAWL_ENOTSUP, 0,
                     "'%s' is not a plugin for this "
                     "version: %s",
                     path, why);
}

/* Copies the fields that the plugin's table has; the rest stays NULL. */
static int check_plugin(struct pawl_plugin *out,
                        const struct pawl_plugin *plugin, const char *path,
                        struct pawl_error *err)
{
    if (plugin == NULL) {
        return not_a_plugin(err, path, "it has no table");
    }
    size_t size = plugin->struct_size;
    if (size < offsetof(struct pawl_plugin, engine)) {
        return not_a_plugin(err, path, "its table is too short");
    }
    if (plugin->abi != PAWL_PLUGIN_ABI) {
        return not_a_plugin(err, path, "it was made for another one");
    }
    *out = (struct pawl_plugin){0};
    memcpy(out, plugin, size < sizeof(*out) ? size : sizeof(*out));
    return 0;
}

static int load_plugin(struct pawl_plugin *out, void **library,
                       const char *path, struct pawl_error *err)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == NULL) {
        const char *why = dlerror();
        return pawl_fail(err, PAWL_ENOENT, 0, "cannot load plugin '%s': %s",
                         path, why == NULL ? "no reason given" : why);
    }
    union { /* ISO C has no conversion from an object to a function pointer */
        void *object;
        pawl_plugin_entry_fn function;
    } entry = {dlsym(handle, "pawl_plugin_entry")};
    int rc = entry.object == NULL
                 ? not_a_plugin(err, path, "it has no 'pawl_plugin_entry'")
                 : check_plugin(out, entry.function(), path, err);
    if (rc < 0) {
        dlclose(handle);
        return rc;
    }
    *library = handle;
    return 0;
}

/* ---- names -------------------------------------------------------------- */

static int take_engine(struct pawl_registry_pick *pick,
                       const struct pawl_engine_ops *ops,
                       struct pawl_error *err)
{
    if (!HAS(ops, name) || !HAS(ops, make) || !HAS(ops, create) ||
        !HAS(ops, save) || !HAS(ops, commit) || !HAS(ops, open) ||
        !HAS(ops, load)) {
        return pawl_fail(err, PAWL_ENOTSUP, 0,
                         "the engine's table lacks a call that has no default");
    }
    size_t size = ops->struct_size;
    memcpy(&pick->engine, ops,
           size < sizeof(pick->engine) ? size : sizeof(pick->engine));
    pick->engine_name = ops->name;
    return 0;
}

static int find_engine(struct pawl_registry_pick *pick, const char *name,
                       const struct pawl_engine_ops *plugin,
                       struct pawl_error *err)
{
    if (plugin != NULL && HAS(plugin, name) &&
        strcmp(plugin->name, name) == 0) {
        return take_engine(pick, plugin, err);
    }
    for (size_t i = 0; i < BUILTIN_COUNT; i++) {
        if (strcmp(builtins[i].name, name) == 0) {
            pick->engine = *builtins[i].ops;
            pick->engine_name = builtins[i].name;
            pick->make = builtins[i].make;
            return 0;
        }
    }
    return pawl_fail(err, PAWL_ECONFIG, 0,
                     "config: unknown engine '%s'; there are 'torch', "
                     "'memory', 'direct', 'async'%s",
                     name, plugin == NULL ? "" : " and the plugin's");
}

static int find_store(struct pawl_registry_pick *pick, const char *name,
                      const struct pawl_store_ops *plugin,
                      struct pawl_error *err)
{
    if (plugin != NULL && HAS(plugin, name) &&
        strcmp(plugin->name, name) == 0) {
        pick->store = plugin;
        /* The dispatchers call every entry. */
        return HAS(plugin, make) && HAS(plugin, free) && HAS(plugin, open) &&
                       HAS(plugin, read) && HAS(plugin, write) &&
                       HAS(plugin, close) && HAS(plugin, list) &&
                       HAS(plugin, mkdir) && HAS(plugin, rename) &&
                       HAS(plugin, remove) && HAS(plugin, sync)
                   ? 0
                   : pawl_fail(err, PAWL_ENOTSUP, 0,
                               "the store's table lacks a call");
    }
    pick->store_in_memory = strcmp(name, "memory") == 0;
    if (pick->store_in_memory || strcmp(name, "file") == 0) {
        return 0;
    }
    return pawl_fail(err, PAWL_ECONFIG, 0,
                     "config: unknown store '%s'; there are 'file', 'memory'%s",
                     name, plugin == NULL ? "" : " and the plugin's");
}

static int find_format(struct pawl_registry_pick *pick, const char *name,
                       const struct pawl_format_ops *plugin,
                       struct pawl_error *err)
{
    if (plugin != NULL && HAS(plugin, name) &&
        strcmp(plugin->name, name) == 0) {
        pick->format = plugin;
        return HAS(plugin, plan) && HAS(plugin, probe) && HAS(plugin, read)
                   ? 0
                   : pawl_fail(err, PAWL_ENOTSUP, 0,
                               "the format's table lacks a call");
    }
    pick->format = &pawl_format_torch;
    if (strcmp(name, pawl_format_torch.name) == 0) {
        return 0;
    }
    return pawl_fail(err, PAWL_ECONFIG, 0,
                     "config: unknown format '%s'; there is 'torch'%s", name,
                     plugin == NULL ? "" : " and the plugin's");
}

int pawl_registry_find(struct pawl_registry_pick *out,
                       const struct pawl_config *config,
                       const struct pawl_engine_ops *engine,
                       struct pawl_error *err)
{
    struct pawl_registry_pick pick = {0};
    struct pawl_plugin plugin = {0};
    int rc = 0;
    if (config->plugin != NULL) {
        rc = load_plugin(&plugin, &pick.library, config->plugin, err);
    }
    if (rc == 0) {
        rc = engine != NULL
                 ? take_engine(&pick, engine, err)
                 : find_engine(&pick, config->engine, plugin.engine, err);
    }
    if (rc == 0) {
        rc = find_store(&pick, config->store, plugin.store, err);
    }
    if (rc == 0) {
        rc = find_format(&pick, config->format, plugin.format, err);
    }
    if (rc < 0) {
        pawl_registry_fini(&pick);
        return rc;
    }
    *out = pick;
    return 0;
}

void pawl_registry_fini(struct pawl_registry_pick *pick)
{
    if (pick->library != NULL) {
        dlclose(pick->library); /* counted; RTLD_NODELETE keeps the code */
    }
    *pick = (struct pawl_registry_pick){0};
}
