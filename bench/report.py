#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Show a file of results as tables.

usage: report.py [RESULTS]
"""

import json
import os
import statistics
import sys
from typing import Any, TypedDict

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, TOP)

from bench import size  # noqa: E402

RESULTS = os.path.join(TOP, "build", "bench", "results.json")

TELLS = """\
The figures are instructions, counted by an emulator on one CPU. The two sides took turns in one boot.
They show how much more one side does than the other. The same programs give the same figures again, which compare.py
checks; SEED=2 and so on shows how much of a figure is chance.
They do not show how long anything takes: the emulator has no caches, branch prediction, devices or other CPUs."""


class Samples(TypedDict):
    """Nanoseconds of the guest's clock for each sample, in each of which something was done n times."""

    n: int
    ns: list[int]


# By operation and side.
Table = dict[str, dict[str, Samples]]

# By side, the quantiles of each round of `wake_load`.
Rounds = dict[str, list[list[int]]]

# Times of the processor's own clock, on which machine, and whether there is one.
Wall = TypedDict("Wall", {"on": str, "is real": bool, "samples": Table, "wake": Rounds})

Configuration = TypedDict("Configuration", {
    "kernel": str, "kernel name": str, "options": dict[str, str], "architecture": str, "qemu": str,
    "accelerator": str, "ns per instruction": int, "commit": str})


class Results(TypedDict):
    """What is in results.json."""

    configuration: Configuration
    samples: Table
    wake: Rounds
    wall: Wall
    scale: dict[str, dict[str, list[list[int]]]]  # by side and number of workers, the figures of each round
    unload: dict[str, list[int]]  # by number of workers
    latency: list[str]
    stop: dict[str, dict[str, Samples]]  # by number of CPUs and side
    size: size.Size


def load(path: str) -> Any:
    """A file of results, or of what was made of them; the end of the program where it is none."""
    try:
        with open(path, encoding="ascii") as f:
            return json.load(f)
    except (OSError, ValueError) as e:
        sys.exit("%s: %s: %s" % (os.path.basename(sys.argv[0]), path, e))


def differ(one: float, other: float) -> bool:
    """Whether two medians differ by more than 1 % of the first, and by more than one instruction."""
    return abs(one - other) > max(1, 0.01 * one)


def counts(results: Results, op: str, side: str) -> list[float]:
    """Instructions per repetition of an operation, one number per sample."""
    entry = results["samples"][op][side]
    return [ns / results["configuration"]["ns per instruction"] / entry["n"] for ns in entry["ns"]]


def median(results: Results, op: str, side: str) -> float:
    return statistics.median(counts(results, op, side))


def ratios(results: Results, op: str) -> list[float]:
    """Rust over C, for each pair of samples that were taken one after the other."""
    return [rust / c for rust, c in zip(counts(results, op, "rust"), counts(results, op, "c"))]


def quartiles(values: list[float]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return low, middle, high


def both_sides(results: Results) -> list[str]:
    return [op for op, sides in results["samples"].items() if {"c", "rust"} <= sides.keys()]


# What kthread.h costs in C without the guarantees of `kthread/`, and the operation that has them.
PLAIN = {"plain_run_stop": "create_start_stop", "plain_park_unpark": "park_unpark",
         "plain_queue_flush": "queue_flush", "plain_delayed_cancel": "delayed_cancel"}


def plain(results: Results) -> dict[str, float]:
    """Rust with guarantees over C without, by operation."""
    return {op: median(results, op, "rust") / median(results, name, "c")
            for name, op in PLAIN.items() if name in results["samples"]}


# The figures of `scale`, per worker, and those of `cost workers`.
STEPS = ("create", "start", "wake", "park", "unpark", "stop", "bytes")
DEMO_STEPS = ("create", "start", "wake", "park", "unpark", "read of stats", "stop", "bytes")


def per_worker(results: Results, side: str) -> dict[str, dict[int, float]]:
    """Returns {step: {n: figure}}: instructions per worker, except bytes and the read of a file."""
    steps = DEMO_STEPS if side == "demo" else STEPS
    scale = results["configuration"]["ns per instruction"]
    table: dict[str, dict[int, float]] = {step: {} for step in steps}
    for n, rounds in results["scale"][side].items():
        for place, step in enumerate(steps):
            column = [figures[place] for figures in rounds]
            # A round takes what an earlier one has left before it takes free memory.
            figure = max(column) if step == "bytes" else statistics.median(column)
            if step != "bytes":
                figure /= scale
            if step != "read of stats":
                figure /= int(n)
            table[step][int(n)] = figure
    if side == "demo":
        table["rmmod"] = {int(n): statistics.median(rounds) / scale / int(n)
                          for n, rounds in results["unload"].items()}
    return table


def show_scale(results: Results) -> None:
    for side, what in (("c", "C twin"), ("rust", "Rust"), ("demo", "the demo, with its commands")):
        if side not in results["scale"]:
            continue
        table = per_worker(results, side)
        numbers = sorted(table["create"])
        print("\n%-24s %s   %s" % (what, " ".join("%9d" % n for n in numbers), "10000 / 100"))
        for step, row in table.items():
            # With few workers, the bytes drown in the other users of memory.
            flat = "%.2f" % (row[10000] / row[100]) if row.get(100, 0) > 0 and step != "bytes" else "-"
            print("%-24s %s   %s" % (step, " ".join(
                "        -" if step == "bytes" and n < 1000 else "%9.0f" % row[n] for n in numbers), flat))
    print("(instructions per worker, and bytes; the read of stats is one read of one file)")


def show_stop(results: Results) -> None:
    for cpus, sides in results["stop"].items():
        ratio = statistics.median(c / rust for rust, c in zip(sides["rust"]["ns"], sides["c"]["ns"]))
        print("stopping %d threads that need 10 ms each, %s CPUs: one by one in C takes %.1f times as long as "
              "a group in Rust" % (sides["c"]["n"], cpus, ratio))


# Which part of the wake-ups each figure of `wake_load` is about, in percent.
QUANTILES = (0, 10, 25, 50, 75, 90, 99, 100)


def show_wake(wake: Rounds) -> None:
    """Rust over C for each quantile, median and range of the pairs of rounds."""
    print("\nfrom a wake-up to the run, among threads that never sleep: Rust / C, median (lowest to highest)")
    for place, percent in enumerate(QUANTILES):
        found = [rust[place] / c[place] for rust, c in zip(wake["rust"], wake["c"])]
        print("%3d %% take at most %17.3f (%.3f to %.3f)" % (percent, statistics.median(found), min(found), max(found)))


def show_wall(wall: Wall) -> None:
    if not wall["is real"]:
        print("\nno times: the guest is emulated: " + wall["on"])
        return
    print("\n%-20s %10s %10s   %s   on %s" % ("nanoseconds", "C", "Rust", "Rust / C, median (quartiles)", wall["on"]))
    rows = {op: {side: [ns / entry["n"] for ns in entry["ns"]] for side, entry in sides.items()}
            for op, sides in wall["samples"].items()}
    for place, percent in enumerate(QUANTILES):
        rows["wake_load, %d %%" % percent] = {side: [quantiles[place] for quantiles in rounds]
                                              for side, rounds in wall["wake"].items()}
    for name, sides in rows.items():
        c, rust = sides["c"], sides["rust"]
        low, middle, high = quartiles([ours / theirs for ours, theirs in zip(rust, c)])
        print("%-20s %10.1f %10.1f   %.3f (%.3f to %.3f)"
              % (name, statistics.median(c), statistics.median(rust), middle, low, high))


def show(results: Results) -> None:
    missing = Results.__required_keys__ - results.keys()
    if missing:
        sys.exit("report.py: there is no '%s' in the results: make bench measures it" % min(missing))
    pairs = both_sides(results)
    print("\n%-20s %10s %10s   %s" % ("instructions", "C", "Rust", "Rust / C, median (quartiles)"))
    for op in pairs:
        low, middle, high = quartiles(ratios(results, op))
        print("%-20s %10.1f %10.1f   %.3f (%.3f to %.3f)" % (
            op, median(results, op, "c"), median(results, op, "rust"),
            middle, low, high))
    print("\n%-20s %10s" % ("other", "instructions"))
    for op, sides in results["samples"].items():
        if op not in pairs:
            for side in sides:
                print("%-20s %10.0f   %s" % (op, median(results, op, side), side))
    for op, ratio in plain(results).items():
        print("%-20s %10.3f   Rust / C without the guarantees" % (op, ratio))
    show_wake(results["wake"])
    show_wall(results["wall"])
    show_scale(results)
    print()
    show_stop(results)
    size.show(results["size"])
    print("\n" + TELLS)


if __name__ == "__main__":
    show(load(sys.argv[1] if len(sys.argv) > 1 else RESULTS))
