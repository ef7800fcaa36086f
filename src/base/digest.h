/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.h - the longer checksum of a file, for who wants more than CRC-32
 *
 * XXH3 with 128 bits and seed 0 over all bytes in their order, as `xxhsum -H2`
 * prints it: 32 hexadecimal digits, the high ones first.  It finds damage; it
 * is no defence against malice.
 */
#ifndef PAWL_BASE_DIGEST_H
#define PAWL_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAWL_DIGEST_TEXT_LEN 32

struct pawl_digest {
    bool is_known; /* false: there is none, and the rest is 0 */
    uint64_t high;
    uint64_t low;
};

/* What is known of a run of bytes. */
struct pawl_sums {
    uint32_t crc32; /* zip's */
    struct pawl_digest digest;
};

bool pawl_digest_equal(const struct pawl_digest *a,
                       const struct pawl_digest *b);

/* The digits and a NUL, of a known one. */
void pawl_digest_text(char out[PAWL_DIGEST_TEXT_LEN + 1],
                      const struct pawl_digest *digest);
/* False if `text` is not 32 digits of 0-9a-f. */
bool pawl_digest_parse(struct pawl_digest *out, const char *text);

/* Takes bytes as they come by.  Not thread-safe. */
struct pawl_hasher;

/* NULL: out of memory. */
struct pawl_hasher *pawl_hasher_new(void);
/* NULL is fine with these three: nothing happens, and the digest is not
 * known. */
void pawl_hasher_free(struct pawl_hasher *hasher);
void pawl_hasher_add(struct pawl_hasher *hasher, const void *data,
                     size_t len_bytes);
struct pawl_digest pawl_hasher_digest(const struct pawl_hasher *hasher);

#endif
