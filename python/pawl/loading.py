# SPDX-License-Identifier: Apache-2.0
"""How values of a file become objects: what the C part asks for on its way.

The C part (python/build.c) makes what Python has built in and keeps the
structure; here are names, objects, storages and tensors.
"""

from __future__ import annotations

import builtins
import enum
import functools
import sys
from collections.abc import Iterable
from typing import Any, Callable, Optional

from . import trust as _trust
from .errors import Error, FormatError, UntrustedError
from .objects import Global, Object

#: As torch.load has it: None, a device, its name, a dict, or a function.
MapLocation = Any

_GETATTR = "builtins.getattr"


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """Turns what honest code says of nonsense in a file into a FormatError."""

    @functools.wraps(method)
    def call(*args: Any) -> Any:
        try:
            return method(*args)
        except (Error, MemoryError):
            raise
        except Exception as exc:
            raise FormatError(
                f"cannot rebuild an object: {type(exc).__name__}: {exc}"
            ) from exc

    return call


class Loader:
    """Makes the objects of one file.

    Args:
        map_location: where storages go, as torch.load has it.
        trust: what may be imported and called.
        unknown: ``"error"``, or ``"inert"`` for `Object`s and `Global`s.
        maps_file: whether storages are to be views of the mapped file.

    Raises:
        ValueError: `unknown` is neither.
    """

    def __init__(
        self,
        map_location: MapLocation = None,
        trust: Iterable[_trust.Trusted] = (),
        unknown: str = "error",
        maps_file: bool = False,
    ) -> None:
        if unknown not in ("error", "inert"):
            raise ValueError(f"unknown must be 'error' or 'inert': {unknown!r}")
        self._map_location = map_location
        self._trust = _trust.Trust(trust)
        self._inert = unknown == "inert"
        self.maps_file = bool(maps_file)
        self._restore: Optional[Callable[[Any, str], Any]] = None
        self._typed: dict[int, Any] = {}
        self._names: dict[int, str] = {}  # id of what a name gave -> name
        self._made: dict[int, Any] = {}  # id -> what trusted code made
        self._kept: list[Any] = []  # keeps the ids above unique

    # ---- names -------------------------------------------------------------

    @_guarded
    def find_global(self, module: str, qualname: str) -> Any:
        """The object of a name in the file."""
        module, qualname = _trust.modern(module, qualname)
        name = f"{module}.{qualname}"
        if name in self._trust:
            return self._named(name, self._trust.find(module, qualname))
        try:
            return self._named(name, _trust.find_value(name))
        except KeyError:
            pass
        # getattr is how protocol 2 names what is inside a class; make_object
        # sees whether that is trusted.
        harmless = name == _GETATTR or self._trust.holds_inside(name)
        if not self._inert and not harmless:
            raise self._untrusted(name)
        return Global(module, qualname)

    def _named(self, name: str, value: Any) -> Any:
        self._names[id(value)] = name
        self._kept.append(value)
        return value

    def _untrusted(self, name: str) -> UntrustedError:
        return UntrustedError(
            f"the file needs '{name}', which is not trusted: add "
            f"trust=['{name}'] to load it, or unknown='inert' to see its data",
            name=name,
        )

    def is_trusted(self, value: Any) -> bool:
        """Whether the caller trusts this class or function."""
        return self._names.get(id(value), "") in self._trust

    def refuse(self, value: Any) -> Any:
        """What stands for something that may not be used: its name."""
        if isinstance(value, (Global, Object)):
            return value
        name = self._names.get(id(value))
        if name is None:
            raise FormatError(f"a file may not use {value!r} like this")
        if not self._inert:
            raise self._untrusted(name)
        module, _, qualname = name.rpartition(".")
        return Global(module, qualname)

    # ---- objects -----------------------------------------------------------

    @_guarded
    def make_object(
        self,
        is_new: int,
        function: Any,
        args: Any,
        kwargs: Optional[dict[str, Any]],
    ) -> Any:
        """What the file wants to have called, or a stand-in for it.

        Args:
            is_new: nonzero for function.__new__(function, ...).
            function: as the value in the file was made.
            args: the arguments.
            kwargs: the keyword arguments, or None.
        """
        args = () if args is None else args
        if isinstance(function, Global) and function.name == _GETATTR:
            return self._attribute(function, args)
        if self._may_run(function):
            return self._run(is_new, function, args, kwargs)
        if not is_new and not kwargs and self._call_of(function) is not None:
            return self.call(function, args)
        return Object(self.refuse(function), args, kwargs)

    def _call_of(self, function: Any) -> Any:
        name = self._names.get(id(function))
        return None if name is None else _trust.find_call(name)

    def call(self, function: Any, args: Any) -> Any:
        """Our own function for one on the allow-list, called."""
        if self._may_run(function):
            return self._run(0, function, args, None)
        ours = self._call_of(function)
        if ours is None:
            raise FormatError(f"a file may not call {function!r}")
        return ours(self, *args)

    def _may_run(self, function: Any) -> bool:
        if self.is_trusted(function):
            return True
        # functools.partial(cls.__new__, cls, ...): protocol 2's way to give
        # keyword arguments; trusted code made it of trusted parts.
        return (
            type(function) is functools.partial
            and id(function) in self._made
            and self.is_trusted(function.func)
        )

    def _run(
        self,
        is_new: int,
        function: Any,
        args: Any,
        kwargs: Optional[dict[str, Any]],
    ) -> Any:
        if is_new:
            made = function.__new__(function, *args, **(kwargs or {}))
        else:
            made = function(*args, **(kwargs or {}))
        self._made[id(made)] = made
        return made

    def _attribute(self, getattr_: Global, args: Any) -> Any:
        """getattr(owner, name): a nested class, or a member of an Enum."""
        if not isinstance(args, tuple) or len(args) != 2:
            raise FormatError("getattr has an owner and a name, not this")
        owner, name = args
        if isinstance(owner, Global):
            if owner.name == _GETATTR:
                raise FormatError("a file may not use getattr like this")
            return self.find_global(owner.module, f"{owner.qualname}.{name}")
        if isinstance(owner, type) and self.is_trusted(owner):
            if issubclass(owner, enum.Enum):
                return owner[name]
            return self.find_global(owner.__module__, f"{owner.__qualname__}.{name}")
        if not self._inert:
            raise self._untrusted(_GETATTR)
        return Object(getattr_, args, None)

    @_guarded
    def extend(self, obj: Any, items: list[Any]) -> None:
        """Appends to an object."""
        if isinstance(obj, Object):
            obj.items.extend(items)
        elif hasattr(obj, "extend") and self._is_ours(obj):
            obj.extend(items)
        elif self._is_ours(obj):
            for item in items:
                obj.append(item)
        else:
            raise FormatError(f"a file may not append to a {type(obj)}")

    @_guarded
    def update(self, obj: Any, pairs: dict[Any, Any]) -> None:
        """Sets items of an object."""
        if isinstance(obj, Object):
            obj.pairs.update(pairs)
        elif self._is_ours(obj):
            for key, item in pairs.items():
                obj[key] = item
        else:
            raise FormatError(f"a file may not set items of a {type(obj)}")

    def _is_ours(self, obj: Any) -> bool:
        """Whether an object may be changed by way of its methods."""
        name = f"{type(obj).__module__}.{type(obj).__qualname__}"
        return id(obj) in self._made or name.startswith("collections.")

    @_guarded
    def set_state(self, obj: Any, state: Any) -> None:
        """Gives an object its attributes, as pickle's BUILD does."""
        if isinstance(obj, Object):
            obj.state = state
        elif id(obj) in self._made:
            _set_state(obj, state)
        elif "numpy" in sys.modules and self._set_numpy_state(obj, state):
            pass
        elif self._is_ours(obj) and isinstance(state, dict):
            obj.__dict__.update(_interned(state))
        else:
            raise FormatError(f"a file may not change a {type(obj)}")

    def _set_numpy_state(self, obj: Any, state: Any) -> bool:
        np = sys.modules["numpy"]
        from . import rebuild_numpy

        if type(obj) is np.ndarray:
            rebuild_numpy.set_array_state(obj, state)
        elif isinstance(obj, np.dtype):
            rebuild_numpy.set_dtype_state(obj, state)
        else:
            return False
        return True

    # ---- storages and tensors ----------------------------------------------

    def new_storage(self, nbytes: int) -> tuple[Any, int]:
        """A storage to be filled, and its address; 0: leave it alone.

        Args:
            nbytes: its size.
        """
        torch = _import_torch()
        if self.is_meta():
            return torch.UntypedStorage(nbytes, device="meta"), 0
        storage = torch.UntypedStorage(nbytes)
        return storage, storage.data_ptr() if nbytes else 0

    def is_meta(self) -> bool:
        """Whether the payload is not wanted at all."""
        where = self._map_location
        if isinstance(where, (str, bytes)):
            return where in ("meta", b"meta")
        return getattr(where, "type", None) == "meta"

    def place_storage(self, storage: Any, location: str) -> Any:
        """The storage, where map_location wants it."""
        if self.is_meta():
            return storage
        if self._restore is None:
            serialization = _import_torch().serialization
            self._restore = serialization._get_restore_location(self._map_location)
        return self._restore(storage, location)

    def stays(self, location: str) -> bool:
        """Whether map_location leaves what comes from `location` in the memory
        that it was read to."""
        where = self._map_location
        if where is None:
            return location == "cpu"
        is_device = isinstance(where, (str, _import_torch().device))
        return is_device and str(where) == "cpu"

    def device(self, device: Any) -> Any:
        """Where a tensor goes that has a device of its own."""
        where = self._map_location
        if where is None:
            return device
        if isinstance(where, dict):
            return where.get(device, device)
        if callable(where):
            raise FormatError(
                "a tensor without a storage takes no function as map_location"
            )
        return where

    @_guarded
    def tensor(
        self,
        untyped: Any,
        dtype: str,
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        requires_grad: int,
        is_parameter: int,
        is_conj: int,
        is_neg: int,
    ) -> Any:
        """A view of a storage, within its bounds."""
        from . import rebuild_torch as rebuild

        torch = _import_torch()
        tensor = rebuild.make_tensor(
            untyped, getattr(torch, dtype), offset, shape, strides
        )
        grad = bool(requires_grad)
        rebuild.finish_tensor(
            tensor, grad and not is_parameter, bool(is_conj), bool(is_neg)
        )
        return torch.nn.Parameter(tensor, grad) if is_parameter else tensor

    def typed_storage(self, untyped: Any, dtype: str) -> Any:
        """A storage by itself, as torch.load gives it."""
        torch = _import_torch()
        if id(untyped) not in self._typed:
            name = "uint8" if dtype == "untyped" else dtype
            self._typed[id(untyped)] = torch.storage.TypedStorage(
                wrap_storage=untyped,
                dtype=getattr(torch, name),
                _internal=True,
            )
        return self._typed[id(untyped)]


def _import_torch() -> Any:
    import torch

    return torch


def _interned(state: dict[Any, Any]) -> dict[Any, Any]:
    return {
        sys.intern(key) if type(key) is str else key: value
        for key, value in state.items()
    }


def _set_state(obj: Any, state: Any) -> None:
    """pickle's BUILD, for an object that trusted code made."""
    setstate = getattr(obj, "__setstate__", None)
    if setstate is not None:
        setstate(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        obj.__dict__.update(_interned(state))
    for name, value in (slots or {}).items():
        builtins.setattr(obj, name, value)
