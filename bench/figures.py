# SPDX-License-Identifier: Apache-2.0
"""What Pawl promises of its speed, and whether a run kept it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from measure import MIB, Samples

TORCH = "torch.save + fsync"
LOAD_PEERS = ("torch.load", "torch.load, mmap", "safetensors")
SAVE_PEERS = (TORCH, "safetensors + fsync", "DCP save")
MS = 1e3
US = 1e6



@dataclass(frozen=True)
class Figure:
    """One promise: a number that must be at least, or at most, another."""

    case: str
    text: str
    value: float  #: nan: not measured
    bound: float
    at_most: bool = False
    unit: str = ""

    @property
    def verdict(self) -> str:
        if math.isnan(self.value):
            return "not measured"
        kept = (self.value <= self.bound if self.at_most
                else self.value >= self.bound)
        if kept:
            return "kept"
        off = self.value / self.bound - 1
        return f"missed by {abs(off):.0%}"


    def dump(self) -> dict[str, object]:
        """For JSON, which has no nan."""
        numbers = {"value": self.value, "bound": self.bound}
        return asdict(self) | {"verdict": self.verdict} | {
            key: None if math.isnan(number) else number
            for key, number in numbers.items()}


def fastest(samples: Samples, case: str, names: tuple[str, ...]) -> float:
    """The least median of those that ran."""
    medians = [samples.median(case, name) for name in names]
    return min((m for m in medians if not math.isnan(m)), default=math.nan)


def figures(samples: Samples) -> list[Figure]:
    """All promises, in the order of the cases."""
    return [
        *_save(samples, "pawl direct", "limit: write_new", 0.90, 2.0, 1.4),
        *_save(samples, "pawl direct, recycle", "limit: write_over",
               0.85, 3.5, 2.5),
        *_cpu(samples),
        *_stall_copy(samples),
        *_stall_lazy(samples),
        *_loop(samples),
        *_memory(samples),
        *_load(samples),
        *_small(samples),
        *_lazy(samples),
    ]


def _save(samples: Samples, ours: str, limit: str, of_limit: float,
          of_torch: float, of_fastest: float) -> list[Figure]:
    took = samples.median("save", ours)
    case = f"save, {ours}"
    return [
        Figure(case, f"of the rate of {limit}",
               samples.median("save", limit) / took, of_limit),
        Figure(case, f"times as fast as {TORCH}",
               samples.median("save", TORCH) / took, of_torch),
        Figure(case, "times as fast as the fastest peer",
               fastest(samples, "save", SAVE_PEERS) / took, of_fastest),
    ]


def _cpu(samples: Samples) -> list[Figure]:
    rows = samples.of("save", "pawl direct")
    size = rows[0].size_bytes if rows else math.nan
    cpu = samples.extra("save", "pawl direct", "cpu")
    return [Figure("save, pawl direct", "core-seconds a GB",
                   cpu / size * 1e9, 0.35, at_most=True)]


def _stall_copy(samples: Samples) -> list[Figure]:
    took = samples.median("stall", "pawl async, copy")
    case = "stall, pawl async, copy"
    return [
        Figure(case, "times a plain copy on all cores",
               took / samples.median("stall", "limit: copy"), 1.15,
               at_most=True),
        *(Figure(case, f"of the stall of {peer}",
                 took / samples.median("stall", peer), 1 / 3, at_most=True)
          for peer in ("DCP async_save", "DCP async_save, kept")),
        Figure(case, f"of the stall of {TORCH}",
               took / samples.median("stall", TORCH), 1 / 15, at_most=True),
    ]


def _stall_lazy(samples: Samples) -> list[Figure]:
    name = "pawl async, lazy"
    tensors = samples.extra("stall", name, "tensors")
    return [
        Figure(f"stall, {name}", "in save()",
               samples.extra("stall", name, "save()") * MS,
               2 + 0.002 * tensors, at_most=True, unit="ms"),
        Figure(f"stall, {name}", "at the fence",
               samples.extra("stall", name, "fence") * MS, 1.0, at_most=True,
               unit="ms"),
    ]


def _loop(samples: Samples) -> list[Figure]:
    without = samples.median("loop", "no saves")
    return [Figure(f"loop, {name}", "longer than without saves",
                   (samples.median("loop", name) / without - 1) * 100, 5.0,
                   at_most=True, unit="%")
            for name in ("pawl async, copy", "pawl async, lazy")]


def _memory(samples: Samples) -> list[Figure]:
    out = []
    for name in samples.names("memory"):
        if name.startswith("pawl"):
            peak = samples.extra("memory", name, "peak_bytes")
            staging = samples.extra("memory", name, "staging_bytes")
            out.append(Figure(f"memory, {name}", "beyond staging_bytes",
                              (peak - staging) / MIB, 64, at_most=True,
                              unit="MiB"))
    rows = samples.of("memory over saves", "pawl async")
    if len(rows) > 1:
        grown = rows[-1].extra["peak_bytes"] - rows[0].extra["peak_bytes"]
        out.append(Figure(f"memory, {rows[-1].extra['saves']} saves",
                          "grown since the first tenth", grown / MIB, 8,
                          at_most=True, unit="MiB"))
    return out


def _load(samples: Samples) -> list[Figure]:
    took = samples.median("cold load", "pawl.load")
    return [
        Figure("cold load", "of the rate of limit: read",
               samples.median("cold load", "limit: read") / took, 0.90),
        Figure("cold load", "times as fast as the fastest peer",
               fastest(samples, "cold load", LOAD_PEERS) / took, 1.2),
    ]


def per_tensor_us(samples: Samples, case: str, name: str) -> float:
    """Microseconds a tensor, without the time that the bytes take."""
    rows = samples.of(case, name)
    if not rows:
        return math.nan
    count = rows[0].size_bytes / 64
    bytes_take = (samples.median(case, "limit: write_new")
                  if case == "small save" else 0.0)
    return (samples.median(case, name) - bytes_take) / count * US


def _small(samples: Samples) -> list[Figure]:
    save, load = "pawl direct", "pawl.load"
    return [
        Figure("small tensors", "save, on top of the bytes",
               per_tensor_us(samples, "small save", save), 2.0, at_most=True,
               unit="us a tensor"),
        Figure("small tensors", "load", per_tensor_us(samples, "small load",
                                                      load),
               3.0, at_most=True, unit="us a tensor"),
        Figure("small tensors", f"save, times as fast as {TORCH}",
               samples.median("small save", TORCH)
               / samples.median("small save", save), 15.0),
        Figure("small tensors", "load, times as fast as torch.load",
               samples.median("small load", "torch.load")
               / samples.median("small load", load), 15.0),
    ]


def _lazy(samples: Samples) -> list[Figure]:
    return [Figure("one tensor", "cold, pawl.load with mmap",
                   samples.median("one tensor", "pawl.load, mmap") * MS, 10.0,
                   at_most=True, unit="ms")]
