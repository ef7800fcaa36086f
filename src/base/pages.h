/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pages.h - large zeroed memory straight from the system, on huge pages
 *
 * The first touch of a page costs more than most that is then done with it,
 * and a huge page is 512 of them in one.  Thread-safe.
 */
#ifndef PAWL_BASE_PAGES_H
#define PAWL_BASE_PAGES_H

#include <stddef.h>

#define PAWL_HUGE_PAGE ((size_t)2 << 20)

/* `size` bytes, zeroed, at an address that huge pages fit (4096 bytes if it is
 * less than one); NULL when the system refuses.  `size` is rounded up to 4096.
 * No memory is taken before it is touched. */
void *pawl_pages_map(size_t size);
/* With the same `size`; NULL is fine. */
void pawl_pages_unmap(void *memory, size_t size);

#endif
