/* SPDX-License-Identifier: Apache-2.0 */
/* pages.c - see pages.h. */
#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>

static const size_t PAGE = 4096;

static size_t round_up(size_t size)
{
    return (size + PAGE - 1) / PAGE * PAGE;
}

/* Maps more than is asked for and gives back what lies outside the aligned
 * part. */
void *pawl_pages_map(size_t size)
{
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size = round_up(size);
    size_t align = size < PAWL_HUGE_PAGE ? PAGE : PAWL_HUGE_PAGE;
    size_t slack = align - PAGE;
    unsigned char *start = mmap(NULL, size + slack, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) {
        return NULL;
    }
    size_t head = (size_t)(-(uintptr_t)start % align);
    if (head > 0) {
        munmap(start, head);
    }
    if (slack > head) {
        munmap(start + head + size, slack - head);
    }
    start += head;
    if (size >= PAWL_HUGE_PAGE) {
        madvise(start, size, MADV_HUGEPAGE);
    }
    return start;
}

void pawl_pages_unmap(void *memory, size_t size)
{
    if (memory != NULL) {
        munmap(memory, round_up(size));
    }
}
