# SPDX-License-Identifier: Apache-2.0
"""Kills one of four processes of torch.distributed at random moments, and looks
what the others say and what is left.

    python tests/python/kill_ranks.py [ROUNDS [TIMEOUT_MS]]

tests/kill_ranks.c over the real thing: each round is a job of four new processes
(forked from this one, which has imported torch), which open the newest
checkpoint, compare what they load with what was saved, and go on from there, step
after step.  One of them, rank 0 as well as others, gets SIGKILL a random while
after it came to a call that is drawn, too.  Held:

  - all ranks opened the same step, and each file that a rank sees is of that step;
  - it is no older than the last commit that returned on any rank, in any round
    before (invariant 1);
  - the survivors report within the deadline an error that names the rank that was
    killed, and end by themselves.

Rounds take turns with engines and layouts; PAWL_TEST_SEED=N repeats a run.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import ctypes
import itertools
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Optional

import torch
import torch.distributed as dist

import pawl

RANKS = 4
ENGINES = ("torch", "direct", "async")
LAYOUTS = ("shared", "local")
CALLS = ("nothing", "create", "save", "commit", "wait")
#: From the call that is drawn to the kill, at most.
LATER_S = 0.012
NONE, NOT_YET = -1, -2


class Told(ctypes.Structure):
    """What a rank tells the parent, in memory that both have."""

    _fields_ = [
        ("opened", ctypes.c_longlong),  # the step; NONE or NOT_YET
        ("committed", ctypes.c_longlong),  # the last whose commit returned
        ("call", ctypes.c_int),  # that it is in, of CALLS
        ("reported_ns", ctypes.c_longlong),  # when it failed
        ("message", ctypes.c_char * 2000),  # why
    ]


class Setting(NamedTuple):
    """What the jobs of some rounds have in common."""

    engine: str
    layout: str
    run: Path
    timeout_ms: int  # the longest that a rank may be slow, alive or dead

    @property
    def report_s(self) -> float:
        """Twice the timeout for a word of rank 0, which comes after it waited
        itself; and a slow machine."""
        return 2 * self.timeout_ms / 1000 + 5

    def save_dir(self, rank: int) -> Path:
        """Two ranks are a node."""
        return self.run / (f"node{rank // 2}" if self.layout == "local" else "all")

    def neighbours(self, rank: int) -> list[int]:
        """The ranks whose files this one sees."""
        return [r for r in range(RANKS) if self.save_dir(r) == self.save_dir(rank)]


class Failed(Exception):
    """Something does not hold."""


# ---- a rank ------------------------------------------------------------------


def state_at(step: int, rank: int) -> dict[str, Any]:
    """What a rank has at that step."""
    return {"step": step, "t": torch.arange(50_000) * 7 + 1000 * step + rank}


def same(loaded: dict[str, Any], step: int, rank: int) -> bool:
    return loaded["step"] == step and torch.equal(
        loaded["t"], state_at(step, rank)["t"]
    )


class Rank:
    """One process of a job."""

    def __init__(self, setting: Setting, rank: int, told: Told, meet: str) -> None:
        self.setting, self.rank, self.told = setting, rank, told
        self.dir = setting.save_dir(rank)
        dist.init_process_group(
            "gloo", rank=rank, world_size=RANKS, init_method=f"file://{meet}"
        )
        config = {
            "engine": setting.engine,
            "layout": setting.layout,
            "rank_timeout_ms": setting.timeout_ms,
            "staging_bytes": "4MiB",
            "keep_last": 2,
        }
        comm = pawl.ranks.from_torch_distributed(host="127.0.0.1")
        self.engine = pawl.CheckpointEngine(config, comm=comm)

    @contextlib.contextmanager
    def within(self, call: str):
        self.told.call = CALLS.index(call)
        yield
        self.told.call = 0

    def resume(self) -> int:
        """The step of the newest checkpoint; what it has is compared."""
        tag = self.engine.open(self.dir)
        if tag is None:
            return NONE
        step = int(tag.rpartition("-")[2])
        for rank in self.setting.neighbours(self.rank):
            loaded = self.engine.load(self.dir / tag / f"rank{rank}.pt")
            if not same(loaded, step, rank):
                raise Failed(f"'{tag}' has another state of rank {rank}")
        self.engine.close(tag)
        return step

    def make(self, step: int) -> None:
        tag = f"step-{step}"
        with self.within("create"):
            self.engine.create(self.dir, tag)
        with self.within("save"):
            self.engine.save(
                state_at(step, self.rank), self.dir / tag / f"rank{self.rank}.pt"
            )
        with self.within("commit"):
            self.engine.commit(tag)
        with self.within("wait"):
            self.engine.wait()
        self.told.committed = step

    def work(self, is_last: bool) -> None:
        """Until something fails; `is_last`: opens alone."""
        step = self.told.opened = self.resume()
        while not is_last:
            step += 1
            self.make(step)


def be_rank(
    setting: Setting, rank: int, told: Told, meet: str, is_last: bool
) -> NoReturn:
    """In a child: what it prints goes to a log."""
    log = os.open(f"{meet}.{rank}.log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    try:
        one = Rank(setting, rank, told, meet)
        try:
            one.work(is_last)
        except pawl.Error as exc:
            told.message = str(exc).encode()[:1999]
            told.reported_ns = time.monotonic_ns()
        one.engine.shutdown()
        code = 0
    except BaseException:
        traceback.print_exc()
    os._exit(code)


# ---- a job -------------------------------------------------------------------


class Job:
    """Four ranks, and what they told."""

    def __init__(self, setting: Setting, meet: str, is_last: bool = False) -> None:
        self.setting, self.meet = setting, meet
        self.told = (Told * RANKS).from_buffer(
            mmap.mmap(-1, ctypes.sizeof(Told) * RANKS)
        )
        self.pids: list[Optional[int]] = []
        sys.stdout.flush()
        for rank, told in enumerate(self.told):
            told.opened, told.committed = NOT_YET, NONE
            pid = os.fork()
            if pid == 0:
                be_rank(setting, rank, told, meet, is_last)
            self.pids.append(pid)

    def fail(self, what: str) -> NoReturn:
        lines = [what]
        for rank, told in enumerate(self.told):
            lines.append(
                f"  rank {rank}: opened {told.opened}, committed {told.committed}, "
                f"in {CALLS[told.call]}: {told.message.decode()}"
            )
            lines.append(Path(f"{self.meet}.{rank}.log").read_text())
        raise Failed("\n".join(lines))

    def reap(self, rank: int, wait: bool = False) -> bool:
        """Whether it has ended."""
        if self.pids[rank] is None:
            return True
        done, status = os.waitpid(self.pids[rank], 0 if wait else os.WNOHANG)
        if not done:
            return False
        self.pids[rank] = None
        code = os.waitstatus_to_exitcode(status)
        if code not in (0, -signal.SIGKILL):
            self.fail(f"rank {rank} ended with {code}")
        return True

    def kill(self, rank: int) -> None:
        if self.pids[rank] is not None:
            os.kill(self.pids[rank], signal.SIGKILL)
            self.reap(rank, wait=True)

    def until(self, what: str, seconds: float, holds: Any) -> None:
        """Looks at all ranks until `holds` of each."""
        end = time.monotonic() + seconds
        for rank in range(RANKS):
            while not holds(rank):
                if time.monotonic() > end:
                    self.fail(f"rank {rank} did not {what} within {seconds} s")
                time.sleep(0.0002)

    def opened(self, least: int) -> int:
        """Waits until all have opened one and the same, no older than `least`."""

        def has_opened(rank: int) -> bool:
            if self.reap(rank) and self.told[rank].opened == NOT_YET:
                self.fail(f"rank {rank} could not open what was there")
            return self.told[rank].opened != NOT_YET

        self.until("open", 60, has_opened)
        steps = {told.opened for told in self.told}
        if len(steps) > 1:
            self.fail("the ranks opened different checkpoints")
        if min(steps) < least:
            self.fail(f"a commit of {least} returned, and an older one was opened")
        return min(steps)

    def ended(self, killed: int) -> None:
        """Waits for the survivors, who name the one that was killed."""
        deadline = self.setting.report_s
        self.until("report", deadline, lambda r: r == killed or self.told[r].reported_ns)
        for rank, told in enumerate(self.told):
            if rank != killed and f"rank {killed}" not in told.message.decode():
                self.fail(f"rank {rank} does not name rank {killed}")
        self.until("end", deadline, self.reap)

    def committed(self) -> int:
        return max(max(told.committed, told.opened) for told in self.told)

    def stop(self) -> None:
        for rank in range(RANKS):
            if self.pids[rank] is not None:
                os.kill(self.pids[rank], signal.SIGKILL)
                os.waitpid(self.pids[rank], 0)


@contextlib.contextmanager
def job_of(setting: Setting, is_last: bool = False):
    meet = tempfile.mkdtemp(prefix="meet-")
    job = Job(setting, f"{meet}/meet", is_last)
    try:
        yield job
    finally:
        job.stop()
        shutil.rmtree(meet)


# ---- rounds ------------------------------------------------------------------


class Tally:
    """What is told at the end."""

    def __init__(self) -> None:
        self.calls: collections.Counter[str] = collections.Counter()
        self.ranks: collections.Counter[int] = collections.Counter()
        self.report_s: dict[bool, list[float]] = {True: [], False: []}
        self.end_s = 0.0
        self.commits = self.ahead = self.unknown = 0

    def show(self, rounds: int) -> str:
        def counted(counter: collections.Counter[Any]) -> str:
            return ", ".join(f"{n} in {key}" for key, n in sorted(counter.items()))

        lines = [
            f"{rounds} rounds, {self.commits} commits returned",
            f"killed: {counted(self.calls)}",
            f"killed: rank 0 in {self.ranks[0]}, others in {rounds - self.ranks[0]}",
        ]
        for is_first, name in ((True, "rank 0"), (False, "another one")):
            times = sorted(self.report_s[is_first])
            if times:
                lines.append(
                    f"when {name} was killed, survivors reported after "
                    f"{times[len(times) // 2]:.2f} s ({times[0]:.2f} to {times[-1]:.2f})"
                )
        lines.append(f"the slowest survivor ended after {self.end_s:.2f} s")
        lines.append(
            f"{self.unknown} survivors could not know how a commit ended; "
            f"{self.ahead} jobs opened one more than any had been told"
        )
        return "\n".join(lines)


def play(setting: Setting, dice: random.Random, least: int, tally: Tally) -> int:
    """One round; the step that must be there after it."""
    killed, call = dice.randrange(RANKS), dice.randrange(1, len(CALLS))
    with job_of(setting) as job:
        opened = job.opened(least)
        tally.ahead += opened > least
        job.until("call", 60, lambda r: r != killed or job.told[r].call == call)
        time.sleep(dice.uniform(0, LATER_S))
        start = time.monotonic_ns()
        job.kill(killed)
        job.ended(killed)
        tally.end_s = max(tally.end_s, (time.monotonic_ns() - start) / 1e9)
        tally.calls[CALLS[job.told[killed].call]] += 1
        tally.ranks[killed] += 1
        tally.commits += job.committed() - opened
        for rank, told in enumerate(job.told):
            if rank != killed:
                took = (told.reported_ns - start) / 1e9
                tally.report_s[killed == 0].append(took)
                tally.unknown += b"not known" in told.message
        return job.committed()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rounds", type=int, nargs="?", default=60)
    parser.add_argument("timeout_ms", type=int, nargs="?", default=1500)
    args = parser.parse_args()
    seed = os.environ.get("PAWL_TEST_SEED") or str(random.SystemRandom().randrange(2**32))
    print(f"PAWL_TEST_SEED={seed}", flush=True)
    dice = random.Random(int(seed))
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="kill-ranks-"))
    pairs = zip(itertools.cycle(ENGINES), itertools.cycle(LAYOUTS))
    settings = [
        Setting(engine, layout, folder / f"{engine}-{layout}", args.timeout_ms)
        for engine, layout in itertools.islice(pairs, 6)
    ]
    least = {setting: NONE for setting in settings}
    tally = Tally()
    try:
        for turn in range(args.rounds):
            setting = settings[turn % len(settings)]
            least[setting] = play(setting, dice, least[setting], tally)
        for setting in settings[: args.rounds]:  # what the last kill left
            with job_of(setting, is_last=True) as job:
                job.opened(least[setting])
                job.until("end", setting.report_s, job.reap)
    except Failed as exc:
        sys.exit(f"round {turn}, {setting}: {exc}")
    finally:
        shutil.rmtree(folder)
    print(tally.show(args.rounds))


if __name__ == "__main__":
    main()
