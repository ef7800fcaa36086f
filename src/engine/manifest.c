/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.c - see manifest.h
 *
 * Written by hand, one file a line, so that a person can read and diff it;
 * parsed by jansson.
 */
#include "engine/manifest.h"

#include "base/crc32.h"
#include "base/path.h"
#include "base/strmap.h"

#include <jansson.h>
#include <pawl/pawl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define VERSION 1

/* The end of the text, from the checksum's line on. */
#define TAIL_FORMAT "  \"manifest_crc32\": \"%08x\"\n}\n"
#define TAIL_LEN (sizeof("  \"manifest_crc32\": \"01234567\"\n}\n") - 1)

void pawl_manifest_fini(struct pawl_manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++) {
        free(manifest->files[i].path);
    }
    free(manifest->files);
    *manifest = (struct pawl_manifest){0};
}

/* ---- paths ------------------------------------------------------------- */

static bool is_utf8(const char *text)
{
    json_t *string = json_string(text); /* NULL if it is not */
    json_decref(string);
    return string != NULL;
}

static const char *path_fault(const char *path)
{
    if (strlen(path) > PAWL_MANIFEST_PATH_MAX) {
        return "is too long";
    }
    if (strcmp(path, PAWL_MANIFEST_NAME) == 0) {
        return "is the manifest's own";
    }
    for (const char *c = path;; c++) {
        size_t len = strcspn(c, "/");
        if (len == 0) {
            return "has an empty component";
        }
        if ((len == 1 && c[0] == '.') ||
            (len == 2 && c[0] == '.' && c[1] == '.')) {
            return "has a '.' or '..' component";
        }
        if (len > 255) {
            return "has a component over 255 bytes";
        }
        c += len;
        if (*c == '\0') {
            break;
        }
    }
    return is_utf8(path) ? NULL : "is not UTF-8";
}

int pawl_manifest_check_path(const char *path, struct pawl_error *err)
{
    const char *fault = path_fault(path);
    if (fault != NULL) {
        return pawl_fail(err, PAWL_EINVAL, 0, "bad file name '%s': it %s", path,
                         fault);
    }
    return 0;
}

/* ---- building ---------------------------------------------------------- */

const struct pawl_manifest_file *
pawl_manifest_find(const struct pawl_manifest *manifest, const char *path)
{
    for (size_t i = 0; i < manifest->count; i++) {
        if (strcmp(manifest->files[i].path, path) == 0) {
            return &manifest->files[i];
        }
    }
    return NULL;
}

/* Takes `path` of the file over, also on failure. */
static int append(struct pawl_manifest *manifest,
                  struct pawl_manifest_file file, struct pawl_error *err)
{
    if (manifest->count == manifest->capacity) {
        size_t capacity = manifest->capacity == 0 ? 16 : manifest->capacity * 2;
        struct pawl_manifest_file *grown =
            realloc(manifest->files, capacity * sizeof(*grown));
        if (grown == NULL) {
            free(file.path);
            return pawl_fail_nomem(err);
        }
        manifest->files = grown;
        manifest->capacity = capacity;
    }
    manifest->files[manifest->count++] = file;
    return 0;
}

int pawl_manifest_add(struct pawl_manifest *manifest,
                      const struct pawl_manifest_file *file,
                      struct pawl_error *err)
{
    int rc = pawl_manifest_check_path(file->path, err);
    if (rc < 0) {
        return rc;
    }
    struct pawl_manifest_file copy = *file;
    copy.path = strdup(file->path);
    if (copy.path == NULL) {
        return pawl_fail_nomem(err);
    }
    for (size_t i = 0; i < manifest->count; i++) {
        if (strcmp(manifest->files[i].path, copy.path) == 0) {
            free(manifest->files[i].path);
            manifest->files[i] = copy;
            return 0;
        }
    }
    return append(manifest, copy, err);
}

int pawl_manifest_move(struct pawl_manifest *to, struct pawl_manifest *from,
                       struct pawl_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < from->count; i++) {
        struct pawl_manifest_file file = from->files[i];
        from->files[i].path = NULL; /* append has it, also on failure */
        rc = append(to, file, err);
    }
    return rc;
}

/* ---- writing ----------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void put(struct pawl_buffer *out,
                                                      const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof(line)) {
        out->failed = true;
        return;
    }
    pawl_buffer_append(out, line, (size_t)len);
}

static void put_string(struct pawl_buffer *out, const char *text)
{
    json_t *string = json_string(text);
    char *quoted = json_dumps(string, JSON_ENCODE_ANY);
    if (quoted == NULL) {
        out->failed = true;
    } else {
        pawl_buffer_append(out, quoted, strlen(quoted));
    }
    free(quoted);
    json_decref(string);
}

static void put_head(struct pawl_buffer *out,
                     const struct pawl_manifest *manifest)
{
    put(out, "{\n  \"pawl_manifest\": %d,\n  \"pawl_version\": \"%s\",\n",
        VERSION, PAWL_VERSION);
    put(out, "  \"tag\": ");
    put_string(out, manifest->tag);
    put(out, ",\n  \"sequence\": %llu,\n  \"created_unix_ms\": %llu,\n",
        (unsigned long long)manifest->sequence,
        (unsigned long long)manifest->created_unix_ms);
    put(out, "  \"world_size\": %u,\n", manifest->world_size);
    if (manifest->parts > 0) {
        put(out, "  \"part\": %u,\n  \"parts\": %u,\n", manifest->part,
            manifest->parts);
    }
    put(out, "  \"files\": [");
}

static void put_file(struct pawl_buffer *out,
                     const struct pawl_manifest_file *file)
{
    put(out, "    {\"path\": ");
    put_string(out, file->path);
    put(out, ", \"size\": %llu, \"crc32\": \"%08x\", ",
        (unsigned long long)file->size_bytes, file->crc32);
    if (file->digest.is_known) {
        char digits[PAWL_DIGEST_TEXT_LEN + 1];
        pawl_digest_text(digits, &file->digest);
        put(out, "\"xxh3\": \"%s\", ", digits);
    }
    put(out, "\"rank\": %u}", file->rank);
}

int pawl_manifest_encode(const struct pawl_manifest *manifest,
                         struct pawl_buffer *out, struct pawl_error *err)
{
    if (manifest->sequence == 0 || manifest->sequence > PAWL_SEQUENCE_MAX ||
        !is_utf8(manifest->tag)) {
        return pawl_fail(err, PAWL_EINVAL, 0,
                         "checkpoint '%s' cannot be described: its tag is not "
                         "UTF-8 or its number too high",
                         manifest->tag);
    }
    size_t start = out->len;
    put_head(out, manifest);
    for (size_t i = 0; i < manifest->count; i++) {
        put(out, i == 0 ? "\n" : ",\n");
        put_file(out, &manifest->files[i]);
    }
    put(out, "\n  ],\n");
    if (!out->failed) {
        uint32_t crc = pawl_crc32(0, out->data + start, out->len - start);
        put(out, TAIL_FORMAT, crc);
    }
    if (out->failed) {
        return pawl_fail_nomem(err);
    }
    if (out->len - start > PAWL_MANIFEST_MAX_BYTES) {
        return pawl_fail(err, PAWL_EINVAL, 0,
                         "checkpoint '%s' has too many files", manifest->tag);
    }
    return 0;
}

/* ---- parsing ----------------------------------------------------------- */

static int wrong(struct pawl_error *err, const char *what)
{
    return pawl_fail(err, PAWL_EFORMAT, 0, "not a manifest: %s", what);
}

/* A number of at most `max`. */
static bool get_number(const json_t *object, const char *key, uint64_t max,
                       uint64_t *out)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) > max) {
        return false;
    }
    *out = (uint64_t)json_integer_value(value);
    return true;
}

/* Without NUL: jansson refuses that. */
static const char *get_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool get_crc(const json_t *object, uint32_t *out)
{
    const char *text = get_text(object, "crc32");
    if (text == NULL || strlen(text) != 8 ||
        strspn(text, "0123456789abcdef") != 8) {
        return false;
    }
    *out = (uint32_t)strtoul(text, NULL, 16);
    return true;
}

/* True also if there is none; false for what is none. */
static bool get_digest(const json_t *object, struct pawl_digest *out)
{
    const json_t *value = json_object_get(object, "xxh3");
    const char *text = json_string_value(value);
    return value == NULL || (text != NULL && pawl_digest_parse(out, text));
}

static int parse_file(struct pawl_manifest *manifest, const json_t *entry,
                      struct pawl_strmap *seen, struct pawl_error *err)
{
    uint64_t size = 0;
    uint64_t rank = 0;
    uint32_t crc = 0;
    struct pawl_digest digest = {0};
    const char *path = get_text(entry, "path");
    if (path == NULL || !get_number(entry, "size", INT64_MAX, &size) ||
        !get_number(entry, "rank", UINT32_MAX, &rank) ||
        !get_crc(entry, &crc) || !get_digest(entry, &digest)) {
        return wrong(err, "a file entry is incomplete");
    }
    struct pawl_error fault;
    if (pawl_manifest_check_path(path, &fault) < 0) {
        return wrong(err, fault.message);
    }
    if (pawl_strmap_get(seen, path, strlen(path)) != NULL) {
        return wrong(err, "it names a file twice");
    }
    char *copy = strdup(path);
    if (copy == NULL || !pawl_strmap_put(seen, copy, strlen(copy), copy)) {
        free(copy);
        return pawl_fail_nomem(err);
    }
    return append(
        manifest,
        (struct pawl_manifest_file){copy, size, crc, (uint32_t)rank, digest},
        err);
}

static int parse_files(struct pawl_manifest *manifest, const json_t *root,
                       struct pawl_error *err)
{
    const json_t *files = json_object_get(root, "files");
    if (!json_is_array(files)) {
        return wrong(err, "it has no list of files");
    }
    struct pawl_strmap seen = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(files); i++) {
        rc = parse_file(manifest, json_array_get(files, i), &seen, err);
    }
    pawl_strmap_fini(&seen);
    return rc;
}

/* Both keys, or neither. */
static int parse_parts(struct pawl_manifest *manifest, const json_t *root,
                       struct pawl_error *err)
{
    uint64_t part = 0;
    uint64_t parts = 0;
    if (json_object_get(root, "part") == NULL &&
        json_object_get(root, "parts") == NULL) {
        return 0;
    }
    if (!get_number(root, "part", UINT32_MAX, &part) ||
        !get_number(root, "parts", UINT32_MAX, &parts) || part >= parts) {
        return wrong(err, "it does not say which part it is");
    }
    manifest->part = (uint32_t)part;
    manifest->parts = (uint32_t)parts;
    return 0;
}

static int parse_head(struct pawl_manifest *manifest, const json_t *root,
                      struct pawl_error *err)
{
    uint64_t world_size = 0;
    const char *tag = get_text(root, "tag");
    if (tag == NULL || pawl_tag_check(tag, NULL) < 0) {
        return wrong(err, "it has no tag");
    }
    snprintf(manifest->tag, sizeof(manifest->tag), "%s", tag);
    if (!get_number(root, "sequence", PAWL_SEQUENCE_MAX, &manifest->sequence) ||
        manifest->sequence == 0) {
        return wrong(err, "it has no sequence number");
    }
    if (!get_number(root, "created_unix_ms", INT64_MAX,
                    &manifest->created_unix_ms)) {
        return wrong(err, "it has no time");
    }
    if (!get_number(root, "world_size", UINT32_MAX, &world_size) ||
        world_size == 0) {
        return wrong(err, "it has no world size");
    }
    manifest->world_size = (uint32_t)world_size;
    return parse_parts(manifest, root, err);
}

static int check_version(const json_t *root, struct pawl_error *err)
{
    uint64_t version = 0;
    if (!get_number(root, "pawl_manifest", INT64_MAX, &version) ||
        version == 0) {
        return wrong(err, "it has no version");
    }
    if (version > VERSION) {
        return pawl_fail(err, PAWL_ENOTSUP, 0,
                         "a manifest of version %llu, which a newer Pawl wrote",
                         (unsigned long long)version);
    }
    return 0;
}

static int check_crc(const char *text, size_t len_bytes, struct pawl_error *err)
{
    char tail[TAIL_LEN + 1];
    if (len_bytes < TAIL_LEN) {
        return wrong(err, "it is too short");
    }
    size_t body_len = len_bytes - TAIL_LEN;
    snprintf(tail, sizeof(tail), TAIL_FORMAT, pawl_crc32(0, text, body_len));
    if (memcmp(tail, text + body_len, TAIL_LEN) != 0) {
        return pawl_fail(err, PAWL_ECORRUPT, 0,
                         "the manifest was changed: its checksum does not "
                         "match");
    }
    return 0;
}

int pawl_manifest_parse(struct pawl_manifest *out, const void *text,
                        size_t len_bytes, struct pawl_error *err)
{
    struct pawl_manifest manifest = {0};
    json_error_t cause;
    if (len_bytes > PAWL_MANIFEST_MAX_BYTES) {
        return wrong(err, "it is too large");
    }
    json_t *root = json_loadb(text, len_bytes, JSON_REJECT_DUPLICATES, &cause);
    if (root == NULL) {
        return wrong(err, cause.text);
    }
    int rc = check_version(root, err);
    if (rc == 0) {
        rc = check_crc(text, len_bytes, err);
    }
    if (rc == 0) {
        rc = parse_head(&manifest, root, err);
    }
    if (rc == 0) {
        rc = parse_files(&manifest, root, err);
    }
    json_decref(root);
    if (rc < 0) {
        pawl_manifest_fini(&manifest);
        return rc;
    }
    *out = manifest;
    return 0;
}
