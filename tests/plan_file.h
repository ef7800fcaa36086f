/* SPDX-License-Identifier: Apache-2.0 */
/* plan_file.h - carrying out a plan in a test: CRCs, and the bytes. */
#ifndef PAWL_TESTS_PLAN_FILE_H
#define PAWL_TESTS_PLAN_FILE_H

#include <pawl/plugin.h>

/* Goes through the plan as an engine would and returns the file's bytes, which
 * the caller frees.  Aborts if the extents do not follow one another. */
unsigned char *plan_file_bytes(struct pawl_plan *plan, size_t *len_bytes);

#endif
