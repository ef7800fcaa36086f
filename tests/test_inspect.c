/* SPDX-License-Identifier: Apache-2.0 */
/* test_inspect.c - lists and verdicts over directories in every condition */
#include "engine_fixture.h"

#include <pawl/inspect.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static const char *const states[] = {
    [PAWL_CHECKPOINT_COMMITTED] = "committed",
    [PAWL_CHECKPOINT_UNSIGNED] = "unsigned",
    [PAWL_CHECKPOINT_BROKEN] = "broken",
    [PAWL_CHECKPOINT_MAKING] = "making",
};

/* What was told, a line each. */
struct heard {
    char text[4096];
    uint64_t done;
    uint64_t total;
};

static void add(struct heard *heard, const char *line)
{
    size_t len = strlen(heard->text);
    snprintf(heard->text + len, sizeof(heard->text) - len, "%s\n", line);
}

static int hear_checkpoint(void *ctx, const struct pawl_checkpoint *c)
{
    char line[2000];
    snprintf(line, sizeof(line), "%s %s%s %llu files", c->tag, states[c->state],
             c->is_latest ? " latest" : "", (unsigned long long)c->file_count);
    add(ctx, line);
    assert_int_equal(c->struct_size, sizeof(*c));
    bool has_reason = c->reason[0] != '\0';
    assert_int_equal(has_reason, c->state == PAWL_CHECKPOINT_BROKEN ||
                                     c->state == PAWL_CHECKPOINT_MAKING);
    return 0;
}

static void hear_file(void *ctx, const char *path, uint64_t size_bytes,
                      const struct pawl_error *why)
{
    char line[300];
    (void)size_bytes;
    snprintf(line, sizeof(line), "%s %s", path,
             why == NULL ? "ok" : pawl_error_name(why->code));
    add(ctx, line);
}

static void hear_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct heard *heard = ctx;
    assert_true(done >= heard->done);
    heard->done = done;
    heard->total = total;
}

static int verify(struct engine_fixture *fix, const char *name,
                  struct heard *heard, struct pawl_error *err)
{
    struct pawl_verify_listener listener = {sizeof(listener), hear_file,
                                            hear_progress, heard};
    return pawl_verify(engine_fixture_path(fix, name), &listener, err);
}

static struct engine_fixture *begin(void)
{
    return engine_fixture_new("{\"engine\": \"torch\"}", false);
}

static void test_list_in_every_state(void **state)
{
    (void)state;
    struct engine_fixture *fix = begin();
    struct heard heard = {0};
    must_make(fix, "one", 1);
    must_make(fix, "two", 2);
    must_make(fix, "three", 3);
    must_make(fix, "four", 4);
    run_remove(fix, "one/pawl.json"); /* unsigned now */
    run_remove(fix, "two/model.pt");  /* a file is missing */
    run_write(fix, "three/pawl.json", "no manifest", 11);
    mkdir(engine_fixture_path(fix, "notes"), 0700);
    run_write(fix, "notes/readme.txt", "text", 4);
    must_create(fix, "five");
    assert_int_equal(
        pawl_checkpoint_list(fix->run, hear_checkpoint, &heard, NULL), 0);
    /* Unsigned ones take their place by time: one's file is older. */
    assert_string_equal(heard.text, "four committed latest 1 files\n"
                                    "two broken 1 files\n"
                                    "one unsigned 1 files\n"
                                    "three broken 2 files\n"
                                    "five making 0 files\n");
    engine_fixture_free(fix);
}

static int stop(void *ctx, const struct pawl_checkpoint *c)
{
    (void)c;
    ++*(int *)ctx;
    return 1;
}

static void test_list_stops(void **state)
{
    (void)state;
    struct engine_fixture *fix = begin();
    int count = 0;
    must_make(fix, "one", 1);
    must_make(fix, "two", 2);
    assert_int_equal(pawl_checkpoint_list(fix->run, stop, &count, NULL), 0);
    assert_int_equal(count, 1);
    engine_fixture_free(fix);
}

static void test_list_nothing(void **state)
{
    (void)state;
    struct engine_fixture *fix = begin();
    struct heard heard = {0};
    struct pawl_error err;
    assert_int_equal(
        pawl_checkpoint_list(fix->run, hear_checkpoint, &heard, &err),
        PAWL_ENOENT);
    mkdir(fix->run, 0700);
    assert_int_equal(
        pawl_checkpoint_list(fix->run, hear_checkpoint, &heard, &err), 0);
    assert_string_equal(heard.text, "");
    engine_fixture_free(fix);
}

static void test_verify_goes_on_after_damage(void **state)
{
    (void)state;
    struct engine_fixture *fix = begin();
    struct heard heard = {0};
    struct pawl_error err;
    must_create(fix, "one");
    must_save(fix, "one/a.pt", 1);
    must_save(fix, "one/b.pt", 2);
    must_save(fix, "one/c.pt", 3);
    must_commit(fix, "one");
    assert_int_equal(verify(fix, "one", &heard, &err), 0);
    assert_string_equal(heard.text, "a.pt ok\nb.pt ok\nc.pt ok\n");
    assert_true(heard.total > 0);
    assert_int_equal(heard.done, heard.total);

    heard = (struct heard){0};
    run_damage(fix, "one/a.pt");
    run_remove(fix, "one/b.pt");
    assert_int_equal(verify(fix, "one", &heard, &err), PAWL_ECORRUPT);
    assert_non_null(strstr(err.message, "a.pt"));
    assert_string_equal(heard.text,
                        "a.pt PAWL_ECORRUPT\nb.pt PAWL_ECORRUPT\nc.pt ok\n");
    engine_fixture_free(fix);
}

static void test_verify_unsigned(void **state)
{
    (void)state;
    struct engine_fixture *fix = begin();
    struct heard heard = {0};
    struct pawl_error err;
    must_make(fix, "one", 1);
    run_remove(fix, "one/pawl.json");
    run_write(fix, "one/notes.txt", "text", 4);
    assert_int_equal(verify(fix, "one", &heard, &err), 0);
    assert_string_equal(heard.text, "model.pt ok\n");
    assert_true(heard.done > 0);
    run_damage(fix, "one/model.pt");
    heard = (struct heard){0};
    assert_true(verify(fix, "one", &heard, &err) < 0);
    assert_null(strstr(heard.text, "ok"));
    run_remove(fix, "one/model.pt");
    assert_int_equal(verify(fix, "one", &heard, &err), PAWL_EFORMAT);
    assert_int_equal(verify(fix, "nowhere", &heard, &err), PAWL_ENOENT);
    engine_fixture_free(fix);
}

static void test_verify_a_file(void **state)
{
    (void)state;
    struct engine_fixture *fix = begin();
    struct heard heard = {0};
    struct pawl_error err;
    must_make(fix, "one", 1);
    assert_int_equal(verify(fix, "one/model.pt", &heard, &err), 0);
    assert_non_null(strstr(heard.text, "model.pt ok\n"));
    assert_true(heard.done > 0);
    run_damage(fix, "one/model.pt");
    heard = (struct heard){0};
    assert_int_equal(verify(fix, "one/model.pt", &heard, &err), PAWL_ECORRUPT);
    assert_non_null(strstr(heard.text, "PAWL_ECORRUPT"));
    engine_fixture_free(fix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_in_every_state),
        cmocka_unit_test(test_list_stops),
        cmocka_unit_test(test_list_nothing),
        cmocka_unit_test(test_verify_goes_on_after_damage),
        cmocka_unit_test(test_verify_unsigned),
        cmocka_unit_test(test_verify_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
