/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build.c - a pawl_state becomes Python objects
 *
 * A walk in the order in which an unpickler would do the work, on a stack of
 * our own.  Each frame is a value that is being made; it asks for its parts one
 * after the other, and a part that is not made yet gets a frame above it.
 *
 * Mutable containers exist as soon as they are met and are filled afterwards,
 * so cycles end at them.  A tuple, a frozenset or an object exists only once
 * its parts (arguments) do.  When a cycle comes back to one that does not exist
 * yet, it is begun again from the inside, where the container that closes the
 * cycle does exist, and the outer attempt then finds it done: what pickle does
 * too.  When nothing came into being since it was last begun, that would go on
 * for ever, and the file is refused.
 */
#include "build.h"

#include <stdlib.h>

#include <pawl/engine.h>

#include "leaf.h"
#include "raise.h"

struct mark {
    size_t open;      /* its innermost frame, plus one; 0: none */
    size_t made;      /* build.made when that was begun */
    uint32_t nesting; /* of a tuple: how deep tuples lie in it */
};

struct frame {
    struct pawl_value *value;
    size_t next;  /* the part to be made next */
    size_t outer; /* the frame of the same value below, plus one; or 0 */
};

struct build {
    PyObject *loader;    /* borrowed */
    PyObject **built;    /* by value id; owned references */
    struct mark *marks;  /* by value id */
    PyObject **storages; /* by storage id; owned references */
    struct views views;
    size_t made; /* how many objects came into being */
    size_t value_count;
    size_t storage_count;
    struct frame *stack;
    size_t depth;
    size_t capacity;
};

/* What a step did. */
enum step { STEP_ERROR = -1, STEP_DONE, STEP_AGAIN };

static PyObject **slot(const struct build *build,
                       const struct pawl_value *value)
{
    return &build->built[pawl_value_id(value)];
}

/* Puts a new reference, or NULL with an exception, as the value's object. */
static enum step set_built(struct build *build, const struct pawl_value *value,
                           PyObject *object)
{
    *slot(build, value) = object;
    build->made++;
    return object == NULL ? STEP_ERROR : STEP_DONE;
}

static enum step push(struct build *build, struct pawl_value *value)
{
    struct mark *mark = &build->marks[pawl_value_id(value)];
    if (mark->open > 0 && mark->made == build->made) {
        raise_code(PAWL_EFORMAT, "a %s contains itself",
                   pawl_kind_name(pawl_value_kind(value)));
        return STEP_ERROR;
    }
    if (build->depth == build->capacity) {
        size_t capacity = build->capacity ? build->capacity * 2 : 64;
        struct frame *stack =
            PyMem_Realloc(build->stack, capacity * sizeof(stack[0]));
        if (stack == NULL) {
            PyErr_NoMemory();
            return STEP_ERROR;
        }
        build->stack = stack;
        build->capacity = capacity;
    }
    /* What the outer attempt has of the parts need not be looked at again. */
    size_t next = mark->open > 0 ? build->stack[mark->open - 1].next : 0;
    build->stack[build->depth++] = (struct frame){value, next, mark->open};
    mark->open = build->depth;
    mark->made = build->made;
    return STEP_AGAIN;
}

/* The object of a part (borrowed), or NULL: then `*step` says whether it was
 * given a frame or failed.  A part that is NULL is None. */
static PyObject *part(struct build *build, struct pawl_value *value,
                      enum step *step)
{
    if (value == NULL) {
        return Py_None;
    }
    PyObject *object = *slot(build, value);
    if (object == NULL) {
        *step = push(build, value);
    }
    return object;
}

/* Python hashes a tuple by recursion without a guard: this is the guard. */
#define MAX_KEY_NESTING 1000

static int check_key(const struct build *build, const struct pawl_value *key)
{
    if (key != NULL &&
        build->marks[pawl_value_id(key)].nesting > MAX_KEY_NESTING) {
        raise_code(PAWL_EFORMAT, "a key is a tuple nested more than %d deep",
                   MAX_KEY_NESTING);
        return -1;
    }
    return 0;
}

static void note_nesting(const struct build *build,
                         const struct pawl_value *value,
                         const struct pawl_value *item)
{
    struct mark *mark = &build->marks[pawl_value_id(value)];
    uint32_t below = item ? build->marks[pawl_value_id(item)].nesting : 0;
    if (below >= mark->nesting) {
        mark->nesting = below + 1;
    }
}

/* ---- containers -------------------------------------------------------- */

/* A list or a set: there first, filled then. */
static enum step step_mutable(struct build *build, struct frame *frame)
{
    struct pawl_value *value = frame->value;
    bool is_list = pawl_value_kind(value) == PAWL_KIND_LIST;
    enum step step = STEP_DONE;
    if (*slot(build, value) == NULL &&
        set_built(build, value, is_list ? PyList_New(0) : PySet_New(NULL))) {
        return STEP_ERROR;
    }
    PyObject *object = *slot(build, value);
    for (size_t i = frame->next; i < pawl_count(value); i++) {
        frame->next = i;
        PyObject *item = part(build, pawl_item(value, i), &step);
        if (item == NULL) {
            return step;
        }
        if (is_list ? PyList_Append(object, item)
                    : check_key(build, pawl_item(value, i)) ||
                          PySet_Add(object, item)) {
            return STEP_ERROR;
        }
    }
    return STEP_DONE;
}

/* A tuple or a frozenset: made when all items are there. */
static enum step step_immutable(struct build *build, struct frame *frame)
{
    struct pawl_value *value = frame->value;
    enum step step = STEP_DONE;
    if (*slot(build, value) != NULL) { /* by an attempt from the inside */
        return STEP_DONE;
    }
    for (; frame->next < pawl_count(value); frame->next++) {
        if (part(build, pawl_item(value, frame->next), &step) == NULL) {
            return step;
        }
    }
    PyObject *tuple = PyTuple_New((Py_ssize_t)pawl_count(value));
    for (size_t i = 0; tuple != NULL && i < pawl_count(value); i++) {
        PyObject *item = part(build, pawl_item(value, i), &step);
        Py_INCREF(item);
        PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, item);
        note_nesting(build, value, pawl_item(value, i));
    }
    if (tuple != NULL && pawl_value_kind(value) == PAWL_KIND_FROZENSET) {
        PyObject *set =
            check_key(build, value) < 0 ? NULL : PyFrozenSet_New(tuple);
        Py_DECREF(tuple);
        tuple = set;
    }
    return set_built(build, value, tuple);
}

/* Sets attributes as pickle's BUILD does: by way of __dict__. */
static int set_attributes(PyObject *object, PyObject *attrs)
{
    PyObject *dict = PyObject_GetAttrString(object, "__dict__");
    int rc = dict == NULL ? -1 : PyDict_Update(dict, attrs);
    Py_XDECREF(dict);
    return rc;
}

static PyObject *new_ordered_dict(void)
{
    return PyObject_CallObject((PyObject *)&PyODict_Type, NULL);
}

static enum step step_dict(struct build *build, struct frame *frame)
{
    struct pawl_value *value = frame->value;
    bool is_ordered = pawl_dict_is_ordered(value);
    enum step step = STEP_DONE;
    if (*slot(build, value) == NULL &&
        set_built(build, value,
                  is_ordered ? new_ordered_dict() : PyDict_New())) {
        return STEP_ERROR;
    }
    PyObject *object = *slot(build, value);
    for (size_t i = frame->next; i < pawl_count(value); i++) {
        frame->next = i;
        PyObject *key = part(build, pawl_key(value, i), &step);
        PyObject *item =
            key == NULL ? NULL : part(build, pawl_item(value, i), &step);
        if (item == NULL) {
            return step;
        }
        if (check_key(build, pawl_key(value, i)) ||
            PyObject_SetItem(object, key, item) < 0) {
            return STEP_ERROR;
        }
    }
    frame->next = pawl_count(value);
    struct pawl_value *attrs = pawl_dict_attrs(value);
    if (attrs == NULL) {
        return STEP_DONE;
    }
    PyObject *attributes = part(build, attrs, &step);
    if (attributes == NULL) {
        return step;
    }
    return set_attributes(object, attributes) < 0 ? STEP_ERROR : STEP_DONE;
}

/* ---- objects ----------------------------------------------------------- */

enum { OBJECT_MAKE, OBJECT_ITEMS, OBJECT_PAIRS, OBJECT_STATE, OBJECT_DONE };

static enum step make_object(struct build *build, struct pawl_value *value,
                             const struct pawl_object *parts)
{
    enum step step = STEP_DONE;
    PyObject *callable = part(build, parts->callable, &step);
    PyObject *args = callable ? part(build, parts->args, &step) : NULL;
    PyObject *kwargs = args ? part(build, parts->kwargs, &step) : NULL;
    if (kwargs == NULL) {
        return step;
    }
    return set_built(build, value,
                     PyObject_CallMethod(build->loader, "make_object", "iOOO",
                                         (int)(parts->how != PAWL_REDUCE),
                                         callable, args, kwargs));
}

/* Gives one more part to an object that exists. */
static enum step add_part(struct build *build, struct pawl_value *value,
                          struct pawl_value *given, const char *method)
{
    enum step step = STEP_DONE;
    if (given == NULL) {
        return STEP_DONE;
    }
    PyObject *object = part(build, given, &step);
    if (object == NULL) {
        return step;
    }
    PyObject *done = PyObject_CallMethod(build->loader, method, "OO",
                                         *slot(build, value), object);
    Py_XDECREF(done);
    return done == NULL ? STEP_ERROR : STEP_DONE;
}

static enum step step_object(struct build *build, struct frame *frame)
{
    struct pawl_value *value = frame->value;
    const struct pawl_object *parts = pawl_get_object(value);
    enum step step = STEP_DONE;
    while (frame->next < OBJECT_DONE) {
        switch (frame->next) {
        case OBJECT_MAKE:
            if (*slot(build, value) != NULL) {
                return STEP_DONE; /* whole, by an attempt from the inside */
            }
            step = make_object(build, value, parts);
            break;
        case OBJECT_ITEMS:
            step = add_part(build, value, parts->items, "extend");
            break;
        case OBJECT_PAIRS:
            step = add_part(build, value, parts->pairs, "update");
            break;
        default:
            step = add_part(build, value, parts->state, "set_state");
            break;
        }
        if (step != STEP_DONE) {
            return step;
        }
        frame->next++;
    }
    return STEP_DONE;
}

/* ---- the walk ---------------------------------------------------------- */

static enum step step_value(struct build *build, struct frame *frame)
{
    switch (pawl_value_kind(frame->value)) {
    case PAWL_KIND_LIST:
    case PAWL_KIND_SET:
        return step_mutable(build, frame);
    case PAWL_KIND_TUPLE:
    case PAWL_KIND_FROZENSET:
        return step_immutable(build, frame);
    case PAWL_KIND_DICT:
        return step_dict(build, frame);
    case PAWL_KIND_OBJECT:
        return step_object(build, frame);
    default:
        return set_built(
            build, frame->value,
            leaf_object(&build->views, build->storages, frame->value));
    }
}

static int run(struct build *build, struct pawl_value *root)
{
    enum step step = push(build, root);
    while (step != STEP_ERROR && build->depth > 0) {
        /* A step may push, which moves the stack: work on a copy. */
        size_t top = build->depth - 1;
        struct frame frame = build->stack[top];
        step = step_value(build, &frame);
        build->stack[top] = frame;
        if (step == STEP_DONE) {
            build->depth--;
            build->marks[pawl_value_id(frame.value)].open = frame.outer;
        }
    }
    return step == STEP_ERROR ? -1 : 0;
}

static int build_init(struct build *build, struct pawl_state *state,
                      PyObject *loader)
{
    size_t values = pawl_state_value_count(state);
    size_t storages = pawl_state_storage_count(state);
    *build = (struct build){
        .loader = loader, .value_count = values, .storage_count = storages};
    build->built = PyMem_Calloc(values + 1, sizeof(build->built[0]));
    build->marks = PyMem_Calloc(values + 1, sizeof(build->marks[0]));
    build->storages = PyMem_Calloc(storages + 1, sizeof(build->storages[0]));
    if (build->built == NULL || build->marks == NULL ||
        build->storages == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return views_init(&build->views, state, loader);
}

static void build_fini(struct build *build, struct pawl_state *state)
{
    views_fini(&build->views, state);
    for (size_t i = 0; build->built != NULL && i < build->value_count; i++) {
        Py_XDECREF(build->built[i]);
    }
    for (size_t i = 0; build->storages != NULL && i < build->storage_count;
         i++) {
        Py_XDECREF(build->storages[i]);
    }
    PyMem_Free(build->built);
    PyMem_Free(build->marks);
    PyMem_Free(build->storages);
    PyMem_Free(build->stack);
}

/* As PyObject_IsTrue, of what may be NULL; takes the reference over. */
static int is_true(PyObject *answer)
{
    int truth = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return truth;
}

int build_flags(unsigned *flags, PyObject *loader)
{
    int is_meta = is_true(PyObject_CallMethod(loader, "is_meta", NULL));
    int maps =
        is_meta != 0 ? 0 : is_true(PyObject_GetAttrString(loader, "maps_file"));
    if (is_meta < 0 || maps < 0) {
        return -1;
    }
    *flags = is_meta ? PAWL_LOAD_LAZY : maps ? PAWL_LOAD_MAP : 0;
    return 0;
}

/* The collector would walk again and again over what only grows.  1 if it was
 * on; Python 3.9 has no way to ask. */
static int pause_collector(void)
{
#if PY_VERSION_HEX >= 0x030A0000
    return PyGC_Disable();
#else
    return 0;
#endif
}

static void resume_collector(int was_on)
{
#if PY_VERSION_HEX >= 0x030A0000
    if (was_on) {
        PyGC_Enable();
    }
#else
    (void)was_on;
#endif
}

PyObject *build_object(struct pawl_state *state, PyObject *loader)
{
    struct build build;
    struct pawl_value *root = pawl_state_root(state);
    PyObject *object = NULL;
    if (root == NULL) {
        pawl_state_free(state);
        Py_RETURN_NONE;
    }
    int was_on = pause_collector();
    if (build_init(&build, state, loader) == 0 && run(&build, root) == 0) {
        object = *slot(&build, root);
        Py_INCREF(object);
    }
    resume_collector(was_on);
    build_fini(&build, state);
    return object;
}
