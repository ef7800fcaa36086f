/* SPDX-License-Identifier: Apache-2.0 */
/* discover.c - see discover.h. */
#include "engine/discover.h"

#include "base/path.h"
#include "engine/listing.h"
#include "engine/manifest_file.h"
#include "engine/object.h"
#include "engine/tag_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pawl_candidates_fini(struct pawl_candidates *candidates)
{
    free(candidates->items);
    *candidates = (struct pawl_candidates){0};
}

static int add(struct pawl_candidates *list, const char *tag,
               struct pawl_candidate item, struct pawl_error *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        struct pawl_candidate *items =
            realloc(list->items, capacity * sizeof(*items));
        if (items == NULL) {
            return pawl_fail_nomem(err);
        }
        list->items = items;
        list->capacity = capacity;
    }
    snprintf(item.tag, sizeof(item.tag), "%s", tag);
    list->items[list->count++] = item;
    return 0;
}

int pawl_candidates_add(struct pawl_candidates *candidates, const char *tag,
                        struct pawl_error *err)
{
    return add(candidates, tag, (struct pawl_candidate){0}, err);
}

int pawl_candidates_copy(struct pawl_candidates *candidates,
                         const struct pawl_candidate *item,
                         struct pawl_error *err)
{
    return add(candidates, item->tag, *item, err);
}

static int add_signed(struct pawl_candidates *list,
                      const struct pawl_listing_item *dir,
                      const struct pawl_manifest *manifest,
                      struct pawl_error *err)
{
    struct pawl_candidate item = {
        .is_signed = true,
        .is_home = !dir->is_link && strcmp(dir->path, manifest->tag) == 0,
        .sequence = manifest->sequence,
        .time_ms = (int64_t)manifest->created_unix_ms,
    };
    return add(list, dir->path, item, err);
}

/* ---- order ------------------------------------------------------------- */

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Copies of a checkpoint have its number: the one that has its own name is
 * taken for the original. */
static int newest_signed_first(const void *left, const void *right)
{
    const struct pawl_candidate *a = left;
    const struct pawl_candidate *b = right;
    int order = compare(b->sequence, a->sequence);
    if (order == 0) {
        order = compare((uint64_t)b->time_ms, (uint64_t)a->time_ms);
    }
    if (order == 0) {
        order = (int)b->is_home - (int)a->is_home;
    }
    return order != 0 ? order : strcmp(a->tag, b->tag);
}

static int newest_unsigned_first(const void *left, const void *right)
{
    const struct pawl_candidate *a = left;
    const struct pawl_candidate *b = right;
    if (a->time_ms != b->time_ms) {
        return a->time_ms > b->time_ms ? -1 : 1;
    }
    return strcmp(a->tag, b->tag);
}

static void put_first(struct pawl_candidates *list, const char *tag)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].tag, tag) == 0) {
            struct pawl_candidate first = list->items[i];
            memmove(list->items + 1, list->items, i * sizeof(first));
            list->items[0] = first;
            return;
        }
    }
}

/* Two ordered lists into one; both are left as they are. */
static int merge_lists(struct pawl_candidates *out,
                       const struct pawl_candidates *with,
                       const struct pawl_candidates *without,
                       struct pawl_error *err)
{
    size_t i = 0;
    size_t k = 0;
    int rc = 0;
    while (rc == 0 && (i < with->count || k < without->count)) {
        bool take_unsigned = k < without->count &&
                             (i == with->count || without->items[k].time_ms >
                                                      with->items[i].time_ms);
        const struct pawl_candidate *next =
            take_unsigned ? &without->items[k++] : &with->items[i++];
        rc = add(out, next->tag, *next, err);
    }
    return rc;
}

/* ---- unsigned ---------------------------------------------------------- */

struct finder {
    struct pawl_place *place;
    struct pawl_store store; /* rooted at dir */
    const char *dir;
    const struct pawl_formats *formats;
    uint64_t token;
    struct pawl_log *log;
    struct pawl_candidates with;
    struct pawl_candidates without;
};

static bool is_torch_file(struct finder *f, const char *name)
{
    struct pawl_state_file *file = NULL;
    const struct pawl_format_ops *format = NULL;
    if (pawl_state_file_open(&file, f->place, f->dir, name, PAWL_STORE_READ,
                             NULL) < 0) {
        return false;
    }
    int rc = pawl_state_file_probe(&format, file, f->formats, NULL);
    pawl_state_file_close(file);
    return rc == 0 && format != NULL;
}

/* A directory without torch files is none of ours, and not worth a word. */
static int consider_unsigned(struct finder *f, const char *tag,
                             struct pawl_error *err)
{
    struct pawl_listing tree = {0};
    int64_t newest_ns = INT64_MIN;
    bool found = false;
    int rc = pawl_listing_tree(&tree, &f->store, tag, err);
    for (size_t i = 0; rc == 0 && i < tree.count; i++) {
        char *name = NULL;
        if (tree.items[i].is_dir) {
            continue;
        }
        rc = found ? 0 : pawl_path_join(&name, tag, tree.items[i].path, err);
        found = found || (rc == 0 && is_torch_file(f, name));
        free(name);
        if (tree.items[i].mtime_ns > newest_ns) {
            newest_ns = tree.items[i].mtime_ns;
        }
    }
    pawl_listing_fini(&tree);
    if (rc < 0 || !found) {
        return rc;
    }
    struct pawl_candidate item = {.time_ms = newest_ns / 1000000};
    return add(&f->without, tag, item, err);
}

/* ---- the directory ----------------------------------------------------- */

static int skip(struct finder *f, const char *tag, const char *why)
{
    pawl_log_line(f->log, PAWL_LOG_WARNING, "skipping checkpoint '%s': %s", tag,
                  why);
    return 0;
}

/* 0, or what makes it useless to go on. */
static int consider(void *ctx, const struct pawl_listing_item *dir,
                    struct pawl_error *err)
{
    struct finder *f = ctx;
    const char *tag = dir->path;
    struct pawl_manifest manifest = {0};
    struct pawl_owner owner;
    enum pawl_owner_state maker;
    enum pawl_tag_state state = PAWL_TAG_MISSING;
    struct pawl_error why;
    int rc = pawl_tag_look(&state, &manifest, &maker, &owner, &f->store, tag,
                           f->token, &why);
    if (rc == 0) {
        switch (state) {
        case PAWL_TAG_SIGNED:
            rc = add_signed(&f->with, dir, &manifest, &why);
            break;
        case PAWL_TAG_UNSIGNED:
            rc = consider_unsigned(f, tag, &why);
            break;
        case PAWL_TAG_MAKING:
            rc = pawl_owner_busy(&owner, maker, &why);
            break;
        case PAWL_TAG_HALF:
            rc = skip(f, tag, "its commit was interrupted");
            break;
        case PAWL_TAG_MISSING:
            break;
        }
    }
    pawl_manifest_fini(&manifest);
    if (rc == PAWL_ENOMEM) {
        return pawl_fail_nomem(err);
    }
    return rc < 0 ? skip(f, tag, why.message) : 0;
}

/* What is done with each directory that may be a checkpoint. */
struct visitor {
    int (*visit)(void *ctx, const struct pawl_listing_item *dir,
                 struct pawl_error *err);
    void (*forget)(void *ctx); /* all that was visited */
    void *ctx;
};

static int by_name(const void *left, const void *right)
{
    const struct pawl_listing_item *a = left;
    const struct pawl_listing_item *b = right;
    return strcmp(a->path, b->path);
}

static int list_sorted(struct pawl_listing *out, struct pawl_store *store,
                       struct pawl_error *err)
{
    int rc = pawl_listing_dir(out, store, "", err);
    if (rc == PAWL_ENOENT) {
        return 0; /* there is nothing */
    }
    if (out->count > 1) {
        qsort(out->items, out->count, sizeof(*out->items), by_name);
    }
    return rc;
}

static bool has_same_names(const struct pawl_listing *a,
                           const struct pawl_listing *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        same = by_name(&a->items[i], &b->items[i]) == 0;
    }
    return same;
}

static int visit_listed(const struct pawl_listing *listing,
                        const struct visitor *visitor, struct pawl_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < listing->count; i++) {
        const struct pawl_listing_item *item = &listing->items[i];
        if (item->is_dir && pawl_tag_check(item->path, NULL) == 0) {
            rc = visitor->visit(visitor->ctx, item, err);
        }
    }
    return rc;
}

/* If another job commits and deletes meanwhile, the newest may be missing from
 * the list, or be gone when it is visited: so until nothing has changed. */
static int visit_all(struct pawl_store *store, const struct visitor *visitor,
                     struct pawl_error *err)
{
    enum { VISITS_MAX = 16 };
    struct pawl_listing listing = {0};
    bool settled = false;
    int rc = list_sorted(&listing, store, err);
    for (int i = 0; rc == 0 && !settled && i < VISITS_MAX; i++) {
        struct pawl_listing again = {0};
        if (i > 0) {
            visitor->forget(visitor->ctx);
        }
        rc = visit_listed(&listing, visitor, err);
        if (rc == 0) {
            rc = list_sorted(&again, store, err);
        }
        settled = rc == 0 && has_same_names(&listing, &again);
        pawl_listing_fini(&listing);
        listing = again;
    }
    pawl_listing_fini(&listing);
    return rc;
}

static void forget_any(void *ctx)
{
    struct finder *f = ctx;
    f->with.count = 0;
    f->without.count = 0;
}

/* qsort must not get NULL. */
static void sort(struct pawl_candidates *list,
                 int (*order)(const void *, const void *))
{
    if (list->count > 1) {
        qsort(list->items, list->count, sizeof(*list->items), order);
    }
}

int pawl_discover(struct pawl_candidates *out, struct pawl_place *place,
                  const char *dir, const struct pawl_formats *formats,
                  uint64_t token, struct pawl_log *log, struct pawl_error *err)
{
    struct finder f = {.place = place,
                       .dir = dir,
                       .formats = formats,
                       .token = token,
                       .log = log};
    struct pawl_candidates found = {0};
    int rc = pawl_place_store(&f.store, place, dir, err);
    if (rc == 0) {
        rc = visit_all(&f.store, &(struct visitor){consider, forget_any, &f},
                       err);
    }
    if (rc == 0) {
        char latest[PAWL_TAG_MAX + 1];
        sort(&f.with, newest_signed_first);
        sort(&f.without, newest_unsigned_first);
        pawl_read_latest(latest, &f.store, NULL);
        put_first(&f.without, latest);
        rc = merge_lists(&found, &f.with, &f.without, err);
    }
    pawl_candidates_fini(&f.with);
    pawl_candidates_fini(&f.without);
    pawl_store_fini(&f.store);
    if (rc < 0) {
        pawl_candidates_fini(&found);
        return rc;
    }
    *out = found;
    return 0;
}

/* What will be so for as long as the directory is as it is. */
static bool is_lasting(int rc, const struct pawl_error *why)
{
    switch (rc) {
    case PAWL_ENOENT:
    case PAWL_EFORMAT:
    case PAWL_ECORRUPT:
    case PAWL_EINVAL: /* of a link, or a name that is no file */
        return true;
    case PAWL_ENOTSUP: /* of a later version */
        return why->sys_errno == 0;
    case PAWL_EACCES:
        return why->sys_errno != EROFS;
    default:
        return false;
    }
}

/* A directory that has no usable manifest is not signed.  But one that could
 * not be read for a reason of the moment must not be overlooked: the next
 * number would be too low. */
static int consider_signed(struct pawl_candidates *found,
                           struct pawl_store *store,
                           const struct pawl_listing_item *dir,
                           struct pawl_error *err)
{
    struct pawl_manifest manifest = {0};
    struct pawl_error why;
    int rc = pawl_manifest_read(&manifest, store, dir->path, &why);
    if (rc < 0) {
        return is_lasting(rc, &why) ? 0 : pawl_error_copy(err, &why);
    }
    rc = add_signed(found, dir, &manifest, err);
    pawl_manifest_fini(&manifest);
    return rc;
}

struct signed_finder {
    struct pawl_candidates found;
    struct pawl_store *store;
};

static int visit_signed(void *ctx, const struct pawl_listing_item *dir,
                        struct pawl_error *err)
{
    struct signed_finder *f = ctx;
    return consider_signed(&f->found, f->store, dir, err);
}

static void forget_signed(void *ctx)
{
    struct signed_finder *f = ctx;
    f->found.count = 0;
}

int pawl_discover_signed(struct pawl_candidates *out, struct pawl_store *store,
                         struct pawl_error *err)
{
    struct signed_finder f = {.store = store};
    int rc = visit_all(store,
                       &(struct visitor){visit_signed, forget_signed, &f}, err);
    if (rc < 0) {
        pawl_candidates_fini(&f.found);
        return rc;
    }
    sort(&f.found, newest_signed_first);
    *out = f.found;
    return 0;
}

static void take_latest(char out[PAWL_TAG_MAX + 1],
                        const struct pawl_buffer *text)
{
    size_t len = text->len;
    while (len > 0 && strchr(" \t\r\n", text->data[len - 1]) != NULL) {
        len--;
    }
    if (len > 0 && len <= PAWL_TAG_MAX &&
        memchr(text->data, '\0', len) == NULL) {
        memcpy(out, text->data, len);
        out[len] = '\0';
    }
}

int pawl_read_latest(char out[PAWL_TAG_MAX + 1], struct pawl_store *store,
                     struct pawl_error *err)
{
    struct pawl_buffer text = {0};
    out[0] = '\0';
    int rc =
        pawl_object_get(store, PAWL_LATEST_NAME, PAWL_TAG_MAX + 2, &text, err);
    if (rc == 0) {
        take_latest(out, &text);
    }
    pawl_buffer_fini(&text);
    return rc == PAWL_ENOENT || rc == PAWL_EFORMAT ? 0 : rc;
}
