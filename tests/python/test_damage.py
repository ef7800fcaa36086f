# SPDX-License-Identifier: Apache-2.0
"""A damaged checkpoint is refused, or what is loaded is what was saved.

What was saved is asked of torch.load and a copy that nobody damaged.
"""

import os
import random
import shutil

import pytest
import torch

import pawl

ROUNDS = 80


def _state(generator):
    return {
        "weights": torch.randn(64, 17, generator=generator),
        "steps": torch.arange(9),
        "names": ["a", "b", {"lr": 0.1}],
    }


def _flip(data, draw):
    at = draw.randrange(len(data))
    data[at] ^= 1 << draw.randrange(8)


def _cut(data, draw):
    del data[draw.randrange(len(data)) :]


def _insert(data, draw):
    at = draw.randrange(len(data) + 1)
    data[at:at] = draw.randbytes(draw.randint(1, 64))


def _zero(data, draw):
    at = draw.randrange(len(data))
    data[at : at + 64] = bytes(len(data[at : at + 64]))


def _move(data, draw):
    size = len(data)
    piece = data[draw.randrange(size) :][: draw.randint(1, 200)]
    at = draw.randrange(size)
    data[at : at + len(piece)] = piece


DAMAGES = [_flip, _cut, _insert, _zero, _move]


def _same(one, other):
    assert one.keys() == other.keys()
    assert torch.equal(one["weights"], other["weights"])
    assert torch.equal(one["steps"], other["steps"])
    assert one["names"] == other["names"]


@pytest.fixture(params=["torch", "async"])
def engine(request):
    engine = pawl.CheckpointEngine({"engine": request.param})
    yield engine
    engine.shutdown()


def test_never_wrong_data(engine, tmp_path, seed):
    draw = random.Random(seed)
    generator = torch.Generator().manual_seed(seed % 2**63)
    run = tmp_path / "run"
    for tag in ("old", "new"):
        engine.create(run, tag)
        engine.save(_state(generator), run / tag / "model.pt")
        engine.save(_state(generator), run / tag / "sub" / "opt.pt")
        engine.commit(tag)
    engine.wait()
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    names = ["new/model.pt", "new/sub/opt.pt", "new/pawl.json", "latest"]
    refused = 0
    for _ in range(ROUNDS):
        name = draw.choice(names)
        right = (copy / name).read_bytes()
        data = bytearray(right)
        draw.choice(DAMAGES)(data, draw)
        (run / name).write_bytes(data)
        tag = engine.open(run)
        is_refused = tag == "old"
        refused += is_refused
        assert is_refused == (name != "latest" and data != right), name
        for file in ("model.pt", os.path.join("sub", "opt.pt")):
            loaded = engine.load(run / tag / file)
            _same(loaded, torch.load(copy / tag / file, weights_only=True))
        engine.close(tag)
        (run / name).write_bytes(right)
    assert refused > ROUNDS / 2
