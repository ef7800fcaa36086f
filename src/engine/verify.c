/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c - see verify.h. */
#include "engine/verify.h"

#include "base/crc32.h"
#include "base/path.h"
#include "engine/listing.h"
#include "format/zip_whole.h"
#include "state/value.h"

#include <stdlib.h>
#include <string.h>

static int check_size(const struct pawl_state_file *file,
                      const struct pawl_manifest_file *expected,
                      struct pawl_error *err)
{
    uint64_t size = file->source.size_bytes;
    if (size != expected->size_bytes) {
        return pawl_fail(err, PAWL_ECORRUPT, 0,
                         "'%s' has %llu bytes, its manifest says %llu",
                         file->name, (unsigned long long)size,
                         (unsigned long long)expected->size_bytes);
    }
    return 0;
}

static int fail_crc(const struct pawl_state_file *file,
                    const struct pawl_manifest_file *expected,
                    const struct pawl_sums *sums, struct pawl_error *err)
{
    const char *and_digest = "";
    if (expected->digest.is_known) {
        and_digest = pawl_digest_equal(&sums->digest, &expected->digest)
                         ? "; its xxh3 digest is as it should be"
                         : "; its xxh3 digest differs too";
    }
    return pawl_fail(err, PAWL_ECORRUPT, 0,
                     "'%s' was changed: its checksum is %08x, its manifest "
                     "says %08x%s",
                     file->name, sums->crc32, expected->crc32, and_digest);
}

static int fail_digest(const struct pawl_state_file *file,
                       const struct pawl_manifest_file *expected,
                       const struct pawl_sums *sums, struct pawl_error *err)
{
    char is[PAWL_DIGEST_TEXT_LEN + 1];
    char should_be[PAWL_DIGEST_TEXT_LEN + 1];
    pawl_digest_text(is, &sums->digest);
    pawl_digest_text(should_be, &expected->digest);
    return pawl_fail(err, PAWL_ECORRUPT, 0,
                     "'%s' was changed: its xxh3 digest is %s, its manifest "
                     "says %s; its checksum is as it should be",
                     file->name, is, should_be);
}

static int check_sums(const struct pawl_state_file *file,
                      const struct pawl_manifest_file *expected,
                      const struct pawl_sums *sums, struct pawl_error *err)
{
    if (sums->crc32 != expected->crc32) {
        return fail_crc(file, expected, sums, err);
    }
    if (expected->digest.is_known &&
        !pawl_digest_equal(&sums->digest, &expected->digest)) {
        return fail_digest(file, expected, sums, err);
    }
    return 0;
}

int pawl_verify_file(struct pawl_state_file *file,
                     const struct pawl_manifest_file *expected, bool read_all,
                     size_t block_bytes,
                     const struct pawl_object_listener *listener,
                     struct pawl_error *err)
{
    struct pawl_sums sums;
    int rc = check_size(file, expected, err);
    if (rc < 0 || !read_all) {
        return rc;
    }
    rc = pawl_object_sums(&file->object, file->source.size_bytes, block_bytes,
                          listener, expected->digest.is_known, &sums, err);
    return rc < 0 ? rc : check_sums(file, expected, &sums, err);
}

int pawl_verify_directory(struct pawl_state_file *file,
                          const struct pawl_manifest_file *expected,
                          struct pawl_error *err)
{
    uint32_t crc = expected->crc32; /* which spares reads if it is right */
    int rc = check_size(file, expected, err);
    if (rc == 0) {
        rc = pawl_zip_whole_crc(&crc, &file->source, err);
    }
    if (rc > 0 && crc != expected->crc32) {
        return pawl_fail(err, PAWL_ECORRUPT, 0,
                         "'%s' was changed: by its zip directory its checksum "
                         "is %08x, its manifest says %08x",
                         file->name, crc, expected->crc32);
    }
    return rc < 0 ? rc : 0;
}

int pawl_verify_image(struct pawl_file_image **out,
                      struct pawl_state_file *file,
                      const struct pawl_manifest_file *expected,
                      const struct pawl_image_options *options,
                      struct pawl_error *err)
{
    struct pawl_file_image *image = NULL;
    uint64_t size = file->source.size_bytes;
    int rc = expected == NULL ? 0 : check_size(file, expected, err);
    if (rc == 0) {
        rc = pawl_file_image_read(&image, &file->object, size, options,
                                  expected != NULL && expected->digest.is_known,
                                  err);
    }
    if (rc == 0 && expected != NULL) {
        const struct pawl_sums sums = {
            .crc32 = pawl_file_image_crc(image, 0, size),
            .digest = pawl_file_image_digest(image),
        };
        rc = check_sums(file, expected, &sums, err);
    }
    if (rc < 0) {
        pawl_file_image_unref(image);
        return rc;
    }
    *out = image;
    return 0;
}

int pawl_verify_storages(struct pawl_state *state,
                         const struct pawl_object_listener *listener,
                         struct pawl_error *err)
{
    void *bytes = NULL;
    size_t capacity = 0;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < state->storage_count; i++) {
        struct pawl_storage *storage = state->storages[i];
        size_t len = 0;
        bool fits = pawl_to_size(pawl_storage_size(storage), &len);
        if (fits && len > capacity) {
            free(bytes);
            bytes = malloc(len);
            capacity = bytes == NULL ? 0 : len;
            fits = bytes != NULL;
        }
        rc = fits ? pawl_storage_read(storage, bytes, len, err)
                  : pawl_fail_nomem(err);
        if (rc == 0) {
            pawl_object_advance(listener, len);
        }
    }
    free(bytes);
    return rc;
}

/* Parses a file; takes it over. */
static int check_structure(struct pawl_state_file *file,
                           const struct pawl_format_ops *format, bool read_all,
                           struct pawl_error *err)
{
    struct pawl_state *state = NULL;
    int rc = pawl_state_file_read(&state, file, format, err);
    if (rc == 0 && read_all) {
        rc = pawl_verify_storages(state, NULL, err);
    }
    pawl_state_free(state);
    return rc;
}

static void keep(const struct pawl_verifier *verifier, const char *path,
                 struct pawl_file_image *image, bool is_proven)
{
    const struct pawl_image_facts facts = {
        .generation = pawl_image_cache_generation(verifier->cache),
        .is_proven = is_proven,
    };
    pawl_image_cache_put(verifier->cache, path, image, &facts);
}

/* Compares every byte.  Keeps what there is room for; what there is not is
 * read and dropped. */
static int check_bytes(const struct pawl_verifier *verifier,
                       struct pawl_state_file *file,
                       const struct pawl_manifest_file *expected,
                       struct pawl_error *err)
{
    uint64_t size = file->source.size_bytes;
    struct pawl_file_image *image = NULL;
    struct pawl_sums sums;
    if (verifier->images == NULL) {
        return pawl_verify_file(file, expected, true, verifier->block_bytes,
                                NULL, err);
    }
    int rc = PAWL_ENOMEM;
    if (pawl_image_cache_has_room(verifier->cache, size)) {
        rc = pawl_verify_image(&image, file, expected, verifier->images, err);
    }
    if (rc == 0) {
        keep(verifier, file->name, image, true);
        pawl_file_image_unref(image);
    }
    if (rc != PAWL_ENOMEM) {
        return rc;
    }
    rc = check_size(file, expected, err);
    if (rc == 0) {
        rc = pawl_file_image_scan(&sums, &file->object, size, verifier->images,
                                  expected->digest.is_known, err);
    }
    return rc < 0 ? rc : check_sums(file, expected, &sums, err);
}

static enum pawl_store_mode mode_of(const struct pawl_verifier *verifier)
{
    bool full = verifier->level == PAWL_VERIFY_FULL;
    unsigned direct =
        full && verifier->images != NULL ? verifier->images->mode : 0;
    return (enum pawl_store_mode)(PAWL_STORE_READ | direct);
}

static int check_named(const struct pawl_verifier *verifier, const char *dir,
                       const struct pawl_manifest_file *expected,
                       struct pawl_error *err)
{
    struct pawl_state_file *file = NULL;
    const struct pawl_format_ops *format = NULL;
    bool full = verifier->level == PAWL_VERIFY_FULL;
    int rc = pawl_state_file_open(&file, verifier->place, dir, expected->path,
                                  mode_of(verifier), err);
    if (rc == PAWL_ENOENT) {
        return pawl_fail(err, PAWL_ECORRUPT, 0,
                         "'%s/%s' is missing, though its manifest names it",
                         dir, expected->path);
    }
    if (rc == 0) {
        rc = full ? check_bytes(verifier, file, expected, err)
                  : pawl_verify_file(file, expected, false,
                                     verifier->block_bytes, NULL, err);
    }
    if (rc == 0 && !full) {
        rc = pawl_state_file_probe(&format, file, verifier->formats, err);
        if (rc == 0 && format != NULL) {
            return check_structure(file, format, false, err);
        }
        if (rc == 0) {
            rc = pawl_fail(err, PAWL_EFORMAT, 0,
                           "'%s' is not a file that Pawl can read", file->name);
        }
    }
    pawl_state_file_close(file);
    return rc;
}

bool pawl_share_has(const struct pawl_share *share,
                    const struct pawl_manifest *manifest, size_t index)
{
    if (share->ranks <= 1) {
        return true;
    }
    size_t number = manifest->world_size == share->ranks
                        ? manifest->files[index].rank
                        : index;
    return number % share->ranks == share->rank;
}

int pawl_verify_signed(const struct pawl_verifier *verifier, const char *dir,
                       const struct pawl_manifest *manifest,
                       struct pawl_error *err)
{
    for (size_t i = 0; i < manifest->count; i++) {
        int rc = pawl_share_has(&verifier->share, manifest, i)
                     ? check_named(verifier, dir, &manifest->files[i], err)
                     : 0;
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* Puts an image in place of the open file, if there is room to keep it. */
static int become_image(const struct pawl_verifier *verifier,
                        struct pawl_state_file **file, struct pawl_error *err)
{
    struct pawl_file_image *image = NULL;
    if (verifier->images == NULL || verifier->level != PAWL_VERIFY_FULL ||
        !pawl_image_cache_has_room(verifier->cache,
                                   (*file)->source.size_bytes)) {
        return 0;
    }
    int rc = pawl_verify_image(&image, *file, NULL, verifier->images, err);
    if (rc < 0) {
        return rc == PAWL_ENOMEM ? 0 : rc;
    }
    char *path = (*file)->name;
    (*file)->name = NULL;
    keep(verifier, path, image, false);
    pawl_state_file_close(*file);
    *file = NULL;
    rc = pawl_state_file_of_image(file, path, image, false, err);
    free(path);
    return rc;
}

/* 1 if it was a file of a known format and is whole, which only `ours` proves;
 * 0 if it was not one. */
static int check_any(const struct pawl_verifier *verifier, const char *dir,
                     const char *path, bool ours, struct pawl_error *err)
{
    struct pawl_state_file *file = NULL;
    const struct pawl_format_ops *format = NULL;
    int rc = pawl_state_file_open(&file, verifier->place, dir, path,
                                  mode_of(verifier), err);
    if (rc == 0) {
        rc = pawl_state_file_probe(&format, file, verifier->formats, err);
    }
    if (rc == 0 && format != NULL && ours) {
        rc = become_image(verifier, &file, err);
    }
    if (rc < 0 || format == NULL || !ours) {
        pawl_state_file_close(file);
        return rc < 0 ? rc : format != NULL;
    }
    rc =
        check_structure(file, format, verifier->level == PAWL_VERIFY_FULL, err);
    return rc < 0 ? rc : 1;
}

/* Nodes may list a directory in different orders: the name decides. */
static bool is_path_ours(const struct pawl_share *share, const char *path)
{
    return share->ranks <= 1 ||
           pawl_crc32(0, path, strlen(path)) % share->ranks == share->rank;
}

int pawl_verify_unsigned(const struct pawl_verifier *verifier, const char *dir,
                         struct pawl_error *err)
{
    struct pawl_store store = {0};
    struct pawl_listing tree = {0};
    size_t found = 0;
    int rc = pawl_place_store(&store, verifier->place, dir, err);
    if (rc == 0) {
        rc = pawl_listing_tree(&tree, &store, "", err);
    }
    for (size_t i = 0; rc >= 0 && i < tree.count; i++) {
        if (!tree.items[i].is_dir) {
            bool ours = is_path_ours(&verifier->share, tree.items[i].path);
            rc = check_any(verifier, dir, tree.items[i].path, ours, err);
            found += rc > 0;
        }
    }
    if (rc >= 0) {
        rc = found > 0 ? 0
                       : pawl_fail(err, PAWL_EFORMAT, 0,
                                   "'%s' holds no checkpoint", dir);
    }
    pawl_listing_fini(&tree);
    pawl_store_fini(&store);
    return rc;
}
