#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Prove the orderings of kthread/, stats/ and demo/ by the kernel's memory model.

usage: litmus.py [--tests DIR] --table
       litmus.py [--tests DIR] [--code DIR] [--only NAME] TREE HERD7

Each proofs/litmus/NAME.litmus has a bad outcome in its `exists` clause, which herd7 must report
as Never. Then each barrier, acquire, release and lock in it is weakened, one at a time, which must
make the outcome possible or be a data race; otherwise it is not needed.

A comment `// FILE FUNCTION: CODE` above a statement says what that models, which must be there:
in kthread/, stats/ and demo/, where the function names the test by `// ORDERING: proofs/litmus/NAME.litmus`,
or in the kernel tree TREE. All that kthread/, stats/ and demo/ do with atomics is in a test, in no more
than the order that the tests need, or in docs/proofs.md as what needs no order.

Prints KTAP. With --only herd7 looks at one test alone, and with --table the table of
docs/proofs.md is printed.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, TOP)

from qemu import ktap  # noqa: E402

OURS = ("kthread", "stats", "demo")
# Helpers of KUnit tests and barriers are left out, and so are the tests below one of these lines.
TEST_FILES = ("kthread/barrier.rs", "kthread/kunit.rs")
TESTS_BEGIN = re.compile(r"#\[cfg\(kthread_kunit\)\]$|#\[(kernel::prelude::)?kunit_tests\(")

REF = re.compile(r"// ((?:[\w.-]+/)+[\w.-]+\.(?:rs|c|h)) (\w+): (.+)$")
MARKER = re.compile(r"// ORDERING: (.*)$")
MARKED = re.compile(r"proofs/litmus/([a-z0-9-]+)\.litmus$")

RMW = r"\b((?:cmp)?xchg|atomic_fetch_(?:add|sub|and|or))"
WEAKER = [
    # Text, what replaces it, and how that is called.
    (re.compile(r"\bsmp_mb\(\);"), "smp_rmb();", "smp_mb() is smp_rmb()"),
    (re.compile(r"\bsmp_mb\(\);"), "smp_wmb();", "smp_mb() is smp_wmb()"),
    (re.compile(r"\b(smp_rmb|smp_wmb|synchronize_rcu)\(\);"), "", r"\1() is gone"),
    (re.compile(r"\bsmp_load_acquire\((\w+)\)"), r"READ_ONCE(*\1)", r"the load of \1 is relaxed"),
    (re.compile(r"\bsmp_store_release\((\w+), (\w+)\)"), r"WRITE_ONCE(*\1, \2)", r"the store to \1 is relaxed"),
    (re.compile(RMW + r"_(acquire|release)\("), r"\1_relaxed(", r"\1_\2() is relaxed"),
    (re.compile(RMW + r"\("), r"\1_acquire(", r"\1() is an acquire alone"),
    (re.compile(RMW + r"\("), r"\1_release(", r"\1() is a release alone"),
    # Read-modify-write operations have to be atomic for a reason.
    (re.compile(r"(\w+) = xchg_relaxed\((\w+), (\w+)\);"), r"\1 = READ_ONCE(*\2); WRITE_ONCE(*\2, \3);",
     "xchg_relaxed() is a load and a store"),
    (re.compile(r"(\w+) = cmpxchg_relaxed\((\w+), (\w+), (\w+)\);"),
     r"\1 = READ_ONCE(*\2); if (\1 == \3) { WRITE_ONCE(*\2, \4); }", "cmpxchg_relaxed() is a load and a store"),
    (re.compile(r"(\w+) = atomic_fetch_add_relaxed\((\w+), (\w+)\);"),
     r"\1 = READ_ONCE(*\3); WRITE_ONCE(*\3, \1 + \2);", "atomic_fetch_add_relaxed() is a load and a store"),
    (re.compile(r"(\w+) = atomic_fetch_sub_relaxed\((\w+), (\w+)\);"),
     r"\1 = READ_ONCE(*\3); WRITE_ONCE(*\3, \1 - \2);", "atomic_fetch_sub_relaxed() is a load and a store"),
    (re.compile(r"\bnobody = xchg_release\((\w+), (\w+)\);"), r"smp_store_release(\1, \2);",
     "xchg_release() is a store"),
]
PAIRS = (("spin_lock", "spin_unlock"), ("rcu_read_lock", "rcu_read_unlock"))
PLAIN = [
    (re.compile(r"\bREAD_ONCE\((\*\w+)\)"), r"\1", r"the read of \1 is plain"),
    (re.compile(r"\bWRITE_ONCE\((\*\w+), (.+)\);"), r"\1 = \2;", r"the write of \1 is plain"),
]

ORDERS = ("Relaxed", "Acquire", "Release", "Full", "Read", "Write")
# What kthread/, stats/ and demo/ do without a lock.
ACCESS = re.compile(
    r"\.(?:load|store|xchg|(?:try_)?cmpxchg|fetch_\w+|populate|with_lock|read_volatile|write_volatile)\("
    r"|\.(?:add|sub|and|or)\([^()]*,(?:Relaxed|Acquire|Release|Full)\)"
    r"|\b(?:asm!|fence|compiler_fence)\(|(?<![\w])(?:smp_mb|read_once|write_once|atomic_load|atomic_store|write_barrier|(?:__)?set_current_state"
    r"|set_notify_signal|clear_notify_signal|bindings::set_bit|bindings::clear_bit)\(")


# Results that say nothing where another one has failed.
ORDERS_NEEDED = "the code asks for the order that the tests need"
NO_ORDER_NEEDED = "what is in no test needs no order"


class Ref(NamedTuple):
    """The code that a statement models: its line number, and FILE FUNCTION: CODE."""

    number: int
    file: str
    function: str
    code: str


class Wrong(Exception):
    """A fault of a test, in one line."""


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


class Test:
    """A litmus test, and the code that its statements model."""

    def __init__(self, path: str) -> None:
        self.name = os.path.basename(path)[:-len(".litmus")]
        with open(path, encoding="utf-8") as file:
            self.lines = file.read().splitlines()
        comment = re.match(r"C (\S+)\n\n\(\*\n((?: \*.*\n)+?) \*\)\n", "\n".join(self.lines) + "\n")
        if not comment or comment[1] != self.name:
            raise Wrong("it does not begin with 'C %s', a blank line and a comment" % self.name)
        said = [line[2:].strip() for line in comment[2].splitlines()]
        self.proves = " ".join((said + [""])[:(said + [""]).index("")])
        if not any(line.startswith("exists") for line in self.lines):
            raise Wrong("it has no exists clause")
        # The number of the line of each statement, with what it models.
        self.refs: list[Ref] = []
        self.process: dict[int, str] = {}
        refs: list[tuple[str, ...]] = []
        process = None
        for number, line in enumerate(self.lines):
            if re.match(r"P\d+\(", line):
                process = line.split("(")[0]
            if line.startswith("exists"):
                process = None
            if process is None:
                continue
            self.process[number] = process
            line = line.strip()
            if line.startswith("//"):
                ref = REF.match(line)
                if not ref:
                    raise Wrong("line %d: '%s' is no '// FILE FUNCTION: CODE'" % (number + 1, line))
                refs.append(ref.groups())
            elif refs:
                self.refs += [Ref(number, *ref) for ref in refs]
                refs = []
        referring = {ref[0] for ref in self.refs}
        for number in self.process:
            if number not in referring and not self.unlocks(number) and self.order(number) not in (None, "Relaxed"):
                raise Wrong("line %d: '%s' models nothing" % (number + 1, self.lines[number].strip()))
        self.variants = list(self.weakened())

    def unlocks(self, number: int) -> bool:
        return any(end + "(" in self.lines[number] for _, end in PAIRS)

    def order(self, number: int) -> str | None:
        """The order that a statement makes, or None if it does nothing with memory."""
        line = self.lines[number].split("//")[0]
        if "smp_mb(" in line or re.search(RMW + r"\(", line) or any(begin + "(" in line for begin, _ in PAIRS) \
                or "synchronize_rcu(" in line:
            return "Full"
        for text, order in (("acquire(", "Acquire"), ("release(", "Release"), ("smp_rmb(", "Read"),
                            ("smp_wmb(", "Write"), ("relaxed(", "Relaxed"), ("_ONCE(", "Relaxed")):
            if text in line:
                return order
        return None

    def change(self, name: str, changes: dict[int, str]) -> tuple[str, str]:
        """A variant with changed lines."""
        lines = [changes.get(number, line) for number, line in enumerate(self.lines)]
        return name, "\n".join(lines) + "\n"

    def weakened(self) -> Iterator[tuple[str, str]]:
        found = False
        for number in self.process:
            line = self.lines[number]
            if line.strip().startswith("//"):
                continue
            for pattern, text, name in WEAKER:
                match = pattern.search(line)
                if match:
                    found = True
                    yield self.change("line %d: %s" % (number + 1, match.expand(name)),
                                      {number: line[:match.start()] + match.expand(text) + line[match.end():]})
        for begin, end in PAIRS:
            held: dict[tuple[str, str], list[int]] = {}
            for number, process in self.process.items():
                found_lock = re.search(r"\b(?:%s|%s)\((\w*)\);" % (begin, end), self.lines[number])
                if found_lock:
                    held.setdefault((process, found_lock[1]), []).append(number)
            for (process, lock), numbers in held.items():
                found = True
                yield self.change("line %d: %s does without %s(%s)" % (numbers[0] + 1, process, begin, lock),
                                  dict.fromkeys(numbers, ""))
        if found:
            return
        # Tests that only rely on untorn words and on coherence.
        for number in self.process:
            for pattern, text, name in PLAIN:
                match = pattern.search(self.lines[number])
                if match:
                    yield self.change("line %d: %s" % (number + 1, match.expand(name)),
                                      {number: pattern.sub(text, self.lines[number], count=1)})


def functions(lines: list[str]) -> list[tuple[str, int, int]]:
    """The functions of a Rust file, as (name, first line, line after the last one)."""
    found = []
    for number, line in enumerate(lines):
        match = re.match(r"(\s*)(?:pub(?:\(\w+\))? )?(?:const |unsafe |extern \"C\" )*fn (\w+)", line)
        if not match:
            continue
        end = number
        while end < len(lines) and not lines[end].rstrip().endswith(("{", ";", "}")):
            end += 1
        if end == len(lines) or lines[end].rstrip().endswith(";"):
            continue
        if not lines[end].rstrip().endswith("}"):
            while end < len(lines) and lines[end] != match[1] + "}":
                end += 1
        first = number
        while first > 0 and re.match(r"\s*(//|#\[)", lines[first - 1]):
            first -= 1
        found.append((match[2], first, end + 1))
    return found


class Function:
    """A function of kthread/, stats/ or demo/, its code without comments and blanks, and the tests that it names."""

    def __init__(self, file: str, name: str, first: int, lines: list[str]) -> None:
        self.file = file
        self.name = name
        self.first = first
        self.code = squeezed("\n".join(re.sub(r"(^|\s)//.*", "", line) for line in lines))
        self.marked = [name.strip() for line in lines for found in [MARKER.search(line)] if found
                       for name in found[1].split(",")]
        self.seen: list[tuple[int, int]] = []

    def has(self, code: str) -> bool:
        """Notes that a piece of code is accounted for, and returns whether it is there."""
        code = squeezed(code)
        places = [match.start() for match in re.finditer(re.escape(code), self.code)]
        self.seen += [(place, place + len(code)) for place in places]
        return bool(places)

    def after(self, code: str, place: int) -> int:
        """Where a piece of code is from a place on, or -1."""
        return self.code.find(squeezed(code), place)

    def missed(self) -> Iterator[str]:
        """The atomic accesses that no test accounts for."""
        for match in ACCESS.finditer(self.code):
            if self.code[:match.start()].endswith("fn"):
                continue
            if not any(begin <= match.start() < end for begin, end in self.seen):
                yield self.code[max(0, match.start() - 24):match.end()]


def read_code(top: str) -> tuple[list[Function], list[str]]:
    """The functions of kthread/, stats/ and demo/, and the markers that are in none."""
    found = []
    stray = []
    for folder in OURS:
        for path, _, names in sorted(os.walk(os.path.join(top, folder))):
            for name in sorted(names):
                file = os.path.relpath(os.path.join(path, name), top)
                if not name.endswith(".rs") or file in TEST_FILES:
                    continue
                with open(os.path.join(path, name), encoding="utf-8") as source:
                    lines = source.read().splitlines()
                stop = next((number for number, line in enumerate(lines) if TESTS_BEGIN.match(line)
                             and "mod tests" in " ".join(lines[number:number + 3])), len(lines))
                within: set[int] = set()
                for function, first, end in functions(lines[:stop]):
                    found.append(Function(file, function, first, lines[first:end]))
                    within.update(range(first, end))
                stray += ["%s:%d: the marker is in no function" % (file, number + 1)
                          for number, line in enumerate(lines) if MARKER.search(line) and number not in within]
    return found, stray


def order_of(code: str) -> str | None:
    """The order that a piece of Rust code asks for, or None if it names none."""
    code = squeezed(code)
    if re.search(r"(?<!_)set_current_state\(", code):
        return "Full"
    if "write_barrier()" in code:
        return "Write"
    if re.search(r"\b(read_once|write_once|read_volatile|write_volatile)\(", code):
        return "Relaxed"
    orders = re.findall(r"\b(%s)\b" % "|".join(ORDERS), code)
    return orders[-1] if orders and ACCESS.search(code) else None


def join(orders: Iterable[str | None]) -> str:
    """The weakest order that is as strong as each of these."""
    strong = {order for order in orders if order and order != "Relaxed"}
    if not strong:
        return "Relaxed"
    return strong.pop() if len(strong) == 1 else "Full"


def bodies(path: str, text: str, name: str) -> list[str]:
    """The bodies of the functions and macros of that name, in C or Rust."""
    if path.endswith(".rs"):
        lines = text.splitlines()
        return ["\n".join(lines[first:end]) for function, first, end in functions(lines) if function == name]
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines):
        if name not in line:
            continue
        end = number
        if re.match(r"#\s*define\s+%s\b" % name, line):
            while lines[end].endswith("\\") and end + 1 < len(lines):
                end += 1
            found.append("\n".join(lines[number:end + 1]))
        elif re.match(r"(?:[a-zA-Z_].*[\s*])?%s\(" % name, line):
            while end < len(lines) and lines[end] != "{" and not lines[end].endswith(";"):
                end += 1
            if lines[end:end + 1] == ["{"]:
                while end < len(lines) and lines[end] != "}":
                    end += 1
                found.append("\n".join(lines[number:end + 1]))
    return found


def table(tests: list[Test]) -> list[str]:
    """The lines of the table of docs/proofs.md."""
    lines = ["| test | what it proves | of |", "|---|---|---|"]
    for test in tests:
        ours: dict[str, list[str]] = {}
        for _, file, function, _ in test.refs:
            if file.split("/")[0] in OURS:
                ours.setdefault(file, []).append(function)
        where = ", ".join("%s: %s" % (file, ", ".join("`%s`" % name for name in dict.fromkeys(names)))
                          for file, names in ours.items())
        lines.append("| `%s` | %s | %s |" % (test.name, test.proves, where))
    return lines


def rows(text: str, name: str) -> str:
    """The lines of a table in docs/proofs.md, or what is between its marks."""
    match = re.search(r"<!-- %s: begin[^\n]*-->\n(.*?)<!-- %s: end -->" % (name, name), text, re.S)
    return match[1] if match else ""


def no_order(text: str) -> Iterator[tuple[str, str, str]]:
    """The accesses that need no ordering, as (file, function, code)."""
    for line in rows(text, "no-order").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        names = re.findall(r"`([^`]*)`", cells[0])
        if len(cells) == 3 and len(names) == 2:
            for code in re.findall(r"`([^`]*)`", cells[1]):
                yield names[0], names[1], code


def observe(herd: str, model: str, texts: dict[str, str]) -> dict[str, tuple[str, list[str]]]:
    """The verdicts of herd7: for each name 'Never', 'Sometimes' or 'Always', with the raised flags."""
    with tempfile.TemporaryDirectory() as work:
        names = list(texts)
        shares = [names[number::os.cpu_count() or 1] for number in range(os.cpu_count() or 1)]
        runs = []
        for number, share in enumerate(shares):
            for name in share:
                with open(os.path.join(work, name + ".litmus"), "w", encoding="utf-8") as file:
                    file.write(re.sub(r"^C .*", "C " + name, texts[name], count=1))
            if share:
                out = open(os.path.join(work, "out%d" % number), "w+", encoding="utf-8")
                runs.append((out, subprocess.Popen(
                    [herd, "-I", model, "-conf", os.path.join(model, "linux-kernel.cfg")]
                    + [name + ".litmus" for name in share],
                    cwd=work, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)))
        said = {}
        for out, run in runs:
            run.wait()
            out.seek(0)
            flags: list[str] = []
            for line in out:
                if line.startswith("Test "):
                    flags = []
                elif line.startswith("Flag "):
                    flags.append(line.split()[1])
                elif line.startswith("Observation "):
                    _, name, verdict = line.split()[:3]
                    said[name] = (verdict, flags)
                elif line.startswith("Warning: File "):
                    warned = re.search(r'"(.*?)\.litmus"', line)
                    if warned:
                        said[os.path.basename(warned[1])] = (line.strip(), [])
            out.close()
        return said


def check_code(tests: list[Test], code: list[Function], stray: list[str]) -> list[str]:
    """Lines with mismatches between the tests and the code."""
    wrong = list(stray)
    named = set()
    gone: dict[tuple[str, str, str], list[tuple[str, int]]] = {}
    for test in tests:
        reached: dict[tuple[Function, str], int] = {}
        for number, file, function, text in test.refs:
            if file.split("/")[0] not in OURS:
                continue
            places = [place for place in code if (place.file, place.name) == (file, function) and place.has(text)]
            if not places:
                gone.setdefault((file, function, text), []).append((test.name, number + 1))
            for place in places:
                named.add((place, test.name))
                where = (place, test.process[number])
                reached[where] = place.after(text, reached.get(where, 0))
                if reached[where] < 0:
                    wrong.append("proofs/litmus/%s.litmus:%d: '%s' of %s comes before what the test has above it"
                                 % (test.name, number + 1, text, file))
                    reached[where] = 0
                if "proofs/litmus/%s.litmus" % test.name not in place.marked:
                    wrong.append("%s:%d: %s does not name proofs/litmus/%s.litmus, which models it"
                                 % (file, place.first + 1, function, test.name))
    wrong += ["%s: %s has no '%s', which proofs/litmus/%s.litmus:%d models%s"
              % (*what, *who[0], ", and %d more do" % (len(who) - 1) if who[1:] else "")
              for what, who in gone.items()]
    lost = {(file, function, name) for (file, function, _), who in gone.items() for name, _ in who}
    names = {test.name for test in tests}
    for place in code:
        for mark in place.marked:
            name = MARKED.match(mark)
            if not name or name[1] not in names:
                wrong.append("%s:%d: %s names '%s', and there is no such test"
                             % (place.file, place.first + 1, place.name, mark))
            elif (place, name[1]) not in named and (place.file, place.name, name[1]) not in lost:
                wrong.append("%s:%d: %s names %s, which does not model it"
                             % (place.file, place.first + 1, place.name, mark))
    return list(dict.fromkeys(wrong))


def check_orders(tests: list[Test]) -> list[str]:
    """Lines for code with less or more ordering than the tests need."""
    wrong = []
    used: dict[tuple[str, str, str], list[str | None]] = {}
    for test in tests:
        for number, file, function, text in test.refs:
            if file.split("/")[0] not in OURS or not order_of(text):
                continue
            used.setdefault((file, function, squeezed(text)), []).append(test.order(number))
            if join([test.order(number), order_of(text)]) != join([order_of(text)]):
                wrong.append("proofs/litmus/%s.litmus:%d: '%s' is more than '%s' of %s"
                             % (test.name, number + 1, test.lines[number].strip(), text, file))
    for (file, function, text), orders in used.items():
        if join(orders) != order_of(text) and not wrong:
            wrong.append("%s: %s: '%s' is more than any test needs, which is %s" % (file, function, text, join(orders)))
    return wrong


def check_tree(tests: list[Test], tree: str) -> list[str]:
    """Lines for quoted code that the kernel tree does not have."""
    wrong = []
    texts = {}
    for test in tests:
        for number, file, function, text in test.refs:
            if file.split("/")[0] in OURS:
                continue
            try:
                if file not in texts:
                    with open(os.path.join(tree, file), encoding="utf-8", errors="replace") as source:
                        texts[file] = source.read()
            except OSError:
                texts[file] = ""
            if not any(squeezed(text) in squeezed(body) for body in bodies(file, texts[file], function)):
                wrong.append("proofs/litmus/%s.litmus:%d: there is no '%s' in %s of %s of the kernel tree"
                             % (test.name, number + 1, text, function, file))
    return wrong


def check_rest(code: list[Function], page: str) -> list[str]:
    """Lines for accesses that are neither in a test nor listed as needing no ordering."""
    wrong = []
    told = set()
    for file, function, text in no_order(page):
        places = [place for place in code if (place.file, place.name) == (file, function) and place.has(text)]
        if not places:
            told.add((file, function))
            wrong.append("%s: %s has no '%s', which docs/proofs.md says of it" % (file, function, text))
    for place in code:
        if (place.file, place.name) in told:
            continue
        wrong += ["%s:%d: %s: '%s' is in no test, nor in docs/proofs.md as what needs no order"
                  % (place.file, place.first + 1, place.name, text) for text in place.missed()]
    return wrong


def check_table(tests: list[Test], page: str) -> list[str]:
    """Lines in which the table of docs/proofs.md differs from that of the tests."""
    meant = table(tests)
    found = rows(page, "orderings").splitlines()
    return ["docs/proofs.md: '%s' is not what proofs/litmus.py --table prints" % line
            for line in found if line not in meant] + \
        ["docs/proofs.md: the line '%s' is not there" % line for line in meant if line not in found]


def main() -> int:
    arguments = sys.argv[1:]
    options = {"--tests": os.path.join(TOP, "proofs", "litmus"), "--code": TOP, "--only": ""}
    while len(arguments) > 1 and arguments[0] in options:
        options[arguments[0]] = arguments[1]
        arguments = arguments[2:]
    if arguments != ["--table"] and (len(arguments) != 2 or not os.path.isdir(arguments[0])):
        sys.exit(__doc__.split("\n\n")[1])
    tests = []
    broken = {}
    for name in sorted(os.listdir(options["--tests"])):
        if name.endswith(".litmus"):
            try:
                tests.append(Test(os.path.join(options["--tests"], name)))
            except Wrong as e:
                broken[name[:-len(".litmus")]] = str(e)
    if arguments == ["--table"]:
        print("\n".join(table(tests)))
        return 1 if broken else 0

    tree, herd = arguments
    model = os.path.join(os.path.abspath(tree), "tools", "memory-model")
    texts = {}
    looked_at = [test for test in tests if options["--only"] in ("", test.name)]
    for test in looked_at:
        texts[test.name] = "\n".join(test.lines) + "\n"
        texts.update(("%s.%d" % (test.name, number), text) for number, (_, text) in enumerate(test.variants))
    said = observe(herd, model, texts)

    report = ktap.Printer(len(tests) + len(broken) + 5)
    shown = 0
    print("# %-18s %-6s %-9s %s" % ("test", "", "weakened", "what it proves"))
    for name, fault in broken.items():
        report.result(name, ["proofs/litmus/%s.litmus: %s" % (name, fault)])
    for test in tests:
        if test not in looked_at:
            report.result(test.name, skip="not asked for")
            continue
        wrong: list[str] = []
        verdict, flags = said.get(test.name, ("nothing", []))
        if (verdict, flags) != ("Never", []):
            wrong.append("proofs/litmus/%s.litmus: herd7 says %s, and it has to be Never" % (test.name, " ".join([verdict] + flags)))
        passed = 0
        for number, (what, _) in enumerate(test.variants if not wrong else []):
            verdict, flags = said.get("%s.%d" % (test.name, number), ("nothing", []))
            if verdict in ("Sometimes", "Always") or verdict == "Never" and "data-race" in flags:
                passed += 1
            else:
                wrong.append("proofs/litmus/%s.litmus: %s: herd7 says %s, so it is not needed there" % (test.name, what, verdict))
        if not test.variants:
            wrong.append("proofs/litmus/%s.litmus: there is nothing in it to be weakened" % test.name)
        shown += passed
        report.result("%-18s %-6s %2d of %2d  %s" % (test.name, said.get(test.name, ("nothing", []))[0], passed,
                                                  len(test.variants), test.proves), wrong)

    code, stray = read_code(options["--code"])
    with open(os.path.join(options["--code"], "docs", "proofs.md"), encoding="utf-8") as file:
        page = file.read()
    checks: list[tuple[str, Callable[[], list[str]]]] = [
        ("tests and code name each other", lambda: check_code(tests, code, stray)),
        (ORDERS_NEEDED, lambda: check_orders(tests)),
        ("the kernel tree is as the tests say", lambda: check_tree(tests, tree)),
        (NO_ORDER_NEEDED, lambda: check_rest(code, page)),
        ("docs/proofs.md has the table of the tests", lambda: check_table(tests, page))]
    for name, check in checks:
        # What is wrong with a test is not told again of the code.
        if report.failed and (broken or name in (ORDERS_NEEDED, NO_ORDER_NEEDED)):
            report.result(name, skip="not looked at, as something else is wrong")
        else:
            report.result(name, check())
    print("# %d tests, %d variants of which are possible or a data race; %d failed" % (len(tests), shown, report.failed))
    return report.status


if __name__ == "__main__":
    sys.exit(main())
