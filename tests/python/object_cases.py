# SPDX-License-Identifier: Apache-2.0
"""Objects to be saved, by name.  Each is a function of a random.Random.

What a case needs to be trusted for is in TRUST.
"""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import operator
import pathlib
import sys
import uuid

import numpy as np
import torch

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def fresh(text):
    """A string object of its own, not interned."""
    return "".join([text[:1], text[1:]])


# ---- classes ---------------------------------------------------------------


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
    Plain, Slots, SlotsAndDict, Stateful, Falsy, Reducing, ReducingAll, NewArgs,
    NewArgsEx, NewArgsEx.__new__, Outer, Outer.Inner, Outer.Inner.Innermost,
    Colour, Level, Flags, Record, Frozen, Point, MyDict, MyList, MyOrdered,
    MyInt, MyStr, MyTensor, SINGLETON.__class__, a_function, functools.partial,
    f"{__name__}.SINGLETON", datetime.datetime, datetime.date,
    datetime.timedelta, datetime.timezone, decimal.Decimal, fractions.Fraction,
    pathlib.PosixPath, uuid.UUID, "torch.nn.modules.linear.Linear",
    "torch.nn.modules.container.Sequential", "torch.nn.modules.activation.ReLU",
    "_operator.add", "operator.add", "operator.itemgetter", "builtins.print",
    "torch.storage._load_from_bytes", "torch._C.Generator",
    "uuid.SafeUUID",
]  # fmt: skip


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
    return [s * (2**k + d) for k in (62, 63, 64, 65) for d in (-1, 0, 1) for s in (1, -1)]


@case
def ints_huge(rng):
    return [rng.getrandbits(n) * rng.choice([1, -1]) for n in (100, 2039, 2040, 2048, 9000)]


@case
def ints_at_byte_borders(rng):
    return [s * 2 ** (8 * k - 1) + d for k in range(4, 40) for s in (1, -1) for d in (-1, 0, 1)]


@case
def floats(rng):
    return [0.0, -0.0, 1.5, float("inf"), -float("inf"), float("nan"), 5e-324, 1.7976931348623157e308, rng.random()]


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
    return ["a", fresh("a"), chr(255), chr(256), chr(256), b"a", b"\xe9"]


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
    return [{i: -i for i in range(n)} for n in (0, 1, 2, 999, 1000, 1001, 1002, 2000, 2001)]


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
        True: 1, 2: 2, 3.5: 3, "s": 4, b"b": 5, (1, "t"): 6, None: 7,
        frozenset([1]): 8, 1j: 9, torch.float32: 10, Level.HIGH: 11,
    }  # fmt: skip


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
    return [int, float, str, bytes, list, dict, set, tuple, object, complex, range, type, int]


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
    return [Colour.RED, Colour.GREEN, Colour.RED, Level.LOW, Level.HIGH, Flags.A | Flags.B]


@case
def dataclass_objects(rng):
    return [Record("n", [1, 2]), Frozen(1, 2.0), {Frozen(1, 2.0): "key"}]


@case
def namedtuples(rng):
    p = Point(1, [2])
    return [p, p, Point(Point(0, 0), ())]


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
    return [pathlib.PurePosixPath("a/b").name, pathlib.PosixPath("/a/b"), uuid.UUID(int=5)]


# ---- torch -----------------------------------------------------------------

DTYPES = (
    "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool "
    "complex128 complex64 complex32 uint16 uint32 uint64 float8_e4m3fn "
    "float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu "
    "float4_e2m1fn_x2 bits8 bits16 bits1x8 bits2x4 bits4x2"
).split()


def tensor(rng, *shape, dtype=torch.float32):
    """Random bytes as a tensor."""
    count = int(np.prod(shape, dtype=np.int64))
    raw = bytearray(rng.randbytes(max(1, count) * dtype.itemsize))
    if dtype == torch.bool:
        raw = bytearray(b & 1 for b in raw)
    made = torch.frombuffer(raw, dtype=torch.uint8).clone().view(dtype)
    return made[:count].reshape(shape)


def _dtype_case(name):
    dtype = getattr(torch, name)

    def make(rng):
        return {"t": tensor(rng, 3, 4, dtype=dtype), "d": dtype}

    make.__name__ = f"dtype_{name}"
    case(make)


for _name in DTYPES:
    if hasattr(torch, _name):
        _dtype_case(_name)


@case
def many_dtypes_at_once(rng):
    return {n: tensor(rng, 5, dtype=getattr(torch, n)) for n in DTYPES}


@case
def views_of_one_storage(rng):
    base = tensor(rng, 4, 6)
    return [base, base.t(), base[1:3, ::2], base[0, 0], base.view(-1), base[2:]]


@case
def expanded_and_overlapping(rng):
    base = tensor(rng, 1, 4)
    return [base.expand(3, 4), base.view(-1).as_strided((2, 3), (1, 1))]


@case
def tensors_without_elements(rng):
    empty = torch.empty(0)
    return [empty, empty, torch.empty(3, 0, 2), torch.ones(4)[4:], torch.empty(0)]


@case
def empty_storage_as_two_dtypes(rng):
    return [torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.float64)]


@case
def scalars(rng):
    return [tensor(rng), torch.tensor(5), torch.tensor(True), torch.tensor(2.0)]


@case
def tensor_shared(rng):
    t = tensor(rng, 3)
    return {"a": t, "b": t, "c": [t]}


@case
def requires_grad(rng):
    return [torch.ones(2, requires_grad=True), torch.ones(2).requires_grad_(False)]


@case
def more_than_ten_storages(rng):
    return [tensor(rng, i) for i in range(25)]


@case
def storage_larger_than_the_view(rng):
    return tensor(rng, 10000)[5000:5001]


@case
def storage_sizes_around_alignment(rng):
    return [tensor(rng, n, dtype=torch.uint8) for n in (1, 63, 64, 65, 127, 128, 4095, 4097)]


@case
def storage_with_odd_tail(rng):
    raw = torch.arange(10, dtype=torch.uint8)
    return {"bytes": raw, "more": torch.zeros(3, dtype=torch.float8_e5m2)}


@case
def parameters(rng):
    p = torch.nn.Parameter(tensor(rng, 3, 3))
    return [p, p, torch.nn.Parameter(tensor(rng, 2), requires_grad=False), p.data]


@case
def parameters_of_other_dtypes(rng):
    return [
        torch.nn.Parameter(tensor(rng, 3, dtype=torch.bfloat16)),
        torch.nn.Parameter(tensor(rng, 3, dtype=torch.float8_e4m3fn), False),
        torch.nn.Parameter(tensor(rng, 3, dtype=torch.int32), False),
    ]


@case
def parameters_tied(rng):
    p = torch.nn.Parameter(tensor(rng, 4, 2))
    return {"encoder": p, "decoder": p, "view": p.detach().t()}


@case
def parameter_with_attributes(rng):
    p = torch.nn.Parameter(tensor(rng, 2))
    p.tensor_model_parallel = True
    p.sizes = [1, 2]
    return [p, p]


@case
def tensor_with_attributes(rng):
    t = tensor(rng, 2)
    t.note = "a note"
    return [t, t]


@case
def buffers(rng):
    return torch.nn.Buffer(tensor(rng, 2))


@case
def tensor_subclass(rng):
    return tensor(rng, 2).as_subclass(MyTensor)


@case
def conjugate_and_negative_views(rng):
    c = torch.complex(tensor(rng, 3), tensor(rng, 3))
    d = torch.complex(tensor(rng, 3), tensor(rng, 3))
    return [c.conj(), c, c.conj().conj(), d.conj().imag]


@case
def sparse_coo(rng):
    t = torch.tensor([[0.0, 1.0], [2.0, 0.0]]).to_sparse()
    loose = torch.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 2.0], (2, 2))
    return [t, loose]


@case
def sparse_compressed(rng):
    t = torch.eye(4)
    return [t.to_sparse_csr(), t.to_sparse_csc(), t.to_sparse_bsr((2, 2)), t.to_sparse_bsc((2, 2))]


@case
def quantized(rng):
    t = torch.tensor([[-1.0, 0.5], [2.0, 3.0]])
    return [
        torch.quantize_per_tensor(t, 0.1, 2, torch.quint8),
        torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
        torch.quantize_per_tensor(t, 0.1, 0, torch.qint32),
        torch.quantize_per_channel(
            t, torch.tensor([0.1, 0.2]), torch.tensor([0, 1]), 0, torch.qint8
        ),
    ]


@case
def nested_tensor(rng):
    return torch.nested.nested_tensor([torch.ones(2, 3), torch.zeros(1, 3)])


@case
def meta_tensor(rng):
    return [torch.empty(2, 3, device="meta"), torch.empty(5, device="meta", dtype=torch.int8)]


@case
def storages(rng):
    t = tensor(rng, 4)
    return [t, torch.storage.TypedStorage(wrap_storage=t.untyped_storage(), dtype=t.dtype, _internal=True)]


@case
def storages_untyped(rng):
    s = tensor(rng, 4, dtype=torch.uint8).untyped_storage()
    return [s, s]


@case
def sizes_devices_dtypes(rng):
    s = torch.Size([2, 3])
    return [
        s, s, torch.Size([]), torch.device("cpu"), torch.device("cuda", 1),
        torch.float32, torch.float32, torch.bool, torch.strided,
        torch.sparse_coo, torch.per_tensor_affine,
    ]  # fmt: skip


@case
def module_state_dict(rng):
    torch.manual_seed(rng.randrange(2**31))
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.LSTM(4, 2, 2)
    )
    return model.state_dict()


@case
def transformer_state_dict(rng):
    torch.manual_seed(rng.randrange(2**31))
    return torch.nn.TransformerEncoderLayer(8, 2, 16).state_dict()


@case
def whole_module(rng):
    torch.manual_seed(rng.randrange(2**31))
    return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())


def _trained(rng, make):
    torch.manual_seed(rng.randrange(2**31))
    model = torch.nn.Linear(3, 2)
    optimizer = make(model.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(4, 3)).square().sum().backward()
        optimizer.step()
    return model, optimizer


@case
def optimizer_sgd(rng):
    return _trained(rng, lambda p: torch.optim.SGD(p, 0.1, momentum=0.9))[1].state_dict()


@case
def optimizer_adam(rng):
    return _trained(rng, lambda p: torch.optim.Adam(p, amsgrad=True))[1].state_dict()


@case
def training_checkpoint(rng):
    model, optimizer = _trained(rng, torch.optim.AdamW)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "step": 17,
        "rng": torch.get_rng_state(),
        "loss": [rng.random() for _ in range(3)],
        "config": {"lr": 1e-3, "name": "tiny", "betas": (0.9, 0.95)},
    }


# ---- numpy -----------------------------------------------------------------


@case
def numpy_scalars(rng):
    return [
        np.float32(1.5), np.float64(2), np.int8(-3), np.uint64(2**63),
        np.bool_(True), np.complex64(1j), np.str_("s"), np.bytes_(b"b"),
        np.float16(0.5), np.datetime64("2020-01-01"), np.timedelta64(5, "s"),
    ]  # fmt: skip


@case
def numpy_arrays(rng):
    a = np.arange(12, dtype=np.int32).reshape(3, 4)
    return [a, a, a[1:, ::2], np.asfortranarray(a), np.array(5.0), np.zeros((0, 3)), a.astype(">i4")]


@case
def numpy_texts_and_objects(rng):
    return [np.array(["a", "long"]), np.array([b"x", b"yz"]), np.array([1, "two", None], dtype=object)]


@case
def numpy_records(rng):
    dtype = np.dtype([("a", "f4"), ("b", "i2", (2,))])
    aligned = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    return [np.zeros(2, dtype), dtype, np.zeros(1, aligned), np.zeros((), dtype)[()]]


@case
def numpy_dtypes(rng):
    return [np.dtype(c) for c in ("f4", ">i8", "S5", "U3", "M8[ns]", "m8[10us]", "O", "?", "V7")]


@case
def numpy_random_state(rng):
    return np.random.RandomState(rng.randrange(2**31)).get_state()


# ---- random graphs ---------------------------------------------------------


def random_graph(rng, size):
    """A list of objects that hold each other at random."""
    made = [Plain(n=0)]
    texts = ["alpha", "beta", "x", ""]

    def pick():
        return rng.choice(made)

    makers = [
        lambda: rng.randrange(-(2**40), 2**40),
        lambda: rng.random(),
        lambda: rng.choice(texts),
        lambda: fresh(rng.choice(texts) + "!"),
        lambda: rng.randbytes(rng.randrange(9)),
        lambda: [pick() for _ in range(rng.randrange(4))],
        lambda: tuple(pick() for _ in range(rng.randrange(5))),
        lambda: {rng.choice(texts): pick(), rng.randrange(9): pick()},
        lambda: collections.OrderedDict(k=pick()),
        lambda: Plain(p=pick(), q=pick()),
        lambda: Reducing(pick()),
        lambda: Point(pick(), pick()),
        lambda: tensor(rng, rng.randrange(4), 2),
        lambda: torch.nn.Parameter(tensor(rng, 2)),
        lambda: frozenset([rng.randrange(9)]),
        lambda: rng.choice([torch.int8, torch.Size([1]), None, True, Colour.RED]),
    ]
    for _ in range(size):
        made.append(rng.choice(makers)())
        holder = pick()
        if type(holder) is list:
            holder.append(pick())  # may close a cycle
        elif type(holder) is Plain:
            holder.last = pick()
    return made


for _index in range(24):
    CASES[f"random_graph_{_index}"] = functools.partial(
        random_graph, size=8 * (_index + 1)
    )
