/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h - who is at work here, and whether he is dead
 *
 * A staging directory says which process makes it.  Another process may clear
 * it away only when that one is provably dead: a pid alone proves nothing (it
 * is used again, and means another process on another machine or in another
 * container), and age proves nothing at all.  So an identity holds what makes
 * a pid unique, and the answer is often "unknown".
 *
 * Thread-safe.  Reads /proc; never waits.
 */
#ifndef PAWL_BASE_PROCESS_H
#define PAWL_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Plain memory, to be copied and stored.  What could not be learned is 0 or
 * "" and then proves nothing. */
struct pawl_process_id {
    int64_t pid;
    uint64_t start_ticks; /* when it started, in clock ticks since the boot */
    uint64_t pid_ns;      /* inode of the pid namespace that `pid` is of */
    char hostname[256];
    char machine_id[64]; /* of the installation: /etc/machine-id */
    char boot_id[64];    /* of the running kernel: new at each boot */
};

/* The identity of this process.  Never fails: see above. */
void pawl_process_self(struct pawl_process_id *out);

enum pawl_liveness {
    PAWL_PROCESS_ALIVE,
    PAWL_PROCESS_DEAD,
    PAWL_PROCESS_UNKNOWN /* it may be alive */
};

/* What this process can tell about another (or itself).
 *
 * DEAD, if it was of this boot and this pid namespace, and no process has its
 *   pid, or one that started at another time, or only a zombie is left;
 * DEAD, if it was of this machine (same hostname and machine id), of another
 *   boot;
 * ALIVE, if it was of this boot and this pid namespace and runs;
 * UNKNOWN otherwise: another machine or container, or a field is missing. */
enum pawl_liveness pawl_process_liveness(const struct pawl_process_id *id);

/* The file mode creation mask, without changing it, which umask(2) cannot.
 * False where the system does not tell (Linux before 4.7, or no /proc). */
bool pawl_process_umask(mode_t *out);

#endif
