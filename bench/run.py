# SPDX-License-Identifier: Apache-2.0
"""How fast saving and loading is on this machine, against torch and others.

    python bench/run.py                 all of it: about a quarter of an hour
    python bench/run.py --fast          the same, tiny: does it run at all?
    python bench/run.py --case save --case load
    python bench/run.py --show bench.json

Prints tables, and writes them to REPORT.md, all runs to bench.json and charts
to *.svg in the directory given by --out.  docs/performance.md tells what is
measured and how.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CASES = ["save", "stall", "load", "small", "lazy", "memory", "loop"]
MIB = 1 << 20
GIB = 1 << 30


def find_limits() -> str:
    """The program made from limits.c, in whatever build is there."""
    for build in ("build-release", "build", "build-test/gcc"):
        path = ROOT / build / "bench" / "limits"
        if path.exists():
            return str(path)
    raise SystemExit("bench: no build has bench/limits: run `make bench`, or "
                     "build with meson and give --limits")


def settings_from(args: argparse.Namespace) -> dict[str, object]:
    out: dict[str, object] = {
        "directory": os.path.abspath(args.dir),
        "limits": args.limits or find_limits(),
        "rounds": 5, "size_bytes": 2 * GIB, "loop_bytes": GIB // 4,
        "loop_steps": 15, "small_count": 100_000, "lazy_bytes": 8 * GIB,
        "flat_saves": 200,
    }
    if args.fast:
        out |= {"rounds": 1, "size_bytes": 16 * MIB, "loop_bytes": 16 * MIB,
                "loop_steps": 5, "small_count": 1000, "lazy_bytes": 64 * MIB,
                "flat_saves": 10}
    given = {"rounds": args.rounds, "size_bytes": args.mib and args.mib * MIB}
    return out | {key: value for key, value in given.items() if value}


# ---- in a process of its own ------------------------------------------------


def jobs(case: str) -> list[Callable[..., object]]:
    """What is to be run for a case, each in a fresh process."""
    module = importlib.import_module(case)
    return module.GROUPS if hasattr(module, "GROUPS") else [module.run]


def run_job(case: str, index: int, settings: dict[str, object]) -> object:
    """One job, with an empty directory before and after."""
    from contenders import remove
    from measure import Settings

    directory = str(settings["directory"])
    remove(directory)
    os.makedirs(directory)
    try:
        return jobs(case)[index](Settings(**settings))  # type: ignore[arg-type]
    finally:
        remove(directory)


def in_fresh_process(call: Callable[[], object]) -> object:
    """So that no case finds memory that another one left."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(call).result()


# ---- all of it --------------------------------------------------------------


def measure(case: str, settings: dict[str, object]) -> object:
    """All samples of a case."""
    from measure import Samples

    samples = Samples()
    start = time.monotonic()
    for index in range(len(jobs(case))):
        done = in_fresh_process(
            functools.partial(run_job, case, index, settings))
        samples += done  # type: ignore[arg-type]
    print(f"bench: {case}: {time.monotonic() - start:.0f} s", file=sys.stderr,
          flush=True)
    return samples


def versions() -> dict[str, str]:
    import safetensors
    import torch

    import pawl
    return {"pawl": getattr(pawl, "__version__", "?"),
            "torch": torch.__version__,
            "safetensors": safetensors.__version__,
            "python": sys.version.split()[0]}


def write(out: Path, samples: object, settings: dict[str, object],
          machine: dict[str, object]) -> str:
    """Writes the results; gives the text of the report."""
    import figures
    import plots
    import report

    out.mkdir(parents=True, exist_ok=True)
    promises = [figure.dump()
                for figure in figures.figures(samples)]  # type: ignore[arg-type]
    document = {"machine": machine, "versions": versions(),
                "settings": settings, "figures": promises,
                "samples": samples.dump()}  # type: ignore[attr-defined]
    (out / "bench.json").write_text(json.dumps(document, indent=1) + "\n")
    text = report.text(samples)  # type: ignore[arg-type]
    (out / "REPORT.md").write_text(text)
    plots.write_all(samples, str(out))  # type: ignore[arg-type]
    return text


def show(path: str) -> None:
    """Prints the tables of an earlier run."""
    import report
    from measure import Sample, Samples

    rows = json.loads(Path(path).read_text())["samples"]
    print(report.text(Samples(Sample(**row) for row in rows)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fast", action="store_true",
                        help="tiny sizes: under a minute, numbers say nothing")
    parser.add_argument("--case", action="append", choices=CASES,
                        help="only this one; may be given again")
    parser.add_argument("--dir", default="bench-run",
                        help="on the disk to be measured; is emptied, and "
                        "removed at the end (default: %(default)s)")
    parser.add_argument("--out", default="bench-out", type=Path,
                        help="for the results (default: %(default)s)")
    parser.add_argument("--rounds", type=int, help="that count (default: 5)")
    parser.add_argument("--mib", type=int, help="size of the state")
    parser.add_argument("--limits", help="the program made from limits.c")
    parser.add_argument("--show", metavar="JSON",
                        help="print the tables of an earlier run")
    args = parser.parse_args()
    if args.show:
        show(args.show)
        return
    from measure import Samples, machine

    settings = settings_from(args)
    if os.path.lexists(args.dir) and os.listdir(args.dir):
        raise SystemExit(f"bench: '{args.dir}' is there and not empty")
    before = machine()
    start = time.monotonic()
    samples = Samples()
    text = ""
    for case in args.case or CASES:
        samples += measure(case, settings)  # type: ignore[arg-type]
        seen = before | {"load_average_after": os.getloadavg(),
                         "seconds": round(time.monotonic() - start)}
        text = write(args.out, samples, settings, seen)  # so far
    print(text)
    print(f"bench: all runs are in {args.out / 'bench.json'}, charts beside it")


if __name__ == "__main__":
    main()
