# SPDX-License-Identifier: Apache-2.0
"""What the agreement of ranks adds to a durable commit, on this machine.

    python bench/agree_commit.py             four processes over a TCPStore
    python bench/agree_commit.py --ranks 8 --rounds 50 --dir /mnt/disk
    sudo python bench/agree_commit.py --realtime

Each rank saves a file durably; then all commit.  Counted is the time from the
moment the slowest rank's file is durable to the moment the last rank knows the
outcome, less what the same commit of as many files costs one process: manifest,
renames and syncs.  Rounds of the two take turns.  Prints medians and ranges.

The ranks' syncs of their file names count as agreement.  --realtime puts the
ranks before all else that runs on the machine (SCHED_FIFO, which needs root):
without it a busy machine counts, too, as a wait of a rank for its turn.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

import pawl

CONFIG = {"engine": "torch", "keep_last": 2}


def commit_alone(engine: Any, run: Path, tag: str, files: int) -> float:
    """Seconds of the commit of `files` files by one process."""
    engine.create(run, tag)
    for i in range(files):
        engine.save({"t": torch.full([2**18], i)}, run / tag / f"rank{i}.pt")
    start = time.monotonic()
    engine.commit(tag)
    return time.monotonic() - start


def run_rank(args: argparse.Namespace) -> None:
    """One rank: prints, for each round, when it was durable and when it knew."""
    if args.realtime:  # the threads that are made from here on have it from us
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    dist.init_process_group(
        "gloo", rank=args.rank, world_size=args.ranks, init_method=f"file://{args.meet}"
    )
    comm = pawl.ranks.from_torch_distributed(host="127.0.0.1")
    together, alone = Path(args.dir) / "together", Path(args.dir) / "alone"
    moments = []
    with pawl.CheckpointEngine(CONFIG, comm=comm) as engine, pawl.CheckpointEngine(
        CONFIG
    ) as single:
        for turn in range(args.rounds):
            tag = f"step-{turn}"
            baseline = commit_alone(single, alone, tag, args.ranks) if args.rank == 0 else 0
            dist.barrier()
            engine.create(together, tag)
            engine.save(
                {"t": torch.full([2**18], args.rank)}, together / tag / f"rank{args.rank}.pt"
            )
            durable = time.monotonic()
            engine.commit(tag)
            moments.append([durable, time.monotonic(), baseline])
            dist.barrier()
    print(json.dumps(moments))


def show(what: str, seconds: list[float]) -> None:
    """One line, in milliseconds."""
    ms = sorted(1000 * second for second in seconds)
    print(f"{what:42} {statistics.median(ms):7.2f} ({ms[0]:.2f} to {ms[-1]:.2f})")


def main() -> None:
    """Starts the ranks and prints what they measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--realtime", action="store_true", help="before all other work")
    parser.add_argument("--dir", help="where to save; default: a temporary directory here")
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--meet", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.rank is not None:
        run_rank(args)
        return
    where = tempfile.mkdtemp(prefix="agree-", dir=args.dir or os.getcwd())
    try:
        command = [sys.executable, __file__, "--ranks", str(args.ranks), "--rounds"]
        command += [str(args.rounds), "--dir", where, "--meet", f"{where}/meet"]
        command += ["--realtime"] * args.realtime + ["--rank"]
        ranks = [
            subprocess.Popen([*command, str(rank)], stdout=subprocess.PIPE, text=True)
            for rank in range(args.ranks)
        ]
        moments = [json.loads(rank.communicate(timeout=600)[0]) for rank in ranks]
    finally:
        shutil.rmtree(where)
    rounds = list(zip(*moments))[1:]  # the first one connects
    together = [max(m[1] for m in r) - max(m[0] for m in r) for r in rounds]
    alone = [r[0][2] for r in rounds]
    print(f"{args.ranks} ranks, {len(rounds)} rounds, milliseconds: median (range)")
    show("all know, after the last was durable", together)
    show("the same commit by one process", alone)
    show("what the agreement adds", [a - b for a, b in zip(together, alone)])


if __name__ == "__main__":
    main()
