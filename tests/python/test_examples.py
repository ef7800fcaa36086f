# SPDX-License-Identifier: Apache-2.0
"""The examples run, and do what they say.  The demo is a test by itself."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import pawl

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
BUILT = Path(os.environ.get("PAWL_BUILD", ROOT / "build")) / "examples"
JOURNAL_LINE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ step-10 (\d+)\n"


def run(cwd, *command):
    """What the command printed; it has to succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def journal_config(folder, **options):
    return {
        "plugin": str(BUILT / "libengine_journal.so"),
        "engine": "journal",
        "options": {
            "inner": {"engine": "torch"},
            "journal": str(folder / "commits.txt"),
            **options,
        },
    }


def check_journal(folder):
    """One line, with the size of what is on the disk."""
    line = re.fullmatch(JOURNAL_LINE, (folder / "commits.txt").read_text())
    assert line
    assert int(line[1]) == (folder / "run/step-10/model.pt").stat().st_size


def test_demo(tmp_path):
    printed = run(tmp_path, sys.executable, EXAMPLES / "demo.py", "--fast")
    assert "resumed from step-10" in printed
    assert "All as promised" in printed
    assert "\033" not in printed  # no colours where there is no terminal


def test_save_restore_in_python(tmp_path):
    printed = run(tmp_path, sys.executable, EXAMPLES / "save_restore.py")
    assert printed == "restored step-10\n"


@pytest.mark.parametrize("config", ["", '{"engine": "torch"}'])
def test_save_restore_in_c(tmp_path, config):
    printed = run(tmp_path, BUILT / "save_restore", config)
    assert printed == "restored step-10, w[63][9] = 0.5\n"
    state = torch.load(tmp_path / "run/step-10/model.pt", weights_only=True)
    assert state["w"].shape == (64, 10)
    assert state["w"][63, 9] == 0.5


def test_journal_engine_from_c(tmp_path):
    config = json.dumps(journal_config(tmp_path))
    printed = run(tmp_path, BUILT / "save_restore", config)
    assert printed == "restored step-10, w[63][9] = 0.5\n"
    check_journal(tmp_path)


def test_journal_engine_from_python(tmp_path):
    run_dir = tmp_path / "run"
    path = run_dir / "step-10" / "model.pt"
    engine = pawl.CheckpointEngine(journal_config(tmp_path))
    engine.create(str(run_dir), "step-10")
    engine.save({"w": torch.ones(3)}, str(path))
    engine.commit("step-10")
    check_journal(tmp_path)

    assert engine.open(str(run_dir)) == "step-10"
    assert torch.equal(engine.load(str(path))["w"], torch.ones(3))
    engine.close("step-10")


def test_journal_engine_writes_no_line_for_what_was_aborted(tmp_path):
    run_dir = tmp_path / "run"
    engine = pawl.CheckpointEngine(journal_config(tmp_path))
    engine.create(str(run_dir), "step-10")
    engine.abort("step-10")
    assert not (tmp_path / "commits.txt").exists()
    assert engine.open(str(run_dir)) is None


def test_journal_engine_names_a_misspelt_option(tmp_path):
    with pytest.raises(pawl.Error, match="'jurnal'"):
        pawl.CheckpointEngine(journal_config(tmp_path, jurnal="x"))
