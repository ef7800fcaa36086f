/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_behaviour.h - what every store does, as tests over the ops
 *
 * The fixture that `setup` puts to *state begins with a struct pawl_store over
 * a root that does not exist yet.
 */
#ifndef PAWL_TESTS_STORE_BEHAVIOUR_H
#define PAWL_TESTS_STORE_BEHAVIOUR_H

#include "store/store.h"

/* Runs the group; the number of failures. */
int store_behaviour_run(const char *store_name, int (*setup)(void **state),
                        int (*teardown)(void **state));

/* Makes an object of these bytes; fails the test if it cannot. */
void store_put(struct pawl_store *store, const char *name, const char *text);
/* The whole object, NUL-terminated, for the caller to free; NULL if it cannot
 * be opened. */
char *store_get(struct pawl_store *store, const char *name);

#endif
