# SPDX-License-Identifier: Apache-2.0
"""Files by hostile/make.py: Python runs their pickles, Pawl does not.
PAWL_BUILD names the build folder that has dump_state."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("PAWL_BUILD", TESTS.parent / "build"))
SPEC = importlib.util.spec_from_file_location(
    "hostile_make", TESTS / "hostile" / "make.py"
)
hostile = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(hostile)


def test_python_runs_them():
    assert hostile.prove() == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_pawl_does_not(seed, tmp_path):
    files = tmp_path / "files"
    hostile.make(str(files), seed, 150)
    for path in sorted(files.iterdir()):
        result = subprocess.run(
            [BUILD / "tests" / "dump_state", path],
            cwd=tmp_path, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert result.returncode in (0, 1), (path.name, result.stderr)
        assert not (tmp_path / "pwned").exists(), path.name
