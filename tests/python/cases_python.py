# SPDX-License-Identifier: Apache-2.0
"""Cases: what Python has built in, and objects of classes."""

import collections
import datetime
import decimal
import fractions
import functools
import operator
import pathlib
import sys
import uuid

import torch
from case_classes import (
    SINGLETON,
    Colour,
    Falsy,
    Flags,
    Frozen,
    Level,
    MyDict,
    MyInt,
    MyList,
    MyOrdered,
    MyStr,
    NewArgs,
    NewArgsEx,
    Outer,
    Plain,
    Point,
    Record,
    Reducing,
    ReducingAll,
    Slots,
    SlotsAndDict,
    Stateful,
    a_function,
    case,
    fresh,
)

# ---- atoms -----------------------------------------------------------------


@case
def nothing(rng):
    return None


@case
def bools(rng):
    return [True, False, True]


@case
def ints_around_the_opcodes(rng):
    edges = [0, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32]
    return [s * (e + d) for e in edges for d in (-1, 0, 1) for s in (1, -1)]


@case
def ints_around_64_bits(rng):
    return [
        s * (2**k + d) for k in (62, 63, 64, 65) for d in (-1, 0, 1) for s in (1, -1)
    ]


@case
def ints_huge(rng):
    return [
        rng.getrandbits(n) * rng.choice([1, -1]) for n in (100, 2039, 2040, 2048, 9000)
    ]


@case
def ints_at_byte_borders(rng):
    return [
        s * 2 ** (8 * k - 1) + d
        for k in range(4, 40)
        for s in (1, -1)
        for d in (-1, 0, 1)
    ]


@case
def floats(rng):
    return [
        0.0,
        -0.0,
        1.5,
        float("inf"),
        -float("inf"),
        float("nan"),
        5e-324,
        1.7976931348623157e308,
        rng.random(),
    ]


@case
def complexes(rng):
    c = complex(rng.random(), -0.0)
    return [c, c, 1j, complex("nan")]


@case
def strings(rng):
    return ["", "a", "ascii", "é", "日本語", "\U0001f600", "a\0b", "\n\r\t'\"\\"]


@case
def strings_with_lone_surrogates(rng):
    return ["\ud800", "x\udfffy", fresh("\udc80ab")]


@case
def strings_around_256_bytes(rng):
    return ["x" * n for n in (254, 255, 256, 257, 65535, 65536)]


@case
def string_shared_and_equal(rng):
    a, b = fresh("hello world!"), fresh("hello world!")
    return [a, b, a, b, "hello", fresh("hello"), "hello"]


@case
def strings_that_the_writer_uses_itself(rng):
    words = ["storage", "cpu", "latin1", "latin-1", "torch", "_rebuild_tensor_v2"]
    words += [sys.intern(w) for w in "0 1 2".split()]
    return [*words, torch.ones(2), b"\xff", *[fresh(w) for w in words], torch.ones(1)]


@case
def single_characters_are_one_object(rng):
    made = [chr(97), bytes([97]).decode(), str(b"a", "ascii"), "ba"[1]]
    return ["a", *made, chr(255), chr(256), chr(256), b"a", b"\xff", bytearray(b"a")]


@case
def bytes_of_all_kinds(rng):
    return [b"", b"a", b"ab", bytes(range(256)), rng.randbytes(300), b"\xff" * 70000]


@case
def bytes_shared(rng):
    b = rng.randbytes(10)
    return [b, b, bytes(bytearray(b))]


@case
def bytearrays(rng):
    b = bytearray(rng.randbytes(20))
    return [b, bytearray(), b, bytearray(b"x")]


# ---- containers ------------------------------------------------------------


@case
def tuples_of_each_length(rng):
    return [tuple(range(n)) for n in range(6)]


@case
def tuple_shared(rng):
    t = (1, "two", [3])
    return [t, t, (t, t)]


@case
def lists_around_a_batch(rng):
    return [list(range(n)) for n in (0, 1, 2, 999, 1000, 1001, 1002, 2000, 2001, 3500)]


@case
def dicts_around_a_batch(rng):
    return [
        {i: -i for i in range(n)} for n in (0, 1, 2, 999, 1000, 1001, 1002, 2000, 2001)
    ]


@case
def ordered_dicts_around_a_batch(rng):
    return [
        collections.OrderedDict((i, i) for i in range(n))
        for n in (0, 1, 2, 1000, 1001, 1002, 2001)
    ]


@case
def memo_beyond_256(rng):
    items = [fresh(f"item {i}") for i in range(400)]
    return [items, items[::-1]]


@case
def memo_beyond_65536(rng):
    items = [(i,) for i in range(66000)]
    return [items, items[0], items[-1]]


@case
def sets(rng):
    return [set(), {1}, {1, 2, 3}, set(range(1500)), {"a", (1, 2)}]


@case
def set_shared(rng):
    s = {rng.random() for _ in range(5)}
    return [s, s]


@case
def frozensets(rng):
    f = frozenset([1, 2, 3])
    return [frozenset(), f, f, frozenset([frozenset([1]), f])]


@case
def dict_with_keys_of_all_kinds(rng):
    return {
        True: 1,
        2: 2,
        3.5: 3,
        "s": 4,
        b"b": 5,
        (1, "t"): 6,
        None: 7,
        frozenset([1]): 8,
        1j: 9,
        torch.float32: 10,
        Level.HIGH: 11,
    }


@case
def list_in_itself(rng):
    a = [1]
    a.append(a)
    return a


@case
def dict_in_itself(rng):
    d = {"x": 1}
    d["self"] = d
    return d


@case
def tuple_in_itself(rng):
    t = ([], {})
    t[0].append(t)
    t[1]["t"] = t
    return t


@case
def ordered_dict_in_itself(rng):
    d = collections.OrderedDict(a=1)
    d["self"] = [d]
    d.attr = d
    return d


@case
def cycle_of_three(rng):
    a, b, c = [], {}, Plain()
    a.append(b)
    b["c"] = c
    c.a = a
    return [a, b, c]


@case
def nested_deeply(rng):
    deep = "bottom"
    for i in range(150):
        deep = rng.choice([lambda x: [x], lambda x: (x,), lambda x: {"d": x}])(deep)
    return deep


@case
def ordered_dict_reordered(rng):
    d = collections.OrderedDict((k, k) for k in "abcdef")
    d.move_to_end("b")
    d.move_to_end("e", last=False)
    return d


@case
def ordered_dict_with_attributes(rng):
    d = collections.OrderedDict(a=1)
    d._metadata = collections.OrderedDict([("", {"version": 1})])
    d.other = [d._metadata]
    return d


@case
def ordered_dict_with_shared_attributes(rng):
    d = collections.OrderedDict(a=1)
    d.x = 5
    return [d, d.__dict__]


@case
def counters_and_their_kin(rng):
    return [
        collections.Counter("abracadabra"),
        collections.defaultdict(list, {"a": [1]}),
        collections.defaultdict(int),
        collections.defaultdict(None, {1: 2}),
        collections.deque([1, 2, 3]),
        collections.deque([1, 2, 3], maxlen=2),
    ]


@case
def ranges_and_slices(rng):
    return [range(3), range(1, 10, 2), slice(1, None, -1), slice(None)]


@case
def constants(rng):
    return [..., NotImplemented, type(None), type(...), type(NotImplemented)]


@case
def builtin_types(rng):
    return [
        int,
        float,
        str,
        bytes,
        list,
        dict,
        set,
        tuple,
        object,
        complex,
        range,
        type,
        int,
    ]


# ---- objects ---------------------------------------------------------------


@case
def plain_object(rng):
    p = Plain(a=1, b=[2], c="three")
    return [p, p]


@case
def plain_object_empty(rng):
    return [Plain(), Plain()]


@case
def object_in_itself(rng):
    p = Plain()
    p.me = p
    p.list = [p]
    return p


@case
def object_with_other_keys(rng):
    p = Plain()
    p.__dict__[fresh("made up")] = 1
    p.__dict__[2] = 3
    return p


@case
def slots(rng):
    s, t = Slots(), SlotsAndDict()
    s.a, s.b = 1, [2]
    t.a, t.c = "a", "c"
    return [s, t, s]


@case
def getstate(rng):
    return [Stateful(5), Stateful([1]), Falsy(3)]


@case
def reduce(rng):
    r = Reducing(1, "two", [3.0])
    return [r, r, Reducing()]


@case
def reduce_in_its_own_arguments(rng):
    r = Reducing([], "two")
    r.args[0].extend([r, (r, r)])
    return {"r": r, "again": [r]}


@case
def reduce_with_all_parts(rng):
    return ReducingAll([9])


@case
def new_args(rng):
    return [NewArgs(1, 2), NewArgs("x")]


@case
def new_args_ex(rng):
    return [NewArgsEx(1, b=2), NewArgsEx("x", b=[1])]


@case
def nested_classes(rng):
    return [Outer.Inner(1), Outer.Inner, Outer.Inner, Outer, Outer.Inner.Innermost()]


@case
def nested_class_first(rng):
    return [Outer.Inner.Innermost, Outer.Inner.Innermost, "Inner", fresh("Inner")]


@case
def enums(rng):
    return [
        Colour.RED,
        Colour.GREEN,
        Colour.RED,
        Level.LOW,
        Level.HIGH,
        Flags.A | Flags.B,
    ]


@case
def dataclass_objects(rng):
    return [Record("n", [1, 2]), Frozen(1, 2.0), {Frozen(1, 2.0): "key"}]


@case
def namedtuples(rng):
    p = Point(1, [2])
    return [p, p, Point(Point(0, 0), ())]


@case
def namedtuple_in_itself(rng):
    p = Point([], {})
    p.x.append(p)
    p.y["again"] = [p, p.x]
    return [p, p]


@case
def subclasses_of_builtins(rng):
    d, o = MyDict(a=1), MyOrdered(b=2)
    d.attr, o.attr = 1, 2
    return [d, MyList([1, 2]), o, MyInt(7), MyStr("s")]


@case
def functions(rng):
    return [a_function, print, operator.add, a_function]


@case
def singleton_by_name(rng):
    return [SINGLETON, SINGLETON]


@case
def partials(rng):
    return functools.partial(a_function, 1, x=2).args


@case
def dates(rng):
    return [
        datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
        datetime.date(2021, 1, 1),
        datetime.timedelta(days=1, seconds=2),
        datetime.timezone.utc,
    ]


@case
def numbers_of_the_library(rng):
    return [decimal.Decimal("1.5"), fractions.Fraction(1, 3)]


@case
def paths_and_uuids(rng):
    return [
        pathlib.PurePosixPath("a/b").name,
        pathlib.PosixPath("/a/b"),
        uuid.UUID(int=5),
    ]
