# SPDX-License-Identifier: Apache-2.0
"""Exceptions: one for each way to fail that a caller may want to tell apart.

All are `pawl.Error`, which is an `OSError`: `errno` and `filename` are set
where there is an operating-system error or a file behind it.  Where Python has
a class of its own for the case, ours is that too, so that
`except FileNotFoundError` and `except ValueError` do what one expects.

========================  =====================  ==========================
code                      class                  is also
========================  =====================  ==========================
PAWL_EINVAL               InvalidError           ValueError
PAWL_ENOMEM               OutOfMemoryError       MemoryError
PAWL_EIO, PAWL_ENOSPC     Error                  OSError
PAWL_EEXIST               ExistsError            FileExistsError
PAWL_ENOENT               NotFoundError          FileNotFoundError
PAWL_EACCES               AccessError            PermissionError
PAWL_ESTATE               StateError             RuntimeError
PAWL_EBUSY                BusyError
PAWL_EFORMAT              FormatError            ValueError
PAWL_ECORRUPT             CorruptError
PAWL_ENOTSUP              NotSupportedError      NotImplementedError
(in Python only)          UntrustedError         NotSupportedError
PAWL_ETIMEDOUT            TimeoutError           the built-in TimeoutError
PAWL_ECANCELED            CanceledError
PAWL_ECONFIG              ConfigError            ValueError
PAWL_EBUG                 InternalError          RuntimeError
========================  =====================  ==========================
"""

from __future__ import annotations

import builtins
import os
from typing import Any, Optional, Union


class Error(OSError):
    """Base of all that Pawl raises on its own.

    Attributes:
        code: the name of the library's code, such as ``"PAWL_ENOSPC"``.
        message: the text, lower case, its subject in quotes, the cause last.
        errno: the operating system's number, or None.
        filename: the file or directory that the failed call was given, or
            None.
    """

    code = "PAWL_EIO"

    def __init__(
        self,
        message: str,
        code: Optional[str] = None,
        errno: Optional[int] = None,
        filename: Optional[str] = None,
    ) -> None:
        if errno:
            super().__init__(errno, message, filename)
        else:
            super().__init__(message)
            self.filename = filename
        self.message = message
        self.code = code if code is not None else type(self).code

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.code, self.errno, self.filename)


class InvalidError(Error, ValueError):
    """An argument that cannot be right: a tag, a path, an object."""

    code = "PAWL_EINVAL"


class OutOfMemoryError(Error, MemoryError):
    """The library could not get memory."""

    code = "PAWL_ENOMEM"


class ExistsError(Error, FileExistsError):
    """What was to be made is there already."""

    code = "PAWL_EEXIST"


class NotFoundError(Error, FileNotFoundError):
    """No such file, directory or checkpoint."""

    code = "PAWL_ENOENT"


class AccessError(Error, PermissionError):
    """The operating system refused access."""

    code = "PAWL_EACCES"


class StateError(Error, RuntimeError):
    """A call out of order, such as a commit without a create."""

    code = "PAWL_ESTATE"


class BusyError(Error):
    """Another process, or another thread, is at it."""

    code = "PAWL_EBUSY"


class FormatError(Error, ValueError):
    """A file that is not what it should be; its text says where and why."""

    code = "PAWL_EFORMAT"


class CorruptError(Error):
    """A file whose bytes are not those that were written."""

    code = "PAWL_ECORRUPT"


class NotSupportedError(Error, NotImplementedError):
    """Something that Pawl cannot save or load."""

    code = "PAWL_ENOTSUP"


class UntrustedError(NotSupportedError):
    """A file needs a class or function that the caller did not trust.

    Attributes:
        name: ``"module.qualname"`` of it: what to give as ``trust``.
    """

    def __init__(
        self,
        message: str,
        code: Optional[str] = None,
        errno: Optional[int] = None,
        filename: Optional[str] = None,
        name: str = "",
    ) -> None:
        super().__init__(message, code, errno, filename)
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), super().__reduce__()[1] + (self.name,)


class TimeoutError(Error, builtins.TimeoutError):
    """The time that the caller gave is over."""

    code = "PAWL_ETIMEDOUT"


class CanceledError(Error):
    """The work was given up before its end."""

    code = "PAWL_ECANCELED"


class ConfigError(Error, ValueError):
    """A bad configuration; the text names the key."""

    code = "PAWL_ECONFIG"


class InternalError(Error, RuntimeError):
    """A mistake in Pawl."""

    code = "PAWL_EBUG"


class UntrustedWarning(UserWarning):
    """What was saved will need ``trust`` when it is loaded."""


_CLASSES: dict[str, type[Error]] = {
    cls.code: cls
    for cls in (
        InvalidError,
        OutOfMemoryError,
        ExistsError,
        NotFoundError,
        AccessError,
        StateError,
        BusyError,
        FormatError,
        CorruptError,
        NotSupportedError,
        TimeoutError,
        CanceledError,
        ConfigError,
        InternalError,
    )
}


def make(
    code: str, errno: int, message: str, filename: Union[str, bytes, None]
) -> Error:
    """The exception for an error of the library; called by the C part.

    Args:
        code: the name of the code; unknown ones give a plain `Error`.
        errno: the operating system's number, 0 for none.
        message: the text.
        filename: what the failed call was given, or None.
    """
    cls = _CLASSES.get(code, Error)
    name = os.fsdecode(filename) if filename is not None else None
    return cls(message, code, errno or None, name)
