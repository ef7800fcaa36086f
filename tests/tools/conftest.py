# SPDX-License-Identifier: Apache-2.0
"""A small tree of files to run a tool on."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


class Tree:
    """Files below a folder of the test's own."""

    def __init__(self, root):
        self.root = root

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, tool):
        """Runs a tool on the tree; its exit status and its output."""
        done = subprocess.run(
            [sys.executable, str(TOOLS / tool), str(self.root)],
            capture_output=True, text=True, check=False)
        assert done.stderr == "" or done.returncode == 2, done.stderr
        return done.returncode, done.stdout


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)
