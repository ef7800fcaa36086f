/* SPDX-License-Identifier: Apache-2.0 */
/* recovery.c - see recovery.h. */
#include "engine/recovery.h"

#include "base/path.h"
#include "engine/listing.h"
#include "engine/manifest_file.h"
#include "engine/merge.h"
#include "engine/owner.h"
#include "engine/scrap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What there is of a tag, and what the steps share. */
struct tag_recovery {
    struct pawl_store *store;
    const struct pawl_layout *layout;
    struct pawl_log *log;
    bool durable;
    bool has_dir;      /* <tag> is there */
    bool has_manifest; /* ... and has a manifest that can be read */
    uint64_t sequence; /* ... with this number */
};

/* 1 if `dir` is a directory that is there. */
static int is_dir(struct pawl_store *store, const char *dir,
                  struct pawl_error *err)
{
    struct pawl_listing listing = {0};
    int rc = pawl_listing_dir(&listing, store, dir, err);
    pawl_listing_fini(&listing);
    return rc == 0 ? 1 : rc == PAWL_ENOENT ? 0 : rc;
}

/* A manifest that is broken is as good as none here; one that cannot be read
 * is an error. */
static int read_manifest(struct pawl_manifest *out, bool *has,
                         struct pawl_store *store, const char *dir,
                         struct pawl_error *err)
{
    int rc = pawl_manifest_read(out, store, dir, err);
    *has = rc == 0;
    if (rc == PAWL_ENOENT || rc == PAWL_EFORMAT || rc == PAWL_ECORRUPT) {
        return 0;
    }
    return rc;
}

static int look(struct tag_recovery *r, struct pawl_error *err)
{
    struct pawl_manifest manifest = {0};
    int rc = is_dir(r->store, r->layout->tag, err);
    if (rc < 0) {
        return rc;
    }
    r->has_dir = rc > 0;
    rc = read_manifest(&manifest, &r->has_manifest, r->store, r->layout->tag,
                       err);
    r->sequence = manifest.sequence;
    pawl_manifest_fini(&manifest);
    return rc;
}

static int sync_names(struct tag_recovery *r, struct pawl_error *err)
{
    if (!r->durable) {
        return 0;
    }
    int rc = pawl_store_sync(r->store, "", err);
    return rc < 0 ? rc : pawl_store_sync(r->store, PAWL_WORK_DIR, err);
}

/* The names in <tag>/ as well, between which and `.pawl/` a merge moves files
 * one by one. */
static int sync_merged(struct tag_recovery *r, struct pawl_error *err)
{
    return r->durable && r->has_dir
               ? pawl_tree_sync(r->store, r->layout->tag, err)
               : 0;
}

/* ---- the steps --------------------------------------------------------- */

/* A checkpoint that was replaced, or is being deleted. */
static int delete_old(struct tag_recovery *r, const char *dir,
                      struct pawl_error *err)
{
    return pawl_scrap(r->store, r->layout, dir, r->durable, r->log, err);
}

static int step_old(struct tag_recovery *r, struct pawl_error *err)
{
    if (r->has_manifest) {
        return delete_old(r, r->layout->old, err);
    }
    int rc = pawl_store_rename(r->store, r->layout->old, r->layout->tag,
                               PAWL_RENAME_NEW, err);
    if (rc == 0) {
        pawl_log_line(r->log, PAWL_LOG_WARNING,
                      "brought checkpoint '%s' back, which was being replaced",
                      r->layout->tag);
        rc = sync_names(r, err);
    }
    return rc < 0 ? rc : look(r, err);
}

static int finish_merge(struct tag_recovery *r,
                        const struct pawl_manifest *manifest,
                        struct pawl_error *err)
{
    struct pawl_merge merge = {
        .store = r->store,
        .layout = r->layout,
        .manifest = manifest,
        .durable = r->durable,
    };
    int rc = pawl_merge_run(&merge, err);
    pawl_merge_fini(&merge);
    if (rc == 0) {
        rc = sync_names(r, err);
    }
    if (rc == 0) {
        pawl_log_line(r->log, PAWL_LOG_WARNING,
                      "finished the interrupted commit of '%s'",
                      r->layout->tag);
        rc = look(r, err);
    }
    return rc;
}

static int step_part(struct tag_recovery *r, const char *part,
                     struct pawl_error *err)
{
    struct pawl_manifest staged = {0};
    bool has_staged = false;
    int rc = read_manifest(&staged, &has_staged, r->store, part, err);
    if (rc == 0 && has_staged && r->has_manifest &&
        staged.sequence < r->sequence) {
        rc = delete_old(r, part, err);
    }
    pawl_manifest_fini(&staged);
    return rc < 0 ? rc : pawl_tree_remove(r->store, part, err);
}

/* Those of several ranks. */
static int step_numbered(struct tag_recovery *r, struct pawl_error *err)
{
    struct pawl_listing work = {0};
    int rc = pawl_listing_dir(&work, r->store, PAWL_WORK_DIR, err);
    for (size_t i = 0; rc == 0 && i < work.count; i++) {
        char name[PAWL_WORK_NAME_MAX];
        if (pawl_layout_is_numbered(r->layout, work.items[i].path)) {
            snprintf(name, sizeof(name), PAWL_WORK_DIR "/%s",
                     work.items[i].path);
            rc = step_part(r, name, err);
        }
    }
    pawl_listing_fini(&work);
    return rc;
}

static int step_merge(struct tag_recovery *r, struct pawl_error *err)
{
    struct pawl_manifest staged = {0};
    bool has_staged = false;
    int rc =
        read_manifest(&staged, &has_staged, r->store, r->layout->merge, err);
    if (rc == 0 && has_staged && r->has_dir && !r->has_manifest) {
        rc = finish_merge(r, &staged, err);
        if (rc == PAWL_ECORRUPT) { /* a file is gone: it cannot be finished */
            rc = 0;
        }
    }
    pawl_manifest_fini(&staged);
    return rc < 0 ? rc : pawl_tree_remove(r->store, r->layout->merge, err);
}

static int step_aside(struct tag_recovery *r, struct pawl_error *err)
{
    struct pawl_listing tree = {0};
    int rc = pawl_listing_tree(&tree, r->store, r->layout->aside, err);
    for (size_t i = 0; rc == 0 && !r->has_manifest && i < tree.count; i++) {
        char *from = NULL;
        char *to = NULL;
        if (!tree.items[i].is_dir &&
            pawl_path_join(&from, r->layout->aside, tree.items[i].path, err) ==
                0 &&
            pawl_path_join(&to, r->layout->tag, tree.items[i].path, err) == 0) {
            pawl_tree_mkdir_above(r->store, to, NULL);
            rc = pawl_store_rename(r->store, from, to, PAWL_RENAME_NEW, err);
        }
        free(from);
        free(to);
    }
    pawl_listing_fini(&tree);
    if (rc < 0) {
        return rc == PAWL_ENOENT ? 0 : rc;
    }
    rc = sync_merged(r, err);
    return rc < 0 ? rc : pawl_tree_remove(r->store, r->layout->aside, err);
}

/* ---- one tag ----------------------------------------------------------- */

/* Which of the tag's names the work directory has. */
struct leftovers {
    bool old, part, numbered, merge, aside, dead, latest, file, next;
};

static bool has_dirs(const struct leftovers *there)
{
    return there->old || there->part || there->numbered || there->merge ||
           there->aside || there->dead;
}

static int find_leftovers(struct leftovers *out, struct pawl_store *store,
                          const struct pawl_layout *layout,
                          struct pawl_error *err)
{
    const struct {
        const char *name;
        bool *there;
    } names[] = {
        {layout->old, &out->old},     {layout->part, &out->part},
        {layout->merge, &out->merge}, {layout->aside, &out->aside},
        {layout->dead, &out->dead},   {layout->latest, &out->latest},
        {layout->file, &out->file},
    };
    struct pawl_listing work = {0};
    int rc = pawl_listing_dir(&work, store, PAWL_WORK_DIR, err);
    for (size_t i = 0; i < work.count; i++) {
        for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++) {
            const char *below = names[k].name + strlen(PAWL_WORK_DIR "/");
            *names[k].there |= strcmp(work.items[i].path, below) == 0;
        }
        out->next |= pawl_layout_is_next(layout, work.items[i].path);
        out->numbered |= pawl_layout_is_numbered(layout, work.items[i].path);
    }
    pawl_listing_fini(&work);
    return rc == PAWL_ENOENT ? 0 : rc;
}

/* Whoever moved a directory out of sight may have died, or failed, before that
 * was durable; after a power cut it would be in sight again, and what was
 * removed from it missing.  So first make durable what is seen. */
static int settle_names(struct tag_recovery *r, const struct leftovers *there,
                        struct pawl_error *err)
{
    int rc = there->merge || there->aside ? sync_merged(r, err) : 0;
    if (rc == 0 && there->aside && r->durable) {
        rc = pawl_tree_sync(r->store, r->layout->aside, err);
    }
    return rc < 0 ? rc : sync_names(r, err);
}

static int clear_dirs(struct tag_recovery *r, const struct leftovers *there,
                      struct pawl_error *err)
{
    int rc = look(r, err);
    if (rc == 0) {
        rc = settle_names(r, there, err);
    }
    if (rc == 0 && there->old) {
        rc = step_old(r, err);
    }
    if (rc == 0 && there->part) {
        rc = step_part(r, r->layout->part, err);
    }
    if (rc == 0 && there->numbered) {
        rc = step_numbered(r, err);
    }
    if (rc == 0 && there->merge) {
        rc = step_merge(r, err);
    }
    if (rc == 0 && (there->aside || there->merge)) { /* a merge makes it */
        rc = step_aside(r, err);
    }
    if (rc == 0 && there->dead) {
        rc = delete_old(r, r->layout->dead, err);
    }
    return rc;
}

/* Names that would-be successors of the owner before us left. */
static int remove_nexts(struct pawl_store *store,
                        const struct pawl_layout *layout,
                        struct pawl_error *err)
{
    struct pawl_listing work = {0};
    int rc = pawl_listing_dir(&work, store, PAWL_WORK_DIR, err);
    for (size_t i = 0; rc == 0 && i < work.count; i++) {
        char name[PAWL_WORK_NAME_MAX];
        if (!pawl_layout_is_next(layout, work.items[i].path)) {
            continue;
        }
        snprintf(name, sizeof(name), PAWL_WORK_DIR "/%s", work.items[i].path);
        rc = pawl_store_remove(store, name, err);
        rc = rc == PAWL_ENOENT ? 0 : rc; /* he saw himself that he was late */
    }
    pawl_listing_fini(&work);
    return rc;
}

int pawl_recover_tag(struct pawl_store *store, const struct pawl_layout *layout,
                     bool durable, struct pawl_log *log, struct pawl_error *err)
{
    struct tag_recovery r = {
        .store = store, .layout = layout, .log = log, .durable = durable};
    struct leftovers there = {0};
    int rc = find_leftovers(&there, store, layout, err);
    if (rc == 0 && there.latest) {
        rc = pawl_store_remove(store, layout->latest, err);
    }
    if (rc == 0 && there.file) {
        rc = pawl_store_remove(store, layout->file, err);
    }
    if (rc == 0 && there.next) {
        rc = remove_nexts(store, layout, err);
    }
    if (rc == 0 && has_dirs(&there)) {
        rc = clear_dirs(&r, &there, err);
    }
    return rc;
}

/* ---- all tags ---------------------------------------------------------- */

static void log_whose(struct pawl_log *log, const struct pawl_layout *layout,
                      enum pawl_owner_state was, const struct pawl_owner *from)
{
    if (was != PAWL_OWNER_DEAD || from->process.pid == 0) {
        pawl_log_line(log, PAWL_LOG_INFO, "clearing away what was left of '%s'",
                      layout->tag);
        return;
    }
    char when[32] = "";
    time_t seconds = (time_t)(from->created_unix_ms / 1000);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) != NULL) {
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &utc);
    }
    pawl_log_line(log, PAWL_LOG_WARNING,
                  "clearing away what process %lld on '%s', now dead, left of "
                  "'%s' (begun %s)",
                  (long long)from->process.pid, from->process.hostname,
                  layout->tag, when);
}

/* A stem that stands for a long tag says nothing; who left it does. */
static void find_tag(struct pawl_layout *layout, struct pawl_store *store,
                     const struct pawl_owner *from)
{
    const char *dirs[] = {layout->dead, layout->old, layout->part,
                          layout->merge};
    struct pawl_layout found;
    pawl_layout_init(&found, from->tag);
    bool ok = strcmp(found.stem, layout->stem) == 0;
    for (size_t i = 0; !ok && i < sizeof(dirs) / sizeof(*dirs); i++) {
        struct pawl_manifest manifest = {0};
        if (pawl_manifest_read(&manifest, store, dirs[i], NULL) == 0) {
            pawl_layout_init(&found, manifest.tag);
            ok = strcmp(found.stem, layout->stem) == 0;
        }
        pawl_manifest_fini(&manifest);
    }
    if (ok) {
        *layout = found;
    }
}

/* Whether to try: what lives is left alone.  Owner and leftovers are looked at
 * again, since the list may be old, and taking a tag for nothing would keep
 * others from it. */
static bool is_abandoned(const struct pawl_recovery *recovery,
                         const struct pawl_layout *layout)
{
    enum pawl_owner_state state;
    struct leftovers there = {0};
    struct pawl_error err;
    int rc = pawl_owner_look(&state, NULL, recovery->store, layout,
                             recovery->token, &err);
    if (rc == 0 && state == PAWL_OWNER_NONE) {
        rc = find_leftovers(&there, recovery->store, layout, &err);
    }
    if (rc < 0) {
        pawl_log_line(recovery->log, PAWL_LOG_WARNING,
                      "cannot tell who makes '%s': %s", layout->tag,
                      err.message);
        return false;
    }
    return state == PAWL_OWNER_DEAD ||
           (state == PAWL_OWNER_OURS && recovery->ours_too) ||
           has_dirs(&there) || there.latest || there.file || there.next;
}

static void recover_stem(const struct pawl_recovery *recovery, const char *stem)
{
    struct pawl_store *store = recovery->store;
    struct pawl_log *log = recovery->log;
    struct pawl_layout layout;
    struct pawl_owner from;
    struct pawl_error err;
    enum pawl_owner_state was;

    pawl_layout_init(&layout, stem);
    if (!is_abandoned(recovery, &layout)) {
        return;
    }
    int rc = pawl_owner_take(&was, &from, store, &layout, recovery->token,
                             recovery->ours_too, &err);
    if (rc == PAWL_EBUSY) {
        return; /* another was faster */
    }
    if (rc == 0) {
        find_tag(&layout, store, &from);
        log_whose(log, &layout, was, &from);
        rc = pawl_recover_tag(store, &layout, recovery->durable, log, &err);
        int dropped = pawl_owner_drop(store, &layout, rc == 0 ? &err : NULL);
        rc = rc == 0 ? dropped : rc;
    }
    if (rc < 0) {
        pawl_log_line(log, PAWL_LOG_WARNING,
                      "cannot clear away what was left of '%s': %s", layout.tag,
                      err.message);
    }
}

/* Whether an earlier entry had this stem. */
static bool seen_before(const struct pawl_listing *work, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(work->items[i].path, work->items[index].path) == 0) {
            return true;
        }
    }
    return false;
}

void pawl_recover(const struct pawl_recovery *recovery)
{
    struct pawl_listing work = {0};
    struct pawl_error err;
    int rc = pawl_listing_dir(&work, recovery->store, PAWL_WORK_DIR, &err);
    if (rc < 0 && rc != PAWL_ENOENT) {
        pawl_log_line(recovery->log, PAWL_LOG_WARNING,
                      "cannot look for leftovers: %s", err.message);
    }
    for (size_t i = 0; i < work.count; i++) {
        char *entry = work.items[i].path;
        if (pawl_layout_is_claim(entry)) {
            char name[PAWL_WORK_NAME_MAX];
            snprintf(name, sizeof(name), PAWL_WORK_DIR "/%s", entry);
            pawl_owner_sweep_claim(recovery->store, name,
                                   recovery->ours_too ? recovery->token : 0);
        } else if (pawl_layout_stem(entry) && !seen_before(&work, i)) {
            recover_stem(recovery, entry);
        }
    }
    pawl_listing_fini(&work);
}
