# SPDX-License-Identifier: Apache-2.0
"""Commands, and where things are below the folder `installed`."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True,
                          check=False, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pkg_config(installed, *arguments, package="pawl"):
    folder = next(installed.rglob("pawl.pc")).parent
    env = dict(os.environ, PKG_CONFIG_PATH=str(folder),
               PKG_CONFIG_SYSROOT_DIR=str(installed))
    return run("pkg-config", *arguments, package, env=env).split()


def library(installed, name):
    found = list(installed.rglob(name))
    assert len(found) == 1, f"{name}: {found}"
    return found[0]
