/* SPDX-License-Identifier: Apache-2.0 */
/* dlpack.c - see dlpack.h. */
#include "dlpack.h"

static const struct {
    uint8_t code;
    uint8_t bits;
    enum pawl_dtype dtype;
} known[] = {
    {2, 32, PAWL_FLOAT32}, {4, 16, PAWL_BFLOAT16},  {2, 16, PAWL_FLOAT16},
    {2, 64, PAWL_FLOAT64}, {0, 64, PAWL_INT64},     {0, 32, PAWL_INT32},
    {0, 16, PAWL_INT16},   {0, 8, PAWL_INT8},       {1, 8, PAWL_UINT8},
    {6, 8, PAWL_BOOL},     {5, 64, PAWL_COMPLEX64}, {5, 128, PAWL_COMPLEX128},
};
#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))

const struct dlpack_exchange *dlpack_find(PyObject *tensor_type)
{
    PyObject *capsule =
        PyObject_GetAttrString(tensor_type, "__dlpack_c_exchange_api__");
    const struct dlpack_exchange *exchange = NULL;
    if (capsule != NULL) {
        exchange = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
        Py_DECREF(capsule); /* the table is static in torch */
    }
    PyErr_Clear();
    return exchange != NULL && exchange->major == 1 && exchange->make != NULL &&
                   exchange->look != NULL
               ? exchange
               : NULL;
}

int dlpack_dtype(const struct dlpack_tensor *tensor)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (known[i].code == tensor->dtype_code &&
            known[i].bits == tensor->dtype_bits && tensor->dtype_lanes == 1) {
            return (int)known[i].dtype;
        }
    }
    return -1;
}

int dlpack_set_dtype(struct dlpack_tensor *tensor, enum pawl_dtype dtype)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (known[i].dtype == dtype) {
            tensor->dtype_code = known[i].code;
            tensor->dtype_bits = known[i].bits;
            tensor->dtype_lanes = 1;
            return 1;
        }
    }
    return 0;
}
