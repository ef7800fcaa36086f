# SPDX-License-Identifier: Apache-2.0
"""Tensors on an accelerator, by a fake whose copies come late.

The fake calls the CPU a device.  What is put on its stream happens when an
event of that stream is waited for, and its pinned memory begins as rubbish: so
whoever reads too early writes rubbish.
"""

from __future__ import annotations

import contextlib
import gc
import pathlib
from typing import Any

import pytest
import torch

import pawl
from pawl.devices import Lease, Staging, _TorchAccelerator, accelerator_of
from pawl.pickling import Session
from sameness import masked

RUBBISH = 0xEE


class _Event:
    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self._until = len(fake.queued)

    def synchronize(self) -> None:
        self._fake.log.append("synchronize")
        for target, storage in self._fake.queued[: self._until]:
            source = torch.empty(0, dtype=torch.uint8).set_(storage)
            target.copy_(source)
        del self._fake.queued[: self._until]


class Fake:
    """An accelerator that is the CPU, and a log of what it was asked for."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.queued: list[tuple[Any, Any]] = []
        self.pinned = 0

    def find(self, device: torch.device) -> Any:
        return self if device.type == "cpu" else None

    def stream(self) -> str:
        self.log.append("stream")
        return "side"

    def wait_for_current(self, stream: str) -> None:
        self.log.append(("wait for current", stream))

    def pin(self, nbytes: int) -> torch.Tensor:
        self.log.append("pin")
        self.pinned += nbytes
        return torch.full((nbytes,), RUBBISH, dtype=torch.uint8)

    def copy(self, target: Any, storage: Any, stream: str) -> None:
        self.log.append(("copy", stream))
        self.queued.append((target, storage))

    def event(self, stream: str) -> _Event:
        self.log.append(("event", stream))
        return _Event(self)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    # Tensors of the CPU have a way of their own, which devices have not.
    monkeypatch.delattr(torch.Tensor, "__dlpack_c_exchange_api__", raising=False)
    return Fake()


def _state(step: int = 0) -> dict[str, Any]:
    base = torch.arange(600, dtype=torch.float32).reshape(20, 30) + step
    return {
        "base": base,
        "rows": base[5:7, ::2],
        "same": base,
        "parameter": torch.nn.Parameter(torch.randn(5)),
        "half": torch.randn(7).bfloat16(),
        "bits": torch.tensor([True, False]),
        "empty": torch.empty(0, 3),
        "storage": torch.arange(9).untyped_storage(),
        "text": "x",
    }


def _as_torch(state: Any, directory: pathlib.Path) -> bytes:
    torch.save(state, directory / "state.pt")
    return masked(directory / "state.pt")


COPY = [("wait for current", "side"), ("copy", "side")]


def test_order(fake: Fake) -> None:
    session = Session((), Staging(fake.find))
    base = torch.arange(6.0)
    seen = session.describe(base)
    assert session.describe(base[2:])[1][:6] == seen[1][:6]
    session.describe(torch.ones(3))
    session.finish()
    assert fake.log == ["stream", "pin", *COPY, *COPY,
                        ("event", "side"), "synchronize"]
    assert not fake.queued


def test_nothing_is_read_before_the_event(fake: Fake) -> None:
    lease = Lease(Staging(fake.find))
    staged = lease.copy(torch.arange(4, dtype=torch.uint8).untyped_storage())
    assert staged.tolist() == [RUBBISH] * 4
    lease.wait()
    assert staged.tolist() == [0, 1, 2, 3]
    assert staged.data_ptr() % 64 == 0


@pytest.mark.parametrize(
    "config",
    [
        {"engine": "torch"},
        {"engine": "direct"},
        {"engine": "async"},
        {"engine": "async", "snapshot": "lazy"},
    ],
)
def test_bytes_of_an_engine(
    fake: Fake, config: dict[str, str], tmp_path: pathlib.Path
) -> None:
    with pawl.CheckpointEngine(config) as engine:
        engine._staging = Staging(fake.find)
        for step in range(3):
            state = _state(step)
            expected = _as_torch(state, tmp_path)
            tag = f"step-{step}"
            engine.create(tmp_path / "run", tag)
            engine.save(state, tmp_path / "run" / tag / "state.pt")
            assert not fake.queued
            state["base"].zero_()  # a device's tensors are copied already
            engine.fence()
            engine.commit(tag)
            engine.wait()
            assert masked(tmp_path / "run" / tag / "state.pt") == expected
    assert fake.log.count("stream") == 1


def test_bytes_without_an_engine(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr("pawl.pickling.Staging", lambda: Staging(fake.find))
    state = _state()
    expected = _as_torch(state, tmp_path)
    pawl.save(state, tmp_path / "state.pt")
    assert masked(tmp_path / "state.pt") == expected
    storages = 5  # base, parameter, half, bits, storage
    assert fake.log.count(COPY[1]) == storages
    assert fake.log.count("synchronize") == 1


def test_memory_is_used_again(fake: Fake, tmp_path: pathlib.Path) -> None:
    # Two storages of more than a block, and small ones.
    state = {**_state(), "a": torch.empty(65 << 20, dtype=torch.uint8),
             "b": torch.empty(66 << 20, dtype=torch.uint8)}
    with pawl.CheckpointEngine({"engine": "torch", "durable": False}) as engine:
        staging = engine._staging = Staging(fake.find)
        for _ in range(3):
            engine.save(state, tmp_path / "state.pt")
            assert staging.kept_bytes() == fake.pinned == (64 + 65 + 66) << 20
        for _ in range(100):
            engine.save(_state(), tmp_path / "state.pt")
        assert staging.kept_bytes() == fake.pinned
        assert fake.log.count("pin") == 3
    assert staging.kept_bytes() == 0


def test_no_more_is_kept_than_the_largest_save_took(fake: Fake) -> None:
    staging = Staging(fake.find)
    for mib in (65, 80, 70, 100, 90):
        lease = Lease(staging)
        lease.copy(torch.empty(mib << 20, dtype=torch.uint8).untyped_storage())
        del lease
        assert staging.kept_bytes() <= 100 << 20


def test_a_save_that_fails_ends_its_copies(fake: Fake, tmp_path: pathlib.Path) -> None:
    staging = Staging(fake.find)
    with pawl.CheckpointEngine({"engine": "torch"}) as engine:
        engine._staging = staging
        with pytest.raises(pawl.NotSupportedError):
            engine.save([torch.ones(3), lambda: 0], tmp_path / "state.pt")
        gc.collect()
        assert not fake.queued
        assert staging.kept_bytes() == fake.pinned > 0


def test_no_pinned_memory(fake: Fake, tmp_path: pathlib.Path) -> None:
    def refuse(nbytes: int) -> Any:
        raise RuntimeError("out of pinned memory")

    fake.pin = refuse  # type: ignore[method-assign]
    state = _state()
    expected = _as_torch(state, tmp_path)
    with pawl.CheckpointEngine({"engine": "torch"}) as engine:
        engine._staging = Staging(fake.find)
        engine.save(state, tmp_path / "state.pt")
    assert masked(tmp_path / "state.pt") == expected


def test_devices_without_streams() -> None:
    for name in ("cpu", "meta", "mps"):
        found = accelerator_of(torch.device(name))
        assert found is None, name


class _Module:
    """What is used of torch.cuda, with the calls noted."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        log = self.log

        class Stream:
            def __init__(self, device: Any) -> None:
                log.append(("Stream", str(device)))

            def wait_stream(self, other: Any) -> None:
                log.append(("wait_stream", other))

        class Event:
            def record(self, stream: Any) -> None:
                log.append(("record", type(stream).__name__))

            def synchronize(self) -> None:
                log.append("synchronize")

        self.Stream = Stream
        self.Event = Event

    def current_stream(self, device: Any) -> str:
        return f"current of {device}"

    def stream(self, stream: Any) -> Any:
        self.log.append(("stream", type(stream).__name__))
        return contextlib.nullcontext()


def test_the_calls_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    module = _Module()
    empty = torch.empty

    def unpinned(*args: Any, pin_memory: bool = False, **kwargs: Any) -> Any:
        if pin_memory:
            module.log.append("pinned")
        return empty(*args, **kwargs)

    monkeypatch.setattr(torch, "empty", unpinned)
    lease = Lease(Staging(lambda device: _TorchAccelerator(torch, module, device)))
    staged = lease.copy(torch.arange(5).untyped_storage())
    lease.wait()
    assert module.log == [
        ("Stream", "cpu"),
        "pinned",
        ("wait_stream", "current of cpu"),
        ("stream", "Stream"),
        ("record", "Stream"),
        "synchronize",
    ]
    assert staged.view(torch.int64).tolist() == [0, 1, 2, 3, 4]
