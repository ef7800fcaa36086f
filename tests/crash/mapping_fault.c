/* SPDX-License-Identifier: Apache-2.0 */
/* mapping_fault.c - see mapping_fault.h. */
#include "mapping_fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __has_feature
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif

static atomic_size_t seen;
static atomic_size_t failing;
static atomic_bool goes_on;

void mapping_fault_arm(size_t nth, bool from_then_on)
{
    atomic_store(&seen, 0);
    atomic_store(&failing, nth);
    atomic_store(&goes_on, from_then_on);
}

size_t mapping_fault_count(void)
{
    return atomic_load(&seen);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&         \
    !HAS_FEATURE(address_sanitizer) && !HAS_FEATURE(thread_sanitizer)
void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    size_t number = atomic_fetch_add(&seen, 1) + 1;
    size_t nth = atomic_load(&failing);
    if (nth > 0 && (number == nth || (number > nth && atomic_load(&goes_on)))) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)(uintptr_t)syscall(SYS_mmap, at, len, prot, flags, fd,
                                      offset);
}
#endif
