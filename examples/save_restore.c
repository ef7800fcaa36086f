/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save_restore.c - save an array as a torch file, and find it again
 *
 *     cc save_restore.c -o save_restore $(pkg-config --cflags --libs pawl)
 *     ./save_restore [CONFIG]
 *
 * Writes run/step-10/model.pt, which `torch.load` reads as {"w": tensor}.
 * CONFIG is the engine's, such as '{"engine": "memory"}'.
 *
 * Every call returns 0 or a negative PAWL_E* code, so calls can be chained
 * with ||: the first that fails is the last that runs.
 */
#include <stdio.h>
#include <stdlib.h>

#include <pawl/pawl.h>
#include <pawl/plugin.h> /* pawl_fail */

static float weights[64][10];

static int save(struct pawl_engine *engine, struct pawl_error *err)
{
    const uint64_t shape[2] = {64, 10};
    struct pawl_state *state = pawl_state_new();
    struct pawl_value *root = pawl_dict(state);
    pawl_dict_set_str(root, "w",
                      pawl_array(state, PAWL_FLOAT32, 2, shape, weights));
    pawl_state_set_root(state, root);

    int rc = pawl_engine_create(engine, "run", "step-10", err) ||
             pawl_engine_save(engine, state, "run/step-10/model.pt", err) ||
             pawl_engine_commit(engine, "step-10", err);
    pawl_state_free(state);
    return rc;
}

static int copy_weights(struct pawl_state *state, struct pawl_error *err)
{
    const struct pawl_value *root = pawl_state_root(state);
    const struct pawl_tensor *w = pawl_get_tensor(pawl_lookup(root, "w"));
    if (w == NULL) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "there is no tensor 'w'");
    }
    return pawl_storage_read(w->storage, weights, sizeof(weights), err);
}

/* Reads the newest whole checkpoint's weights. */
static int restore(struct pawl_engine *engine, struct pawl_error *err)
{
    struct pawl_state *state = NULL;
    const char *tag = NULL;
    char path[300];

    if (pawl_engine_open(&tag, engine, "run", NULL, err)) {
        return -1;
    }
    if (tag == NULL) {
        return 0; /* a new run: nothing to restore */
    }
    snprintf(path, sizeof(path), "run/%s/model.pt", tag);
    int rc = pawl_engine_load(&state, engine, path, 0, err) ||
             copy_weights(state, err);
    pawl_state_free(state);
    if (rc == 0) {
        printf("restored %s, w[63][9] = %g\n", tag, weights[63][9]);
    }
    return rc || pawl_engine_close(engine, tag, err);
}

int main(int argc, char **argv)
{
    struct pawl_error err = {0};
    struct pawl_engine *engine = NULL;

    weights[63][9] = 0.5f;
    int rc = pawl_engine_new(&engine, argc > 1 ? argv[1] : NULL, &err) ||
             save(engine, &err);
    weights[63][9] = 0;
    rc = rc || restore(engine, &err);
    pawl_engine_free(engine);
    if (rc) {
        fprintf(stderr, "save_restore: %s\n", err.message);
    }
    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
