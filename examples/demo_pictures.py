# SPDX-License-Identifier: Apache-2.0
"""What the demo draws with: colours, a loss curve, a tree of files.

Everything here returns text.  Colours appear only on a terminal, and not at
all where NO_COLOR is set.
"""

import os
import sys

COLOURS = {"red": 31, "green": 32, "yellow": 33, "cyan": 36, "bold": 1,
           "dim": 2}
BARS = " ▁▂▃▄▅▆▇█"
FULL = len(BARS) - 1
AXIS = 8  # characters left of a curve


def on_terminal():
    return sys.stdout.isatty()


def paint(text, colour):
    if colour is None or not on_terminal() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{COLOURS[colour]}m{text}\033[0m"


def size(count):
    """12 -> '12 B', 21588165 -> '21.6 MB'."""
    if count < 1000:
        return f"{count} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 1000:
            break
    return f"{count:.1f} {unit}"


def shrink(values, columns):
    """The means of `columns` equal shares of the values."""
    edges = [len(values) * i // columns for i in range(columns + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in zip(edges, edges[1:])]


def curve(values, colours, columns, rows=4):
    """An area chart: one text a row.  Each value has the name of a colour."""
    heights = shrink(values, columns)
    low, high = min(heights), max(heights)
    levels = [1 + round((height - low) / (high - low) * (rows * FULL - 1))
              for height in heights]
    lines = []
    for row in reversed(range(rows)):
        label = {rows - 1: f"{high:.2f} ┤", 0: f"{low:.2f} ┤"}.get(row, "│")
        line = label.rjust(AXIS)
        for column, level in enumerate(levels):
            bar = BARS[min(max(level - row * FULL, 0), FULL)]
            line += paint(bar, colours[column * len(values) // columns])
        lines.append(line)
    return lines


def mark(step, steps, columns, text):
    """A line to go below a curve of `steps` values, with `^` at `step`."""
    return " " * (AXIS + (step - 1) * columns // steps) + "^ " + text


def tree(folder, notes):
    """The files below `folder` with sizes; `notes` maps paths to remarks."""
    lines = [f"{folder}/"]

    def walk(inside, indent):
        entries = sorted(inside.iterdir(), key=by_step)
        for entry in entries:
            last = entry is entries[-1]
            name = indent + ("└── " if last else "├── ") + entry.name
            if entry.is_dir():
                line = f"{name}/".ljust(40)
            else:
                line = name.ljust(29) + size(entry.stat().st_size).rjust(11)
            remark = notes.get(str(entry.relative_to(folder)), "")
            lines.append(f"{line}  {remark}".rstrip())
            if entry.is_dir():
                walk(entry, indent + ("    " if last else "│   "))

    walk(folder, "")
    return lines


def by_step(path):
    """Sorts step-20 before step-100, and what is hidden to the end."""
    digits = "".join(filter(str.isdigit, path.name))
    return path.name.startswith("."), int(digits or 0), path.name
