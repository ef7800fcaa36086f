/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plain_copy.h - bytes from memory to memory, as fast as all cores can
 *
 * A library of its own too, so that the bench can copy a state from the very
 * memory that the engines copy it from: how fast that goes depends on where
 * its pages lie.
 */
#ifndef PAWL_BENCH_PLAIN_COPY_H
#define PAWL_BENCH_PLAIN_COPY_H

#include <stdbool.h>
#include <stddef.h>

struct plain_piece {
    unsigned char *to;
    const unsigned char *from;
    size_t len;
};

/* Copies all pieces.  `streaming`: by stores past the caches, where the machine
 * has them and a piece's `to` is on a border of 16 bytes.  Each core gets an
 * equal share of the bytes. */
void plain_copy(const struct plain_piece *pieces, size_t count, bool streaming);

#endif
