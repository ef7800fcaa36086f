# SPDX-License-Identifier: Apache-2.0
"""DeepSpeed saves and loads with Pawl.

    pawl.deepspeed.install()                  # before deepspeed.initialize
    engine, *_ = deepspeed.initialize(...)
    engine.load_checkpoint("run")             # the newest whole one
    engine.save_checkpoint("run", "step-10")  # durable and whole, or an error

A section "pawl" of the DeepSpeed config does for the engine's config what the
argument of `install` does, which goes before it.  Jobs of one process only.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any, Optional

from .engine import CheckpointEngine
from .errors import NotSupportedError

#: Classes of DeepSpeed's own in what its optimizers save.
TRUSTED = (
    "deepspeed.runtime.fp16.loss_scaler.LossScaler",
    "deepspeed.runtime.fp16.loss_scaler.DynamicLossScaler",
    "deepspeed.runtime.zero.config.ZeroStageEnum",
    "deepspeed.utils.tensor_fragment.fragment_address",
    "deepspeed.utils.tensor_fragment.tensor_fragment",
)


class Engine:
    """DeepSpeed's CheckpointEngine over a `pawl.CheckpointEngine`.

    Args:
        config: as for `pawl.CheckpointEngine`.  Without "engine" in it the
            engine is "direct".  Whichever it is, `commit` returns when all is
            durable, since DeepSpeed writes `latest` right after it.
    """

    def __init__(self, config: Optional[Mapping[str, Any]] = None) -> None:
        self.name = "PawlCheckpointEngine"
        self.engine = CheckpointEngine(
            {"engine": "direct", **(config or {})}, trust=TRUSTED
        )

    def create(self, info: Any) -> None:
        """Begins a checkpoint.

        Args:
            info: DeepSpeed's CheckpointCommitInfo.
        """
        if not hasattr(info, "save_dir"):
            raise NotSupportedError(
                "this DeepSpeed does not tell where it saves: 0.16 or later is needed"
            )
        making = self.engine.status().creating
        if making:  # a save that failed half-way never came to its commit
            self.engine.abort(making)
        self.engine.create(info.save_dir, info.tag)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Makes a directory; inside the checkpoint it is not visible yet."""
        if self.engine.status().creating:
            self.engine.makedirs(path, exist_ok)
        else:
            os.makedirs(path, exist_ok=exist_ok)

    def save(self, state_dict: Any, path: str) -> None:
        """Takes the state of one file."""
        self.engine.save(state_dict, path)

    def load(self, path: str, map_location: Any = None) -> Any:
        """Reads one file, which is verified."""
        return self.engine.load(path, map_location)

    def commit(self, info: Any) -> bool:
        """Makes the checkpoint visible, and returns when it is durable."""
        self.engine.commit(getattr(info, "tag", info))
        self.engine.wait()
        return True

    def is_data_parallel_writer(self, dp_rank: int) -> bool:
        """Whether a rank writes what all of its group have."""
        return dp_rank == 0

    def is_decoupled(self) -> bool:
        """No: DeepSpeed is not to commit at a later step."""
        return False

    def set_commit_info(self, info: Any) -> None:
        """Only called of decoupled engines."""

    def get_commit_info(self) -> None:
        """Only called of decoupled engines."""

    def cleanup(self) -> None:
        """Waits for what runs, and frees the engine."""
        self.engine.shutdown()

    def preserves_storage_sharing(self) -> bool:
        """Yes, as in torch.save: DeepSpeed copies views of large storages."""
        return True


def _make(config: Optional[Mapping[str, Any]], params: Any) -> Engine:
    import torch.distributed

    dist: Any = torch.distributed
    if dist.is_initialized() and dist.get_world_size() > 1:
        raise NotSupportedError(
            "pawl.deepspeed cannot make one checkpoint of several processes yet"
        )
    section = getattr(params, "_param_dict", {}).get("pawl", {})
    return Engine({**section, **(config or {})})


def _load_wrapped(load: Any) -> Any:
    """load_checkpoint, between open and close of the engine."""

    @functools.wraps(load)
    def call(
        self: Any, load_dir: str, tag: Optional[str] = None, *args: Any, **kwargs: Any
    ) -> Any:
        ours = self.checkpoint_engine
        if not isinstance(ours, Engine) or self.load_universal_checkpoint():
            return load(self, load_dir, tag, *args, **kwargs)
        opened = ours.engine.open(load_dir, tag)
        if opened is None:
            return None, None
        try:
            return load(self, load_dir, opened, *args, **kwargs)
        finally:
            ours.engine.close(opened)

    return call


def install(config: Optional[Mapping[str, Any]] = None) -> None:
    """Makes engines of DeepSpeed that are made from now on use Pawl.

    ``load_checkpoint(dir)`` without a tag then loads the newest whole
    checkpoint, whatever the file `latest` names, and returns (None, None)
    where there is none.

    Args:
        config: of the engine; see docs/config.md.

    Raises:
        ImportError: there is no DeepSpeed.
    """
    import importlib

    runtime = importlib.import_module("deepspeed.runtime.engine")

    def create(config_params: Any = None, *_: Any, **__: Any) -> Engine:
        return _make(config, config_params)

    runtime.create_checkpoint_engine = create  # type: ignore[attr-defined]
    target: Any = runtime.DeepSpeedEngine
    if not hasattr(target.load_checkpoint, "__wrapped__"):
        target.load_checkpoint = _load_wrapped(target.load_checkpoint)
