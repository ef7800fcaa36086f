# SPDX-License-Identifier: Apache-2.0
"""Compares what Pawl reads in files by torch.save with what torch.load gives.

    python tests/read_oracle.py build/tests/dump_state

Each variant of each object is saved, loaded by torch, printed in the format of
dump_state.c, and compared with the output of dump_state as text.
"""

import collections
import io
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib

import torch
from torch.utils.serialization import config


# ---- printing as dump_state does ------------------------------------------


def shortest_bytes(number):
    """Two's complement, little-endian, as pickle writes it."""
    length = number.bit_length() // 8 + 1
    return number.to_bytes(length, "little", signed=True).hex()


class Dump:
    def __init__(self):
        self.lines = []
        self.seen = {}
        self.storages = {}

    def storage(self, storage):
        data = bytes(storage.untyped().tolist()) if storage.nbytes() else b""
        key = storage.untyped().data_ptr() or ("empty", len(self.storages))
        number = self.storages.setdefault(key, len(self.storages) + 1)
        return f" storage={number} bytes={len(data)} crc={zlib.crc32(data):08x} location=cpu"

    def tensor(self, tensor):
        kind = "parameter" if isinstance(tensor, torch.nn.Parameter) else "tensor"
        bare = tensor.detach()
        shape = ",".join(map(str, tensor.shape))
        strides = ",".join(map(str, tensor.stride()))
        storage = bare.untyped_storage()
        data = bytes(storage.tolist()) if storage.nbytes() else b""
        key = storage.data_ptr() or ("empty", len(self.storages))
        number = self.storages.setdefault(key, len(self.storages) + 1)
        return (
            f"{kind} {str(tensor.dtype)[6:]} grad={int(tensor.requires_grad)}"
            f" conj={int(tensor.is_conj())} neg={int(tensor.is_neg())}"
            f" shape={shape} strides={strides} offset={tensor.storage_offset()}"
            f" storage={number} bytes={len(data)} crc={zlib.crc32(data):08x}"
            f" location=cpu"
        )

    def line(self, path, text):
        self.lines.append(f"{path}\t{text}")

    def items(self, path, kind, value):
        if len(value) > 0 and id(value) in self.seen:
            self.line(path, f"{kind} again")
            return
        if len(value) == 0:
            self.line(path, kind)
            return
        self.seen[id(value)] = value
        self.line(path, f"{kind} {len(value)}")
        for i, item in enumerate(value):
            self.value(f"{path}/{i}", item)

    def dict(self, path, value):
        ordered = isinstance(value, collections.OrderedDict)
        kind = "ordered dict" if ordered else "dict"
        if id(value) in self.seen:
            self.line(path, f"{kind} again")
            return
        self.seen[id(value)] = value
        self.line(path, f"{kind} {len(value)}")
        for i, (key, item) in enumerate(value.items()):
            self.value(f"{path}/key{i}", key)
            self.value(f"{path}/{i}", item)
        if ordered and vars(value):
            self.value(f"{path}/attrs0", vars(value))

    def value(self, path, value):
        kind = type(value)
        if value is None:
            self.line(path, "none")
        elif kind is bool:
            self.line(path, f"bool {int(value)}")
        elif kind is int and -(2**63) <= value < 2**63:
            self.line(path, f"int {value}")
        elif kind is int:
            self.line(path, f"int big {shortest_bytes(value)}")
        elif kind is float:
            self.line(path, f"float {value:.17g}")
        elif kind is complex:
            self.line(path, f"complex {value.real:.17g} {value.imag:.17g}")
        elif kind is str:
            self.line(path, f"str {value.encode('utf-8', 'surrogatepass').hex()}")
        elif kind in (bytes, bytearray):
            self.line(path, f"{kind.__name__} {value.hex()}")
        elif kind in (list, tuple, set, frozenset):
            self.items(path, kind.__name__, value)
        elif kind in (dict, collections.OrderedDict):
            self.dict(path, value)
        elif isinstance(value, torch.Tensor):
            self.line(path, self.tensor(value))
        elif isinstance(value, torch.dtype):
            self.line(path, f"global {value}")
        elif isinstance(value, torch.Size):
            self.line(path, "object 0")
            self.line(f"{path}/callable0", "global torch.Size")
            self.items(f"{path}/args0", "tuple", (tuple(value),))
        elif isinstance(value, torch.storage.TypedStorage):
            self.line(path, f"storage {str(value.dtype)[6:]}{self.storage(value)}")
        else:
            raise TypeError(f"{path}: {kind}")


def expected(path):
    dump = Dump()
    dump.value("$0", torch.load(path, weights_only=False))
    return "\n".join(dump.lines) + "\n"


# ---- objects ---------------------------------------------------------------

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64,
    torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
    torch.complex128, torch.complex64, torch.complex32, torch.uint16,
    torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e4m3fnuz,
    torch.float8_e5m2, torch.float8_e5m2fnuz, torch.float8_e8m0fnu,
    torch.bits8, torch.bits16,
]  # fmt: skip


def bits(dtype, count, generator):
    width = torch.empty(0, dtype=dtype).element_size()
    high = 2 if dtype == torch.bool else 256
    raw = torch.randint(0, high, (count * width,), dtype=torch.uint8, generator=generator)
    return raw.view(dtype)


def module():
    torch.manual_seed(5)
    return torch.nn.Sequential(
        torch.nn.Linear(7, 5), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 2)
    )


def views(generator):
    base = bits(torch.float32, 120, generator)
    grid = base.view(10, 12)
    return {
        "base": base, "rows": grid[2:5], "transposed": grid.t(), "scalar": grid[3, 4],
        "expanded": grid[0:1].expand(4, 12), "every second": base[1::2],
        "same": base, "empty": base[3:3], "empty grid": grid[:0],
    }  # fmt: skip


def cyclic():
    top = {"name": "top"}
    top["self"] = top
    top["list"] = [top, ()]
    top["list"].append(top["list"])
    return top


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


def atoms():
    return [
        None, True, False, 0, 1, -1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -(2**31), 2**63 - 1,
        2**63, -(2**63), -(2**63) - 1, 2**64, 10**300, -(10**300), 0.0, -0.0, 1.5, 1e308, 5e-324,
        float("inf"), float("-inf"), 1 / 3, 2 + 3j, complex(0, float("inf")), "", "a", "\u00e9",
        "\u20ac \U0001f600", "\ud800", "a\0b", "x" * 300, "back\\slash\nnewline\u1234", b"", b"a",
        bytes(range(256)), bytearray(b"abc\xff"), bytearray(), (), (1,), (1, 2), (1, 2, 3),
        (1, 2, 3, 4), [], [[]], {}, {1: 2, (1, 2): "t", None: 3, 1.5: 2, b"k": 1}, {7}, set(),
        frozenset([3]), frozenset(), torch.float32, torch.bfloat16, torch.Size([2, 3]),
        collections.OrderedDict([("b", 1), ("a", 2)]),
    ]  # fmt: skip


def optimizer():
    net = module()
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(2):
        adam.zero_grad()
        net(torch.ones(4, 7)).sum().backward()
        adam.step()
    return {"model": net.state_dict(), "optimizer": adam.state_dict(), "step": 2}


def objects():
    generator = torch.Generator().manual_seed(11)
    shared = [1, 2]
    parameter = torch.nn.Parameter(bits(torch.float32, 6, generator).view(2, 3))
    weights = torch.arange(6, dtype=torch.float32)
    return {
        "atoms": atoms(),
        "dtypes": {str(d): bits(d, 24, generator).view(2, 3, 4) for d in DTYPES},
        "views": views(generator),
        "module": module().state_dict(),
        "optimizer": optimizer(),
        "parameters": [
            parameter,
            torch.nn.Parameter(weights, requires_grad=False),
            parameter,
            weights,
        ],
        "grad": [torch.zeros(3, requires_grad=True), torch.zeros((), dtype=torch.int64)],
        "conj": [
            torch.tensor([1 + 2j, 3 - 4j]).conj(),
            torch.tensor([1 + 2j]).conj().imag,
        ],
        "empty": [torch.empty(0), torch.empty(3, 0, 2, dtype=torch.int8)],
        "shared": [shared, shared, (shared, shared)],
        "cyclic": cyclic(),
        "deep": deep(400),
        "storage": [weights.storage(), weights],
        "many": {f"layer.{i}.weight": torch.full((3,), float(i)) for i in range(1500)},
    }


# ---- variants --------------------------------------------------------------


def save_file_object(value, path, **options):
    data = io.BytesIO()
    torch.save(value, data, **options)
    with open(path, "wb") as file:
        file.write(data.getvalue())


def save_aligned(value, path):
    config.save.storage_alignment = 4096
    try:
        torch.save(value, path)
    finally:
        config.save.storage_alignment = 64


def save_without_crc(value, path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(value, path)
    finally:
        torch.serialization.set_crc32_options(True)


def save_deflated(value, path):
    """The same records, compressed, in another order, with a comment."""
    data = io.BytesIO()
    torch.save(value, data)
    with zipfile.ZipFile(data) as old:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            new.comment = b"packed again"
            for name in reversed(old.namelist()):
                new.writestr(name, old.read(name))


def save_stored_again(value, path):
    data = io.BytesIO()
    torch.save(value, data)
    with zipfile.ZipFile(data) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))


def legacy(protocol):
    def save(value, path):
        torch.save(
            value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=False
        )

    return save


def protocol(number):
    return lambda value, path: torch.save(value, path, pickle_protocol=number)


VARIANTS = {
    "plain": torch.save,
    "file object": save_file_object,
    "protocol 3": protocol(3),
    "protocol 4": protocol(4),
    "protocol 5": protocol(5),
    "aligned": save_aligned,
    "no crc": save_without_crc,
    "deflated": save_deflated,
    "stored again": save_stored_again,
    "legacy": legacy(2),
    "legacy 4": legacy(4),
    "legacy 5": legacy(5),
}


def compare(name, program, path, save, value):
    save(value, path)
    result = subprocess.run([program, path], capture_output=True, check=False)
    got = result.stdout.decode("ascii", "replace")
    try:
        want = expected(path)
    except AttributeError:
        # torch cannot load the legacy files that it writes of untyped storages.
        torch.save(value, path)
        want = expected(path)
    if got == want and result.returncode == 0:
        return True
    print(f"{name}: differs ({result.returncode}) {result.stderr.decode()[-3000:]}")
    got_lines, want_lines = got.split("\n"), want.split("\n")
    for have, should in zip(got_lines, want_lines):
        if have != should:
            print(f"  pawl  {have[:300]}\n  torch {should[:300]}")
            break
    return False


def main():
    program = sys.argv[1]
    sys.setrecursionlimit(20000)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for object_name, value in objects().items():
            for variant, save in VARIANTS.items():
                path = os.path.join(folder, "model.pt")
                if compare(f"{object_name}, {variant}", program, path, save, value):
                    passed += 1
                else:
                    failed += 1
                os.unlink(path)
    print(f"{passed} files read as torch.load reads them, {failed} not")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
