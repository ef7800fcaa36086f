/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping_fault.h - an mmap that fails on demand
 *
 * Takes the place of the C library's in the program that links it, since
 * memory is not asked for through the table of system calls on files.  Not
 * under the sanitizers, which have their own: nothing fails there.
 */
#ifndef PAWL_TESTS_CRASH_MAPPING_FAULT_H
#define PAWL_TESTS_CRASH_MAPPING_FAULT_H

#include <stdbool.h>
#include <stddef.h>

/* The `nth` mapping from now on fails for want of memory, and with
 * `from_then_on` all after it; 0: none. */
void mapping_fault_arm(size_t nth, bool from_then_on);
/* How many were asked for since. */
size_t mapping_fault_count(void);

#endif
