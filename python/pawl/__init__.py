# SPDX-License-Identifier: Apache-2.0
"""Pawl: checkpoints of PyTorch runs as plain torch files, whole or not at all.

    pawl.save(model.state_dict(), "model.pt")   # equal to torch.save's file
    state = pawl.load("model.pt")               # runs nothing of it

    with pawl.CheckpointEngine() as engine:     # many files, one commit
        engine.create("run", "step-10")
        engine.save(model.state_dict(), "run/step-10/model.pt")
        engine.commit("step-10")

Errors are `pawl.Error` and below: see pawl.errors.
"""

from ._pawl import VERSION as __version__
from .engine import CheckpointEngine, Event, Status, fence_before
from .errors import (
    AccessError,
    BusyError,
    CanceledError,
    ConfigError,
    CorruptError,
    Error,
    ExistsError,
    FormatError,
    InternalError,
    InvalidError,
    NotFoundError,
    NotSupportedError,
    OutOfMemoryError,
    StateError,
    TimeoutError,
    UntrustedError,
    UntrustedWarning,
)
from .objects import Global, Object
from .serialization import load, save

__all__ = [
    "AccessError",
    "BusyError",
    "CanceledError",
    "CheckpointEngine",
    "ConfigError",
    "CorruptError",
    "Error",
    "Event",
    "ExistsError",
    "FormatError",
    "Global",
    "InternalError",
    "InvalidError",
    "NotFoundError",
    "NotSupportedError",
    "Object",
    "OutOfMemoryError",
    "StateError",
    "Status",
    "TimeoutError",
    "UntrustedError",
    "UntrustedWarning",
    "fence_before",
    "load",
    "save",
    "__version__",
]
