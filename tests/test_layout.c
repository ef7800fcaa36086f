/* SPDX-License-Identifier: Apache-2.0 */
/* test_layout.c - names of the work directory, and back. */
#include "engine/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *last(const char *name)
{
    return strrchr(name, '/') + 1;
}

static void test_names(void **state)
{
    struct pawl_layout layout;
    (void)state;
    pawl_layout_init(&layout, "step-10");
    assert_string_equal(layout.tag, "step-10");
    assert_string_equal(layout.stem, "step-10");
    assert_string_equal(layout.owner, ".pawl/step-10.owner");
    assert_string_equal(layout.part, ".pawl/step-10.part");
    assert_string_equal(layout.merge, ".pawl/step-10.merge");
    assert_string_equal(layout.old, ".pawl/step-10.old");
    assert_string_equal(layout.aside, ".pawl/step-10.aside");
    assert_string_equal(layout.dead, ".pawl/step-10.dead");
    assert_string_equal(layout.latest, ".pawl/step-10.latest");
    assert_string_equal(layout.file, ".pawl/step-10.file");
}

static void test_stems_come_back(void **state)
{
    const char *tags[] = {"a", "a.part", "x.owner.owner", "a b", "1.2.dead"};
    (void)state;
    for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
        struct pawl_layout layout;
        pawl_layout_init(&layout, tags[i]);
        const char *names[] = {layout.owner, layout.part,  layout.merge,
                               layout.old,   layout.aside, layout.dead,
                               layout.file,  layout.latest};
        for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++) {
            char entry[PAWL_WORK_NAME_MAX];
            snprintf(entry, sizeof(entry), "%s", last(names[k]));
            assert_true(pawl_layout_stem(entry));
            assert_string_equal(entry, tags[i]);
        }
    }
    const char *others[] = {"spare", "a.kept", ".part", "part", "a.parts", ""};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        char entry[64];
        snprintf(entry, sizeof(entry), "%s", others[i]);
        assert_false(pawl_layout_stem(entry));
        assert_string_equal(entry, others[i]);
    }
    assert_true(pawl_layout_is_claim("a.0123456789abcdef.claim"));
    struct pawl_layout layout;
    char name[PAWL_WORK_NAME_MAX];
    pawl_layout_init(&layout, "a.b");
    pawl_layout_claim(name, &layout, 0x1f);
    assert_string_equal(name, ".pawl/a.b.000000000000001f.claim");
    pawl_layout_next(name, &layout, UINT64_C(0xabcdef0123456789));
    assert_string_equal(name, ".pawl/a.b.abcdef0123456789.next");
    assert_true(pawl_layout_is_next(&layout, last(name)));
    assert_true(pawl_layout_stem(name));
    assert_string_equal(name, ".pawl/a.b");
    assert_false(pawl_layout_is_next(&layout, "a.abcdef0123456789.next"));
    assert_false(pawl_layout_is_next(&layout, "a.b.abcdef012345678.next"));
    assert_false(pawl_layout_is_next(&layout, "a.b.abcdef012345678G.next"));
    assert_false(pawl_layout_is_next(&layout, "a.b.next"));
    assert_false(pawl_layout_is_claim("a.owner"));
}

/* Every name fits a directory entry, and no two long tags share one. */
static void test_long_tags(void **state)
{
    char first[256];
    char second[256];
    struct pawl_layout one;
    struct pawl_layout two;
    (void)state;
    for (size_t len = 199; len <= 255; len++) {
        memset(first, 'x', len);
        first[len] = '\0';
        memcpy(second, first, len + 1);
        second[len - 1] = 'y';
        pawl_layout_init(&one, first);
        pawl_layout_init(&two, second);
        assert_string_equal(one.tag, first);
        assert_string_not_equal(one.stem, two.stem);
        assert_true(strlen(last(one.latest)) <= 255);
        assert_int_equal(strcmp(one.stem, first) == 0, len <= 200);
        pawl_layout_init(&two, one.stem); /* a stem is its own stem */
        assert_string_equal(two.stem, one.stem);
    }
}

static void test_long_tags_are_cut_between_letters(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        char tag[256] = "";
        struct pawl_layout layout;
        memset(tag, 'x', shift);
        for (size_t len = shift; len + 4 <= 250; len += 4) {
            memcpy(tag + len, "\xf0\x9f\x90\xbe", 4);
        }
        pawl_layout_init(&layout, tag);
        size_t kept = strcspn(layout.stem, "~");
        assert_int_equal((kept - shift) % 4, 0);
        assert_true(kept > 170);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_stems_come_back),
        cmocka_unit_test(test_long_tags),
        cmocka_unit_test(test_long_tags_are_cut_between_letters),
    };
    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
