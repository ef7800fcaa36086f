# SPDX-License-Identifier: Apache-2.0
"""The machine of a user: what the tests here look at."""

import os

import pytest

from machine import ROOT, run

BUILD = os.environ.get("PAWL_BUILD", str(ROOT / "build"))


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The folder that stands for / on the machine of a user."""
    root = tmp_path_factory.mktemp("installed")
    run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet",
        "--destdir", str(root))
    return root
