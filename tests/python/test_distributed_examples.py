# SPDX-License-Identifier: Apache-2.0
"""examples/ddp.py and fsdp.py: killed and resumed, their losses stay the same."""

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from job import finish, kill_all

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RANKS = 2
STEPS, EVERY = 60, 10


def start(program, run_dir):
    """Not in this process's folder, where `pawl` would be the sources.

    stderr goes to a file of its own: torchrun's processes write unbuffered, so
    a line of one rank's log would come between a line of stdout and its end.
    """
    with open(f"{run_dir}.log", "a", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", "--standalone"]
            + ["--nproc-per-node", str(RANKS), str(EXAMPLES / program)]
            + ["--run-dir", str(run_dir), "--steps", str(STEPS)]
            + ["--save-every", str(EVERY)],
            cwd=run_dir.parent,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def finished(program, run_dir):
    """What a whole run printed to stdout."""
    job = start(program, run_dir)
    try:
        return finish(job)[0]
    except AssertionError as exc:
        raise AssertionError(Path(f"{run_dir}.log").read_text()) from exc


def losses(printed):
    """Of each step, all bits."""
    return dict(re.findall(r"^(step \d+) loss \S+ (\S+)$", printed, re.M))


def kill_after(job, step, dice):
    """SIGKILL to all processes, a moment after that step; what they printed."""
    printed = ""
    for line in job.stdout:
        printed += line
        if line.startswith(f"step {step} "):
            break
    time.sleep(dice.uniform(0, 0.02))
    count, rest = kill_all(job)
    assert count == RANKS, printed + rest
    return printed + rest


@pytest.mark.parametrize("program", ["ddp.py", "fsdp.py"])
def test_killed_and_resumed(program, tmp_path, seed):
    undisturbed = losses(finished(program, tmp_path / "whole"))
    assert list(undisturbed) == [f"step {n}" for n in range(1, STEPS + 1)]

    job = start(program, tmp_path / "run")
    killed = losses(kill_after(job, 45, random.Random(seed)))
    printed = finished(program, tmp_path / "run")
    resumed = losses(printed)

    # 30 was durable before 40 was begun.
    first = int(re.search(r"^resumed from step-(\d+)$", printed, re.M)[1])
    assert first >= 30
    assert list(resumed) == [f"step {n}" for n in range(first + 1, STEPS + 1)]
    assert {**killed, **resumed} == undisturbed
    assert {**resumed, **killed} == undisturbed
    check_files(tmp_path / "run" / f"step-{STEPS}", program)


def check_files(tag, program):
    """What torch says is in them."""
    files = {f"rank-{rank}.pt" for rank in range(RANKS)}
    shared = {"model.pt"} if program == "ddp.py" else set()
    assert {path.name for path in tag.glob("*.pt")} == files | shared
    for name in files:
        assert torch.load(tag / name, weights_only=True)["step"] == STEPS
