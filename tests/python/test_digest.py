# SPDX-License-Identifier: Apache-2.0
"""Digests in the manifest are what `xxhsum -H2` prints of the files."""

import json
import shutil
import subprocess

import pytest
import torch

import pawl

SIZES = [0, 1, 1000, 70_000, 600_000]


def _xxhsum(path):
    printed = subprocess.run(
        ["xxhsum", "-H2", path], check=True, capture_output=True, text=True
    )
    return printed.stdout.split()[0]


@pytest.mark.skipif(not shutil.which("xxhsum"), reason="no xxhsum here")
@pytest.mark.parametrize("kind", ["torch", "direct", "async"])
@pytest.mark.parametrize("recycle", [False, True])
def test_digests_are_those_of_xxhsum(kind, recycle, tmp_path):
    config = {"engine": kind, "digest": "xxh3", "block_bytes": 65536}
    engine = pawl.CheckpointEngine({**config, "recycle": recycle, "keep_last": 1})
    for step in range(3):
        tag = f"step-{step}"
        engine.create(tmp_path, tag)
        for size in SIZES:
            state = {"tensor": torch.randn(size + step), "size": size}
            engine.save(state, tmp_path / tag / f"{size}.pt")
        engine.commit(tag)
    engine.wait()
    engine.shutdown()
    manifest = json.loads((tmp_path / tag / "pawl.json").read_text())
    assert len(manifest["files"]) == len(SIZES)
    for entry in manifest["files"]:
        assert entry["xxh3"] == _xxhsum(tmp_path / tag / entry["path"])


@pytest.mark.parametrize("writes, reads", [("none", "xxh3"), ("xxh3", "none")])
def test_who_reads_need_not_know(writes, reads, tmp_path):
    """A manifest with digests, or without, is read with any config."""
    state = {"tensor": torch.arange(1000)}
    engine = pawl.CheckpointEngine({"digest": writes})
    engine.create(tmp_path, "one")
    engine.save(state, tmp_path / "one" / "model.pt")
    engine.commit("one")
    engine.wait()
    engine.shutdown()
    text = (tmp_path / "one" / "pawl.json").read_text()
    assert ("xxh3" in text) == (writes == "xxh3")
    engine = pawl.CheckpointEngine({"digest": reads})
    assert engine.open(tmp_path) == "one"
    loaded = engine.load(tmp_path / "one" / "model.pt")
    assert torch.equal(loaded["tensor"], state["tensor"])
    engine.shutdown()
