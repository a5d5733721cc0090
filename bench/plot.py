#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Plot the results of `make bench`.

usage: plot.py RESULTS DIR

Writes ratio, scale and latency to DIR, as SVG and as PNG.
"""

import os
import sys

try:
    import matplotlib
except ImportError:
    sys.exit("plot.py: matplotlib is missing: install the package python3-matplotlib")

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from bench import baseline, report  # noqa: E402

matplotlib.use("Agg")
# The same results give the same file.
matplotlib.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9})

import matplotlib.pyplot as plt  # noqa: E402 (the backend has to be chosen first)

C_COLOUR = "#4477aa"
RUST_COLOUR = "#cc6633"
DEMO_COLOUR = "#448855"


def save(figure: plt.Figure, directory: str, name: str) -> None:
    figure.tight_layout()
    figure.savefig(os.path.join(directory, name + ".svg"), metadata={"Date": None})
    figure.savefig(os.path.join(directory, name + ".png"), dpi=110)
    plt.close(figure)


def rows(counts: dict[str, dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Instructions of Rust and of C for each operation, then of Rust and of C without the guarantees."""
    found = {op: (sides["rust"], sides["c"]) for op, sides in counts.items() if {"c", "rust"} <= sides.keys()}
    found.update((op + ", plain C", (counts[op]["rust"], counts[name]["c"]))
                 for name, op in report.PLAIN.items() if name in counts)
    return found


def others(results: report.Results) -> dict[str, dict[str, float]]:
    """Rust over C by row, on the other kernels of this architecture in bench/baseline.json."""
    name = results["configuration"]["kernel name"]
    arch = name.partition("@")[2]
    return {other: {row: rust / c for row, (rust, c) in rows(entry["counts"]).items()}
            for other, entry in report.load(baseline.BASELINE).items()
            if other != name and other.partition("@")[2] == arch}


def ratio(results: report.Results, directory: str) -> None:
    """Rust over C for each row, on other kernels as well, with the quartiles of the pairs of samples if there are pairs."""
    shown = rows(baseline.figures(results)["counts"])
    spread = [report.quartiles(report.ratios(results, op)) for op in report.both_sides(results)]
    middle = [quartile[1] for quartile in spread]
    middle += [rust / c for rust, c in list(shown.values())[len(spread):]]
    beside = others(results)
    height = 0.8 / (1 + len(beside))
    places = [place - height * len(beside) / 2 for place in range(len(shown))]
    figure, axes = plt.subplots(figsize=(7, 5 + len(beside)))
    axes.barh(places, middle, color=RUST_COLOUR, height=height, label=results["configuration"]["kernel name"])
    axes.errorbar(middle[:len(spread)], places[:len(spread)], fmt="none", ecolor="black", capsize=2, linewidth=0.8,
                  xerr=[[m - low for low, m, _ in spread], [high - m for _, m, high in spread]])
    for place, counts in zip(places, shown.values()):
        axes.text(0.02, place, "%.0f / %.0f" % counts, va="center", color="white", fontsize=7)
    for number, (name, values) in enumerate(sorted(beside.items()), 1):
        axes.barh([place + height * number for place in places], [values.get(row, 0) for row in shown],
                  color=(C_COLOUR, DEMO_COLOUR)[number % 2], height=height, label=name)
    axes.set_yticks(range(len(shown)), list(shown))
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=0.8)
    axes.legend(title="kernel", fontsize=7)
    axes.set_xlabel("instructions of Rust / instructions of C (median, quartiles)")
    axes.set_title("Rust against C, linux " + results["configuration"]["kernel"])
    save(figure, directory, "ratio")


def scale(results: report.Results, directory: str) -> None:
    """Instructions per worker against their number."""
    steps = ("create", "start", "wake", "park", "unpark", "stop")
    figure, grid = plt.subplots(2, 3, figsize=(8, 4.5), sharex=True)
    sides = (("c", "C twin", C_COLOUR), ("rust", "Rust", RUST_COLOUR), ("demo", "demo, by commands", DEMO_COLOUR))
    for axes, step in zip(grid.flat, steps):
        for side, label, colour in sides:
            row = report.per_worker(results, side)[step]
            numbers = sorted(row)
            axes.loglog(numbers, [row[n] for n in numbers], "o-", color=colour, label=label, markersize=3)
        axes.set_title(step)
    grid[0][0].legend(fontsize=7)
    figure.supxlabel("workers")
    figure.supylabel("instructions per worker")
    save(figure, directory, "scale")


def latency(results: report.Results, directory: str) -> None:
    """The latency histograms of the demo with 1000 workers."""
    buckets: dict[str, dict[int, int]] = {}
    for line in results["latency"]:
        words = line.split()
        if not words[0].isdigit():
            current = buckets.setdefault(words[0], {})
        else:
            current[int(words[0])] = int(words[1])
    ns = results["configuration"]["ns per instruction"]
    figure, axes = plt.subplots(figsize=(7, 3.5))
    for measure, counts in buckets.items():
        if counts:
            starts = sorted(counts)
            axes.plot([max(start, 1) / ns for start in starts], [counts[start] for start in starts], "o-",
                      label=measure, markersize=3, linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("instructions, by powers of two")
    axes.set_ylabel("workers")
    axes.set_title("Latencies of 1000 workers, as the demo measures them")
    axes.legend(fontsize=7)
    save(figure, directory, "latency")


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    results = report.load(sys.argv[1])
    ratio(results, sys.argv[2])
    scale(results, sys.argv[2])
    latency(results, sys.argv[2])


if __name__ == "__main__":
    main()
