# SPDX-License-Identifier: Apache-2.0
"""save and load of one file, without an engine."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Union

from . import _pawl
from .errors import Error, FormatError
from .loading import Loader, MapLocation
from .pickling import Session
from .trust import Trusted

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


def save(obj: Any, path: Path, *, trust: Iterable[Trusted] = ()) -> None:
    """Writes `obj` to `path` as ``torch.save(obj, path)`` does, byte for byte,
    but atomically and durably: afterwards the old file is there, or the new.

    Args:
        obj: what pickle can store: tensors, numbers, strings, containers,
            instances of importable classes.
        path: of a file; its directory must exist.
        trust: classes that the later load will be told to trust: no
            `UntrustedWarning` for these.

    Raises:
        Error: the disk failed, or (NotSupportedError, InvalidError) the object
            cannot be stored.
        RecursionError: it is nested deeper than Python's limit, as in pickle.

    Blocks on the disk without holding the GIL.  Any thread may call this.
    """
    session = Session(trust)
    _pawl.save(obj, path, session)
    session.warn(os.fsdecode(path))


def load(
    path: Path,
    map_location: MapLocation = None,
    trust: Iterable[Trusted] = (),
    *,
    unknown: str = "error",
    mmap: bool = False,
) -> Any:
    """Reads what ``torch.save`` or Pawl wrote, and runs nothing of it.

    Gives what ``torch.load(path, map_location, weights_only=False)`` gives, for
    the types of Python, torch and NumPy that checkpoints are made of.  Other
    classes are imported and called only when `trust` has them.

    Args:
        path: of a file: torch's zip or legacy format.
        map_location: where storages go: None for where they were, a device or
            its name, a dict from location to location, or a function of a
            storage and its location.
        trust: classes and functions, or their ``"module.qualname"``, that may
            be imported and called.
        unknown: ``"error"``: a class that is not trusted is an error that names
            it.  ``"inert"``: it becomes a `pawl.Object` or `pawl.Global`,
            which hold the data and do nothing.
        mmap: tensors are views of a private mapping of the file, as
            ``torch.load(mmap=True)`` makes them: nothing of the payload is
            read, or verified, before it is used.  Structure and zip index are;
            in a checkpoint the index against the manifest, which another file
            in this one's place does not pass.  What is written to a tensor
            never reaches the file.  The mapping goes with the last tensor;
            until then the file must not be cut short or written over (a file
            that is replaced, as every save of Pawl does, is fine; a checkpoint
            that retention with ``recycle`` dropped is not), and a disk that
            fails kills by SIGBUS.

    Raises:
        UntrustedError: the file needs a class that is not trusted.
        FormatError, CorruptError: the file is not whole or not sound.
        NotFoundError, AccessError, Error: it cannot be read.
        NotSupportedError: `mmap` of a file in torch's legacy format.

    Every byte that is returned was checked, but with `mmap`.  Blocks on the disk
    without holding the GIL.  Any thread may call this.
    """
    loader = Loader(map_location, trust, unknown, mmap)
    return guarded_load(_pawl.load, path, loader)


def guarded_load(call: Any, path: Path, loader: Loader) -> Any:
    """call(path, loader), with the file named in what it raises.

    What Python itself says of nonsense in a file, such as a list as a key,
    becomes a FormatError.
    """
    try:
        return call(path, loader)
    except Error as exc:
        if exc.filename is None:
            exc.filename = os.fsdecode(path)
        raise
    except (TypeError, UnicodeError) as exc:
        name = os.fsdecode(path)
        raise FormatError(f"cannot load '{name}': {exc}", filename=name) from exc
