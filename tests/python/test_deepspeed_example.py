# SPDX-License-Identifier: Apache-2.0
"""examples/deepspeed_zero.py: killed and resumed, its losses stay the same."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from deepspeed_runs import IS_FULL, RANKS

PROGRAM = Path(__file__).resolve().parents[2] / "examples/deepspeed_zero.py"


def losses(printed):
    """Of each step, all bits."""
    return dict(re.findall(r"^step (\d+) loss \S+ (\S+)$", printed, re.M))


def arguments(run_dir, steps=40):
    return ["--run-dir", run_dir, "--steps", steps, "--save-every", 10]


@pytest.fixture(scope="module")
def undisturbed(jobs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    ran = jobs.script(folder, PROGRAM, *arguments(folder), world=RANKS)
    found = losses(ran.printed())
    assert list(found) == [str(step) for step in range(1, 41)]
    return found


def test_killed_and_resumed(tmp_path, jobs, seed, undisturbed):
    run = tmp_path / "run"
    at = random.Random(seed).randint(12, 38)
    job = {"world": RANKS}
    kill = {"kill_at": f"step {at} ", "expect": -signal.SIGKILL}
    killed = jobs.script(run, PROGRAM, *arguments(run), **job, **kill).printed()
    resumed = jobs.script(run, PROGRAM, *arguments(run), **job).printed()
    found = losses(killed)
    assert found == {step: undisturbed[step] for step in found}
    done = re.search(r"^resumed after step (\d+)$", resumed, re.M)
    first = int(done[1]) + 1 if done else 1
    assert losses(resumed) == {
        str(step): undisturbed[str(step)] for step in range(first, 41)
    }
    assert (run / "latest").read_text() == "step-40"
    assert not (run / "step-20").exists()


def launchers():
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    deepspeed = [shutil.which("deepspeed", path=Path(sys.executable).parent)]
    return {
        "torchrun": [*torchrun, "--nproc-per-node", str(RANKS)],
        "deepspeed": [*deepspeed, "--num_gpus", str(RANKS)],
    }


if IS_FULL:  # each process imports all, and the first one compiles

    def test_started_by_the_launchers(tmp_path, undisturbed):
        run = tmp_path / "run"
        found = {}
        for steps, launcher in enumerate(launchers().values(), 1):
            done = subprocess.run(
                [*launcher, PROGRAM, *map(str, arguments(run, 20 * steps))],
                cwd=tmp_path,
                env={**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                timeout=500,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            found.update(losses(done.stdout))
            if steps > 1:
                assert "resumed after step 20" in done.stdout
        assert found == undisturbed
