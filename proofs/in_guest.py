# SPDX-License-Identifier: GPL-2.0
"""Mutants in a guest: a copy of the project, with the mutants in it, whose tests run as always.

The number of the mutant is written into the finished modules. So a mutant takes a boot, and no build.
"""

from __future__ import annotations

import glob
import json
import os
import queue
import re
import shutil
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable

from proofs import children

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))

# What answers in the modules: a mark, which is not in them twice, and the number behind it.
MARK = b"<the number of the mutant>\0\0\0\0\0\0"
EVERY = 0xffffffff
ASKS = """
/// A mark, and the number of the active mutant, which is written into the finished module.
#[repr(C, align(4))]
struct Number([u8; 32], u32);

static NUMBER: Number = Number(*b"<the number of the mutant>\\0\\0\\0\\0\\0\\0", 0);
static REACHED: [::core::sync::atomic::AtomicBool; 8192] =
    [const { ::core::sync::atomic::AtomicBool::new(false) }; 8192];

#[inline(never)]
pub(crate) fn is_mutant(number: usize) -> bool {
    use ::core::sync::atomic::Ordering::Relaxed;

    // SAFETY: The static is valid, and never written.
    let active = unsafe { (&raw const NUMBER).cast::<u8>().add(32).cast::<u32>().read_volatile() };

    if active == u32::MAX && !REACHED[number].swap(true, Relaxed) {
        kernel::prelude::pr_info!("reached mutant {number}\\n");
    }
    active == number as u32
}
"""
# These take long in a guest, and others see what they see.
LEFT_OUT = ("storm", "kselftest")
# What User-Mode Linux runs as well, in a tenth of the time.
KUNIT = "kunit"
PATIENCE = 900.0
# How many tests run first: those that reach the fewest mutants, as one of them is likely to be about this one.
FIRST = 8
# How many run in a slow kernel, where each takes a minute or more.
FIRST_SLOWLY = 4


def copy_project(target: str) -> None:
    """Copies what is committed, and what is not, without build products."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(TOP, target, symlinks=True, ignore=lambda path, names: {"build", ".git"} & set(names) if path == TOP else set())


def tests(copy: str) -> list[str]:
    """The names of the tests that are run."""
    paths = sorted(glob.glob(os.path.join(glob.escape(copy), "tests", "*.sh")))
    return [name for name in (os.path.basename(path).removesuffix(".sh") for path in paths) if name not in LEFT_OUT]


class Guest:
    """A copy of the project that runs one guest at a time."""

    def __init__(self, copy: str, kernel: str) -> None:
        self.copy = copy
        self.kernel = kernel
        self.products = os.path.join(glob.escape(copy), "build", glob.escape(kernel))
        self.modules = sorted(glob.glob(os.path.join(self.products, "module", "stripped", "*.ko")))

    def choose(self, number: int) -> int:
        """Writes the number into all modules. Returns how many have the mark."""
        marked = 0
        for path in self.modules:
            with open(path, "rb") as file:
                content = file.read()
            at = content.find(MARK)
            if at >= 0:
                marked += 1
                at += len(MARK)
                with open(path, "wb") as file:
                    file.write(content[:at] + struct.pack("=I", number) + content[at + 4:])
        return marked

    def run(self, number: int, names: Iterable[str], limit: float, to_the_end: bool = False) -> tuple[bool, str, float]:
        """Runs these tests, usually until one fails. Returns whether all pass, what failed, and the seconds."""
        if not self.choose(number):
            raise RuntimeError("no module of %s has the mutants in it" % self.copy)
        start = time.monotonic()
        command = [os.path.join(self.copy, "scripts", "run.sh"), sys.executable, "qemu/test.py", "--kernel", self.kernel,
                   "--tests", " ".join(names), "--limit", str(int(limit))]
        failed = ""
        last = ""
        # test.py ends its guests then. It may have been told to ignore interrupts.
        with children.started(command, self.copy, None, signal.SIGTERM) as process:
            assert process.stdout is not None
            for line in process.stdout:
                last = line.strip() or last
                wrong = re.match(r"\s*not ok \d+ (.*)", line)
                if wrong:
                    failed = failed or wrong[1]
                    if not to_the_end:
                        break
            else:
                if process.wait() and not failed:
                    failed = last
        return not failed, failed, time.monotonic() - start

    def reached(self, name: str) -> tuple[set[int], float]:
        """The mutants that a test reaches, and how long it takes."""
        before = set(glob.glob(os.path.join(self.products, "runs", "*")))
        # A test that reads the log may fail because of what is in it now.
        _, _, took = self.run(EVERY, [name], PATIENCE, to_the_end=True)
        found: set[int] = set()
        for folder in set(glob.glob(os.path.join(self.products, "runs", "*"))) - before:
            for path in glob.glob(os.path.join(glob.escape(folder), "**", "console.log"), recursive=True):
                with open(path, encoding="utf-8", errors="replace") as file:
                    found |= set(map(int, re.findall(r"reached mutant (\d+)", file.read())))
        return found, took


class Guests:
    """Several copies, of which each judge takes one."""

    def __init__(self, first: str, kernel: str, count: int, known: str, say: Callable[[str], None]) -> None:
        """The file `known` keeps what the tests reach, which is found out unless it exists."""
        self.kernel = kernel
        self.free: queue.Queue[Guest] = queue.Queue()
        self.tests: dict[str, tuple[set[int], float]] = {}
        # The tests that have been seen to pass without a mutant, and a lock for who finds that out.
        self.pass_without: set[str] = set()
        self.checking = threading.Lock()
        guest = Guest(first, kernel)
        if not os.path.exists(known):
            say("running the guest's tests without a mutant")
            self.check_without(guest, tests(first), PATIENCE)
            content = {}
            for name in tests(first):
                reached, took = guest.reached(name)
                content[name] = [sorted(reached), took]
            with open(known, "w", encoding="utf-8") as file:
                json.dump(content, file)
        with open(known, encoding="utf-8") as file:
            for name, (numbers, took) in json.load(file).items():
                self.tests[name] = set(numbers), took
        self.free.put(guest)
        for number in range(1, count):
            other = "%s.%d" % (first, number)
            shutil.rmtree(other, ignore_errors=True)
            shutil.copytree(first, other, symlinks=True, ignore=shutil.ignore_patterns("runs"))
            self.free.put(Guest(other, kernel))

    def reaches(self, number: int) -> bool:
        return any(number in reached for reached, _ in self.tests.values())

    def check_without(self, guest: Guest, names: list[str], limit: float) -> None:
        """Runs those of the tests that have not been seen to pass without a mutant."""
        with self.checking:
            missing = [name for name in names if name not in self.pass_without]
            if not missing:
                return
            passes, failed, _ = guest.run(0, missing, limit)
            if not passes:
                raise RuntimeError("a test fails without a mutant in the kernel '%s': %s" % (self.kernel, failed))
            self.pass_without |= set(missing)

    def chosen(self, number: int) -> list[str]:
        """The tests that reach a mutant, those first that reach the fewest others."""
        return sorted((name for name, (reached, _) in self.tests.items() if number in reached),
                      key=lambda name: len(self.tests[name][0]))

    def judge(self, number: int, had_kunit: bool) -> tuple[bool, str]:
        chosen = [name for name in self.chosen(number) if not (had_kunit and name == KUNIT)]
        guest = self.free.get()
        try:
            for names in filter(None, (chosen[:FIRST], chosen[FIRST:])):
                usual = sum(self.tests[name][1] for name in names)
                passes, failed, _ = guest.run(number, names, 60 + 3 * usual)
                if not passes:
                    return False, failed
        finally:
            self.free.put(guest)
        return True, ""

    def judge_slowly(self, number: int) -> tuple[bool, str]:
        """The same in a kernel that is slow, with the first tests alone, KUnit, and what the kernel `fast` skips."""
        chosen = self.chosen(number)
        if not chosen:
            return True, ""
        names = chosen[:FIRST_SLOWLY] + [name for name in chosen[FIRST_SLOWLY:] if name == KUNIT]
        names += [name for name, (reached, _) in self.tests.items() if not reached]
        guest = self.free.get()
        try:
            self.check_without(guest, names, PATIENCE * 2)
            passes, failed, _ = guest.run(number, names, PATIENCE * 2)
        finally:
            self.free.put(guest)
        return passes, failed
