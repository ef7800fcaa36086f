# SPDX-License-Identifier: Apache-2.0
"""Classes of the objects that are saved, and what a load must trust."""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import uuid

import torch

#: Name to function of a random.Random: see object_cases.
CASES = {}


def case(function):
    """Makes a function a case."""
    CASES[function.__name__] = function
    return function


def fresh(text):
    """A string object of its own, not interned."""
    return "".join([text[:1], text[1:]])


class Plain:
    def __init__(self, **attrs):
        self.__dict__.update(attrs)


class Slots:
    __slots__ = ("a", "b")


class SlotsAndDict(Slots):
    pass


class Stateful:
    def __init__(self, value):
        self.value = value

    def __getstate__(self):
        return ("state", self.value)

    def __setstate__(self, state):
        assert state[0] == "state"
        self.value = state[1]


class Falsy(Stateful):
    def __getstate__(self):
        return ()

    def __setstate__(self, state):
        self.value = state


class Reducing:
    def __init__(self, *args):
        self.args = args

    def __reduce__(self):
        return Reducing, self.args


class ReducingAnew(Reducing):
    """Reduced to new arguments each time, of which only the list is not."""

    def __reduce__(self):
        items, *rest = self.args
        return ReducingAnew, (items, *map(fresh, rest), 1.5, (1, (items,)))


class ReducingAll(list):
    """Every part of __reduce__'s tuple but the last."""

    def __reduce__(self):
        pairs = {"k": 1, 2: "v"}
        return ReducingAll, (), {"x": 1}, iter([1, 2, 3]), iter(pairs.items())

    def __setitem__(self, key, value):
        self.__dict__.setdefault("set", []).append((key, value))


class NewArgs:
    def __new__(cls, a, b=None):
        self = object.__new__(cls)
        self.a, self.b = a, b
        return self

    def __getnewargs__(self):
        return self.a, self.b


class NewArgsEx:
    def __new__(cls, a, *, b):
        self = object.__new__(cls)
        self.pair = (a, b)
        return self

    def __getnewargs_ex__(self):
        return (self.pair[0],), {"b": self.pair[1]}


class Outer:
    class Inner:
        class Innermost:
            pass

        def __init__(self, value=0):
            self.value = value


class Colour(enum.Enum):
    RED = 1
    GREEN = "g"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Flags(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass
class Record:
    name: str
    values: list


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: int
    y: float


Point = collections.namedtuple("Point", "x y")


class MyDict(dict):
    pass


class MyList(list):
    pass


class MyOrdered(collections.OrderedDict):
    pass


class MyInt(int):
    pass


class MyStr(str):
    pass


class MyTensor(torch.Tensor):
    pass


class Singleton:
    def __reduce__(self):
        return "SINGLETON"


SINGLETON = Singleton()


def a_function():
    return 1


TRUST = [
    Plain,
    Slots,
    SlotsAndDict,
    Stateful,
    Falsy,
    Reducing,
    ReducingAnew,
    ReducingAll,
    NewArgs,
    NewArgsEx,
    NewArgsEx.__new__,
    Outer,
    Outer.Inner,
    Outer.Inner.Innermost,
    Colour,
    Level,
    Flags,
    Record,
    Frozen,
    Point,
    MyDict,
    MyList,
    MyOrdered,
    MyInt,
    MyStr,
    MyTensor,
    SINGLETON.__class__,
    a_function,
    functools.partial,
    f"{__name__}.SINGLETON",
    datetime.datetime,
    datetime.date,
    datetime.timedelta,
    datetime.timezone,
    decimal.Decimal,
    fractions.Fraction,
    pathlib.PosixPath,
    uuid.UUID,
    "torch.nn.modules.linear.Linear",
    "torch.nn.modules.container.Sequential",
    "torch.nn.modules.activation.ReLU",
    "_operator.add",
    "operator.add",
    "operator.itemgetter",
    "builtins.print",
    "torch.storage._load_from_bytes",
    "torch._C.Generator",
    "uuid.SafeUUID",
]
