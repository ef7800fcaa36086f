# SPDX-License-Identifier: Apache-2.0
"""Clocks, caches, memory: what a measurement is made of."""

from __future__ import annotations

import gc
import json
import os
import resource
import statistics
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Iterator

MIB = 1 << 20
FIRST = " (first)"  #: a case's first run: memory is touched, caches are filled


@dataclass(frozen=True)
class Settings:
    """How much is measured, how often and where."""

    directory: str  #: on the disk that is measured; emptied between runs
    limits: str  #: the program made from limits.c
    rounds: int  #: that count; one more goes before
    size_bytes: int  #: of a training rank's state
    loop_bytes: int  #: of the state of the training loop
    loop_steps: int
    small_count: int  #: tensors of 64 bytes
    lazy_bytes: int  #: of the file of which one tensor is read
    flat_saves: int  #: after which memory must not have grown


@dataclass
class Sample:
    """One run of one contender in one case."""

    case: str
    name: str
    seconds: float
    size_bytes: int
    extra: dict[str, float] = field(default_factory=dict)


class Samples(list[Sample]):
    """All runs, in the order in which they were made."""

    def of(self, case: str, name: str) -> list[Sample]:
        return [s for s in self if (s.case, s.name) == (case, name)]

    def seconds(self, case: str, name: str) -> list[float]:
        return [s.seconds for s in self.of(case, name)]

    def median(self, case: str, name: str) -> float:
        """Median seconds; nan when there is none."""
        values = self.seconds(case, name)
        return statistics.median(values) if values else float("nan")

    def extra(self, case: str, name: str, key: str) -> float:
        """The median of something else that was measured; nan if it was not."""
        values = [s.extra[key] for s in self.of(case, name) if key in s.extra]
        return statistics.median(values) if values else float("nan")

    def names(self, case: str) -> list[str]:
        return list(dict.fromkeys(s.name for s in self if s.case == case))

    def cases(self) -> list[str]:
        return list(dict.fromkeys(s.case for s in self))

    def dump(self) -> list[dict[str, object]]:
        return [asdict(s) for s in self]


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Wall seconds and CPU seconds (all threads) of the block.  No garbage of
    the run before is collected within it."""
    out: dict[str, float] = {}
    gc.collect()
    cpu = cpu_seconds()
    start = time.perf_counter()
    yield out
    out["seconds"] = time.perf_counter() - start
    out["cpu"] = cpu_seconds() - cpu


def cpu_seconds() -> float:
    """That this process used, all threads, the kernel's share too."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def settle(settings: Settings) -> float:
    """Waits until what was deleted is so on the disk too (all that is written
    is synced by who wrote it), and a moment more; gives the share of the CPU
    time that others use now.  Then touches and frees as much memory as the
    state has, so that all get pages that the machine really has: a virtual one
    may have given its free ones back to its host meanwhile."""
    fd = os.open(settings.directory, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    time.sleep(0.1)
    busy = busy_elsewhere()
    limit(settings, "touch", settings.size_bytes)
    return busy


def drop_cache(path: str) -> None:
    """Makes the next read of a file, or of all files in a directory, cold."""
    paths = [path]
    if os.path.isdir(path):
        paths = [os.path.join(d, f) for d, _, fs in os.walk(path) for f in fs]
    for name in paths:
        fd = os.open(name, os.O_RDONLY)
        try:
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def limit(settings: Settings, name: str, size: int) -> dict[str, Any]:
    """Runs one case of bench/limits.c; what it prints."""
    out = subprocess.run([settings.limits, name, settings.directory, str(size)],
                         check=True, capture_output=True, text=True).stdout
    row: dict[str, Any] = json.loads(out)
    return row


def raw_limit(settings: Settings, name: str, size: int, case: str) -> Sample:
    """One case of bench/limits.c as a sample."""
    busy = settle(settings)
    row = limit(settings, name, size)
    return Sample(case, f"limit: {name}", row["seconds"], row["bytes"],
                  {"busy_elsewhere": busy})


def rss_bytes() -> int:
    """Resident memory of this process now."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class PeakMemory:
    """Samples resident memory in a thread; ``peak_bytes`` above the start."""

    def __enter__(self) -> PeakMemory:
        self.start_bytes = self._peak = rss_bytes()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._end.wait(0.002):
            self._peak = max(self._peak, rss_bytes())

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()

    @property
    def peak_bytes(self) -> int:
        return self._peak - self.start_bytes


def machine() -> dict[str, object]:
    """What the numbers are made on, and what else runs there."""
    with open("/proc/cpuinfo") as f:
        models = [line.split(":")[1].strip() for line in f
                  if line.startswith("model name")]
    with open("/proc/meminfo") as f:
        memory = {k: v.split()[0] for k, v in
                  (line.split(":") for line in f)}
    return {
        "cpu": models[0] if models else "?",
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory["MemTotal"]) / 2**20, 1),
        "kernel": os.uname().release,
        "load_average": os.getloadavg(),
    }


def busy_elsewhere(seconds: float = 0.2) -> float:
    """Share of this machine's CPU time that others use, 0 to 1, just now;
    what a hypervisor took away counts."""
    def idle_and_all() -> tuple[int, int]:
        with open("/proc/stat") as f:
            numbers = [int(n) for n in f.readline().split()[1:9]]
        return numbers[3] + numbers[4], sum(numbers)

    idle0, all0 = idle_and_all()
    time.sleep(seconds)
    idle1, all1 = idle_and_all()
    return round(1 - (idle1 - idle0) / max(1, all1 - all0), 3)
