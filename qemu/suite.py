# SPDX-License-Identifier: GPL-2.0
"""Run a list of guest tests, in as many boots as it takes, and judge each."""

import os
import re
import shlex

import guest
import initramfs
import judge
import ktap
import lab
import splat
from verdict import Failure, SetupError

DEFAULT_LIMIT = 45
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

    def __init__(self, path, text):
        self.limit = None
        self.expects = []
        self.allows = []
        self.cmdline = []
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

    def __init__(self, path):
        with open(path, encoding="utf-8", errors="replace") as f:
            super().__init__(path, f.read())
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.limit = self.limit or DEFAULT_LIMIT
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", self.name):
            raise SetupError("%s: a test's name may only have letters, digits, '_', '.' and '-'" % path)


class TestGuest(guest.Guest):
    """Judges each test as soon as its result, all facts and the console's marker are there."""

    def __init__(self, *args, tests, report, **kwargs):
        self.tests = {test.name: test for test in tests}
        self.report = report
        super().__init__(*args, **kwargs)

    def _forget(self):
        super()._forget()
        self.parser = ktap.Parser(on_result=self._on_result)
        self.inner = ktap.Parser()  # of the test that is running
        self.pending = None
        self.waiting = []  # KTAP lines that came while a result waits for its marker
        self.segments = {}  # name of a test -> console lines between its markers
        self.ended = set()
        self.past = set()  # tests whose marker will not come any more
        self.in_test = None
        self.outside = []  # console lines that belong to no test
        self.judged = []

    def on_console(self, line):
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

    def on_status(self, words):
        self._drain()

    def on_ktap(self, line):
        self.waiting.append(line)
        self._drain()

    def _drain(self):
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

    def _on_result(self, result):
        self.pending = result

    def _judge(self, result):
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

    def blamed(self):
        """The failure of the test that broke the guest, if one did, with the kernel's output during it."""
        blamed = [f for f in self.failures if f.test and f.test not in self.judged]
        if not blamed:
            return []
        name = blamed[0].test
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

    def finish(self):
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


def run_boot(kernel, accel, path, tests, report, limit, smp, mem, modules, settle=3, cls=TestGuest, boot=(), **kwargs):
    """One boot with these tests, which share a command line. Returns the guest, its failures judged."""
    os.makedirs(path, exist_ok=True)
    factor = kernel.factor
    listing = "".join("%s %d\n" % (test.name, test.limit * factor) for test in tests)
    initrd = os.path.join(path, "initrd")
    extra = [("etc/tests.list", listing)]
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
    vm = cls(kernel, accel, path, initrd, ["status", "ktap"], tests=tests, report=report,
             limit=limit, smp=smp, mem=mem, append=[*tests[0].cmdline, *boot], **kwargs)
    vm.run()
    vm.finish()
    return vm


def by_cmdline(tests):
    """The tests in groups that can share a guest, in the order of their first members."""
    groups = {}
    for test in tests:
        groups.setdefault(tuple(test.cmdline), []).append(test)
    return list(groups.values())


def run(kernel, accel, run_dir, tests, report, limit, smp, mem, **kwargs):
    """Run all tests. A test that broke its guest is blamed, the others get a fresh one.

    Returns (guests, failures of the guests that no test is to blame for)."""
    guests = []
    failures = []
    for group in by_cmdline(tests):
        left = group
        while left:
            path = run_dir.subdir("boot%d" % (len(guests) + 1))
            vm = run_boot(kernel, accel, path, left, report, limit, smp, mem, **kwargs)
            guests.append(vm)
            blamed = vm.blamed()
            failures += [f for f in vm.failures if f not in blamed]
            if blamed:
                name = blamed[0].test
                report.result(name, blamed, None)
                vm.judged.append(name)
            left = [test for test in left if test.name not in vm.judged]
            if not vm.judged or any(f.kind in ("limit", "boot", "clock", "qemu", "init") for f in vm.failures):
                break
        for test in left:
            report.result(test.name, [Failure("init", "it was not run", test.name)], None)
    return guests, failures
