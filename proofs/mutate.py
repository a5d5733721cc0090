#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Mutants of Rust code: copies with one small change each.

usage: mutate.py CODE [DIR]

Lists the mutants of kthread/, demo/, stats/ and debugfs/ in CODE: number, file and line, name, and what changes.
With DIR, writes these folders to DIR with all mutants in them. The code then calls `crate::kthread::is_mutant(NUMBER)`
to choose, which has to be added. For mutants.py, which runs them, this is a library.

The operators are
omit      a statement is left out
empty     a function returns at once, with () or Ok(())
yes, no   a condition, or a function that returns a bool, is always true or always false
swap      a comparison or an operator is another: < and <=, == and !=, && and ||, & and |
bound     + 1 or - 1 is left out
literal   true is false, false is true
not       a ! is left out
relaxed   Acquire, Release or Full is Relaxed
leak      drop() is forget()
unlocked  a guard that nothing uses is dropped at once

Tests, macros, constant functions and declarations stay as they are. The copies are on the first line of the
original, so that lines keep their numbers.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

FOLDERS = ("debugfs", "demo", "kthread", "stats")
# The tests of a file are below such a line.
TESTS_BEGIN = re.compile(r"^#\[(cfg\(kthread_kunit\)|cfg\(CONFIG_\w*KUNIT\w*\)|(kernel::prelude::)?kunit_tests\()", re.M)
# What tests share.
OTHER_FILES = ("kunit.rs",)
# What does nothing without lockdep, and has no mutants.
SAME_FILES = ("lockdep.rs",)

OPEN = {"(": ")", "[": "]", "{": "}"}
TOKENS = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>b?c?"(?:\\.|[^"\\])*"|b?r(\#*)".*?"\3)"""
    r"""|(?P<char>b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\\n])')""", re.S)
DECLARES = re.compile(r"(?:pub(?:\([^)]*\))? )?(?:unsafe )?(?:extern \S+ )?"
                      r"(fn|use|const|static|struct|enum|union|impl|trait|type|mod|extern|macro_rules!)\b")
BLOCK_LIKE = re.compile(r"(?:'\w+: ?)?(?:if|match|while|for|loop|unsafe)\b|\{")

# Operator, pattern, and its replacement.
CHANGES: list[tuple[str, re.Pattern[str], str]] = [
    ("swap", re.compile(r" < "), " <= "),
    ("swap", re.compile(r" <= "), " < "),
    ("swap", re.compile(r" > "), " >= "),
    ("swap", re.compile(r" >= "), " > "),
    ("swap", re.compile(r" == "), " != "),
    ("swap", re.compile(r" != "), " == "),
    ("swap", re.compile(r" && "), " || "),
    ("swap", re.compile(r" \|\| "), " && "),
    ("swap", re.compile(r" & (?=[\w!])"), " | "),
    ("swap", re.compile(r" \| (?=\w)"), " & "),
    ("bound", re.compile(r" [+-] 1\b"), ""),
    ("literal", re.compile(r"\btrue\b"), "false"),
    ("literal", re.compile(r"\bfalse\b"), "true"),
    ("not", re.compile(r"(?<![\w!])!(?=[\w(])"), ""),
    ("relaxed", re.compile(r"(?<=[(,] )(?:Acquire|Release|Full)\b|(?<=\()(?:Acquire|Release|Full)\b(?=\))"), "Relaxed"),
    ("leak", re.compile(r"(?<![\w.:])drop\("), "::core::mem::forget("),
]


@dataclass
class Mutant:
    """One change: `new` takes the place of `old`, which begins at an offset in a file."""

    file: str
    function: str
    operator: str
    at: int
    old: str
    new: str
    line: int
    name: str = ""
    number: int = 0

    def said(self) -> str:
        """The change in a few words."""
        old, new = (re.sub(r"\s+", " ", text).strip() for text in (self.old, self.new))
        return {"omit": "without '%s'" % old, "empty": new, "yes": new if not old else "'%s' is true" % old,
                "no": new if not old else "'%s' is false" % old, "not": "without !", "bound": "without '%s'" % old,
                "unlocked": "'%s' is dropped at once" % old}.get(self.operator, "'%s' is '%s'" % (old, new))


@dataclass
class Region:
    """A piece of code that is duplicated for each change in it."""

    start: int
    end: int
    # Text around the choice between the copies.
    before: str = ""
    after: str = ""
    mutants: list[Mutant] = field(default_factory=list)


def in_one_line(code: str) -> str:
    return re.sub(r"\s*\n\s*", " ", code).strip()


class Source:
    """A Rust file, and the mutants of it."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        # Without comments, and also without strings. Offsets are those of the text.
        self.plain = TOKENS.sub(lambda m: m[0] if m["string"] or m["char"] else re.sub(r"[^\n]", " ", m[0]), text)
        code = TOKENS.sub(lambda m: re.sub(r"[^\n]", "_" if m["string"] or m["char"] else " ", m[0]), text)
        tests = TESTS_BEGIN.search(code)
        if tests:
            code = code[:tests.start()] + re.sub(r"[^\n]", " ", code[tests.start():])
        self.code = code
        self.regions: list[Region] = []
        self.closed: dict[int, int] = {}
        self.match_brackets()
        self.hide_macros()
        for start, end, function, result in list(self.functions()):
            self.function = function
            self.body(start, end, result)
        self.regions.sort(key=lambda r: (r.start, -r.end))
        self.count()

    def match_brackets(self) -> None:
        """Notes for each opening bracket where it is closed."""
        stack: list[int] = []
        for at, char in enumerate(self.code):
            if char in OPEN:
                stack.append(at)
            elif char in OPEN.values() and stack:
                self.closed[stack.pop()] = at

    def hide_macros(self) -> None:
        """Makes attributes and the arguments of macros look like strings, which nothing changes."""
        hidden = list(self.code)
        for found in re.finditer(r"#!?(?=\[)|\b\w+!(?: \w+)? ?(?=[(\[{])", self.code):
            if found.end() in self.closed:
                stop = self.closed[found.end()]
                for at in range(found.end() + 1, stop):
                    hidden[at] = "\n" if hidden[at] == "\n" else "_"
        self.code = "".join(hidden)
        self.closed.clear()
        self.match_brackets()

    def functions(self) -> Iterator[tuple[int, int, str, str]]:
        """The bodies of all functions that have mutants, with their names and return types."""
        if os.path.basename(self.name) in SAME_FILES:
            return
        for found in re.finditer(r"(?m)^[^\n]*\bfn (\w+)", self.code):
            if re.search(r"\bconst (unsafe )?fn ", found[0]):
                continue
            at = found.end()
            while at < len(self.code) and self.code[at] not in "{;":
                at = self.closed.get(at, at) + 1 if self.code[at] in "([" else at + 1
            if at < len(self.code) and self.code[at] == "{" and at in self.closed:
                header = self.code[found.end():at]
                result = re.search(r"\)\s*->\s*(.*?)\s*(?:\bwhere\b.*)?$", header, re.S)
                yield at + 1, self.closed[at], found[1], result[1] if result else ""

    def add(self, region: Region, operator: str, at: int, old: str, new: str) -> None:
        if not region.mutants:
            self.regions.append(region)
        region.mutants.append(Mutant(self.name, self.function, operator, at, old, new,
                                     self.text.count("\n", 0, at) + 1))

    def changes(self, region: Region) -> None:
        """The changes inside an expression, except those in its blocks."""
        holes = [(at, self.closed[at]) for at in range(region.start, region.end) if self.code[at] == "{" and at in self.closed]
        for operator, pattern, new in CHANGES:
            for found in pattern.finditer(self.code, region.start, region.end):
                if not any(start < found.start() < end for start, end in holes):
                    self.add(region, operator, found.start(), found[0], new)

    def condition(self, start: int, end: int, loops: bool) -> None:
        # Code for another configuration is as right here.
        if re.search(r"\blet\b", self.code[start:end]) or re.fullmatch(r"!?cfg!\(\w+\)", self.code[start:end].strip()):
            return
        region = Region(start, end)
        text = self.text[start:end]
        self.changes(region)
        if not loops:
            self.add(region, "yes", start, text, "({ let _ = %s; true })" % self.flat(start, end))
        self.add(region, "no", start, text, "({ let _ = %s; false })" % self.flat(start, end))

    def flat(self, start: int, end: int) -> str:
        """The code in one line, without its comments."""
        return in_one_line(self.plain[start:end])

    def body(self, start: int, end: int, result: str) -> None:
        """The body of a function."""
        statements = self.block(start, end)
        region = Region(start, start)
        if result in ("", "Result") and statements > 1:
            value = "return Ok(());" if result else "return;"
            self.add(region, "empty", start, "", value)
        elif result == "bool":
            for kind, value in (("yes", "true"), ("no", "false")):
                if self.flat(start, end).strip() != value:
                    self.add(region, kind, start, "", "return %s;" % value)

    def block(self, start: int, end: int) -> int:
        """The statements of a block. Returns their number."""
        at = start
        statements = 0
        while True:
            while at < end and self.code[at].isspace():
                at += 1
            if at >= end:
                return statements
            statements += 1
            stop = self.statement_end(at, end)
            self.statement(at, stop, tail=stop >= end or not self.code[at:stop].endswith((";", "}")))
            at = stop

    def statement_end(self, at: int, end: int) -> int:
        block_like = BLOCK_LIKE.match(self.code, at) is not None
        while at < end:
            char = self.code[at]
            if char == ";":
                return at + 1
            if char in OPEN and at in self.closed:
                at = self.closed[at] + 1
                if block_like and char == "{" and not re.match(r"\s*(else\b|[.?;])", self.code[at:end]):
                    return at
                continue
            at += 1
        return end

    def statement(self, start: int, end: int, tail: bool) -> None:
        text = self.code[start:end]
        if text.startswith("#"):
            return
        if DECLARES.match(text):
            return
        self.inner(start, end)
        stop = end - 1 if text.endswith(";") else end
        if text.startswith("let "):
            found = re.match(r"let (?:mut )?(\w+|\(.*?\))(?:: [^=]+)? = ", text, re.S)
            if not found or re.search(r"\belse\s*\{", text):
                return
            value = Region(start + found.end(), stop)
            if re.match(r"_\w", found[1]):
                # The inner choice is that between changes of the value.
                self.add(Region(value.start, value.end, "Some(", ")"), "unlocked", value.start,
                         self.text[value.start:value.end], "{ drop(%s); None }" % self.flat(value.start, value.end))
            self.changes(value)
        elif BLOCK_LIKE.match(text):
            # Its parts are seen to by inner(). As a whole it can be left out if it has no value.
            if text.startswith("unsafe") and text.endswith(";"):
                self.omit(Region(start, end))
        elif re.match(r"(return|break|continue)\b", text):
            word = re.match(r"(return|break)\s+(?!')", text)
            if word:
                self.changes(Region(start + word.end(), stop))
        elif text.endswith(";"):
            region = Region(start, end)
            self.changes(region)
            # might_sleep() checks the caller, and lockdep is told of a wait: neither does anything.
            if not re.match(r"_*\w+!|might_sleep\(|[\w.()]+\.map\.wait\(\);", text):
                self.omit(region)
        elif tail:
            self.changes(Region(start, end))

    def omit(self, region: Region) -> None:
        self.add(region, "omit", region.start, self.text[region.start:region.end], "")

    def inner(self, start: int, end: int) -> None:
        """The conditions and blocks inside a statement."""
        at = start
        while at < end:
            word = re.match(r"(if|while|match)\b\s*", self.code[at:end]) if at == 0 or not re.match(
                r"\w", self.code[at - 1]) else None
            if word:
                stop = at + word.end()
                while stop < end and (self.code[stop] != "{" or self.code[:stop].rstrip().endswith("unsafe")):
                    stop = self.closed.get(stop, stop) + 1 if self.code[stop] in OPEN else stop + 1
                if stop >= end or stop not in self.closed:
                    # The guard of a match arm ends elsewhere.
                    at += len(word[1])
                    continue
                if word[1] == "match":
                    self.inner(at + word.end(), stop)
                    self.arms(stop + 1, self.closed[stop])
                    at = self.closed[stop] + 1
                else:
                    begin = at + word.end()
                    if "=>" not in self.code[begin:stop]:
                        self.inner(begin, stop)
                        self.condition(begin, len(self.code[:stop].rstrip()), word[1] == "while")
                    at = stop
            elif self.code[at] == "{" and at in self.closed:
                before = self.code[start:at].rstrip()
                if re.search(r"(\)|\||\b(?:else|unsafe|loop|move)|^|[=(,>{;])$", before) or BLOCK_LIKE.match(
                        self.code[start:at].split("\n")[-1].strip() or "x"):
                    self.block(at + 1, self.closed[at])
                at = self.closed[at] + 1
            else:
                at += 1

    def arms(self, start: int, end: int) -> None:
        """The arms of a match."""
        at = start
        while at < end:
            arrow = self.code.find("=>", at, end)
            if arrow < 0:
                return
            begin = arrow + 2
            while begin < end and self.code[begin].isspace():
                begin += 1
            if self.code[begin] == "{":
                self.block(begin + 1, self.closed[begin])
                at = self.closed[begin] + 1
                continue
            stop = begin
            while stop < end and self.code[stop] != ",":
                stop = self.closed.get(stop, stop) + 1 if self.code[stop] in OPEN else stop + 1
            text = self.code[begin:stop]
            self.inner(begin, stop)
            if not re.match(r"(return|break|continue)\b", text):
                self.changes(Region(begin, len(self.code[:stop].rstrip())))
            at = stop + 1

    def count(self) -> None:
        """Names the mutants."""
        seen: dict[str, int] = {}
        for mutant in sorted(self.mutants(), key=lambda m: (m.at, m.operator, m.new)):
            label = "%s %s %s" % (mutant.file, mutant.function, mutant.operator)
            seen[label] = seen.get(label, 0) + 1
            mutant.name = "%s %d" % (label, seen[label])

    def mutants(self) -> list[Mutant]:
        return [mutant for region in self.regions for mutant in region.mutants]

    def applied(self, mutant: Mutant) -> str:
        """The text of a mutant."""
        # litmus.py knows a function by a line that ends with its brace.
        new = mutant.new if mutant.old else "\n" + mutant.new
        return self.text[:mutant.at] + new + self.text[mutant.at + len(mutant.old):]

    def written(self, numbers: dict[str, int]) -> str:
        """The text with all mutants that have a number compiled in."""
        regions = [r for r in self.regions if any(m.name in numbers for m in r.mutants)]
        return self.write_range(0, len(self.text), regions, numbers)

    def write_range(self, start: int, end: int, regions: list[Region], numbers: dict[str, int]) -> str:
        written = ""
        at = start
        todo = [r for r in regions if start <= r.start and r.end <= end]
        while todo:
            region = todo[0]
            inside = [r for r in todo[1:] if r.end <= region.end and r.start < region.end]
            written += self.text[at:region.start] + self.choice(region, inside, numbers)
            at = region.end
            todo = [r for r in todo[1:] if r.start >= region.end]
        return written + self.text[at:end]

    def choice(self, region: Region, inside: list[Region], numbers: dict[str, int]) -> str:
        original = self.write_range(region.start, region.end, inside, numbers)
        statement = self.code[region.start:region.end].endswith(";")
        chain = ""
        for mutant in region.mutants:
            if mutant.name not in numbers:
                continue
            copy = self.plain[region.start:mutant.at] + mutant.new + self.plain[mutant.at + len(mutant.old):region.end]
            chain += "if crate::kthread::is_mutant(%d) { %s } else " % (numbers[mutant.name], in_one_line(copy))
        if region.start == region.end:
            return re.sub(r" else (?=if|$)", " ", chain)
        whole = "%s{ %s%s%s }" % (chain, region.before, original, region.after)
        return whole if statement else "(%s)" % whole


def is_source(name: str) -> bool:
    return name.endswith(".rs") and name not in OTHER_FILES


def sources(code: str) -> list[Source]:
    """The files of a folder that has some of FOLDERS."""
    found = []
    for top in FOLDERS:
        for folder, folders, names in os.walk(os.path.join(code, top)):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                if is_source(name):
                    with open(path, encoding="utf-8") as file:
                        found.append(Source(os.path.relpath(path, code), file.read()))
    return found


def numbered(files: list[Source]) -> list[Mutant]:
    mutants = [mutant for file in files for mutant in sorted(file.mutants(), key=lambda m: m.name)]
    mutants.sort(key=lambda m: (m.file, m.line))
    for number, mutant in enumerate(mutants, 1):
        mutant.number = number
    return mutants


def main() -> int:
    if len(sys.argv) not in (2, 3):
        sys.exit((__doc__ or "").split("\n\n")[1])
    files = sources(sys.argv[1])
    mutants = numbered(files)
    for mutant in mutants:
        print("%d %s:%d: %s: %s" % (mutant.number, mutant.file, mutant.line, mutant.name, mutant.said()))
    for source in files if len(sys.argv) == 3 else ():
        path = os.path.join(sys.argv[2], source.name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(source.written({mutant.name: mutant.number for mutant in mutants}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
