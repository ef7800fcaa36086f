/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step_files.h - checkpoints whose content tells which step they are of, for
 * programs that save and open in loops
 *
 * Step N is tag "step-N" with one to three files; each element of each tensor
 * is N * 10 and the file's number.  Wrong data ends the process.
 */
#ifndef PAWL_TESTS_STEP_FILES_H
#define PAWL_TESTS_STEP_FILES_H

#include <pawl/pawl.h>

/* Creates, saves, commits and waits; `most_elements` bounds a tensor.  On
 * failure the checkpoint is given up. */
int step_save(struct pawl_engine *engine, const char *dir, int64_t step,
              size_t most_elements, struct pawl_error *err);

/* Opens the newest, loads all of it and closes it.  `*step` is its step, or -1
 * if there is none, or none that is whole. */
int step_open(struct pawl_engine *engine, const char *dir, int64_t *step,
              size_t most_elements, struct pawl_error *err);

/* After a recovery `.pawl/` in `dir` has nothing but files to be written over:
 * else prints what there is and ends the process. */
void step_check_work_dir(const char *dir);

#endif
