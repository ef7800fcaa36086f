# SPDX-License-Identifier: Apache-2.0
"""Loaded tensors are views of the file's memory: whose it is, and how long."""

from __future__ import annotations

import gc
import pathlib
import threading

import pytest
import torch

import pawl
from view_state import views


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    torch.save(views(), tmp_path / "state.pt")
    return tmp_path / "state.pt"


def test_as_torch(path: pathlib.Path) -> None:
    ours = pawl.load(path)
    theirs = torch.load(path, weights_only=False)
    for name, tensor in theirs.items():
        ours_t = ours[name]
        assert torch.equal(ours_t.detach().double() if "8" in name else ours_t,
                           tensor.detach().double() if "8" in name else tensor), name
        assert type(ours_t) is type(tensor)
        assert ours_t.stride() == tensor.stride()
        assert ours_t.requires_grad == tensor.requires_grad
        assert ours_t.is_leaf
        size = tensor.untyped_storage().nbytes()
        assert ours_t.untyped_storage().nbytes() == size, name
        assert ours_t.data_ptr() % 64 == tensor.storage_offset() * (
            tensor.element_size()
        ) % 64 or ours_t.numel() == 0


def test_shared_storages_stay_shared(path: pathlib.Path) -> None:
    loaded = pawl.load(path)
    loaded["base"][5, 0] = -1
    assert loaded["rows"][0, 0] == -1
    assert loaded["turned"][0, 5] == -1


def test_no_two_loads_share(path: pathlib.Path) -> None:
    first = pawl.load(path)
    first["base"].zero_()
    second = pawl.load(path)
    assert second["base"][19, 29] == 599
    assert first["base"].sum() == 0


def test_a_tensor_outlives_the_rest(path: pathlib.Path) -> None:
    loaded = pawl.load(path)
    tail, rows = loaded["tail"], loaded["rows"]
    del loaded
    gc.collect()
    path.unlink()
    tail += 1
    assert tail.tolist() == list(range(4, 11))
    assert rows[1, 1] == 6 * 30 + 2


def test_dropped_on_another_thread(path: pathlib.Path) -> None:
    box = [pawl.load(path)]
    thread = threading.Thread(target=box.clear)
    thread.start()
    thread.join()
    assert not box


@pytest.mark.parametrize(
    "where", ["cpu", torch.device("cpu"), {"cpu": "cpu"}, lambda s, _: s]
)
def test_map_location(path: pathlib.Path, where: object) -> None:
    loaded = pawl.load(path, map_location=where)  # type: ignore[arg-type]
    assert torch.equal(loaded["turned"], views()["turned"])


def test_between_open_and_close(tmp_path: pathlib.Path) -> None:
    """The file is read once, but each load's memory is its own."""
    engine = pawl.CheckpointEngine({"engine": "direct"})
    engine.create(str(tmp_path), "one")
    file = str(tmp_path / "one" / "model.pt")
    engine.save(views(), file)
    engine.commit("one")
    engine.open(str(tmp_path), "one")
    first = engine.load(file)
    second = engine.load(file)
    first["base"].zero_()
    second["base"].fill_(7)
    third = engine.load(file)  # the first was written to: from the disk
    engine.close("one")
    assert first["base"].sum() == 0
    assert second["base"].sum() == 600 * 7
    assert torch.equal(third["base"], views()["base"])
