# SPDX-License-Identifier: Apache-2.0
"""DeepSpeed with Pawl: files as its own, and resumes bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

JOBS = Path(__file__).with_name("deepspeed_job.py")


class Ran:
    """What the ranks of a job told."""

    def __init__(self, codes, out):
        self.codes = codes
        self.out = out
        self.told = [self._read(f"{out}.{rank}") for rank in range(len(codes))]

    def _read(self, path):
        if not os.path.exists(path):
            return []
        return [json.loads(line) for line in Path(path).read_text().splitlines()]

    def printed(self):
        return "\n".join(
            Path(f"{self.out}.{rank}.log").read_text()
            for rank in range(len(self.codes))
        )

    def all(self, kind):
        """Of each rank, what it told of that kind."""
        return [[rest for k, *rest in told if k == kind] for told in self.told]

    def losses(self):
        return [dict(map(tuple, of_rank)) for of_rank in self.all("loss")]


class Jobs:
    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, JOBS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "DS_ACCELERATOR": "cpu"},
        )
        assert self.process.stdout.readline() == "ready\n"
        self.count = 0

    def run(self, folder, expect=0, **job):
        """Runs a job to its end; `expect` is what each of its ranks exits with."""
        self.count += 1
        out = f"{folder}.job{self.count}"
        job = {"out": out, "folder": str(folder), **job}
        print(json.dumps(job), file=self.process.stdin, flush=True)
        ran = Ran(json.loads(self.process.stdout.readline()), out)
        assert set(ran.codes) == {expect}, ran.printed()
        return ran

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


@pytest.fixture(scope="module")
def jobs():
    made = Jobs()
    yield made
    made.close()


def data_of(path):
    """The records of a torch file but for its id, whatever its root is called."""
    reader = torch._C.PyTorchFileReader(str(path))
    names = [n for n in reader.get_all_records() if n != ".data/serialization_id"]
    return {name: reader.get_record(name) for name in names}


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_killed_and_resumed(tmp_path, jobs, stage):
    save = {"2": "step-2"}
    whole = jobs.run(tmp_path / "torch", stage=stage, save=save, steps=5)
    pawl = {"stage": stage, "save": save, "steps": 5, "engine": "pawl"}
    first = jobs.run(tmp_path / "pawl", **pawl, die=3, expect=-9)
    (tmp_path / "pawl" / "latest").write_text("of a checkpoint that is not there")
    rest = jobs.run(tmp_path / "pawl", **pawl)
    assert sorted(first.losses()[0]) == [0, 1, 2]
    assert sorted(rest.losses()[0]) == [2, 3, 4]
    assert {**first.losses()[0], **rest.losses()[0]} == whole.losses()[0]

    theirs, ours = tmp_path / "torch/step-2", tmp_path / "pawl/step-2"
    files = sorted(p.name for p in theirs.iterdir())
    assert files == sorted(p.name for p in ours.iterdir() if p.name != "pawl.json")
    for name in files:
        torch.load(ours / name, weights_only=False)
        assert data_of(ours / name) == data_of(theirs / name)
