/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_type.c - the Python type pawl._pawl.Engine: a pawl_engine
 *
 * One method a call of pawl/engine.h, positional arguments only; what a user
 * sees is pawl.CheckpointEngine, which is written over this in Python.
 *
 * Locking: the GIL is released around every call into the library, and is
 * never taken by one of its threads but for the log and the comm.  An engine
 * may take its own locks before it logs; that is safe because nobody waits for
 * such a lock while holding the GIL.  `active` counts the calls that are
 * inside, so that free cannot pull the engine away from under one; the GIL
 * guards it.
 */
#include "engine_type.h"

#include <pawl/pawl.h>

#include "build.h"
#include "comm_bridge.h"
#include "raise.h"
#include "walk.h"

/* A saved state whose tensors are still being copied. */
struct kept_walk {
    struct kept_walk *next;
    struct walk walk;
};

struct engine_object {
    PyObject ob_base;
    struct pawl_engine *engine; /* NULL once freed */
    PyObject *log;              /* callable(level, line); owned */
    PyObject *on_event;     /* callable(kind, tag, message) or NULL; owned */
    struct kept_walk *kept; /* of a lazy engine, until its fence */
    int is_lazy;            /* save returns before it copied */
    unsigned active;
};

static struct engine_object *cast(PyObject *self)
{
    return (struct engine_object *)self;
}

/* ---- life -------------------------------------------------------------- */

static void log_line(void *ctx, enum pawl_log_level level, const char *line)
{
    if (!Py_IsInitialized()) {
        return;
    }
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *text =
        PyUnicode_DecodeUTF8(line, (Py_ssize_t)strlen(line), "replace");
    PyObject *done = text == NULL
                         ? NULL
                         : PyObject_CallFunction(ctx, "iO", (int)level, text);
    if (done == NULL) {
        PyErr_WriteUnraisable(ctx);
    }
    Py_XDECREF(done);
    Py_XDECREF(text);
    PyGILState_Release(gil);
}

/* Hands an event on as (kind, tag, message); from any thread. */
static void event_told(void *ctx, const struct pawl_event *event)
{
    if (!Py_IsInitialized()) {
        return;
    }
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *message = PyUnicode_DecodeUTF8(
        event->message, (Py_ssize_t)strlen(event->message), "replace");
    PyObject *tag = PyUnicode_DecodeFSDefault(event->tag);
    PyObject *done =
        message == NULL || tag == NULL
            ? NULL
            : PyObject_CallFunction(ctx, "iOO", (int)event->kind, tag, message);
    if (done == NULL) {
        PyErr_WriteUnraisable(ctx);
    }
    Py_XDECREF(done);
    Py_XDECREF(tag);
    Py_XDECREF(message);
    PyGILState_Release(gil);
}

static PyObject *engine_make(PyTypeObject *type, PyObject *args,
                             PyObject *kwargs)
{
    const char *config = NULL;
    PyObject *log = NULL;
    PyObject *on_event = NULL;
    PyObject *ranks = NULL;
    struct pawl_comm comm = {NULL, NULL, 0, 1};
    struct pawl_engine *engine = NULL;
    struct pawl_error err = {0, 0, ""};
    int rc = 0;
    int is_lazy = 0;
    if (!PyArg_ParseTuple(args, "sOOpO:Engine", &config, &log, &on_event,
                          &is_lazy, &ranks)) {
        return NULL;
    }
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "Engine takes no keywords");
        return NULL;
    }
    if (ranks != Py_None && comm_bridge_init(&comm, ranks) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    rc = comm.ops == NULL ? pawl_engine_new(&engine, config, &err)
                          : pawl_engine_new_ranks(&engine, config, &comm, &err);
    Py_END_ALLOW_THREADS;
    if (rc < 0) {
        return raise_error(&err, NULL);
    }
    PyObject *self = type->tp_alloc(type, 0);
    if (self == NULL) {
        pawl_engine_free(engine);
        return NULL;
    }
    Py_INCREF(log);
    cast(self)->engine = engine;
    cast(self)->log = log;
    cast(self)->is_lazy = is_lazy;
    pawl_engine_set_log(engine, log_line, log);
    if (on_event != Py_None) {
        Py_INCREF(on_event);
        cast(self)->on_event = on_event;
        pawl_engine_set_event(engine, event_told, on_event);
    }
    return self;
}

static void free_kept(struct kept_walk *kept)
{
    while (kept != NULL) {
        struct kept_walk *next = kept->next;
        walk_fini(&kept->walk);
        PyMem_Free(kept);
        kept = next;
    }
}

static void free_engine(struct engine_object *self)
{
    struct pawl_engine *engine = self->engine;
    self->engine = NULL;
    Py_BEGIN_ALLOW_THREADS;
    pawl_engine_free(engine);
    Py_END_ALLOW_THREADS;
    free_kept(self->kept);
    self->kept = NULL;
}

static void engine_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject *kind = NULL;
    PyObject *exc = NULL;
    PyObject *trace = NULL;
    PyErr_Fetch(&kind, &exc, &trace); /* the log runs Python */
    free_engine(cast(self));
    PyErr_Restore(kind, exc, trace);
    Py_CLEAR(cast(self)->log);
    Py_CLEAR(cast(self)->on_event);
    type->tp_free(self);
    Py_DECREF(type);
}

/* The engine, entered; NULL with an exception when it was freed. */
static struct pawl_engine *enter(PyObject *self)
{
    struct engine_object *object = cast(self);
    if (object->engine == NULL) {
        raise_code(PAWL_ESTATE, "the engine is closed");
        return NULL;
    }
    object->active++;
    return object->engine;
}

static PyObject *leave(PyObject *self, int rc, const struct pawl_error *err,
                       PyObject *path)
{
    cast(self)->active--;
    if (rc < 0) {
        return raise_error(err, path);
    }
    Py_RETURN_NONE;
}

static PyObject *engine_free(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (cast(self)->active > 0) {
        return raise_code(PAWL_EBUSY, "the engine is in use by a thread");
    }
    free_engine(cast(self));
    Py_RETURN_NONE;
}

/* ---- saving ------------------------------------------------------------ */

static PyObject *engine_create(PyObject *self, PyObject *args)
{
    PyObject *dir = NULL;
    const char *tag = NULL;
    int keep_latest = 0;
    struct pawl_error err = {0, 0, ""};
    int rc = 0;
    if (!PyArg_ParseTuple(args, "O&sp:create", PyUnicode_FSConverter, &dir,
                          &tag, &keep_latest)) {
        return NULL;
    }
    struct pawl_engine *engine = enter(self);
    if (engine == NULL) {
        Py_DECREF(dir);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    rc = pawl_engine_keep_latest(engine, keep_latest != 0, &err);
    if (rc == 0) {
        rc = pawl_engine_create(engine, PyBytes_AS_STRING(dir), tag, &err);
    }
    Py_END_ALLOW_THREADS;
    PyObject *result = leave(self, rc, &err, dir);
    Py_DECREF(dir);
    return result;
}

static PyObject *engine_makedirs(PyObject *self, PyObject *args)
{
    PyObject *path = NULL;
    int exist_ok = 0;
    struct pawl_error err = {0, 0, ""};
    int rc = 0;
    if (!PyArg_ParseTuple(args, "O&p:makedirs", PyUnicode_FSConverter, &path,
                          &exist_ok)) {
        return NULL;
    }
    struct pawl_engine *engine = enter(self);
    if (engine == NULL) {
        Py_DECREF(path);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    rc = pawl_engine_makedirs(engine, PyBytes_AS_STRING(path), exist_ok != 0,
                              &err);
    Py_END_ALLOW_THREADS;
    PyObject *result = leave(self, rc, &err, path);
    Py_DECREF(path);
    return result;
}

static PyObject *save_walked(PyObject *self, struct pawl_engine *engine,
                             PyObject *root, PyObject *session, PyObject *path)
{
    struct pawl_error err = {0, 0, ""};
    PyObject *result = NULL;
    struct kept_walk *kept = PyMem_Malloc(sizeof(*kept));
    if (kept == NULL) {
        cast(self)->active--;
        return PyErr_NoMemory();
    }
    if (walk_object(&kept->walk, root, session) == 0) {
        int rc = 0;
        Py_BEGIN_ALLOW_THREADS;
        rc = pawl_engine_save(engine, kept->walk.state, PyBytes_AS_STRING(path),
                              &err);
        Py_END_ALLOW_THREADS;
        result = leave(self, rc, &err, path);
    } else {
        cast(self)->active--;
    }
    if (cast(self)->is_lazy && result != NULL) {
        kept->next = cast(self)->kept; /* until the next fence */
        cast(self)->kept = kept;
    } else {
        walk_fini(&kept->walk);
        PyMem_Free(kept);
    }
    return result;
}

static PyObject *engine_save(PyObject *self, PyObject *args)
{
    PyObject *root = NULL;
    PyObject *path = NULL;
    PyObject *session = NULL;
    if (!PyArg_ParseTuple(args, "OO&O:save", &root, PyUnicode_FSConverter,
                          &path, &session)) {
        return NULL;
    }
    struct pawl_engine *engine = enter(self);
    PyObject *result =
        engine == NULL ? NULL : save_walked(self, engine, root, session, path);
    Py_DECREF(path);
    return result;
}

/* commit, abort and close: a tag, and nothing else. */
static PyObject *call_with_tag(PyObject *self, PyObject *args,
                               int (*call)(struct pawl_engine *, const char *,
                                           struct pawl_error *))
{
    const char *tag = NULL;
    struct pawl_error err = {0, 0, ""};
    int rc = 0;
    if (!PyArg_ParseTuple(args, "s", &tag)) {
        return NULL;
    }
    struct pawl_engine *engine = enter(self);
    if (engine == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    rc = call(engine, tag, &err);
    Py_END_ALLOW_THREADS;
    return leave(self, rc, &err, NULL);
}

static PyObject *engine_commit(PyObject *self, PyObject *args)
{
    return call_with_tag(self, args, pawl_engine_commit);
}

static PyObject *engine_abort(PyObject *self, PyObject *args)
{
    return call_with_tag(self, args, pawl_engine_abort);
}

/* ---- loading ----------------------------------------------------------- */

static PyObject *engine_open(PyObject *self, PyObject *args)
{
    PyObject *dir = NULL;
    const char *tag = NULL;
    const char *opened = NULL;
    struct pawl_error err = {0, 0, ""};
    int rc = 0;
    if (!PyArg_ParseTuple(args, "O&z:open", PyUnicode_FSConverter, &dir,
                          &tag)) {
        return NULL;
    }
    struct pawl_engine *engine = enter(self);
    if (engine == NULL) {
        Py_DECREF(dir);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    rc = pawl_engine_open(&opened, engine, PyBytes_AS_STRING(dir), tag, &err);
    Py_END_ALLOW_THREADS;
    PyObject *result = leave(self, rc, &err, dir);
    if (result != NULL && opened != NULL) {
        Py_DECREF(result);
        result = PyUnicode_DecodeFSDefault(opened);
    }
    Py_DECREF(dir);
    return result;
}

static PyObject *engine_load(PyObject *self, PyObject *args)
{
    PyObject *path = NULL;
    PyObject *loader = NULL;
    struct pawl_state *state = NULL;
    struct pawl_error err = {0, 0, ""};
    int rc = 0;
    if (!PyArg_ParseTuple(args, "O&O:load", PyUnicode_FSConverter, &path,
                          &loader)) {
        return NULL;
    }
    unsigned flags = 0;
    if (build_flags(&flags, loader) < 0) {
        Py_DECREF(path);
        return NULL;
    }
    struct pawl_engine *engine = enter(self);
    if (engine == NULL) {
        Py_DECREF(path);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    rc = pawl_engine_load(&state, engine, PyBytes_AS_STRING(path), flags, &err);
    Py_END_ALLOW_THREADS;
    PyObject *result = rc < 0 ? NULL : build_object(state, loader);
    PyObject *done = leave(self, rc, &err, path);
    Py_XDECREF(done);
    Py_DECREF(path);
    return result;
}

static PyObject *engine_close(PyObject *self, PyObject *args)
{
    return call_with_tag(self, args, pawl_engine_close);
}

/* ---- waiting ----------------------------------------------------------- */

static PyObject *engine_wait(PyObject *self, PyObject *args)
{
    long long timeout_ms = -1;
    struct pawl_error err = {0, 0, ""};
    int rc = 0;
    if (!PyArg_ParseTuple(args, "L:wait", &timeout_ms)) {
        return NULL;
    }
    struct pawl_engine *engine = enter(self);
    if (engine == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    rc = pawl_engine_wait(engine, timeout_ms, &err);
    Py_END_ALLOW_THREADS;
    return leave(self, rc, &err, NULL);
}

static PyObject *engine_fence(PyObject *self, PyObject *unused)
{
    struct pawl_error err = {0, 0, ""};
    int rc = 0;
    struct pawl_engine *engine = enter(self);
    (void)unused;
    if (engine == NULL) {
        return NULL;
    }
    struct kept_walk *kept = cast(self)->kept;
    cast(self)->kept = NULL;
    Py_BEGIN_ALLOW_THREADS;
    rc = pawl_engine_fence(engine, &err);
    Py_END_ALLOW_THREADS;
    if (rc == 0) {
        free_kept(kept);
    } else { /* may still be read: until the next fence */
        cast(self)->kept = kept;
    }
    return leave(self, rc, &err, NULL);
}

static PyObject *engine_status(PyObject *self, PyObject *unused)
{
    struct pawl_status status = PAWL_STATUS_INIT;
    struct pawl_error err = {0, 0, ""};
    int rc = 0;
    struct pawl_engine *engine = enter(self);
    (void)unused;
    if (engine == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    rc = pawl_engine_status(engine, &status, &err);
    Py_END_ALLOW_THREADS;
    PyObject *result = leave(self, rc, &err, NULL);
    if (result == NULL) {
        return NULL;
    }
    Py_DECREF(result);
    return Py_BuildValue(
        "(ssssKKKKKKKKKKKKK)", status.engine, status.creating, status.opened,
        status.committed, (unsigned long long)status.commits,
        (unsigned long long)status.failures,
        (unsigned long long)status.files_saved,
        (unsigned long long)status.bytes_saved,
        (unsigned long long)status.files_loaded,
        (unsigned long long)status.bytes_loaded,
        (unsigned long long)status.pending, (unsigned long long)status.skipped,
        (unsigned long long)status.stall_ns, (unsigned long long)status.copy_ns,
        (unsigned long long)status.wait_ns, (unsigned long long)status.write_ns,
        (unsigned long long)status.publish_ns);
}

/* ---- the type ---------------------------------------------------------- */

static PyMethodDef engine_methods[] = {
    {"create", engine_create, METH_VARARGS,
     "create(save_dir, tag, keep_latest)"},
    {"makedirs", engine_makedirs, METH_VARARGS, "makedirs(path, exist_ok)"},
    {"save", engine_save, METH_VARARGS, "save(obj, path, session)"},
    {"commit", engine_commit, METH_VARARGS, "commit(tag)"},
    {"abort", engine_abort, METH_VARARGS, "abort(tag)"},
    {"open", engine_open, METH_VARARGS, "open(load_dir, tag)"},
    {"load", engine_load, METH_VARARGS, "load(path, loader)"},
    {"close", engine_close, METH_VARARGS, "close(tag)"},
    {"wait", engine_wait, METH_VARARGS, "wait(timeout_ms)"},
    {"fence", engine_fence, METH_NOARGS, "fence()"},
    {"status", engine_status, METH_NOARGS, "status()"},
    {"free", engine_free, METH_NOARGS, "free()"},
    {NULL, NULL, 0, NULL},
};

static char engine_doc[] = "Engine(config_json, log, on_event, is_lazy, comm): "
                           "see pawl.CheckpointEngine";

static PyType_Slot engine_slots[] = {
    {Py_tp_doc, engine_doc},
    {Py_tp_new, (void *)engine_make},
    {Py_tp_dealloc, (void *)engine_dealloc},
    {Py_tp_methods, engine_methods},
    {0, NULL},
};

static PyType_Spec engine_spec = {
    .name = "pawl._pawl.Engine",
    .basicsize = sizeof(struct engine_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = engine_slots,
};

PyObject *engine_type_new(void)
{
    return PyType_FromSpec(&engine_spec);
}
