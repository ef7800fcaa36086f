# SPDX-License-Identifier: Apache-2.0
"""tests/crash/run runs every part that the program names, and fails if one
does.  The program here is a script that does as it is told."""

import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[1] / "crash" / "run"

CRASH = """#!/bin/bash
case "$*" in
*--parts)
    echo --engine torch --story many --only cuts
    echo --engine torch --story many --only calls
    echo --engine async --story file --only cuts
    exit {named}
    ;;
*--story\\ file*) {file} ;;
esac
echo "PAWL_TEST_SEED=$PAWL_TEST_SEED"
echo "$*: 0 violations"
"""

VIOLATION = "printf 'VIOLATION x\\n  where\\n  again\\n1 violations\\n'; exit 1"


@pytest.fixture
def run(tmp_path):
    """Runs the suite with what story `file` and the naming of parts end with;
    exit status and output."""
    def start(*options, file="true", named=0):
        crash = tmp_path / "crash"
        crash.write_text(CRASH.format(file=file, named=named))
        crash.chmod(0o755)
        done = subprocess.run([RUN, crash, tmp_path / "logs", *options],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout
    return start


def test_each_part_runs_once_with_the_options(run, tmp_path):
    code, out = run("--short")
    assert code == 0
    assert sorted(line.partition(" s  ")[2] for line in out.splitlines()) == [
        "--short --engine async --story file --only cuts: 0 violations",
        "--short --engine torch --story many --only calls: 0 violations",
        "--short --engine torch --story many --only cuts: 0 violations"]
    logs = sorted((tmp_path / "logs").glob("*.log"))
    assert [log.name for log in logs] == [
        "async-file-cuts.log", "torch-many-calls.log", "torch-many-cuts.log"]
    assert len({log.read_text().splitlines()[0] for log in logs}) == 1  # seed


@pytest.mark.parametrize("file, shown", [
    (VIOLATION, "VIOLATION x\n  where\n  again\n"),
    ("kill -9 $$", "ended with 137: "),
    ("exit 2", "ended with 2: "),
    ("echo; exit 1", "ended with 1: "),
])
def test_a_part_that_fails_fails_it(run, file, shown):
    code, out = run(file=file)
    assert code == 1 and shown in out
    assert out.count("  --engine torch") == 2  # the others went on


def test_a_program_that_cannot_name_its_parts_fails_it(run):
    assert run(named=2)[0] == 1
