# SPDX-License-Identifier: GPL-2.0
"""Find kernel complaints in a console log, pure over lines.

splat.re holds the patterns, one a line. Lines that belong to one complaint
become one Splat, with the test during which it came.
"""

import os
import re

MARKER = re.compile(r"kdemo-test: (begin|end) (\S+)$")
# Patterns that belong to a complaint, but do not say what it is about.
CUT_HERE = re.compile(r"\[ cut here \]")
END_TRACE = re.compile(r"---\[ end (trace|Kernel panic)")
CALL_TRACE = re.compile(r"Call [Tt]race:")
PREFIX = re.compile(r"^(<\d+>)?\[ *\d+\.\d+\](\[ *[TC]\d+\])? ?")


def _load():
    with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), "splat.re")) as f:
        lines = [line.rstrip("\n") for line in f]
    return re.compile("|".join("(?:%s)" % line for line in lines if line and not line.startswith("#")))


PATTERNS = _load()


class Splat:
    def __init__(self, test):
        self.test = test  # None outside of any test
        self.lines = []  # those that match a pattern
        self.traced = False

    @property
    def title(self):
        """The first line that says more than that there is a complaint."""
        for line in self.lines:
            if not (CUT_HERE.search(line) or END_TRACE.search(line) or CALL_TRACE.search(line)):
                return line
        return self.lines[0]

    def matches(self, pattern):
        return any(re.search(pattern, line) for line in self.lines)


def find(lines):
    """All complaints in these lines of a console log."""
    splats = []
    test = None
    current = None
    for line in lines:
        line = PREFIX.sub("", line)
        marker = MARKER.match(line)
        if marker:
            test = marker.group(2) if marker.group(1) == "begin" else None
            current = None
            continue
        if not PATTERNS.search(line):
            continue
        title = not (CUT_HERE.search(line) or END_TRACE.search(line) or CALL_TRACE.search(line))
        if current is None or CUT_HERE.search(line) or (title and current.traced):
            # A new complaint: after a finished one, at a cut mark, or at a title after a stack.
            # The exception is an oops, which repeats itself on its way to a panic.
            if current is None or not re.match(r"(Kernel panic|Oops)", line):
                current = Splat(test)
                splats.append(current)
        current.lines.append(line)
        if CALL_TRACE.search(line):
            current.traced = True
        if END_TRACE.search(line):
            current = None
    return splats
