/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zip_whole.h - the CRC of a whole zip file, without reading its content
 *
 * The directory has the CRC of each record's content.  Combined with those of
 * the bytes before, between and behind the contents, which are few, they make
 * that of the file: if each content is as the directory says.
 *
 * Those few bytes may lie on a page of the file for each record, which to read
 * takes long on a cold disk.  But how torch and Pawl write them follows from
 * the directory.  Where the CRC with the bytes that should be there is the one
 * that the caller hopes for, they need not be read.
 */
#ifndef PAWL_FORMAT_ZIP_WHOLE_H
#define PAWL_FORMAT_ZIP_WHOLE_H

#include <stdint.h>

#include <pawl/plugin.h>

/* Puts to `*crc` the CRC-32 of the file.  1; 0 if the directory does not tell:
 * the file was written without checksums, or has compressed records, of whose
 * stored bytes there is no CRC.
 *
 * Reads the directory.  If `*crc` is then what torch or Pawl would have made of
 * it, with each record where it is, that is all: of the other bytes none was
 * looked at.  Else it reads at each record those around its header, and `*crc`
 * is what they make.  Blocks; some microseconds a record.  PAWL_EFORMAT,
 * PAWL_ENOTSUP (see zip_reader.h), PAWL_ENOMEM, errors of the source. */
int pawl_zip_whole_crc(uint32_t *crc, const struct pawl_source *source,
                       struct pawl_error *err);

#endif
