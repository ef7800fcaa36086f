# SPDX-License-Identifier: Apache-2.0
"""What pickle would do with an object: for the C part, which then does it.

The C part (python/walk.c) knows the built-in types.  For every other object it
calls `Session.describe` once and gets one of these tuples:

    (GLOBAL, module, name)
    (REDUCE or NEWOBJ, callable, args, state, items, pairs)
    (TENSOR, storage, dtype, offset, shape, strides, requires_grad,
        is_parameter, is_conj, is_neg)
    (STORAGE, storage)

where storage is (dtype, location, identity, address of its memory or 0, address
of its bytes on the CPU, size in bytes, owner).  All of it follows CPython's pickle at protocol 2
and torch.serialization._save, since the files are to be equal to torch's.
"""

from __future__ import annotations

import _compat_pickle
import copyreg
import functools
import pickle
import sys
import types
import warnings
from collections.abc import Iterable
from typing import Any, Optional

from . import _pawl
from . import trust as _trust
from .devices import Lease, Staging
from .errors import InvalidError, NotSupportedError, UntrustedWarning

_PROTOCOL = 2
_UNTYPED = "untyped"
#: Devices whose plain tensors need no help of torch to be described.
_PLAIN_DEVICES = ("cpu", "cuda")


class Session:
    """What is known while one file is saved.

    Args:
        trust: names whose use needs no warning.
        staging: for bytes on accelerators; None: of this session's own.
    """

    def __init__(
        self,
        trust: Iterable[_trust.Trusted] = (),
        staging: Optional[Staging] = None,
    ) -> None:
        self._trust = _trust.Trust(trust)
        self._names: dict[str, None] = {}  # used by the objects, in order
        # torch's identity of a storage -> its bytes on the CPU, their keeper
        self._copies: dict[int, tuple[int, Any]] = {}
        self._staging = staging or Staging()
        self._lease: Optional[Lease] = None
        self._torch: Any = sys.modules.get("torch")  # no torch: no tensors

    def describe(self, obj: Any) -> tuple[Any, ...]:
        """What pickle would do with `obj`, as a tuple.

        Raises:
            NotSupportedError: it cannot be stored.
            Exception: what its ``__reduce_ex__`` raises.
        """
        torch = self._torch
        if torch is not None:
            cls = type(obj)
            if cls is torch.Tensor or cls is torch.nn.Parameter:
                plain = self._plain_tensor(obj, cls is torch.nn.Parameter)
                if plain is not None:
                    return plain
            elif isinstance(obj, torch.storage.TypedStorage):
                return _pawl.STORAGE, self._typed_storage(obj)
            elif torch.is_storage(obj):
                return _pawl.STORAGE, self._storage(obj, _UNTYPED)
        return self._reduce(obj)

    def finish(self) -> None:
        """Waits until all bytes are where `describe` said that they are; called
        when everything was described."""
        if self._lease is not None:
            self._lease.wait()

    def warn(self, path: Any) -> None:
        """Warns of what a load will refuse without trust.

        Args:
            path: the file, for the text.
        """
        names = [
            name
            for name in self._names
            if name not in self._trust and not _trust.is_allowed(name)
        ]
        if names:
            listed = ", ".join(f"'{name}'" for name in names)
            warnings.warn(
                f"'{path}' will need trust=[{listed}] to be loaded",
                UntrustedWarning,
                stacklevel=3,
            )

    # ---- storages and tensors ----------------------------------------------

    def _storage(self, untyped: Any, dtype: str) -> tuple[Any, ...]:
        """The tuple of a storage.

        Args:
            untyped: a torch.UntypedStorage.
            dtype: what the file will say that it holds.
        """
        on_meta = untyped.device.type == "meta"
        copy = self._copies.get(untyped._cdata)
        if copy is None:
            copy = self._copies[untyped._cdata] = self._copy(untyped)
        address, keeper = copy
        nbytes = untyped.nbytes()
        return (
            dtype,
            self._torch.serialization.location_tag(untyped),
            untyped._cdata,
            0 if on_meta else untyped.data_ptr(),
            address if nbytes else 0,
            nbytes,
            # `untyped` stays alive too: its _cdata is the identity.
            (untyped, keeper),
        )

    def _copy(self, untyped: Any) -> tuple[int, Any]:
        """Where the bytes of a storage will be on the CPU, and what keeps them."""
        if untyped.device.type != "meta" and untyped.nbytes() > 0:
            if self._lease is None:
                self._lease = Lease(self._staging)
            staged = self._lease.copy(untyped)
            if staged is not None:
                return staged.data_ptr(), self._lease
        on_cpu = untyped if untyped.device.type == "cpu" else untyped.cpu()
        return on_cpu.data_ptr() if untyped.nbytes() else 0, on_cpu

    def _typed_storage(self, typed: Any) -> tuple[Any, ...]:
        name = _dtype_name(typed.dtype)
        if typed.dtype in _new_dtypes(self._torch):
            raise NotSupportedError(f"torch has no typed storage of dtype '{name}'")
        return self._storage(typed._untyped_storage, name)

    def _plain_tensor(
        self, tensor: Any, is_parameter: bool
    ) -> Optional[tuple[Any, ...]]:
        """A strided tensor without anything special, or None."""
        torch = self._torch
        if (
            tensor.__dict__
            or tensor.layout is not torch.strided
            or tensor.device.type not in _PLAIN_DEVICES
            or tensor.is_quantized
            or tensor.is_nested
            or tensor._backward_hooks
            or torch._C._get_tensor_metadata(tensor)
        ):
            return None
        name = _dtype_name(tensor.dtype)
        is_new = tensor.dtype in _new_dtypes(torch)
        storage = self._storage(
            tensor.untyped_storage(),
            _UNTYPED if is_new else name,
        )
        return (
            _pawl.TENSOR,
            storage,
            name,
            tensor.storage_offset(),
            tuple(tensor.size()),
            tensor.stride(),
            tensor.requires_grad,
            is_parameter,
            False,
            False,
        )

    # ---- objects -----------------------------------------------------------

    def _reduce(self, obj: Any) -> tuple[Any, ...]:
        """pickle.Pickler.save, from where it asks the object."""
        cls = type(obj)
        if cls is type:
            return self._type(obj)
        if cls is types.FunctionType:
            return self._global(obj)
        reducer = copyreg.dispatch_table.get(cls)
        if reducer is not None:
            reduced = reducer(obj)
        elif issubclass(cls, type):
            return self._global(obj)
        else:
            reduced = obj.__reduce_ex__(_PROTOCOL)
        if isinstance(reduced, str):
            return self._global(obj, reduced)
        if not isinstance(reduced, tuple) or not 2 <= len(reduced) <= 6:
            raise InvalidError(
                f"__reduce__ of a '{cls.__name__}' returned neither a string "
                "nor a tuple of 2 to 6 items"
            )
        return self._reduced(obj, *reduced)

    def _reduced(
        self,
        obj: Any,
        function: Any,
        args: Any,
        state: Any = None,
        items: Any = None,
        pairs: Any = None,
        setter: Any = None,
    ) -> tuple[Any, ...]:
        """pickle.Pickler.save_reduce."""
        if not callable(function) or not isinstance(args, tuple):
            raise InvalidError(
                f"__reduce__ of a '{type(obj).__name__}' must return a "
                "callable and a tuple"
            )
        if setter is not None:
            raise NotSupportedError(
                f"cannot save a '{type(obj).__name__}': its __reduce__ sets "
                "the state by a function"
            )
        rest = (
            state,
            list(items) if items is not None else None,
            pairs,
        )
        name = getattr(function, "__name__", "")
        if name == "__newobj_ex__":
            cls, new_args, kwargs = args
            made = functools.partial(cls.__new__, cls, *new_args, **kwargs)
            return (_pawl.REDUCE, made, (), *rest)
        if name == "__newobj__":
            if not args or type(args[0].__new__) is None:
                raise InvalidError("__newobj__ has no class")
            return (_pawl.NEWOBJ, args[0], args[1:], *rest)
        return (_pawl.REDUCE, function, args, *rest)

    def _type(self, obj: Any) -> tuple[Any, ...]:
        """pickle.Pickler.save_type."""
        for singleton in (None, NotImplemented, ...):
            if obj is type(singleton):
                return self._reduced(obj, type, (singleton,))
        return self._global(obj)

    def _global(self, obj: Any, name: Optional[str] = None) -> tuple[Any, ...]:
        """pickle.Pickler.save_global."""
        if name is None:
            name = getattr(obj, "__qualname__", None) or obj.__name__
        module = pickle.whichmodule(obj, name)  # type: ignore[attr-defined]
        owner, found = _find(module, name)
        if found is not obj:
            raise NotSupportedError(
                f"cannot save {obj!r}: it is not what '{module}.{name}' names"
            )
        if (module, name) in copyreg._extension_registry:  # type: ignore[attr-defined]
            raise NotSupportedError(
                f"cannot save '{module}.{name}': it has an extension code"
            )
        last = name.rpartition(".")[2]
        if owner is not sys.modules[module]:
            self._names[f"{module}.{name}"] = None
            parts = (owner, _fresh(last))
            return _pawl.REDUCE, getattr, parts, None, None, None
        if obj not in (getattr, functools.partial):
            self._names[f"{module}.{last}"] = None
        return (_pawl.GLOBAL, *_python2_name(module, last))


def _fresh(text: str) -> str:
    """A new object of that text, as str.split makes it; not for single
    characters of Latin-1, which Python keeps one of."""
    return "".join([text[:1], text[1:]])


def _find(module: str, name: str) -> tuple[Any, Any]:
    """What `name` in `module` is, and what it is an attribute of."""
    try:
        __import__(module, level=0)
        owner: Any = None
        found: Any = sys.modules[module]
        for part in name.split("."):
            if part == "<locals>":
                raise AttributeError("it is local to a function")
            owner, found = found, getattr(found, part)
    except (ImportError, KeyError, AttributeError) as exc:
        raise NotSupportedError(
            f"cannot save '{module}.{name}' by its name: {exc}"
        ) from exc
    return owner, found


def _python2_name(module: str, name: str) -> tuple[str, str]:
    """The name that protocol 2 uses."""
    pair = _compat_pickle.REVERSE_NAME_MAPPING.get((module, name))
    if pair is None:
        module = _compat_pickle.REVERSE_IMPORT_MAPPING.get(module, module)
        pair = (module, name)
    if not all(part.isascii() for part in pair):
        raise NotSupportedError(
            f"cannot save '{module}.{name}': protocol 2 has ASCII names only"
        )
    return pair


@functools.lru_cache(maxsize=None)
def _dtype_name(dtype: Any) -> str:
    return str(dtype).partition(".")[2]


@functools.lru_cache(maxsize=None)
def _new_dtypes(torch: Any) -> frozenset[Any]:
    """Dtypes that torch stores untyped."""
    return frozenset(torch.storage._new_dtypes())
