/* SPDX-License-Identifier: Apache-2.0 */
/* pickle_input.c - see pickle_input.h. */
#include "format/pickle_input.h"

#include "base/bytes.h"
#include "base/error.h"

#include <stdlib.h>

enum { WINDOW_BYTES = 1 << 16 };

/* What an empty window points to, since NULL must not even be added 0 to. */
static const uint8_t nothing[1] = {0};

void pawl_pickle_input_memory(struct pawl_pickle_input *in, const void *data,
                              size_t len)
{
    *in = (struct pawl_pickle_input){
        .data = len > 0 ? data : nothing, .len = len, .size_bytes = len};
}

void pawl_pickle_input_source(struct pawl_pickle_input *in,
                              const struct pawl_source *source, uint64_t offset)
{
    *in = (struct pawl_pickle_input){.data = nothing,
                                     .source = source,
                                     .offset = offset,
                                     .size_bytes = source->size_bytes};
}

void pawl_pickle_input_fini(struct pawl_pickle_input *in)
{
    free(in->owned);
    *in = (struct pawl_pickle_input){0};
}

uint64_t pawl_pickle_tell(const struct pawl_pickle_input *in)
{
    return in->offset + in->next;
}

uint64_t pawl_pickle_left(const struct pawl_pickle_input *in)
{
    uint64_t at = pawl_pickle_tell(in);
    return at < in->size_bytes ? in->size_bytes - at : 0;
}

static int cut_short(struct pawl_error *err)
{
    return pawl_fail(err, PAWL_EFORMAT, 0, "the pickle is cut short");
}

static int grow_window(struct pawl_pickle_input *in, size_t need,
                       struct pawl_error *err)
{
    size_t capacity = in->capacity == 0 ? WINDOW_BYTES : in->capacity;
    while (capacity < need) {
        if (capacity > SIZE_MAX / 2) {
            return pawl_fail_nomem(err);
        }
        capacity *= 2;
    }
    if (capacity == in->capacity) {
        return 0;
    }
    uint8_t *grown = realloc(in->owned, capacity);
    if (grown == NULL) {
        return pawl_fail_nomem(err);
    }
    in->owned = grown;
    in->capacity = capacity;
    return 0;
}

/* Makes the window hold `need` bytes that were not yet taken, which the source
 * is known to have. */
static int refill(struct pawl_pickle_input *in, size_t need,
                  struct pawl_error *err)
{
    size_t kept = in->len - in->next;
    if (in->next > 0) {
        memmove(in->owned, in->owned + in->next, kept);
        in->offset += in->next;
        in->next = 0;
        in->len = kept;
    }
    int rc = grow_window(in, need, err);
    in->data = in->owned;
    if (rc < 0) {
        return rc;
    }
    uint64_t rest = in->size_bytes - (in->offset + kept);
    size_t room = in->capacity - kept;
    size_t len = rest < room ? (size_t)rest : room;
    rc = in->source->read(in->source->ctx, in->offset + kept, in->owned + kept,
                          len, err);
    if (rc == 0) {
        in->len = kept + len;
    }
    return rc;
}

int pawl_pickle_take(struct pawl_pickle_input *in, const uint8_t **out,
                     uint64_t len, struct pawl_error *err)
{
    if (len > in->len - in->next) {
        size_t need = 0;
        if (in->source == NULL || len > pawl_pickle_left(in)) {
            return cut_short(err);
        }
        if (!pawl_to_size(len, &need)) {
            return pawl_fail_nomem(err);
        }
        int rc = refill(in, need, err);
        if (rc < 0) {
            return rc;
        }
    }
    *out = in->data + in->next;
    in->next += (size_t)len;
    return 0;
}

int pawl_pickle_take_line(struct pawl_pickle_input *in, const uint8_t **out,
                          size_t *len, struct pawl_error *err)
{
    size_t searched = 0;
    for (;;) {
        size_t have = in->len - in->next;
        const uint8_t *line = in->data + in->next;
        const uint8_t *newline =
            have == searched ? NULL
                             : memchr(line + searched, '\n', have - searched);
        if (newline != NULL) {
            *out = line;
            *len = (size_t)(newline - line);
            in->next += *len + 1;
            return 0;
        }
        if (in->source == NULL || have == pawl_pickle_left(in)) {
            return cut_short(err);
        }
        searched = have;
        int rc = refill(in, have + 1, err);
        if (rc < 0) {
            return rc;
        }
    }
}
