/* SPDX-License-Identifier: Apache-2.0 */
/* nodes.c - see nodes.h. */
#include "engine/nodes.h"

#include "base/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void pawl_nodes_fini(struct pawl_nodes *nodes)
{
    free(nodes->first_of);
    *nodes = (struct pawl_nodes){0};
}

uint32_t pawl_nodes_first(const struct pawl_nodes *nodes, uint32_t rank)
{
    return nodes->first_of == NULL ? 0 : nodes->first_of[rank];
}

uint32_t pawl_nodes_index(const struct pawl_nodes *nodes, uint32_t rank,
                          uint32_t *size)
{
    uint32_t first = pawl_nodes_first(nodes, rank);
    uint32_t index = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < nodes->ranks; i++) {
        bool same = pawl_nodes_first(nodes, i) == first;
        index += same && i < rank ? 1 : 0;
        count += same ? 1 : 0;
    }
    if (size != NULL) {
        *size = count;
    }
    return index;
}

uint32_t pawl_nodes_before(const struct pawl_nodes *nodes, uint32_t rank)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < nodes->ranks && i < rank; i++) {
        count += pawl_nodes_first(nodes, i) == i ? 1 : 0;
    }
    return count;
}

/* A pawl_agreement_fn: tells the first rank of each rank's node.  Quadratic in
 * nodes, which are some thousand at most. */
static int group(void *ctx, const struct pawl_comm_parts *texts,
                 struct pawl_buffer *told, struct pawl_error *err)
{
    (void)ctx;
    for (uint32_t rank = 0; rank < texts->count; rank++) {
        const struct pawl_buffer *mine = &texts->of_rank[rank];
        uint32_t first = 0;
        while (texts->of_rank[first].len != mine->len ||
               (mine->len > 0 && memcmp(texts->of_rank[first].data, mine->data,
                                        mine->len) != 0)) {
            first++; /* ends at `rank` itself */
        }
        uint8_t *at = pawl_buffer_extend(told, 4);
        if (at == NULL) {
            return pawl_fail_nomem(err);
        }
        put_le32(at, first);
    }
    return 0;
}

/* What tells nodes apart: the kernel's boot, the mounts, the path. */
static int name_node(struct pawl_buffer *out, const char *dir,
                     struct pawl_error *err)
{
    struct pawl_process_id self;
    struct stat mounts = {0};
    char text[128];
    pawl_process_self(&self);
    stat("/proc/self/ns/mnt", &mounts);
    snprintf(text, sizeof(text), "%s/%llu", self.boot_id,
             (unsigned long long)mounts.st_ino);
    pawl_buffer_append(out, text, strlen(text));
    pawl_buffer_append(out, dir, strlen(dir));
    return out->failed ? pawl_fail_nomem(err) : 0;
}

static int take_told(struct pawl_nodes *out, const struct pawl_buffer *told,
                     uint32_t ranks, struct pawl_error *err)
{
    struct pawl_nodes nodes = {.ranks = ranks};
    if (told->len != (size_t)ranks * 4) {
        return pawl_fail(err, PAWL_EBUG, 0, "rank 0 told no nodes");
    }
    nodes.first_of = calloc(ranks, sizeof(*nodes.first_of));
    if (nodes.first_of == NULL) {
        return pawl_fail_nomem(err);
    }
    for (uint32_t i = 0; i < ranks; i++) {
        nodes.first_of[i] = get_le32(told->data + (size_t)i * 4);
        if (nodes.first_of[i] > i) {
            pawl_nodes_fini(&nodes);
            return pawl_fail(err, PAWL_EBUG, 0, "rank 0 told bad nodes");
        }
    }
    *out = nodes;
    return 0;
}

int pawl_nodes_meet(struct pawl_nodes *out,
                    const struct pawl_agreement *agreement, const char *key,
                    const char *dir, struct pawl_error *err)
{
    struct pawl_buffer name = {0};
    struct pawl_buffer told = {0};
    int rc = name_node(&name, dir, err);
    rc = pawl_agreement_round(agreement, key, rc, name.data, name.len, group,
                              NULL, &told, NULL, err);
    if (rc == 0) {
        rc = take_told(out, &told, pawl_agreement_size(agreement), err);
    }
    pawl_buffer_fini(&name);
    pawl_buffer_fini(&told);
    return rc;
}
