/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mpi_heat.c - heat spreads over a plate, on many ranks, and survives kill -9
 *
 *     mpicc mpi_heat.c -o mpi_heat $(pkg-config --cflags --libs pawl-mpi)
 *     mpirun -n 4 ./mpi_heat run
 *     (kill it, at any moment, in any way)
 *     mpirun -n 4 ./mpi_heat run        goes on from the newest checkpoint
 *
 *     mpi_heat DIR [STEPS [EVERY [ROWS [COLUMNS]]]]
 *
 * A plate of ROWS x COLUMNS cells, hot at its upper edge and cold at the
 * others.  Each rank has some rows of it, and a copy of the row above and the
 * row below, which it gets from its neighbours in every step.  Each EVERY steps
 * all ranks make a checkpoint together: DIR/step-N with a file rank-R.pt of
 * each, {"step": N, "first_row": ..., "field": tensor}, which torch.load reads
 * too.  All of them become visible at once, or none.
 *
 * Each cell is computed from the same numbers in the same order whatever came
 * before, so a run that was killed ends with the field of one that was not, to
 * the last bit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/pawl.h>
#include <pawl/pawl_mpi.h>
#include <pawl/plugin.h> /* pawl_fail */

/* How long ranks wait for one another in a checkpoint. */
#define CONFIG_TAIL ", \"keep_last\": 3, \"rank_timeout_ms\": 60000}"

struct plate {
    int rank, size;
    uint64_t first_row; /* of the whole plate's */
    uint64_t rows, columns;
    double *now, *next; /* (rows + 2) x columns: with the neighbours' rows */
    int64_t step;
};

struct options {
    const char *dir;
    int64_t steps, every;
    uint64_t rows, columns;
};

/* ---- the simulation ------------------------------------------------------ */

static int plate_init(struct plate *p, const struct options *options,
                      struct pawl_error *err)
{
    MPI_Comm_rank(MPI_COMM_WORLD, &p->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &p->size);
    uint64_t rank = (uint64_t)p->rank, size = (uint64_t)p->size;
    p->first_row = options->rows * rank / size;
    p->rows = options->rows * (rank + 1) / size - p->first_row;
    p->columns = options->columns;
    p->now = calloc((p->rows + 2) * p->columns, sizeof(double));
    p->next = calloc((p->rows + 2) * p->columns, sizeof(double));
    if (p->now == NULL || p->next == NULL) {
        return pawl_fail(err, PAWL_ENOMEM, 0, "no memory for the plate");
    }
    /* What is above the first row of all, and nobody ever sends. */
    for (uint64_t i = 0; p->rank == 0 && i < p->columns; i++) {
        p->now[i] = p->next[i] = 100;
    }
    return 0;
}

static void plate_fini(struct plate *p)
{
    free(p->now);
    free(p->next);
}

/* Gives the outer rows to the neighbours, and gets theirs. */
static void swap_edges(struct plate *p)
{
    int n = (int)p->columns;
    int above = p->rank > 0 ? p->rank - 1 : MPI_PROC_NULL;
    int below = p->rank + 1 < p->size ? p->rank + 1 : MPI_PROC_NULL;
    double *first = p->now + p->columns;
    double *last = p->now + p->rows * p->columns;
    MPI_Sendrecv(first, n, MPI_DOUBLE, above, 0, last + p->columns, n,
                 MPI_DOUBLE, below, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Sendrecv(last, n, MPI_DOUBLE, below, 1, p->now, n, MPI_DOUBLE, above, 1,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

/* One step of time: each cell goes towards the mean of its neighbours.  The
 * cells at the left and right edges stay cold. */
static void plate_step(struct plate *p)
{
    swap_edges(p);
    for (uint64_t row = 1; row <= p->rows; row++) {
        const double *up = p->now + (row - 1) * p->columns;
        const double *here = up + p->columns;
        const double *down = here + p->columns;
        double *next = p->next + row * p->columns;
        for (uint64_t i = 1; i + 1 < p->columns; i++) {
            next[i] = here[i] + 0.2 * (up[i] + down[i] + here[i - 1] +
                                       here[i + 1] - 4 * here[i]);
        }
    }
    double *old = p->now;
    p->now = p->next;
    p->next = old;
    p->step++;
}

/* ---- checkpoints --------------------------------------------------------- */

static void path_of(char *path, size_t size, const char *dir, const char *tag,
                    int rank)
{
    snprintf(path, size, "%s/%s/rank-%d.pt", dir, tag, rank);
}

/* This rank's part; the engine has a copy of it when this returns. */
static int save_part(const struct plate *p, struct pawl_engine *engine,
                     const char *path, struct pawl_error *err)
{
    const uint64_t shape[2] = {p->rows, p->columns};
    struct pawl_state *state = pawl_state_new();
    struct pawl_value *root = pawl_dict(state);
    pawl_dict_set_str(root, "step", pawl_int(state, p->step));
    pawl_dict_set_str(root, "first_row",
                      pawl_int(state, (int64_t)p->first_row));
    pawl_dict_set_str(
        root, "field",
        pawl_array(state, PAWL_FLOAT64, 2, shape, p->now + p->columns));
    pawl_state_set_root(state, root);
    int rc = pawl_engine_save(engine, state, path, err);
    pawl_state_free(state);
    return rc;
}

/* All ranks call it at the same step.  A failure of one is a failure of all,
 * which says whose it was. */
static int save(const struct plate *p, struct pawl_engine *engine,
                const char *dir, struct pawl_error *err)
{
    char tag[40], path[1000];
    snprintf(tag, sizeof(tag), "step-%" PRId64, p->step);
    path_of(path, sizeof(path), dir, tag, p->rank);
    return pawl_engine_create(engine, dir, tag, err) ||
           save_part(p, engine, path, err) ||
           pawl_engine_commit(engine, tag, err);
}

static int take_part(struct plate *p, const struct pawl_state *state,
                     struct pawl_error *err)
{
    const struct pawl_value *root = pawl_state_root(state);
    const struct pawl_tensor *field =
        pawl_get_tensor(pawl_lookup(root, "field"));
    int64_t first_row = -1;
    pawl_get_int(pawl_lookup(root, "first_row"), &first_row);
    if (!pawl_get_int(pawl_lookup(root, "step"), &p->step) || field == NULL ||
        field->dtype != PAWL_FLOAT64 || field->ndim != 2 ||
        field->shape[0] != p->rows || field->shape[1] != p->columns ||
        first_row != (int64_t)p->first_row) {
        return pawl_fail(err, PAWL_EFORMAT, 0,
                         "the checkpoint is of another plate, or of another "
                         "number of ranks");
    }
    return pawl_storage_read(field->storage, p->now + p->columns,
                             p->rows * p->columns * sizeof(double), err);
}

/* Goes back to the newest checkpoint that is whole on all ranks, if any. */
static int restore(struct plate *p, struct pawl_engine *engine, const char *dir,
                   struct pawl_error *err)
{
    struct pawl_state *state = NULL;
    const char *tag = NULL;
    char path[1000];
    if (pawl_engine_open(&tag, engine, dir, NULL, err)) {
        return -1;
    }
    if (tag == NULL) {
        return 0; /* a new run */
    }
    path_of(path, sizeof(path), dir, tag, p->rank);
    int rc = pawl_engine_load(&state, engine, path, 0, err) ||
             take_part(p, state, err);
    pawl_state_free(state);
    if (rc == 0 && p->rank == 0) {
        printf("resumed from %s\n", tag);
        fflush(stdout);
    }
    return rc || pawl_engine_close(engine, tag, err);
}

/* ---- the program --------------------------------------------------------- */

/* Why a checkpoint was passed over, and the like. */
static void print_log(void *ctx, enum pawl_log_level level, const char *line)
{
    if (level == PAWL_LOG_WARNING) {
        fprintf(stderr, "rank %d: %s\n", *(const int *)ctx, line);
    }
}

static int make_engine(struct pawl_engine **engine, struct plate *p,
                       struct pawl_error *err)
{
    struct pawl_comm comm;
    int level = MPI_THREAD_SINGLE;
    MPI_Query_thread(&level);
    /* In the background, if MPI lets other threads talk meanwhile. */
    const char *config = level == MPI_THREAD_MULTIPLE
                             ? "{\"engine\": \"async\"" CONFIG_TAIL
                             : "{\"engine\": \"direct\"" CONFIG_TAIL;
    int rc = pawl_comm_mpi(&comm, MPI_COMM_WORLD, err) ||
             pawl_engine_new_ranks(engine, config, &comm, err);
    if (rc == 0) {
        pawl_engine_set_log(*engine, print_log, &p->rank);
    }
    return rc;
}

static int run(struct plate *p, struct pawl_engine *engine,
               const struct options *o, struct pawl_error *err)
{
    int rc = restore(p, engine, o->dir, err);
    while (rc == 0 && p->step < o->steps) {
        plate_step(p);
        if (p->step % o->every == 0 || p->step == o->steps) {
            rc = save(p, engine, o->dir, err);
            if (rc == 0 && p->rank == 0) {
                printf("step %" PRId64 "\n", p->step);
                fflush(stdout);
            }
        }
    }
    return rc || pawl_engine_wait(engine, -1, err);
}

static int64_t number(int argc, char **argv, int index, int64_t standard)
{
    return argc > index ? strtoll(argv[index], NULL, 10) : standard;
}

int main(int argc, char **argv)
{
    struct pawl_error err = {0};
    struct pawl_engine *engine = NULL;
    struct plate plate = {0};
    struct options options = {
        .dir = argc > 1 ? argv[1] : "",
        .steps = number(argc, argv, 2, 10000),
        .every = number(argc, argv, 3, 1000),
        .rows = (uint64_t)number(argc, argv, 4, 400),
        .columns = (uint64_t)number(argc, argv, 5, 400),
    };
    int level;
    if (argc < 2 || argc > 6 || options.every < 1) {
        fprintf(stderr,
                "usage: mpi_heat DIR [STEPS [EVERY [ROWS [COLUMNS]]]]\n");
        return 2;
    }
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
    int rc = plate_init(&plate, &options, &err) ||
             make_engine(&engine, &plate, &err) ||
             run(&plate, engine, &options, &err);
    if (rc) {
        fprintf(stderr, "rank %d: %s\n", plate.rank, err.message);
        /* Other ranks may be waiting for this one's edges. */
        MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
    }
    pawl_engine_free(engine); /* before MPI_Finalize */
    plate_fini(&plate);
    MPI_Finalize();
    return EXIT_SUCCESS;
}
