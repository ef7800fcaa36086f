#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""DeepSpeed's own tests of checkpoints, with its torch engine and with Pawl.

    deepspeed_own.py [--work DIR] [--only NAME] [-n PROCESSES] [CHECKOUT]

CHECKOUT is a directory with DeepSpeed's repository, of which only the tests are
used, with the DeepSpeed that is installed; without one it is cloned.  Each file
of tests/unit/checkpoint runs twice, on the CPU.  Prints what differs and why
tests fail with both, and exits with 1 if a test that passes with torch does not
with Pawl, unless KNOWN says why.  What was run is kept in the work directory
and not run again; docs/deepspeed.md tells how the Python for it is made.
"""

import argparse
import collections
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

REPOSITORY = "https://github.com/deepspeedai/DeepSpeed"
FOLDER = "tests/unit/checkpoint"
ENGINES = ("torch", "pawl")
HERE = str(Path(__file__).resolve().parent)

#: Tests that pass with torch and not with Pawl, and why that is meant so.
TAGS = "test_tag_validation.TestCheckpointValidationTag::test_checkpoint_unique_tag"
DIFFERENT = "a commit is one, of all ranks: tags that differ are refused"
KNOWN = {f"{TAGS}[WARN]": DIFFERENT, f"{TAGS}[IGNORE]": DIFFERENT}


# ---- running ----------------------------------------------------------------


def environment(engine, work):
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    return {
        **os.environ,
        "PATH": path,  # DeepSpeed compiles its optimizers, with ninja
        "PYTHONPATH": os.pathsep.join([HERE, os.environ.get("PYTHONPATH", "")]),
        "TORCH_EXTENSIONS_DIR": str(work / "extensions"),
        "DS_ACCELERATOR": "cpu",
        "LOCAL_SIZE": "4",  # else one rank a socket: the rest would be skipped
        "OMP_NUM_THREADS": "1",
        "DS_UNITTEST_TIMEOUT": os.environ.get("DS_UNITTEST_TIMEOUT", "300"),
        "PAWL_TEST_ENGINE": engine,
    }


def fetch(work):
    """DeepSpeed's repository, at the version that is installed."""
    import deepspeed

    target = work / "DeepSpeed"
    if not target.exists():
        tag = "v" + deepspeed.__version__.split("+")[0]
        command = ["git", "clone", "--depth", "1", "--branch", tag]
        subprocess.run([*command, REPOSITORY, target], check=True)
    return target


def run(engine, test, work, processes):
    """Runs one file, unless its results are there."""
    results = work / engine / f"{test.stem}.xml"
    if results.exists():
        return
    results.parent.mkdir(parents=True, exist_ok=True)
    scratch, made = results.with_suffix(".scratch"), results.with_suffix(".part")
    command = [sys.executable, "-m", "pytest", "-p", "deepspeed_plugin"]
    command += ["-p", "no:cacheprovider", "-q", "--tb=short"]
    command += [f"--basetemp={scratch}", f"--junitxml={made}", test]
    if processes:
        command += ["-n", str(processes)]
    with open(results.with_suffix(".log"), "w") as log:
        subprocess.run(
            list(map(str, command)),
            cwd=work / "tests",
            env=environment(engine, work),
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    manifests = len(list(scratch.rglob("pawl.json")))
    results.with_suffix(".manifests").write_text(str(manifests))
    shutil.rmtree(scratch, ignore_errors=True)
    if not made.exists():
        raise SystemExit(f"pytest did not end: see {results.with_suffix('.log')}")
    made.rename(results)


# ---- what came of it --------------------------------------------------------


def reason(element):
    """The last line that names an exception, without what differs each time."""
    text = element.text or ""
    lines = re.findall(r"^E? *((?:\w+\.)*\w*(?:Error|Exception)\b.*)$", text, re.M)
    line = lines[-1] if lines else element.get("message", "")
    return re.sub(r"0x[0-9a-f]+|\b\d+\b", "N", line.strip())[:150]


def read(results):
    """Of each test, how it ended and why."""
    outcomes = {}
    for case in ElementTree.parse(results).iter("testcase"):
        name = f"{case.get('classname').split('.', 2)[-1]}::{case.get('name')}"
        ended = [part for part in case if part.tag in ("failure", "error", "skipped")]
        kind = ended[0].tag if ended else "passed"
        outcomes[name] = (kind, reason(ended[0]) if ended else "")
    return outcomes


def tell_counts(outcomes):
    for engine in ENGINES:
        counts = collections.Counter(kind for kind, _ in outcomes[engine].values())
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        print(f"{engine:6} {len(outcomes[engine])} tests: {told}")


def tell_reasons(outcomes):
    """Why tests did not pass with torch, by how many."""
    reasons = collections.Counter(
        (kind, why) for kind, why in outcomes["torch"].values() if kind != "passed"
    )
    for (kind, why), count in reasons.most_common():
        print(f"{count:5} {kind}: {why}")


def tell_differences(outcomes):
    """Prints them; returns how many are losses that nobody knows of."""
    losses = 0
    for name in sorted({**outcomes["torch"], **outcomes["pawl"]}):
        torch, pawl = (outcomes[e].get(name, ("not run", "")) for e in ENGINES)
        if torch[0] == pawl[0]:
            continue
        known = KNOWN.get(name)
        losses += torch[0] == "passed" and not known
        print(f"{name}: torch {torch[0]}, Pawl {pawl[0]}: {pawl[1] or torch[1]}")
        if known:
            print(f"    known: {known}")
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkout", nargs="?", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build-deepspeed"))
    parser.add_argument("--only", default="", help="files with this in their name")
    parser.add_argument("-n", type=int, default=0, help="processes of pytest-xdist")
    given = parser.parse_args()
    work = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    # Without the rest of it, which would be imported for what is installed.
    tests = (given.checkout or fetch(work)) / "tests"
    shutil.copytree(tests, work / "tests", dirs_exist_ok=True)
    outcomes = {engine: {} for engine in ENGINES}
    manifests = 0
    for test in sorted((work / FOLDER).glob("test_*.py")):
        if given.only not in test.stem:
            continue
        for engine in ENGINES:
            print(f"{test.stem} with {engine}", file=sys.stderr, flush=True)
            run(engine, test, work, given.n)
            results = work / engine / f"{test.stem}.xml"
            outcomes[engine].update(read(results))
        manifests += int(results.with_suffix(".manifests").read_text())
    tell_reasons(outcomes)
    losses = tell_differences(outcomes)
    tell_counts(outcomes)
    print(f"Pawl committed {manifests} checkpoints, {losses} tests were lost")
    return 1 if losses or not manifests else 0


if __name__ == "__main__":
    sys.exit(main())
