# SPDX-License-Identifier: Apache-2.0
"""The tables, as Markdown that reads well on a terminal too."""

from __future__ import annotations

import math
import statistics

import figures
from measure import FIRST, MIB, Sample, Samples

TITLES = {
    "save": "Durable save",
    "stall": "Stall of an asynchronous save",
    "loop": "Training loop with a save every five steps",
    "memory": "Memory beyond the state, at its peak",
    "memory over saves": "Memory over many saves",
    "cold load": "Load, cold",
    "warm load": "Load, from the page cache",
    "small save": "Many tensors of 64 bytes: durable save",
    "small load": "Many tensors of 64 bytes: load",
    "one tensor": "One tensor of a large file, cold",
}


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table whose columns are aligned; the first to the left."""
    widths = [max(len(row[i]) for row in [head, *rows])
              for i in range(len(head))]

    def line(cells: list[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = [c.rjust(w) for c, w in zip(cells[1:], widths[1:])]
        return "| " + " | ".join([first, *rest]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2),
                           *("-" * (w + 1) + ":" for w in widths[1:])]) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def seconds(value: float) -> str:
    """With three digits, in the unit that suits."""
    if math.isnan(value):
        return "-"
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if value * factor >= 1 or unit == "us":
            digits = 2 if value * factor < 10 else 1 if value * factor < 100 else 0
            return f"{value * factor:.{digits}f} {unit}"
    raise AssertionError


def number(value: float, digits: int = 2) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def spread(values: list[float]) -> str:
    return f"{seconds(min(values))} - {seconds(max(values))}"


def busy(rows: list[Sample]) -> str:
    """What others used of the machine just before, as the worst of the runs."""
    values = [r.extra["busy_elsewhere"] for r in rows
              if "busy_elsewhere" in r.extra]
    return f"{max(values):.0%}" if values else "-"


def common_row(samples: Samples, case: str, name: str) -> list[str]:
    rows = samples.of(case, name)
    values = samples.seconds(case, name)
    first = samples.seconds(case + FIRST, name)
    median = statistics.median(values)
    return [name, seconds(median), spread(values),
            seconds(first[0]) if first else "-",
            number(rows[0].size_bytes / median / 1e9), busy(rows)]


COMMON = ["", "median", "min - max", "first", "GB/s", "others"]


def by_time(samples: Samples, case: str) -> list[str]:
    """The names of a case, the fastest first."""
    return sorted(samples.names(case), key=lambda n: samples.median(case, n))


def timing_table(samples: Samples, case: str, ours: str) -> str:
    """Of any case that is a matter of seconds: with the ratio to one of us."""
    base = samples.median(case, ours)
    rows = []
    for name in by_time(samples, case):
        cpu = samples.extra(case, name, "cpu")
        size = samples.of(case, name)[0].size_bytes
        rows.append([*common_row(samples, case, name),
                     number(samples.median(case, name) / base),
                     number(cpu / size * 1e9)])
    return table([*COMMON, f"x {ours}", "core s/GB"], rows)


def stall_table(samples: Samples) -> str:
    rows = []
    for name in by_time(samples, "stall"):
        rows.append([*common_row(samples, "stall", name)[:4],
                     seconds(samples.extra("stall", name, "create()")),
                     seconds(samples.extra("stall", name, "save()")),
                     seconds(samples.extra("stall", name, "commit()")),
                     seconds(samples.extra("stall", name, "fence")),
                     seconds(samples.extra("stall", name, "until_durable")),
                     common_row(samples, "stall", name)[-1]])
    return table([*COMMON[:4], "create()", "save()", "commit()", "fence()",
                  "durable after",
                  "others"], rows)


def loop_table(samples: Samples) -> str:
    without = samples.median("loop", "no saves")
    rows = []
    for name in by_time(samples, "loop"):
        median = samples.median("loop", name)
        stall = samples.extra("loop", name, "stall")
        rows.append([name, seconds(median),
                     spread(samples.seconds("loop", name)),
                     f"{median / without - 1:+.1%}", f"{stall / without:.1%}",
                     f"{(median - stall) / without - 1:+.1%}",
                     busy(samples.of("loop", name))])
    return table(["", "median", "min - max", "longer", "stall", "background",
                  "others"], rows)


def memory_table(samples: Samples) -> str:
    rows = []
    for name in samples.names("memory"):
        staging = samples.extra("memory", name, "staging_bytes")
        rows.append([name,
                     f"{samples.extra('memory', name, 'peak_bytes') / MIB:.0f}",
                     f"{staging / MIB:.0f}" if staging else "-",
                     f"{samples.of('memory', name)[0].size_bytes / MIB:.0f}"])
    return table(["MiB", "peak", "staging_bytes", "state"], rows)


def flat_table(samples: Samples) -> str:
    rows = [[f"{row.extra['saves']:.0f}", f"{row.extra['peak_bytes'] / MIB:.1f}"]
            for row in samples.of("memory over saves", "pawl async")]
    return table(["saves", "MiB beyond the start"], rows)


OURS = {"save": "pawl direct", "cold load": "pawl.load",
        "warm load": "pawl.load", "small save": "pawl direct",
        "small load": "pawl.load", "one tensor": "pawl.load, mmap"}


def case_table(samples: Samples, case: str) -> str:
    special = {"stall": stall_table, "loop": loop_table,
               "memory": memory_table, "memory over saves": flat_table}
    if case in special:
        return special[case](samples)
    return timing_table(samples, case, OURS[case])


def figure_table(samples: Samples) -> str:
    rows = [[f"{f.case}: {f.text}", f"{number(f.value)} {f.unit}".strip(),
             f"{'<=' if f.at_most else '>='} {number(f.bound)}", f.verdict]
            for f in figures.figures(samples)]
    return table(["what was promised", "measured", "wanted", ""], rows)


def text(samples: Samples) -> str:
    """Everything, for people."""
    parts = []
    for case, title in TITLES.items():
        if samples.names(case):
            parts += [f"### {title}", case_table(samples, case)]
    return "\n\n".join([*parts, "### Promises", figure_table(samples)]) + "\n"
