# SPDX-License-Identifier: Apache-2.0
"""What a load may take from NumPy: see pawl.trust.

NumPy believes what it is told when a dtype is restored; a lying one makes it
read beyond its memory.  So the state in the file must be the one that NumPy
itself would have written for a dtype that it made from the same description.
"""

from __future__ import annotations

import functools
import math
from typing import Any, Callable

import numpy

from .errors import FormatError

np: Any = numpy  # its type hints are too narrow for what files hold

_OLD = "numpy.core."
_NEW = "numpy._core."
_SCALAR = "numpy._core.multiarray.scalar"
_RECONSTRUCT = "numpy._core.multiarray._reconstruct"
_FROMBUFFER = "numpy._core.numeric._frombuffer"
#: NumPy's own function, whatever its module is called in this version.
_REAL_SCALAR: Any = np.float32(0).__reduce__()[0]


def canonical(name: str) -> str:
    """NumPy 2's name for what NumPy 1 called otherwise."""
    return _NEW + name[len(_OLD) :] if name.startswith(_OLD) else name


@functools.lru_cache(maxsize=None)
def values() -> dict[str, Any]:
    """Name to object."""
    table: dict[str, Any] = {
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
    }
    for scalar in np.generic.__subclasses__():
        _add_scalars(table, scalar)
    table[_SCALAR] = _REAL_SCALAR
    table[_RECONSTRUCT] = np.ndarray(0).__reduce__()[0]
    table[_FROMBUFFER] = np.ndarray(0).__reduce_ex__(5)[0]
    return table


def _add_scalars(table: dict[str, Any], scalar: Any) -> None:
    """Adds a scalar type and those below it."""
    table[f"numpy.{scalar.__name__}"] = scalar
    for below in scalar.__subclasses__():
        if below.__module__ == "numpy":
            _add_scalars(table, below)


def _dtype(loader: Any, code: Any, align: Any = False, copy: Any = True) -> Any:
    """An own copy of a dtype, whose state may follow."""
    if not isinstance(code, str) or align or "," in code:
        raise FormatError("a NumPy dtype is made of its code, not of this")
    return np.dtype(code, copy=True)


def _described(dtype: Any, state: tuple[Any, ...]) -> Any:
    """The dtype that the parts of `state` describe, made by NumPy itself."""
    order, base, names, fields = state[1:5]
    if base is not None:
        return np.dtype((base[0], tuple(base[1])))
    if names is not None:
        parts = [fields[name] for name in names]
        layout = {
            "names": list(names),
            "formats": [part[0] for part in parts],
            "offsets": [part[1] for part in parts],
            "titles": [part[2] if len(part) > 2 else None for part in parts],
            "itemsize": state[5],
        }
        return np.dtype(layout, align=bool(state[7] & 0x80))
    if dtype.kind in "mM" and len(state) > 8:
        unit, count = state[8][1][:2]
        unit = unit.decode() if isinstance(unit, bytes) else unit
        dtype = np.dtype(f"{dtype.char}8[{count}{unit}]")
    return dtype.newbyteorder(order)


def set_dtype_state(dtype: Any, state: Any) -> None:
    """Restores a dtype that `_dtype` made.

    Raises:
        FormatError: the state is not that of any dtype.
    """
    if not isinstance(state, tuple) or len(state) < 8:
        raise FormatError("the state of a NumPy dtype is too short")
    expected = _described(dtype, state).__reduce__()[2]
    if state[1:8] != expected[1:8]:
        raise FormatError("the state of a NumPy dtype contradicts itself")
    dtype.__setstate__(expected)


def _reconstruct(loader: Any, cls: Any, shape: Any, code: Any) -> Any:
    """An empty array, whose state will follow."""
    if cls is not np.ndarray or shape != (0,) or code not in (b"b", "b"):
        raise FormatError("a NumPy array begins empty, not like this")
    return np.ndarray(0, "b")


def set_array_state(array: Any, state: Any) -> None:
    """Restores an array that `_reconstruct` made.

    Raises:
        FormatError: its bytes are not as many as its shape asks for.
    """
    shape, dtype, raw = state[1], state[2], state[4]
    if not isinstance(dtype, np.dtype) or min((0, *shape)) < 0:
        raise FormatError("a NumPy array has a dtype or shape that cannot be")
    held = dtype.itemsize * math.prod(shape)
    if not dtype.hasobject and len(raw) != held:
        raise FormatError(f"a NumPy array of {held} bytes has {len(raw)}")
    array.__setstate__(state)


def _scalar(loader: Any, dtype: Any, data: Any = None) -> Any:
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise FormatError("a NumPy scalar has a plain dtype, not this")
    if not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise FormatError("a NumPy scalar has not the size of its dtype")
    return _REAL_SCALAR(dtype, data)


def _frombuffer(
    loader: Any, data: Any, dtype: Any, shape: Any, order: Any, axis: Any = None
) -> Any:
    """An array as protocol 5 stores it."""
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise FormatError("a NumPy buffer has a plain dtype, not this")
    array = np.frombuffer(data, dtype)
    if order == "K" and axis is not None:
        return array.reshape(shape).transpose(axis)
    return array.reshape(shape, order=order)


CALLS: dict[str, Callable[..., Any]] = {
    "numpy.dtype": _dtype,
    _SCALAR: _scalar,
    _RECONSTRUCT: _reconstruct,
    _FROMBUFFER: _frombuffer,
}
