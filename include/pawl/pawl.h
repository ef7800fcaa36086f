/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pawl/pawl.h - everything a program needs
 *
 * The tour:
 *   pawl/error.h   how functions fail
 *   pawl/state.h   what a file holds: build it, walk it
 *   pawl/engine.h  save and load checkpoints: the eight calls
 *   pawl/inspect.h look after a directory of checkpoints
 *   pawl/plugin.h  engines, stores, formats of your own (not included here)
 *
 * Link with `pkg-config --libs pawl`.
 */
#ifndef PAWL_PAWL_H
#define PAWL_PAWL_H

#include <pawl/engine.h>
#include <pawl/error.h>
#include <pawl/inspect.h>
#include <pawl/state.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PAWL_VERSION "0.1.0"

/* The version of the library that runs, such as "0.1.0". */
PAWL_API const char *pawl_version(void);

#ifdef __cplusplus
}
#endif
#endif
