#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compare a run of `make bench` with bench/baseline.json, or make that from it.

usage: baseline.py [--write] [RESULTS]

Prints each operation whose median differs by more than 1 % and by more than one instruction, and
exits with 1 if there is one. The file has the figures of each kernel; those of other compilers, or
of another release of the kernel, are not compared. --write puts those of RESULTS in.
"""

import json
import os
import sys
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from bench import report  # noqa: E402

BASELINE = os.path.join(report.TOP, "bench", "baseline.json")
# The figures also depend on the compiler and the kernel.
DEPENDS = ("CC_VERSION_TEXT", "RUSTC_VERSION_TEXT")


def figures(results: report.Results) -> dict[str, Any]:
    """The entry of a kernel: its tools, and a median for each operation and side."""
    configuration = results["configuration"]
    return {
        "kernel": configuration["kernel"],
        **{name: configuration["options"][name] for name in DEPENDS},
        "counts": {op: {side: round(report.median(results, op, side), 1) for side in ("c", "rust")
                        if side in sides}
                   for op, sides in results["samples"].items() if "user" not in sides},
    }


def moved(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """A line for each operation that takes more or less than it did, is new or is gone."""
    lines = []
    for op in sorted({*before["counts"], *now["counts"]}):
        old, new = before["counts"].get(op, {}), now["counts"].get(op, {})
        for side in sorted({*old, *new}):
            if side not in old or side not in new:
                lines.append("%s in %s is %s" % (op, side, "new" if side in new else "gone"))
            elif report.differ(old[side], new[side]):
                lines.append("%s in %s takes %.1f instructions, and took %.1f (%+.1f %%)"
                             % (op, side, new[side], old[side], (new[side] / old[side] - 1) * 100))
    return lines


def compare(results: report.Results, baseline: dict[str, Any]) -> bool:
    """Prints what is to be said, and returns whether nothing moved."""
    name = results["configuration"]["kernel name"]
    now = figures(results)
    if name not in baseline:
        print("bench/baseline.json has no figures of the kernel '%s': bench/baseline.py --write puts these in" % name)
        return True
    for key in ("kernel", *DEPENDS):
        if baseline[name][key] != now[key]:
            print("not compared with bench/baseline.json, whose figures are of %s, and these of %s"
                  % (baseline[name][key], now[key]))
            return True
    lines = moved(baseline[name], now)
    for line in lines:
        print("moved: " + line)
    if not lines:
        print("within 1 % of bench/baseline.json, each operation")
    return not lines


def main() -> int:
    args = sys.argv[1:]
    write = "--write" in args
    if write:
        args.remove("--write")
    if len(args) > 1 or args and args[0].startswith("-"):
        sys.exit((__doc__ or "").strip())
    results = report.load(args[0] if args else report.RESULTS)
    baseline = report.load(BASELINE) if os.path.exists(BASELINE) else {}
    if not write:
        return 0 if compare(results, baseline) else 1
    baseline[results["configuration"]["kernel name"]] = figures(results)
    with open(BASELINE, "w", encoding="ascii") as f:
        json.dump(baseline, f, indent="\t", sort_keys=True)
        f.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
