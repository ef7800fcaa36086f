/* SPDX-License-Identifier: Apache-2.0 */
/* load.c - see load.h. */
#include "engine/load.h"

#include "base/path.h"
#include "engine/manifest_file.h"
#include "engine/object.h"
#include "engine/verify.h"
#include "format/format_torch.h"
#include "format/format_torch_legacy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the manifest above a file ------------------------------------------ */

/* People have files called pawl.json of their own, an engine's config most
 * likely.  A manifest that was damaged still has this word. */
static bool claims_to_be_one(struct pawl_store *store)
{
    static const char word[] = "\"pawl_manifest\"";
    struct pawl_buffer text = {0};
    bool claims = pawl_object_get(store, PAWL_MANIFEST_NAME,
                                  PAWL_MANIFEST_MAX_BYTES, &text, NULL) == 0 &&
                  text.len > 0 &&
                  memmem(text.data, text.len, word, sizeof(word) - 1) != NULL;
    pawl_buffer_fini(&text);
    return claims;
}

/* Reads the manifest of directory `dir`.  1, or 0 if there is none. */
static int read_manifest(struct pawl_manifest *out, struct pawl_place *place,
                         const char *dir, struct pawl_error *err)
{
    struct pawl_store store = {0};
    int rc = pawl_place_store(&store, place, dir, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_manifest_read(out, &store, "", err);
    if (rc == 0) {
        rc = 1;
    } else if (rc == PAWL_ENOENT || rc == PAWL_EACCES || rc == PAWL_EINVAL) {
        rc = 0; /* a directory that cannot be looked into, or is named so */
    } else if (rc == PAWL_EFORMAT && !claims_to_be_one(&store)) {
        rc = 0;
    } else {
        pawl_error_prefix(err, "cannot verify what lies in '%s'", dir);
    }
    pawl_store_fini(&store);
    return rc;
}

/* Shortens `dir` to its parent; false at the root, and behind "..", where the
 * text no longer tells. */
static bool go_up(char *dir)
{
    char *slash = strrchr(dir, '/');
    if (slash == NULL || slash[1] == '\0' || strcmp(slash, "/..") == 0) {
        return false;
    }
    slash[slash == dir ? 1 : 0] = '\0';
    return true;
}

/* Finds the manifest that speaks of `path` and puts its entry to `*entry`, or
 * NULL; the entry lies in `manifest`, which the caller frees. */
static int find_entry(const struct pawl_manifest_file **entry,
                      struct pawl_manifest *manifest, struct pawl_place *place,
                      const char *path, struct pawl_error *err)
{
    char *dir = strdup(path);
    if (dir == NULL) {
        return pawl_fail_nomem(err);
    }
    int rc = 0;
    *entry = NULL;
    while (rc == 0 && go_up(dir)) {
        rc = read_manifest(manifest, place, dir, err);
        if (rc > 0) {
            *entry = pawl_manifest_find(manifest, pawl_path_below(path, dir));
        }
    }
    free(dir);
    return rc < 0 ? rc : 0;
}

/* ---- the file ----------------------------------------------------------- */

/* Whether the load itself touches no payload. */
static bool is_lazy(const struct pawl_loading *how)
{
    return (how->flags & (PAWL_LOAD_LAZY | PAWL_LOAD_MAP)) != 0;
}

static bool reads_image(const struct pawl_loading *how)
{
    return how->images != NULL && !is_lazy(how);
}

static int open_at(struct pawl_state_file **out, const struct pawl_loading *how,
                   const char *path, struct pawl_error *err)
{
    char *dir = NULL;
    const char *name = NULL;
    unsigned mode =
        PAWL_STORE_READ | (reads_image(how) ? how->images->mode : 0);
    int rc = pawl_path_split(&dir, &name, path, err);
    if (rc == 0) {
        rc = pawl_state_file_open(out, how->place, dir, name,
                                  (enum pawl_store_mode)mode, err);
    }
    free(dir);
    return rc;
}

/* Opens what the link at `how->path` leads to; messages name the link. */
static int open_target(struct pawl_state_file **out,
                       const struct pawl_loading *how, const char *target,
                       struct pawl_error *err)
{
    char *name = strdup(how->path);
    if (name == NULL) {
        return pawl_fail_nomem(err);
    }
    int rc = open_at(out, how, target, err);
    if (rc != 0) {
        pawl_error_prefix(err, "'%s'", how->path);
        free(name);
        return rc;
    }
    free((*out)->name);
    (*out)->name = name;
    (*out)->source.name = name;
    return 0;
}

/* A store does not follow links that lead out of its directory.  But the user
 * named this one. */
static int open_followed(struct pawl_state_file **out,
                         const struct pawl_loading *how, struct pawl_error *err)
{
    struct pawl_error why;
    int rc = open_at(out, how, how->path, &why);
    if (rc == PAWL_EINVAL && why.sys_errno == ELOOP) {
        char *real = realpath(how->path, NULL);
        if (real != NULL) {
            rc = open_target(out, how, real, &why);
        }
        free(real);
    }
    if (rc < 0 && err != NULL) {
        *err = why;
    }
    return rc;
}

/* Puts an image in place of the open file, which a proof by its checksum goes
 * along with.  When there is no memory for it the file stays as it is. */
static int become_image(struct pawl_state_file **file,
                        const struct pawl_loading *how,
                        const struct pawl_manifest_file *expected,
                        struct pawl_error *err)
{
    struct pawl_file_image *image = NULL;
    int rc = pawl_verify_image(&image, *file, expected, how->images, err);
    if (rc < 0) {
        return rc;
    }
    if (how->cache != NULL) {
        const struct pawl_image_facts facts = {
            .generation = how->cache_generation,
            .is_proven = expected != NULL,
            .is_given = true,
        };
        pawl_image_cache_put(how->cache, how->path, image, &facts);
    }
    pawl_state_file_close(*file);
    *file = NULL;
    return pawl_state_file_of_image(file, how->path, image, expected != NULL,
                                    err);
}

static int verify(struct pawl_state_file **file, const struct pawl_loading *how,
                  const struct pawl_format_ops *format, struct pawl_error *err)
{
    struct pawl_manifest manifest = {0};
    const struct pawl_manifest_file *expected = how->expected;
    bool has_sums = format == &pawl_format_torch;
    bool may_wait = is_lazy(how) && (how->flags & PAWL_LOAD_VERIFY) == 0;
    bool read_all = !how->is_proven && (!may_wait || !has_sums);
    int rc = 0;
    if (expected == NULL) {
        rc = find_entry(&expected, &manifest, how->place, how->path, err);
    }
    bool by_directory = is_lazy(how) && has_sums && !read_all;
    bool is_image = rc == 0 && reads_image(how) && format != NULL;
    if (is_image) {
        rc = become_image(file, how, expected, err);
        is_image = rc != PAWL_ENOMEM || *file == NULL;
        rc = is_image ? rc : 0;
    }
    if (rc == 0 && expected != NULL && !is_image) {
        rc = by_directory ? pawl_verify_directory(*file, expected, err)
                          : pawl_verify_file(*file, expected, read_all,
                                             how->block_bytes, NULL, err);
    }
    pawl_manifest_fini(&manifest);
    return rc;
}

static int map_file(struct pawl_state_file *file,
                    const struct pawl_format_ops *format,
                    struct pawl_error *err)
{
    if (format == &pawl_format_torch_legacy) {
        return pawl_fail(err, PAWL_ENOTSUP, 0,
                         "cannot map '%s': torch's legacy format, which no "
                         "tensor can be a view of",
                         file->name);
    }
    return pawl_state_file_map(file, err);
}

static int unknown_format(const struct pawl_state_file *file,
                          struct pawl_error *err)
{
    return pawl_fail(err, PAWL_EFORMAT, 0,
                     "'%s' is not a file that Pawl can read%s", file->name,
                     file->source.size_bytes == 0 ? ": it is empty" : "");
}

/* From what is kept of an open checkpoint; no file if it is not there. */
static int take_kept(struct pawl_state_file **out,
                     const struct pawl_loading *how, struct pawl_error *err)
{
    bool is_proven = false;
    struct pawl_file_image *image = NULL;
    if (reads_image(how) && how->cache != NULL) {
        image = pawl_image_cache_take(how->cache, how->path, how->images,
                                      &is_proven);
    }
    return image == NULL ? 0
                         : pawl_state_file_of_image(out, how->path, image,
                                                    is_proven, err);
}

/* Opens a file and verifies what can be before it is parsed: what the manifest
 * knows to be damaged is not. */
static int open_verified(struct pawl_state_file **file,
                         const struct pawl_format_ops **format,
                         const struct pawl_loading *how, struct pawl_error *err)
{
    int rc = take_kept(file, how, err);
    bool is_kept = *file != NULL;
    if (rc == 0 && !is_kept) {
        rc = open_followed(file, how, err);
    }
    if (rc == 0) {
        rc = pawl_state_file_probe(format, *file, how->formats, err);
    }
    if (rc == 0 && !is_kept) {
        rc = verify(file, how, *format, err);
    }
    if (rc == 0 && *format == NULL) {
        rc = unknown_format(*file, err);
    }
    if (rc == 0 && (how->flags & PAWL_LOAD_MAP) != 0) {
        rc = map_file(*file, *format, err);
    }
    return rc;
}

int pawl_load_file(struct pawl_state **out, const struct pawl_loading *how,
                   uint64_t *size_out, struct pawl_error *err)
{
    struct pawl_state_file *file = NULL;
    const struct pawl_format_ops *format = NULL;
    struct pawl_state *state = NULL;
    int rc = open_verified(&file, &format, how, err);
    if (rc != 0) {
        pawl_state_file_close(file);
        return rc;
    }
    uint64_t size = file->source.size_bytes;
    rc = pawl_state_file_read(&state, file, format, err);
    if (rc == 0 && (how->flags & PAWL_LOAD_LAZY) == 0) {
        rc = pawl_state_read_all(state, err);
    }
    if (rc < 0) {
        pawl_state_free(state);
        return rc;
    }
    if (how->flags == PAWL_LOAD_MAP) {
        /* The state has it, but needs no more of it than the mapping. */
        pawl_state_file_leave(file);
    }
    *size_out = size;
    *out = state;
    return 0;
}
