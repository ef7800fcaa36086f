/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_tree.c - see memory_tree.h
 *
 * Nodes in lists, under one lock.  Lock order: the tree's, then a buffer's.
 */
#include "store/memory_tree.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

/* A directory, or with a buffer a file. */
struct node {
    struct node *parent;
    struct node *next; /* in the parent */
    struct node *children;
    struct pawl_memory_buffer *buffer; /* a reference */
    int64_t mtime_ns;
    char *name;
};

struct pawl_memory_tree {
    struct {
        pthread_mutex_t lock;
        struct node *root; /* "/" */
    } locked;
};

static void lock(struct pawl_memory_tree *tree)
{
    pthread_mutex_lock(&tree->locked.lock);
}

static void unlock(struct pawl_memory_tree *tree)
{
    pthread_mutex_unlock(&tree->locked.lock);
}

/* ---- nodes ------------------------------------------------------------- */

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static bool is_dir(const struct node *node)
{
    return node->buffer == NULL;
}

static struct node *node_new(const char *name, size_t len)
{
    struct node *node = calloc(1, sizeof(*node));
    char *copy = strndup(name, len);
    if (node == NULL || copy == NULL) {
        free(node);
        free(copy);
        return NULL;
    }
    node->name = copy;
    node->mtime_ns = now_ns();
    return node;
}

static void attach(struct node *dir, struct node *node)
{
    node->parent = dir;
    node->next = dir->children;
    dir->children = node;
    dir->mtime_ns = now_ns();
}

static void detach(struct node *node)
{
    struct node **link = &node->parent->children;
    while (*link != node) {
        link = &(*link)->next;
    }
    *link = node->next;
    node->parent->mtime_ns = now_ns();
    node->parent = NULL;
    node->next = NULL;
}

/* Frees a detached node and all below it, leaves first. */
static void node_free(struct node *node)
{
    while (node != NULL) {
        if (node->children != NULL) {
            node = node->children;
            continue;
        }
        struct node *parent = node->parent;
        if (parent != NULL) {
            parent->children = node->next; /* it is the first child */
        }
        pawl_memory_buffer_unref(node->buffer);
        free(node->name);
        free(node);
        node = parent;
    }
}

static struct node *child_of(const struct node *dir, const char *name,
                             size_t len)
{
    struct node *node = dir->children;
    while (node != NULL &&
           (strncmp(node->name, name, len) != 0 || node->name[len] != '\0')) {
        node = node->next;
    }
    return node;
}

/* ---- walking ----------------------------------------------------------- */

/* Puts to `*node` its child of that name, made if it is missing and `make`. */
static int step(struct node **node, const char *name, size_t len, bool make)
{
    if (!is_dir(*node)) {
        return -ENOTDIR;
    }
    struct node *child = child_of(*node, name, len);
    if (child == NULL) {
        if (!make) {
            return -ENOENT;
        }
        child = node_new(name, len);
        if (child == NULL) {
            return -ENOMEM;
        }
        attach(*node, child);
    }
    *node = child;
    return 0;
}

/* Walks from `*node` along the first `len` bytes of `path`. */
static int walk(struct node **node, const char *path, size_t len, bool make)
{
    const char *end = path + len;
    int rc = 0;
    while (rc == 0 && path < end) {
        const char *slash = memchr(path, '/', (size_t)(end - path));
        const char *stop = slash != NULL ? slash : end;
        if (stop > path) {
            rc = step(node, path, (size_t)(stop - path), make);
        }
        path = slash != NULL ? slash + 1 : end;
    }
    return rc;
}

/* A root with a name below it, in a tree. */
struct place {
    struct pawl_memory_tree *tree;
    const char *root;
    const char *name;
};

static const char *last_component(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash == NULL ? name : slash + 1;
}

/* The node at the first `len` bytes of the name. */
static int find_part_locked(struct place at, size_t len, bool make,
                            struct node **out)
{
    struct node *node = at.tree->locked.root;
    int rc = walk(&node, at.root, strlen(at.root), make);
    if (rc == 0) {
        rc = walk(&node, at.name, len, make);
    }
    if (rc == 0) {
        *out = node;
    }
    return rc;
}

static int find_locked(struct place at, struct node **out)
{
    return find_part_locked(at, strlen(at.name), false, out);
}

static int find_dir_locked(struct place at, struct node **out)
{
    int rc = find_locked(at, out);
    return rc == 0 && !is_dir(*out) ? -ENOTDIR : rc;
}

/* The directory that the name lies in, and what is there, or NULL. */
static int find_entry_locked(struct place at, bool make, struct node **dir,
                             struct node **node)
{
    const char *last = last_component(at.name);
    int rc = find_part_locked(at, (size_t)(last - at.name), make, dir);
    if (rc == 0 && !is_dir(*dir)) {
        rc = -ENOTDIR;
    }
    if (rc == 0) {
        *node = child_of(*dir, last, strlen(last));
    }
    return rc;
}

/* ---- the tree ---------------------------------------------------------- */

int pawl_memory_tree_new(struct pawl_memory_tree **out, struct pawl_error *err)
{
    struct pawl_memory_tree *tree = calloc(1, sizeof(*tree));
    struct node *root = node_new("", 0);
    if (tree == NULL || root == NULL) {
        node_free(root);
        free(tree);
        return pawl_fail_nomem(err);
    }
    pthread_mutex_init(&tree->locked.lock, NULL);
    tree->locked.root = root;
    *out = tree;
    return 0;
}

void pawl_memory_tree_free(struct pawl_memory_tree *tree)
{
    if (tree != NULL) {
        node_free(tree->locked.root);
        pthread_mutex_destroy(&tree->locked.lock);
        free(tree);
    }
}

/* ---- files ------------------------------------------------------------- */

int pawl_memory_tree_open(struct pawl_memory_tree *tree, const char *root,
                          const char *name, struct pawl_memory_buffer **out)
{
    struct node *node = NULL;
    lock(tree);
    int rc = find_locked((struct place){tree, root, name}, &node);
    if (rc == 0 && is_dir(node)) {
        rc = -EISDIR;
    }
    if (rc == 0) {
        pawl_memory_buffer_ref(node->buffer);
        *out = node->buffer;
    }
    unlock(tree);
    return rc;
}

static int put_locked(struct place at, struct pawl_memory_buffer *buffer)
{
    struct node *dir = NULL;
    struct node *node = NULL;
    int rc = find_entry_locked(at, true, &dir, &node);
    if (rc != 0) {
        return rc;
    }
    if (node == NULL) {
        const char *last = last_component(at.name);
        node = node_new(last, strlen(last));
        if (node == NULL) {
            return -ENOMEM;
        }
        attach(dir, node);
    } else if (is_dir(node)) {
        return -EISDIR;
    }
    pawl_memory_buffer_unref(node->buffer);
    pawl_memory_buffer_ref(buffer);
    node->buffer = buffer;
    node->mtime_ns = now_ns();
    return 0;
}

int pawl_memory_tree_create(struct pawl_memory_tree *tree, const char *root,
                            const char *name, struct pawl_memory_buffer **out)
{
    struct pawl_memory_buffer *buffer = pawl_memory_buffer_new();
    if (buffer == NULL) {
        return -ENOMEM;
    }
    lock(tree);
    int rc = put_locked((struct place){tree, root, name}, buffer);
    unlock(tree);
    if (rc < 0) {
        pawl_memory_buffer_unref(buffer);
        return rc;
    }
    *out = buffer;
    return 0;
}

/* ---- directories ------------------------------------------------------- */

int pawl_memory_tree_mkdir(struct pawl_memory_tree *tree, const char *root,
                           const char *name)
{
    struct place at = {tree, root, name};
    struct node *node = NULL;
    lock(tree);
    int rc = find_locked(at, &node);
    if (rc == 0) {
        rc = -EEXIST;
    } else if (rc == -ENOENT) {
        rc = find_part_locked(at, strlen(name), true, &node);
    }
    unlock(tree);
    return rc;
}

int pawl_memory_tree_check_dir(struct pawl_memory_tree *tree, const char *root,
                               const char *name)
{
    struct node *node = NULL;
    lock(tree);
    int rc = find_dir_locked((struct place){tree, root, name}, &node);
    unlock(tree);
    return rc;
}

void pawl_memory_entries_free(struct pawl_store_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)entries[i].name);
    }
    free(entries);
}

static int copy_entries(const struct node *dir, struct pawl_store_entry **out,
                        size_t *count_out)
{
    size_t count = 0;
    for (const struct node *n = dir->children; n != NULL; n = n->next) {
        count++;
    }
    struct pawl_store_entry *entries = calloc(count + 1, sizeof(*entries));
    if (entries == NULL) {
        return -ENOMEM;
    }
    size_t i = 0;
    for (const struct node *n = dir->children; n != NULL; n = n->next, i++) {
        entries[i].name = strdup(n->name);
        entries[i].is_dir = is_dir(n);
        entries[i].size_bytes =
            is_dir(n) ? 0 : pawl_memory_buffer_size(n->buffer);
        entries[i].mtime_ns = n->mtime_ns;
        if (entries[i].name == NULL) {
            pawl_memory_entries_free(entries, i);
            return -ENOMEM;
        }
    }
    *out = entries;
    *count_out = count;
    return 0;
}

int pawl_memory_tree_list(struct pawl_memory_tree *tree, const char *root,
                          const char *name, struct pawl_store_entry **out,
                          size_t *count_out)
{
    struct node *node = NULL;
    lock(tree);
    int rc = find_dir_locked((struct place){tree, root, name}, &node);
    if (rc == 0) {
        rc = copy_entries(node, out, count_out);
    }
    unlock(tree);
    return rc;
}

/* ---- renaming and removing --------------------------------------------- */

static void exchange(struct node *a, struct node *b)
{
    struct node *a_dir = a->parent;
    struct node *b_dir = b->parent;
    char *a_name = a->name;
    detach(a);
    detach(b);
    a->name = b->name;
    b->name = a_name;
    attach(b_dir, a);
    attach(a_dir, b);
}

/* What rename(2) says of putting `node` in the place of `old`. */
static int may_replace(const struct node *node, const struct node *old)
{
    if (is_dir(node) && !is_dir(old)) {
        return -ENOTDIR;
    }
    if (!is_dir(node) && is_dir(old)) {
        return -EISDIR;
    }
    return old->children != NULL ? -ENOTEMPTY : 0;
}

/* Puts `node` into `dir` in place of `old`, which may be NULL. */
static int move(struct node *node, struct node *dir, struct node *old,
                const char *name)
{
    int rc = old != NULL ? may_replace(node, old) : 0;
    if (rc < 0) {
        return rc;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        return -ENOMEM;
    }
    if (old != NULL) {
        detach(old);
        node_free(old);
    }
    detach(node);
    free(node->name);
    node->name = copy;
    attach(dir, node);
    return 0;
}

static int rename_locked(struct place from, struct place to,
                         enum pawl_store_rename how)
{
    struct node *from_dir = NULL;
    struct node *to_dir = NULL;
    struct node *node = NULL;
    struct node *old = NULL;
    int rc = find_entry_locked(from, false, &from_dir, &node);
    if (rc == 0) {
        rc = find_entry_locked(to, false, &to_dir, &old);
    }
    if (rc != 0) {
        return rc;
    }
    if (node == NULL || (how == PAWL_RENAME_EXCHANGE && old == NULL)) {
        return -ENOENT;
    }
    if (how == PAWL_RENAME_NEW && old != NULL) {
        return -EEXIST;
    }
    if (node == old) {
        return 0;
    }
    if (how == PAWL_RENAME_EXCHANGE) {
        exchange(node, old);
        return 0;
    }
    return move(node, to_dir, old, last_component(to.name));
}

int pawl_memory_tree_rename(struct pawl_memory_tree *tree, const char *root,
                            const char *from, const char *to,
                            enum pawl_store_rename how)
{
    lock(tree);
    int rc = rename_locked((struct place){tree, root, from},
                           (struct place){tree, root, to}, how);
    unlock(tree);
    return rc;
}

int pawl_memory_tree_remove(struct pawl_memory_tree *tree, const char *root,
                            const char *name)
{
    struct node *node = NULL;
    lock(tree);
    int rc = find_locked((struct place){tree, root, name}, &node);
    if (rc == 0 && node->children != NULL) {
        rc = -ENOTEMPTY;
    }
    if (rc == 0) {
        detach(node);
        node_free(node);
    }
    unlock(tree);
    return rc;
}
