#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Plot the waiting times of rust_job_queue's jobs.

usage: plot.py WAITS SVG

WAITS has lines `KIND PERCENT NANOSECONDS`: so many of the jobs waited no longer.
"""

import math
import sys

COLOURS = {"urgent": "#cc6633", "usual": "#448855", "workqueue": "#4477aa"}
TITLES = {"urgent": "worker, Policy::Fifo", "usual": "worker, Policy::Normal", "workqueue": "workqueue"}
LEFT, TOP, WIDTH, HEIGHT = 60, 40, 560, 260
# From a microsecond to a second.
LOW, HIGH = 3, 9


def text(x: float, y: float, words: str, anchor: str = "middle", colour: str = "black") -> str:
    return '<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>' % (x, y, anchor, colour, words)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__.split("\n\n")[1])
    curves: dict[str, list[tuple[int, int]]] = {}
    with open(sys.argv[1], encoding="ascii") as f:
        for line in f:
            kind, *point = line.split()
            percent, ns = map(int, point)
            curves.setdefault(kind, []).append((percent, ns))
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">'
           % (LEFT + WIDTH + 30, TOP + HEIGHT + 50),
           '<rect width="100%" height="100%" fill="white"/>',
           text(LEFT + WIDTH / 2, 20, "Jobs that have begun, by how long they waited, under load")]
    for exponent in range(LOW, HIGH + 1):
        x = LEFT + WIDTH * (exponent - LOW) / (HIGH - LOW)
        out.append('<path d="M%.1f %d v%d" stroke="#dddddd"/>' % (x, TOP, HEIGHT))
        label = ("1 us", "10 us", "100 us", "1 ms", "10 ms", "100 ms", "1 s")[exponent - LOW]
        out.append(text(x, TOP + HEIGHT + 18, label))
    for percent in range(0, 101, 25):
        y = TOP + HEIGHT * (1 - percent / 100)
        out.append('<path d="M%d %.1f h%d" stroke="#dddddd"/>' % (LEFT, y, WIDTH))
        out.append(text(LEFT - 8, y + 4, "%d %%" % percent, "end"))
    for number, (kind, points) in enumerate(curves.items()):
        places = []
        for percent, ns in sorted(points):
            power = min(max(math.log10(max(ns, 1)), LOW), HIGH)
            places.append("%.1f,%.1f" % (LEFT + WIDTH * (power - LOW) / (HIGH - LOW),
                                         TOP + HEIGHT * (1 - percent / 100)))
        out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>'
                   % (" ".join(places), COLOURS.get(kind, "black")))
        out.append(text(LEFT + WIDTH * (number + .5) / len(curves), TOP + HEIGHT + 40, TITLES.get(kind, kind),
                        colour=COLOURS.get(kind, "black")))
    out.append("</svg>")
    with open(sys.argv[2], "w", encoding="ascii") as f:
        f.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
