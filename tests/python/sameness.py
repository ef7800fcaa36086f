# SPDX-License-Identifier: Apache-2.0
"""Whether two files, or two graphs of objects, are the same.

Neither function knows Pawl: files are taken apart by zipfile, objects by what
Python, torch and NumPy say of them.
"""

import copyreg
import io
import struct
import zipfile

import numpy as np
import torch

_CONTAINERS = (list, tuple, set, frozenset, dict)


# ---- files -----------------------------------------------------------------


def masked(path):
    """The bytes of a torch file, without what torch makes of its C++ library:
    the first 20 digits of .data/serialization_id, and that record's CRC."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        (info,) = [
            i
            for i in archive.infolist()
            if i.filename.endswith("/.data/serialization_id")
        ]
        entry = archive.start_dir
        for other in archive.infolist():
            if other is info:
                break
            entry += 46 + sum(struct.unpack_from("<HHH", data, entry + 28))
    start = info.header_offset + 30
    start += sum(struct.unpack_from("<HH", data, info.header_offset + 26))
    assert data[entry : entry + 4] == b"PK\1\2"
    assert data[start + 40 : start + 44] == b"PK\7\10"
    for at, length in ((start, 20), (start + 44, 4), (entry + 16, 4)):
        data[at : at + length] = bytes(length)
    return bytes(data)


# ---- objects ---------------------------------------------------------------


class _Comparison:
    """One comparison of two graphs: remembers which objects stand for each
    other, so that sharing and cycles have to agree too."""

    def __init__(self):
        self.forth = {}
        self.back = {}
        self.kept = []

    def paired(self, a, b):
        """None for a new pair, else whether it was one before."""
        self.kept.append((a, b))
        if id(a) in self.forth or id(b) in self.back:
            return self.forth.get(id(a)) == id(b)
        self.forth[id(a)] = id(b)
        self.back[id(b)] = id(a)
        return None

    def check(self, a, b, at):
        assert type(a) is type(b), f"{at}: {type(a)} is not {type(b)}"
        if isinstance(a, (torch.dtype, torch.device, torch.layout, type)):
            assert a == b, at
        elif isinstance(a, float):
            assert struct.pack("<d", a) == struct.pack("<d", b), at
        elif isinstance(a, (int, str, bytes, complex, type(None), np.dtype)):
            assert a == b or a != a, f"{at}: {a!r} is not {b!r}"
        elif a is Ellipsis or a is NotImplemented or callable(a):
            self.check_object(a, b, at)
        elif type(a) is tuple and not a:
            pass  # there is one empty tuple
        else:
            self.check_shared(a, b, at)

    def check_shared(self, a, b, at):
        paired = self.paired(a, b)
        assert paired is not False, f"{at}: sharing differs"
        if paired:
            return
        if isinstance(a, torch.Tensor):
            self.check_tensor(a, b, at)
        elif isinstance(a, torch.storage.TypedStorage):
            assert a.dtype == b.dtype, at
            self.check_storage(a._untyped_storage, b._untyped_storage, at)
        elif isinstance(a, np.ndarray):
            self.check_array(a, b, at)
        elif isinstance(a, np.generic):
            assert a.dtype == b.dtype and a.tobytes() == b.tobytes(), at
        else:
            self.check_container(a, b, at)

    def check_container(self, a, b, at):
        if isinstance(a, dict):
            assert len(a) == len(b), at
            for i, (x, y) in enumerate(zip(a.items(), b.items())):
                self.check(x[0], y[0], f"{at}.key{i}")
                self.check(x[1], y[1], f"{at}[{x[0]!r}]")
        elif isinstance(a, (set, frozenset)):
            assert a == b, at
        elif isinstance(a, (list, tuple)):
            assert len(a) == len(b), at
            for i, (x, y) in enumerate(zip(a, b)):
                self.check(x, y, f"{at}[{i}]")
        elif hasattr(a, "__iter__") and hasattr(a, "__len__"):
            self.check_container(list(a), list(b), at)
        self.check_object(a, b, at)

    def check_object(self, a, b, at):
        self.check(getattr(a, "__dict__", None), getattr(b, "__dict__", None), at)
        if not isinstance(a, _CONTAINERS) and type(a).__eq__ is not object.__eq__:
            assert a == b, at  # its slots may be a cache
            return
        for name in copyreg._slotnames(type(a)):
            x, y = getattr(a, name, at), getattr(b, name, at)
            self.check(x, y, f"{at}.{name}")

    def check_array(self, a, b, at):
        assert a.dtype == b.dtype and a.shape == b.shape, at
        assert a.flags.f_contiguous == b.flags.f_contiguous, at
        if a.dtype.hasobject:
            self.check(a.tolist(), b.tolist(), at)
        else:
            assert a.tobytes() == b.tobytes(), at

    def check_storage(self, a, b, at):
        assert a.nbytes() == b.nbytes() and a.device == b.device, at
        if a.device.type == "meta" or a.nbytes() == 0:
            return
        paired = self.paired(_Address(a.data_ptr()), _Address(b.data_ptr()))
        assert paired is not False, f"{at}: shared storages differ"
        if paired is None:
            x = torch.empty(0, dtype=torch.uint8).set_(a)
            y = torch.empty(0, dtype=torch.uint8).set_(b)
            assert torch.equal(x, y), f"{at}: bytes of the storage differ"

    def check_tensor(self, a, b, at):
        for name in "dtype layout device requires_grad is_quantized is_nested".split():
            x, y = getattr(a, name), getattr(b, name)
            assert x == y, f"{at}.{name}: {x} is not {y}"
        assert a.is_nested or a.shape == b.shape, at
        assert a.is_conj() == b.is_conj() and a.is_neg() == b.is_neg(), at
        self.check(dict(a.__dict__), dict(b.__dict__), f"{at}.__dict__")
        if a.layout == torch.sparse_coo:
            assert a.is_coalesced() == b.is_coalesced(), at
            self.check_tensor(a._indices(), b._indices(), at)
            self.check_tensor(a._values(), b._values(), at)
        elif a.layout != torch.strided:
            for name in "crow_indices col_indices ccol_indices row_indices".split():
                if name[:4] in str(_compressed(a)):
                    self.check_tensor(getattr(a, name)(), getattr(b, name)(), at)
            self.check_tensor(a.values(), b.values(), at)
        elif a.is_nested:
            for x, y in zip(a.unbind(), b.unbind()):
                assert torch.equal(x, y), at
        else:
            self.check_strided(a, b, at)

    def check_strided(self, a, b, at):
        assert a.stride() == b.stride(), at
        assert a.storage_offset() == b.storage_offset(), at
        if a.is_quantized:
            assert a.qscheme() == b.qscheme(), at
            assert torch.equal(a.dequantize(), b.dequantize()), at
        self.check_storage(a.untyped_storage(), b.untyped_storage(), at)


_ADDRESSES = {}


def _Address(number):
    """One object for one address, so that it can be paired."""
    return _ADDRESSES.setdefault(number, (number,))


def _compressed(tensor):
    """The index methods that a compressed layout has."""
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return ["crow", "col_"]
    return ["ccol", "row_"]


def assert_same(a, b):
    """Fails unless both graphs are the same: types, values, bytes of storages,
    views, and what is shared with what."""
    _Comparison().check(a, b, "root")
