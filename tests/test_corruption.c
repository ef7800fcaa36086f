/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_corruption.c - bytes of a committed checkpoint that changed: each one of
 * it, every length, and what lies in the place of another (invariant 5)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32.h"
#include "damage_scene.h"
#include "seed.h"

#include <pawl/inspect.h>

enum { SMALL = 4, LARGE = 40000 };

static const char *const data_files[] = {"new/model.pt", "new/sub/opt.pt"};

/* "flip byte 7 of 'new/model.pt'" */
static const char *text(char out[128], const char *what, size_t at,
                        const char *name)
{
    snprintf(out, 128, "%s %zu of '%s'", what, at, name);
    return out;
}

static void flip(struct damage_scene *scene, struct damage_file *file,
                 size_t at, uint8_t mask, enum damage_verdict expected)
{
    char what[128];
    const char *base = strrchr(file->name, '/');
    file->bytes[at] = (char)(file->bytes[at] ^ mask);
    damage_scene_write(scene, file->name, file->bytes, file->len);
    file->bytes[at] = (char)(file->bytes[at] ^ mask);
    damage_scene_judge(scene, text(what, "flip byte", at, file->name),
                       base == NULL ? "" : base + 1, expected);
}

/* Each byte, by one bit or more; which ones is drawn. */
static void flip_each(struct damage_scene *scene, const char *name,
                      uint64_t *seed, enum damage_verdict expected)
{
    struct damage_file *file = damage_scene_file(scene, name);
    for (size_t at = 0; at < file->len; at++) {
        flip(scene, file, at, (uint8_t)(1 + test_draw(seed, 255)), expected);
    }
    damage_scene_restore(scene, name);
}

static void cut_each(struct damage_scene *scene, const char *name,
                     enum damage_verdict expected)
{
    struct damage_file *file = damage_scene_file(scene, name);
    char what[128];
    const char *base = strrchr(name, '/');
    for (size_t len = 0; len < file->len; len++) {
        damage_scene_write(scene, name, file->bytes, len);
        damage_scene_judge(scene, text(what, "keep bytes", len, name),
                           base == NULL ? "" : base + 1, expected);
    }
    damage_scene_restore(scene, name);
}

static void extend(struct damage_scene *scene, const char *name, uint64_t *seed,
                   enum damage_verdict expected)
{
    static const size_t more[] = {1, 2, 7, 8, 64, 4096, 70000};
    struct damage_file *file = damage_scene_file(scene, name);
    const char *base = strrchr(name, '/');
    for (size_t i = 0; i < 2 * sizeof(more) / sizeof(*more); i++) {
        char what[128];
        size_t len = more[i / 2];
        char *longer = calloc(1, file->len + len);
        assert_non_null(longer);
        memcpy(longer, file->bytes, file->len);
        for (size_t at = 0; i % 2 == 1 && at < len; at++) {
            longer[file->len + at] = (char)test_draw(seed, 256);
        }
        damage_scene_write(scene, name, longer, file->len + len);
        free(longer);
        damage_scene_judge(scene, text(what, "add bytes", len, name),
                           base == NULL ? "" : base + 1, expected);
    }
    damage_scene_restore(scene, name);
}

/* ---- the cases, for each engine ------------------------------------------ */

static struct damage_scene *make(void **state, size_t elements)
{
    return damage_scene_new(*state, elements);
}

static void end(struct damage_scene *scene)
{
    damage_scene_judge(scene, "nothing", "", DAMAGE_HARMLESS);
    print_message("%zu cases\n", scene->cases);
    damage_scene_free(scene);
}

static void test_every_byte(void **state)
{
    uint64_t seed = test_seed();
    struct damage_scene *scene = make(state, SMALL);
    for (size_t i = 0; i < 2; i++) {
        flip_each(scene, data_files[i], &seed, DAMAGE_REFUSED);
    }
    flip_each(scene, "new/pawl.json", &seed, DAMAGE_REFUSED);
    flip_each(scene, "latest", &seed, DAMAGE_HARMLESS);
    end(scene);
}

static void test_every_length(void **state)
{
    uint64_t seed = test_seed();
    struct damage_scene *scene = make(state, SMALL);
    for (size_t i = 0; i < 2; i++) {
        cut_each(scene, data_files[i], DAMAGE_REFUSED);
        extend(scene, data_files[i], &seed, DAMAGE_REFUSED);
    }
    cut_each(scene, "new/pawl.json", DAMAGE_REFUSED);
    extend(scene, "new/pawl.json", &seed, DAMAGE_REFUSED);
    cut_each(scene, "latest", DAMAGE_HARMLESS);
    extend(scene, "latest", &seed, DAMAGE_HARMLESS);
    end(scene);
}

/* Single bits, runs, blocks of zeros and moved blocks of a file of several
 * blocks. */
static void test_a_large_file(void **state)
{
    enum { ROUNDS = 120 };
    uint64_t seed = test_seed();
    struct damage_scene *scene = make(state, LARGE);
    struct damage_file *file = damage_scene_file(scene, "new/model.pt");
    char *bytes = malloc(file->len);
    assert_non_null(bytes);
    for (size_t i = 0; i < ROUNDS; i++) {
        char what[128];
        size_t at = (size_t)test_draw(&seed, file->len);
        size_t most = file->len - at < 8192 ? file->len - at : 8192;
        size_t len = 1 + (size_t)test_draw(&seed, most);
        memcpy(bytes, file->bytes, file->len);
        switch (i % 4) {
        case 0:
            bytes[at] = (char)(bytes[at] ^ (1 << test_draw(&seed, 8)));
            break;
        case 1:
            memset(bytes + at, 0, len);
            break;
        case 2:
            for (size_t k = 0; k < len; k++) {
                bytes[at + k] = (char)test_draw(&seed, 256);
            }
            break;
        default:
            memmove(bytes + at, bytes + test_draw(&seed, file->len - len), len);
        }
        bool same = memcmp(bytes, file->bytes, file->len) == 0;
        damage_scene_write(scene, file->name, bytes, file->len);
        damage_scene_judge(scene, text(what, "change bytes", at, file->name),
                           same ? "" : "model.pt",
                           same ? DAMAGE_HARMLESS : DAMAGE_REFUSED);
    }
    free(bytes);
    damage_scene_restore(scene, file->name);
    end(scene);
}

/* Files of equal size trade places: each is a whole torch file. */
static void test_traded_files(void **state)
{
    static const struct {
        const char *one;
        const char *other;
    } trades[] = {
        {"new/model.pt", "old/model.pt"},
        {"new/sub/opt.pt", "old/sub/opt.pt"},
        {"new/pawl.json", "old/pawl.json"},
        {"new/model.pt", "old/sub/opt.pt"},
        {"new/model.pt", "new/sub/opt.pt"},
    };
    struct damage_scene *scene = make(state, SMALL);
    for (size_t i = 0; i < sizeof(trades) / sizeof(*trades); i++) {
        struct damage_file *one = damage_scene_file(scene, trades[i].one);
        struct damage_file *other = damage_scene_file(scene, trades[i].other);
        const char *base = strrchr(one->name, '/') + 1;
        bool manifest = strcmp(base, "pawl.json") == 0;
        /* Only the newer one gets the other's: the older stays whole. */
        damage_scene_write(scene, one->name, other->bytes, other->len);
        damage_scene_judge(scene, one->name, manifest ? DAMAGE_UNNAMED : base,
                           DAMAGE_REFUSED);
        damage_scene_write(scene, other->name, one->bytes, one->len);
        if (strncmp(other->name, "old", 3) == 0) { /* now neither is */
            struct pawl_error err;
            assert_null(must_open(scene->fix, NULL));
            assert_int_not_equal(try_open(scene->fix, "old", &err), 0);
            assert_int_not_equal(try_open(scene->fix, "new", &err), 0);
        }
        damage_scene_restore(scene, one->name);
        damage_scene_restore(scene, other->name);
    }
    end(scene);
}

/* Bits that are a multiple of the polynomial of CRC-32, in the order in which
 * it takes them: neither the file's CRC nor the record's changes. */
static void add_polynomial(char *bytes)
{
    const uint64_t polynomial = UINT64_C(0x104c11db7);
    for (int i = 0; i < 33; i++) {
        if ((polynomial >> (32 - i) & 1) != 0) {
            bytes[i / 8] = (char)(bytes[i / 8] ^ 1 << i % 8);
        }
    }
}

/* Both, if both differ. */
static void see_both(struct damage_scene *scene, struct damage_file *file)
{
    struct pawl_error err;
    file->bytes[file->len / 2] ^= 1;
    damage_scene_write(scene, file->name, file->bytes, file->len);
    file->bytes[file->len / 2] ^= 1;
    assert_failed(try_open(scene->fix, "new", &err), PAWL_ECORRUPT, &err,
                  "its checksum is ");
    assert_non_null(strstr(err.message, "; its xxh3 digest differs too"));
}

/* The damage that CRC-32 cannot see, anywhere in the tensor. */
static void test_what_only_a_digest_sees(void **state)
{
    struct damage_scene *scene = make(state, LARGE);
    struct damage_file *file = damage_scene_file(scene, "new/model.pt");
    uint64_t seed = test_seed();
    uint32_t right = pawl_crc32(0, file->bytes, file->len);
    struct pawl_error err;
    for (int i = 0; i < 20; i++) {
        size_t at = 4096 + (size_t)test_draw(&seed, file->len - 8192);
        add_polynomial(file->bytes + at);
        assert_int_equal(pawl_crc32(0, file->bytes, file->len), right);
        damage_scene_write(scene, file->name, file->bytes, file->len);
        damage_scene_judge(scene, "a polynomial", "model.pt", DAMAGE_REFUSED);
        int rc = try_open(scene->fix, "new", &err);
        assert_failed(rc, PAWL_ECORRUPT, &err, "its xxh3 digest is ");
        assert_non_null(strstr(err.message, "checksum is as it should be"));
        rc = pawl_verify(engine_fixture_path(scene->fix, "new"), NULL, &err);
        assert_failed(rc, PAWL_ECORRUPT, &err, "its xxh3 digest is ");
        add_polynomial(file->bytes + at);
    }
    see_both(scene, file);
    damage_scene_write(scene, file->name, file->bytes, file->len);
    end(scene);
}

/* Which is what the documents say: it is loaded. */
static void test_what_crc_does_not_see(void **state)
{
    struct damage_scene *scene = make(state, LARGE);
    struct damage_file *file = damage_scene_file(scene, "new/model.pt");
    add_polynomial(file->bytes + file->len / 2);
    damage_scene_write(scene, file->name, file->bytes, file->len);
    add_polynomial(file->bytes + file->len / 2);
    assert_string_equal(must_open(scene->fix, NULL), "new");
    assert_int_equal(must_load(scene->fix, "new/model.pt"), -1);
    must_close(scene->fix, "new");
    damage_scene_write(scene, file->name, file->bytes, file->len);
    end(scene);
}

/* A load that reads no payload: whole or, by what it says, another's. */
static void expect_lazy(struct damage_scene *scene, const char *name,
                        bool is_right)
{
    static const unsigned ways[] = {PAWL_LOAD_LAZY, PAWL_LOAD_MAP};
    for (size_t i = 0; i < 2; i++) {
        struct pawl_state *state = NULL;
        struct pawl_error err;
        int rc = pawl_engine_load(&state, scene->fix->engine,
                                  engine_fixture_path(scene->fix, name),
                                  ways[i], &err);
        if (is_right) {
            assert_int_equal(rc, 0);
        } else {
            assert_failed(rc, PAWL_ECORRUPT, &err, name);
            assert_non_null(strstr(err.message, "by its zip directory"));
        }
        pawl_state_free(state);
    }
}

/* Where `open` compares sizes, nobody reads the whole of a file that is then
 * loaded lazily; still it is not taken for another. */
static void test_traded_files_are_not_mapped(void **state)
{
    static const size_t sizes[] = {SMALL, LARGE};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const char *one = data_files[i / 2];
        struct damage_scene *scene = damage_scene_new(
            "{\"engine\": \"torch\", \"verify\": \"size\"}", sizes[i % 2]);
        struct damage_file *other = damage_scene_file(
            scene, i / 2 == 0 ? "old/model.pt" : "old/sub/opt.pt");
        assert_int_equal(other->len, damage_scene_file(scene, one)->len);
        must_open(scene->fix, "new");
        expect_lazy(scene, one, true);
        damage_scene_write(scene, one, other->bytes, other->len);
        expect_lazy(scene, one, false);
        must_close(scene->fix, "new");
        must_open(scene->fix, "new"); /* it is a whole file, of that size */
        expect_lazy(scene, one, false);
        must_close(scene->fix, "new");
        expect_lazy(scene, one, false);
        damage_scene_restore(scene, one);
        expect_lazy(scene, one, true);
        damage_scene_free(scene);
    }
}

/* What `open` did not read `load` does. */
static void test_verified_by_size(void **state)
{
    uint64_t seed = test_seed();
    struct damage_scene *scene = damage_scene_new(
        "{\"engine\": \"torch\", \"verify\": \"size\"}", SMALL);
    struct damage_file *file = damage_scene_file(scene, "new/model.pt");
    struct pawl_error err;
    (void)state;
    for (size_t at = 0; at < file->len; at++) {
        uint8_t mask = (uint8_t)(1 + test_draw(&seed, 255));
        file->bytes[at] = (char)(file->bytes[at] ^ mask);
        damage_scene_write(scene, file->name, file->bytes, file->len);
        file->bytes[at] = (char)(file->bytes[at] ^ mask);
        if (try_open(scene->fix, "new", &err) == 0) {
            assert_int_not_equal(try_load(scene->fix, file->name, &err), 0);
            assert_int_equal(must_load(scene->fix, "new/sub/opt.pt"), 4);
            must_close(scene->fix, "new");
        }
        assert_non_null(strstr(err.message, "model.pt"));
    }
    damage_scene_restore(scene, file->name);
    assert_string_equal(must_open(scene->fix, NULL), "new");
    damage_scene_free(scene);
}

int main(void)
{
#define TORCH "{\"engine\": \"torch\"}"
#define ASYNC "{\"engine\": \"async\", \"block_bytes\": 65536}"
#define DIGEST(engine)                                                         \
    "{\"engine\": \"" engine "\", \"digest\": \"xxh3\", "                      \
    "\"block_bytes\": 65536}"
#define NO_CACHE                                                               \
    "{\"engine\": \"async\", \"digest\": \"xxh3\", "                           \
    "\"block_bytes\": 65536, \"load_cache_bytes\": 0}"
#define TEST(name, config)                                                     \
    cmocka_unit_test_prestate(name, (char *)(uintptr_t)(config))
    const struct CMUnitTest tests[] = {
        TEST(test_every_byte, TORCH),
        TEST(test_every_byte, ASYNC),
        TEST(test_every_length, TORCH),
        TEST(test_every_length, ASYNC),
        TEST(test_a_large_file, TORCH),
        TEST(test_a_large_file, ASYNC),
        TEST(test_traded_files, TORCH),
        TEST(test_traded_files, ASYNC),
        TEST(test_traded_files_are_not_mapped, TORCH),
        TEST(test_verified_by_size, TORCH),
        TEST(test_what_crc_does_not_see, TORCH),
        TEST(test_what_only_a_digest_sees, DIGEST("torch")),
        TEST(test_what_only_a_digest_sees, DIGEST("direct")),
        TEST(test_what_only_a_digest_sees, DIGEST("async")),
        TEST(test_what_only_a_digest_sees, NO_CACHE),
    };
    return cmocka_run_group_tests_name("corruption", tests, NULL, NULL);
}
