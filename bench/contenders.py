# SPDX-License-Identifier: Apache-2.0
"""Who is measured: Pawl's engines, and what people use instead.

A contender saves a state so that it survives a power cut, and loads it back.
All get the same state; each does what its own users would do to be safe: an
fsync of file and directory where the library itself does none.
"""

from __future__ import annotations

import inspect
import os
import shutil
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import safetensors.torch
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions

import pawl
from training_state import flat

State = dict[str, Any]

# DCP says that it has no process group, which it was told not to use.
warnings.filterwarnings("ignore", "torch.distributed is disabled")


def nothing() -> None:
    """For what a contender has no need of."""


@dataclass
class Saver:
    """One way to save.  `save` gets what `prepare` made of the state and a
    path that is not there yet, in a directory of the saver's own."""

    name: str
    save: Callable[[Any, str], None]
    prepare: Callable[[State], Any] = lambda state: state
    #: Waits until tensors may be changed, and until all is durable.
    fence: Callable[[], None] = nothing
    finish: Callable[[], None] = nothing
    close: Callable[[], None] = nothing
    keeps: bool = False  #: it needs its older files, and deletes them itself
    #: Seconds of the parts of the last save, where it has parts.
    parts: dict[str, float] = field(default_factory=dict)


@dataclass
class Loader:
    """One way to load; `load` returns what has been read, every byte of it."""

    name: str
    format: str  #: "torch" or "safetensors"
    load: Callable[[str], Any]


def fsync_path(path: str) -> None:
    """fsync of a file or directory by name."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# ---- others -----------------------------------------------------------------


def torch_save() -> Saver:
    def save(state: State, path: str) -> None:
        torch.save(state, path)
        fsync_path(path)
        fsync_path(os.path.dirname(path))

    return Saver("torch.save + fsync", save)


def safetensors_save() -> Saver:
    def save(state: State, path: str) -> None:
        safetensors.torch.save_file(state, path)
        fsync_path(path)
        fsync_path(os.path.dirname(path))

    return Saver("safetensors + fsync", save, flat)


def dcp_save() -> Saver:
    def save(state: State, path: str) -> None:
        writer = dcp.FileSystemWriter(path, sync_files=True)
        dcp.save(state, storage_writer=writer, no_dist=True)
        fsync_path(path)
        fsync_path(os.path.dirname(path))

    return Saver("DCP save", save, flat)


def dcp_async() -> Saver:
    """As it comes."""
    return _dcp_async("DCP async_save", None)


def dcp_async_kept() -> Saver:
    """With a stager that keeps its memory from save to save: of what torch has
    for a machine without accelerator, the fastest when it was tried."""
    return _dcp_async("DCP async_save, kept", DefaultStager(StagingOptions(
        use_pinned_memory=False, use_shared_memory=False,
        use_async_staging=False, use_non_blocking_copy=False)))


def _dcp_async(name: str, stager: DefaultStager | None) -> Saver:
    pending: list[Any] = []
    if not dist.is_initialized():  # it wants a group, of one here
        dist.init_process_group("gloo", rank=0, world_size=1,
                                store=dist.HashStore())

    def save(state: State, path: str) -> None:
        writer = dcp.FileSystemWriter(path, sync_files=True)
        pending.append(dcp.async_save(state, storage_writer=writer,
                                      async_stager=stager))

    def finish() -> None:
        while pending:
            pending.pop().result()

    return Saver(name, save, flat, finish=finish)


# ---- Pawl -------------------------------------------------------------------


def pawl_saver(name: str, config: dict[str, Any]) -> Saver:
    """A Pawl engine; the path becomes a tag with one file."""
    engine = pawl.CheckpointEngine(config)
    parts: dict[str, float] = {}

    def save(state: State, path: str) -> None:
        save_dir, tag = os.path.split(path)
        start = time.perf_counter()
        engine.create(save_dir, tag)
        created = time.perf_counter()
        engine.save(state, os.path.join(path, "state.pt"))
        saved = time.perf_counter()
        engine.commit(tag)
        parts.update({"create()": created - start, "save()": saved - created,
                      "commit()": time.perf_counter() - saved})

    return Saver(name, save, fence=engine.fence, finish=engine.wait,
                 close=engine.shutdown, keeps="keep_last" in config,
                 parts=parts)


def recycling_saver() -> Saver:
    """The direct engine over files that retention dropped."""
    return pawl_saver("pawl direct, recycle",
                      {"engine": "direct", "recycle": True, "keep_last": 1})


def async_config(size_bytes: int, snapshot: str) -> dict[str, Any]:
    """The async engine with staging for all of a state of that size."""
    return {"engine": "async", "snapshot": snapshot,
            "staging_bytes": staging_for(size_bytes)}


def staging_for(size_bytes: int) -> int:
    """Staging that holds a state and what the file has around it."""
    return size_bytes + size_bytes // 16 + (32 << 20)


# ---- loading ----------------------------------------------------------------


def touch(state: State) -> State:
    """Reads one byte of each page: what mmap put off is done now."""
    for tensor in flat(state).values():
        if tensor.numel():
            tensor.view(torch.uint8).view(-1)[::4096].sum()
    return state


def pawl_opened(path: str) -> Any:
    """As a resuming run loads: the checkpoint is verified, then read."""
    with pawl.CheckpointEngine({"engine": "direct"}) as engine:
        directory, tag = os.path.split(os.path.dirname(path))
        engine.open(directory, tag)
        state = engine.load(path)
        engine.close(tag)
    return state


def loaders() -> list[Loader]:
    """All load the state that the torch format or safetensors holds."""
    return [
        Loader("pawl.load", "torch", pawl.load),
        Loader("pawl open + load + close", "torch", pawl_opened),
        Loader("torch.load", "torch", torch.load),
        Loader("torch.load, mmap", "torch",
               lambda path: touch(torch.load(path, mmap=True))),
        Loader("safetensors", "safetensors",
               lambda path: touch(safetensors.torch.load_file(path))),
    ]


def lazy_loaders(name: str) -> list[Loader]:
    """That open a file, read the tensor `name` and nothing else."""
    def by_safetensors(path: str) -> Any:
        with safetensors.safe_open(path, "pt") as file:
            return file.get_tensor(name).sum()

    out = [
        Loader("torch.load, mmap", "torch",
               lambda path: torch.load(path, mmap=True)[name].sum()),
        Loader("safetensors", "safetensors", by_safetensors),
    ]
    if "mmap" in inspect.signature(pawl.load).parameters:
        out.insert(0, Loader("pawl.load, mmap", "torch",
                             lambda path: pawl.load(path, mmap=True)[name].sum()))
    return out


def remove(path: str) -> None:
    """Deletes a file or a tree, if it is there."""
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.exists(path):
        os.unlink(path)
