/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_image.h - a whole file in memory, read by several threads
 *
 * Blocks of the file are taken one after the other by a few threads; each
 * touches the memory of its block, reads, and takes the checksums while the
 * bytes are at hand, so page faults, the disk and checksums overlap.  The
 * memory is one mapping on huge pages, and belongs to whoever holds the image:
 * tensors may lie in it and be written to.
 *
 * Checksums are kept for every 64 KiB, as they were when the bytes came in: so
 * the checksum of any range costs next to nothing, and a copy that is made
 * later can be proven to be what was in the file.  A digest is of bytes in
 * their order, so for that the threads take turns, each with the block that it
 * has just read.
 */
#ifndef PAWL_ENGINE_FILE_IMAGE_H
#define PAWL_ENGINE_FILE_IMAGE_H

#include "base/digest.h"
#include "store/store.h"

struct pawl_file_image;

/* What a read is, and how many are in flight.  A disk needs 64 MiB in flight to
 * go at its full speed; many small reads keep it busier than few large ones
 * while a thread touches memory or takes checksums (16 of 4 MiB: 0.95 of the
 * raw rate, 4 of 16 MiB: 0.84). */
#define PAWL_READ_BLOCK_BYTES ((size_t)4 << 20)
#define PAWL_READ_THREADS 16

struct pawl_image_options {
    size_t block_bytes; /* of a read; rounded to 64 KiB */
    unsigned threads;   /* reads in flight, the caller's included; 1 .. 64 */
    unsigned mode;      /* PAWL_STORE_DIRECT or 0: how files are opened */
};

/* Reads an object of `size_bytes`, and with `digest` takes that too.  Blocks.
 * Release the image with pawl_file_image_unref.  PAWL_ENOMEM, and what the
 * store says. */
int pawl_file_image_read(struct pawl_file_image **out,
                         struct pawl_object_handle *object, uint64_t size_bytes,
                         const struct pawl_image_options *options, bool digest,
                         struct pawl_error *err);

/* An image of its own with the bytes that were read into `image`, which others
 * may have written to meanwhile: then PAWL_ECORRUPT.  PAWL_ENOMEM. */
int pawl_file_image_copy(struct pawl_file_image **out,
                         const struct pawl_file_image *image,
                         const struct pawl_image_options *options,
                         struct pawl_error *err);

/* A private mapping of an object's file instead of a copy: nothing is read
 * before it is touched, and pawl_file_image_crc means nothing.  PAWL_ENOTSUP:
 * the store has no files. */
int pawl_file_image_map(struct pawl_file_image **out,
                        struct pawl_object_handle *object, uint64_t size_bytes,
                        struct pawl_error *err);

/* Reads all of an object and keeps nothing but the zip CRC-32 of its bytes, and
 * with `digest` that. */
int pawl_file_image_scan(struct pawl_sums *out,
                         struct pawl_object_handle *object, uint64_t size_bytes,
                         const struct pawl_image_options *options, bool digest,
                         struct pawl_error *err);

/* Thread-safe; NULL is fine. */
struct pawl_file_image *pawl_file_image_ref(struct pawl_file_image *image);
void pawl_file_image_unref(struct pawl_file_image *image);

/* Aligned to 4096 bytes, writable; NULL of an empty file. */
void *pawl_file_image_data(const struct pawl_file_image *image);
uint64_t pawl_file_image_size(const struct pawl_file_image *image);
/* As the bytes came in; not known unless it was asked for. */
struct pawl_digest pawl_file_image_digest(const struct pawl_file_image *image);
/* The zip CRC-32 of bytes [offset, offset + len_bytes), which must lie in the
 * file, as they were read. Nobody may have written to them since. */
uint32_t pawl_file_image_crc(const struct pawl_file_image *image,
                             uint64_t offset, uint64_t len_bytes);

#endif
