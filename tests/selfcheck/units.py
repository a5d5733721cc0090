# SPDX-License-Identifier: GPL-2.0
"""Checks of the harness's pure parts on canned logs."""

import contextlib
import glob
import io
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import types
import unittest
import unittest.mock
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(os.path.dirname(HERE)))

from qemu import (  # noqa: E402
    accel, decode, guest, hosttest, initramfs, judge, junit, ktap,
    lab, machine, output, splat, suite, test as test_py, verdict)


def fake(**attributes: object) -> Any:
    """What stands for an object of any class, and has no more than these."""
    return types.SimpleNamespace(**attributes)


GOOD = """\
KTAP version 1
1..3
# a diagnostic
  KTAP version 1
  # Subtest: one
  1..2
  ok 1 a
  an unknown line
  ok 2 b # SKIP no need
ok 1 one
ok 2 - two # time=3
  KTAP version 1
  1..0 # SKIP nothing there
ok 3 three # SKIP
"""

# Name, log, the errors (regexes), (passed, failed, skipped).
KTAP_CASES: list[tuple[str, str, list[str], tuple[int, int, int]]] = [
    ("good", GOOD, [], (2, 0, 2)),
    ("empty", "", ["no KTAP at all"], (0, 0, 0)),
    ("no_version", "1..1\nok 1 a\n", ["no version line"], (1, 0, 0)),
    ("no_plan", "KTAP version 1\nok 1 a\n", ["result before the plan", "has 1 results, planned were 0"], (1, 0, 0)),
    ("second_plan", "KTAP version 1\n1..1\n1..1\nok 1 a\n", ["a second plan"], (1, 0, 0)),
    ("late_plan", "KTAP version 1\nok 1 a\n1..1\n", ["before the plan", "second plan"], (1, 0, 0)),
    ("too_few", "KTAP version 1\n1..2\nok 1 a\n", ["has 1 results, planned were 2"], (1, 0, 0)),
    ("too_many", "KTAP version 1\n1..1\nok 1 a\nok 2 b\n", ["has 2 results, planned were 1"], (2, 0, 0)),
    ("gap", "KTAP version 1\n1..2\nok 1 a\nok 3 b\n", ["result 3 where 2 was due"], (2, 0, 0)),
    ("twice", "KTAP version 1\n1..2\nok 1 a\nok 1 b\n", ["result 1 where 2 was due"], (2, 0, 0)),
    ("no_number", "KTAP version 1\n1..1\nok a\n", ["result without a number"], (1, 0, 0)),
    ("failed", "KTAP version 1\n1..2\nok 1 a\nnot ok 2 b\n", [], (1, 1, 0)),
    ("failed_skip", "KTAP version 1\n1..1\nnot ok 1 b # SKIP why\n", [], (0, 0, 1)),
    ("bail", "KTAP version 1\n1..2\nok 1 a\nBail out! enough\n", [], (1, 0, 0)),
    ("nested_bail", "KTAP version 1\n1..1\n  KTAP version 1\n  1..2\n  Bail out! enough\nnot ok 1 a\n",
     ["a nested test bailed out", "has 0 results, planned were 2"], (0, 1, 0)),
    ("truncated_nested", "KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  ok 1 x\n",
     ["ends within a nested level", "before a parent's result", "has 0 results, planned were 1"], (0, 0, 0)),
    ("nested_too_few", "KTAP version 1\n1..1\n  KTAP version 1\n  1..2\n  ok 1 x\nok 1 a\n",
     ["a nested level has 1 results, planned were 2"], (1, 0, 0)),
    ("ok_over_failed", "KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  not ok 1 x\nok 1 a\n",
     ["'a' is ok, but a test nested in it is not"], (0, 1, 0)),
    ("failed_over_ok", "KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  ok 1 x\nnot ok 1 a\n", [], (1, 1, 0)),
    ("lost_parent", "KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  ok 1 x\n  KTAP version 1\n  1..1\n  ok 1 y\n"
     "ok 1 a\n", ["without its parent's result"], (2, 0, 0)),
    ("wrong_indent", "KTAP version 1\n1..1\n   KTAP version 1\n   1..1\n   ok 1 x\nok 1 a\n",
     ["indented by 3, not by 2"], (1, 0, 0)),
    ("as_kunit_does", "KTAP version 1\n1..1\n    KTAP version 1\n    1..1\n    ok 1 x\nok 1 a\n", [], (1, 0, 0)),
    ("hidden_failure", "KTAP version 1\n1..1\n    not ok 1 x\nok 1 a\n", ["failed result of no level"], (1, 0, 0)),
    ("second_document", "KTAP version 1\n1..1\nok 1 a\nKTAP version 1\n1..1\nok 1 b\n",
     ["a second KTAP at the outermost level", "second plan", "result 1 where 2", "has 2 results"], (2, 0, 0)),
]


class Ktap(unittest.TestCase):
    pass


def _ktap_case(log: str, errors: list[str], counts: tuple[int, int, int]) -> Callable[[Any], None]:
    def check(self: unittest.TestCase) -> None:
        results, found, _ = ktap.parse(log.splitlines())
        self.assertEqual(len(found), len(errors), found)
        for pattern, text in zip(errors, found):
            self.assertRegex(text, pattern)
        self.assertEqual(ktap.count(results), counts)
    return check


for case, text, found, totals in KTAP_CASES:
    setattr(Ktap, "test_" + case, _ktap_case(text, found, totals))


class KtapDetails(unittest.TestCase):
    def test_fields(self) -> None:
        results, _, bail = ktap.parse(GOOD.splitlines())
        self.assertIsNone(bail)
        self.assertEqual([r.name for r in results], ["one", "two", "three"])
        self.assertEqual(results[0].children[1].reason, "no need")
        self.assertEqual(results[1].reason, "time=3")
        self.assertEqual(results[2].reason, "nothing there")

    def test_bail_reason(self) -> None:
        self.assertEqual(ktap.parse(["KTAP version 1", "1..1", "Bail out! enough"])[2], "enough")

    def test_timeout_directive(self) -> None:
        results, _, _ = ktap.parse(["KTAP version 1", "1..1", "not ok 1 a # TIMEOUT 30 seconds"])
        self.assertEqual((results[0].directive, results[0].reason), ("TIMEOUT", "30 seconds"))


class KtapPrinter(unittest.TestCase):
    """It prints good KTAP, and its status tells of a failure and of a result that is missing."""

    def printed(self, planned: int, *results: tuple[list[str], str | None]) -> tuple[list[str], int]:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            report = ktap.Printer(planned)
            for wrong, skip in results:
                report.result("name", wrong, skip)
        return out.getvalue().splitlines(), report.status

    def test_results(self) -> None:
        lines, status = self.printed(3, ([], None), (["one\ntwo", ""], None), ([], "why"))
        results, errors, _ = ktap.parse(lines)
        self.assertEqual((errors, ktap.count(results), status), ([], (1, 1, 1), 1))
        self.assertEqual(lines[3:], ["not ok 2 name", "# one", "# two", "# ", "ok 3 name # SKIP why"])

    def test_status(self) -> None:
        good: tuple[list[str], str | None] = ([], None)
        self.assertEqual(self.printed(2, good, good)[1], 0)
        self.assertEqual(self.printed(2, good)[1], 1)
        self.assertEqual(self.printed(1, good, good)[1], 1)
        # What is wrong may be an empty line.
        self.assertEqual(self.printed(1, ([""], None))[1], 1)


class Splat(unittest.TestCase):
    """canned/*.log are console logs; `#= TEST REGEX` lines name the complaints in them, in order."""


def _splat_case(path: str) -> Callable[[Any], None]:
    def check(self: unittest.TestCase) -> None:
        with open(path) as f:
            lines = f.read().splitlines()
        expected = [line[3:].split(" ", 1) for line in lines if line.startswith("#= ")]
        found = splat.find([line for line in lines if not line.startswith("#")])
        titles = ["%s %s" % (s.test or "-", s.title) for s in found]
        self.assertEqual(len(found), len(expected), titles)
        for (name, pattern), item in zip(expected, found):
            self.assertEqual(item.test or "-", name, titles)
            self.assertRegex(item.title, pattern)
    return check


for log in sorted(glob.glob(os.path.join(glob.escape(HERE), "canned", "*.log"))):
    setattr(Splat, "test_" + os.path.basename(log)[:-4], _splat_case(log))


class SplatText(unittest.TestCase):
    """A complaint reaches from its first line to the end of its stacks."""

    def texts(self, name: str) -> list[list[str]]:
        with open(os.path.join(HERE, "canned", name)) as f:
            return [s.text for s in splat.find([line.rstrip("\n") for line in f if not line.startswith("#")])]

    def check(self, name: str, *expected: tuple[int, str, str]) -> None:
        texts = self.texts(name)
        self.assertEqual(len(texts), len(expected))
        for text, (count, first, last) in zip(texts, expected):
            self.assertEqual(len(text), count, text)
            self.assertIn(first, text[0])
            self.assertIn(last, text[-1])

    def test_warn(self) -> None:
        self.check("warn.log", *[(46, "[ cut here ]", "---[ end trace")] * 2)

    def test_oops(self) -> None:
        self.check("oops.log", (50, "BUG: kernel NULL pointer", "---[ end trace"))

    def test_stack(self) -> None:
        self.check("stack.log", (65, "BUG: TASK stack guard page", "---[ end trace"), (1, "Kernel panic", "interrupt"))

    def test_panic(self) -> None:
        self.check("panic.log", (38, "Kernel panic", " </TASK>"))

    def test_rust_panic(self) -> None:
        self.assertIn(["rust_kernel: panicked at /src/demo/worker.rs:10:5:", "attempt to divide by zero"],
                      self.texts("sanitizers.log"))

    def test_repeated(self) -> None:
        first, second = splat.find(["BUG: x at 0x12", "Call Trace:", " a+0x1/0x2", "BUG: x at 0x34", "Call Trace:",
                                    " a+0x8/0x9"])
        self.assertEqual(first.fingerprint, second.fingerprint)
        other, = splat.find(["BUG: x at 0x12", "Call Trace:", " b+0x1/0x2"])
        self.assertNotEqual(first.fingerprint, other.fingerprint)

    def test_two_at_once(self) -> None:
        """Two CPUs warn in turns, line by line, while a third prints something else."""
        block = ["------------[ cut here ]------------", "WARNING: x at f+0x1/0x2, CPU#1", "Call Trace:", " <TASK>",
                 " f+0x1/0x2", " </TASK>", "irq event stamp: 1", "---[ end trace 0000000000000000 ]---"]
        lines = ["[    1.000000][    T1] kdemo-test: begin a"]
        for line in block:
            lines += ["[    1.000000][  T%d] %s" % (task, line) for task in (12, 13)] + ["[    1.000000][  T14] hello"]
        lines.append("[    1.000000][    T1] kdemo-test: end a")
        self.assertEqual([s.text for s in splat.find(lines)], [block, block])
        self.assertTrue(all(s.test == "a" and s.is_warn for s in splat.find(lines)))
        # One that does not end hides nothing of what comes later.
        lines = ["[    1.000000][  T12] " + block[0], "[    1.000000][  T12] " + block[1], lines[-1],
                 "[    1.000000][  T13] BUG: y"]
        self.assertEqual([s.title for s in splat.find(lines)], [block[1], "BUG: y"])

    def test_races(self) -> None:
        lines = ["BUG: KCSAN: data-race in a / b", " a+0x1/0x2", " b+0x1/0x2 [mine]", "=" * 30]
        self.assertEqual(len(splat.find(lines)), 1)
        self.assertEqual(len(splat.find([line.replace(" [mine]", "") for line in lines])), 0)
        known = "kthread_insert_work / kthread_worker_fn"
        self.assertEqual(len(splat.find([lines[0].replace("a / b", known), *lines[1:]])), 0)
        self.assertEqual(len(splat.find([lines[0].replace("a / b", known + "_x"), *lines[1:]])), 1)

    def test_stacks_that_were_asked_for(self) -> None:
        lines = ["[ 1.0][ T1] a", "[ 2.0][ T1] sysrq: Show Blocked State", "[ 2.1][ T1] task:x", "[ 2.1][ T1] b"]
        before, stacks = splat.split_stacks(lines)
        self.assertEqual((before, stacks and stacks.text), (lines[:1], ["sysrq: Show Blocked State", "task:x", "b"]))
        self.assertEqual(splat.split_stacks(lines[:1]), (lines[:1], None))


class Decode(unittest.TestCase):
    LINES = ["BUG: x", "RIP: 0010:a+0x1/0x2", "RAX: 0", " ? no+0x1/0x2", " b+0x1/0x2", " c+0x1/0x2", "Code: 00"]

    def decoder(self, script: str | None) -> decode.Decoder:
        path = self.enterContext(tempfile.TemporaryDirectory())
        os.mkdir(os.path.join(path, "scripts"))
        if script is not None:
            with open(os.path.join(path, "scripts", "decode_stacktrace.sh"), "w") as f:
                f.write(script)
        kernel = fake(name="fast", build=path, dir=path, vmlinux="vmlinux", symbols="vmlinux",
                                    arch=fake(cross=""))
        return decode.Decoder(kernel, os.path.join(path, "splats.txt"), [])

    def tell(self, script: str | None, lines: list[str]) -> list[str]:
        decoder = self.decoder(script)
        told = decoder.tell(splat.Splat(None, lines[:1], lines), "here")
        with open(decoder.log) as f:
            self.assertEqual(f.read().splitlines(), [*told, ""])
        return told

    def test_decoded(self) -> None:
        # -R is for the place itself; a frame that has no line stays as it was.
        script = """
where=; [ "$1" != -R ] || where=exactly
sed -e "s|\\([ab]\\)+.*|\\1 (/src/../x.c:1) $where|" -e 's|c+.*|c (??:?)|' -e 's/^ *//'
"""
        self.assertEqual(self.tell(script, self.LINES),
                         ["kernel, in here:", "  BUG: x", "  RIP: 0010:a (/x.c:1) exactly", "   b (/x.c:1)",
                          "   c+0x1/0x2"])

    def test_releases(self) -> None:
        """The output of several releases of the tools is decoded to the same text."""
        lines = ["BUG: x", " a+0x1/0x2 [broken_warn]", " b+0x1/0x2 [broken_stack_rust]", " c+0x1/0x2"]
        paths = glob.glob(os.path.join(glob.escape(HERE), "canned", "frames-*.txt"))
        told = [self.tell("cat >/dev/null; cat '%s'" % path, lines) for path in paths]
        self.assertGreater(len(told), 1)
        for path, text in zip(paths, told):
            self.assertEqual(text, told[0], path)
        self.assertIn("   broken_init (tests/selfcheck/modules/broken_warn.c:9) broken_warn", told[0])

    def test_tools_here(self) -> None:
        """The output of this machine's addr2line for several blocks of code on one line."""
        path = self.enterContext(tempfile.TemporaryDirectory())
        source, program = (os.path.join(path, name) for name in ("x.c", "x.o"))
        with open(source, "w") as f:
            f.write("int f(int n) { int s = 0; for (int i = 0; i < n; i++) if (i % 3) s += i; else s ^= i; return s; }\n")
        subprocess.run(["gcc", "-g", "-O1", "-c", "-o", program, source], check=True)
        count = 16
        told = self.tell("""
cat >/dev/null; echo BUG: x
for n in $(seq 0 %d); do echo "f ($(addr2line -e '%s' $n))"; done""" % (count - 1, program),
                         ["BUG: x", *(" f+0x%x/0x99" % n for n in range(count))])
        self.assertEqual(told[2:], ["   f (%s:1)" % source] * count)

    def test_arm64(self) -> None:
        """Its registers say as little as those of x86, but for where it was."""
        lines = ["Unable to handle kernel x", "Mem abort info:", "  ESR = 0x96000005", "  FSC = 0x05: level 1 translation fault",
                 "user pgtable: 4k pages", "[0000000000000000] pgd=0", "pstate: 60400005 (nZCv)", "pc : a+0x1/0x2",
                 "lr : b+0x1/0x2", "sp : ffff", "x29: ffff x28: 0", "Call trace:", " b+0x1/0x2", "Code: 0"]
        self.assertEqual(self.tell("cat", lines), ["kernel, in here:", "  Unable to handle kernel x", "  pc : a+0x1/0x2", "  lr : b+0x1/0x2",
                                                   "  Call trace:", "   b+0x1/0x2"])

    def test_failed(self) -> None:
        raw = ["  BUG: x", "  RIP: 0010:a+0x1/0x2", "   b+0x1/0x2", "   c+0x1/0x2"]
        for script, why in (None, "there is no .*decode_stacktrace.sh"), ("exit 3", "status 3 after 0 of 3 lines"), (
                "cat; echo one more", "after 4 of 3 lines"):
            told = self.tell(script, self.LINES)
            self.assertRegex(told[1], r"^  \(not decoded: .*" + why)
            self.assertEqual(told[2:], raw)

    def test_long(self) -> None:
        told = self.tell("cat", ["BUG: x", *(" f%d+0x1/0x2" % n for n in range(200))])
        self.assertEqual((len(told), told[-1]), (decode.LENGTH + 2, "  (81 lines more in console.log)"))

    def test_recursion(self) -> None:
        a, b, c = " a+0x1/0x2", " b+0x1/0x2", " c+0x1/0x2"
        self.assertEqual(decode.fold([c, *[a] * 5, b]), [c, a, " (this line 5 times)", b])
        self.assertEqual(decode.fold([*[a, b, b] * 3, a, c]), [a, b, b, " (these 3 lines 3 times)", a, c])
        none: list[str] = []
        for lines in none, [a, a, b, b], [a, b, a, b, a, c], ["x"] * 9:
            self.assertEqual(decode.fold(lines), lines)
        # The start of the recursion is printed for any depth.
        told = self.tell("cat", ["BUG: x", *[a] * 200, b])
        self.assertEqual(told[2:], ["   a+0x1/0x2", "   (this line 200 times)", "   b+0x1/0x2"])

    def test_once(self) -> None:
        decoder = self.decoder("cat")
        item, = splat.find(["BUG: x", "Call Trace:", " a+0x1/0x2"])
        self.assertEqual(len(decoder.tell(item, "one")), 4)
        self.assertEqual(decoder.tell(item, "two"), ["kernel, in two: as in one above: BUG: x"])

    def test_command(self) -> None:
        kernel = fake(name="rt")
        args = fake(smp=2, mem=None, boot="")
        self.assertEqual(decode.command(kernel, args, "test", "TESTS=a"), "make test KERNEL=rt TESTS=a")
        args = fake(smp=4, mem=100, boot="")
        with unittest.mock.patch.dict(os.environ, FUZZ_SEED="7 8"):
            self.assertEqual(decode.command(kernel, args, "demo"), "FUZZ_SEED='7 8' make demo KERNEL=rt SMP=4 MEM=100")


class Verdict(unittest.TestCase):
    def test_codes_differ(self) -> None:
        self.assertEqual(len(set(verdict.CODES.values())), len(verdict.CODES))
        self.assertNotIn(0, verdict.CODES.values())

    def test_table_is_complete(self) -> None:
        for kind, code in verdict.CODES.items():
            self.assertRegex(verdict.__doc__, r"(?m)^ +%d +%s +\S" % (code, re.escape(kind)))

    def test_order(self) -> None:
        failures = [verdict.Failure("test", "x"), verdict.Failure("panic", "y"), verdict.Failure("ktap", "z")]
        self.assertEqual(verdict.exit_code(failures), verdict.CODES["panic"])
        self.assertEqual(verdict.exit_code([]), 0)


class Reports(unittest.TestCase):
    """The output of test.py is valid KTAP, with the right counts."""

    def report(self, *results: tuple[list[verdict.Failure], ktap.Result | None]) -> tuple[tuple[int, int, int], int]:
        out = io.StringIO()
        report = test_py.Report(out, len(results), lambda name, splats: ["%s: %s" % (name, s.title) for s in splats])
        for failures, result in results:
            name = result.name if result else "gone"
            if result and result.children:
                report.nested("  KTAP version 1")
                report.nested("  1..%d" % len(result.children))
                for n, child in enumerate(result.children):
                    report.nested("  %s %d %s" % ("ok" if child.ok else "not ok", n + 1, child.name))
            report.result(name, failures, result)
        parsed, errors, _ = ktap.parse(out.getvalue().splitlines())
        self.assertEqual(errors, [])
        counts = report.passed, report.failed, report.skipped
        self.assertEqual(ktap.count(parsed), counts)
        self.told = [line for line in out.getvalue().splitlines() if "told" in line]
        return counts, verdict.exit_code(report.failures)

    @staticmethod
    def one(*children: bool, ok: bool = True, directive: str | None = None) -> ktap.Result:
        inner = [ktap.Result(good, n + 1, "sub") for n, good in enumerate(children)]
        return ktap.Result(ok, 1, "name", directive, "", inner)

    def test_pass(self) -> None:
        self.assertEqual(self.report(([], self.one(True, True)), ([], self.one(True))), ((3, 0, 0), 0))

    def test_skip(self) -> None:
        self.assertEqual(self.report(([], self.one(directive="SKIP"))), ((0, 0, 1), 0))

    def test_fail(self) -> None:
        bad = [verdict.Failure("test", "failed: sub", "name")]
        self.assertEqual(self.report((bad, self.one(True, False, ok=False))), ((1, 1, 0), 1))

    def test_fault_found_by_harness(self) -> None:
        bad = [verdict.Failure("splat", "WARNING", "name"), verdict.Failure("counters", "x", "name")]
        self.assertEqual(self.report((bad, self.one(True))), ((1, 1, 0), 113))

    def test_splats(self) -> None:
        bad = [verdict.Failure("splat", "WARNING", "name", splat.Splat(None, ["told"])), verdict.Failure("counters", "x", "name")]
        self.report((bad, self.one(True)))
        self.assertEqual(self.told, ["# name: told"])

    def test_gone(self) -> None:
        bad = [verdict.Failure("panic", "the kernel panicked", "gone")]
        self.assertEqual(self.report((bad, None), ([], self.one(True))), ((1, 1, 0), 103))


class Judge(unittest.TestCase):
    """Each of the five facts alone fails a test, a script and a test on the host."""

    GOOD = ["KTAP version 1", "1..1", "ok 1 a"]
    BAD = ["KTAP version 1", "1..1", "not ok 1 a"]

    def kinds(self, lines: list[str] = GOOD, status: int | str | None = 0, reports: bool = True,
              **rest: Any) -> list[str]:
        facts = judge.Facts("name", 45, reports=reports)
        facts.status = status
        for key, value in rest.items():
            setattr(facts, key, value)
        for line in lines:
            facts.ktap.feed(line)
        failures, result = judge.judge(facts)
        self.assertEqual(result.skipped, status == 4 and "failed" not in str(failures))
        return [f.kind for f in failures]

    def test_good(self) -> None:
        for reports in True, False:
            self.assertEqual(self.kinds(reports=reports), [])
        self.assertEqual(self.kinds(["hello"], reports=False), [])
        self.assertEqual(self.kinds(["KTAP version 1", "1..0 # SKIP why"], 4), [])

    def test_status(self) -> None:
        cases: list[tuple[int | str | None, str]] = [
            (1, "test"), (2, "status"), (137, "status"), ("lost", "status"), (None, "status"), ("timeout", "timeout"),
            ("stuck", "timeout")]
        for status, kind in cases:
            self.assertEqual(self.kinds(status=status), [kind], status)
        for status in 1, 2, 4, 137:
            self.assertEqual(self.kinds([], status, False), ["test"], status)

    def test_ktap(self) -> None:
        for reports in True, False:
            for status in 0, 1, 4:
                self.assertIn("test", self.kinds(self.BAD, status, reports), status)
            for lines in self.GOOD[:2], self.GOOD[:1], ["Bail out!"], ["not ok"], ["1..1"], [*self.GOOD, "ok 2 b"], [
                    *self.GOOD, *self.GOOD]:
                self.assertIn("ktap", self.kinds(lines, 0, reports), lines)
        self.assertEqual(self.kinds([]), ["ktap"])

    def test_kernel(self) -> None:
        for reports in True, False:
            self.assertEqual(self.kinds(reports=reports, counters="tainted 0 -> 512"), ["counters"])
            self.assertEqual(self.kinds(reports=reports, left="process:sleep:9"), ["left-behind"])
            self.assertEqual(self.kinds(reports=reports, console=["BUG: x"]), ["splat"])
            self.assertEqual(self.kinds(reports=reports, marked=False), ["mute"])
            self.assertEqual(self.kinds(reports=reports, expects=["BUG: y"]), ["no-splat"])

    def test_declared(self) -> None:
        declared: dict[str, Any] = {"expects": ["BUG: x"], "console": ["BUG: x"]}
        self.assertEqual(self.kinds(counters="tainted 0 -> 512, warn_count 0 -> 1", **declared), [])
        self.assertEqual(self.kinds(counters="tainted 0 -> 512, console_loglevel 7 -> 1", **declared), ["counters"])
        self.assertEqual(self.kinds(left="process:sleep:9", **declared), ["left-behind"])

    def test_allowed(self) -> None:
        warning = ["[ cut here ]", "WARNING: fs/x.c:1 at f+0x1/0x2, CPU#0: cat/9", "---[ end trace 0 ]---"]
        once: dict[str, Any] = {"allows": ["at f\\+0x"], "console": warning}
        twice: dict[str, Any] = {**once, "console": warning * 2}
        for reports in True, False:
            self.assertEqual(self.kinds(reports=reports, **once), [])
            self.assertEqual(self.kinds(reports=reports, counters="tainted 0 -> 512, warn_count 3 -> 4", **once), [])
            self.assertEqual(self.kinds(reports=reports, counters="warn_count 3 -> 4", **once), [])
        self.assertEqual(self.kinds(counters="tainted 64 -> 576, warn_count 3 -> 5", **twice), [])
        # Neither more of these, nor anything else, and nothing at all without them.
        for counters in ("warn_count 3 -> 5", "warn_count 4 -> 3", "tainted 0 -> 64", "tainted 0 -> 576", "tainted 512 -> 0",
                         "tainted 576 -> 512", "oops_count 0 -> 1", "debug_locks 1 -> 0", "ignore_loglevel Y -> N",
                         "tainted 0 -> 512, warn_count 3 -> 4, oops_count 0 -> 1"):
            self.assertEqual(self.kinds(counters=counters, **once), ["counters"], counters)
        self.assertEqual(self.kinds(counters="warn_count 3 -> 4", **twice), ["counters"])
        quiet: dict[str, Any] = {**once, "console": []}
        self.assertEqual(self.kinds(counters="tainted 0 -> 512", **quiet), ["counters"])
        for line in "BUG: x at f+0x1/0x2", "WARNING: possible circular locking dependency detected at f+0x1/0x2":
            allowed: dict[str, Any] = {**once, "console": [line]}
            self.assertEqual(self.kinds(counters="warn_count 3 -> 4", **allowed), ["counters"], line)
        other = [line.replace("at f", "at g") for line in warning]
        both: dict[str, Any] = {**once, "console": warning + other}
        self.assertEqual(self.kinds(counters="warn_count 3 -> 5", **both), ["splat", "counters"])


class HostTests(unittest.TestCase):
    def run_all(self, scripts: list[str], nested: Callable[[str], object] | None = None,
                meanwhile: Callable[[], object] = lambda: None,
                **patches: Any) -> list[tuple[str, list[tuple[str, str]]]]:
        path = self.enterContext(tempfile.TemporaryDirectory())
        run_dir = fake(path=path, file=lambda name: os.path.join(path, name))
        report = fake(nested=nested or (lambda line: None), result=self.keep)
        tests = [hosttest.HostTest("host/%d" % n, ["sh", "-c", "echo KTAP version 1; echo 1..1; " + script])
                 for n, script in enumerate(scripts)]
        self.kept: list[tuple[str, list[tuple[str, str]]]] = []
        for name, value in patches.items():
            self.enterContext(unittest.mock.patch.object(hosttest, name, value))
        os.mkdir(os.path.join(path, "tmp"))
        with unittest.mock.patch.object(tempfile, "tempdir", os.path.join(path, "tmp")):
            try:
                with hosttest.Runs(tests, fake(name="fast", factor=1), run_dir) as runs:
                    meanwhile()
                    runs.report(report)
            finally:
                self.assertEqual(os.listdir(os.path.join(path, "tmp")), [])
        return self.kept

    def run_one(self, script: str, **more: Any) -> list[tuple[str, str]]:
        return self.run_all([script], **more)[0][1]

    def keep(self, name: str, failures: list[verdict.Failure], result: ktap.Result, seconds: float | None) -> None:
        self.kept.append((name, [(f.kind, f.text) for f in failures]))

    def test_good(self) -> None:
        self.assertEqual(self.run_one('echo ok 1 a; : > "$(mktemp)"; sleep 0.2 &'), [])

    def test_lies(self) -> None:
        for status in 0, 4:
            self.assertEqual(self.run_one("echo not ok 1 a; exit %d" % status),
                             [("test", "it exited with %d, but failed: a" % status)])

    def test_status(self) -> None:
        self.assertEqual(self.run_one("echo ok 1 a; kill -9 $$"), [("status", "it exited with 137")])

    def test_left_behind(self) -> None:
        (kind, text), = self.run_one("echo ok 1 a; sleep 1000 &", SETTLE=0.5)
        self.assertEqual(kind, "left-behind")
        pid = int(re.sub("^it left behind: process:sleep:([0-9]+)$", r"\1", text))
        # Its new parent may not have reaped it yet.
        with contextlib.suppress(FileNotFoundError), open("/proc/%d/stat" % pid) as f:
            self.assertRegex(f.read(), r"\) [ZX] ")

    def test_limit(self) -> None:
        self.assertEqual(self.run_one("sleep 1000", LIMIT=1), [("timeout", "it ran longer than its limit of 1 seconds")])

    def test_order(self) -> None:
        # The first ends last, and waits for the second: two run at once.
        lines: list[str] = []
        place = self.enterContext(tempfile.TemporaryDirectory())
        kept = self.run_all(["until [ -e %s/b ]; do sleep 0.01; done; echo ok 1 a" % place,
                             "echo ok 1 b; : >%s/b" % place, "echo not ok 1 c; exit 1"], nested=lines.append)
        self.assertEqual(kept, [("host/0", []), ("host/1", []), ("host/2", [("test", "failed: c")])])
        self.assertEqual([line[-1] for line in lines if "ok" in line], ["a", "b", "c"])

    def test_beside(self) -> None:
        # They run while the caller does something else, and are not reported before it is through with that.
        place = self.enterContext(tempfile.TemporaryDirectory())
        ran = os.path.join(place, "ran")

        def wait() -> None:
            end = time.monotonic() + 60
            while not os.path.exists(ran):
                self.assertLess(time.monotonic(), end)
                time.sleep(0.01)
            self.assertEqual(self.kept, [])
        self.assertEqual(self.run_one("echo ok 1 a; : >%s" % ran, meanwhile=wait), [])

    def test_live(self) -> None:
        # A line is told while its test runs.
        place = self.enterContext(tempfile.TemporaryDirectory())

        def told(line: str) -> None:
            if "ok" in line:
                open(os.path.join(place, "told"), "w").close()
        self.assertEqual(self.run_one("echo ok 1 a; until [ -e %s/told ]; do sleep 0.01; done" % place, nested=told), [])

    def test_interrupted(self) -> None:
        def interrupt(line: str) -> None:
            raise KeyboardInterrupt
        with self.assertRaises(KeyboardInterrupt):
            self.run_all(["mktemp; sleep 1000"] * 4, nested=interrupt)
        self.assertEqual(self.kept, [])

    def test_not_started(self) -> None:
        with unittest.mock.patch.object(lab, "ROOT", "/none"), self.assertRaises(OSError):
            self.run_all(["echo ok 1 a"] * 3)


class Output(unittest.TestCase):
    def setUp(self) -> None:
        self.enterContext(unittest.mock.patch.object(output, "lost", []))

    def test_full(self) -> None:
        with open("/dev/full", "wb") as full:
            stream = output.Stream(full.fileno(), "it")
            stream.write("x")
            stream.drain()
            stream.write("more")
            stream.drain()
            stream.check()
        log = output.Log("/dev/full")
        log.write("x")
        log.write("y")
        log.close()
        self.assertEqual(output.lost, ["it: No space left on device", "/dev/full: No space left on device"])

    def test_no_reader(self) -> None:
        ours, theirs = os.pipe()
        stream = output.Stream(theirs, "it")
        os.close(ours)
        stream.write(b"x")
        stream.drain()
        self.assertRaises(BrokenPipeError, stream.check)
        os.close(theirs)

    def test_slow_reader(self) -> None:
        ours, theirs = os.pipe()
        stream = output.Stream(theirs, "it")
        stream.write(b"x" * (1 << 20))
        self.assertTrue(stream.full)
        data = b""
        while len(data) < 1 << 20:
            data += os.read(ours, 1 << 16)
        stream.drain()
        self.assertFalse(stream.full)
        os.close(ours)
        os.close(theirs)

    def test_characters(self) -> None:
        for name, expected in ("iso8859-1", b"a\\u2019\xe9"), ("ascii", b"a\\u2019\\xe9"), (
                "utf-8", "a\u2019\xe9".encode()):
            with unittest.mock.patch.object(sys, "__stdout__", fake(encoding=name)):
                self.assertEqual(output.encode("a\u2019\xe9"), expected)
        self.assertEqual(output.printable("a\tb\x1b[1m\0\r\n"), "a\tb\\x1b[1m\\x00\\x0d\n")
        self.assertEqual(output.encode("\udcff"), b"\\udcff")


class Trailer(unittest.TestCase):
    def test_cut(self) -> None:
        whole = b"some endings en\n" + b"end-x" + b"after"
        for size in range(1, len(whole)):
            got: list[bytes] = []
            channel = guest.Channel(output.Log(os.devnull), on_data=got.append)
            channel.expect(b"end-x")
            for n in range(0, len(whole), size):
                self.assertEqual(channel.ended, b"end-x" in whole[:n])
                channel.feed(whole[n:n + size])
            channel.finish()
            self.assertEqual((b"".join(got), channel.ended), (b"some endings en\nafter", True))
            channel.close()

    def test_cut_short(self) -> None:
        got: list[bytes] = []
        channel = guest.Channel(output.Log(os.devnull), on_data=got.append)
        channel.expect(b"end-x")
        channel.feed(b"some end-")
        channel.finish()
        self.assertEqual((b"".join(got), channel.ended), (b"some end-", False))
        channel.close()


class Runs(unittest.TestCase):
    def test_failed_ones_stay(self) -> None:
        path = self.enterContext(tempfile.TemporaryDirectory())
        kernel = fake(dir=path)
        failed = []
        for n in range(3 * lab.KEPT_RUNS):
            run = lab.RunDir(kernel, "vm")
            os.utime(run.path, (n, n))
            if n in (0, 5):
                failed.append(os.path.basename(run.path))
            else:
                run.passed()
            os.close(run.lock)
        left = os.listdir(os.path.join(path, "runs"))
        self.assertEqual(len(left), lab.KEPT_RUNS)
        self.assertLessEqual(set(failed), set(left))
        for n in range(2 * lab.KEPT_RUNS):
            run = lab.RunDir(kernel, "vm")
            os.close(run.lock)
        self.assertEqual(len(os.listdir(os.path.join(path, "runs"))), lab.KEPT_RUNS)


class Acceleration(unittest.TestCase):
    """A result about KVM is valid as long as everything that it depends on."""

    def setUp(self) -> None:
        self.path = self.enterContext(tempfile.TemporaryDirectory())
        self.qemu = self.write("qemu", "#!/bin/sh\necho QEMU 1\n", 0o755)
        self.kernel = fake(dir=self.path, image=self.write("vmlinux", "a"), arch=self.arch(platform.machine()))
        self.cpuinfo = self.write("cpuinfo", "vendor_id : A\nmodel name : B\ncpu MHz : 1\n\nvendor_id : A\n")
        self.kvm = self.write("kvm", "")
        self.answer: bool | str = "no"
        self.load = 0
        self.release = "1"
        for where, name, value in ((accel, "KVM", self.kvm), (accel, "CPUINFO", self.cpuinfo), (accel, "_probe", self.probe),
                                   (output, "say", lambda text: None),
                                   (os, "getloadavg", lambda: (self.load, 0, 0)),
                                   (platform, "release", lambda: self.release)):
            self.enterContext(unittest.mock.patch.object(where, name, value))
        self.enterContext(unittest.mock.patch.dict(os.environ, {"QEMU_ACCEL": ""}))
        self.found(["host", "host,-arch-capabilities"], "tcg")

    def write(self, name: str, text: str, mode: int = 0o644) -> str:
        path = os.path.join(self.path, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def arch(self, machine_name: str) -> machine.Arch:
        """An architecture of machines that `uname -m` calls so."""
        return machine.Arch(self.write("made-up.conf", "# None\nMACHINE=%s\nQEMU=%s\nTCG_CPU=max\n"
                                       "KVM_CPUS=host host,-arch-capabilities\n" % (machine_name, self.qemu)))

    def probe(self, kernel: lab.Kernel, cpu: str, run_dir: lab.RunDir) -> bool | str:
        self.probes.append(cpu)
        return self.answer

    def found(self, probes: list[str], kind: str) -> None:
        self.probes: list[str] = []
        self.assertEqual((accel.choose(self.kernel, fake()).kind, self.probes), (kind, probes))

    def test_stays(self) -> None:
        self.answer = True
        self.found([], "tcg")
        self.write("cpuinfo", "vendor_id : A\nmodel name : B\ncpu MHz : 2\n\nvendor_id : A\n")
        self.found([], "tcg")
        self.release = "2"
        self.found(["host"], "kvm")
        self.answer = "no"
        self.found([], "kvm")

    def test_ends(self) -> None:
        def kvm() -> None:
            os.rename(self.write("new", ""), self.kvm)

        def same_version() -> None:
            self.write("qemu", "#!/bin/sh\necho QEMU 1 # built anew\n")

        def release() -> None:
            self.release = "2"

        self.answer = True
        changes: list[Callable[[], object]] = [
            kvm, same_version, release, lambda: self.write("vmlinux", "b"),
            lambda: self.write("qemu", "#!/bin/sh\necho QEMU 2\n"),
            lambda: self.write("cpuinfo", "vendor_id : A\nmodel name : C\n\n"),
            lambda: self.write("accel.json", "{")]
        for change in changes:
            change()
            os.chmod(self.qemu, 0o755)
            self.found(["host"], "kvm")

    def test_a_busy_host(self) -> None:
        self.release = "2"
        self.load = 1000
        self.found(["host", "host,-arch-capabilities"], "tcg")
        self.answer = True
        self.found(["host"], "kvm")
        self.found([], "kvm")

    def test_what_is_seen_at_once(self) -> None:
        self.answer = True
        os.rename(self.kvm, self.kvm + ".away")
        self.found([], "tcg")
        os.rename(self.kvm + ".away", self.kvm)
        access = os.access
        with unittest.mock.patch.object(os, "access", lambda path, mode: path != self.kvm and access(path, mode)):
            self.found([], "tcg")
        # The earlier result is still valid.
        self.found([], "tcg")

    def test_another_architecture(self) -> None:
        self.answer = True
        self.release = "2"
        self.kernel.arch = self.arch("another")
        self.found([], "tcg")
        with unittest.mock.patch.dict(os.environ, {"QEMU_ACCEL": "kvm"}), self.assertRaises(verdict.SetupError):
            accel.choose(self.kernel, fake())


class Junit(unittest.TestCase):
    def written(self, *suites: tuple[Any, ...]) -> ET.Element:
        path = os.path.join(self.enterContext(tempfile.TemporaryDirectory()), "report.xml")
        junit.write(path, [junit.Suite(*suite) for suite in suites])
        return ET.parse(path).getroot()

    def test_counts(self) -> None:
        bad = [verdict.Failure("test", "failed: sub", "name")]
        splat_found = [verdict.Failure("splat", "WARNING \x1b <x>", "name")]
        root = self.written(("a", [], Reports.one(True, True)), ("b", bad, Reports.one(True, False, ok=False), 1.5),
                            ("c", splat_found, Reports.one(True)), ("d", [], Reports.one(directive="SKIP")),
                            ("e", [verdict.Failure("init", "it was not run", "e")], None))
        self.assertEqual({key: root.get(key) for key in ("tests", "failures", "skipped")},
                         {"tests": "8", "failures": "3", "skipped": "1"})
        self.assertEqual(len(root.findall(".//testcase")), 8)
        self.assertEqual(len(root.findall(".//failure")), 3)
        self.assertEqual(len(root.findall(".//skipped")), 1)
        self.assertEqual([found.get("time") for found in root.findall("testsuite[@name='b']")], ["1.500"])
        self.assertEqual([found.get("message") for found in root.findall("testsuite[@name='c']//failure")],
                         ["WARNING \\x1b <x>"])

    def test_refused(self) -> None:
        for path in "/proc/none/report.xml", "/":
            self.assertRaises(verdict.SetupError, junit.check, path)


class Headers(unittest.TestCase):
    def make(self, text: str) -> suite.Test:
        path = os.path.join(self.enterContext(tempfile.TemporaryDirectory()), "name.sh")
        with open(path, "w") as f:
            f.write(text)
        return suite.Test(path)

    def test_defaults(self) -> None:
        test = self.make("#!/bin/sh\n")
        self.assertEqual((test.name, test.limit, test.expects, test.cmdline), ("name", 45, [], []))

    def test_values(self) -> None:
        test = self.make("#!/bin/sh\n# ksft-timeout: 7\n# ksft-expect-splat: WARNING: a\n# ksft-expect-splat: b\n"
                         "# ksft-allow-splat: c\n")
        self.assertEqual((test.limit, test.expects, test.allows), (7, ["WARNING: a", "b"], ["c"]))

    def test_cmdline(self) -> None:
        self.assertEqual(self.make("# ksft-cmdline: kmemleak=on  nohz\n").cmdline, ["kmemleak=on", "nohz"])

    def test_groups(self) -> None:
        tests = [self.make(text) for text in ("", "# ksft-cmdline: a b\n", "", "# ksft-cmdline: a\n",
                                              "# ksft-cmdline: a  b\n")]
        self.assertEqual(suite.by_cmdline(tests), [[tests[0], tests[2]], [tests[1], tests[4]], [tests[3]]])

    def test_bad(self) -> None:
        for line in ("# ksft-timeout: x", "# ksft-timeout: 0", "# ksft-timeout:", "# ksft-timeout:\n7",
                     "# ksft-expect-splat: (", "# ksft-expect-splat:", "# ksft-allow-splat: (", "# ksft-cmdline:", "# ksft-cmdline: =on",
                     "# ksft-cmdline: a='b", "# ksft-cmdline: a\n# ksft-cmdline: b", "# ksft-cmd: a"):
            with self.assertRaises(verdict.SetupError, msg=line):
                self.make(line + "\n")


class Initramfs(unittest.TestCase):
    def test_not_static(self) -> None:
        self.assertFalse(initramfs.is_static(__file__))

    def test_depends(self) -> None:
        with tempfile.NamedTemporaryFile() as f:
            f.write(b"x\0license=GPL\0depends=a,b\0name=c\0")
            f.flush()
            self.assertEqual(initramfs.module_depends(f.name), ["a", "b"])


def tests() -> list[unittest.TestCase]:
    """All checks, one by one."""
    found = []

    def walk(item: unittest.TestSuite | unittest.TestCase) -> None:
        if isinstance(item, unittest.TestCase):
            found.append(item)
        else:
            for inner in item:
                walk(inner)

    walk(unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__]))
    return found


def name(check: unittest.TestCase) -> str:
    return "%s-%s" % (type(check).__name__, check._testMethodName[5:])


def run(check: unittest.TestCase) -> str | None:
    """None, or what is wrong."""
    result = unittest.TestResult()
    check.run(result)
    problems = result.failures + result.errors + [(check, text) for _, text in result.skipped]
    return problems[0][1].rstrip() if problems else None


if __name__ == "__main__":
    unittest.main()
