# SPDX-License-Identifier: Apache-2.0
"""What a load may take from Python itself: see pawl.trust."""

from __future__ import annotations

import builtins
import codecs
import collections
import enum
import functools
import operator
from typing import Any, Callable

from .errors import FormatError
from .objects import Global, Object

#: Types that are harmless as values; none of them is called by way of this.
_TYPES = (
    "bool bytearray bytes complex dict float frozenset int list object range "
    "set slice str tuple type Ellipsis NotImplemented"
)
_COLLECTIONS = "Counter OrderedDict defaultdict deque"


def canonical(name: str) -> str:
    """The name that the tables have for `name`."""
    return name


@functools.lru_cache(maxsize=None)
def values() -> dict[str, Any]:
    """Name to object."""
    table = {f"builtins.{n}": getattr(builtins, n) for n in _TYPES.split()}
    for name in _COLLECTIONS.split():
        table[f"collections.{name}"] = getattr(collections, name)
    table["_codecs.encode"] = codecs.encode
    table["_operator.or_"] = operator.or_
    return table


def _type_of_singleton(loader: Any, value: Any) -> Any:
    """type(None) and its like: how pickle names the types without a name."""
    if value is None or value is Ellipsis or value is NotImplemented:
        return type(value)
    raise FormatError("a file may not ask for the type of a value")


def _encode(loader: Any, text: Any, encoding: Any = "latin1") -> bytes:
    """bytes, as protocol 2 stores them."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise FormatError("bytes are stored as Latin-1 text, not as this")
    return text.encode("latin1")


def _bytearray(loader: Any, data: Any = b"", encoding: Any = None) -> bytearray:
    if encoding is not None:
        data = _encode(loader, data, encoding)
    if not isinstance(data, (bytes, bytearray)):
        raise FormatError("a bytearray is made of bytes, not of this")
    return bytearray(data)


def _bytes(loader: Any, data: Any = b"") -> bytes:
    if not isinstance(data, (bytes, bytearray)):
        raise FormatError("bytes are made of bytes, not of this")
    return bytes(data)


def _defaultdict(loader: Any, factory: Any = None) -> Any:
    """A factory runs at a later lookup, so it must be one that may be called."""
    harmless = (None, int, float, bool, str, list, dict, set, tuple, complex)
    if factory not in harmless and not loader.is_trusted(factory):
        factory = loader.refuse(factory)
    return collections.defaultdict(factory)


def _from_items(cls: type) -> Callable[..., Any]:
    """A container made of a list or tuple of items, or of nothing."""

    def make(loader: Any, items: Any = (), *rest: Any) -> Any:
        if not isinstance(items, (list, tuple, set, frozenset, dict)):
            raise FormatError(f"a {cls.__name__} is made of items, not of this")
        return cls(items, *rest)

    return make


def _of_numbers(cls: type) -> Callable[..., Any]:
    """A value made of up to three numbers or Nones."""

    def make(loader: Any, *args: Any) -> Any:
        if len(args) > 3 or any(
            not isinstance(a, (int, float, type(None))) for a in args
        ):
            raise FormatError(f"a {cls.__name__} is made of numbers")
        return cls(*args)

    return make


def _flags(loader: Any, left: Any, right: Any) -> Any:
    """Several flags of an enum.Flag, as Python 3.11.0 to 3.11.3 store them."""
    inert = (Global, Object)  # how members are stored differs by version
    if isinstance(left, inert) or isinstance(right, inert):
        return Object(loader.refuse(operator.or_), (left, right), None)
    if not isinstance(left, enum.Flag) or type(right) not in (type(left), int):
        raise FormatError("flags are joined with flags of their class only")
    return left | right


CALLS: dict[str, Callable[..., Any]] = {
    "builtins.type": _type_of_singleton,
    "builtins.bytearray": _bytearray,
    "builtins.bytes": _bytes,
    "builtins.complex": _of_numbers(complex),
    "builtins.range": _of_numbers(range),
    "builtins.slice": _of_numbers(slice),
    "builtins.dict": _from_items(dict),
    "builtins.frozenset": _from_items(frozenset),
    "builtins.list": _from_items(list),
    "builtins.set": _from_items(set),
    "builtins.tuple": _from_items(tuple),
    "collections.Counter": _from_items(collections.Counter),
    "collections.OrderedDict": _from_items(collections.OrderedDict),
    "collections.defaultdict": _defaultdict,
    "collections.deque": _from_items(collections.deque),
    "_codecs.encode": _encode,
    "_operator.or_": _flags,
}
