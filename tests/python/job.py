# SPDX-License-Identifier: Apache-2.0
"""Jobs of several processes, and their end by SIGKILL."""

import contextlib
import os
import signal
from pathlib import Path


def finish(job):
    """What it printed, to stdout and stderr (if kept); it has to succeed."""
    out, err = job.communicate(timeout=280)
    assert job.returncode == 0, out + (err or "")
    return out, err


def children(pid):
    """The processes that `pid` started."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            after_name = (each / "stat").read_text().rpartition(")")[2]
        except OSError:
            continue  # gone
        if int(after_name.split()[1]) == pid:
            found.append(int(each.name))
    return found


def kill_all(job):
    """The launcher and what it started; returns how many that were, and what
    they had printed to stdout and nobody had read."""
    ranks = children(job.pid)
    for pid in [job.pid, *ranks]:
        with contextlib.suppress(ProcessLookupError):  # it missed its launcher
            os.kill(pid, signal.SIGKILL)
    return len(ranks), job.communicate()[0]
