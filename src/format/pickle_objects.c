/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_objects.c - instructions for containers, names and objects
 *
 * Nothing is called here.  An object that is not known stays an OBJECT, to
 * which later instructions add state, items and pairs; so it keeps its
 * identity while the pickle builds it, cycles included.
 */
#include "format/pickle_ops.h"
#include "format/pickle_text.h"
#include "format/printable.h"

enum { NAME_MAX_BYTES = 4096 };

/* ---- containers -------------------------------------------------------- */

int pawl_pickle_op_empty(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    switch (m->opcode) {
    case PICKLE_EMPTY_LIST:
        return pawl_pickle_push(m, pawl_list(m->state), err);
    case PICKLE_EMPTY_DICT:
        return pawl_pickle_push(m, pawl_dict(m->state), err);
    case PICKLE_EMPTY_SET:
        return pawl_pickle_push(m, pawl_set(m->state), err);
    default:
        break;
    }
    if (m->empty_tuple == NULL) {
        m->empty_tuple = pawl_tuple(m->state);
    }
    return pawl_pickle_push(m, m->empty_tuple, err);
}

int pawl_pickle_op_from_mark(struct pawl_pickle_machine *m,
                             struct pawl_error *err)
{
    struct pawl_value **items;
    struct pawl_value *value = NULL;
    size_t count = 0;
    enum pawl_kind kind = m->opcode == PICKLE_LIST    ? PAWL_KIND_LIST
                          : m->opcode == PICKLE_TUPLE ? PAWL_KIND_TUPLE
                                                      : PAWL_KIND_FROZENSET;
    int rc = pawl_pickle_pop_mark(m, &items, &count, err);
    if (rc == 0) {
        rc = pawl_pickle_sequence(m, &value, kind, items, count, err);
    }
    return rc < 0 ? rc : pawl_pickle_push(m, value, err);
}

int pawl_pickle_op_short_tuple(struct pawl_pickle_machine *m,
                               struct pawl_error *err)
{
    struct pawl_value *items[3];
    struct pawl_value *value = NULL;
    size_t count = (size_t)(m->opcode - PICKLE_TUPLE1) + 1;
    for (size_t i = count; i > 0; i--) {
        int rc = pawl_pickle_pop(m, &items[i - 1], err);
        if (rc < 0) {
            return rc;
        }
    }
    int rc =
        pawl_pickle_sequence(m, &value, PAWL_KIND_TUPLE, items, count, err);
    return rc < 0 ? rc : pawl_pickle_push(m, value, err);
}

/* Sets `count` values, keys and items in turn, in a dict. */
static int set_pairs(struct pawl_pickle_machine *m, struct pawl_value *dict,
                     struct pawl_value *const *pairs, size_t count,
                     struct pawl_error *err)
{
    if (count % 2 != 0) {
        return pawl_pickle_malformed(err, "a key without an item");
    }
    for (size_t i = 0; i < count; i += 2) {
        int rc = pawl_pickle_check_key(m, pairs[i], err);
        if (rc < 0) {
            return rc;
        }
        if (pawl_dict_set(dict, pairs[i], pairs[i + 1]) < 0) {
            return pawl_fail_nomem(err);
        }
    }
    return 0;
}

int pawl_pickle_op_dict(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    struct pawl_value **pairs;
    size_t count = 0;
    struct pawl_value *dict = pawl_dict(m->state);
    if (dict == NULL) {
        return pawl_fail_nomem(err);
    }
    int rc = pawl_pickle_pop_mark(m, &pairs, &count, err);
    if (rc == 0) {
        rc = set_pairs(m, dict, pairs, count, err);
    }
    return rc < 0 ? rc : pawl_pickle_push(m, dict, err);
}

/* What SETITEMS fills: a dict, or the pairs of an object. */
static int pairs_of(struct pawl_value *value, struct pawl_value **out,
                    struct pawl_error *err)
{
    if (value->kind == PAWL_KIND_DICT) {
        *out = value;
        return 0;
    }
    if (value->kind != PAWL_KIND_OBJECT) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "a key is set in a %s",
                         pawl_kind_name((enum pawl_kind)value->kind));
    }
    if (value->as.object->pairs == NULL) {
        value->as.object->pairs = pawl_dict(value->state);
    }
    *out = value->as.object->pairs;
    return *out != NULL ? 0 : pawl_fail_nomem(err);
}

int pawl_pickle_op_setitem(struct pawl_pickle_machine *m,
                           struct pawl_error *err)
{
    struct pawl_value *one[2];
    struct pawl_value **pairs = one;
    struct pawl_value *target = NULL;
    size_t count = 2;
    int rc;
    if (m->opcode == PICKLE_SETITEM) {
        rc = pawl_pickle_pop(m, &one[1], err);
        rc = rc < 0 ? rc : pawl_pickle_pop(m, &one[0], err);
    } else {
        rc = pawl_pickle_pop_mark(m, &pairs, &count, err);
    }
    if (rc == 0) {
        rc = pawl_pickle_top(m, &target, err);
    }
    if (rc == 0) {
        rc = pairs_of(target, &target, err);
    }
    return rc == 0 ? set_pairs(m, target, pairs, count, err) : rc;
}

/* What APPENDS and ADDITEMS fill: a list or a set, or an object's items. */
static int items_of(const struct pawl_pickle_machine *m,
                    struct pawl_value *value, struct pawl_value **out,
                    struct pawl_error *err)
{
    enum pawl_kind wanted =
        m->opcode == PICKLE_ADDITEMS ? PAWL_KIND_SET : PAWL_KIND_LIST;
    if (value->kind == wanted) {
        *out = value;
        return 0;
    }
    if (value->kind != PAWL_KIND_OBJECT || wanted == PAWL_KIND_SET) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "an item is added to a %s",
                         pawl_kind_name((enum pawl_kind)value->kind));
    }
    if (value->as.object->items == NULL) {
        value->as.object->items = pawl_list(value->state);
    }
    *out = value->as.object->items;
    return *out != NULL ? 0 : pawl_fail_nomem(err);
}

static int append_all(const struct pawl_pickle_machine *m,
                      struct pawl_value *target,
                      struct pawl_value *const *items, size_t count,
                      struct pawl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        int rc = target->kind == PAWL_KIND_SET
                     ? pawl_pickle_check_key(m, items[i], err)
                     : 0;
        if (rc < 0) {
            return rc;
        }
        if (pawl_append(target, items[i]) < 0) {
            return pawl_fail_nomem(err);
        }
    }
    return 0;
}

int pawl_pickle_op_append(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    struct pawl_value *one = NULL;
    struct pawl_value **items = &one;
    struct pawl_value *target = NULL;
    size_t count = 1;
    int rc = m->opcode == PICKLE_APPEND
                 ? pawl_pickle_pop(m, &one, err)
                 : pawl_pickle_pop_mark(m, &items, &count, err);
    if (rc == 0) {
        rc = pawl_pickle_top(m, &target, err);
    }
    if (rc == 0) {
        rc = items_of(m, target, &target, err);
    }
    return rc == 0 ? append_all(m, target, items, count, err) : rc;
}

/* ---- names ------------------------------------------------------------- */

/* Copies a name to m->scratch, with a NUL behind it. */
static int copy_name(struct pawl_pickle_machine *m, const void *text,
                     size_t len, struct pawl_error *err)
{
    const uint8_t *bytes = text;
    bool plain = len > 0 && len <= NAME_MAX_BYTES && pawl_utf8_valid(text, len);
    for (size_t i = 0; plain && i < len; i++) {
        plain = bytes[i] >= 0x20 && bytes[i] != 0x7f;
    }
    if (!plain) {
        return pawl_pickle_malformed(err, "a malformed name");
    }
    pawl_buffer_append(&m->scratch, text, len);
    pawl_buffer_append(&m->scratch, "", 1);
    return m->scratch.failed ? pawl_fail_nomem(err) : 0;
}

/* The GLOBAL whose module and name stand in m->scratch. */
static int scratch_global(struct pawl_pickle_machine *m,
                          struct pawl_value **out, struct pawl_error *err)
{
    const char *module = (const char *)m->scratch.data;
    const char *name = module + strlen(module) + 1;
    /* Looking first: pawl_global takes memory even for a known name. */
    const struct pawl_value *known =
        pawl_state_find_global(m->state, module, name);
    *out = known != NULL ? (struct pawl_value *)(uintptr_t)known
                         : pawl_global(m->state, module, name);
    return *out != NULL ? 0 : pawl_fail_nomem(err);
}

/* Two lines: module and name. */
static int take_global(struct pawl_pickle_machine *m, struct pawl_value **out,
                       struct pawl_error *err)
{
    m->scratch.len = 0;
    for (int i = 0; i < 2; i++) {
        const uint8_t *line;
        size_t len = 0;
        int rc = pawl_pickle_take_line(m->in, &line, &len, err);
        if (rc == 0) {
            rc = copy_name(m, line, len, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return scratch_global(m, out, err);
}

int pawl_pickle_op_global(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    struct pawl_value *global = NULL;
    int rc = take_global(m, &global, err);
    return rc < 0 ? rc : pawl_pickle_push(m, global, err);
}

int pawl_pickle_op_stack_global(struct pawl_pickle_machine *m,
                                struct pawl_error *err)
{
    struct pawl_value *parts[2] = {NULL, NULL}; /* module, name */
    struct pawl_value *global = NULL;
    int rc = pawl_pickle_pop(m, &parts[1], err);
    if (rc == 0) {
        rc = pawl_pickle_pop(m, &parts[0], err);
    }
    m->scratch.len = 0;
    for (int i = 0; rc == 0 && i < 2; i++) {
        size_t len = 0;
        const char *text = pawl_get_str(parts[i], &len);
        rc = text != NULL ? copy_name(m, text, len, err)
                          : pawl_pickle_malformed(err, "a malformed name");
    }
    if (rc == 0) {
        rc = scratch_global(m, &global, err);
    }
    return rc < 0 ? rc : pawl_pickle_push(m, global, err);
}

/* ---- calls ------------------------------------------------------------- */

/* The value that a call gives, if the callable is known; else `*out` stays
 * NULL. */
static int call_known(struct pawl_pickle_machine *m,
                      const struct pawl_value *callable,
                      const struct pawl_value *args, struct pawl_value **out,
                      struct pawl_error *err)
{
    if (callable->kind != PAWL_KIND_GLOBAL) {
        return 0;
    }
    int rc = pawl_pickle_call_builtin(m, callable, args, out, err);
    if (rc == 0 && *out == NULL && m->hooks->call != NULL) {
        rc = m->hooks->call(m->hooks->ctx, callable, args, out, err);
    }
    if (rc < 0 && rc != PAWL_ENOMEM) {
        pawl_error_prefix(err, "%s.%s",
                          pawl_printable(callable->as.global.module,
                                         strlen(callable->as.global.module))
                              .text,
                          pawl_printable(callable->as.global.name,
                                         strlen(callable->as.global.name))
                              .text);
    }
    return rc;
}

/* Pushes the object that Python would make; `kwargs` may be NULL. */
static int push_object(struct pawl_pickle_machine *m, enum pawl_rebuild how,
                       struct pawl_value *callable, struct pawl_value *args,
                       struct pawl_value *kwargs, struct pawl_error *err)
{
    if (callable->kind != PAWL_KIND_GLOBAL &&
        callable->kind != PAWL_KIND_OBJECT) {
        return pawl_fail(err, PAWL_EFORMAT, 0, "a %s is called",
                         pawl_kind_name((enum pawl_kind)callable->kind));
    }
    if (args->kind != PAWL_KIND_TUPLE) {
        return pawl_pickle_malformed(err, "arguments that are not a tuple");
    }
    struct pawl_value *value = NULL;
    int rc =
        how == PAWL_REDUCE ? call_known(m, callable, args, &value, err) : 0;
    if (rc < 0) {
        return rc;
    }
    if (value == NULL) {
        struct pawl_object parts = PAWL_OBJECT_INIT;
        parts.how = how;
        parts.callable = callable;
        parts.args = args;
        parts.kwargs = kwargs;
        value = pawl_object(m->state);
        pawl_object_set(value, &parts);
        m->call = how == PAWL_REDUCE ? value : NULL;
    }
    return pawl_pickle_push(m, value, err);
}

int pawl_pickle_op_reduce(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    struct pawl_value *args = NULL;
    struct pawl_value *callable = NULL;
    int rc = pawl_pickle_pop(m, &args, err);
    if (rc == 0) {
        rc = pawl_pickle_pop(m, &callable, err);
    }
    return rc == 0 ? push_object(m, PAWL_REDUCE, callable, args, NULL, err)
                   : rc;
}

int pawl_pickle_op_newobj(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    struct pawl_value *args = NULL;
    struct pawl_value *cls = NULL;
    int rc = pawl_pickle_pop(m, &args, err);
    if (rc == 0) {
        rc = pawl_pickle_pop(m, &cls, err);
    }
    return rc == 0 ? push_object(m, PAWL_NEWOBJ, cls, args, NULL, err) : rc;
}

int pawl_pickle_op_newobj_ex(struct pawl_pickle_machine *m,
                             struct pawl_error *err)
{
    struct pawl_value *parts[3] = {NULL, NULL, NULL}; /* cls, args, kwargs */
    for (size_t i = 3; i > 0; i--) {
        int rc = pawl_pickle_pop(m, &parts[i - 1], err);
        if (rc < 0) {
            return rc;
        }
    }
    if (parts[2]->kind != PAWL_KIND_DICT) {
        return pawl_pickle_malformed(err,
                                     "keyword arguments that are not a dict");
    }
    return push_object(m, PAWL_NEWOBJ_EX, parts[0], parts[1], parts[2], err);
}

/* INST and OBJ, of protocols 0 and 1: a class is called, or, when there are no
 * arguments, its __new__. */
static int push_instance(struct pawl_pickle_machine *m, struct pawl_value *cls,
                         struct pawl_value *const *items, size_t count,
                         struct pawl_error *err)
{
    struct pawl_value *args = NULL;
    int rc = pawl_pickle_sequence(m, &args, PAWL_KIND_TUPLE, items, count, err);
    if (rc < 0) {
        return rc;
    }
    return push_object(m, count > 0 ? PAWL_REDUCE : PAWL_NEWOBJ, cls, args,
                       NULL, err);
}

int pawl_pickle_op_inst(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    struct pawl_value *cls = NULL;
    struct pawl_value **items = NULL;
    size_t count = 0;
    int rc = take_global(m, &cls, err);
    if (rc == 0) {
        rc = pawl_pickle_pop_mark(m, &items, &count, err);
    }
    return rc == 0 ? push_instance(m, cls, items, count, err) : rc;
}

int pawl_pickle_op_obj(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    struct pawl_value **items = NULL;
    size_t count = 0;
    int rc = pawl_pickle_pop_mark(m, &items, &count, err);
    if (rc == 0 && count == 0) {
        return pawl_pickle_malformed(err, "an instance of no class");
    }
    return rc == 0 ? push_instance(m, items[0], items + 1, count - 1, err) : rc;
}

/* ---- state ------------------------------------------------------------- */

/* A state that Python would do nothing with. */
static bool is_nothing(const struct pawl_value *state)
{
    return state->kind == PAWL_KIND_NONE ||
           (state->kind == PAWL_KIND_DICT && state->as.dict.count == 0);
}

int pawl_pickle_op_build(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    struct pawl_value *state = NULL;
    struct pawl_value *target = NULL;
    struct pawl_value **slot = NULL;
    int rc = pawl_pickle_pop(m, &state, err);
    if (rc == 0) {
        rc = pawl_pickle_top(m, &target, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (target->kind == PAWL_KIND_OBJECT) {
        slot = &target->as.object->state;
    } else if (is_nothing(state) && target->kind != PAWL_KIND_GLOBAL) {
        return 0;
    } else if (target->kind == PAWL_KIND_DICT && target->is_ordered &&
               state->kind == PAWL_KIND_DICT) {
        slot = &target->as.dict.attrs;
    } else {
        return pawl_fail(err, PAWL_ENOTSUP, 0, "a %s is given a state",
                         pawl_kind_name((enum pawl_kind)target->kind));
    }
    if (*slot != NULL) {
        return pawl_fail(err, PAWL_ENOTSUP, 0, "a %s is given a second state",
                         pawl_kind_name((enum pawl_kind)target->kind));
    }
    *slot = state;
    return 0;
}

/* ---- persistent ids ---------------------------------------------------- */

static int push_persistent(struct pawl_pickle_machine *m, struct pawl_value *id,
                           struct pawl_error *err)
{
    struct pawl_value *value = NULL;
    if (m->hooks->persistent == NULL) {
        return pawl_fail(err, PAWL_ENOTSUP, 0,
                         "a persistent id, which means nothing here");
    }
    int rc = m->hooks->persistent(m->hooks->ctx, id, &value, err);
    return rc < 0 ? rc : pawl_pickle_push(m, value, err);
}

int pawl_pickle_op_binpersid(struct pawl_pickle_machine *m,
                             struct pawl_error *err)
{
    struct pawl_value *id = NULL;
    int rc = pawl_pickle_pop(m, &id, err);
    return rc == 0 ? push_persistent(m, id, err) : rc;
}

int pawl_pickle_op_persid(struct pawl_pickle_machine *m, struct pawl_error *err)
{
    const uint8_t *line;
    size_t len = 0;
    int rc = pawl_pickle_take_line(m->in, &line, &len, err);
    if (rc < 0) {
        return rc;
    }
    if (!pawl_utf8_valid(line, len)) {
        return pawl_pickle_malformed(err, "a persistent id that is not UTF-8");
    }
    struct pawl_value *id =
        pawl_str_distinct(m->state, (const char *)line, len);
    return id == NULL ? pawl_fail_nomem(err) : push_persistent(m, id, err);
}
