# SPDX-License-Identifier: GPL-2.0
"""The one judge, of a test or script in the guest and of a test on the host.

What ran holds only if five facts do, each of which is taken by itself:

1. its exit status stands for success, or for a skip without a failed result;
2. its KTAP is complete, and has no failed result; a script need not print any;
3. the kernel did not complain on its console, unless that was declared, and the
   markers of what ran are there, so that the console was not muted;
4. no counter of the kernel (taint, warnings, oopses, ...) changed;
5. nothing was left behind: no process, thread, module or debugfs entry.

The last three are those of the guest; of a test on the host, processes alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from qemu import splat
from qemu.ktap import Parser, Result
from qemu.verdict import Failure

SKIP = 4

# These keep the kernel's complaints from the console, so a declared complaint does not excuse them.
MUTES = ("console_loglevel", "ignore_loglevel")

TAINT_WARN = 512


@dataclass
class Facts:
    """The facts about one run."""

    name: str
    limit: float | None = None  # seconds
    expects: Sequence[str] = ()  # patterns of complaints that have to come
    allows: Sequence[str] = ()  # and of such as may
    reports: bool = True  # it has to print KTAP, and to end with 0, 1 or 4
    status: int | str | None = None  # a number, "timeout", "stuck" (it could not even be killed) or "lost"
    ktap: Parser = field(default_factory=Parser)
    where: str = ""  # each of its processes, and in which functions of the kernel, if it timed out
    counters: str = ""
    left: str = ""
    console: Sequence[str] = ()
    marked: bool = True

    def take(self, word: str, text: str) -> None:
        """A fact as the guest reports it."""
        if word == "status":
            self.status = int(text) if text.isdigit() else text
        elif word in ("where", "counters", "left"):
            setattr(self, word, text)

    @property
    def skipped(self) -> bool:
        return self.status == SKIP


class Report(Protocol):
    """Who is told what tests say, and how they ended."""

    def nested(self, line: str) -> None:
        """A line of a test's own KTAP, already indented."""

    def result(self, name: str, failures: list[Failure], result: Result | None, seconds: float | None = None) -> None:
        """The final word on a test; `result` is its parsed line, or None if none came."""


def judge_console(facts: Facts) -> list[Failure]:
    """Compare the complaints on the console with those that are declared."""
    failures = []
    splats = splat.find(facts.console)
    for item in splats:
        if not any(item.matches(pattern) for pattern in (*facts.expects, *facts.allows)):
            failures.append(Failure("splat", "the kernel complained: %s" % item.title, facts.name, item))
    # A skipped test need not make the kernel complain.
    for pattern in () if facts.skipped else facts.expects:
        if not any(item.matches(pattern) for item in splats):
            failures.append(Failure("no-splat", "the kernel should have complained of '%s', but did not"
                                    % pattern, facts.name))
    if not facts.marked:
        failures.append(Failure("mute", "its markers are missing on the console, so that complaints may be, too",
                                facts.name))
    return failures


def _judge_status(facts: Facts, failed: list[Result]) -> Failure | None:
    """The faults of the exit status, given the names of the failed results."""
    status = facts.status
    if status in ("timeout", "stuck"):
        more = ", and it could not be killed" if status == "stuck" else ""
        more += "; then there were " + facts.where if facts.where else ""
        return Failure("timeout", "it ran longer than its limit of %s seconds%s" % (facts.limit, more), facts.name)
    if status in (None, "lost"):
        return Failure("status", "its exit status was lost", facts.name)
    if status not in (0, 1, SKIP):
        return Failure("status" if facts.reports else "test", "it exited with %s" % status, facts.name)
    names = ", ".join(leaf.name for leaf in failed)
    if status == 1:
        if failed:
            return Failure("test", "failed: " + names, facts.name)
        return Failure("test", "it exited with 1" + (", though no subtest failed" if facts.reports else ""), facts.name)
    if failed:
        return Failure("test", "it exited with %s, but failed: %s" % (status, names), facts.name)
    if facts.skipped and not facts.reports:
        return Failure("test", "it exited with %s" % status, facts.name)
    return None


def _judge_ktap(facts: Facts, results: list[Result]) -> list[str]:
    """The faults of the KTAP's form."""
    parser = facts.ktap
    if not parser.used:
        return ["it reported no result"] if facts.reports and not facts.skipped else []
    found = ["bad KTAP: " + error for error in parser.errors]
    if parser.bail is not None:
        found.append("it bailed out: " + parser.bail)
    elif not results and not found and not facts.skipped:
        found.append("it reported no result")
    return found


def _moved_by(warnings: int, change: str) -> bool:
    """Whether exactly this number of WARNINGs explains the change of a counter."""
    name, before, _, after = change.split(" ")
    if name == "warn_count":
        return int(after) - int(before) == warnings
    return name == "tainted" and warnings > 0 and int(after) == int(before) | TAINT_WARN


def _counters(facts: Facts) -> str:
    """The changed counters that nothing excuses, as a text."""
    changed = [item for item in facts.counters.split(", ") if item]
    if facts.expects:
        changed = [item for item in changed if item.startswith(MUTES)]
    warnings = [item for item in splat.find(facts.console) if item.is_warn and any(map(item.matches, facts.allows))]
    return ", ".join(item for item in changed if not _moved_by(len(warnings), item))


def judge(facts: Facts) -> tuple[list[Failure], Result]:
    """The faults, as a list of Failure, and a Result that sums them up."""
    results = facts.ktap.finish()
    failed = [leaf for result in results for leaf in result.leaves() if not leaf.ok and not leaf.skipped]
    failures = judge_console(facts)
    status = _judge_status(facts, failed)
    if status:
        failures.append(status)
    if facts.status not in ("timeout", "stuck"):
        # A killed test has not finished its KTAP.
        failures += [Failure("ktap", text, facts.name) for text in _judge_ktap(facts, results)]
    changed = _counters(facts)
    if changed:
        failures.append(Failure("counters", "kernel counters changed: " + changed, facts.name))
    # A task that died has not released its resources.
    if facts.left and "oops_count" not in changed:
        failures.append(Failure("left-behind", "it left behind: " + facts.left, facts.name))
    skipped = facts.skipped and not failed
    reason = (facts.ktap.skip_reason or "") if skipped else ""
    result = Result(facts.status == 0 or skipped, 0, facts.name, "SKIP" if skipped else None, reason, results)
    return failures, result
