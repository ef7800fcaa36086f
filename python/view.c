/* SPDX-License-Identifier: Apache-2.0 */
/* view.c - see view.h. */
#include "view.h"

#include <stdatomic.h>
#include <stdlib.h>

struct view_keeper {
    struct pawl_memory *memory;    /* set when the building is over */
    atomic_size_t references;      /* the building's, and each tensor's */
    struct dlpack_managed slots[]; /* by storage id */
};

/* ---- the memory ---------------------------------------------------------- */

static void keeper_unref(struct view_keeper *keeper)
{
    if (keeper != NULL &&
        atomic_fetch_sub_explicit(&keeper->references, 1,
                                  memory_order_acq_rel) == 1) {
        pawl_memory_free(keeper->memory);
        free(keeper);
    }
}

/* Called by torch, with or without the GIL. */
static void tensor_is_gone(struct dlpack_managed *managed)
{
    keeper_unref(managed->manager_ctx);
}

int views_init(struct views *views, struct pawl_state *state, PyObject *loader)
{
    size_t count = pawl_state_storage_count(state);
    *views = (struct views){.loader = loader, .count = count};
    views->given = PyMem_Calloc(count + 1, sizeof(views->given[0]));
    views->keeper =
        calloc(1, sizeof(*views->keeper) +
                      (count + 1) * sizeof(views->keeper->slots[0]));
    if (views->given == NULL || views->keeper == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    atomic_init(&views->keeper->references, 1);
    return 0;
}

void views_fini(struct views *views, struct pawl_state *state)
{
    for (size_t i = 0; views->given != NULL && i < views->count; i++) {
        Py_XDECREF(views->given[i]);
    }
    PyMem_Free(views->given);
    Py_XDECREF(views->make_parameter);
    Py_XDECREF(views->parameter_type);
    Py_XDECREF(views->grad_name);
    Py_XDECREF(views->storage_name);
    if (views->keeper != NULL) {
        views->keeper->memory = pawl_state_free_but_memory(state);
        state = views->keeper->memory == NULL ? state : NULL;
    }
    if (state == NULL || views->keeper == NULL) {
        keeper_unref(views->keeper);
        pawl_state_free(state);
    }
    /* Else there is no memory to say who owns the bytes: tensors may have
     * them, so they stay. */
    *views = (struct views){0};
}

/* ---- torch --------------------------------------------------------------- */

static int look_up(struct views *views)
{
    PyObject *module = PyImport_ImportModule("torch");
    PyObject *nn = module == NULL ? NULL : PyObject_GetAttrString(module, "nn");
    PyObject *tensor_type =
        nn == NULL ? NULL : PyObject_GetAttrString(module, "Tensor");
    views->is_looked_up = 1;
    if (tensor_type != NULL) {
        views->parameter_type = PyObject_GetAttrString(nn, "Parameter");
        views->make_parameter =
            PyObject_GetAttrString(tensor_type, "_make_subclass");
        views->grad_name = PyUnicode_InternFromString("requires_grad");
        views->storage_name = PyUnicode_InternFromString("untyped_storage");
    }
    if (!PyErr_Occurred()) {
        views->exchange = dlpack_find(tensor_type);
    }
    Py_XDECREF(tensor_type);
    Py_XDECREF(nn);
    Py_XDECREF(module);
    return PyErr_Occurred() ? -1 : 0;
}

/* Whether views can be made at all: 1, 0 or -1. */
static int can_view(struct views *views)
{
    if (!views->is_looked_up && look_up(views) < 0) {
        return -1;
    }
    return views->exchange != NULL;
}

/* Gives a storage to torch as a tensor of that shape. */
static PyObject *give(struct views *views, const struct pawl_storage *storage,
                      const struct pawl_tensor *shape)
{
    struct view_keeper *keeper = views->keeper;
    uint32_t id = pawl_storage_id(storage);
    struct dlpack_managed *slot = &keeper->slots[id];
    void *made = NULL;
    *slot = (struct dlpack_managed){
        .major = 1,
        .manager_ctx = keeper,
        .deleter = tensor_is_gone,
        .tensor = {.data = (void *)(uintptr_t)pawl_storage_data(storage),
                   .device_type = DLPACK_CPU,
                   .ndim = (int32_t)shape->ndim,
                   .shape = (int64_t *)(uintptr_t)shape->shape,
                   .strides = (int64_t *)(uintptr_t)shape->strides},
    };
    dlpack_set_dtype(&slot->tensor, shape->dtype);
    atomic_fetch_add_explicit(&keeper->references, 1, memory_order_relaxed);
    if (views->exchange->make(slot, &made) != 0) {
        /* Whether torch let go of it is not known: rather a leak. */
        return NULL;
    }
    slot->tensor.shape = NULL; /* torch has copied both */
    slot->tensor.strides = NULL;
    views->given[id] = made;
    Py_INCREF(views->given[id]);
    return made;
}

/* ---- tensors ------------------------------------------------------------- */

/* Whether map_location leaves a storage of that place where it is. */
static int stays(struct views *views, const char *location)
{
    if (location != views->location) {
        PyObject *answer =
            PyObject_CallMethod(views->loader, "stays", "s", location);
        views->stays = answer == NULL ? -1 : PyObject_IsTrue(answer);
        views->location = location;
        Py_XDECREF(answer);
    }
    return views->stays;
}

static int is_whole(const struct pawl_tensor *tensor)
{
    uint64_t expected = 1;
    for (uint32_t i = tensor->ndim; i > 0; i--) {
        if (tensor->strides[i - 1] != expected) {
            return 0;
        }
        expected *= tensor->shape[i - 1];
    }
    return tensor->offset == 0 && expected * pawl_dtype_size(tensor->dtype) ==
                                      pawl_storage_size(tensor->storage);
}

static int can_have_grad(enum pawl_dtype dtype)
{
    return dtype == PAWL_FLOAT32 || dtype == PAWL_BFLOAT16 ||
           dtype == PAWL_FLOAT16 || dtype == PAWL_FLOAT64 ||
           dtype == PAWL_COMPLEX64 || dtype == PAWL_COMPLEX128;
}

/* Bytes that torch has not got yet, and a tensor that DLPack can tell of. */
static int is_simple(const struct views *views,
                     const struct pawl_tensor *tensor)
{
    struct dlpack_tensor probe;
    return pawl_storage_data(tensor->storage) != NULL &&
           views->given[pawl_storage_id(tensor->storage)] == NULL &&
           !tensor->is_conj && !tensor->is_neg && is_whole(tensor) &&
           (!tensor->requires_grad || can_have_grad(tensor->dtype)) &&
           dlpack_set_dtype(&probe, tensor->dtype);
}

static PyObject *finish(struct views *views, PyObject *made,
                        const struct pawl_tensor *tensor)
{
    PyObject *grad = tensor->requires_grad ? Py_True : Py_False;
    if (tensor->is_parameter) {
        PyObject *parameter = PyObject_CallFunctionObjArgs(
            views->make_parameter, views->parameter_type, made, grad, NULL);
        Py_DECREF(made);
        return parameter;
    }
    if (tensor->requires_grad &&
        PyObject_SetAttr(made, views->grad_name, grad) < 0) {
        Py_CLEAR(made);
    }
    return made;
}

PyObject *view_whole(struct views *views, const struct pawl_tensor *tensor)
{
    if (!is_simple(views, tensor) || can_view(views) <= 0 ||
        stays(views, pawl_storage_location(tensor->storage)) <= 0) {
        return NULL;
    }
    PyObject *made = give(views, tensor->storage, tensor);
    return made == NULL ? NULL : finish(views, made, tensor);
}

PyObject *view_storage(struct views *views, const struct pawl_storage *storage)
{
    uint64_t size = pawl_storage_size(storage);
    uint64_t one = 1;
    struct pawl_tensor bytes = PAWL_TENSOR_INIT;
    if (pawl_storage_data(storage) == NULL || can_view(views) <= 0) {
        return NULL;
    }
    bytes.dtype = PAWL_UINT8;
    bytes.ndim = 1;
    bytes.shape = &size;
    bytes.strides = &one;
    PyObject *made = views->given[pawl_storage_id(storage)];
    Py_XINCREF(made);
    if (made == NULL) {
        made = give(views, storage, &bytes);
    }
    PyObject *untyped =
        made == NULL ? NULL
                     : PyObject_CallMethodNoArgs(made, views->storage_name);
    Py_XDECREF(made);
    return untyped;
}
