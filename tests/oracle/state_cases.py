# SPDX-License-Identifier: Apache-2.0
"""The twins of tests/state_cases.c, as Python objects.

CASES maps a name to a function that makes the object.  Identity matters: a
string that is one node over there is one object here (intern), and a string
with an identity of its own is made at run time (fresh).  Of one character there
is one object that CPython makes whenever a string comes out that short, which
an equal constant in the source need not be: hence chr.
"""

import collections
import contextlib
import sys

import torch

intern = sys.intern

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def fresh(text):
    """An equal string that is another object."""
    return "".join(list(text))


def payload(dtype, length):
    if dtype == torch.bool:
        return bytearray(i & 1 for i in range(length))
    return bytearray((7 * i + 3) & 255 for i in range(length))


def vector(dtype, count):
    """A tensor over a storage of its own, exactly as long as it is."""
    data = payload(dtype, count * dtype.itemsize)
    raw = torch.tensor(list(data), dtype=torch.uint8)
    return torch.empty(0, dtype=dtype).set_(raw.untyped_storage(), 0, (count,), (1,))


class Point:
    pass


class MyList(list):
    pass


class MyDict(dict):
    pass


class Outer:
    class Inner:
        class Core:
            pass

    class X:
        pass


# The pickler looks names up where the class says it lives.
for _class in (Point, MyList, MyDict, Outer, Outer.Inner, Outer.Inner.Core, Outer.X):
    _class.__module__ = "state_cases"


# ---- atoms ------------------------------------------------------------------


@case
def none():
    return None


@case
def bools():
    return [True, False]


@case
def ints():
    return [
        0, 1, -1, 255, 256, 65535, 65536, -128, -129, 2**31 - 1, -(2**31), 2**31, -(2**31) - 1,
        2**32 - 1, 2**32, 2**39 - 1, 2**39, -(2**39), -(2**39) - 1, 2**63 - 1, -(2**63),
    ]


@case
def bigints():
    return [2**63, 256**8, -(256**8), 256**254, 256**255, -(256**255), 256**300]


@case
def floats():
    return [0.0, -0.0, 1.5, -1e300, float("inf"), 5e-324]


@case
def complexes():
    c = complex(1.5, -2.0)
    return [c, complex(0.0, 3.0), c]


@case
def strings():
    twice, other = intern("twice"), fresh("twice")
    return ["", "a", twice, other, twice, other, "é€🐾", "\udc80", "a\0b", "a"]


@case
def long_string():
    return "x" * 3000


@case
def bytes_():
    twice = b"\0\x7f\x80\xff"
    a = b"a"
    return [
        b"", a, chr(97), b"\xe9", chr(0xE9), a, twice, twice, b"ab", intern("ab"),
        intern("latin1"),
    ]


@case
def bytearrays():
    twice = bytearray(b"\xff\x01")
    return [bytearray(), bytearray(b"b"), twice, twice, chr(98)]


@case
def globals_():
    return [
        torch.float32, torch.float32, Point, collections.OrderedDict,
        collections.OrderedDict(), set, set(),
    ]


@case
def dotted_globals():
    return [Outer.Inner, Outer, Outer.Inner, Outer.Inner.Core, Outer.X, chr(88), fresh("Inner")]


# ---- containers -------------------------------------------------------------


@case
def empties():
    return [[], {}, (), set(), frozenset(), collections.OrderedDict()]


for _count in (1, 2, 999, 1000, 1001, 1002, 2000, 2001):
    CASES[f"list_{_count}"] = lambda n=_count: list(range(n))
    CASES[f"dict_{_count}"] = lambda n=_count: dict.fromkeys(range(n))
    CASES[f"ordered_{_count}"] = lambda n=_count: collections.OrderedDict.fromkeys(range(n))


@case
def tuples():
    made = [tuple(range(n)) for n in range(6)]
    return [t for t in made for _ in range(2)]


@case
def ordered_attrs():
    od = collections.OrderedDict(weight=1)
    od._metadata = collections.OrderedDict(version=2)
    return [od, od]


@case
def sets():
    numbers = {5}
    return {frozenset(["k"]): numbers, "k": numbers}


@case
def shared_parts():
    items = [1]
    d = {intern("list"): items}
    t = (float("2.5"),)
    return [items, d, t, items, d, t, intern("list")]


@case
def many_memos():
    made = [[] for _ in range(300)]
    return made + [made[3], made[254], made[255], made[299]]


@case
def cycles():
    items, d = [], {}
    items += [items, d]
    d[intern("self")] = d
    d[intern("list")] = items
    return items


def tuple_cycle(count):
    lists = [[] for _ in range(count)]
    t = tuple(lists)
    for x in lists:
        x.append(t)
    return t


for _count in (1, 3, 5):
    CASES[f"tuple_cycle_{_count}"] = lambda n=_count: tuple_cycle(n)


@case
def deep():
    x = []
    for i in range(100):
        x = (x, i) if i % 2 == 0 else [x]
    return x


# ---- objects ----------------------------------------------------------------


@case
def newobj():
    p = Point()
    p.x = 1
    p.y = intern("x")
    return [p, p, Point]


@case
def newobj_items():
    return MyList(range(1001))


@case
def newobj_pairs():
    return MyDict.fromkeys(range(1001))


@case
def reduce():
    return collections.Counter({intern("a"): 2})


@case
def device():
    d = torch.device("cpu")
    return [d, d]


@case
def set_cycle():
    p = Point()
    p.mine = {p}
    return p.mine


# ---- tensors ----------------------------------------------------------------

DTYPES = (
    "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex128 complex64 "
    "uint16 uint32 uint64 complex32 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz "
    "float8_e8m0fnu float4_e2m1fn_x2 bits8 bits16 bits1x8 bits2x4 bits4x2"
).split()


@case
def dtypes():
    return {intern(name): vector(getattr(torch, name), 5) for name in DTYPES}


def shaped(dtype, shape):
    count = 1
    for n in shape:
        count *= n
    return vector(dtype, count).reshape(shape)


@case
def shapes():
    ones = (2, 1, 3, 2, 1, 2)
    made = [shaped(torch.float32, ones[:n]) for n in range(7)]
    return made + [
        torch.empty((0, 3), dtype=torch.int64),
        torch.empty((0,), dtype=torch.int64),
    ]


@case
def views():
    t = vector(torch.float32, 24).reshape(4, 6)
    return [t, t.t(), t[2], t[:3, 1], t]


def flagged(parameter, grad):
    t = vector(torch.float32, 3)
    return torch.nn.Parameter(t, grad) if parameter else t.requires_grad_(grad)


@case
def parameters():
    p = flagged(True, True)
    return [p, flagged(True, False), flagged(False, True), p]


@case
def complex_bits():
    c = vector(torch.complex64, 2)
    return [
        c.conj(), torch._neg_view(c), torch._neg_view(c.conj()), intern("conj"),
        vector(torch.complex32, 2).conj(),
    ]


@case
def storages():
    t = vector(torch.float64, 3)
    u = vector(torch.uint8, 10)
    q = torch.TypedStorage(
        wrap_storage=vector(torch.uint8, 6).untyped_storage(), dtype=torch.qint8, _internal=True
    )
    typed = t._typed_storage()
    return [typed, typed, t, u.untyped_storage(), u, q]


@case
def many_storages():
    made = {intern(f"layer.{i}"): vector(torch.float32, i) for i in range(13)}
    return {**made, intern("again"): made["layer.11"][:]}


@case
def constant_strings():
    return {
        intern("storage"): vector(torch.int32, 2),
        intern("cpu"): chr(48),
        chr(49): vector(torch.float8_e5m2, 2),
        intern("latin1"): b"xyz",
        chr(50): vector(torch.int16, 2),
        chr(51): fresh("cpu"),
    }


@case
def shared_names():
    return [
        torch.LongStorage, torch.float8_e5m2, torch._utils._rebuild_tensor_v2,
        torch.UntypedStorage, vector(torch.int64, 1), vector(torch.float8_e5m2, 1),
        complex(1, 1), complex,
    ]


@case
def locations():
    return [vector(torch.float32, 2) for _ in range(3)] + [intern("cuda:0")]


@case
def state_dict():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(shaped(torch.float32, parameter.shape))
    return {"model": model.state_dict(), "step": 100000, "lr": 0.001}


for _name in ("bytes_", "globals_"):
    CASES[_name.rstrip("_")] = CASES.pop(_name)


# ---- saving -----------------------------------------------------------------


@contextlib.contextmanager
def as_if_on_cuda(active):
    """Within, storages say that they live on cuda:0."""
    registry = torch.serialization._package_registry
    if active:
        registry.insert(0, (0, lambda obj: "cuda" + ":" + str(obj.device.index or 0), None))
    try:
        yield
    finally:
        if active:
            registry.pop(0)


def save(name, target):
    """torch.save of a case to a path or file object."""
    with as_if_on_cuda(name == "locations"):
        torch.save(CASES[name](), target)
