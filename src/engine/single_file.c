/* SPDX-License-Identifier: Apache-2.0 */
/* single_file.c - see single_file.h; pawl_save and pawl_load. */
#include "engine/single_file.h"

#include "base/path.h"
#include "engine/load.h"
#include "engine/object.h"
#include "engine/owner.h"
#include "engine/plan_writer.h"
#include "engine/recovery.h"
#include "format/format_torch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)4 << 20)

static int stop_at_first(void *ctx, const struct pawl_store_entry *entry)
{
    (void)ctx;
    (void)entry;
    return 1;
}

/* The name is ours: write beside it, then rename. */
static int write_and_rename(struct pawl_state *state,
                            const struct pawl_saving *how,
                            struct pawl_store *store,
                            const struct pawl_layout *layout, const char *name,
                            struct pawl_written *out, struct pawl_error *err)
{
    struct pawl_write write = {
        .format = how->format,
        .store = store,
        .name = layout->file,
        .base_name = name,
        .block_bytes = how->block_bytes,
        .durable = how->durable,
        .lane = how->lane,
    };
    int rc = pawl_recover_tag(store, layout, how->durable, NULL, err);
    if (rc == 0) {
        rc = pawl_state_write(state, &write, out, err);
    }
    if (rc == 0) {
        rc = pawl_store_rename(store, layout->file, name, PAWL_RENAME_REPLACE,
                               err);
    }
    if (rc == 0 && how->durable) {
        rc = pawl_store_sync(store, "", err);
    }
    if (rc < 0) {
        pawl_store_remove(store, layout->file, NULL);
    }
    return rc;
}

/* The rename would put a file in the place of a device, too. */
static int check_target(struct pawl_store *store, const char *name,
                        struct pawl_error *err)
{
    struct pawl_error why;
    int rc = pawl_object_exists(store, name, NULL, &why);
    if (rc == PAWL_EINVAL && why.sys_errno != ELOOP) {
        return pawl_fail(err, PAWL_EINVAL, why.sys_errno,
                         "cannot save over '%s': it is not a regular file",
                         name);
    }
    return 0;
}

static int save_in(struct pawl_state *state, const struct pawl_saving *how,
                   struct pawl_store *store, const char *name,
                   struct pawl_written *out, struct pawl_error *err)
{
    struct pawl_layout layout;
    enum pawl_owner_state was;
    pawl_layout_init(&layout, name);
    /* The store would make the directory; a wrong path must not. */
    int rc = pawl_store_list(store, "", stop_at_first, NULL, err);
    if (rc == 0) {
        rc = check_target(store, name, err);
    }
    if (rc == 0) {
        rc = pawl_owner_take(&was, NULL, store, &layout, how->token, true, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = write_and_rename(state, how, store, &layout, name, out, err);
    pawl_owner_drop(store, &layout, NULL);
    pawl_store_remove(store, PAWL_WORK_DIR, NULL); /* if it is empty */
    return rc;
}

int pawl_save_file(struct pawl_state *state, const struct pawl_saving *how,
                   struct pawl_written *out, struct pawl_error *err)
{
    struct pawl_store store = {0};
    char *dir = NULL;
    const char *name = NULL;
    int rc = pawl_path_split(&dir, &name, how->path, err);
    if (rc == 0 && strlen(name) > PAWL_TAG_MAX) {
        rc = pawl_fail(err, PAWL_EINVAL, 0,
                       "cannot save '%s': its name is "
                       "longer than 255 bytes",
                       how->path);
    }
    if (rc == 0) {
        rc = pawl_place_store(&store, how->place, dir, err);
    }
    if (rc == 0) {
        rc = save_in(state, how, &store, name, out, err);
        pawl_store_fini(&store);
    }
    free(dir);
    return rc;
}

int pawl_save_single(const struct pawl_engine_setup *setup, uint64_t token,
                     struct pawl_state *state, const char *path,
                     struct pawl_written *out, struct pawl_error *err)
{
    struct pawl_saving how = {
        .place = setup->place,
        .format = setup->format,
        .block_bytes = (size_t)setup->config->block_bytes,
        .durable = setup->config->durable,
        .token = token,
        .path = path,
        .lane = setup->lane,
    };
    return pawl_save_file(state, &how, out, err);
}

/* ---- without an engine -------------------------------------------------- */

int pawl_save(struct pawl_state *state, const char *path,
              struct pawl_error *err)
{
    struct pawl_place *place = NULL;
    char *absolute = NULL;
    struct pawl_written written;
    int rc = pawl_path_absolute(&absolute, path, err);
    if (rc == 0) {
        rc = pawl_place_new(&place, NULL, "{}", err);
    }
    if (rc == 0) {
        struct pawl_saving how = {
            .place = place,
            .format = &pawl_format_torch,
            .block_bytes = BLOCK_BYTES,
            .durable = true,
            .token = pawl_owner_token(),
            .path = absolute,
        };
        rc = pawl_save_file(state, &how, &written, err);
    }
    pawl_place_unref(place);
    free(absolute);
    return rc;
}

int pawl_load(struct pawl_state **out, const char *path, unsigned flags,
              struct pawl_error *err)
{
    struct pawl_place *place = NULL;
    struct pawl_formats formats;
    char *absolute = NULL;
    uint64_t size = 0;
    const struct pawl_image_options images = {
        .block_bytes = PAWL_READ_BLOCK_BYTES,
        .threads = PAWL_READ_THREADS,
        .mode = PAWL_STORE_DIRECT,
    };
    pawl_formats_init(&formats, NULL);
    int rc = pawl_path_absolute(&absolute, path, err);
    if (rc == 0) {
        rc = pawl_place_new(&place, NULL, "{}", err);
    }
    if (rc == 0) {
        struct pawl_loading how = {
            .place = place,
            .formats = &formats,
            .block_bytes = BLOCK_BYTES,
            .path = absolute,
            .flags = flags,
            .images = &images,
        };
        rc = pawl_load_file(out, &how, &size, err);
    }
    pawl_place_unref(place);
    free(absolute);
    return rc;
}
