/* SPDX-License-Identifier: Apache-2.0 */
/* spare.c - see spare.h. */
#include "engine/spare.h"

#include "base/error.h"
#include "engine/layout.h"
#include "engine/listing.h"
#include "engine/meter.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SPARE_DIR PAWL_WORK_DIR "/spare"

/* Names there are ours: 16 hexadecimal digits. */
enum { NAME_MAX_BYTES = 32, PUT_TRIES = 8 };

int pawl_spare_enable(struct pawl_store *store, struct pawl_error *err)
{
    int rc = pawl_store_mkdir(store, SPARE_DIR, err);
    return rc == PAWL_EEXIST ? 0 : rc;
}

/* What is looked for in the directory. */
struct search {
    uint64_t size_bytes;
    uint64_t distance; /* of the nearest so far */
    size_t count;
    char nearest[NAME_MAX_BYTES]; /* "" if there is none */
};

static int look(void *ctx, const struct pawl_store_entry *entry)
{
    struct search *search = ctx;
    uint64_t size = entry->size_bytes;
    uint64_t distance = size > search->size_bytes ? size - search->size_bytes
                                                  : search->size_bytes - size;
    if (entry->is_dir || strlen(entry->name) >= NAME_MAX_BYTES) {
        return 0;
    }
    search->count++;
    if (distance < search->distance || search->nearest[0] == '\0') {
        search->distance = distance;
        snprintf(search->nearest, NAME_MAX_BYTES, "%s", entry->name);
    }
    return 0;
}

static int search_dir(struct pawl_store *store, struct search *search)
{
    return pawl_store_list(store, SPARE_DIR, look, search, NULL);
}

static void spare_name(char out[64], const char *name)
{
    snprintf(out, 64, SPARE_DIR "/%s", name);
}

void pawl_spare_disable(struct pawl_store *store)
{
    for (;;) {
        struct search search = {0};
        char name[64];
        if (search_dir(store, &search) < 0 || search.nearest[0] == '\0') {
            break;
        }
        spare_name(name, search.nearest);
        if (pawl_store_remove(store, name, NULL) < 0) {
            return; /* tried again by the next create */
        }
    }
    pawl_store_remove(store, SPARE_DIR, NULL);
}

size_t pawl_spare_room(struct pawl_store *store, size_t most)
{
    struct search search = {0};
    if (search_dir(store, &search) < 0 || search.count >= most) {
        return 0;
    }
    return most - search.count;
}

int pawl_spare_put(struct pawl_store *store, const char *name,
                   struct pawl_error *err)
{
    int rc = PAWL_EEXIST;
    for (int i = 0; rc == PAWL_EEXIST && i < PUT_TRIES; i++) {
        char to[64];
        uint64_t number = pawl_now_ns() ^ (uint64_t)getpid() << 40;
        snprintf(to, sizeof(to), SPARE_DIR "/%016llx",
                 (unsigned long long)number);
        rc = pawl_store_rename(store, name, to, PAWL_RENAME_NEW, err);
    }
    return rc;
}

/* Gives the nearest spare file the name `name`. */
static bool take(struct pawl_store *store, const char *name,
                 uint64_t size_bytes)
{
    struct search search = {.size_bytes = size_bytes};
    char from[64];
    if (search_dir(store, &search) < 0 || search.nearest[0] == '\0') {
        return false;
    }
    spare_name(from, search.nearest);
    return pawl_tree_mkdir_above(store, name, NULL) == 0 &&
           pawl_store_rename(store, from, name, PAWL_RENAME_REPLACE, NULL) == 0;
}

int pawl_spare_create(struct pawl_store *store, const char *name,
                      unsigned flags, uint64_t size_bytes,
                      struct pawl_object_handle *out, struct pawl_error *err)
{
    if (take(store, name, size_bytes)) {
        if (pawl_store_open(store, name, PAWL_STORE_REUSE | flags, size_bytes,
                            out, NULL, NULL) == 0) {
            return 0;
        }
        /* A pipe, say: it must not be in the way either. */
        pawl_store_remove(store, name, NULL);
    }
    return pawl_store_open(store, name, PAWL_STORE_CREATE | flags, size_bytes,
                           out, NULL, err);
}
