# SPDX-License-Identifier: GPL-2.0
"""Run a list of guest tests, in as many boots as it takes, and judge each."""

from __future__ import annotations

import os
import re
import shlex
import dataclasses
from collections.abc import Sequence

from qemu import guest, initramfs, judge, ktap, lab, splat
from qemu.verdict import Failure, SetupError

DEFAULT_LIMIT = 45
SETTLE = 3  # seconds in which what a test has let go may still end
LAST_LINES = 10  # shown of a guest that does not print its stacks
HEADER = re.compile(r"^# ksft-([^ :]*):[ \t]*(.*?)[ \t]*$", re.M)
CMDLINE_WORD = re.compile(r"[A-Za-z0-9_.-]+(=[A-Za-z0-9_.,:/+*@-]+)?")


class Headers:
    """The declarations in the header of a test or script.

    # ksft-timeout: SECONDS       it is killed after this time (on the fast kernel)
    # ksft-expect-splat: REGEX    the kernel must complain like this; may be repeated
    # ksft-allow-splat: REGEX     the kernel may complain like this; may be repeated. Of the counters
                                this excuses what a WARNING moves, once for each that came
    # ksft-cmdline: WORDS         it needs a guest with these words on the kernel's command line
    """

    def __init__(self, path: str, text: str) -> None:
        self.limit: int | None = None
        self.expects: list[str] = []
        self.allows: list[str] = []
        self.cmdline: list[str] = []
        for key, value in HEADER.findall(text):
            if key == "timeout":
                if not re.fullmatch("[0-9]{1,6}", value) or int(value) == 0:
                    raise SetupError("%s: 'ksft-timeout: %s' is no number of seconds" % (path, value))
                self.limit = int(value)
            elif key in ("expect-splat", "allow-splat"):
                try:
                    re.compile(value)
                except re.error as e:
                    raise SetupError("%s: 'ksft-%s: %s': %s" % (path, key, value, e)) from None
                if not value:
                    raise SetupError("%s: 'ksft-%s:' without a pattern" % (path, key))
                (self.expects if key == "expect-splat" else self.allows).append(value)
            elif key == "cmdline":
                words = value.split()
                if self.cmdline or not words or not all(CMDLINE_WORD.fullmatch(word) for word in words):
                    raise SetupError("%s: 'ksft-cmdline: %s' is no list of words as in kmemleak=on, or not the "
                                     "only one" % (path, value))
                self.cmdline = words
            else:
                raise SetupError("%s: there is no header 'ksft-%s'" % (path, key))


class Test(Headers):
    """A test program and what its header declares."""

    def __init__(self, path: str) -> None:
        with open(path, encoding="utf-8", errors="replace") as f:
            super().__init__(path, f.read())
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.limit: int = self.limit or DEFAULT_LIMIT
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", self.name):
            raise SetupError("%s: a test's name may only have letters, digits, '_', '.' and '-'" % path)


class TestGuest(guest.Guest):
    """Judges each test as soon as its result, all facts and the console's marker are there."""

    def __init__(self, request: guest.Request, run_path: str, initrd: str, tests: Sequence[Test],
                 report: judge.Report) -> None:
        self.tests = {test.name: test for test in tests}
        self.report = report
        super().__init__(request, run_path, initrd, ["status", "ktap"])

    def _forget(self) -> None:
        super()._forget()
        self.parser = ktap.Parser(on_result=self._on_result)
        self.inner = ktap.Parser()  # of the test that is running
        self.pending: ktap.Result | None = None
        self.waiting: list[str] = []  # KTAP lines that came while a result waits for its marker
        self.segments: dict[str, list[str]] = {}  # name of a test -> console lines between its markers
        self.ended: set[str] = set()
        self.past: set[str] = set()  # tests whose marker will not come any more
        self.in_test: str | None = None
        self.outside: list[str] = []  # console lines that belong to no test
        self.judged: list[str] = []

    def on_console(self, line: str) -> None:
        marker = splat.MARKER.search(line)
        if marker and marker.group(1) == "begin":
            self.in_test = marker.group(2)
            self.past |= self.told
            self.segments[self.in_test] = []
        elif marker:
            self.ended.add(marker.group(2))
            self.in_test = None
        elif self.in_test:
            self.segments[self.in_test].append(line)
        else:
            self.outside.append(line)
        if marker:
            self._drain()

    def on_status(self, words: list[str]) -> None:
        self._drain()

    def on_ktap(self, line: str) -> None:
        self.waiting.append(line)
        self._drain()

    def _drain(self) -> None:
        while True:
            if self.pending:
                name = self.pending.name
                if name in self.tests and not (name in self.told and (name in self.ended or name in self.past)):
                    return
                self._judge(self.pending)
            if not self.waiting:
                return
            line = self.waiting.pop(0)
            if line.startswith("  "):
                self.report.nested(line)
                self.inner.feed(line[2:])
            else:
                self.parser.feed(line)

    def _on_result(self, result: ktap.Result) -> None:
        self.pending = result

    def _judge(self, result: ktap.Result) -> None:
        self.pending = None
        inner, self.inner = self.inner, ktap.Parser()
        test = self.tests.get(result.name)
        if test is None:
            self.failures.append(Failure("ktap", "a result for '%s', which is not among the tests" % result.name))
            return
        facts = judge.Facts(test.name, test.limit * self.factor, test.expects, test.allows)
        for word, text in self.facts.get(test.name, ()):
            facts.take(word, text)
        facts.ktap = inner
        facts.console = self.segments.get(test.name, ())
        facts.marked = test.name in self.ended and test.name in self.segments
        self.judged.append(test.name)
        self.report.result(test.name, *judge.judge(facts))

    def blamed(self) -> list[Failure]:
        """The failure of the test that broke the guest, if one did, with the kernel's output during it."""
        blamed = [f for f in self.failures if f.test and f.test not in self.judged]
        name = blamed[0].test if blamed else None
        if name is None:
            return []
        lines, stacks = splat.split_stacks(self.segments.get(name, []))
        if lines and not stacks and blamed[0].kind == "hang":
            stacks = splat.Splat(name, lines[-1:], lines[-LAST_LINES:])
        blamed[0].splat = stacks
        test = self.tests[name]
        facts = judge.Facts(name, expects=test.expects, allows=test.allows)
        facts.console = lines
        for more in judge.judge_console(facts):
            if more.kind == "splat" and "panic" in more.text:
                blamed[0].splat = more.splat
            elif more.kind == "splat":
                blamed.append(more)
        return blamed

    def finish(self) -> None:
        """After the end of the guest: judge what is left, and the guest itself."""
        if self.pending:
            self.past.add(self.pending.name)
            self.told.add(self.pending.name)
            self._drain()
        if self.current is None and not self.failures:
            self.parser.finish()
            for error in self.parser.errors:
                self.failures.append(Failure("ktap", "bad KTAP from the guest's runner: " + error))
        for item in splat.find(self.outside):
            if not self.last_words or "panic" not in item.title:
                self.failures.append(Failure("splat", "the kernel complained outside of any test: %s" % item.title,
                                             splat=item))


def run_boot(request: guest.Request, path: str, tests: Sequence[Test], report: judge.Report, modules: list[str],
             settle: int = SETTLE, cls: type[TestGuest] = TestGuest) -> TestGuest:
    """One boot with these tests, which share a command line. Returns the guest, its failures judged."""
    os.makedirs(path, exist_ok=True)
    kernel = request.kernel
    factor = kernel.factor
    listing = "".join("%s %d\n" % (test.name, test.limit * factor) for test in tests)
    initrd = os.path.join(path, "initrd")
    extra: list[tuple[str, bytes | str]] = [("etc/tests.list", listing)]
    for test in tests:
        if os.path.dirname(test.path) != lab.TESTS:
            with open(test.path, "rb") as f:
                extra.append(("tests/%s.sh" % test.name, f.read()))
    conf = "mode=tests\nfactor=%d\nsettle=%d\n" % (factor, settle)
    # Settings of the user for the tests.
    conf += "".join("export %s=%s\n" % (name, shlex.quote(os.environ[name]))
                    for name in ("FUZZ_SEED", "FUZZ_COUNT", "HOTPLUG_COUNT", "SOAK_MINUTES", "STORM_SEED",
                                 "STORM_SECONDS") if name in os.environ)
    initramfs.write(initrd, kernel, conf, modules=modules, extra=extra)
    vm = cls(dataclasses.replace(request, append=(*tests[0].cmdline, *request.append)), path, initrd, tests, report)
    vm.run()
    vm.finish()
    return vm


def by_cmdline(tests: list[Test]) -> list[list[Test]]:
    """The tests in groups that can share a guest, in the order of their first members."""
    groups: dict[tuple[str, ...], list[Test]] = {}
    for test in tests:
        groups.setdefault(tuple(test.cmdline), []).append(test)
    return list(groups.values())


def run(request: guest.Request, run_dir: lab.RunDir, tests: list[Test],
        report: judge.Report) -> tuple[list[TestGuest], list[Failure]]:
    """Run all tests. A test that broke its guest is blamed, the others get a fresh one.

    Returns (guests, failures of the guests that no test is to blame for)."""
    guests: list[TestGuest] = []
    failures: list[Failure] = []
    for group in by_cmdline(tests):
        left = group
        while left:
            path = run_dir.subdir("boot%d" % (len(guests) + 1))
            vm = run_boot(request, path, left, report, request.kernel.modules())
            guests.append(vm)
            blamed = vm.blamed()
            failures += [f for f in vm.failures if f not in blamed]
            if blamed and blamed[0].test:
                report.result(blamed[0].test, blamed, None)
                vm.judged.append(blamed[0].test)
            left = [test for test in left if test.name not in vm.judged]
            if not vm.judged or any(f.kind in ("limit", "boot", "clock", "qemu", "init") for f in vm.failures):
                break
        for test in left:
            report.result(test.name, [Failure("init", "it was not run", test.name)], None)
    return guests, failures
