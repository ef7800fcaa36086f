/* SPDX-License-Identifier: Apache-2.0 */
/* pickle_reader.c - the loop over the instructions; see pickle_reader.h. */
#include "format/pickle_reader.h"

#include "format/pickle_ops.h"

#include <stdlib.h>

static const struct {
    const char *name;
    pawl_pickle_op_fn *run;
} ops[PICKLE_OPCODE_COUNT] = {
#define ROW(opcode, name, function)                                            \
    [opcode] = {#name, pawl_pickle_op_##function},
    PAWL_PICKLE_OPS(ROW)
#undef ROW
};

/* Says where in the pickle it failed, if the pickle is at fault. */
static int blame(const struct pawl_pickle_machine *m, uint64_t at, int rc,
                 struct pawl_error *err)
{
    if (rc == PAWL_EFORMAT || rc == PAWL_ENOTSUP) {
        const char *name = ops[m->opcode].name;
        pawl_error_prefix(err, "byte %llu of the pickle (%s)",
                          (unsigned long long)(at - m->start),
                          name != NULL ? name : "no instruction");
    }
    return rc;
}

static int step(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    const uint8_t *byte = NULL;
    uint64_t at = pawl_pickle_tell(m->in);
    const struct pawl_value *call = m->call;
    int rc = pawl_pickle_take(m->in, &byte, 1, err);
    if (rc < 0) {
        return rc;
    }
    m->opcode = *byte;
    if (ops[m->opcode].run == NULL) {
        rc =
            pawl_fail(err, PAWL_EFORMAT, 0, "unknown opcode 0x%02x", m->opcode);
    } else {
        rc = ops[m->opcode].run(m, err);
    }
    if (m->call == call) {
        m->call = NULL; /* it was the instruction before this one */
    }
    return rc < 0 ? blame(m, at, rc, err) : 0;
}

static void machine_fini(struct pawl_pickle_machine *m)
{
    free(m->stack);
    free(m->marks);
    free(m->memo);
    free(m->unhashable);
    pawl_buffer_fini(&m->scratch);
}

int pawl_pickle_read(struct pawl_value **out, struct pawl_state *state,
                     struct pawl_pickle_input *in,
                     const struct pawl_pickle_hooks *hooks,
                     struct pawl_error *err)
{
    static const struct pawl_pickle_hooks no_hooks = {0};
    struct pawl_pickle_machine m = {
        .state = state,
        .in = in,
        .hooks = hooks != NULL ? hooks : &no_hooks,
        .start = pawl_pickle_tell(in),
    };
    int rc = 0;
    while (rc == 0 && !m.stopped) {
        rc = step(&m, err);
    }
    if (rc == 0) {
        *out = m.stack[0];
    }
    machine_fini(&m);
    return rc;
}
