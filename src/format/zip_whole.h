/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zip_whole.h - the CRC of a whole zip file, without reading its content
 *
 * The directory has the CRC of each record's content.  Combined with those of
 * the bytes before, between and behind the contents, which are few, they make
 * that of the file: if each content is as the directory says.
 */
#ifndef PAWL_FORMAT_ZIP_WHOLE_H
#define PAWL_FORMAT_ZIP_WHOLE_H

#include <stdint.h>

#include <pawl/plugin.h>

/* Puts to `*crc` the CRC-32 of the file.  1; 0 if the directory does not tell:
 * the file was written without checksums, or has compressed records, of whose
 * stored bytes there is no CRC.
 *
 * Reads the directory and, at each record, the bytes around its header: two
 * reads and some microseconds a record.  Blocks.  PAWL_EFORMAT, PAWL_ENOTSUP
 * (see zip_reader.h), PAWL_ENOMEM, errors of the source. */
int pawl_zip_whole_crc(uint32_t *crc, const struct pawl_source *source,
                       struct pawl_error *err);

#endif
