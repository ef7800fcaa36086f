/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump_state.c - prints what Pawl reads in a torch file, one value a line
 *
 *     dump_state FILE
 *
 * Each line is a path, a tab, and the value: what tests/read_oracle.py prints
 * of the same file by torch.load, so that the two can be compared as text.
 * Storages are numbered as they are met; payload is shown by its CRC-32.
 */
#include "base/bytes.h"
#include "base/crc32.h"
#include "format/format_torch_legacy.h"
#include "format/torch_reader.h"

#include <pawl/state.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the file ---------------------------------------------------------- */

static int read_file(void *ctx, uint64_t offset, void *dst, size_t len,
                     struct pawl_error *err)
{
    const int *fd = ctx;
    while (len > 0) {
        ssize_t n = pread(*fd, dst, len, (off_t)offset);
        if (n <= 0) {
            return pawl_fail_sys(err, n < 0 ? errno : EIO, "cannot read");
        }
        dst = (char *)dst + n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* ---- values still to be printed ---------------------------------------- */

struct todo {
    const struct pawl_value *value;
    char *path;
};

struct dump {
    struct todo *stack;
    size_t depth;
    size_t capacity;
    bool *seen;        /* by value id: containers that were printed */
    uint32_t *numbers; /* by storage id, from 1 in the order met */
    uint32_t storage_count;
    int rc;
};

static void push(struct dump *dump, const struct pawl_value *value,
                 const char *parent, const char *name, size_t index)
{
    if (value == NULL) {
        return;
    }
    if (dump->depth == dump->capacity) {
        dump->capacity = dump->capacity * 2 + 64;
        dump->stack =
            realloc(dump->stack, dump->capacity * sizeof(*dump->stack));
    }
    char *path = NULL;
    if (dump->stack == NULL ||
        asprintf(&path, "%s%s%zu", parent, name, index) < 0) {
        abort();
    }
    dump->stack[dump->depth++] = (struct todo){value, path};
}

static void print_hex(const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        printf("%02x", ((const unsigned char *)data)[i]);
    }
}

static void print_numbers(const char *name, const uint64_t *numbers,
                          uint32_t count)
{
    printf(" %s=", name);
    for (uint32_t i = 0; i < count; i++) {
        printf(i == 0 ? "%" PRIu64 : ",%" PRIu64, numbers[i]);
    }
}

static void print_storage(struct dump *dump, struct pawl_storage *storage)
{
    uint32_t id = pawl_storage_id(storage);
    size_t len = (size_t)pawl_storage_size(storage);
    struct pawl_error err;
    if (dump->numbers[id] == 0) {
        dump->numbers[id] = ++dump->storage_count;
    }
    char *data = malloc(len + 1);
    int rc = pawl_storage_read(storage, data, len, &err);
    if (rc < 0) {
        dump->rc = rc;
        printf(" %s: %s", pawl_error_name(rc), err.message);
    } else {
        printf(" storage=%" PRIu32 " bytes=%zu crc=%08x location=%s",
               dump->numbers[id], len, pawl_crc32(0, data, len),
               pawl_storage_location(storage));
    }
    free(data);
}

static void print_tensor(struct dump *dump, const struct pawl_tensor *tensor)
{
    printf("%s %s grad=%d conj=%d neg=%d",
           tensor->is_parameter ? "parameter" : "tensor",
           pawl_dtype_name(tensor->dtype), tensor->requires_grad,
           tensor->is_conj, tensor->is_neg);
    print_numbers("shape", tensor->shape, tensor->ndim);
    print_numbers("strides", tensor->strides, tensor->ndim);
    printf(" offset=%" PRIu64, tensor->offset);
    print_storage(dump, tensor->storage);
}

static void print_atom(const struct pawl_value *value)
{
    int64_t integer;
    double real;
    double imag;
    size_t len = 0;
    const void *text;
    switch (pawl_value_kind(value)) {
    case PAWL_KIND_BOOL:
        printf(" %d", pawl_get_bool(value));
        break;
    case PAWL_KIND_INT:
        text = pawl_get_bigint(value, &len);
        if (text != NULL) {
            printf(" big ");
            print_hex(text, len);
        } else if (pawl_get_int(value, &integer)) {
            printf(" %" PRId64, integer);
        }
        break;
    case PAWL_KIND_FLOAT:
        pawl_get_float(value, &real);
        printf(" %.17g", real);
        break;
    case PAWL_KIND_COMPLEX:
        pawl_get_complex(value, &real, &imag);
        printf(" %.17g %.17g", real, imag);
        break;
    case PAWL_KIND_STR:
        text = pawl_get_str(value, &len);
        printf(" ");
        print_hex(text, len);
        break;
    case PAWL_KIND_BYTES:
    case PAWL_KIND_BYTEARRAY:
        text = pawl_get_bytes(value, &len);
        printf(" ");
        print_hex(text, len);
        break;
    case PAWL_KIND_GLOBAL:
        printf(" %s.%s", pawl_global_module(value), pawl_global_name(value));
        break;
    default:
        break;
    }
}

/* Pushes what `value` holds, last first. */
static void push_content(struct dump *dump, const struct pawl_value *value,
                         const char *path)
{
    const struct pawl_object *object = pawl_get_object(value);
    if (object != NULL) {
        push(dump, object->pairs, path, "/pairs", 0);
        push(dump, object->items, path, "/items", 0);
        push(dump, object->state, path, "/state", 0);
        push(dump, object->kwargs, path, "/kwargs", 0);
        push(dump, object->args, path, "/args", 0);
        push(dump, object->callable, path, "/callable", 0);
        return;
    }
    push(dump, pawl_dict_attrs(value), path, "/attrs", 0);
    for (size_t i = pawl_count(value); i > 0; i--) {
        push(dump, pawl_item(value, i - 1), path, "/", i - 1);
        push(dump, pawl_key(value, i - 1), path, "/key", i - 1);
    }
}

static void print_value(struct dump *dump, const struct pawl_value *value,
                        const char *path)
{
    enum pawl_kind kind = pawl_value_kind(value);
    bool *seen = &dump->seen[pawl_value_id(value)];
    bool holds = pawl_count(value) > 0 || kind == PAWL_KIND_OBJECT ||
                 kind == PAWL_KIND_DICT;
    printf("%s\t", path);
    if (kind == PAWL_KIND_TENSOR) {
        print_tensor(dump, pawl_get_tensor(value));
    } else {
        printf("%s%s", pawl_dict_is_ordered(value) ? "ordered " : "",
               pawl_kind_name(kind));
        print_atom(value);
    }
    if (kind == PAWL_KIND_STORAGE) {
        struct pawl_storage *storage = pawl_get_storage(value);
        printf(" %s", pawl_dtype_name(pawl_storage_dtype(storage)));
        print_storage(dump, storage);
    }
    if (holds && *seen) {
        printf(" again");
    } else if (holds) {
        *seen = true;
        printf(" %zu", pawl_count(value));
        push_content(dump, value, path);
    }
    printf("\n");
}

static int dump_state(const struct pawl_state *state)
{
    struct dump dump = {0};
    dump.seen = calloc(pawl_state_value_count(state) + 1, sizeof(bool));
    dump.numbers =
        calloc(pawl_state_storage_count(state) + 1, sizeof(uint32_t));
    push(&dump, pawl_state_root(state), "", "$", 0);
    while (dump.depth > 0) {
        struct todo todo = dump.stack[--dump.depth];
        print_value(&dump, todo.value, todo.path);
        free(todo.path);
    }
    free(dump.stack);
    free(dump.seen);
    free(dump.numbers);
    return dump.rc;
}

int main(int argc, char **argv)
{
    struct stat st;
    struct pawl_error err;
    struct pawl_state *state = NULL;
    int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    if (fd < 0 || fstat(fd, &st) < 0) {
        fprintf(stderr, "usage: dump_state FILE\n");
        return 2;
    }
    unsigned char head[64] = {0};
    size_t head_len = st.st_size < 64 ? (size_t)st.st_size : sizeof(head);
    struct pawl_source source = {.read = read_file,
                                 .ctx = &fd,
                                 .size_bytes = (uint64_t)st.st_size,
                                 .name = argv[1]};
    int rc = read_file(&fd, 0, head, head_len, &err);
    if (rc == 0) {
        rc = pawl_format_torch_legacy.probe(head, head_len)
                 ? pawl_format_torch_legacy.read(&state, &source, NULL, &err)
                 : pawl_torch_read(&state, &source, NULL, &err);
    }
    if (rc < 0) {
        printf("%s: %s\n", pawl_error_name(rc), err.message);
    } else {
        rc = dump_state(state);
    }
    pawl_state_free(state);
    close(fd);
    return rc < 0 ? 1 : 0;
}
