# SPDX-License-Identifier: GPL-2.0
"""A strict KTAP parser (Documentation/dev-tools/ktap.rst), pure over lines, and what prints results.

Strict: each level needs its version line, its plan and exactly the planned
results in order. `errors` collects what it does not accept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

VERSION = re.compile(r"(?:KTAP version 1|TAP version 1[34])$")
PLAN = re.compile(r"1\.\.([0-9]+)(?: # SKIP(?: (.*))?)?$")
RESULT = re.compile(r"(not )?ok(?: ([0-9]+))?(?: (?:- )?([^#]*?))?(?:\s*# ?(.*))?$")
DIRECTIVE = re.compile(r"(SKIP|TODO|XFAIL|TIMEOUT|ERROR)\b:? ?(.*)$", re.I)
NOT_OK = re.compile(r"not ok\b")
BAIL = re.compile(r"Bail out!\s*(.*)$")


@dataclass(eq=False)
class Result:
    """One result line with the results that are nested in it."""

    ok: bool
    number: int
    name: str
    directive: str | None = None
    reason: str = ""
    children: list[Result] = field(default_factory=list)

    @property
    def skipped(self) -> bool:
        return self.directive == "SKIP"

    def leaves(self) -> list[Result]:
        """The results without children; a failed parent of passed children counts itself."""
        if not self.children:
            return [self]
        inner = [leaf for child in self.children for leaf in child.leaves()]
        if not self.ok and not self.skipped and all(leaf.ok or leaf.skipped for leaf in inner):
            inner.append(self)
        return inner


@dataclass(eq=False)
class Level:
    indent: int
    plan: int | None = None
    results: list[Result] = field(default_factory=list)
    children: list[Result] = field(default_factory=list)  # finished, of the level below, waiting for their parent
    skip_reason: str | None = None  # of a plan `1..0 # SKIP reason`, here or in the level below


class Parser:
    """Feed lines one by one; on_result is told of each result of the outermost level."""

    def __init__(self, on_result: Callable[[Result], None] | None = None) -> None:
        self.levels: list[Level] = []
        self.errors: list[str] = []
        self.bail: str | None = None
        self.top: Level | None = None
        self.used = False  # whether anything was KTAP at all
        self.on_result = on_result
        self.line_number = 0

    def error(self, text: str) -> None:
        self.errors.append("line %d: %s" % (self.line_number, text))

    def feed(self, line: str) -> None:
        self.line_number += 1
        body = line.lstrip(" ")
        indent = len(line) - len(body)
        bail = BAIL.match(body)
        self.used = self.used or self._begins(body)
        if bail:
            reason = bail.group(1) or "no reason given"
            if self.top and indent > self.top.indent:
                self.error("a nested test bailed out: %s" % reason)
            else:
                self.bail = reason
            return
        if VERSION.match(body):
            self._version(indent)
            return
        if not self.levels:
            if self.top is not None or not self.used:
                return
            self.error("no version line before '%s'" % body)
            self._open(indent)
        plan = PLAN.match(body)
        if plan:
            self._plan(indent, plan)
            return
        result = RESULT.match(body)
        if result:
            self._result(indent, result, body)

    @staticmethod
    def _begins(body: str) -> bool:
        """Whether this can only be KTAP. Many programs print lines that begin with `ok`."""
        return any(pattern.match(body) for pattern in (VERSION, PLAN, BAIL, NOT_OK))

    @property
    def skip_reason(self) -> str | None:
        """The reason for skipping everything: that of the plan, or of the first result."""
        if self.top is None:
            return None
        return self.top.skip_reason or next((result.reason for result in self.top.results if result.skipped), None)

    def _open(self, indent: int) -> None:
        level = Level(indent)
        if not self.levels:
            self.top = level
        self.levels.append(level)

    def _version(self, indent: int) -> None:
        if not self.levels:
            if self.top is not None:
                self.error("a second KTAP at the outermost level")
                return
            self._open(indent)
            return
        while len(self.levels) > 1 and indent <= self.levels[-1].indent:
            inner = self.levels[-1]
            if inner.indent == indent:
                # The next test's KTAP, while this one's parent has no result yet.
                self.error("a nested KTAP ended without its parent's result")
            self._close()
        deeper = indent - self.levels[-1].indent
        if deeper <= 0:
            self.error("a second KTAP at the outermost level")
            return
        # KUnit indents by 4 in debugfs.
        if deeper not in (2, 4):
            self.error("a nested KTAP is indented by %d, not by %d" % (indent, indent - deeper + 2))
        self._open(indent)

    def _close(self) -> None:
        """End the innermost level and hand its results to the level above."""
        level = self.levels.pop()
        name = "the outermost level" if not self.levels else "a nested level"
        if level.plan is None:
            self.error("%s has no plan" % name)
        elif len(level.results) != level.plan:
            self.error("%s has %d results, planned were %d" % (name, len(level.results), level.plan))
        if self.levels:
            self.levels[-1].children += level.results
            if level.plan == 0:
                self.levels[-1].skip_reason = level.skip_reason

    def _level_at(self, indent: int) -> Level | None:
        while len(self.levels) > 1 and self.levels[-1].indent > indent:
            self._close()
        return self.levels[-1] if self.levels[-1].indent == indent else None

    def _plan(self, indent: int, match: re.Match[str]) -> None:
        level = self._level_at(indent)
        if level is None:
            return
        if level.plan is not None:
            self.error("a second plan")
        elif level.results:
            self.error("the plan comes after results")
        level.plan = int(match.group(1))
        level.skip_reason = match.group(2)

    def _result(self, indent: int, match: re.Match[str], body: str) -> None:
        level = self._level_at(indent)
        if level is None:
            # An indented line that belongs to no level is an unknown line by the specification,
            # which is no reason to miss a failure.
            if match.group(1):
                self.error("a failed result of no level: '%s'" % body)
            return
        no, number, name, rest = match.groups()
        expected = len(level.results) + 1
        if number is None:
            self.error("a result without a number: '%s'" % body)
        elif int(number) != expected:
            self.error("result %s where %d was due" % (number, expected))
        if level.plan is None:
            self.error("a result before the plan: '%s'" % body)
            level.plan = 0
        directive, reason = None, rest
        found = DIRECTIVE.match(rest or "")
        if found:
            directive, reason = found.group(1).upper(), found.group(2)
        children, level.children = level.children, []
        if directive == "SKIP" and not reason:
            reason = level.skip_reason
        level.skip_reason = None
        result = Result(no is None, expected, (name or "").strip(), directive, reason or "", children)
        if result.ok and not result.skipped:
            if any(not leaf.ok and not leaf.skipped for child in children for leaf in child.leaves()):
                self.error("'%s' is ok, but a test nested in it is not" % result.name)
        level.results.append(result)
        if level is self.top and self.on_result:
            self.on_result(result)

    def finish(self) -> list[Result]:
        """Close what is open and return the outermost results."""
        if self.top is None:
            self.error("no KTAP at all")
            return []
        while len(self.levels) > 1:
            self.error("the KTAP ends within a nested level")
            self._close()
        if self.levels:
            if self.top.children:
                self.error("the KTAP ends before a parent's result")
            if self.bail is None:
                self._close()
            self.levels = []
        return self.top.results


class Printer:
    """Prints results as they come."""

    def __init__(self, planned: int) -> None:
        self.planned = planned
        self.number = self.failed = 0
        print("KTAP version 1\n1..%d" % planned, flush=True)

    def result(self, name: str, wrong: Iterable[str] = (), skip: str | None = None) -> None:
        """A result, which holds if nothing is wrong, of which these are the lines; or why it is skipped."""
        lines = ["# " + line for text in wrong for line in text.splitlines() or [""]]
        self.number += 1
        self.failed += bool(lines)
        said = "%s %d %s" % ("not ok" if lines else "ok", self.number, name)
        if skip is not None:
            said += " # SKIP " + skip
        print("\n".join([said, *lines]), flush=True)

    @property
    def status(self) -> int:
        """The exit status of a test that printed these."""
        return 1 if self.failed or self.number != self.planned else 0


def parse(lines: Iterable[str]) -> tuple[list[Result], list[str], str | None]:
    """Parse a whole log. Returns (results, errors, bail)."""
    parser = Parser()
    for line in lines:
        parser.feed(line)
    results = parser.finish()
    return results, parser.errors, parser.bail


def count(results: list[Result]) -> tuple[int, int, int]:
    """(passed, failed, skipped) leaves."""
    leaves = [leaf for result in results for leaf in result.leaves()]
    skipped = sum(leaf.skipped for leaf in leaves)
    failed = sum(not leaf.ok and not leaf.skipped for leaf in leaves)
    return len(leaves) - skipped - failed, failed, skipped
