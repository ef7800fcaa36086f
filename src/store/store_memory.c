/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_memory.c - the store of buffers in this process; see store_memory.h
 *
 * As store_file over the file system, so this over a memory tree: checks
 * names, calls the tree, and says in words what went wrong.  Nothing here
 * survives the process, so `durable` and sync ask for nothing.
 */
#include "store/store_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/path.h"
#include "store/memory_tree.h"
#include "store/store_name.h"

struct memory_store {
    struct pawl_memory_tree *tree;
    bool owns_tree;
    char *root; /* absolute */
};

struct memory_object {
    const struct memory_store *store;
    struct pawl_memory_buffer *buffer; /* a reference */
    bool written;                      /* opened by CREATE */
    char name[];
};

static int fail(struct pawl_error *err, int rc, const char *verb,
                const struct memory_store *store, const char *name)
{
    return pawl_store_fail(err, rc, verb, store->root, name);
}

/* ---- the store --------------------------------------------------------- */

static int make_over(struct memory_store **out, struct pawl_memory_tree *tree,
                     const char *root, struct pawl_error *err)
{
    if (root[0] != '/' || pawl_path_climbs(root)) {
        return pawl_fail(err, PAWL_EINVAL, EINVAL,
                         "the directory '%s' of a store is not absolute", root);
    }
    struct memory_store *store = calloc(1, sizeof(*store));
    char *copy = strdup(root);
    if (store == NULL || copy == NULL) {
        free(store);
        free(copy);
        return pawl_fail_nomem(err);
    }
    store->tree = tree;
    store->root = copy;
    *out = store;
    return 0;
}

int pawl_store_memory_make(struct pawl_store *out,
                           struct pawl_memory_tree *tree, const char *root,
                           struct pawl_error *err)
{
    struct memory_store *store = NULL;
    int rc = make_over(&store, tree, root, err);
    if (rc == 0) {
        *out = (struct pawl_store){&pawl_store_memory, store};
    }
    return rc;
}

static int memory_make(void **out, const char *root, const char *options_json,
                       struct pawl_error *err)
{
    (void)options_json; /* there are none */
    struct pawl_memory_tree *tree = NULL;
    struct memory_store *store = NULL;
    int rc = pawl_memory_tree_new(&tree, err);
    if (rc == 0) {
        rc = make_over(&store, tree, root, err);
    }
    if (rc != 0) {
        pawl_memory_tree_free(tree);
        return rc;
    }
    store->owns_tree = true;
    *out = store;
    return 0;
}

static void memory_free(void *impl)
{
    struct memory_store *store = impl;
    if (store == NULL) {
        return;
    }
    if (store->owns_tree) {
        pawl_memory_tree_free(store->tree);
    }
    free(store->root);
    free(store);
}

/* ---- objects ----------------------------------------------------------- */

static struct memory_object *new_object(const struct memory_store *store,
                                        const char *name, bool written)
{
    size_t size = strlen(name) + 1;
    struct memory_object *object = malloc(sizeof(*object) + size);
    if (object != NULL) {
        object->store = store;
        object->buffer = NULL;
        object->written = written;
        memcpy(object->name, name, size);
    }
    return object;
}

/* `size_hint` is not used: memory is taken as it is written. */
static int memory_open(void *impl, const char *name, enum pawl_store_mode mode,
                       uint64_t size_hint, void **object_out,
                       uint64_t *size_out, struct pawl_error *err)
{
    (void)size_hint;
    struct memory_store *store = impl;
    mode &= ~(unsigned)PAWL_STORE_DIRECT; /* there is nothing to pass by */
    bool create = mode == PAWL_STORE_CREATE;
    int rc = pawl_store_name_check(name, false, err);
    if (rc == 0 && mode == PAWL_STORE_REUSE) {
        rc = pawl_fail(err, PAWL_ENOTSUP, 0,
                       "objects in memory are not written over");
    }
    if (rc < 0) {
        return rc;
    }
    struct memory_object *object = new_object(store, name, create);
    if (object == NULL) {
        return pawl_fail_nomem(err);
    }
    rc = create ? pawl_memory_tree_create(store->tree, store->root, name,
                                          &object->buffer)
                : pawl_memory_tree_open(store->tree, store->root, name,
                                        &object->buffer);
    if (rc < 0) {
        free(object);
        return fail(err, rc, create ? "create" : "open", store, name);
    }
    if (size_out != NULL) {
        *size_out = pawl_memory_buffer_size(object->buffer);
    }
    *object_out = object;
    return 0;
}

static int memory_read(void *impl, uint64_t offset, void *dst, size_t len_bytes,
                       struct pawl_error *err)
{
    const struct memory_object *object = impl;
    int rc = pawl_memory_buffer_read(object->buffer, offset, dst, len_bytes);
    return rc < 0 ? fail(err, rc, "read", object->store, object->name) : 0;
}

static int memory_write(void *impl, uint64_t offset, const void *src,
                        size_t len_bytes, struct pawl_error *err)
{
    const struct memory_object *object = impl;
    int rc = -EBADF;
    if (object->written) {
        rc = pawl_memory_buffer_write(object->buffer, offset, src, len_bytes);
    }
    return rc < 0 ? fail(err, rc, "write", object->store, object->name) : 0;
}

static int memory_close(void *impl, bool durable, struct pawl_error *err)
{
    (void)durable;
    (void)err;
    struct memory_object *object = impl;
    pawl_memory_buffer_unref(object->buffer);
    free(object);
    return 0;
}

/* ---- names ------------------------------------------------------------- */

static int memory_list(void *impl, const char *name, pawl_store_entry_fn fn,
                       void *ctx, struct pawl_error *err)
{
    struct memory_store *store = impl;
    int rc = pawl_store_name_check(name, true, err);
    if (rc < 0) {
        return rc;
    }
    struct pawl_store_entry *entries = NULL;
    size_t count = 0;
    rc =
        pawl_memory_tree_list(store->tree, store->root, name, &entries, &count);
    if (rc < 0) {
        return fail(err, rc, "list", store, name);
    }
    for (size_t i = 0; i < count && fn(ctx, &entries[i]) == 0; i++) {
    }
    pawl_memory_entries_free(entries, count);
    return 0;
}

static int memory_mkdir(void *impl, const char *name, struct pawl_error *err)
{
    struct memory_store *store = impl;
    int rc = pawl_store_name_check(name, true, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_memory_tree_mkdir(store->tree, store->root, name);
    return rc < 0 ? fail(err, rc, "make directory", store, name) : 0;
}

static int memory_rename(void *impl, const char *from, const char *to,
                         enum pawl_store_rename how, struct pawl_error *err)
{
    struct memory_store *store = impl;
    int rc = pawl_store_rename_check(from, to, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_memory_tree_rename(store->tree, store->root, from, to, how);
    return rc < 0 ? pawl_store_fail_rename(err, rc, store->root, from, to) : 0;
}

static int memory_remove(void *impl, const char *name, struct pawl_error *err)
{
    struct memory_store *store = impl;
    int rc = pawl_store_name_check(name, false, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_memory_tree_remove(store->tree, store->root, name);
    return rc < 0 ? fail(err, rc, "remove", store, name) : 0;
}

static int memory_sync(void *impl, const char *name, struct pawl_error *err)
{
    struct memory_store *store = impl;
    int rc = pawl_store_name_check(name, true, err);
    if (rc < 0) {
        return rc;
    }
    rc = pawl_memory_tree_check_dir(store->tree, store->root, name);
    return rc < 0 ? fail(err, rc, "sync", store, name) : 0;
}

const struct pawl_store_ops pawl_store_memory = {
    .struct_size = sizeof(struct pawl_store_ops),
    .name = "memory",
    .make = memory_make,
    .free = memory_free,
    .open = memory_open,
    .read = memory_read,
    .write = memory_write,
    .close = memory_close,
    .list = memory_list,
    .mkdir = memory_mkdir,
    .rename = memory_rename,
    .remove = memory_remove,
    .sync = memory_sync,
};
