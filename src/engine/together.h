/* SPDX-License-Identifier: Apache-2.0 */
/*
 * together.h - several ranks make one checkpoint in one directory
 *
 * Rank 0 takes the tag, the others stage their files where it says.  All tell
 * it how it went and what their files are; it alone publishes, and tells them.
 */
#ifndef PAWL_ENGINE_TOGETHER_H
#define PAWL_ENGINE_TOGETHER_H

#include "engine/making.h"

/* The rest of pawl_making_begin, which went well so far if `status` is 0. */
int pawl_together_begin(struct pawl_making *making, const char *tag, int status,
                        struct pawl_error *err);

/* As pawl_making_publish and pawl_making_abort, but they end only the commit.
 * The second one also for parts.h. */
int pawl_together_publish(struct pawl_making *making,
                          struct pawl_reading *reading, struct pawl_error *err);
void pawl_together_abort(struct pawl_making *making,
                         const struct pawl_error *why);

#endif
