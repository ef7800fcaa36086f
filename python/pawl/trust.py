# SPDX-License-Identifier: Apache-2.0
"""Which names of a file are looked up, and which may be called.

A file names classes and functions.  Three kinds of names are looked up; no
other is ever imported or called because of a file:

values  that are plain constants or types without danger: dtypes, layouts,
        `collections.OrderedDict`, `int`.  See `values` of the rebuild modules.
calls   that we make ourselves, with checked arguments, in place of what the
        file asks for: `torch._utils._rebuild_sparse_tensor`,
        `collections.defaultdict`.  See `CALLS` of the rebuild modules.
trusted names that the caller gave as `trust`: imported and called as pickle
        would.
"""

from __future__ import annotations

import _compat_pickle
import importlib
from collections.abc import Iterable
from typing import Any, Callable, Union

from . import rebuild_python

#: An item of `trust`: a class or function, or its ``"module.qualname"``.
Trusted = Union[str, type, Callable[..., Any]]


def modern(module: str, name: str) -> tuple[str, str]:
    """The Python 3 name of what protocol 2 stores by its Python 2 name.

    Args:
        module: as in the file, such as ``"__builtin__"``.
        name: as in the file, such as ``"long"``.
    """
    pair = _compat_pickle.NAME_MAPPING.get((module, name))
    if pair is not None:
        return pair
    if module == "torch.tensor":  # where old torch had it
        return "torch._tensor", name
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def _provider(name: str) -> Any:
    """The rebuild module that is responsible for `name`, or None."""
    root = name.partition(".")[0]
    if root in ("builtins", "collections", "_codecs", "_operator"):
        return rebuild_python
    if root not in ("torch", "numpy"):
        return None
    try:
        return importlib.import_module(f".rebuild_{root}", __package__)
    except ImportError:
        return None


def find_value(name: str) -> Any:
    """What the allow-list has for `name`.

    Args:
        name: ``"module.qualname"``, modern.

    Raises:
        KeyError: the name is not on the list.
    """
    provider = _provider(name)
    if provider is None:
        raise KeyError(name)
    return provider.values()[provider.canonical(name)]


def find_call(name: str) -> Any:
    """The function (loader, \\*args) that stands for a call of `name`, or None."""
    provider = _provider(name)
    if provider is None:
        return None
    return provider.CALLS.get(provider.canonical(name))


def is_allowed(name: str) -> bool:
    """Whether a load knows `name` without any trust."""
    try:
        find_value(name)
    except KeyError:
        return False
    return True


class Trust:
    """The names that a caller trusts.

    Args:
        trust: classes and functions, or their ``"module.qualname"``.

    Raises:
        TypeError: an item is neither.
    """

    def __init__(self, trust: Iterable[Trusted] = ()) -> None:
        if isinstance(trust, (str, type)):
            raise TypeError("trust is an iterable of names and classes")
        self._objects: dict[str, Any] = {}
        self._names: set[str] = set()
        for item in trust:
            if isinstance(item, str):
                self._names.add(item)
            elif hasattr(item, "__qualname__"):
                name = f"{item.__module__}.{item.__qualname__}"
                self._names.add(name)
                self._objects[name] = item
            else:
                raise TypeError(f"cannot trust {item!r}: not a class or name")

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def holds_inside(self, name: str) -> bool:
        """Whether something inside `name`, such as a nested class, is trusted."""
        return any(item.startswith(name + ".") for item in self._names)

    def find(self, module: str, qualname: str) -> Any:
        """The object of a trusted name, imported if need be.

        Raises:
            ImportError, AttributeError: it is not there.
        """
        name = f"{module}.{qualname}"
        if name not in self._objects:
            found: Any = importlib.import_module(module)
            for part in qualname.split("."):
                found = getattr(found, part)
            self._objects[name] = found
        return self._objects[name]
