# SPDX-License-Identifier: Apache-2.0
"""What a load with ``unknown="inert"`` gives for what it does not trust.

Plain data: nothing here runs code of the file or imports what it names.
"""

from __future__ import annotations

import reprlib
from typing import Any, Optional


class Global:
    """The name of a class, a function or a constant, and nothing else.

    Attributes:
        module: such as ``"argparse"``.
        qualname: such as ``"Namespace"``.
    """

    __slots__ = ("module", "qualname")

    def __init__(self, module: str, qualname: str) -> None:
        self.module = module
        self.qualname = qualname

    @property
    def name(self) -> str:
        """``"module.qualname"``: what to give as ``trust``."""
        return f"{self.module}.{self.qualname}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Global) and self.name == other.name

    def __hash__(self) -> int:
        return hash(("pawl.Global", self.name))

    def __repr__(self) -> str:
        return f"<global {self.name}>"


class Object:
    """An instance that was not made: what it would have been made of.

    Attributes:
        callable: the class or function that would be called; mostly a `Global`.
        args: the arguments it would get.
        kwargs: the keyword arguments, or None.
        state: what ``__setstate__`` or ``__dict__`` would get, or None.
        items: what would be appended to it.
        pairs: what would be set in it.
    """

    __slots__ = ("callable", "args", "kwargs", "state", "items", "pairs")

    def __init__(
        self, callable: Any, args: Any, kwargs: Optional[dict[str, Any]]
    ) -> None:
        self.callable = callable
        self.args = args
        self.kwargs = kwargs
        self.state: Any = None
        self.items: list[Any] = []
        self.pairs: dict[Any, Any] = {}

    @property
    def name(self) -> str:
        """``"module.qualname"`` of what would be called, or its text."""
        if isinstance(self.callable, Global):
            return self.callable.name
        return repr(self.callable)

    @reprlib.recursive_repr("<object ...>")
    def __repr__(self) -> str:
        parts = [self.name]
        if isinstance(self.args, tuple):
            parts += [f"{arg!r}" for arg in self.args]
        for name in ("kwargs", "state", "items", "pairs"):
            value = getattr(self, name)
            if value:
                parts.append(f"{name}={value!r}")
        return f"<object {', '.join(parts)}>"
