#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run all tests: those in the guest, those on the host, and the harness's check of itself.

Prints KTAP as it comes; the last line is `N passed, N failed, N skipped`. The
exit codes are those of qemu/verdict.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import glob
import math
import os
import re
import shlex
import sys
import time
from collections.abc import Callable
from typing import Protocol

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from qemu import (  # noqa: E402
    accel, decode, guest, hosttest, junit, ktap,
    lab, options, output, splat, suite, verdict)
from qemu.verdict import SetupError  # noqa: E402


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = verdict.Parser(prog="test.py", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add(parser)
    parser.add_argument("--tests", default="*", metavar="GLOB",
                        help="only the tests whose name matches this, or one of several (host tests are host/NAME, "
                             "the self-check is selfcheck), or guest for all tests in the guest")
    parser.add_argument("--limit", type=options.above_zero, metavar="SECONDS",
                        help="kill all guests after this time (default: 600, more for slow kernels)")
    parser.add_argument("--soak", type=options.above_zero, metavar="MINUTES",
                        help="instead of the tests, run their actions at once for this long, and then a storm")
    parser.add_argument("--junit", metavar="FILE", help="write a report for CI systems to FILE")
    args = parser.parse_args(argv)
    args.long = 0  # seconds that tests take on their own account
    return args


Teller = Callable[[str, list[splat.Splat]], list[str]]


class Output(Protocol):
    """What can be written to."""

    def write(self, text: str, /) -> object:
        """Take this text."""

    def flush(self) -> object:
        """What was written may be read."""


class Report:
    """Prints the outermost KTAP, and counts."""

    def __init__(self, out: Output, total: int, tell: Teller | None = None) -> None:
        self.out = out
        self.tell = tell  # makes lines of failures that have a splat
        self.number = 0
        self.passed = self.failed = self.skipped = 0
        self.failures: list[verdict.Failure] = []
        self.suites: list[junit.Suite] = []
        self.last = time.monotonic()  # when the last test was judged
        self._print("KTAP version 1")
        self._print("1..%d" % total)

    def _print(self, line: str) -> None:
        self.out.write(output.printable(line) + "\n")
        self.out.flush()

    def note(self, text: str) -> None:
        self._print("# " + text)

    def nested(self, line: str) -> None:
        """A line of a test's own KTAP, already indented."""
        self._print(line)

    def result(self, name: str, failures: list[verdict.Failure], result: ktap.Result | None,
               seconds: float | None = None) -> None:
        """The final word on a test; `result` is its parsed line, or None if none came.

        Without `seconds` it took all the time since the test before it."""
        self.number += 1
        failures = verdict.by_importance(failures)
        self.failures += failures
        now = time.monotonic()
        self.suites.append(junit.Suite(name, failures, result, now - self.last if seconds is None else seconds))
        self.last = now
        passed, failed, skipped = ktap.count([result]) if result else (0, 0, 0)
        if failures and not failed:
            # The harness found fault where the test itself did not.
            failed = 1
            if result and not result.children:
                passed = skipped = 0
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        if self.tell:
            for line in self.tell(name, [f.splat for f in failures if f.splat]):
                self.note(line)
        for failure in failures[1:]:
            self._print("# %s" % failure.sentence())
        if failures:
            directive = "TIMEOUT " if failures[0].kind == "timeout" else ""
            self._print("not ok %d %s # %s%s" % (self.number, name, directive, failures[0].text))
        elif result and result.skipped:
            self._print("ok %d %s # SKIP %s" % (self.number, name, result.reason or "no reason given"))
        else:
            self._print("ok %d %s" % (self.number, name))


def guest_tests(report: Report, request: guest.Request, run_dir: lab.RunDir, tests: list[suite.Test]) -> None:
    guests, failures = suite.run(request, run_dir, tests, report)
    for n, vm in enumerate(guests):
        if vm.up_after is not None:
            again = " at try %d (a busy host upsets the timer's calibration)" % vm.tries if vm.tries > 1 else ""
            report.note("guest %d: user space after %.2f s%s" % (n + 1, vm.up_after, again))
        if vm.stalled:
            report.note("guest %d: the host stood still for %.0f s" % (n + 1, vm.stalled))
    result = ktap.Result(not failures, 0, "guest", None, "", [])
    report.result("guest", failures, result)


def storm_seconds() -> int:
    """How long the user wants a storm to be, or 0."""
    seconds = os.environ.get("STORM_SECONDS", "0")
    if not re.fullmatch("[0-9]{1,6}", seconds):
        raise SetupError("STORM_SECONDS: '%s' is no number of seconds" % seconds)
    return int(seconds)


def matches(name: str, patterns: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns.split())


def run(args: argparse.Namespace) -> int:
    start = time.monotonic()
    kernel = lab.Kernel(args.kernel)
    options.check(kernel, args)
    tests = [suite.Test(path) for path in sorted(glob.glob(os.path.join(glob.escape(lab.TESTS), "*.sh")))]
    tests = [test for test in tests if "guest" in args.tests.split() or matches(test.name, args.tests)]
    # What is the same for any kernel is run with this one, or, if it is asked for, with another of this machine's.
    hosts = hosttest.find(once=kernel.name == "fast" or args.tests != "*" and kernel.arch.is_host)
    hosts = [test for test in hosts if matches(test.name, args.tests)]
    if args.soak:
        os.environ["SOAK_MINUTES"] = str(args.soak)
        os.environ.setdefault("STORM_SECONDS", str(args.soak * 60))
        tests, hosts = [suite.Test(os.path.join(lab.TESTS, path)) for path in ("soak/soak.sh", "storm.sh")], []
    for test in tests:
        # A test with a fixed duration does not depend on the speed of the kernel.
        length = {"soak": 60 * (args.soak or 0), "storm": storm_seconds()}.get(test.name, 0)
        test.limit += math.ceil(length / kernel.factor)
        args.long += length
    if not tests and not hosts:
        raise SetupError("no test matches '%s'%s" % (
            args.tests, "" if kernel.arch.is_host else " that is not the same for any kernel: leave ARCH out"))
    if args.junit:
        junit.check(args.junit)
    run_dir = lab.RunDir(kernel, "soak" if args.soak else "test")
    choice = accel.choose(kernel, run_dir)
    stdout = output.Stream(1, "standard output")
    out = Tee(stdout, output.Log(run_dir.file("report.ktap")))
    decoder = decode.Decoder(kernel, run_dir.file("splats.txt"), kernel.modules())

    def tell(name: str, splats: list[splat.Splat]) -> list[str]:
        """The kernel's complaints in the test `name`, or in the guest as a whole."""
        test = name if name in {test.name for test in tests} else args.tests
        try:
            lines = [line for item in splats for line in decoder.tell(item, name)]
        except OSError as e:
            output.lost.append("%s: %s" % (e.filename, e.strerror))
            lines = []
        if splats:
            lines.append("to repeat it: " + decode.command(kernel, args, "test", "TESTS=" + shlex.quote(test)))
        return lines

    report = Report(out, len(tests) + len(hosts) + bool(tests), tell)
    report.note("accel: %s" % choice)
    try:
        if tests:
            kernel.demo_module()
        with hosttest.Runs(hosts, kernel, run_dir) as runs:
            if tests:
                limit = args.limit or 600.0 * kernel.factor + args.long
                request = dataclasses.replace(options.request(kernel, choice, args), limit=limit)
                guest_tests(report, request, run_dir, tests)
            runs.report(report)
    except KeyboardInterrupt:
        report.note("interrupted, QEMU was killed; logs are in %s" % run_dir)
        stdout.drain(1)
        return verdict.INTERRUPTED
    if args.junit:
        junit.write(args.junit, report.suites)
    failures = list(report.failures)
    if output.lost:
        failures.append(verdict.Failure("output", "; ".join(output.lost)))
    if failures:
        kinds = sorted({f.kind for f in failures})
        end = "did not hold (%s)" % ", ".join(kinds)
    else:
        end = "held"
        run_dir.passed()
    report.note("kernel %s: %s after %.1f s; logs are in %s" % (kernel.name, end, time.monotonic() - start, run_dir))
    totals = "%d passed, %d failed, %d skipped" % (report.passed, report.failed, report.skipped)
    out.write(totals + "\n")
    stdout.drain()
    stdout.check()
    if output.lost:
        output.say("test.py: not all could be written (%s); %s" % ("; ".join(output.lost), totals))
        failures.append(verdict.Failure("output", ""))
    return verdict.exit_code(failures)


class Tee:
    """Writes to the terminal and to the run's own copy."""

    def __init__(self, stdout: output.Stream, copy: output.Log) -> None:
        self.stdout = stdout
        self.copy = copy

    def write(self, text: str) -> None:
        self.stdout.write(text)
        self.copy.write(text)

    def flush(self) -> None:
        """Stop if there is nobody left who reads; all else goes by itself."""
        self.stdout.check()


if __name__ == "__main__":
    sys.exit(verdict.run_main("test.py", run, parse_args(sys.argv[1:])))
