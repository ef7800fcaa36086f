# SPDX-License-Identifier: Apache-2.0
"""Every case of read_oracle.py, one by one: what Pawl reads in a file that
torch.save wrote is what torch.load gives.  PAWL_BUILD names the build folder
that has dump_state."""

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

import read_oracle  # noqa: E402

BUILD = Path(os.environ.get("PAWL_BUILD", TESTS.parent / "build"))
OBJECTS = read_oracle.objects()


@pytest.fixture(autouse=True)
def deep():
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.parametrize("variant", read_oracle.VARIANTS)
@pytest.mark.parametrize("name", OBJECTS)
def test_reads_as_torch_does(tmp_path, name, variant):
    program = BUILD / "tests" / "dump_state"
    assert read_oracle.compare(
        f"{name}, {variant}", str(program), str(tmp_path / "model.pt"),
        read_oracle.VARIANTS[variant], OBJECTS[name])
