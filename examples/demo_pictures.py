# SPDX-License-Identifier: Apache-2.0
"""What the demo draws with: colours, a loss curve, a tree of files.

Everything here returns text.  Colours appear only on a terminal, and not at
all where NO_COLOR is set.
"""

import os
import sys

COLOURS = {"red": 31, "green": 32, "yellow": 33, "cyan": 36, "bold": 1,
           "dim": 2}
AXIS = 8  # characters left of a curve
BRAILLE = 0x2800  # the character without dots; each dot is a bit
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


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


def curve(values, colours, rows=5):
    """A dot for each value, two in a column of text: a list of lines.

    Each value has the name of a colour.
    """
    low, high = min(values), max(values)
    cells = [[BRAILLE] * -(-len(values) // 2) for _ in range(rows)]
    for x, value in enumerate(values):
        y = round((high - value) / (high - low) * (rows * 4 - 1))
        cells[y // 4][x // 2] |= DOTS[y % 4][x % 2]
    lines = []
    for row, line in enumerate(cells):
        label = {0: f"{high:.2f} ┤", rows - 1: f"{low:.2f} ┤"}.get(row, "│")
        dots = "".join(paint(chr(cell), colours[2 * column])
                       for column, cell in enumerate(line))
        lines.append(label.rjust(AXIS) + dots)
    return lines


def mark(index, text):
    """A line to go below a curve, with `^` at its value `index`."""
    return " " * (AXIS + index // 2) + "^ " + text


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
