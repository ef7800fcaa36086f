/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_input.h - the bytes of a pickle, from memory or from a source
 *
 * A pickle does not tell its length, and several may follow one another, so
 * from a source the bytes come through a window that moves on, and that grows
 * when one string needs it.  From memory the window is the whole.
 *
 * What is given out points into the window and is valid until the next call.
 * One thread.
 */
#ifndef PAWL_FORMAT_PICKLE_INPUT_H
#define PAWL_FORMAT_PICKLE_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include <pawl/plugin.h>

struct pawl_pickle_input {
    const uint8_t *data; /* the window */
    size_t len;
    size_t next;     /* not yet taken */
    uint64_t offset; /* of the window in the source */
    uint64_t size_bytes;
    const struct pawl_source *source; /* NULL: memory */
    uint8_t *owned;                   /* the window's memory, if ours */
    size_t capacity;
};

/* `data` is borrowed until fini. */
void pawl_pickle_input_memory(struct pawl_pickle_input *in, const void *data,
                              size_t len);
/* The source from its byte `offset`; borrowed until fini. */
void pawl_pickle_input_source(struct pawl_pickle_input *in,
                              const struct pawl_source *source,
                              uint64_t offset);
void pawl_pickle_input_fini(struct pawl_pickle_input *in);

/* Where the next byte lies, counted from the start of memory or source. */
uint64_t pawl_pickle_tell(const struct pawl_pickle_input *in);
/* How many bytes there are from here to the end. */
uint64_t pawl_pickle_left(const struct pawl_pickle_input *in);

/* Takes the next `len` bytes.  PAWL_EFORMAT when there are fewer, PAWL_ENOMEM,
 * errors of the source. */
int pawl_pickle_take(struct pawl_pickle_input *in, const uint8_t **out,
                     uint64_t len, struct pawl_error *err);

/* Takes a line; `*len` is without its newline.  Errors as above. */
int pawl_pickle_take_line(struct pawl_pickle_input *in, const uint8_t **out,
                          size_t *len, struct pawl_error *err);

#endif
