/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect_verify.c - pawl_verify of pawl/inspect.h: every byte, file by file
 *
 * A file that a manifest names is held against the manifest's checksum, which
 * covers it all.  Of others every storage is read, whose checksums the file
 * itself has.
 */
#include "base/path.h"
#include "engine/listing.h"
#include "engine/manifest_file.h"
#include "engine/verify.h"
#include "state/value.h"

#include <pawl/engine.h>
#include <pawl/inspect.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 4 << 20 };

struct verification {
    const struct pawl_verify_listener *listener; /* NULL: nobody listens */
    struct pawl_object_listener reading;         /* calls progress */
    struct pawl_place *place;
    struct pawl_formats formats;
    const char *dir; /* absolute */
    uint64_t done_bytes;
    uint64_t total_bytes;
    struct pawl_error first; /* what is wrong; code 0: nothing yet */
};

static void progress(void *ctx, uint64_t len_bytes)
{
    struct verification *v = ctx;
    v->done_bytes += len_bytes;
    if (v->listener != NULL && v->listener->progress != NULL) {
        v->listener->progress(v->listener->ctx, v->done_bytes, v->total_bytes);
    }
}

/* Notes how a file ended. */
static void tell(struct verification *v, const char *path, uint64_t size,
                 int rc, const struct pawl_error *why)
{
    if (rc < 0 && v->first.code == 0) {
        v->first = *why;
    }
    if (v->listener != NULL && v->listener->file != NULL) {
        v->listener->file(v->listener->ctx, path, size, rc < 0 ? why : NULL);
    }
}

/* ---- one file ------------------------------------------------------------ */

static int check_signed(struct verification *v,
                        const struct pawl_manifest_file *expected,
                        struct pawl_error *err)
{
    struct pawl_state_file *file = NULL;
    int rc = pawl_state_file_open(&file, v->place, v->dir, expected->path,
                                  PAWL_STORE_READ, err);
    if (rc == PAWL_ENOENT) {
        return pawl_fail(err, PAWL_ECORRUPT, 0,
                         "'%s/%s' is missing, though the manifest names it",
                         v->dir, expected->path);
    }
    if (rc == 0) {
        rc = pawl_verify_file(file, expected, true, BLOCK_BYTES, &v->reading,
                              err);
    }
    pawl_state_file_close(file);
    return rc;
}

/* 1 if it is a file of a known format and whole; 0 if it is none. */
static int check_unsigned(struct verification *v, const char *path,
                          struct pawl_error *err)
{
    struct pawl_state_file *file = NULL;
    const struct pawl_format_ops *format = NULL;
    struct pawl_state *state = NULL;
    int rc = pawl_state_file_open(&file, v->place, v->dir, path,
                                  PAWL_STORE_READ, err);
    if (rc == 0) {
        rc = pawl_state_file_probe(&format, file, &v->formats, err);
    }
    if (rc < 0 || format == NULL) {
        pawl_state_file_close(file);
        return rc;
    }
    rc = pawl_state_file_read(&state, file, format, err);
    if (rc == 0) {
        rc = pawl_verify_storages(state, &v->reading, err);
    }
    pawl_state_free(state);
    return rc < 0 ? rc : 1;
}

/* ---- a directory --------------------------------------------------------- */

static void verify_signed(struct verification *v,
                          const struct pawl_manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++) {
        v->total_bytes += manifest->files[i].size_bytes;
    }
    for (size_t i = 0; i < manifest->count; i++) {
        const struct pawl_manifest_file *file = &manifest->files[i];
        struct pawl_error why;
        int rc = check_signed(v, file, &why);
        tell(v, file->path, file->size_bytes, rc, &why);
    }
}

static int verify_unsigned(struct verification *v, struct pawl_store *store,
                           struct pawl_error *err)
{
    struct pawl_listing tree = {0};
    size_t found = 0;
    int rc = pawl_listing_tree(&tree, store, "", err);
    for (size_t i = 0; rc == 0 && i < tree.count; i++) {
        const struct pawl_listing_item *item = &tree.items[i];
        struct pawl_error why;
        int checked = item->is_dir ? 0 : check_unsigned(v, item->path, &why);
        if (checked != 0) {
            tell(v, item->path, item->size_bytes, checked, &why);
            found++;
        }
    }
    pawl_listing_fini(&tree);
    if (rc == 0 && found == 0) {
        rc =
            pawl_fail(err, PAWL_EFORMAT, 0, "'%s' holds no checkpoint", v->dir);
    }
    return rc;
}

static int verify_dir(struct verification *v, struct pawl_store *store,
                      struct pawl_error *err)
{
    struct pawl_manifest manifest = {0};
    int rc = pawl_manifest_read(&manifest, store, "", err);
    if (rc == 0) {
        verify_signed(v, &manifest);
        pawl_manifest_fini(&manifest);
    } else if (rc == PAWL_ENOENT) {
        rc = verify_unsigned(v, store, err);
    }
    return rc;
}

/* ---- either -------------------------------------------------------------- */

/* A single file: as a load would, but storage by storage. */
static int verify_file(struct verification *v, const char *path,
                       struct pawl_error *err)
{
    struct pawl_state *state = NULL;
    struct pawl_error why;
    int rc = pawl_load(&state, path, PAWL_LOAD_LAZY | PAWL_LOAD_VERIFY, &why);
    if (rc == 0) {
        rc = pawl_verify_storages(state, &v->reading, &why);
    }
    pawl_state_free(state);
    if (rc == PAWL_ENOENT || rc == PAWL_EACCES || rc == PAWL_EINVAL) {
        return pawl_fail(err, rc, why.sys_errno, "%s", why.message);
    }
    tell(v, path, v->done_bytes, rc, &why);
    return 0;
}

int pawl_verify(const char *path, const struct pawl_verify_listener *listener,
                struct pawl_error *err)
{
    struct verification v = {.listener = listener};
    struct pawl_store store = {0};
    struct pawl_listing entries = {0};
    char *absolute = NULL;
    int rc = pawl_path_absolute(&absolute, path, err);
    pawl_formats_init(&v.formats, NULL);
    v.reading = (struct pawl_object_listener){progress, &v};
    if (rc == 0) {
        v.dir = absolute;
        rc = pawl_place_new(&v.place, NULL, "{}", err);
    }
    if (rc == 0) {
        rc = pawl_place_store(&store, v.place, absolute, err);
    }
    if (rc == 0) {
        bool is_dir = pawl_listing_dir(&entries, &store, "", NULL) == 0;
        rc = is_dir ? verify_dir(&v, &store, err)
                    : verify_file(&v, absolute, err);
    }
    pawl_listing_fini(&entries);
    pawl_store_fini(&store);
    pawl_place_unref(v.place);
    free(absolute);
    if (rc == 0 && v.first.code < 0) {
        return pawl_error_copy(err, &v.first);
    }
    return rc;
}
