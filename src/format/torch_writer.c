/* SPDX-License-Identifier: Apache-2.0 */
/* torch_writer.c - see torch_writer.h. */
#include "format/torch_writer.h"

#include "format/pickle_writer.h"
#include "format/zip_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define ALIGNMENT 64
#define ALIGNMENT_TEXT "64"
#define ID_LEN 40

/* What the serialization id is made of, until the last CRC is there. */
struct id_parts {
    uint64_t names;    /* of all records */
    uint64_t crcs;     /* of those before the payload */
    uint32_t last_crc; /* of the one behind it */
    struct pawl_zip_places places;
};

static uint64_t combine(uint64_t seed, uint64_t value)
{
    return seed ^ (value + 0x9e3779b9 + (seed << 6) + (seed >> 2));
}

static void write_id(struct pawl_plan *plan, void *ctx)
{
    const struct id_parts *id = ctx;
    char text[ID_LEN + 1];
    uint64_t crcs = id->crcs;
    for (uint32_t i = 0; i < pawl_plan_record_count(plan); i++) {
        crcs = combine(crcs, pawl_plan_crc(plan, i));
    }
    crcs = combine(crcs, id->last_crc);
    snprintf(text, sizeof(text), "%020" PRIu64 "%020" PRIu64, id->names, crcs);
    pawl_zip_rewrite(plan, &id->places, text, ID_LEN);
}

static void add_name(struct id_parts *id, const char *name)
{
    id->names = combine(id->names, XXH64(name, strlen(name), 0));
}

static void add_text(struct pawl_zip *zip, struct id_parts *id,
                     const char *name, const void *data, size_t len)
{
    add_name(id, name);
    pawl_zip_add(zip, name, data, len);
}

static void add_storages(struct pawl_zip *zip, struct id_parts *id,
                         const struct pawl_pickle *pickle)
{
    for (uint32_t i = 0; i < pickle->storage_count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "data/%" PRIu32, i);
        add_name(id, name);
        pawl_zip_add_payload(zip, name, pawl_storage_data(pickle->storages[i]),
                             pawl_storage_size(pickle->storages[i]));
    }
}

/* All records, in torch's order, and the directory. */
static int lay_out(struct pawl_zip *zip, struct id_parts *id,
                   const struct pawl_pickle *pickle, struct pawl_error *err)
{
    char id_text[ID_LEN] = {0}; /* comes with the last CRC */
    add_text(zip, id, "data.pkl", pickle->bytes.data, pickle->bytes.len);
    add_text(zip, id, ".format_version", "1", 1);
    add_text(zip, id, ".storage_alignment", ALIGNMENT_TEXT,
             strlen(ALIGNMENT_TEXT));
    add_text(zip, id, "byteorder", "little", 6);
    for (size_t i = 0; i < zip->entry_count; i++) {
        id->crcs = combine(id->crcs, zip->entries[i].crc);
    }
    add_storages(zip, id, pickle);
    add_text(zip, id, "version", "3\n", 2);
    if (zip->entry_count > 0) {
        id->last_crc = zip->entries[zip->entry_count - 1].crc;
    }
    pawl_zip_add(zip, ".data/serialization_id", id_text, ID_LEN);
    return pawl_zip_end(zip, &id->places, err);
}

static int plan_pickle(struct pawl_plan *plan, const struct pawl_pickle *pickle,
                       const char *prefix, struct pawl_error *err)
{
    struct pawl_zip zip;
    struct id_parts *id = calloc(1, sizeof(*id));
    if (id == NULL) {
        return pawl_fail_nomem(err);
    }
    pawl_plan_on_last_crc(plan, write_id, id);
    pawl_zip_init(&zip, plan, prefix, ALIGNMENT);
    int rc = lay_out(&zip, id, pickle, err);
    pawl_zip_fini(&zip);
    return rc < 0 ? rc : pawl_plan_seal(plan, err);
}

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text >= 0x80) {
            return false;
        }
    }
    return true;
}

/* The prefix of record names, to be freed; NULL when out of memory. */
static char *prefix_of(const char *name)
{
    const char *base = name;
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '/' || *c == '\\') {
            base = c + 1;
        }
    }
    const char *dot = strrchr(base, '.');
    size_t len = dot != NULL ? (size_t)(dot - base) : strlen(base);
    return len == 0 || !is_ascii(name) ? strdup("archive") : strndup(base, len);
}

int pawl_torch_plan(struct pawl_plan **out, struct pawl_state *state,
                    const char *name, struct pawl_error *err)
{
    struct pawl_pickle pickle = {0};
    struct pawl_plan *plan = NULL;
    char *prefix = NULL;
    int rc = pawl_pickle_write(&pickle, state, err);
    if (rc < 0) {
        return rc;
    }
    plan = pawl_plan_new();
    prefix = prefix_of(name);
    rc = plan == NULL || prefix == NULL
             ? pawl_fail_nomem(err)
             : plan_pickle(plan, &pickle, prefix, err);
    if (rc == 0) {
        *out = plan;
        plan = NULL;
    }
    pawl_plan_free(plan);
    pawl_pickle_fini(&pickle);
    free(prefix);
    return rc;
}
