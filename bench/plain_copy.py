# SPDX-License-Identifier: Apache-2.0
"""What an asynchronous save costs at the least: a copy of the same tensors,
from where they lie, into memory that is kept, by all cores."""

from __future__ import annotations

import ctypes
import mmap
import time
from collections.abc import Iterable
from pathlib import Path

import torch

ALIGN = 64


class _Piece(ctypes.Structure):
    """struct plain_piece of plain_copy.h."""

    _fields_ = [("to", ctypes.c_void_p), ("source", ctypes.c_void_p),
                ("len", ctypes.c_size_t)]


class PlainCopy:
    """Copies `tensors` as often as asked; `limits` is the program beside which
    the library was built."""

    def __init__(self, limits: str, tensors: Iterable[torch.Tensor]) -> None:
        library = ctypes.CDLL(str(Path(limits).parent / "libplain_copy.so"))
        self._copy = library.plain_copy
        self._copy.restype = None
        self._copy.argtypes = [ctypes.POINTER(_Piece), ctypes.c_size_t,
                               ctypes.c_bool]
        self._tensors = list(tensors)  # keeps their memory
        sizes = [-(-t.nbytes // ALIGN) * ALIGN for t in self._tensors]
        self._memory = mmap.mmap(-1, sum(sizes))
        self._memory.madvise(mmap.MADV_HUGEPAGE)
        to = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._pieces = (_Piece * len(sizes))()
        for i, (tensor, size) in enumerate(zip(self._tensors, sizes)):
            self._pieces[i] = _Piece(to, tensor.data_ptr(), tensor.nbytes)
            to += size
        self._once(streaming=False)  # touches the memory
        self._streaming = min((False, True), key=self._once)

    def _once(self, streaming: bool) -> float:
        start = time.perf_counter()
        self._copy(self._pieces, len(self._pieces), streaming)
        return time.perf_counter() - start

    def seconds(self) -> float:
        """Of one copy: by memcpy, or past the caches if that was faster when
        it was tried."""
        return self._once(self._streaming)
