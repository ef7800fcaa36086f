/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pawl/pawl_mpi.h - the ranks of an MPI program make one checkpoint
 *
 *     struct pawl_comm comm;
 *     pawl_comm_mpi(&comm, MPI_COMM_WORLD, &err);
 *     pawl_engine_new_ranks(&engine, config, &comm, &err);
 *     ...
 *     pawl_engine_free(engine);
 *     MPI_Finalize();
 *
 * It is a library of its own, libpawl-mpi, so that libpawl needs no MPI.
 */
#ifndef PAWL_PAWL_MPI_H
#define PAWL_PAWL_MPI_H

#include <mpi.h>
#include <pawl/comm.h>
#include <pawl/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the connection of the ranks of `comm`, an intracommunicator, over a
 * duplicate of it; so all ranks of `comm` call this together, and no message
 * of the program is ever mistaken for one of Pawl.  Give `out` to
 * pawl_engine_new_ranks, which takes it over.
 *
 * What it needs of MPI_Init_thread:
 *
 *   MPI_THREAD_MULTIPLE    nothing else to heed.  Engine "async" needs it,
 *                          since it talks to the other ranks in the background
 *   MPI_THREAD_SERIALIZED  the program makes no MPI call while the engine may
 *                          make one: during any call of the engine, and, with
 *                          "async", from commit until pawl_engine_wait returned
 *   less                   also, this function and the calls of the engine come
 *                          from the main thread alone, and the engine is one
 *                          without background: "torch" or "direct".  A call
 *                          from another thread is PAWL_ENOTSUP
 *
 * What a rank gives, it gives without waiting.  Small texts are on their way
 * then.  MPI moves large ones (some kilobytes; it decides) only while the
 * process is in a function of MPI: with MPI_THREAD_MULTIPLE a thread sees to
 * that; with less it is the next one of the engine or of the program.
 *
 * Free the engine before MPI_Finalize, on all ranks.  That waits 1 s at most
 * for texts that ranks have not taken yet, and gives them up then.  After
 * MPI_Finalize only memory is freed.
 *
 * PAWL_ESTATE before MPI_Init or after MPI_Finalize; PAWL_EINVAL for
 * MPI_COMM_NULL or an intercommunicator; PAWL_ENOTSUP for the thread level;
 * PAWL_EIO for what MPI says; PAWL_ENOMEM. */
PAWL_API int pawl_comm_mpi(struct pawl_comm *out, MPI_Comm comm,
                           struct pawl_error *err);

#ifdef __cplusplus
}
#endif
#endif
