/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c - XXH3 by libxxhash; see digest.h. */
#include "base/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct pawl_hasher {
    XXH3_state_t *state;
};

bool pawl_digest_equal(const struct pawl_digest *a, const struct pawl_digest *b)
{
    return a->is_known == b->is_known && a->high == b->high && a->low == b->low;
}

void pawl_digest_text(char out[PAWL_DIGEST_TEXT_LEN + 1],
                      const struct pawl_digest *digest)
{
    snprintf(out, PAWL_DIGEST_TEXT_LEN + 1, "%016llx%016llx",
             (unsigned long long)digest->high, (unsigned long long)digest->low);
}

bool pawl_digest_parse(struct pawl_digest *out, const char *text)
{
    char half[PAWL_DIGEST_TEXT_LEN / 2 + 1] = "";
    if (strlen(text) != PAWL_DIGEST_TEXT_LEN ||
        strspn(text, "0123456789abcdef") != PAWL_DIGEST_TEXT_LEN) {
        return false;
    }
    memcpy(half, text, sizeof(half) - 1);
    out->high = strtoull(half, NULL, 16);
    out->low = strtoull(text + sizeof(half) - 1, NULL, 16);
    out->is_known = true;
    return true;
}

struct pawl_hasher *pawl_hasher_new(void)
{
    struct pawl_hasher *hasher = malloc(sizeof(*hasher));
    if (hasher == NULL) {
        return NULL;
    }
    hasher->state = XXH3_createState();
    if (hasher->state == NULL || XXH3_128bits_reset(hasher->state) != XXH_OK) {
        pawl_hasher_free(hasher);
        return NULL;
    }
    return hasher;
}

void pawl_hasher_free(struct pawl_hasher *hasher)
{
    if (hasher != NULL) {
        XXH3_freeState(hasher->state);
        free(hasher);
    }
}

void pawl_hasher_add(struct pawl_hasher *hasher, const void *data,
                     size_t len_bytes)
{
    if (hasher != NULL) {
        XXH3_128bits_update(hasher->state, data, len_bytes);
    }
}

struct pawl_digest pawl_hasher_digest(const struct pawl_hasher *hasher)
{
    if (hasher == NULL) {
        return (struct pawl_digest){0};
    }
    XXH128_hash_t hash = XXH3_128bits_digest(hasher->state);
    return (struct pawl_digest){true, hash.high64, hash.low64};
}
