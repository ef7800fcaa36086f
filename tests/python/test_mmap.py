# SPDX-License-Identifier: Apache-2.0
"""Loading by a mapping of the file, held against torch.load(mmap=True)."""

from __future__ import annotations

import gc
import os
import pathlib
import zipfile
from typing import Any

import pytest
import torch

import pawl
from view_state import views

MIB = 1 << 20


def _state() -> dict[str, Any]:
    return {**views(), "large": torch.randn(MIB), "number": 3}


@pytest.fixture(params=["torch", "pawl"])
def path(request: Any, tmp_path: pathlib.Path) -> pathlib.Path:
    save = torch.save if request.param == "torch" else pawl.save
    save(_state(), tmp_path / "state.pt")
    return tmp_path / "state.pt"


def _bytes(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.untyped_storage().tolist())


def _mapped_at(path: pathlib.Path) -> list[range]:
    """Where this process has mapped the file."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        fields = [line.split(maxsplit=5) for line in maps]
    return [
        range(*(int(end, 16) for end in field[0].split("-")))
        for field in fields
        if len(field) == 6 and field[5].strip() == str(path)
    ]


def test_as_torch(path: pathlib.Path) -> None:
    ours = pawl.load(path, mmap=True)
    theirs = torch.load(path, mmap=True, weights_only=False)
    assert list(ours) == list(theirs) and ours["number"] == 3
    where = _mapped_at(path)
    for name, tensor in theirs.items():
        if name == "number":
            continue
        mine = ours[name]
        assert type(mine) is type(tensor), name
        assert mine.dtype is tensor.dtype and mine.shape == tensor.shape, name
        assert mine.stride() == tensor.stride(), name
        assert mine.storage_offset() == tensor.storage_offset(), name
        assert mine.is_conj() == tensor.is_conj(), name
        assert mine.requires_grad == tensor.requires_grad, name
        if name != "large":
            assert _bytes(mine) == _bytes(tensor), name
        if mine.numel() > 0:
            assert any(mine.data_ptr() in each for each in where), name
    assert torch.equal(ours["large"], theirs["large"])
    at = ours["base"].untyped_storage().data_ptr()
    assert ours["rows"].untyped_storage().data_ptr() == at
    assert ours["turned"].untyped_storage().data_ptr() == at


def test_writes_stay_private(path: pathlib.Path) -> None:
    before = path.read_bytes()
    loaded = pawl.load(path, mmap=True)
    loaded["base"].fill_(-7)
    assert loaded["rows"].eq(-7).all()
    assert path.read_bytes() == before
    assert not pawl.load(path, mmap=True)["base"].eq(-7).any()


def test_mapping_goes_with_the_last_tensor(path: pathlib.Path) -> None:
    assert not _mapped_at(path)
    loaded = pawl.load(path, mmap=True)
    tail = loaded["tail"]
    del loaded
    gc.collect()
    assert _mapped_at(path) and tail.tolist() == list(range(3, 10))
    descriptors = [
        os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{fd}")
    ]
    assert str(path) not in descriptors
    del tail
    gc.collect()
    assert not _mapped_at(path)


def _damage_payload(path: pathlib.Path) -> None:
    """Turns every byte of the storages over; the structure stays."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        for record in archive.infolist():
            if "/data/" in record.filename and record.file_size > 0:
                at = record.header_offset
                at += 30 + sum(
                    int.from_bytes(data[at + i : at + i + 2], "little")
                    for i in (26, 28)
                )
                for i in range(at, at + record.file_size):
                    data[i] ^= 0xFF
    path.write_bytes(data)


def test_payload_is_not_verified(path: pathlib.Path) -> None:
    expected = torch.load(path, weights_only=False)["tail"]
    _damage_payload(path)
    with pytest.raises(pawl.CorruptError):
        pawl.load(path)
    mapped = pawl.load(path, mmap=True)
    assert torch.equal(mapped["tail"], ~expected)
    meta = pawl.load(path, map_location="meta")
    assert meta["base"].device.type == "meta" and meta["base"].shape == (20, 30)


@pytest.mark.parametrize("how", [{"mmap": True}, {"map_location": "meta"}])
def test_payload_is_not_touched(how: dict[str, Any], tmp_path: pathlib.Path) -> None:
    path = tmp_path / "large.pt"
    torch.save({str(i): torch.full((MIB,), i) for i in range(8)}, path)
    _drop(path)
    loaded = pawl.load(path, **how)
    assert len(loaded) == 8
    # Both ends of the file, and what the system reads ahead there.
    assert _cached(path) < path.stat().st_size // 20


def _drop(path: pathlib.Path) -> None:
    """The file from the page cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if _cached(path) > 0:
        pytest.skip("the page cache keeps the file")


def _cached(path: pathlib.Path) -> int:
    """Bytes of a file in the page cache."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int,
                          ctypes.c_int, ctypes.c_int, ctypes.c_long]
    size = path.stat().st_size
    pages = (ctypes.c_ubyte * (size // 4096 + 1))()
    with open(path, "rb") as file:
        at = libc.mmap(None, size, 1, 1, file.fileno(), 0)
        rc = libc.mincore(ctypes.c_void_p(at), ctypes.c_size_t(size), pages)
        libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t(size))
    assert rc == 0
    return 4096 * sum(page & 1 for page in pages)


def test_cut_short(path: pathlib.Path) -> None:
    data = path.read_bytes()
    for size in (0, 10, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(pawl.FormatError) as info:
            pawl.load(path, mmap=True)
        assert str(path) in str(info.value)


def test_legacy(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "old.pt"
    torch.save(_state(), path, _use_new_zipfile_serialization=False)
    with pytest.raises(pawl.NotSupportedError, match="legacy"):
        pawl.load(path, mmap=True)


def test_unaligned_and_deflated(tmp_path: pathlib.Path) -> None:
    """Records that other zip programs wrote: read, and verified."""
    torch.save(_state(), tmp_path / "state.pt")
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = tmp_path / f"other{method}.pt"
        with zipfile.ZipFile(tmp_path / "state.pt") as source:
            with zipfile.ZipFile(path, "w", method) as target:
                for record in source.infolist():
                    target.writestr(record.filename, source.read(record))
        ours = pawl.load(path, mmap=True)
        theirs = torch.load(tmp_path / "state.pt", weights_only=False)
        assert torch.equal(ours["large"], theirs["large"])
        assert torch.equal(ours["rows"], theirs["rows"])


def test_engine(tmp_path: pathlib.Path) -> None:
    with pawl.CheckpointEngine() as engine:
        engine.create(tmp_path, "one")
        engine.save(_state(), tmp_path / "one" / "state.pt")
        engine.commit("one")
        engine.wait()
        assert engine.open(tmp_path) == "one"
        path = tmp_path / "one" / "state.pt"
        loaded = engine.load(path, mmap=True)
        assert _mapped_at(path)
        engine.close("one")
    assert loaded["tail"].tolist() == list(range(3, 10))
    theirs = torch.load(path, mmap=True, weights_only=False)
    assert torch.equal(loaded["large"], theirs["large"])


LAZY = [{"mmap": True}, {"map_location": "meta"}]


@pytest.mark.parametrize("how", LAZY)
def test_the_file_of_another_tag(how: dict[str, Any], tmp_path: pathlib.Path) -> None:
    with pawl.CheckpointEngine({"verify": "size"}) as engine:
        for tag, value in (("one", 1.0), ("two", 2.0)):
            engine.create(tmp_path, tag)
            engine.save({"w": torch.full((1000,), value)}, tmp_path / tag / "state.pt")
            engine.commit(tag)
        engine.wait()
        one, two = tmp_path / "one" / "state.pt", tmp_path / "two" / "state.pt"
        assert one.stat().st_size == two.stat().st_size
        one.write_bytes(two.read_bytes())
        assert engine.open(tmp_path, "one") == "one"
        with pytest.raises(pawl.CorruptError, match=f"{one}.*by its zip directory"):
            engine.load(one, **how)
        engine.close("one")
        with pytest.raises(pawl.CorruptError, match=f"{one}.*by its zip directory"):
            pawl.load(one, **how)
        assert engine.open(tmp_path, "two") == "two"
        assert engine.load(two, **how)["w"].shape == (1000,)
        engine.close("two")


@pytest.mark.parametrize("how", LAZY)
def test_the_manifest_costs_no_payload(how: dict[str, Any], tmp_path: pathlib.Path) -> None:
    path = tmp_path / "one" / "state.pt"
    with pawl.CheckpointEngine({"engine": "direct", "verify": "size"}) as engine:
        engine.create(tmp_path, "one")
        engine.save({str(i): torch.full((MIB,), i) for i in range(8)}, path)
        engine.commit("one")
        engine.open(tmp_path, "one")
        _drop(path)
        loaded = engine.load(path, **how)
        assert len(loaded) == 8
        assert _cached(path) < path.stat().st_size // 20
        engine.close("one")


def test_a_store_without_files(tmp_path: pathlib.Path) -> None:
    with pawl.CheckpointEngine({"engine": "memory"}) as engine:
        engine.create(tmp_path, "one")
        engine.save(_state(), tmp_path / "one" / "state.pt")
        engine.commit("one")
        engine.open(tmp_path)
        with pytest.raises(pawl.NotSupportedError, match="map"):
            engine.load(tmp_path / "one" / "state.pt", mmap=True)
