# SPDX-License-Identifier: Apache-2.0
"""DeepSpeed with Pawl, one process: files as its own, and resumes bit for bit."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest
import torch

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="no deepspeed here"
)

# argv: folder, ZeRO stage, "pawl" or "torch", steps, step to die after or 0
TRAINING = """
import json, os, signal, sys
import deepspeed, torch
import pawl.deepspeed

folder, stage, engine, steps, die = sys.argv[1:4] + [int(a) for a in sys.argv[4:]]
if engine == "pawl":
    pawl.deepspeed.install()
deepspeed.init_distributed("gloo")
torch.manual_seed(1)
model = torch.nn.Sequential(
    torch.nn.Linear(32, 64), torch.nn.GELU(), torch.nn.Linear(64, 32)
)
config = {
    "train_micro_batch_size_per_gpu": 4,
    "bf16": {"enabled": True},
    "optimizer": {
        "type": "AdamW",
        "params": {"lr": 0.01, "torch_adam": True},
    },
    "zero_optimization": {"stage": int(stage)},
}
ds, *_ = deepspeed.initialize(
    model=model, model_parameters=model.parameters(), config=config
)
where, _ = ds.load_checkpoint(folder)
for step in range(ds.global_steps, steps):
    torch.manual_seed(step)
    batch = torch.randn(4, 32, dtype=torch.bfloat16)
    loss = ds(batch).float().square().mean()
    ds.backward(loss)
    ds.step()
    print("LOSS " + json.dumps([step, loss.item()]), flush=True)
    if step == 1:
        ds.save_checkpoint(folder, "step-2")
    if die == step + 1:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def train(folder, stage, engine, steps, die=0):
    """Losses by step."""
    env = {
        **os.environ,
        "DS_ACCELERATOR": "cpu",
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", TRAINING, folder, str(stage), engine]
        + [str(steps), str(die)],
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == (-9 if die else 0), done.stdout + done.stderr
    lines = [x[5:] for x in done.stdout.splitlines() if x.startswith("LOSS ")]
    return dict(json.loads(line) for line in lines)


def data_of(path):
    """The records of a torch file but for its id, whatever its root is called."""
    reader = torch._C.PyTorchFileReader(str(path))
    names = [n for n in reader.get_all_records() if n != ".data/serialization_id"]
    return {name: reader.get_record(name) for name in names}


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_killed_and_resumed(tmp_path, stage):
    whole = train(tmp_path / "torch", stage, "torch", 5)
    first = train(tmp_path / "pawl", stage, "pawl", 5, die=3)
    (tmp_path / "pawl" / "latest").write_text("of a checkpoint that is not there")
    rest = train(tmp_path / "pawl", stage, "pawl", 5)
    assert sorted(first) == [0, 1, 2]
    assert sorted(rest) == [2, 3, 4]
    assert {**first, **rest} == whole

    theirs, ours = tmp_path / "torch/step-2", tmp_path / "pawl/step-2"
    files = sorted(p.name for p in theirs.iterdir())
    assert files == sorted(p.name for p in ours.iterdir() if p.name != "pawl.json")
    for name in files:
        torch.load(ours / name, weights_only=False)
        assert data_of(ours / name) == data_of(theirs / name)
