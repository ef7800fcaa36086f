/* SPDX-License-Identifier: Apache-2.0 */
/* unsynced.c - see unsynced.h. */
#include "store/unsynced.h"

#include <stdlib.h>
#include <string.h>

struct pawl_unsynced_mark {
    char *path;
    uint64_t ended;  /* `now` of the last end() that made it; 0: none did */
    unsigned making; /* begin()s without their end() */
};

void pawl_unsynced_init(struct pawl_unsynced *list)
{
    *list = (struct pawl_unsynced){0};
    pthread_mutex_init(&list->locked.lock, NULL);
}

void pawl_unsynced_fini(struct pawl_unsynced *list)
{
    for (size_t i = 0; i < list->locked.count; i++) {
        free(list->locked.marks[i].path);
    }
    free(list->locked.marks);
    pthread_mutex_destroy(&list->locked.lock);
}

static struct pawl_unsynced_mark *find_locked(struct pawl_unsynced *list,
                                              const char *path)
{
    for (size_t i = 0; i < list->locked.count; i++) {
        if (strcmp(list->locked.marks[i].path, path) == 0) {
            return &list->locked.marks[i];
        }
    }
    return NULL;
}

static struct pawl_unsynced_mark *add_locked(struct pawl_unsynced *list,
                                             const char *path)
{
    if (list->locked.count == list->locked.capacity) {
        size_t capacity = list->locked.capacity * 2 + 8;
        struct pawl_unsynced_mark *marks =
            realloc(list->locked.marks, capacity * sizeof(*marks));
        if (marks == NULL) {
            return NULL;
        }
        list->locked.marks = marks;
        list->locked.capacity = capacity;
    }
    char *copy = strdup(path);
    if (copy == NULL) {
        return NULL;
    }
    struct pawl_unsynced_mark *mark = &list->locked.marks[list->locked.count++];
    memset(mark, 0, sizeof(*mark));
    mark->path = copy;
    return mark;
}

static void drop_locked(struct pawl_unsynced *list,
                        struct pawl_unsynced_mark *mark)
{
    free(mark->path);
    *mark = list->locked.marks[--list->locked.count];
}

void pawl_unsynced_begin(struct pawl_unsynced *list, const char *path)
{
    pthread_mutex_lock(&list->locked.lock);
    struct pawl_unsynced_mark *mark = find_locked(list, path);
    if (mark == NULL) {
        mark = add_locked(list, path);
    }
    if (mark != NULL) {
        mark->making++;
    } else {
        list->locked.out_of_memory = true;
    }
    pthread_mutex_unlock(&list->locked.lock);
}

void pawl_unsynced_end(struct pawl_unsynced *list, const char *path, bool made)
{
    pthread_mutex_lock(&list->locked.lock);
    struct pawl_unsynced_mark *mark = find_locked(list, path);
    if (mark != NULL && mark->making > 0) {
        mark->making--;
        if (made) {
            mark->ended = ++list->locked.now;
        } else if (mark->making == 0 && mark->ended == 0) {
            drop_locked(list, mark);
        }
    }
    pthread_mutex_unlock(&list->locked.lock);
}

bool pawl_unsynced_has(struct pawl_unsynced *list, const char *path)
{
    pthread_mutex_lock(&list->locked.lock);
    bool has = list->locked.out_of_memory || find_locked(list, path) != NULL;
    pthread_mutex_unlock(&list->locked.lock);
    return has;
}

uint64_t pawl_unsynced_now(struct pawl_unsynced *list)
{
    pthread_mutex_lock(&list->locked.lock);
    uint64_t now = list->locked.now;
    pthread_mutex_unlock(&list->locked.lock);
    return now;
}

/* What is left of `path` behind `dir`: "" for itself, "/x" below it; NULL if
 * it lies elsewhere. */
static const char *rest_below(const char *path, const char *dir)
{
    size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);
    if (strncmp(path, dir, len) != 0 ||
        (path[len] != '\0' && path[len] != '/')) {
        return NULL;
    }
    return path + len;
}

static bool is_child(const char *path, const char *dir)
{
    const char *rest = rest_below(path, dir);
    return rest != NULL && rest[0] == '/' && rest[1] != '\0' &&
           strchr(rest + 1, '/') == NULL;
}

void pawl_unsynced_synced(struct pawl_unsynced *list, const char *dir,
                          uint64_t now)
{
    pthread_mutex_lock(&list->locked.lock);
    for (size_t i = list->locked.count; i-- > 0;) {
        struct pawl_unsynced_mark *mark = &list->locked.marks[i];
        if (mark->making == 0 && mark->ended <= now &&
            is_child(mark->path, dir)) {
            drop_locked(list, mark);
        }
    }
    pthread_mutex_unlock(&list->locked.lock);
}

/* Puts a mark from below `from` to below `to`; false when out of memory. */
static bool move_mark(struct pawl_unsynced_mark *mark, const char *rest,
                      const char *to)
{
    size_t to_len = strlen(to);
    size_t rest_len = strlen(rest);
    char *path = malloc(to_len + rest_len + 1);
    if (path == NULL) {
        return false;
    }
    memcpy(path, to, to_len);
    memcpy(path + to_len, rest, rest_len + 1);
    free(mark->path);
    mark->path = path;
    return true;
}

void pawl_unsynced_swap(struct pawl_unsynced *list, const char *a,
                        const char *b)
{
    pthread_mutex_lock(&list->locked.lock);
    for (size_t i = 0; i < list->locked.count; i++) {
        struct pawl_unsynced_mark *mark = &list->locked.marks[i];
        const char *below_a = rest_below(mark->path, a);
        const char *below_b = rest_below(mark->path, b);
        bool ok = true;
        if (below_a != NULL && below_a[0] == '/') {
            ok = move_mark(mark, below_a, b);
        } else if (below_b != NULL && below_b[0] == '/') {
            ok = move_mark(mark, below_b, a);
        }
        if (!ok) {
            list->locked.out_of_memory = true;
        }
    }
    pthread_mutex_unlock(&list->locked.lock);
}

void pawl_unsynced_forget(struct pawl_unsynced *list, const char *path)
{
    pthread_mutex_lock(&list->locked.lock);
    struct pawl_unsynced_mark *mark = find_locked(list, path);
    if (mark != NULL && mark->making == 0) {
        drop_locked(list, mark);
    }
    pthread_mutex_unlock(&list->locked.lock);
}
