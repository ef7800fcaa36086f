# SPDX-License-Identifier: Apache-2.0
"""Bar charts as SVG, one for each case: a bar is a median, the line across its
end goes from the fastest run to the slowest, and each run is a dot."""

from __future__ import annotations

import os
import statistics
from xml.sax.saxutils import escape

from measure import Samples
from report import TITLES, seconds
from rounds import slug

LEFT, WIDTH, RIGHT, ROW, TOP = 210, 400, 90, 26, 44
COLOURS = {"pawl": "#2a6f97", "limit": "#9aa5ab"}
OTHERS = "#d98e4a"
PLOTTED = ("save", "stall", "loop", "cold load", "warm load", "small save",
           "small load", "one tensor")


def colour(name: str) -> str:
    return next((c for word, c in COLOURS.items() if name.startswith(word)),
                OTHERS)


def text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(words)}</text>'


def bar(y: float, name: str, values: list[float], scale: float) -> list[str]:
    """One row of a chart."""
    median = statistics.median(values)
    middle = y + ROW / 2 - 3
    low, high = LEFT + min(values) * scale, LEFT + max(values) * scale
    return [
        text(LEFT - 8, middle + 4, name, 'text-anchor="end"'),
        f'<rect x="{LEFT}" y="{y}" width="{max(1.0, median * scale):.1f}" '
        f'height="{ROW - 6}" fill="{colour(name)}"/>',
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" '
        'stroke="#222"/>',
        *(f'<circle cx="{LEFT + v * scale:.1f}" cy="{middle}" r="2" '
          'fill="#222"/>' for v in values),
        text(max(high, LEFT + median * scale) + 8, middle + 4, seconds(median)),
    ]


def chart(title: str, values: dict[str, list[float]]) -> str:
    """An SVG of rows, the shortest time on top."""
    longest = max(max(v) for v in values.values())
    scale = WIDTH / longest
    height = TOP + ROW * len(values) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}"'
        f' height="{height}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        text(12, 22, title, 'font-size="15" font-weight="bold"'),
    ]
    order = sorted(values, key=lambda name: statistics.median(values[name]))
    for i, name in enumerate(order):
        parts += bar(TOP + i * ROW, name, values[name], scale)
    return "\n".join([*parts, "</svg>"]) + "\n"


def write_all(samples: Samples, directory: str) -> list[str]:
    """Writes a chart for each case that was measured; gives their paths."""
    os.makedirs(directory, exist_ok=True)
    paths = []
    for case in PLOTTED:
        values = {name: samples.seconds(case, name)
                  for name in samples.names(case)}
        if values:
            paths.append(os.path.join(directory, f"{slug(case)}.svg"))
            with open(paths[-1], "w", encoding="utf-8") as f:
                f.write(chart(f"{TITLES[case]}: seconds", values))
    return paths
