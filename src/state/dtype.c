/* SPDX-License-Identifier: Apache-2.0 */
/* dtype.c - element types: names and sizes, all from one table. */
#include <pawl/state.h>
#include <string.h>

static const struct {
    const char *name;
    const char *storage_class;
    size_t size;
} dtypes[PAWL_DTYPE_COUNT + 1] = {
#define ROW(dtype, torch_name, torch_class, size_bytes)                        \
    [dtype] = {torch_name, torch_class, size_bytes},
    PAWL_DTYPES(ROW)
#undef ROW
        [PAWL_UNTYPED] = {"untyped", "UntypedStorage", 1},
};

static bool in_range(enum pawl_dtype dtype)
{
    return (unsigned)dtype <= (unsigned)PAWL_UNTYPED;
}

size_t pawl_dtype_size(enum pawl_dtype dtype)
{
    return in_range(dtype) ? dtypes[dtype].size : 0;
}

const char *pawl_dtype_name(enum pawl_dtype dtype)
{
    return in_range(dtype) ? dtypes[dtype].name : "?";
}

const char *pawl_dtype_storage_class(enum pawl_dtype dtype)
{
    if (!in_range(dtype) || dtypes[dtype].storage_class[0] == '\0') {
        return NULL;
    }
    return dtypes[dtype].storage_class;
}

int pawl_dtype_from_name(const char *name)
{
    for (int i = 0; i < PAWL_DTYPE_COUNT; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

int pawl_dtype_from_storage_class(const char *name)
{
    for (int i = 0; i < PAWL_DTYPE_COUNT; i++) {
        if (strcmp(dtypes[i].storage_class, name) == 0 && name[0] != '\0') {
            return i;
        }
    }
    return -1;
}
