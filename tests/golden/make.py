# SPDX-License-Identifier: Apache-2.0
"""Makes the golden files: pickles by Python and checkpoints by torch.

    python tests/golden/make.py

Each NAME.pkl or NAME.pt goes with a line "NAME<tab>TEXT" in expected.txt: what
the object is, as show_value.h would print it.  They are made once and kept, so
that the C tests need neither Python nor torch.
"""

import collections
import os
import pickle
import sys
import types
import zipfile

import torch

HERE = os.path.dirname(os.path.abspath(__file__))


# ---- classes that a reader cannot know ---------------------------------------


def in_shop(thing):
    thing.__module__ = "shop"
    thing.__qualname__ = thing.__name__
    setattr(sys.modules["shop"], thing.__name__, thing)
    return thing


sys.modules["shop"] = types.ModuleType("shop")


@in_shop
class Plain:
    def __init__(self, **fields):
        vars(self).update(fields)


@in_shop
class Reduced:
    def __init__(self, *args, state=None):
        self.args, self.state = args, state

    def __reduce__(self):
        return (Reduced, self.args, self.state) if self.state else (Reduced, self.args)


@in_shop
class Keyword:
    def __new__(cls, *args, **kwargs):
        self = object.__new__(cls)
        self.args, self.kwargs = args, kwargs
        return self

    def __getnewargs_ex__(self):
        return self.args, self.kwargs

    def __getstate__(self):
        return None


@in_shop
class Basket(list):
    pass


@in_shop
class Shelf(dict):
    pass


# ---- showing -----------------------------------------------------------------


def quote(data):
    def one(byte):
        plain = 32 <= byte <= 126 and byte not in b"'\\"
        return chr(byte) if plain else f"\\x{byte:02x}"

    return "'" + "".join(map(one, data)) + "'"


def signed_bytes(number):
    length = number.bit_length() // 8 + 1
    return number.to_bytes(length, "little", signed=True).hex()


class Show:
    """What is pickled with `protocol`, as Pawl should read it."""

    def __init__(self, protocol):
        self.protocol = protocol
        self.numbers = {}
        self.storages = {}
        self.alive = []

    def again(self, value):
        self.alive.append(value)
        if id(value) in self.numbers:
            return f"#{self.numbers[id(value)]}"
        self.numbers[id(value)] = len(self.numbers)
        return None

    def fresh(self, value):
        """Takes a number for an object that only the pickle has."""
        self.alive.append(value)
        self.numbers[id(value)] = len(self.numbers)

    def pairs(self, value):
        shown = [f"{self(key)}: {self(item)}" for key, item in value.items()]
        return "{" + ", ".join(shown) + "}"

    def sequence(self, value):
        again = self.again(value)
        if again:
            return again
        shown = ", ".join(map(self, value))
        if type(value) is tuple:
            return f"({shown},)" if len(value) == 1 else f"({shown})"
        name = {list: "", set: "set", frozenset: "frozenset"}[type(value)]
        return f"{name}[{shown}]"

    def dict(self, value):
        again = self.again(value)
        if again:
            return again
        if type(value) is dict:
            return self.pairs(value)
        attrs = vars(value)
        shown = "ordered" + self.pairs(value)
        return f"{shown}@{self.dict(attrs)}" if attrs else shown

    def args(self, *args):
        """A tuple that only the pickle has."""
        return self.sequence(args) if args else "()"

    def fields(self, value):
        return f".state={self.dict(vars(value))}" if vars(value) else ""

    def object(self, value):
        again = self.again(value)
        if again:
            return again
        cls = f"<shop.{type(value).__name__}>"
        if type(value) is Reduced:
            state = f".state={self(value.state)}" if value.state else ""
            args = self.sequence(value.args) if value.args else "()"
            return f"call({cls}, {args}){state}"
        if type(value) is Keyword and self.protocol >= 4:
            return f"new({cls}, {self.args(*value.args)}, {self.dict(value.kwargs)})"
        shown = f"new({cls}, ())"
        state = self.fields(value)
        if type(value) is Basket:
            # In the pickle the items come before the state.
            self.fresh([])
            items = ", ".join(map(self, value))
            return f"{shown}.items=[{items}]"
        if type(value) is Shelf:
            self.fresh({})
            return f"{shown}.pairs={self.pairs(value)}"
        return shown + state

    def storage(self, tensor):
        key = tensor.untyped_storage().data_ptr() or object()
        return f"s{self.storages.setdefault(key, len(self.storages))}"

    def tensor(self, value):
        kind = "parameter" if isinstance(value, torch.nn.Parameter) else "tensor"
        flags = (" grad" if value.requires_grad else "") + (" conj" if value.is_conj() else "")
        return (
            f"{kind}({str(value.dtype)[6:]} ({', '.join(map(str, value.shape))})"
            f" ({', '.join(map(str, value.stride()))}) +{value.storage_offset()}"
            f" {self.storage(value.detach())}{flags})"
        )

    def number(self, value):
        if type(value) is float:
            whole = abs(value) < 1e15 and value == int(value)
            return f"{value:.17g}" + (".0" if whole else "")
        if type(value) is complex:
            return f"complex({value.real:.17g}, {value.imag:.17g})"
        small = -(2**63) <= value < 2**63
        return str(value) if small else f"int:{signed_bytes(value)}"

    def __call__(self, value):
        kind = type(value)
        if value is None or kind is bool:
            return str(value)
        if kind in (int, float, complex):
            return self.number(value)
        if kind is str:
            return quote(value.encode("utf-8", "surrogatepass"))
        if kind in (bytes, bytearray):
            return ("b" if kind is bytes else "bytearray") + quote(value)
        if kind in (list, tuple, set, frozenset):
            return self.sequence(value) if value != () else "()"
        if kind in (dict, collections.OrderedDict):
            return self.dict(value)
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        if value is os.path.join:
            return "<posixpath.join>"
        return self.object(value)


# ---- what there is -------------------------------------------------------------


def numbers():
    return [
        None, True, False, 0, 1, 255, 256, 65535, 65536, -1, -(2**31), 2**31 - 1, 2**31, 2**63 - 1,
        2**63, -(2**63), -(2**63) - 1, 10**40, -(10**40), 0.0, 1.5, -1e300, 5e-324, 0.1,
        complex(1, -2.5),
    ]  # fmt: skip


def texts():
    return [
        "", "plain", "q'\"\\\n\t\r", "\u00e9\u20ac\U0001f600", "\ud800", "a\0b", "\\u0041",
        "x" * 300, b"", b"plain", bytes(range(256)), b"\xc3\xa9", bytearray(b"ab\xff"),
        bytearray(),
    ]  # fmt: skip


def containers():
    shared = ["s"]
    ordered = collections.OrderedDict([("b", 1), ((1, "t"), shared)])
    ordered.note = {"version": 1}
    return [
        (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [[]], {}, {"k": None, 3: [4]}, {7}, set(),
        frozenset([9]), frozenset(), shared, shared, (shared, shared), ordered,
        collections.OrderedDict(), list(range(1100)),
    ]  # fmt: skip


def cycle():
    top = {"list": []}
    top["list"].append(top)
    top["tuple"] = (top["list"], top)
    thing = Plain()
    thing.me = thing
    top["object"] = thing
    return top


def classes():
    twice = Plain(a=1, b=[2])
    return [
        twice, twice, Plain(), Reduced(1, "x"), Reduced(state={"s": 1}), Basket([1, 2]),
        Shelf(k="v"), os.path.join,
    ]  # fmt: skip


def keywords():
    return Keyword(1, b=2)


PICKLES = {
    "numbers": (numbers(), range(6)),
    "texts": (texts(), range(6)),
    "containers": (containers(), range(6)),
    "cycle": (cycle(), range(2, 6)),
    "classes": (classes(), range(2, 6)),
    "keywords": (keywords(), range(4, 6)),
}


def checkpoint():
    weights = torch.arange(12, dtype=torch.float32)
    grid = weights.view(3, 4)
    half = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    state = collections.OrderedDict(w=grid, row=grid[1], turned=grid.t(), half=half)
    state._metadata = {"": {"version": 1}}
    return {
        "model": state,
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "scalar": torch.tensor(7),
        "empty": torch.empty(0, 3),
        "conj": torch.tensor([1 + 2j]).conj(),
        "step": 3,
    }


def save(name, value, **options):
    torch.save(value, os.path.join(HERE, name + ".pt"), **options)


def save_without_crc(name, value):
    torch.serialization.set_crc32_options(False)
    save(name, value)
    torch.serialization.set_crc32_options(True)


def save_deflated(name, value, temporary="archive"):
    save(temporary, value)
    with zipfile.ZipFile(os.path.join(HERE, temporary + ".pt")) as old:
        path = os.path.join(HERE, name + ".pt")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for record in old.namelist():
                info = zipfile.ZipInfo(record)
                new.writestr(info, old.read(record), zipfile.ZIP_DEFLATED)
    os.unlink(os.path.join(HERE, temporary + ".pt"))


def main():
    lines = []
    for name, (value, protocols) in PICKLES.items():
        for protocol in protocols:
            file_name = f"{name}-{protocol}.pkl"
            with open(os.path.join(HERE, file_name), "wb") as file:
                pickle.dump(value, file, protocol=protocol)
            lines.append(f"{file_name}\t{Show(protocol)(value)}")
    value = checkpoint()
    save("plain", value)
    save("protocol4", value, pickle_protocol=4)
    save("legacy", value, _use_new_zipfile_serialization=False)
    save("legacy4", value, _use_new_zipfile_serialization=False, pickle_protocol=4)
    save_without_crc("nocrc", value)
    save_deflated("deflated", value)
    for name in ("plain", "protocol4", "legacy", "legacy4", "nocrc", "deflated"):
        lines.append(f"{name}.pt\t{Show(2)(value)}")
    with open(os.path.join(HERE, "expected.txt"), "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
