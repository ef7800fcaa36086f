/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pawl/state.h - what a checkpoint file holds: a tree of values
 *
 * A `pawl_state` owns a tree (more exactly: a graph, since values may be
 * shared and may contain themselves) of `pawl_value`s, and has one root.
 * Build one to save it; get one back from a load.
 *
 *     struct pawl_state *s = pawl_state_new();
 *     struct pawl_value *root = pawl_dict(s);
 *     uint64_t shape[2] = {64, 32};
 *     pawl_dict_set_str(root, "step", pawl_int(s, 10));
 *     pawl_dict_set_str(root, "w",
 *                       pawl_array(s, PAWL_FLOAT32, 2, shape, weights));
 *     pawl_state_set_root(s, root);
 *     int rc = pawl_save(s, "model.pt", &err);
 *     pawl_state_free(s);
 *
 * Ownership: every value, string and array of a state lives exactly as long as
 *   the state; nothing is freed one by one.  A pointer that a function here
 *   returns is borrowed from the state.  Values must not be used in a state
 *   other than their own.  Tensor payload is the caller's or the loader's
 *   memory: see pawl_storage_borrow.
 * Out of memory: a constructor returns NULL and the state remembers it.
 *   Constructors and setters take NULL and then do nothing, so a tree is built
 *   without a check on every line; pawl_state_status tells at the end, and
 *   a save refuses a state that failed.
 * Threads: a state is used by one thread at a time.  Reading a finished state
 *   from several threads is safe; reading its lazy payload is too.
 * Blocking: nothing here blocks but pawl_storage_read and pawl_state_read_all.
 *
 * The kinds are those that Python's pickle gives a torch checkpoint; what they
 * look like in a file is in docs/formats.md.
 */
#ifndef PAWL_STATE_H
#define PAWL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pawl/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pawl_state;
struct pawl_value;
struct pawl_storage;

enum pawl_kind {
    PAWL_KIND_NONE,
    PAWL_KIND_BOOL,
    PAWL_KIND_INT,     /* any size */
    PAWL_KIND_FLOAT,   /* IEEE 754 binary64 */
    PAWL_KIND_COMPLEX, /* two binary64 */
    PAWL_KIND_STR,     /* UTF-8; lone surrogates kept as 3 bytes (WTF-8) */
    PAWL_KIND_BYTES,
    PAWL_KIND_BYTEARRAY,
    PAWL_KIND_LIST,
    PAWL_KIND_TUPLE,
    PAWL_KIND_SET,
    PAWL_KIND_FROZENSET,
    PAWL_KIND_DICT, /* in insertion order; keys of any kind */
    PAWL_KIND_TENSOR,
    PAWL_KIND_STORAGE, /* a storage by itself, not through a tensor */
    PAWL_KIND_GLOBAL,  /* a name: of a class, a function, a dtype */
    PAWL_KIND_OBJECT   /* an instance, kept inert: never run */
};

/* X(name, torch name, torch storage class or "", bytes per element).  A dtype
 * without a storage class is stored untyped (torch's _rebuild_tensor_v3). */
#define PAWL_DTYPES(X)                                                         \
    X(PAWL_FLOAT64, "float64", "DoubleStorage", 8)                             \
    X(PAWL_FLOAT32, "float32", "FloatStorage", 4)                              \
    X(PAWL_FLOAT16, "float16", "HalfStorage", 2)                               \
    X(PAWL_BFLOAT16, "bfloat16", "BFloat16Storage", 2)                         \
    X(PAWL_INT64, "int64", "LongStorage", 8)                                   \
    X(PAWL_INT32, "int32", "IntStorage", 4)                                    \
    X(PAWL_INT16, "int16", "ShortStorage", 2)                                  \
    X(PAWL_INT8, "int8", "CharStorage", 1)                                     \
    X(PAWL_UINT8, "uint8", "ByteStorage", 1)                                   \
    X(PAWL_BOOL, "bool", "BoolStorage", 1)                                     \
    X(PAWL_COMPLEX128, "complex128", "ComplexDoubleStorage", 16)               \
    X(PAWL_COMPLEX64, "complex64", "ComplexFloatStorage", 8)                   \
    X(PAWL_QINT8, "qint8", "QInt8Storage", 1)                                  \
    X(PAWL_QUINT8, "quint8", "QUInt8Storage", 1)                               \
    X(PAWL_QINT32, "qint32", "QInt32Storage", 4)                               \
    X(PAWL_QUINT4X2, "quint4x2", "QUInt4x2Storage", 1)                         \
    X(PAWL_QUINT2X4, "quint2x4", "QUInt2x4Storage", 1)                         \
    X(PAWL_UINT16, "uint16", "", 2)                                            \
    X(PAWL_UINT32, "uint32", "", 4)                                            \
    X(PAWL_UINT64, "uint64", "", 8)                                            \
    X(PAWL_COMPLEX32, "complex32", "", 4)                                      \
    X(PAWL_FLOAT8_E4M3FN, "float8_e4m3fn", "", 1)                              \
    X(PAWL_FLOAT8_E4M3FNUZ, "float8_e4m3fnuz", "", 1)                          \
    X(PAWL_FLOAT8_E5M2, "float8_e5m2", "", 1)                                  \
    X(PAWL_FLOAT8_E5M2FNUZ, "float8_e5m2fnuz", "", 1)                          \
    X(PAWL_FLOAT8_E8M0FNU, "float8_e8m0fnu", "", 1)                            \
    X(PAWL_FLOAT4_E2M1FN_X2, "float4_e2m1fn_x2", "", 1)                        \
    X(PAWL_BITS8, "bits8", "", 1)                                              \
    X(PAWL_BITS16, "bits16", "", 2)                                            \
    X(PAWL_BITS1X8, "bits1x8", "", 1)                                          \
    X(PAWL_BITS2X4, "bits2x4", "", 1)                                          \
    X(PAWL_BITS4X2, "bits4x2", "", 1)

enum pawl_dtype {
#define PAWL_DTYPE_ENUM(name, torch_name, storage_class, size_bytes) name,
    PAWL_DTYPES(PAWL_DTYPE_ENUM)
#undef PAWL_DTYPE_ENUM
        PAWL_UNTYPED, /* of a storage that was stored as plain bytes */
    PAWL_DTYPE_COUNT = PAWL_UNTYPED
};

/* Bytes of one element, 1 for PAWL_UNTYPED, 0 for a value out of range. */
PAWL_API size_t pawl_dtype_size(enum pawl_dtype dtype);
/* torch's name ("float32"), "untyped" for PAWL_UNTYPED; never NULL. */
PAWL_API const char *pawl_dtype_name(enum pawl_dtype dtype);
/* torch's storage class ("FloatStorage"), or NULL when it has none. */
PAWL_API const char *pawl_dtype_storage_class(enum pawl_dtype dtype);
/* The dtype that torch calls `name`, or -1. */
PAWL_API int pawl_dtype_from_name(const char *name);
/* The dtype whose storage class is `name` ("FloatStorage"), or -1. */
PAWL_API int pawl_dtype_from_storage_class(const char *name);

/* ---- state ------------------------------------------------------------- */

/* An empty state whose root is NULL; NULL when out of memory.  Free it with
 * pawl_state_free, which also releases every storage (NULL is fine). */
PAWL_API struct pawl_state *pawl_state_new(void);
PAWL_API void pawl_state_free(struct pawl_state *state);

PAWL_API void pawl_state_set_root(struct pawl_state *state,
                                  struct pawl_value *root);
PAWL_API struct pawl_value *pawl_state_root(const struct pawl_state *state);

/* 0 if everything that was built in `state` is there; PAWL_ENOMEM if a
 * constructor failed; PAWL_EINVAL if one was called with wrong arguments. */
PAWL_API int pawl_state_status(const struct pawl_state *state,
                               struct pawl_error *err);

/* How many values the state holds: each has an id below this number. */
PAWL_API uint32_t pawl_state_value_count(const struct pawl_state *state);
/* The id of a value in its state, dense from 0: for side tables. */
PAWL_API uint32_t pawl_value_id(const struct pawl_value *value);

/* Frees all of a state but the bytes of its storages, where they lie: what
 * pawl_storage_data gave stays valid until pawl_memory_free.  For a loader
 * whose own objects are views of them.  NULL when out of memory: then the state
 * is untouched. */
struct pawl_memory;
PAWL_API struct pawl_memory *
pawl_state_free_but_memory(struct pawl_state *state);
/* From any thread.  NULL is fine. */
PAWL_API void pawl_memory_free(struct pawl_memory *memory);

/* Reads into memory what is still lazy.  Blocks.  Errors: as
 * pawl_storage_read. */
PAWL_API int pawl_state_read_all(struct pawl_state *state,
                                 struct pawl_error *err);

/* ---- constructors ------------------------------------------------------ */

PAWL_API struct pawl_value *pawl_none(struct pawl_state *state);
PAWL_API struct pawl_value *pawl_bool(struct pawl_state *state, bool b);
PAWL_API struct pawl_value *pawl_int(struct pawl_state *state, int64_t i);
/* An int of any size: two's complement, little-endian, as short as may be.
 * `len_bytes` 0 is the number 0.  The bytes are copied. */
PAWL_API struct pawl_value *pawl_bigint(struct pawl_state *state,
                                        const void *le_bytes, size_t len_bytes);
PAWL_API struct pawl_value *pawl_float(struct pawl_state *state, double f);
PAWL_API struct pawl_value *pawl_complex(struct pawl_state *state, double real,
                                         double imag);
/* The string `text` (copied).  Equal texts give one and the same value, as
 * Python's interned strings are; see docs/formats.md on identity. */
PAWL_API struct pawl_value *pawl_str(struct pawl_state *state,
                                     const char *text);
PAWL_API struct pawl_value *pawl_str_n(struct pawl_state *state,
                                       const char *text, size_t len_bytes);
/* A string with an identity of its own, although an equal one may exist. */
PAWL_API struct pawl_value *
pawl_str_distinct(struct pawl_state *state, const char *text, size_t len_bytes);
PAWL_API struct pawl_value *pawl_bytes(struct pawl_state *state,
                                       const void *data, size_t len_bytes);
PAWL_API struct pawl_value *pawl_bytearray(struct pawl_state *state,
                                           const void *data, size_t len_bytes);

PAWL_API struct pawl_value *pawl_list(struct pawl_state *state);
PAWL_API struct pawl_value *pawl_set(struct pawl_state *state);
/* A tuple or frozenset that gets its items by pawl_append; do not change it
 * once it is used as a key. */
PAWL_API struct pawl_value *pawl_tuple(struct pawl_state *state);
PAWL_API struct pawl_value *pawl_frozenset(struct pawl_state *state);
/* Adds `item` at the end of a list, tuple, set or frozenset.  0, PAWL_ENOMEM,
 * PAWL_EINVAL (wrong kind, NULL item); the state remembers a failure. */
PAWL_API int pawl_append(struct pawl_value *seq, struct pawl_value *item);

PAWL_API struct pawl_value *pawl_dict(struct pawl_state *state);
/* A collections.OrderedDict, which may carry attributes (a torch module's
 * state_dict has `_metadata`): see pawl_dict_set_attrs. */
PAWL_API struct pawl_value *pawl_ordered_dict(struct pawl_state *state);
/* Adds a pair at the end.  A key is not looked up: when equal keys are set
 * twice both are written, and readers see the last. */
PAWL_API int pawl_dict_set(struct pawl_value *dict, struct pawl_value *key,
                           struct pawl_value *item);
PAWL_API int pawl_dict_set_str(struct pawl_value *dict, const char *key,
                               struct pawl_value *item);
PAWL_API int pawl_dict_set_attrs(struct pawl_value *ordered_dict,
                                 struct pawl_value *attrs);

/* The name `module`.`qualname` of a class, function or constant.  Equal names
 * give the same value. */
PAWL_API struct pawl_value *
pawl_global(struct pawl_state *state, const char *module, const char *qualname);

/* How Python would rebuild an object: by callable(*args); by
 * cls.__new__(cls, *args); or by cls.__new__(cls, *args, **kwargs). */
enum pawl_rebuild { PAWL_REDUCE, PAWL_NEWOBJ, PAWL_NEWOBJ_EX };

/* An instance of a class, as Python's object.__reduce_ex__ describes it.
 * Pawl never rebuilds it.  Fields that do not apply are NULL. */
struct pawl_object {
    size_t struct_size; /* sizeof(struct pawl_object) */
    enum pawl_rebuild how;
    struct pawl_value *callable; /* mostly a GLOBAL */
    struct pawl_value *args;     /* a TUPLE */
    struct pawl_value *kwargs;   /* a DICT; only PAWL_NEWOBJ_EX */
    struct pawl_value *state;    /* for __setstate__ or __dict__ */
    struct pawl_value *items;    /* a LIST: appended one by one */
    struct pawl_value *pairs;    /* a DICT: set one by one */
};
#define PAWL_OBJECT_INIT                                                       \
    {                                                                          \
        sizeof(struct pawl_object), PAWL_REDUCE, 0, 0, 0, 0, 0, 0              \
    }

/* An object with nothing set yet: so that its parts can refer to it. */
PAWL_API struct pawl_value *pawl_object(struct pawl_state *state);
PAWL_API int pawl_object_set(struct pawl_value *object,
                             const struct pawl_object *parts);

/* ---- storages and tensors ---------------------------------------------- */

/* Where lazy payload comes from; a loader fills it.  `read` puts bytes
 * [offset, offset+len) of the storage to `dst` and blocks; it must be safe
 * from several threads.  `release` (may be NULL) runs once, from
 * pawl_state_free. */
struct pawl_storage_ops {
    size_t struct_size;
    int (*read)(void *ctx, uint64_t offset, void *dst, size_t len_bytes,
                struct pawl_error *err);
    void (*release)(void *ctx);
    /* Puts to `*out` where all bytes of the storage are, verified: memory that
     * no other storage has, aligned to 64 bytes, writable, and valid until the
     * state is freed.  NULL when there is no such place: then `read` has to
     * copy.  Called once, and by one thread.  NULL: there never is one. */
    int (*map)(void *ctx, void **out, struct pawl_error *err);
};

/* A storage over the caller's memory, which must stay valid and unchanged
 * until the state is freed (or, for an engine that copies, until its save
 * returned).  `dtype` is what the bytes hold, or PAWL_UNTYPED.  `len_bytes`
 * is a multiple of its size.  `data` may be NULL when `len_bytes` is 0. */
PAWL_API struct pawl_storage *pawl_storage_borrow(struct pawl_state *state,
                                                  enum pawl_dtype dtype,
                                                  const void *data,
                                                  uint64_t len_bytes);
/* Runs `release(ctx)` when the state is freed, to let go of what a borrowed
 * storage points into.  At most one a storage. */
PAWL_API int pawl_storage_on_release(struct pawl_storage *storage,
                                     void (*release)(void *ctx), void *ctx);
/* A storage whose bytes are fetched when asked for.  `ops` is borrowed until
 * the state is freed. */
PAWL_API struct pawl_storage *
pawl_storage_lazy(struct pawl_state *state, enum pawl_dtype dtype,
                  uint64_t len_bytes, const struct pawl_storage_ops *ops,
                  void *ctx);
/* Where the tensor lived, torch's location tag: "cpu" (the default),
 * "cuda:0", ...  Copied. */
PAWL_API int pawl_storage_set_location(struct pawl_storage *storage,
                                       const char *location);

PAWL_API enum pawl_dtype pawl_storage_dtype(const struct pawl_storage *st);
PAWL_API uint64_t pawl_storage_size(const struct pawl_storage *st);
PAWL_API const char *pawl_storage_location(const struct pawl_storage *st);
/* Dense from 0 in the order of making; for side tables. */
PAWL_API uint32_t pawl_storage_id(const struct pawl_storage *st);
PAWL_API uint32_t pawl_state_storage_count(const struct pawl_state *state);
/* The bytes, or NULL while they are lazy (or when there are none).  Of a state
 * that was loaded they belong to the state, and may be written to. */
PAWL_API const void *pawl_storage_data(const struct pawl_storage *st);
/* Copies all bytes to `dst`, verifying the file's checksum on the way.
 * `len_bytes` must be the storage's size.  Blocks for lazy ones.
 * PAWL_ECORRUPT, PAWL_EFORMAT, PAWL_EIO, PAWL_EINVAL; then `dst` holds
 * rubbish. */
PAWL_API int pawl_storage_read(struct pawl_storage *st, void *dst,
                               size_t len_bytes, struct pawl_error *err);

#define PAWL_MAX_NDIM 64

/* A strided view of a storage; all numbers count elements.  Every element it
 * reaches must lie in the storage: constructors check that. */
struct pawl_tensor {
    size_t struct_size; /* sizeof(struct pawl_tensor) */
    enum pawl_dtype dtype;
    bool requires_grad;
    bool is_parameter; /* a torch.nn.Parameter */
    bool is_conj;      /* torch's conjugate and negative bits */
    bool is_neg;
    uint32_t ndim;           /* 0 .. PAWL_MAX_NDIM */
    const uint64_t *shape;   /* ndim entries; copied */
    const uint64_t *strides; /* ndim entries; NULL = contiguous; copied */
    uint64_t offset;
    struct pawl_storage *storage;
};
#define PAWL_TENSOR_INIT                                                       \
    {                                                                          \
        sizeof(struct pawl_tensor), PAWL_FLOAT32, false, false, false, false,  \
            0, 0, 0, 0, 0                                                      \
    }

PAWL_API struct pawl_value *pawl_tensor(struct pawl_state *state,
                                        const struct pawl_tensor *desc);
/* A contiguous tensor over `data`, which the caller keeps (see
 * pawl_storage_borrow). */
PAWL_API struct pawl_value *pawl_array(struct pawl_state *state,
                                       enum pawl_dtype dtype, uint32_t ndim,
                                       const uint64_t *shape, const void *data);
/* A storage as a value of its own. */
PAWL_API struct pawl_value *pawl_storage_value(struct pawl_storage *st);

/* Number of elements of a tensor. */
PAWL_API uint64_t pawl_tensor_numel(const struct pawl_tensor *tensor);

/* ---- reading ----------------------------------------------------------- */

/* The kind; PAWL_KIND_NONE for NULL. */
PAWL_API enum pawl_kind pawl_value_kind(const struct pawl_value *value);
/* "none", "int", ...; never NULL. */
PAWL_API const char *pawl_kind_name(enum pawl_kind kind);

/* The accessors below return false, 0 or NULL for a value of another kind. */
PAWL_API bool pawl_get_bool(const struct pawl_value *value);
/* Puts an int that fits to `out` and returns true. */
PAWL_API bool pawl_get_int(const struct pawl_value *value, int64_t *out);
/* The bytes of an int of any size, as pawl_bigint takes them, if it does not
 * fit an int64_t; else NULL. */
PAWL_API const void *pawl_get_bigint(const struct pawl_value *value,
                                     size_t *len_bytes);
PAWL_API bool pawl_get_float(const struct pawl_value *value, double *out);
PAWL_API bool pawl_get_complex(const struct pawl_value *value, double *real,
                               double *imag);
/* NUL-terminated, but may contain NUL: hence the length (may be NULL). */
PAWL_API const char *pawl_get_str(const struct pawl_value *value,
                                  size_t *len_bytes);
/* Of bytes and bytearray. */
PAWL_API const void *pawl_get_bytes(const struct pawl_value *value,
                                    size_t *len_bytes);
/* Items of a list, tuple, set or frozenset; pairs of a dict. */
PAWL_API size_t pawl_count(const struct pawl_value *value);
/* Item `index` of a list, tuple, set, frozenset; the item of a dict's pair. */
PAWL_API struct pawl_value *pawl_item(const struct pawl_value *value,
                                      size_t index);
PAWL_API struct pawl_value *pawl_key(const struct pawl_value *dict,
                                     size_t index);
/* The last item whose key is the string `key`; NULL when there is none.
 * Linear in the size of the dict. */
PAWL_API struct pawl_value *pawl_lookup(const struct pawl_value *dict,
                                        const char *key);
PAWL_API bool pawl_dict_is_ordered(const struct pawl_value *dict);
PAWL_API struct pawl_value *pawl_dict_attrs(const struct pawl_value *dict);
PAWL_API const char *pawl_global_module(const struct pawl_value *value);
PAWL_API const char *pawl_global_name(const struct pawl_value *value);
PAWL_API const struct pawl_object *
pawl_get_object(const struct pawl_value *value);
/* All fields set, strides too. */
PAWL_API const struct pawl_tensor *
pawl_get_tensor(const struct pawl_value *value);
PAWL_API struct pawl_storage *pawl_get_storage(const struct pawl_value *value);

#ifdef __cplusplus
}
#endif
#endif
