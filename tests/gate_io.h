/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_io.h - a disk that hangs until it is told to go on
 *
 * While the gate is closed, writes of 4096 bytes and more wait: those of
 * payload, not those of owner files and manifests.  Unlike the table of
 * fault_io.h it makes calls at the same time, and counts nothing.  It never
 * syncs: nobody cuts the power here.
 */
#ifndef PAWL_TESTS_GATE_IO_H
#define PAWL_TESTS_GATE_IO_H

#include "base/io.h"

struct gate_io;

/* Open.  Aborts when out of memory. */
struct gate_io *gate_io_new(void);
/* When nobody uses the table any more.  NULL is fine. */
void gate_io_free(struct gate_io *gate);
const struct pawl_io *gate_io_table(const struct gate_io *gate);

void gate_io_close(struct gate_io *gate);
/* Lets what waits go on; the large writes, from now on, fail with `sys_errno`
 * if that is not 0. */
void gate_io_open(struct gate_io *gate, int sys_errno);
/* The same in `delay_ms`, by a thread that gate_io_free joins. */
void gate_io_open_later(struct gate_io *gate, unsigned delay_ms);

/* Waits until a write waits. */
void gate_io_await(struct gate_io *gate);

#endif
