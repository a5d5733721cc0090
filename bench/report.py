#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Show a file of results as tables.

usage: report.py [RESULTS]
"""

import json
import os
import statistics
import sys

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
RESULTS = os.path.join(TOP, "build", "bench", "results.json")

TELLS = """\
These are instructions, counted by an emulator on one CPU; where both sides ran, in turns, in one boot.
They tell how much the one does more than the other, and repeat within 1 % on any machine (compare.py).
They do not tell how long anything takes: caches, branches, devices and other CPUs do not exist here."""


def counts(results, op, side):
    """Instructions for each time that an operation was done, one number a sample."""
    entry = results["samples"][op][side]
    return [ns / results["configuration"]["ns per instruction"] / entry["n"] for ns in entry["ns"]]


def ratios(results, op):
    """Rust over C, for each pair of samples that were taken one after the other."""
    return [rust / c for rust, c in zip(counts(results, op, "rust"), counts(results, op, "c"))]


def quartiles(values):
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return low, middle, high


def both_sides(results):
    return [op for op, sides in results["samples"].items() if {"c", "rust"} <= sides.keys()]


def show(results):
    pairs = both_sides(results)
    print("\n%-20s %10s %10s   %s" % ("instructions", "C", "Rust", "Rust / C, median (quartiles)"))
    for op in pairs:
        low, middle, high = quartiles(ratios(results, op))
        print("%-20s %10.1f %10.1f   %.3f (%.3f to %.3f)" % (
            op, statistics.median(counts(results, op, "c")), statistics.median(counts(results, op, "rust")),
            middle, low, high))
    print("\n%-20s %10s" % ("instead", "instructions"))
    for op, sides in results["samples"].items():
        if op not in pairs:
            for side in sides:
                print("%-20s %10.0f   %s" % (op, statistics.median(counts(results, op, side)), side))
    print("\n" + TELLS)


if __name__ == "__main__":
    with open(sys.argv[1] if len(sys.argv) > 1 else RESULTS, encoding="ascii") as file:
        show(json.load(file))
