# SPDX-License-Identifier: Apache-2.0
"""examples/mpi_heat.c: ranks that are killed go on together, to the same bits."""

import os
import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch

from job import finish, kill_all

ROOT = Path(__file__).resolve().parents[2]
HEAT = Path(os.environ.get("PAWL_BUILD", ROOT / "build")) / "examples" / "mpi_heat"
RANKS = 4
ROWS, COLUMNS = 61, 50  # the rows do not divide evenly
STEPS, EVERY = 8000, 200

# More ranks than cores; as root; and where no process may look into another one,
# of which MPI would tell.
ENVIRONMENT = {
    **os.environ,
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
}


def start(folder):
    sizes = [STEPS, EVERY, ROWS, COLUMNS]
    return subprocess.Popen(
        ["mpirun", "-n", str(RANKS), str(HEAT), str(folder), *map(str, sizes)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(job, step):
    """Waits until it tells of that step, or a later one; returns which."""
    for line in job.stdout:
        told = re.fullmatch(r"step (\d+)\n", line)
        if told and int(told[1]) >= step:
            return int(told[1])
    raise AssertionError(job.stderr.read())


def field(folder, step):
    """The whole plate, from the files of all ranks, as torch reads them."""
    parts = [
        torch.load(folder / f"step-{step}" / f"rank-{rank}.pt", weights_only=True)
        for rank in range(RANKS)
    ]
    assert [part["step"] for part in parts] == [step] * RANKS
    at = 0
    for part in parts:
        assert part["first_row"] == at
        at += part["field"].shape[0]
    return torch.cat([part["field"] for part in parts])


def expected(steps):
    """The same sums in the same order, by torch."""
    plate = torch.zeros(ROWS + 2, COLUMNS, dtype=torch.float64)
    plate[0] = 100
    here = plate[1:-1, 1:-1]
    for _ in range(steps):
        around = plate[:-2, 1:-1] + plate[2:, 1:-1]
        around = around + plate[1:-1, :-2] + plate[1:-1, 2:]
        here.copy_(here + 0.2 * (around - 4 * here))
    return plate[1:-1]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heat") / "run"
    out, err = finish(start(folder))
    assert out.splitlines()[-1] == f"step {STEPS}"
    assert "rank" not in err
    return folder


def test_field(undisturbed):
    assert torch.equal(field(undisturbed, STEPS), expected(STEPS))


def test_killed_and_resumed(undisturbed, tmp_path, seed):
    """Three times, each time at a random moment some checkpoints later."""
    dice = random.Random(seed)
    folder = tmp_path / "run"
    told = 0
    for _ in range(3):
        job = start(folder)
        told = read_until(job, told + EVERY * dice.randint(2, 5))
        time.sleep(dice.uniform(0, 0.03))
        assert kill_all(job)[0] == RANKS
    out, _ = finish(start(folder))
    resumed = re.match(r"resumed from step-(\d+)\n", out)
    # Of what was told, only the last may have been on its way.
    assert resumed and int(resumed[1]) >= told - EVERY
    assert torch.equal(field(folder, STEPS), field(undisturbed, STEPS))


def remove(path):
    path.unlink()
    return "is missing, though its manifest names it"


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return "was changed: its checksum is "


@pytest.mark.parametrize("harm", [remove, damage])
@pytest.mark.parametrize("rank", [0, RANKS - 1])
def test_all_fall_back(undisturbed, tmp_path, harm, rank):
    """A file of one rank is gone or wrong: all go on from the tag before, and
    each says whose file it was and why."""
    folder = tmp_path / "run"
    shutil.copytree(undisturbed, folder)
    whole = field(folder, STEPS)
    path = folder / f"step-{STEPS}" / f"rank-{rank}.pt"
    reason = harm(path)
    out, err = finish(start(folder))
    assert out == f"resumed from step-{STEPS - EVERY}\nstep {STEPS}\n"
    for each in range(RANKS):
        skipping = f"rank {each}: skipping checkpoint 'step-{STEPS}': "
        assert f"{skipping}rank {rank}: '{path}' {reason}" in err
    assert torch.equal(field(folder, STEPS), whole)
