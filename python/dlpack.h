/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dlpack.h - tensors to and from torch without Python code
 *
 * The structures are DLPack's (version 1.2 and later ones of major 1): their
 * layout is its ABI, and only what is used is declared.  Torch 2.9 and later
 * have the table of functions.
 */
#ifndef PAWL_PYTHON_DLPACK_H
#define PAWL_PYTHON_DLPACK_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pawl/state.h>

enum { DLPACK_CPU = 1 };

struct dlpack_tensor {
    void *data;
    int32_t device_type;
    int32_t device_id;
    int32_t ndim;
    uint8_t dtype_code;
    uint8_t dtype_bits;
    uint16_t dtype_lanes;
    int64_t *shape;
    int64_t *strides;
    uint64_t byte_offset;
};

/* A tensor with an owner, who is told by `deleter` when it is gone. */
struct dlpack_managed {
    uint32_t major;
    uint32_t minor;
    void *manager_ctx;
    void (*deleter)(struct dlpack_managed *self);
    uint64_t flags;
    struct dlpack_tensor tensor;
};

struct dlpack_exchange {
    uint32_t major;
    uint32_t minor;
    const void *older;
    void (*unused[2])(void);
    /* Makes a Python tensor, which takes `managed` over.  0, or -1 with an
     * exception. */
    int (*make)(struct dlpack_managed *managed, void **out);
    /* Describes a Python tensor without taking a reference.  Likewise. */
    int (*look)(void *py_object, struct dlpack_tensor *out);
};

/* The table of torch.Tensor, or NULL if there is none that we know.  It lives
 * as long as torch.  No exception is set. */
const struct dlpack_exchange *dlpack_find(PyObject *tensor_type);

/* The dtype of a tensor, or -1 if it is none of the common ones. */
int dlpack_dtype(const struct dlpack_tensor *tensor);
/* Sets the dtype of a tensor; 0 if it is none of the common ones. */
int dlpack_set_dtype(struct dlpack_tensor *tensor, enum pawl_dtype dtype);

#endif
