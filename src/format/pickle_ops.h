/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pickle_ops.h - the instructions of a pickle
 *
 * X(opcode, Python's name, function).  One function may serve several
 * instructions; it finds which in `m->opcode`.
 */
#ifndef PAWL_FORMAT_PICKLE_OPS_H
#define PAWL_FORMAT_PICKLE_OPS_H

#include "format/pickle_machine.h"

#define PAWL_PICKLE_OPS(X)                                                     \
    X('(', MARK, mark)                                                         \
    X('.', STOP, stop)                                                         \
    X('0', POP, pop)                                                           \
    X('1', POP_MARK, pop_mark)                                                 \
    X('2', DUP, dup)                                                           \
    X(0x80, PROTO, proto)                                                      \
    X(0x95, FRAME, frame)                                                      \
    X('p', PUT, put)                                                           \
    X('q', BINPUT, put)                                                        \
    X('r', LONG_BINPUT, put)                                                   \
    X(0x94, MEMOIZE, put)                                                      \
    X('g', GET, get)                                                           \
    X('h', BINGET, get)                                                        \
    X('j', LONG_BINGET, get)                                                   \
    X('N', NONE, constant)                                                     \
    X(0x88, NEWTRUE, constant)                                                 \
    X(0x89, NEWFALSE, constant)                                                \
    X('K', BININT1, int)                                                       \
    X('M', BININT2, int)                                                       \
    X('J', BININT, int)                                                        \
    X(0x8a, LONG1, long)                                                       \
    X(0x8b, LONG4, long)                                                       \
    X('I', INT, text_int)                                                      \
    X('L', LONG, text_int)                                                     \
    X('F', FLOAT, text_float)                                                  \
    X('G', BINFLOAT, float)                                                    \
    X('V', UNICODE, text_str)                                                  \
    X('X', BINUNICODE, str)                                                    \
    X(0x8c, SHORT_BINUNICODE, str)                                             \
    X(0x8d, BINUNICODE8, str)                                                  \
    X('S', STRING, text_str2)                                                  \
    X('T', BINSTRING, str2)                                                    \
    X('U', SHORT_BINSTRING, str2)                                              \
    X('B', BINBYTES, bytes)                                                    \
    X('C', SHORT_BINBYTES, bytes)                                              \
    X(0x8e, BINBYTES8, bytes)                                                  \
    X(0x96, BYTEARRAY8, bytes)                                                 \
    X(']', EMPTY_LIST, empty)                                                  \
    X('}', EMPTY_DICT, empty)                                                  \
    X(0x8f, EMPTY_SET, empty)                                                  \
    X(')', EMPTY_TUPLE, empty)                                                 \
    X('l', LIST, from_mark)                                                    \
    X('t', TUPLE, from_mark)                                                   \
    X(0x91, FROZENSET, from_mark)                                              \
    X('d', DICT, dict)                                                         \
    X(0x85, TUPLE1, short_tuple)                                               \
    X(0x86, TUPLE2, short_tuple)                                               \
    X(0x87, TUPLE3, short_tuple)                                               \
    X('a', APPEND, append)                                                     \
    X('e', APPENDS, append)                                                    \
    X(0x90, ADDITEMS, append)                                                  \
    X('s', SETITEM, setitem)                                                   \
    X('u', SETITEMS, setitem)                                                  \
    X('c', GLOBAL, global)                                                     \
    X(0x93, STACK_GLOBAL, stack_global)                                        \
    X('R', REDUCE, reduce)                                                     \
    X(0x81, NEWOBJ, newobj)                                                    \
    X(0x92, NEWOBJ_EX, newobj_ex)                                              \
    X('i', INST, inst)                                                         \
    X('o', OBJ, obj)                                                           \
    X('b', BUILD, build)                                                       \
    X('P', PERSID, persid)                                                     \
    X('Q', BINPERSID, binpersid)                                               \
    X(0x82, EXT1, refused)                                                     \
    X(0x83, EXT2, refused)                                                     \
    X(0x84, EXT4, refused)                                                     \
    X(0x97, NEXT_BUFFER, refused)                                              \
    X(0x98, READONLY_BUFFER, refused)

/* The opcodes by name: PICKLE_MARK, ... */
enum pawl_pickle_opcode {
#define PAWL_PICKLE_ENUM(opcode, name, function) PICKLE_##name = (opcode),
    PAWL_PICKLE_OPS(PAWL_PICKLE_ENUM)
#undef PAWL_PICKLE_ENUM
        PICKLE_OPCODE_COUNT = 256
};

/* Runs the instruction `m->opcode`, whose operands come next in the input. */
typedef int pawl_pickle_op_fn(struct pawl_pickle_machine *m,
                              struct pawl_error *err);

/* A name more than once declares the same function again. */
#define PAWL_PICKLE_DECLARE(opcode, name, function)                            \
    pawl_pickle_op_fn pawl_pickle_op_##function;
PAWL_PICKLE_OPS(PAWL_PICKLE_DECLARE)
#undef PAWL_PICKLE_DECLARE

#endif
