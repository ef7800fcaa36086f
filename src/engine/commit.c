/* SPDX-License-Identifier: Apache-2.0 */
/* commit.c - see commit.h; the protocol is pawl_commit_publish. */
#include "engine/commit.h"

#include "base/path.h"
#include "engine/listing.h"
#include "engine/manifest_file.h"
#include "engine/object.h"
#include "engine/owner.h"
#include "engine/publish.h"
#include "engine/recovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int sync_dir(struct pawl_commit *commit, const char *dir,
                    struct pawl_error *err)
{
    return commit->durable ? pawl_store_sync(commit->store, dir, err) : 0;
}

static void end(struct pawl_commit *commit)
{
    pawl_merge_fini(&commit->publish.merge);
    pawl_manifest_fini(&commit->manifest);
}

/* Gives the tag back; if that fails it stays ours until this process ends. */
static void let_go(struct pawl_commit *commit)
{
    struct pawl_error err;
    if (pawl_owner_drop(commit->store, &commit->layout, &err) < 0) {
        pawl_log_line(commit->log, PAWL_LOG_WARNING,
                      "cannot give '%s' back: %s", commit->layout.tag,
                      err.message);
    }
}

/* ---- begin, stage, abort ------------------------------------------------ */

/* Fills what a tag decides. */
static int name_it(struct pawl_commit *commit, const char *tag,
                   struct pawl_error *err)
{
    struct pawl_manifest *manifest = &commit->manifest;
    if (pawl_manifest_check_path(tag, NULL) < 0) {
        return pawl_fail(err, PAWL_EINVAL, 0,
                         "bad tag '%s': a manifest cannot hold it", tag);
    }
    pawl_layout_init(&commit->layout, tag);
    snprintf(manifest->tag, sizeof(manifest->tag), "%s", tag);
    manifest->world_size = commit->ranks > 1 ? commit->ranks : 1;
    return 0;
}

/* Numbers the staging directory of ranks by the record that has the tag. */
static int number(struct pawl_commit *commit, uint64_t *id,
                  struct pawl_error *err)
{
    struct pawl_owner self = {0};
    enum pawl_owner_state state;
    if (commit->ranks <= 1) {
        return 0;
    }
    int rc = pawl_owner_look(&state, &self, commit->store, &commit->layout,
                             commit->token, err);
    if (rc == 0) {
        *id = self.id;
        pawl_layout_number(&commit->layout, self.id);
    }
    return rc;
}

int pawl_commit_begin(struct pawl_commit *commit, const char *tag, uint64_t *id,
                      struct pawl_error *err)
{
    enum pawl_owner_state was;
    bool made = false;
    int rc = name_it(commit, tag, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_owner_take(&was, NULL, commit->store, &commit->layout,
                         commit->token, commit->is_alone, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_recover_tag(commit->store, &commit->layout, commit->durable,
                          commit->log, err);
    if (rc == 0) {
        rc = number(commit, id, err);
    }
    if (rc == 0) {
        rc = pawl_store_mkdir(commit->store, commit->layout.part, err);
        made = rc == 0;
    }
    if (rc == 0) { /* the name `.pawl`: an old checkpoint may move there */
        rc = sync_dir(commit, "", err);
    }
    if (rc < 0) {
        if (made) {
            pawl_store_remove(commit->store, commit->layout.part, NULL);
        }
        let_go(commit);
    }
    return rc;
}

int pawl_commit_join(struct pawl_commit *commit, const char *tag, uint64_t id,
                     struct pawl_error *err)
{
    int rc = name_it(commit, tag, err);
    if (rc == 0) {
        pawl_layout_number(&commit->layout, id);
    }
    return rc;
}

void pawl_commit_leave(struct pawl_commit *commit)
{
    end(commit);
}

int pawl_commit_stage(char **out, const struct pawl_commit *commit,
                      const char *path, struct pawl_error *err)
{
    int rc = pawl_manifest_check_path(path, err);
    return rc < 0 ? rc : pawl_path_join(out, commit->layout.part, path, err);
}

int pawl_commit_makedirs(struct pawl_commit *commit, const char *path,
                         bool exist_ok, struct pawl_error *err)
{
    if (path[0] == '\0') {
        bool is_first = !commit->dir_made;
        commit->dir_made = true;
        return is_first || exist_ok
                   ? 0
                   : pawl_fail(err, PAWL_EEXIST, 0, "'%s' is there already",
                               commit->layout.tag);
    }
    char *name = NULL;
    int rc = pawl_commit_stage(&name, commit, path, err);
    if (rc == 0) {
        rc = pawl_store_mkdir(commit->store, name, err);
    }
    free(name);
    return rc == PAWL_EEXIST && exist_ok ? 0 : rc;
}

static void remove_staged(struct pawl_commit *commit)
{
    struct pawl_error err;
    if (pawl_recover_tag(commit->store, &commit->layout, commit->durable,
                         commit->log, &err) < 0) {
        pawl_log_line(commit->log, PAWL_LOG_WARNING,
                      "cannot clear away what was staged of '%s': %s",
                      commit->layout.tag, err.message);
    }
}

void pawl_commit_abort(struct pawl_commit *commit)
{
    remove_staged(commit);
    let_go(commit);
    end(commit);
}

/* ---- publish ------------------------------------------------------------ */

int pawl_commit_sync(struct pawl_commit *commit, struct pawl_error *err)
{
    struct pawl_listing tree = {0};
    int rc = 0;
    if (commit->durable) {
        rc = pawl_listing_tree(&tree, commit->store, commit->layout.part, err);
    }
    for (size_t i = tree.count; rc == 0 && i > 0; i--) {
        char *name = NULL;
        if (!tree.items[i - 1].is_dir) {
            continue;
        }
        rc = pawl_path_join(&name, commit->layout.part, tree.items[i - 1].path,
                            err);
        if (rc == 0) {
            rc = sync_dir(commit, name, err);
        }
        free(name);
    }
    pawl_listing_fini(&tree);
    return rc;
}

/* Moves `latest`, by way of a name of the tag's own. */
static int move_latest(struct pawl_commit *commit, struct pawl_error *err)
{
    const struct pawl_layout *layout = &commit->layout;
    int rc = pawl_object_put(commit->store, layout->latest, layout->tag,
                             strlen(layout->tag), commit->durable, err);
    if (rc == 0) {
        rc = pawl_store_rename(commit->store, layout->latest, PAWL_LATEST_NAME,
                               PAWL_RENAME_REPLACE, err);
    }
    return rc < 0 ? rc : sync_dir(commit, "", err);
}

/* What follows the point of no return cannot fail the commit. */
static bool after_commit(struct pawl_commit *commit)
{
    struct pawl_error err;
    bool settled = commit->keeps_latest || move_latest(commit, &err) == 0;
    if (!settled) {
        pawl_log_line(commit->log, PAWL_LOG_WARNING,
                      "checkpoint '%s' is committed, but 'latest' could not be "
                      "moved: %s",
                      commit->layout.tag, err.message);
    }
    if (pawl_recover_tag(commit->store, &commit->layout, commit->durable,
                         commit->log, &err) < 0) {
        pawl_log_line(commit->log, PAWL_LOG_WARNING,
                      "cannot delete the old checkpoint '%s': %s",
                      commit->layout.tag, err.message);
    }
    let_go(commit);
    return settled;
}

void pawl_commit_doubt(const struct pawl_commit *commit, struct pawl_error *err)
{
    pawl_error_prefix(err, "whether checkpoint '%s' was committed is not known",
                      commit->layout.tag);
}

void pawl_commit_take_back(struct pawl_commit *commit, struct pawl_error *err)
{
    struct pawl_error why;
    if (pawl_publish_undo(&commit->publish, &why) < 0) {
        pawl_log_line(commit->log, PAWL_LOG_WARNING,
                      "the failed commit of '%s' could not be undone: %s",
                      commit->layout.tag, why.message);
        pawl_commit_doubt(commit, err);
    } else {
        remove_staged(commit);
    }
    let_go(commit);
    end(commit);
}

int pawl_commit_prepare(struct pawl_commit *commit, struct pawl_error *err)
{
    /* The data of every file is durable since its save returned.  First their
     * names, then the manifest: whoever sees a manifest has all of the rest
     * (3). */
    int rc = pawl_commit_sync(commit, err);
    if (rc == 0) {
        rc = pawl_manifest_write(&commit->manifest, commit->store,
                                 commit->layout.part, commit->durable, err);
    }
    if (rc == 0) {
        rc = sync_dir(commit, commit->layout.part, err);
    }
    return rc < 0 ? rc : sync_dir(commit, PAWL_WORK_DIR, err);
}

int pawl_commit_show(struct pawl_commit *commit, struct pawl_error *err)
{
    commit->publish = (struct pawl_publish){
        .merge = {.store = commit->store,
                  .layout = &commit->layout,
                  .manifest = &commit->manifest,
                  .durable = commit->durable},
    };
    /* One step: before it the old checkpoint of that name is whole, after it
     * the new one (1).  It counts when the directory's names are durable. */
    int rc = pawl_publish_run(&commit->publish, err);
    if (rc == 0) {
        rc = sync_dir(commit, "", err);
    }
    return rc < 0 ? rc : sync_dir(commit, PAWL_WORK_DIR, err);
}

bool pawl_commit_finish(struct pawl_commit *commit)
{
    /* Only now may `latest` name it (2), and only then may what it replaced go
     * (1, 6). */
    bool settled = after_commit(commit);
    end(commit);
    return settled;
}

void pawl_commit_keep(struct pawl_commit *commit)
{
    let_go(commit);
    end(commit);
}

int pawl_commit_publish(struct pawl_commit *commit, uint64_t sequence,
                        bool *settled, struct pawl_error *err)
{
    commit->manifest.sequence = sequence;
    commit->manifest.created_unix_ms = pawl_now_unix_ms();
    int rc = pawl_commit_prepare(commit, err);
    if (rc == 0) {
        rc = pawl_commit_show(commit, err);
    }
    if (rc < 0) {
        pawl_commit_take_back(commit, err); /* (4) */
        return rc;
    }
    bool is_settled = pawl_commit_finish(commit);
    if (settled != NULL) {
        *settled = is_settled;
    }
    return 0;
}
