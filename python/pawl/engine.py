# SPDX-License-Identifier: Apache-2.0
"""The checkpoint engine: DeepSpeed's eight calls, and four more."""

from __future__ import annotations

import json
import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Optional, Union

from . import _pawl
from .devices import Staging
from .errors import ConfigError, InvalidError
from .loading import Loader, MapLocation
from .pickling import Session
from .ranks import Comm
from .serialization import Path, guarded_load
from .trust import Trusted

_log = logging.getLogger("pawl")
_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING)
#: All engines that are alive, for `fence_before`.
_engines: weakref.WeakSet[CheckpointEngine] = weakref.WeakSet()


class Status(NamedTuple):
    """What an engine did and does; see `CheckpointEngine.status`."""

    engine: str  #: its name in the config
    creating: str  #: the tag that is being made, or ""
    opened: str  #: the tag that is open for reading, or ""
    committed: str  #: the last tag that this engine committed, or ""
    commits: int  #: commits that succeeded
    failures: int  #: commits that failed
    files_saved: int
    bytes_saved: int  #: of files, as they are on disk
    files_loaded: int
    bytes_loaded: int
    # Of engines that write in the background; 0 for the others.
    pending: int  #: checkpoints that were committed and are not yet durable
    skipped: int  #: checkpoints left out, since too many were pending
    # Nanoseconds, in sum: what the caller waited in create, save and commit, and
    # what the work took, on whatever thread.
    stall_ns: int
    copy_ns: int  #: from tensors to staging
    wait_ns: int  #: for staging to become free
    write_ns: int  #: of files, the sync included
    publish_ns: int  #: manifest, rename, latest, retention


class Event(NamedTuple):
    """What became of a checkpoint; see `CheckpointEngine`."""

    kind: str  #: "committed", "failed" or "skipped"
    tag: str
    message: str  #: of a failure, or ""


_EVENT_KINDS = ("committed", "failed", "skipped")


def _forward(level: int, line: str) -> None:
    """A line of the library's log; called from any of its threads."""
    _log.log(_LEVELS[level], "%s", line)


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a dict, unless a key is there twice."""
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in keys if keys.count(key) > 1)
        raise ConfigError(f"config: '{twin}' is there twice")
    return made


def _read_config(config: Any) -> dict[str, Any]:
    """The config as a dict of our own."""
    if config is None:
        return {}
    if isinstance(config, (str, bytes)):
        try:
            config = json.loads(config or "{}", object_pairs_hook=_no_twins)
        except ConfigError:
            raise
        except ValueError as exc:
            raise ConfigError(f"config: it is not JSON: {exc}") from exc
    if not isinstance(config, Mapping):
        raise ConfigError("config: it is neither a dict nor a JSON object")
    for section in (config, config.get("checkpoint")):
        # A whole DeepSpeed config: ours is a section of it.
        if isinstance(section, Mapping) and isinstance(section.get("pawl"), Mapping):
            return dict(section["pawl"])
    return dict(config)


def _tag(tag: Any) -> str:
    """A tag that can be handed to C; the engine checks the rest."""
    if not isinstance(tag, str):
        raise InvalidError(f"tag {tag!r} is not a string")
    if "\0" in tag:
        raise InvalidError(f"tag {tag!r} holds a NUL")
    return tag


def _event_caller(
    on_event: Optional[Callable[[Event], object]],
) -> Optional[Callable[[int, str, str], None]]:
    """What the library calls, if anyone listens."""
    if on_event is None:
        return None
    told = on_event

    def call(kind: int, tag: str, message: str) -> None:
        told(Event(_EVENT_KINDS[kind], tag, message))

    return call


class CheckpointEngine:
    """Saves checkpoints of many files whole, or not at all.

        engine = pawl.CheckpointEngine()
        engine.create("run", "step-10")
        engine.save(model.state_dict(), "run/step-10/model.pt")
        engine.commit("step-10")

        if tag := engine.open("run"):
            state = engine.load(f"run/{tag}/model.pt")
            engine.close(tag)

    Args:
        config_params: None, a dict, or its JSON text: see docs/config.md for
            the keys.  Of a whole DeepSpeed config only its section "pawl", or
            "checkpoint"/"pawl", is looked at.  Two keys are Python's own:
            "trust" and "unknown", as the arguments below.
        trust: for `load`, as `pawl.load` has it; `save` does not warn of it.
        unknown: for `load`, as `pawl.load` has it.
        on_event: called with an `Event` once for each checkpoint that was
            committed, failed, or was skipped, on the thread that found out, be it
            one of the library's; may call `status`, nothing else of the engine.
        comm: the ranks that make checkpoints together, such as
            ``pawl.ranks.from_torch_distributed()``; all of them make their
            engines so, and call create, commit and open in the same order.
            None: this process alone.

    Raises:
        ConfigError: a bad config; the text names the key.

    Threads: create, makedirs, save, commit, abort, open and close are for one
    thread at a time, and wait for one another.  load, wait and status may be
    called by any thread at any time.  The GIL is released while the library
    works; what it logs goes to ``logging.getLogger("pawl")``.

    Leave it by `shutdown`, or use it as a context manager.
    """

    def __init__(
        self,
        config_params: Union[None, str, Mapping[str, Any]] = None,
        *,
        trust: Iterable[Trusted] = (),
        unknown: Optional[str] = None,
        on_event: Optional[Callable[[Event], object]] = None,
        comm: Optional[Comm] = None,
    ) -> None:
        config = _read_config(config_params)
        self._trust = [*config.pop("trust", ()), *trust]
        self._unknown = unknown or config.pop("unknown", "error")
        config.pop("unknown", None)
        Loader(None, self._trust, self._unknown)  # checks both
        try:
            text = json.dumps(config)
        except (TypeError, ValueError) as exc:
            raise ConfigError(f"config: it is not JSON: {exc}") from exc
        self._is_lazy = config.get("snapshot") == "lazy"
        self._engine = _pawl.Engine(
            text, _forward, _event_caller(on_event), self._is_lazy, comm
        )
        self._close_comm: Optional[Callable[[], object]] = getattr(comm, "close", None)
        self._staging = Staging()
        _engines.add(self)
        self._lock = threading.RLock()
        # Threads of the engine must be gone before Python is.
        self._finalizer = weakref.finalize(self, self._engine.free)

    def __enter__(self) -> CheckpointEngine:
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()

    def shutdown(self) -> None:
        """Aborts what was not committed, waits for what runs in the background
        (for ``close_timeout_ms`` at most), and frees the engine.  Ends its comm, too,
        if that has a ``close``: so rank 0 leaves when the others heard it.

        Raises:
            BusyError: another thread is in a call.
        """
        with self._lock:
            self._engine.free()
            self._staging.close()
            self._finalizer.detach()
            _engines.discard(self)
            close, self._close_comm = self._close_comm, None
        if close is not None:
            close()

    # ---- saving ------------------------------------------------------------

    def create(self, save_dir: Path, tag: str, *, latest: bool = True) -> None:
        """Begins checkpoint `tag`; nothing of it can be seen before `commit`.

        Args:
            save_dir: the directory of the run; made if need be.
            tag: name of the checkpoint, 1 to 255 bytes, a plain file name.
            latest: whether the file `latest` names it once it is committed;
                `open` finds it all the same.  Of several ranks, rank 0 decides.

        Raises:
            InvalidError: a bad tag; its text names it.
            StateError: a checkpoint is being made already.
            BusyError: another process makes that tag.
        """
        with self._lock:
            if self._is_lazy:
                self._engine.fence()  # lets go of what was saved before
            self._engine.create(save_dir, _tag(tag), not latest)

    def makedirs(self, path: Path, exist_ok: bool = False) -> None:
        """Makes a directory for files of the open checkpoint.

        Raises:
            ExistsError: it is there, and not `exist_ok`.
            InvalidError: it is outside the open checkpoint.
        """
        with self._lock:
            self._engine.makedirs(path, bool(exist_ok))

    def save(self, state_dict: Any, path: Path) -> None:
        """Takes the state of one file; on return its tensors may be changed.

        With ``"snapshot": "lazy"`` in the config it returns before they are
        copied, and they must not be changed before `fence` returned: see
        `pawl.fence_before`.  Tensors on an accelerator are copied in any case:
        see docs/performance.md, Device tensors.

        Args:
            state_dict: as for `pawl.save`.
            path: below save_dir/tag while a checkpoint is open; else of any
                file, which is then written atomically.

        Raises:
            InvalidError: the path is outside the open checkpoint.
            Error: as for `pawl.save`.
        """
        session = Session(self._trust, self._staging)
        with self._lock:
            self._engine.save(state_dict, path, session)
        session.warn(os.fsdecode(path))

    def commit(self, tag: str) -> bool:
        """All files are there: makes the checkpoint visible, whole.

        Returns:
            True.  A synchronous engine returns when all is durable; for an
            asynchronous one `wait` tells the outcome.

        Raises:
            StateError: `tag` is not being made.
            Error: nothing became visible; the text says why.
        """
        with self._lock:
            self._engine.commit(_tag(tag))
        return True

    def abort(self, tag: str) -> None:
        """Forgets the checkpoint that is being made.

        Raises:
            StateError: `tag` is not being made.
        """
        with self._lock:
            self._engine.abort(_tag(tag))

    # ---- loading -----------------------------------------------------------

    def open(self, load_dir: Path, tag: Optional[str] = None) -> Optional[str]:
        """Finds and verifies a checkpoint.

        Args:
            load_dir: the directory of the run.
            tag: a checkpoint; None or "latest": the newest whole one, broken
                ones being skipped with a reason in the log.

        Returns:
            The tag that is open now; None when there is none at all.

        Raises:
            NotFoundError: there is no such tag.
            CorruptError, FormatError: it is broken; the text says how.
            BusyError: it is being made.
            StateError: one is open already.
        """
        with self._lock:
            return self._engine.open(load_dir, None if tag is None else _tag(tag))

    def load(
        self, path: Path, map_location: MapLocation = None, *, mmap: bool = False
    ) -> Any:
        """Reads one file; see `pawl.load`.

        Args:
            path: of a file, in the open checkpoint or elsewhere.
            map_location: where storages go.
            mmap: tensors are views of the file; needs a store of files.
        """
        loader = Loader(map_location, self._trust, self._unknown, mmap)
        return guarded_load(self._engine.load, path, loader)

    def close(self, tag: str) -> None:
        """Ends reading; what was loaded stays.

        Raises:
            StateError: `tag` is not open.
        """
        with self._lock:
            self._engine.close(_tag(tag))

    # ---- waiting -----------------------------------------------------------

    def wait(self, timeout: Optional[float] = None) -> None:
        """Waits until all that was committed is durable.

        Args:
            timeout: in seconds; None: no limit.

        Raises:
            TimeoutError: the time is over.
            Error: a commit failed in the background; told once.
        """
        self._engine.wait(-1 if timeout is None else int(timeout * 1000))

    def fence(self) -> None:
        """Waits until every tensor that was given to `save` may be changed."""
        self._engine.fence()

    def status(self) -> Status:
        """What the engine did and does; never blocks on the disk."""
        return Status(*self._engine.status())


def fence_before(optimizer: Any, engine: Optional[CheckpointEngine] = None) -> Any:
    """Waits for lazy snapshots before each step of an optimizer.

        engine = pawl.CheckpointEngine({"engine": "async", "snapshot": "lazy"})
        pawl.fence_before(optimizer, engine)

    Forward and backward only read the parameters, so their copies can be made
    meanwhile; the step changes them.

    Args:
        optimizer: a torch.optim.Optimizer (torch 2.0 or later).
        engine: whose snapshots; None: those of every engine that is alive when
            the step comes.

    Returns:
        torch's handle, whose ``remove()`` takes the hook away.
    """

    def hook(*_: Any) -> None:
        for each in [engine] if engine is not None else list(_engines):
            each.fence()

    return optimizer.register_step_pre_hook(hook)
