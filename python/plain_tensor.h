/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plain_tensor.h - torch's plain tensors, looked at without Python code
 *
 * A checkpoint can have 100,000 tensors, and a call into Python for each costs
 * more than writing them.  What a tensor is comes from torch's DLPack exchange
 * table (DLPack 1.2, torch 2.9 and later); its storage from four attributes.
 * Whatever is not plain (not exactly torch.Tensor or Parameter, with
 * attributes or hooks, not strided, not on the CPU, of a rare dtype, lazily
 * conjugated or negated) is left to pawl.pickling.
 */
#ifndef PAWL_PYTHON_PLAIN_TENSOR_H
#define PAWL_PYTHON_PLAIN_TENSOR_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pawl/state.h>

struct dlpack_exchange;

/* torch's parts that a walk needs; looked up once a walk.  Init with {0}. */
struct torch_parts {
    int is_looked_up;
    PyObject *tensor_type; /* NULL: there is no torch */
    PyObject *parameter_type;
    PyObject *strided;
    const struct dlpack_exchange *exchange; /* NULL: too old */
    PyObject *names[9];
};

/* A plain tensor and its storage.  Counts of elements. */
struct plain_tensor {
    enum pawl_dtype dtype;
    int is_parameter;
    int requires_grad;
    uint32_t ndim;
    const uint64_t *shape; /* torch's, valid while the tensor lives */
    const uint64_t *strides;
    uint64_t offset;
    uint64_t storage_key; /* torch's identity of the storage */
    const void *storage_data;
    uint64_t storage_bytes;
    PyObject *storage; /* new reference */
};

/* 1 and `out` filled if `obj` is plain; 0 if not; -1 with an exception. */
int plain_tensor_look(struct plain_tensor *out, struct torch_parts *torch,
                      PyObject *obj);
void torch_parts_fini(struct torch_parts *torch);

#endif
