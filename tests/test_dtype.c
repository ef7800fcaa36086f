/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_dtype.c - the table of element types, held against torch's own
 *
 * PAWL_PYTHON names a Python that has torch; without it the comparison is
 * skipped.
 */
#include <pawl/state.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One line a dtype of torch: its name, element size, and the class that
 * torch.save names for a storage of it ("-": none, it is stored untyped). */
static const char oracle[] =
    "import torch\n"
    "from torch.storage import _dtype_to_storage_type_map\n"
    "classes = _dtype_to_storage_type_map()\n"
    "all = {v for v in vars(torch).values() if isinstance(v, torch.dtype)}\n"
    "for d in sorted(all, key=str):\n"
    "    print(str(d)[6:], d.itemsize, classes.get(d, '-'))\n";

static FILE *run_oracle(const char *python, char path[32])
{
    strcpy(path, "/tmp/pawl-dtype-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *script = fdopen(fd, "w");
    assert_non_null(script);
    fputs(oracle, script);
    assert_int_equal(fclose(script), 0);

    char command[1024];
    int len = snprintf(command, sizeof(command), "'%s' %s", python, path);
    assert_true(len > 0 && (size_t)len < sizeof(command));
    return popen(command, "r");
}

static void assert_row(const char *name, size_t size, const char *storage)
{
    int dtype = pawl_dtype_from_name(name);
    if (dtype < 0) {
        fail_msg("torch.%s is not in the table", name);
    }
    assert_string_equal(pawl_dtype_name((enum pawl_dtype)dtype), name);
    assert_int_equal(pawl_dtype_size((enum pawl_dtype)dtype), size);
    const char *ours = pawl_dtype_storage_class((enum pawl_dtype)dtype);
    assert_string_equal(ours == NULL ? "-" : ours, storage);
}

/* Sub-byte integers (uint1 ... int7) have no storage that a file could hold:
 * torch cannot save a tensor of them. */
static bool is_shell(const char *name)
{
    const char *digits = strstr(name, "int");
    return digits != NULL && name[0] != 'q' && strlen(digits) == 4 &&
           digits[3] >= '1' && digits[3] <= '7';
}

static void test_the_table_is_torch_s(void **unused)
{
    (void)unused;
    const char *python = getenv("PAWL_PYTHON");
    if (python == NULL) {
        skip();
    }
    char path[32];
    FILE *rows = run_oracle(python, path);
    assert_non_null(rows);
    char name[64];
    char storage[64];
    size_t size = 0;
    int seen = 0;
    while (fscanf(rows, "%63s %zu %63s", name, &size, storage) == 3) {
        if (!is_shell(name)) {
            assert_row(name, size, storage);
            seen++;
        }
    }
    assert_int_equal(pclose(rows), 0);
    remove(path);
    assert_int_equal(seen, PAWL_DTYPE_COUNT);
}

static void test_every_dtype_is_found_by_its_names(void **unused)
{
    (void)unused;
    for (int i = 0; i < PAWL_DTYPE_COUNT; i++) {
        enum pawl_dtype dtype = (enum pawl_dtype)i;
        assert_true(pawl_dtype_size(dtype) > 0);
        assert_int_equal(pawl_dtype_from_name(pawl_dtype_name(dtype)), i);
        const char *storage = pawl_dtype_storage_class(dtype);
        if (storage != NULL) {
            assert_int_equal(pawl_dtype_from_storage_class(storage), i);
        }
    }
}

static void test_what_is_no_dtype(void **unused)
{
    (void)unused;
    const int outside[] = {-1, PAWL_DTYPE_COUNT + 1, 1 << 30};
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        enum pawl_dtype dtype = (enum pawl_dtype)outside[i];
        assert_int_equal(pawl_dtype_size(dtype), 0);
        assert_string_equal(pawl_dtype_name(dtype), "?");
        assert_null(pawl_dtype_storage_class(dtype));
    }
    assert_int_equal(pawl_dtype_from_name(""), -1);
    assert_int_equal(pawl_dtype_from_name("float"), -1);
    assert_int_equal(pawl_dtype_from_name("untyped"), -1);
    assert_int_equal(pawl_dtype_from_storage_class(""), -1);
    assert_int_equal(pawl_dtype_from_storage_class("TensorStorage"), -1);
}

static void test_untyped_is_bytes(void **unused)
{
    (void)unused;
    assert_int_equal(pawl_dtype_size(PAWL_UNTYPED), 1);
    assert_string_equal(pawl_dtype_name(PAWL_UNTYPED), "untyped");
    assert_string_equal(pawl_dtype_storage_class(PAWL_UNTYPED),
                        "UntypedStorage");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_is_torch_s),
        cmocka_unit_test(test_every_dtype_is_found_by_its_names),
        cmocka_unit_test(test_what_is_no_dtype),
        cmocka_unit_test(test_untyped_is_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
