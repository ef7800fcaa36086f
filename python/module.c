/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module.c - the extension module pawl._pawl
 *
 * The part of the Python binding that is faster, or only possible, in C:
 * objects to state (walk.c), state to objects (build.c), and the engine
 * (engine_type.c).  Policy is in pawl/ *.py.  Public headers only.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pawl/pawl.h>

#include "build.h"
#include "engine_type.h"
#include "raise.h"
#include "walk.h"

static PyObject *module_save(PyObject *module, PyObject *args)
{
    PyObject *root = NULL;
    PyObject *path = NULL;
    PyObject *session = NULL;
    struct walk walk;
    struct pawl_error err = {0, 0, ""};
    int rc = -1;
    (void)module;
    if (!PyArg_ParseTuple(args, "OO&O:save", &root, PyUnicode_FSConverter,
                          &path, &session)) {
        return NULL;
    }
    if (walk_object(&walk, root, session) == 0) {
        Py_BEGIN_ALLOW_THREADS;
        rc = pawl_save(walk.state, PyBytes_AS_STRING(path), &err);
        Py_END_ALLOW_THREADS;
        if (rc < 0) {
            raise_error(&err, path);
        }
    }
    walk_fini(&walk);
    Py_DECREF(path);
    if (rc < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *module_load(PyObject *module, PyObject *args)
{
    PyObject *path = NULL;
    PyObject *loader = NULL;
    struct pawl_state *state = NULL;
    struct pawl_error err = {0, 0, ""};
    int rc = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "O&O:load", PyUnicode_FSConverter, &path,
                          &loader)) {
        return NULL;
    }
    unsigned flags = 0;
    if (build_flags(&flags, loader) < 0) {
        Py_DECREF(path);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    rc = pawl_load(&state, PyBytes_AS_STRING(path), flags, &err);
    Py_END_ALLOW_THREADS;
    PyObject *object =
        rc < 0 ? raise_error(&err, path) : build_object(state, loader);
    Py_DECREF(path);
    return object;
}

static PyMethodDef module_methods[] = {
    {"save", module_save, METH_VARARGS, "save(obj, path, session)"},
    {"load", module_load, METH_VARARGS, "load(path, loader)"},
    {NULL, NULL, 0, NULL},
};

static int add_type(PyObject *module)
{
    PyObject *type = engine_type_new();
    if (type == NULL) {
        return -1;
    }
    int rc = PyModule_AddObject(module, "Engine", type);
    if (rc < 0) {
        Py_DECREF(type);
    }
    return rc;
}

static int module_exec(PyObject *module)
{
    if (add_type(module) < 0 ||
        PyModule_AddStringConstant(module, "VERSION", pawl_version()) < 0 ||
        PyModule_AddIntConstant(module, "GLOBAL", WALK_GLOBAL) < 0 ||
        PyModule_AddIntConstant(module, "REDUCE", WALK_REDUCE) < 0 ||
        PyModule_AddIntConstant(module, "NEWOBJ", WALK_NEWOBJ) < 0 ||
        PyModule_AddIntConstant(module, "TENSOR", WALK_TENSOR) < 0 ||
        PyModule_AddIntConstant(module, "STORAGE", WALK_STORAGE) < 0) {
        return -1;
    }
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)module_exec},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pawl._pawl",
    .m_doc = "The C part of pawl; use the package pawl.",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__pawl(void);
PyMODINIT_FUNC PyInit__pawl(void)
{
    return PyModuleDef_Init(&module_def);
}
