/* SPDX-License-Identifier: Apache-2.0 */
/* retention.c - see retention.h. */
#include "engine/retention.h"

#include "base/error.h"
#include "engine/discover.h"
#include "engine/layout.h"
#include "engine/owner.h"
#include "engine/recovery.h"
#include "engine/scrap.h"

#include <string.h>

static bool is_kept(const struct pawl_retention *retention,
                    const struct pawl_candidate *item, const char *latest)
{
    const struct pawl_config *config = retention->config;
    return strcmp(item->tag, retention->committed) == 0 ||
           strcmp(item->tag, latest) == 0 ||
           (retention->opened != NULL &&
            strcmp(item->tag, retention->opened) == 0) ||
           (config->keep_every > 0 &&
            item->sequence % config->keep_every == 0) ||
           pawl_config_is_pinned(config, item->tag);
}

/* Out of sight in one step, which is durable before the first file goes. */
static int hide_and_scrap(const struct pawl_retention *retention,
                          const struct pawl_layout *layout,
                          struct pawl_error *err)
{
    struct pawl_store *store = retention->store;
    bool durable = retention->config->durable;
    int rc = pawl_recover_tag(store, layout, durable, retention->log, err);
    if (rc == 0) {
        rc = pawl_store_rename(store, layout->tag, layout->dead,
                               PAWL_RENAME_NEW, err);
    }
    if (rc == 0 && durable) {
        rc = pawl_store_sync(store, "", err);
    }
    if (rc == 0 && durable) {
        rc = pawl_store_sync(store, PAWL_WORK_DIR, err);
    }
    if (rc == 0) {
        rc = pawl_scrap(store, layout, layout->dead, durable, retention->log,
                        err);
    }
    return rc;
}

static void drop(const struct pawl_retention *retention, const char *tag)
{
    struct pawl_layout layout;
    struct pawl_error err;
    enum pawl_owner_state was;
    pawl_layout_init(&layout, tag);
    int rc = pawl_owner_take(&was, NULL, retention->store, &layout,
                             retention->token, false, &err);
    if (rc == PAWL_EBUSY) {
        return; /* someone makes it anew */
    }
    if (rc == 0) {
        rc = hide_and_scrap(retention, &layout, &err);
        int dropped =
            pawl_owner_drop(retention->store, &layout, rc == 0 ? &err : NULL);
        rc = rc == 0 ? dropped : rc;
    }
    if (rc < 0) {
        pawl_log_line(retention->log, PAWL_LOG_WARNING,
                      "cannot delete old checkpoint '%s': %s", tag,
                      err.message);
        return;
    }
    pawl_log_line(retention->log, PAWL_LOG_INFO, "deleted old checkpoint '%s'",
                  tag);
}

void pawl_retain(const struct pawl_retention *retention)
{
    struct pawl_candidates all = {0};
    struct pawl_error err;
    char latest[PAWL_TAG_MAX + 1];
    if (retention->config->keep_last == 0) {
        return;
    }
    /* Without knowing what `latest` names nothing may go. */
    if (pawl_read_latest(latest, retention->store, &err) < 0 ||
        pawl_discover_signed(&all, retention->store, &err) < 0) {
        pawl_log_line(retention->log, PAWL_LOG_WARNING,
                      "cannot look for old checkpoints: %s", err.message);
        return;
    }
    uint64_t newer = 0; /* how many of the tags' own were newer */
    for (size_t i = 0; i < all.count; i++) {
        const struct pawl_candidate *item = &all.items[i];
        if (!item->is_home) {
            continue;
        }
        if (newer++ >= retention->config->keep_last &&
            !is_kept(retention, item, latest)) {
            drop(retention, item->tag);
        }
    }
    pawl_candidates_fini(&all);
}
