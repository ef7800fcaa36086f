/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torch_pickles.h - pickles of tensors, spelled out in protocol 0
 *
 *     TENSOR(STORAGE("Float", "0", "6"), "0", "I2\nI3\n", "I3\nI1\n") "."
 *
 * Numbers are strings, so that they can lie.  There is no NUL in any of them.
 */
#ifndef PAWL_TESTS_TORCH_PICKLES_H
#define PAWL_TESTS_TORCH_PICKLES_H

#define ORDERED_DICT "ccollections\nOrderedDict\n)R"

#define STORAGE_ID(cls, key, numel)                                            \
    "S'storage'\nctorch\n" cls "Storage\nS'" key "'\nS'cpu'\nI" numel "\n"
/* As in zip files. */
#define STORAGE(cls, key, numel) "(" STORAGE_ID(cls, key, numel) "tQ"
/* As in legacy files; `view` is "N" or a tuple. */
#define STORAGE6(cls, key, numel, view)                                        \
    "(" STORAGE_ID(cls, key, numel) view "tQ"

#define CALL(name, args) "ctorch._utils\n" name "\n(" args "tR"
#define GEOMETRY(storage, offset, shape, strides)                              \
    storage "I" offset "\n(" shape "t(" strides "t"
#define TENSOR(storage, offset, shape, strides)                                \
    CALL("_rebuild_tensor_v2",                                                 \
         GEOMETRY(storage, offset, shape, strides) "I00\n" ORDERED_DICT)

#endif
