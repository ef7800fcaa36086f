/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_writer.c - the walk over the graph; see pickle_writer.h
 *
 * The walk keeps its own stack of frames, one for each container that was
 * begun, so depth costs memory and never the thread's stack.  A frame is
 * advanced until it has begun a child that needs a frame itself.
 *
 * Lists, dicts and objects get their memo number before what they contain;
 * tuples, sets and the arguments of objects only after.  So the latter may be
 * begun again inside themselves, by way of a list.  The inner one then ends
 * first and gets the number, and the outer one throws away what it put on the
 * stack and fetches the inner one, as the pickler does.
 */
#include "format/pickle_writer.h"

#include "format/pickle_batch.h"
#include "format/pickle_scalar.h"
#include "format/pickle_tensor.h"

#include <stdlib.h>

enum frame_kind {
    FRAME_LIST,         /* items of a list, as the pickler batches a list */
    FRAME_ITEMS,        /* items of a list, as it batches an iterator */
    FRAME_SET,          /* likewise a list, of the items of a set */
    FRAME_DICT,         /* pairs, as it batches a dict */
    FRAME_PAIRS,        /* pairs, as it batches an iterator */
    FRAME_TUPLE,        /* items */
    FRAME_ARGS,         /* likewise, of arguments that are never in the memo */
    FRAME_ORDERED_DICT, /* step by step */
    FRAME_OBJECT        /* step by step */
};

struct frame {
    const struct pawl_value *value;
    size_t at; /* the next child, or step */
    enum frame_kind kind;
};

struct walk {
    struct pawl_pickler p;
    struct frame *frames;
    size_t depth;
    size_t capacity;
    /* By value id: mark_count + 1 when a value that gets its number late was
     * begun last. */
    uint64_t *begun;
};

static int push(struct walk *w, enum frame_kind kind,
                const struct pawl_value *value)
{
    if (w->depth == w->capacity) {
        size_t larger = w->capacity == 0 ? 64 : w->capacity * 2;
        struct frame *frames =
            larger > SIZE_MAX / 2 / sizeof(*frames)
                ? NULL
                : realloc(w->frames, larger * sizeof(*frames));
        if (frames == NULL) {
            return pawl_fail_nomem(w->p.err);
        }
        w->frames = frames;
        w->capacity = larger;
    }
    w->frames[w->depth++] = (struct frame){value, 0, kind};
    return 0;
}

/* ---- the beginning of containers --------------------------------------- */

/* Notes that a value was begun that gets its number at its end.  If it is
 * begun again with nothing new in the memo since, that would go on for ever:
 * it contains itself not by way of a list, dict or object. */
static int begin_late(struct walk *w, const struct pawl_value *value)
{
    uint64_t *begun = &w->begun[value->id];
    if (*begun == w->p.mark_count + 1) {
        return pawl_fail(w->p.err, PAWL_EINVAL, 0,
                         "this %s is needed to rebuild itself",
                         pawl_kind_name((enum pawl_kind)value->kind));
    }
    *begun = w->p.mark_count + 1;
    return 0;
}

static int begin_list(struct walk *w, const struct pawl_value *value)
{
    pawl_emit_op(&w->p, PICKLE_EMPTY_LIST);
    pawl_emit_put(&w->p, &w->p.marks[value->id]);
    return value->as.seq.count == 0 ? 0 : push(w, FRAME_LIST, value);
}

static int begin_dict(struct walk *w, const struct pawl_value *value)
{
    uint32_t *mark = &w->p.marks[value->id];
    if (value->is_ordered) {
        pawl_emit_name(&w->p, PAWL_NAME_ORDERED_DICT);
        pawl_emit_call(&w->p, 0, mark);
        return push(w, FRAME_ORDERED_DICT, value);
    }
    pawl_emit_op(&w->p, PICKLE_EMPTY_DICT);
    pawl_emit_put(&w->p, mark);
    return value->as.dict.count == 0 ? 0 : push(w, FRAME_DICT, value);
}

static int begin_items(struct walk *w, enum frame_kind kind,
                       const struct pawl_value *tuple)
{
    if (tuple->as.seq.count == 0) {
        pawl_emit_op(&w->p, PICKLE_EMPTY_TUPLE);
        return 0;
    }
    int rc = begin_late(w, tuple);
    if (tuple->as.seq.count > 3) {
        pawl_emit_op(&w->p, PICKLE_MARK);
    }
    return rc < 0 ? rc : push(w, kind, tuple);
}

static int begin_set(struct walk *w, const struct pawl_value *value)
{
    int rc = begin_late(w, value);
    pawl_emit_name(&w->p, value->kind == PAWL_KIND_SET ? PAWL_NAME_SET
                                                       : PAWL_NAME_FROZENSET);
    pawl_emit_op(&w->p, PICKLE_EMPTY_LIST);
    pawl_emit_put(&w->p, NULL);
    return rc < 0 ? rc : push(w, FRAME_SET, value);
}

static bool has_kind(const struct pawl_value *value, enum pawl_kind kind)
{
    return value == NULL || value->kind == kind;
}

static int begin_object(struct walk *w, const struct pawl_value *value)
{
    const struct pawl_object *object = value->as.object;
    if (object->callable == NULL) {
        return pawl_fail(w->p.err, PAWL_EINVAL, 0, "an object has no callable");
    }
    if (!has_kind(object->args, PAWL_KIND_TUPLE) ||
        !has_kind(object->kwargs, PAWL_KIND_DICT) ||
        !has_kind(object->items, PAWL_KIND_LIST) ||
        !has_kind(object->pairs, PAWL_KIND_DICT)) {
        return pawl_fail(w->p.err, PAWL_EINVAL, 0,
                         "an object's arguments are no tuple, its items no "
                         "list or its pairs no dict");
    }
    int rc = begin_late(w, value);
    return rc < 0 ? rc : push(w, FRAME_OBJECT, value);
}

/* Writes a value, or begins it and leaves the rest to a frame. */
static int save(struct walk *w, const struct pawl_value *value)
{
    struct pawl_pickler *p = &w->p;
    if (value->kind == PAWL_KIND_STORAGE) {
        return pawl_emit_storage(p, value->as.storage); /* never in the memo */
    }
    if (pawl_emit_get(p, &p->marks[value->id])) {
        return 0;
    }
    switch (value->kind) {
    case PAWL_KIND_LIST:
        return begin_list(w, value);
    case PAWL_KIND_TUPLE:
        return begin_items(w, FRAME_TUPLE, value);
    case PAWL_KIND_SET:
    case PAWL_KIND_FROZENSET:
        return begin_set(w, value);
    case PAWL_KIND_DICT:
        return begin_dict(w, value);
    case PAWL_KIND_TENSOR:
        return pawl_emit_tensor(p, value);
    case PAWL_KIND_GLOBAL:
        return pawl_emit_global(p, value->as.global.module,
                                value->as.global.name);
    case PAWL_KIND_OBJECT:
        return begin_object(w, value);
    default:
        return pawl_emit_scalar(p, value);
    }
}

/* ---- the rest of containers -------------------------------------------- */

/* The number for a value that gets it late, or what takes its place if it got
 * one meanwhile: `drop` throws away what was built.  Returns whether it had
 * one. */
static bool end_late(struct pawl_pickler *p, const struct pawl_value *value,
                     enum pawl_pickle_opcode drop, size_t drop_count)
{
    uint32_t *mark = &p->marks[value->id];
    if (*mark == 0) {
        pawl_emit_put(p, mark);
        return false;
    }
    for (size_t i = 0; i < drop_count; i++) {
        pawl_emit_op(p, drop);
    }
    pawl_emit_get(p, mark);
    return true;
}

/* set([...]): the list is there, and gets its number before its items. */
static void end_set(struct pawl_pickler *p, const struct pawl_value *set)
{
    pawl_emit_tuple(p, 1);
    pawl_emit_put(p, NULL);
    pawl_emit_op(p, PICKLE_REDUCE);
    end_late(p, set, PICKLE_POP, 1);
}

static struct pawl_batch batch_of(const struct frame *frame)
{
    if (frame->kind == FRAME_DICT || frame->kind == FRAME_PAIRS) {
        return pawl_batch_pairs(frame->value, frame->kind == FRAME_DICT);
    }
    return pawl_batch_items(frame->value, frame->kind != FRAME_ITEMS);
}

static int advance_batch(struct walk *w)
{
    size_t depth = w->depth;
    struct pawl_batch batch = batch_of(&w->frames[depth - 1]);
    int rc = 0;
    while (rc == 0 && w->depth == depth) {
        struct frame *frame = &w->frames[depth - 1];
        const struct pawl_value *child =
            pawl_batch_next(&batch, &w->p, frame->at++);
        if (child == NULL) {
            if (frame->kind == FRAME_SET) {
                end_set(&w->p, frame->value);
            }
            w->depth--;
            return 0;
        }
        rc = save(w, child);
    }
    return rc;
}

static void end_tuple(struct walk *w, enum frame_kind kind,
                      const struct pawl_value *tuple)
{
    struct pawl_pickler *p = &w->p;
    size_t count = tuple->as.seq.count;
    w->depth--;
    if (kind == FRAME_ARGS) {
        pawl_emit_tuple(p, count);
        pawl_emit_put(p, NULL);
    } else if (p->marks[tuple->id] == 0) {
        pawl_emit_tuple(p, count);
        end_late(p, tuple, PICKLE_POP, 0);
    } else if (count <= 3) {
        end_late(p, tuple, PICKLE_POP, count);
    } else {
        end_late(p, tuple, PICKLE_POP_MARK, 1);
    }
}

static int advance_tuple(struct walk *w)
{
    size_t depth = w->depth;
    const struct pawl_value *tuple = w->frames[depth - 1].value;
    enum frame_kind kind = w->frames[depth - 1].kind;
    int rc = 0;
    while (rc == 0 && w->depth == depth) {
        size_t at = w->frames[depth - 1].at++;
        if (at == tuple->as.seq.count) {
            end_tuple(w, kind, tuple);
            return 0;
        }
        rc = save(w, tuple->as.seq.items[at]);
    }
    return rc;
}

/* ---- objects, step by step --------------------------------------------- */

static int save_or(struct walk *w, const struct pawl_value *value,
                   enum pawl_pickle_opcode otherwise)
{
    if (value != NULL) {
        return save(w, value);
    }
    pawl_emit_op(&w->p, otherwise);
    return 0;
}

/* The pickler cuts the arguments of NEWOBJ out of a longer tuple, a new one
 * each time: an object that is begun again inside itself has others there. */
static int save_args(struct walk *w, const struct pawl_object *object)
{
    if (object->how == PAWL_NEWOBJ && object->args != NULL) {
        return begin_items(w, FRAME_ARGS, object->args);
    }
    return save_or(w, object->args, PICKLE_EMPTY_TUPLE);
}

/* State or attributes; the BUILD comes in the next step. */
static int save_state(struct walk *w, const struct pawl_value *state)
{
    if (state == NULL) {
        w->depth--;
        return 0;
    }
    return save(w, state);
}

static int end_state(struct walk *w)
{
    pawl_emit_op(&w->p, PICKLE_BUILD);
    w->depth--;
    return 0;
}

static int advance_ordered_dict(struct walk *w)
{
    struct frame *frame = &w->frames[w->depth - 1];
    const struct pawl_value *dict = frame->value;
    switch (frame->at++) {
    case 0:
        return dict->as.dict.count == 0 ? 0 : push(w, FRAME_PAIRS, dict);
    case 1:
        return save_state(w, dict->as.dict.attrs);
    default:
        return end_state(w);
    }
}

static int build_object(struct walk *w, const struct pawl_value *value)
{
    static const enum pawl_pickle_opcode ops[] = {[PAWL_REDUCE] = PICKLE_REDUCE,
                                                  [PAWL_NEWOBJ] = PICKLE_NEWOBJ,
                                                  [PAWL_NEWOBJ_EX] =
                                                      PICKLE_NEWOBJ_EX};
    pawl_emit_op(&w->p, ops[value->as.object->how]);
    if (end_late(&w->p, value, PICKLE_POP, 1)) {
        w->depth--; /* the inner one has its items and state */
    }
    return 0;
}

static int advance_object(struct walk *w)
{
    struct frame *frame = &w->frames[w->depth - 1];
    const struct pawl_value *value = frame->value;
    const struct pawl_object *object = value->as.object;
    switch (frame->at++) {
    case 0:
        return save(w, object->callable);
    case 1:
        return save_args(w, object);
    case 2:
        return object->how == PAWL_NEWOBJ_EX
                   ? save_or(w, object->kwargs, PICKLE_EMPTY_DICT)
                   : 0;
    case 3:
        return build_object(w, value);
    case 4:
        return object->items == NULL || object->items->as.seq.count == 0
                   ? 0
                   : push(w, FRAME_ITEMS, object->items);
    case 5:
        return object->pairs == NULL || object->pairs->as.dict.count == 0
                   ? 0
                   : push(w, FRAME_PAIRS, object->pairs);
    case 6:
        return save_state(w, object->state);
    default:
        return end_state(w);
    }
}

static int advance(struct walk *w)
{
    switch (w->frames[w->depth - 1].kind) {
    case FRAME_TUPLE:
    case FRAME_ARGS:
        return advance_tuple(w);
    case FRAME_ORDERED_DICT:
        return advance_ordered_dict(w);
    case FRAME_OBJECT:
        return advance_object(w);
    default:
        return advance_batch(w);
    }
}

/* ---- the whole --------------------------------------------------------- */

/* Tables by value and storage id; at least one entry, so that NULL means out
 * of memory. */
static int begin_walk(struct walk *w, const struct pawl_state *state,
                      struct pawl_error *err)
{
    *w = (struct walk){.p = {.state = state, .err = err}};
    size_t values = (size_t)state->value_count + 1;
    size_t storages = (size_t)state->storage_count + 1;
    w->p.marks = calloc(values, sizeof(*w->p.marks));
    w->begun = calloc(values, sizeof(*w->begun));
    w->p.uses = calloc(storages, sizeof(*w->p.uses));
    w->p.storages = calloc(storages, sizeof(*w->p.storages));
    if (w->p.marks == NULL || w->begun == NULL || w->p.uses == NULL ||
        w->p.storages == NULL) {
        return pawl_fail_nomem(err);
    }
    return 0;
}

static void end_walk(struct walk *w)
{
    pawl_buffer_fini(&w->p.buf);
    pawl_strmap_fini(&w->p.global_marks);
    pawl_strmap_fini(&w->p.text_marks);
    pawl_arena_fini(&w->p.arena);
    free(w->p.marks);
    free(w->p.uses);
    free(w->p.storages);
    free(w->begun);
    free(w->frames);
}

static int run_walk(struct walk *w, const struct pawl_value *root)
{
    struct pawl_pickler *p = &w->p;
    pawl_emit_op(p, PICKLE_PROTO);
    pawl_buffer_append(&p->buf, "\2", 1);
    int rc = save(w, root);
    while (rc == 0 && w->depth > 0) {
        rc = advance(w);
    }
    pawl_emit_op(p, PICKLE_STOP);
    if (rc < 0) {
        return rc;
    }
    if (p->buf.failed) {
        return pawl_fail_nomem(p->err);
    }
    if (p->memo_count > UINT32_MAX) {
        return pawl_fail(p->err, PAWL_ENOTSUP, 0,
                         "more than 2^32 objects in one pickle");
    }
    return 0;
}

int pawl_pickle_write(struct pawl_pickle *out, const struct pawl_state *state,
                      struct pawl_error *err)
{
    struct walk w;
    int rc = pawl_state_status(state, err);
    if (rc < 0) {
        return rc;
    }
    if (state->root == NULL) {
        return pawl_fail(err, PAWL_EINVAL, 0, "the state has no root");
    }
    rc = begin_walk(&w, state, err);
    if (rc == 0) {
        rc = run_walk(&w, state->root);
    }
    if (rc == 0) {
        *out = (struct pawl_pickle){w.p.buf, w.p.storages, w.p.storage_count};
        w.p.buf = (struct pawl_buffer){0};
        w.p.storages = NULL;
    }
    end_walk(&w);
    return rc;
}

void pawl_pickle_fini(struct pawl_pickle *pickle)
{
    pawl_buffer_fini(&pickle->bytes);
    free(pickle->storages);
    *pickle = (struct pawl_pickle){0};
}
