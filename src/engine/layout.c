/* SPDX-License-Identifier: Apache-2.0 */
/* layout.c - see layout.h. */
#include "engine/layout.h"

#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define STEM_MAX 200  /* longer tags are cut */
#define STEM_KEEP 180 /* to this, with "~" and 16 digits behind */

static const char *const suffixes[] = {
    ".owner", ".part", ".merge", ".old", ".aside", ".dead", ".latest", ".file",
};

static void make_stem(char stem[PAWL_TAG_MAX + 1], const char *tag)
{
    size_t len = strnlen(tag, PAWL_TAG_MAX);
    if (len <= STEM_MAX) {
        memcpy(stem, tag, len);
        stem[len] = '\0';
        return;
    }
    size_t keep = STEM_KEEP;
    while (keep > 0 && ((unsigned char)tag[keep] & 0xc0) == 0x80) {
        keep--; /* not in the middle of a UTF-8 sequence */
    }
    memcpy(stem, tag, keep);
    snprintf(stem + keep, PAWL_TAG_MAX + 1 - keep, "~%016llx",
             (unsigned long long)XXH3_64bits(tag, len));
}

static void name_it(char out[PAWL_WORK_NAME_MAX], const char *stem,
                    const char *suffix)
{
    snprintf(out, PAWL_WORK_NAME_MAX, PAWL_WORK_DIR "/%s%s", stem, suffix);
}

void pawl_layout_init(struct pawl_layout *layout, const char *tag)
{
    snprintf(layout->tag, sizeof(layout->tag), "%s", tag);
    make_stem(layout->stem, tag);
    name_it(layout->owner, layout->stem, ".owner");
    name_it(layout->part, layout->stem, ".part");
    name_it(layout->merge, layout->stem, ".merge");
    name_it(layout->old, layout->stem, ".old");
    name_it(layout->aside, layout->stem, ".aside");
    name_it(layout->dead, layout->stem, ".dead");
    name_it(layout->latest, layout->stem, ".latest");
    name_it(layout->file, layout->stem, ".file");
}

static void name_numbered(char out[PAWL_WORK_NAME_MAX],
                          const struct pawl_layout *layout, uint64_t id,
                          const char *suffix)
{
    snprintf(out, PAWL_WORK_NAME_MAX, PAWL_WORK_DIR "/%s.%016llx%s",
             layout->stem, (unsigned long long)id, suffix);
}

void pawl_layout_number(struct pawl_layout *layout, uint64_t id)
{
    name_numbered(layout->part, layout, id, ".ranks");
}

void pawl_layout_next(char out[PAWL_WORK_NAME_MAX],
                      const struct pawl_layout *layout, uint64_t id)
{
    name_numbered(out, layout, id, ".next");
}

void pawl_layout_claim(char out[PAWL_WORK_NAME_MAX],
                       const struct pawl_layout *layout, uint64_t id)
{
    name_numbered(out, layout, id, ".claim");
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text);
    size_t end_len = strlen(end);
    return text_len > end_len && strcmp(text + text_len - end_len, end) == 0;
}

/* The length of the stem in "STEM.0123456789abcdefSUFFIX", or 0. */
static size_t stem_of_numbered(const char *entry, const char *suffix)
{
    const size_t tail = 1 + 16 + strlen(suffix);
    size_t len = strlen(entry);
    if (len <= tail || !ends_with(entry, suffix) || entry[len - tail] != '.' ||
        strspn(entry + len - tail + 1, "0123456789abcdef") != 16) {
        return 0;
    }
    return len - tail;
}

static bool is_of(const struct pawl_layout *layout, const char *entry,
                  const char *suffix)
{
    size_t len = stem_of_numbered(entry, suffix);
    return len > 0 && len == strlen(layout->stem) &&
           strncmp(entry, layout->stem, len) == 0;
}

bool pawl_layout_is_next(const struct pawl_layout *layout, const char *entry)
{
    return is_of(layout, entry, ".next");
}

bool pawl_layout_is_numbered(const struct pawl_layout *layout,
                             const char *entry)
{
    return is_of(layout, entry, ".ranks");
}

bool pawl_layout_stem(char *entry)
{
    size_t len = stem_of_numbered(entry, ".next");
    if (len == 0) {
        len = stem_of_numbered(entry, ".ranks");
    }
    if (len > 0) {
        entry[len] = '\0';
        return true;
    }
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
        if (ends_with(entry, suffixes[i])) {
            entry[strlen(entry) - strlen(suffixes[i])] = '\0';
            return true;
        }
    }
    return false;
}

bool pawl_layout_is_claim(const char *entry)
{
    return ends_with(entry, ".claim");
}
