# SPDX-License-Identifier: Apache-2.0
"""DeepSpeed saves and loads with Pawl.

    import pawl.deepspeed

    pawl.deepspeed.install()                  # before deepspeed.initialize
    engine, *_ = deepspeed.initialize(...)
    engine.load_checkpoint("run")             # the newest whole one
    engine.save_checkpoint("run", "step-10")  # durable and whole, or an error

Instead of `install`, a section "pawl" of the DeepSpeed config switches Pawl on,
for that engine; what `install` was given goes before it.

To DeepSpeed this is a decoupled engine, so that it leaves commit and `latest`
to Pawl: save_checkpoint commits when DeepSpeed has done its part, and the
commit moves `latest`.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import importlib
import inspect
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Optional

from .engine import CheckpointEngine
from .errors import CorruptError, NotSupportedError, StateError
from .ranks import Comm, from_torch_distributed

#: Classes of DeepSpeed's own in what it saves.
TRUSTED = (
    "deepspeed.runtime.fp16.loss_scaler.LossScaler",
    "deepspeed.runtime.fp16.loss_scaler.DynamicLossScaler",
    "deepspeed.runtime.zero.config.ZeroStageEnum",
    "deepspeed.utils.tensor_fragment.fragment_address",
    "deepspeed.utils.tensor_fragment.tensor_fragment",
    "deepspeed.checkpoint.universal_checkpoint.SubparamShape",
)

_log = logging.getLogger("pawl")
_runtime: Any = importlib.import_module("deepspeed.runtime.engine")
#: What `install` was given; None: it was not called.
_installed: Optional[dict[str, Any]] = None


class Engine:
    """DeepSpeed's CheckpointEngine over a `pawl.CheckpointEngine`.

    Args:
        config: as for `pawl.CheckpointEngine`.  Without "engine" in it the
            engine is "direct".
        comm: the ranks, as for `pawl.CheckpointEngine`.
    """

    def __init__(
        self,
        config: Optional[Mapping[str, Any]] = None,
        comm: Optional[Comm] = None,
    ) -> None:
        self.name = "PawlCheckpointEngine"
        config = {"engine": "direct", **(config or {})}
        self.engine = CheckpointEngine(config, trust=TRUSTED, comm=comm)
        self._is_lazy = config.get("snapshot") == "lazy"
        self._is_alone = comm is None or comm.size == 1
        self._in_checkpoint = False
        self._wanted: Any = None
        self._failed: Optional[Exception] = None
        self._given_up: Optional[Exception] = None

    # ---- what DeepSpeed calls ----------------------------------------------

    def create(self, info: Any) -> None:
        """Notes which checkpoint is to begin, if one is: save_16bit_model calls
        it too, with the name of one, for a file elsewhere."""
        if self._in_checkpoint:
            self._wanted = info

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Makes a directory; inside the checkpoint it is not visible yet."""
        if self.engine.status().creating:
            self.engine.makedirs(path, exist_ok)
        else:
            os.makedirs(path, exist_ok=exist_ok)

    def save(self, state_dict: Any, path: str) -> None:
        """Takes the state of one file.

        Of several ranks one that fails goes on to the commit, which then fails
        on all of them: the others would wait for it in DeepSpeed's barrier.
        """
        try:
            self.engine.save(state_dict, path)
        except Exception as exc:
            if self._is_alone or not self._in_checkpoint:
                raise
            self._failed = self._failed or exc

    def load(self, path: str, map_location: Any = None) -> Any:
        """Reads one file, which is verified."""
        return self.engine.load(path, map_location)

    def commit(self, info: Any) -> bool:
        """Only save_16bit_model calls it: its file is there already."""
        return True

    def is_data_parallel_writer(self, dp_rank: int) -> bool:
        """Whether a rank writes what all of its group have."""
        return dp_rank == 0

    def is_decoupled(self) -> bool:
        """Yes: DeepSpeed shall neither commit nor write `latest`."""
        return True

    def set_commit_info(self, info: Any) -> None:
        """Nothing is asked of it."""

    def get_commit_info(self) -> None:
        """Called before each step of the optimizer, to commit if something is
        to be committed: that was done; but lazy snapshots end here."""
        self.fence()

    def cleanup(self) -> None:
        """Waits until all is durable, and frees the engine."""
        try:
            self.engine.wait()
        except StateError:
            return  # freed already
        except Exception as exc:
            _log.error("%s", exc)  # DeepSpeed may drop what is raised
            raise
        finally:
            self.engine.shutdown()

    def preserves_storage_sharing(self) -> bool:
        """Yes, as in torch.save: DeepSpeed copies views of large storages."""
        return True

    # ---- what is called around DeepSpeed's own calls -----------------------

    def fence(self) -> None:
        """Waits until all tensors that are being saved may be changed."""
        if self._is_lazy:
            self.engine.fence()

    def begin(self) -> None:
        """Begins the checkpoint that was created, once DeepSpeed has compared
        the tags of the ranks: how it refuses them is the user's choice."""
        info = self._wanted
        self.engine.create(info.save_dir, info.tag, latest=info.save_latest)

    @contextlib.contextmanager
    def checkpoint(self) -> Iterator[None]:
        """Around save_checkpoint: commits, or after an exception forgets."""
        self._in_checkpoint = True
        self._failed = self._given_up = None
        try:
            yield
        except BaseException:
            self._forget()
            raise
        finally:
            self._in_checkpoint = False
        self._finish()

    def _forget(self) -> None:
        making = self.engine.status().creating
        if making:
            self.engine.abort(making)

    def _finish(self) -> None:
        making = self.engine.status().creating
        failed, self._failed = self._failed, None
        if self._given_up is not None:
            self._forget()
            raise self._given_up
        try:
            if making:
                self.engine.commit(making)
        except Exception as exc:
            raise exc from failed

    def give_up(self, cause: Exception) -> None:
        """Lets the commit fail, on all ranks."""
        self._given_up = cause

    def open(self, load_dir: str, tag: Optional[str]) -> Optional[str]:
        """The tag to load, open; None where no checkpoint was ever made.

        Raises:
            CorruptError: there are some, and none is whole.
        """
        self.fence()
        with _reasons() as reasons:
            opened = self.engine.open(load_dir, tag)
        if opened is None and _has_checkpoints(load_dir):
            why = "".join(f"; {reason}" for reason in reasons)
            raise CorruptError(f"no checkpoint in '{load_dir}' is whole{why}")
        return opened


@contextlib.contextmanager
def _reasons() -> Iterator[list[str]]:
    """What is logged of checkpoints meanwhile."""
    lines: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        lines.append(record.getMessage())
        return True

    _log.addFilter(note)
    try:
        yield lines
    finally:
        _log.removeFilter(note)


def _has_checkpoints(load_dir: str) -> bool:
    manifests = os.path.join(glob.escape(load_dir), "*", "pawl.json")
    return os.path.exists(os.path.join(load_dir, "latest")) or bool(
        glob.glob(manifests)
    )


# ---- switching on -----------------------------------------------------------


def _around_create(create: Callable[..., Any]) -> Callable[..., Any]:
    """create_checkpoint_engine, which makes ours where it is asked for."""

    @functools.wraps(create)
    def call(config_params: Any = None, *args: Any, **kwargs: Any) -> Any:
        section = getattr(config_params, "_param_dict", {}).get("pawl")
        if section is None and _installed is None:
            return create(config_params, *args, **kwargs)
        config = {**(section or {}), **(_installed or {})}
        if getattr(config_params, "use_node_local_storage", False):
            config.setdefault("layout", "local")
        return Engine(config, from_torch_distributed())

    return call


def _around_save(save: Callable[..., Any]) -> Callable[..., Any]:
    """save_checkpoint, and the commit."""

    @functools.wraps(save)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        ours = self.checkpoint_engine
        if not isinstance(ours, Engine):
            return save(self, *args, **kwargs)
        with ours.checkpoint():
            result = save(self, *args, **kwargs)
        if hasattr(self, "train_batch"):  # a pipeline steps without asking
            ours.fence()
        return result

    return call


def _around_validation(validate: Callable[..., Any]) -> Callable[..., Any]:
    """_checkpoint_tag_validation, after which the checkpoint can begin."""

    @functools.wraps(validate)
    def call(self: Any, *args: Any, **kwargs: Any) -> None:
        validate(self, *args, **kwargs)
        if isinstance(self.checkpoint_engine, Engine):
            self.checkpoint_engine.begin()

    return call


def _check_weights_alone(engine: Any, load_dir: str, opened: str) -> None:
    """Raises, where DeepSpeed would take the weights of another checkpoint."""
    if engine.zero_optimization_partition_weights() and not engine.has_moe_layers:
        try:
            with open(os.path.join(load_dir, "latest")) as file:
                latest = file.read().strip()
        except FileNotFoundError:
            latest = ""
        if latest != opened:
            raise NotSupportedError(
                f"cannot load '{opened}' without optimizer states: for ZeRO 3 "
                f"DeepSpeed then takes what 'latest' names, which is '{latest}'"
            )


def _around_load(load: Callable[..., Any]) -> Callable[..., Any]:
    """load_checkpoint, between open and close."""
    signature = inspect.signature(load)

    @functools.wraps(load)
    def call(
        self: Any, load_dir: str, tag: Optional[str] = None, *args: Any, **kwargs: Any
    ) -> Any:
        ours = self.checkpoint_engine
        if not isinstance(ours, Engine) or self.load_universal_checkpoint():
            return load(self, load_dir, tag, *args, **kwargs)
        opened = ours.open(load_dir, tag)
        if opened is None:
            return None, None
        try:
            given = signature.bind(self, load_dir, tag, *args, **kwargs).arguments
            if not given.get("load_optimizer_states", True):
                _check_weights_alone(self, load_dir, opened)
            return load(self, load_dir, opened, *args, **kwargs)
        finally:
            ours.engine.close(opened)

    return call


def _around_script(copy: Callable[..., Any]) -> Callable[..., Any]:
    """_copy_recovery_script, whose failure the other ranks would wait for."""

    @functools.wraps(copy)
    def call(self: Any, *args: Any, **kwargs: Any) -> None:
        ours = self.checkpoint_engine
        try:
            copy(self, *args, **kwargs)
        except OSError as exc:
            if not isinstance(ours, Engine):
                raise
            ours.give_up(exc)

    return call


def _hook() -> None:
    """Puts these around DeepSpeed's own; once."""
    cls: Any = _runtime.DeepSpeedEngine
    if not hasattr(_runtime.create_checkpoint_engine, "__wrapped__"):
        make = _around_create(_runtime.create_checkpoint_engine)
        _runtime.create_checkpoint_engine = make
        cls.save_checkpoint = _around_save(cls.save_checkpoint)
        cls.load_checkpoint = _around_load(cls.load_checkpoint)
        validate = _around_validation(cls._checkpoint_tag_validation)
        cls._checkpoint_tag_validation = validate
        cls._copy_recovery_script = _around_script(cls._copy_recovery_script)


def install(config: Optional[Mapping[str, Any]] = None) -> None:
    """Makes engines of DeepSpeed that are made from now on use Pawl.

    ``load_checkpoint(dir)`` without a tag then loads the newest checkpoint that
    is whole on all ranks, whatever the file `latest` names.  It returns
    (None, None) where there is none, and raises where none is whole.

    Args:
        config: of the engine; see docs/config.md.
    """
    global _installed
    _installed = dict(config or {})


_hook()
