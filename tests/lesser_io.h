/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lesser_io.h - the system's calls, but for what a test does without
 */
#ifndef PAWL_TESTS_LESSER_IO_H
#define PAWL_TESTS_LESSER_IO_H

#include "base/io.h"

/* Syncs that do nothing, which cost time where the power is never cut, or is
 * cut in a model; and, unless `exchanges`, a file system that cannot exchange
 * two names. */
struct pawl_io lesser_io(bool exchanges);

#endif
