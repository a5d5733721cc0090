#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Check that two runs of `make bench` agree.

usage: compare.py RESULTS RESULTS

Fails if the median of an operation differs by more than 1 % and by more than one instruction.
"""

import os
import sys
from collections.abc import Iterator

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from bench import report  # noqa: E402


def differences(first: report.Results, second: report.Results) -> Iterator[tuple[str, float, float]]:
    """Yield each operation with both medians."""
    for op, sides in first["samples"].items():
        for side in sides:
            if side not in second["samples"].get(op, {}):
                sys.exit("compare.py: the second file has no figures for %s in %s" % (op, side))
            one, other = (report.median(results, op, side) for results in (first, second))
            yield "%s in %s" % (op, side), one, other


def main() -> int:
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    results = [report.load(path) for path in sys.argv[1:]]
    apart = 0
    for name, one, other in differences(results[0], results[1]):
        differs = report.differ(one, other)
        apart += differs
        print("%-36s %12.1f %12.1f %7.2f %%%s" % (name, one, other, abs(one - other) / one * 100,
                                                "  <" if differs else ""))
    print("all agree within 1 %" if not apart else "%d differ by more than 1 %%" % apart)
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
