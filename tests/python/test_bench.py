# SPDX-License-Identifier: Apache-2.0
"""The bench runs, all of it, on sizes that say nothing, and writes what it
says that it writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("safetensors")

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Path(os.environ.get("PAWL_BUILD", ROOT / "build")) / "bench" / "limits"
CASES = {
    "save": {"limit: write_new", "limit: write_over", "pawl direct",
             "pawl torch", "torch.save + fsync", "safetensors + fsync",
             "DCP save"},
    "stall": {"limit: copy", "pawl async, copy", "pawl async, lazy",
              "DCP async_save", "DCP async_save, kept", "torch.save + fsync"},
    "loop": {"no saves", "pawl async, copy", "pawl async, lazy",
             "DCP async_save, kept", "torch.save + fsync"},
    "memory": {"pawl async, staging for all", "torch.save + fsync",
               "DCP async_save, kept"},
    "memory over saves": {"pawl async"},
    "cold load": {"limit: read", "pawl.load", "torch.load",
                  "torch.load, mmap", "safetensors"},
    "warm load": {"pawl.load", "torch.load"},
    "small save": {"pawl direct", "torch.save + fsync"},
    "small load": {"pawl.load", "torch.load"},
    "one tensor": {"torch.load, mmap", "safetensors"},
}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The directory that a fast run filled."""
    folder = tmp_path_factory.mktemp("bench")
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "run.py", "--fast",
         "--limits", LIMITS, "--dir", folder / "run", "--out", folder / "out"],
        capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (folder / "run").exists(), "it left files"
    return folder / "out"


def test_all_cases_are_measured(out):
    document = json.loads((out / "bench.json").read_text())
    rows = document["samples"]
    for case, names in CASES.items():
        assert names <= {r["name"] for r in rows if r["case"] == case}, case
    for row in rows:
        assert row["seconds"] > 0 or row["case"] == "memory over saves", row
        assert row["size_bytes"] > 0, row


def test_promises_have_verdicts(out):
    promises = json.loads((out / "bench.json").read_text())["figures"]
    assert len(promises) >= 20
    for promise in promises:
        if promise["value"] is None:
            assert promise["verdict"] == "not measured", promise
            continue
        kept = (promise["value"] <= promise["bound"] if promise["at_most"]
                else promise["value"] >= promise["bound"])
        assert kept == (promise["verdict"] == "kept"), promise
        assert kept or "missed" in promise["verdict"], promise
    assert any(p["value"] is not None for p in promises)


def test_the_machine_is_told(out):
    document = json.loads((out / "bench.json").read_text())
    assert {"cpu", "cores", "kernel", "load_average"} <= set(document["machine"])
    assert {"torch", "safetensors"} <= set(document["versions"])


def test_tables_and_charts(out):
    text = (out / "REPORT.md").read_text()
    assert "### Promises" in text and "| pawl direct" in text
    for name in ("save", "stall", "loop", "cold-load"):
        chart = (out / f"{name}.svg").read_text()
        assert chart.startswith("<svg") and "pawl" in chart
