# SPDX-License-Identifier: GPL-2.0
"""Find kernel complaints in a console log, pure over lines.

splat.re holds the patterns, one a line. Lines that belong to one complaint
become one Splat, with the test during which it came and the whole of its text.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

# The kernel has data races of its own, which are ignored here: those without a module,
RACE = re.compile(r"BUG: KCSAN: ")
# and this one of the first work of a kthread_worker: kthread_worker_fn() sets worker->task,
# without worker->lock, to what kthread_create_worker() has set it to already.
KERNEL_RACE = re.compile(r"data-race in kthread_insert_work / kthread_worker_fn$")
# What WARN() says of itself, between its marks; lockdep and others have another line with that word.
WARN = re.compile(r"WARNING: .* at ")
IN_MODULE = re.compile(r"\+0x[0-9a-f]+/0x[0-9a-f]+ \[\w+\]")
MARKER = re.compile(r"kdemo-test: (begin|end) (\S+)$")
# Patterns that belong to a complaint, but do not say what it is about.
CUT_HERE = re.compile(r"\[ cut here \]")
END_TRACE = re.compile(r"---\[ end (trace|Kernel panic)")
CALL_TRACE = re.compile(r"Call [Tt]race:")
# The end of a stack, and the end of a report after it.
END_STACK = re.compile(r"</[A-Z]+>$")
END_REPORT = re.compile(r"={20,}$")
RUST_PANIC = re.compile(r"rust_kernel: panicked at .*:$")
ASKED = re.compile(r"sysrq: Show ")
FRAME = re.compile(r"\S+\+0x[0-9a-f]+/0x[0-9a-f]+")
PREFIX = re.compile(r"^(<\d+>)?\[ *\d+\.\d+\](\[ *[TC]\d+\])? ?")


def _load() -> re.Pattern[str]:
    with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), "splat.re")) as f:
        lines = [line.rstrip("\n") for line in f]
    return re.compile("|".join("(?:%s)" % line for line in lines if line and not line.startswith("#")))


PATTERNS = _load()


@dataclass(eq=False)
class Splat:
    test: str | None  # None outside of any test
    lines: list[str] = field(default_factory=list)  # those that match a pattern
    text: list[str] = field(default_factory=list)  # all, from the first of these to the end of its stacks
    traced: bool = False

    @property
    def title(self) -> str:
        """The first line with the subject of the complaint."""
        for line in self.lines:
            if not (CUT_HERE.search(line) or END_TRACE.search(line) or CALL_TRACE.search(line)):
                return line
        return self.lines[0]

    def matches(self, pattern: str) -> bool:
        return any(re.search(pattern, line) for line in self.lines)

    @property
    def is_warn(self) -> bool:
        """Whether this is a WARN(), which the kernel counts and which taints it."""
        return any(map(CUT_HERE.search, self.lines)) and any(map(WARN.match, self.lines))

    @property
    def fingerprint(self) -> tuple[str, tuple[str, ...]]:
        """The same for the same complaint: its title without numbers, and its place."""
        frames = [frame.split("+")[0] for line in self.text for frame in FRAME.findall(line)]
        return re.sub(r"\b(0x)?[0-9a-f]*[0-9][0-9a-f]*\b", "N", self.title), tuple(frames[:8])


def split_stacks(lines: list[str]) -> tuple[list[str], Splat | None]:
    """The lines of a console log up to the stacks that the host has asked for, and those as a Splat or None."""
    for n, line in enumerate(lines):
        if ASKED.search(line):
            text = [PREFIX.sub("", line) for line in lines[n:]]
            return lines[:n], Splat(None, text[:1], text)
    return lines, None


def _text(lines: list[str], first: int, last: int, end: int) -> list[str]:
    """The whole of a complaint: lines[first] to lines[last] match a pattern, from lines[end] on is another."""
    if last + 1 < end and RUST_PANIC.match(lines[last]):
        last += 1
    if END_REPORT.match(lines[end - 1]) and end - 1 > last:
        end -= 1  # Some begin with such a line, too.
    stop = last
    for n in range(last + 1, end if not END_TRACE.search(lines[last]) else 0):
        if MARKER.match(lines[n]):
            break
        if END_REPORT.match(lines[n]):
            return lines[first:n]
        if END_STACK.search(lines[n]) or FRAME.search(lines[n]):
            stop = n
    return lines[first:stop + 1]


def _is_kernels_own_race(splat: Splat) -> bool:
    if not RACE.search(splat.title):
        return False
    return bool(KERNEL_RACE.search(splat.title)) or not IN_MODULE.search("\n".join(splat.text))


def _in_turn(log: Sequence[str]) -> list[str]:
    """The lines, with those of a WARN() together where other tasks print at the same time."""
    found: list[str] = []
    rest = deque(log)
    waiting: list[str] = []  # what others print until it is over
    caller = None
    while rest:
        line = rest.popleft()
        prefix = PREFIX.match(line)
        says = prefix[2] if prefix else None
        if caller and MARKER.search(line):
            # It does not come to its end.
            rest.extendleft([line, *reversed(waiting)])
            waiting, caller = [], None
            continue
        if caller and says and says != caller:
            waiting.append(line)
            continue
        found.append(line)
        if CUT_HERE.search(line):
            caller = says
        elif END_TRACE.search(line):
            rest.extendleft(reversed(waiting))
            waiting, caller = [], None
    return found + waiting


def find(log: Sequence[str]) -> list[Splat]:
    """All complaints in these lines of a console log, but for races that are the kernel's own."""
    splats = []
    spans: list[tuple[int, int]] = []  # for each, the first and the last of its lines
    test = None
    current: Splat | None = None
    lines = [PREFIX.sub("", line) for line in _in_turn(log)]
    for n, line in enumerate(lines):
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
                spans.append((n, n))
        spans[-1] = spans[-1][0], n
        if RUST_PANIC.match(line):
            # The reason stands on a line of its own.
            line = " ".join(lines[n:n + 2])
        current.lines.append(line)
        if CALL_TRACE.search(line):
            current.traced = True
        if END_TRACE.search(line):
            current = None
    for splat, span, following in zip(splats, spans, [*(first for first, _ in spans[1:]), len(lines)]):
        splat.text = _text(lines, *span, following)
    return [splat for splat in splats if not _is_kernels_own_race(splat)]
