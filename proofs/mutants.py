#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the mutants of kthread/, demo/, stats/ and debugfs/, and list those that no test notices.

usage: mutants.py [--only PATTERN,...] [--sample NUMBER --seed SEED] [--kernel NAME] TREE HERD7 PLACE TOOL=VALUE...

All mutants are compiled into one program, which is told the number of one of them. First the model runs
the tests that reach it, in few interleavings, then User-Mode Linux the KUnit suites, then a guest its tests that
reach it, then the model again, in many interleavings, until one fails; what passes all of that is compared with
the litmus tests. If the kernel NAME is not `fast`, what is left runs in a guest with that kernel, too. PLACE has
the series applied to the kernel tree, in tree/, which is built with the TOOLs.

Prints KTAP. A mutant fails if it survives and is not in proofs/survivors, which says why each of those there
is no fault. Results are kept in build/mutants/, as long as neither the code nor the tests change.
"""

from __future__ import annotations

import concurrent.futures
import fnmatch
import functools
import hashlib
import json
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, TOP)

from proofs import children, in_guest, mutate  # noqa: E402
from qemu import ktap  # noqa: E402

BUILD = os.path.join(TOP, "build", "mutants")
# The kernel whose guests run for every mutant that is left.
FAST = "fast"
SURVIVORS = os.path.join(TOP, "proofs", "survivors")
# Seconds without a word after which a kernel hangs. The longest test takes two.
SILENCE = 30
# The same for a test of the model, which is stopped by its number of steps if it does not end.
MODEL_LIMIT = 120
# Preemptions at most, and seeds, which take little time and find some of what needs two preemptions.
LITTLE = ("--preemptions", "1", "--seeds", "128")
# The preemptions that all breaks of the model need at most. With more, some tests take half a minute.
MUCH = ("--preemptions", "2", "--seeds", "1024", "--limit", "20")

# What answers for a number of a mutant, on the model and in the kernel. With -1 the kernel tells which are reached.
IN_MODEL = """
pub(crate) fn is_mutant(number: usize) -> bool {
    kernel::is_broken(number)
}
"""
IN_KERNEL = """
pub(crate) fn is_mutant(number: i32) -> bool {
    extern "C" {
        fn kthread_is_mutant(number: i32) -> bool;
    }
    // SAFETY: It may be called with any number, from any context.
    unsafe { kthread_is_mutant(number) }
}
"""
IN_C = os.path.join(TOP, "proofs", "mutant.c")
# What helps to notice a mutant, and what takes long and does not.
OPTIONS = """CONFIG_DEBUG_KERNEL=y
CONFIG_DEBUG_ATOMIC_SLEEP=y
CONFIG_DEBUG_LIST=y
# CONFIG_RUST_KERNEL_DOCTESTS is not set
"""
RESULT = re.compile(r"\s*(not )?ok \d+ ([\w.-]+)")
TROUBLE = re.compile(r"BUG: |WARNING: |Kernel panic|Oops|INFO: |list_(add|del) corruption|rust_kernel: panicked|Segmentation fault")


@dataclass
class Verdict:
    """Who noticed a mutant, and by what. Nobody has if it survives."""

    by: str
    said: str


class Results:
    """The verdicts of earlier runs and of this one, in a file."""

    def __init__(self, name: str) -> None:
        self.path = os.path.join(BUILD, "results." + name)
        self.lock = threading.Lock()
        self.known: dict[str, Verdict] = {}
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                self.known = {name: Verdict(by, said) for name, by, said in map(json.loads, file)}

    def get(self, name: str, judged: Callable[[], Verdict]) -> Verdict:
        if name not in self.known:
            verdict = judged()
            # What has been ended looks as if it had failed.
            children.check()
            with self.lock, open(self.path, "a", encoding="utf-8") as file:
                print(json.dumps([name, verdict.by, verdict.said]), file=file)
                self.known[name] = verdict
        return self.known[name]


@dataclass
class Programs:
    """What the mutants are run in."""

    model: str
    kernel: str
    guests: in_guest.Guests
    # Guests with another kernel, for what nothing else notices.
    others: in_guest.Guests | None
    # The tests of the model, and for each the mutants that it reaches.
    tests: dict[str, set[int]] = field(default_factory=dict)
    # The KUnit tests in the order in which they run, and the mutants that they reach.
    order: list[str] = field(default_factory=list)
    reached: set[int] = field(default_factory=set)


def say(text: str) -> None:
    print("# " + text, flush=True)


def fail(text: str) -> None:
    sys.exit("mutants: " + text)


def digest(folders: Iterable[str], words: list[str]) -> str:
    """A hash of the code and the tests in these folders, and of these words."""
    summed = hashlib.sha256("\0".join(words).encode())
    for folder in folders:
        for path, inner, names in os.walk(os.path.join(TOP, folder)):
            inner.sort()
            for name in sorted(names):
                if not name.endswith((".rs", ".litmus", ".sh", ".config")) and name != "mutate.py":
                    continue
                with open(os.path.join(path, name), "rb") as file:
                    summed.update(name.encode() + b"\0" + file.read())
    return summed.hexdigest()[:16]


def write_if_changed(path: str, text: str) -> None:
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    except OSError:
        pass
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class Mutants:
    """All mutants, without those that do not compile."""

    def __init__(self, key: str) -> None:
        self.files = mutate.sources(TOP)
        self.all = mutate.numbered(self.files)
        self.key = key
        self.path = os.path.join(BUILD, "does-not-compile." + key)
        self.without: set[str] = set()
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                self.without = set(file.read().splitlines())

    def numbers(self) -> dict[str, int]:
        return {mutant.name: mutant.number for mutant in self.all if mutant.name not in self.without}

    def drop(self, names: set[str]) -> None:
        self.without |= names
        os.makedirs(BUILD, exist_ok=True)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("".join(name + "\n" for name in sorted(self.without)))

    def write(self, origin: str, target: str, asks: str) -> None:
        """Writes to the folder `target` the code of the folder `origin` with the mutants in it, and what they ask."""
        numbers = self.numbers()
        for source in mutate.sources(origin):
            text = source.written(numbers)
            if source.name.endswith("kthread/mod.rs"):
                text += asks
            write_if_changed(os.path.join(target, source.name), text)

    def blamed(self, log: str, folder: str) -> set[str]:
        """The mutants that the errors of a compiler are about."""
        names = {mutant.number: mutant.name for mutant in self.all}
        found: set[str] = set()
        for error in re.finditer(r"(?ms)^(?:ERROR:root:)?error.*?(?=^(?:error|warning)|\Z)", log):
            blamed: set[str] = set()
            for path, row, column in re.findall(r"(?:-->|:::) (\S+?):(\d+):(\d+)", error[0]):
                name = self.file_of(path)
                if not name or not os.path.exists(os.path.join(folder, name)):
                    continue
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    lines = file.read().split("\n")
                line, at = lines[int(row) - 1], int(column)
                before = list(re.finditer(r"is_mutant\((\d+)\) \{", line[:at]))
                if before and " } else " not in line[before[-1].end():at]:
                    blamed.add(names[int(before[-1][1])])
                    break
                # The change is not where the compiler stops: all around it are.
                blamed |= self.around(name, int(row))
            found |= blamed or self.concerned(error[0])
        return found - self.without

    def concerned(self, error: str) -> set[str]:
        """The mutants that change what an error names, in the functions that it is about."""
        words = set(re.findall(r"`(\w+)`", error)) - {"self"}
        rows = [int(row) for row in re.findall(r"(?m)^ *(\d+) +\|", error)]
        path = re.search(r"(?:-->|:::) (\S+?):\d", error)
        return {mutant.name for mutant in self.all if path and mutant.file == self.file_of(path[1])
                and any(abs(mutant.line - row) < 30 for row in rows) and words & set(re.findall(r"\w+", mutant.old))}

    def file_of(self, path: str) -> str:
        """The file that a path of the compiler is a copy of."""
        return next((source.name for source in self.files if ("/" + path).endswith("/" + source.name)), "")

    def around(self, name: str, line: int) -> set[str]:
        for source in self.files:
            if source.name == name:
                return {mutant.name for region in source.regions for mutant in region.mutants
                        if source.text.count("\n", 0, region.start) < line <= source.text.count("\n", 0, region.end) + 1}
        return set()


def build(mutants: Mutants, what: str, folder: str, write: Callable[[], None], command: list[str], errors: str = "") -> None:
    """Builds a program with the mutants in it, which write() puts into `folder`, and drops those that do not compile.

    The errors are what the command prints, or in a file.
    """
    log = os.path.join(BUILD, what.replace(" ", "-") + ".log")
    while True:
        write()
        say("building %s with %d mutants" % (what, len(mutants.numbers())))
        with open(log, "w", encoding="utf-8") as file:
            done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
        if done.returncode == 0:
            return
        with open(errors or log, encoding="utf-8", errors="replace") as file:
            blamed = mutants.blamed(file.read(), folder)
        if not blamed:
            fail("building %s failed: see %s" % (what, errors or log))
        mutants.drop(blamed)


def build_model(mutants: Mutants) -> str:
    code = os.path.join(BUILD, "code")
    target = os.path.join(BUILD, "model")
    build(mutants, "the model", code, lambda: mutants.write(TOP, code, IN_MODEL),
          [os.path.join(TOP, "proofs", "model.sh"), "--build", target, "--code", code], target + ".log")
    return os.path.join(target, "debug", "model")


def build_kernel(mutants: Mutants, src: str, place: str, tools: list[str]) -> str:
    """Builds User-Mode Linux from the tree in `place`."""
    tree = os.path.join(place, "tree")
    kernel = os.path.join("rust", "kernel")
    kthread = os.path.join(kernel, "kthread")
    config = os.path.join(place, "kunitconfig")
    command = [os.path.join(TOP, "scripts", "run.sh"), sys.executable, os.path.join(tree, "tools", "testing", "kunit", "kunit.py"),
               "build", "--arch", "um", "--build_dir", os.path.join(place, "um"), "--kunitconfig", config,
               "--jobs", str(os.cpu_count())]
    for tool in tools:
        command += ["--make_options", tool]
    with tempfile.TemporaryDirectory() as plain:
        subprocess.run([os.path.join(TOP, "series", "series.py"), "write", src, plain], check=True)
        for folder, _, names in os.walk(plain):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), plain)
                if path.startswith(kthread) and mutate.is_source(name):
                    continue
                with open(os.path.join(plain, path), encoding="utf-8") as file:
                    text = file.read()
                write_if_changed(os.path.join(tree, path), add_c(text) if path == "rust/helpers/helpers.c" else text)
        with open(IN_C, encoding="utf-8") as file:
            write_if_changed(os.path.join(tree, "rust", "helpers", "mutant.c"), file.read())
        with open(os.path.join(tree, kthread, ".kunitconfig"), encoding="utf-8") as file:
            write_if_changed(config, file.read() + OPTIONS)
        build(mutants, "User-Mode Linux", os.path.join(tree, kernel),
              lambda: mutants.write(os.path.join(plain, kernel), os.path.join(tree, kernel), IN_KERNEL), command)
    return os.path.join(place, "um", "linux")


def add_c(text: str) -> str:
    """helpers.c with the C part of the mutants."""
    return text.replace('#include "mutex.c"\n', '#include "mutant.c"\n#include "mutex.c"\n')


def build_guest(mutants: Mutants, kernel: str) -> in_guest.Guests:
    """Builds the modules for a kernel, unless that has been done."""
    copy = os.path.join(BUILD, "guest." + kernel)
    built = os.path.join(copy, "build", "built." + mutants.key)
    if not os.path.exists(built):
        in_guest.copy_project(copy)
        build(mutants, "the modules for " + kernel, copy, lambda: mutants.write(TOP, copy, in_guest.ASKS),
              [os.path.join(copy, "scripts", "prepare.sh"), kernel])
        write_if_changed(built, "")
    return in_guest.Guests(copy, kernel, os.cpu_count() or 1, os.path.join(BUILD, "reached." + mutants.key), say)


def run_model(program: str, test: str, number: int, effort: Iterable[str]) -> tuple[bool, str]:
    command = [program, "--test", test, *effort, "--mutant", str(number)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=MODEL_LIMIT, text=True,
                              errors="replace", check=False)
    except subprocess.TimeoutExpired:
        return False, "it has not ended after %d seconds" % MODEL_LIMIT
    return done.returncode == 0, " ".join(done.stdout.split()) or "it ends with status %d" % done.returncode


def kernel_lines(program: str, number: int) -> Iterator[str | None]:
    """What a kernel prints. None means that it was silent for too long."""
    command = [program, "mem=1G", "console=tty", "kunit_shutdown=halt", "kunit.enable=1", "kunit.filter_glob=rust_kthread*",
               "seccomp=on", "ncpus=2", "panic=-1", "kthread_mutant=%d" % number]
    with tempfile.TemporaryDirectory() as folder:
        settings = {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder}
        with children.started(command, folder, settings, signal.SIGKILL) as process:
            lines: queue.Queue[str | None] = queue.Queue()
            assert process.stdout is not None
            output = process.stdout

            def read() -> None:
                for line in output:
                    lines.put(line.rstrip())
                lines.put(None)

            reader = threading.Thread(target=read, daemon=True)
            reader.start()
            try:
                while True:
                    try:
                        line = lines.get(timeout=SILENCE)
                    except queue.Empty:
                        yield None
                        return
                    if line is None:
                        return
                    yield line
            finally:
                children.end(process.pid, signal.SIGKILL)
                reader.join()


def run_kernel(programs: Programs, number: int) -> tuple[bool, str]:
    passed = 0
    for line in kernel_lines(programs.kernel, number):
        if line is None:
            behind = programs.order[passed] if passed < len(programs.order) else "the last test"
            return False, "%s hangs" % behind
        if TROUBLE.search(line):
            return False, line.strip()
        result = RESULT.match(line)
        if result and result[1]:
            return False, "%s fails" % result[2]
        if result:
            passed += 1
    if passed < len(programs.order):
        return False, "the kernel ends in %s" % programs.order[passed]
    return True, ""


def learn(programs: Programs) -> None:
    """Finds out which tests there are, and which mutants each of them reaches."""
    listed = subprocess.run([programs.model, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    say("running the tests without a mutant")
    for name in (line.split()[0] for line in listed.splitlines()):
        done = subprocess.run([programs.model, "--test", name, *LITTLE, "--reached"], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            fail("%s fails without a mutant: %s" % (name, done.stdout.strip()))
        programs.tests[name] = set(map(int, done.stdout.split("reached:")[1].split()))
    for line in kernel_lines(programs.kernel, -1):
        if line is None:
            fail("the kernel hangs without a mutant")
        reached = re.search(r"reached mutant (\d+)$", line or "")
        result = RESULT.match(line or "")
        if reached:
            programs.reached.add(int(reached[1]))
        elif result:
            programs.order.append(result[2])
    for attempt in range(2):
        passes, why = run_kernel(programs, 0)
        if not passes or not programs.order:
            fail("the kernel fails without a mutant (run %d): %s" % (attempt + 1, why))


def compare_proofs(mutants: Mutants, mutant: mutate.Mutant, tree: str, herd: str) -> tuple[bool, str]:
    """Whether the litmus tests still describe the code."""
    with tempfile.TemporaryDirectory() as code:
        for folder in (*mutate.FOLDERS, "docs"):
            shutil.copytree(os.path.join(TOP, folder), os.path.join(code, folder))
        source = next(source for source in mutants.files if source.name == mutant.file)
        with open(os.path.join(code, mutant.file), "w", encoding="utf-8") as file:
            file.write(source.applied(mutant))
        done = subprocess.run([sys.executable, os.path.join(TOP, "proofs", "litmus.py"), "--code", code, "--only", "once", tree, herd],
                              stdout=subprocess.PIPE, text=True, check=False)
    wrong = re.search(r"(?m)^not ok .*\n# (.*)", done.stdout)
    return done.returncode == 0, wrong[1] if wrong else ""


def judge_model(programs: Programs, number: int, effort: Iterable[str]) -> tuple[bool, str]:
    for test, reached in sorted(programs.tests.items(), key=lambda item: len(item[1])):
        if number in reached:
            children.check()
            passes, said = run_model(programs.model, test, number, effort)
            if not passes:
                return False, "%s: %s" % (test, said)
    return True, ""


def judge_slowly(guests: in_guest.Guests, number: int) -> Verdict:
    passes, said = guests.judge_slowly(number)
    return Verdict("", said) if passes else Verdict(guests.kernel, said)


def judge(programs: Programs, mutants: Mutants, mutant: mutate.Mutant, tree: str, herd: str) -> Verdict:
    passes, said = judge_model(programs, mutant.number, LITTLE)
    if not passes:
        return Verdict("model", said)
    if mutant.number in programs.reached:
        passes, said = run_kernel(programs, mutant.number)
        if not passes:
            return Verdict("KUnit", said)
    passes, said = programs.guests.judge(mutant.number, mutant.number in programs.reached)
    if not passes:
        return Verdict("guest", said)
    passes, said = judge_model(programs, mutant.number, MUCH)
    if not passes:
        return Verdict("model", said)
    passes, said = compare_proofs(mutants, mutant, tree, herd)
    if not passes:
        return Verdict("proofs", said)
    if mutant.number in programs.reached or programs.guests.reaches(mutant.number):
        return Verdict("", "")
    return Verdict("", "no test in a kernel reaches it")


def read_survivors() -> dict[str, str]:
    """The mutants that are no fault, and why."""
    with open(SURVIVORS, encoding="utf-8") as file:
        lines = [line for line in file.read().splitlines() if line and not line.startswith("#")]
    return dict(line.split(": ", 1) for line in lines)


def main() -> int:
    arguments = sys.argv[1:]
    options = {"--only": "*", "--sample": "", "--seed": "", "--kernel": FAST}
    while len(arguments) > 1 and arguments[0] in options:
        options[arguments[0]] = arguments[1]
        arguments = arguments[2:]
    if len(arguments) < 3:
        sys.exit((__doc__ or "").split("\n\n")[1])
    tree, herd, place, *tools = arguments
    # Modules of another kernel do not load, which looks as if all of their mutants were noticed.
    key = digest((*mutate.FOLDERS, "proofs", "samples", "tests", "qemu/config"), [tree, *tools])
    mutants = Mutants(key)
    known = read_survivors()
    unknown = sorted(set(known) - {mutant.name for mutant in mutants.all})
    if unknown:
        fail("proofs/survivors: there is no mutant '%s': proofs/mutate.py . lists them" % unknown[0])

    patterns = options["--only"].split(",")
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(mutant.name, pattern) for mutant in mutants.all):
            fail("there is no mutant '%s': proofs/mutate.py . lists them" % pattern)

    kernel = options["--kernel"]
    programs = Programs(build_model(mutants), build_kernel(mutants, tree, place, tools), build_guest(mutants, FAST),
                        build_guest(mutants, kernel) if kernel != FAST else None)
    learn(programs)

    chosen = [mutant for mutant in mutants.all if mutant.name not in mutants.without
              and any(fnmatch.fnmatchcase(mutant.name, pattern) for pattern in patterns)]
    if not chosen:
        fail("'%s': none of these compiles" % options["--only"])
    if options["--sample"]:
        seed = options["--seed"] or str(random.randrange(1 << 32))
        say("a sample of %s, with SEED=%s" % (options["--sample"], seed))
        chosen = random.Random(seed).sample(chosen, min(len(chosen), int(options["--sample"])))

    results = Results(key)
    others = Results(key + "." + kernel)

    def judged(mutant: mutate.Mutant) -> Verdict:
        verdict = results.get(mutant.name, lambda: judge(programs, mutants, mutant, tree, herd))
        other = programs.others
        if verdict.by or not other:
            return verdict
        return others.get(mutant.name, functools.partial(judge_slowly, other, mutant.number))

    report = ktap.Printer(len(chosen))
    killed = 0
    excused = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        # The report waits for those before it, but what is known is kept at once.
        jobs = [(mutant, pool.submit(judged, mutant)) for mutant in chosen]
        try:
            for mutant, job in jobs:
                verdict = job.result()
                where = "%s:%d: %s" % (mutant.file, mutant.line, mutant.said())
                wrong = []
                if verdict.by:
                    killed += 1
                    if mutant.name in known:
                        wrong = ["proofs/survivors has it, but %s notices it: %s" % (verdict.by, verdict.said)]
                elif mutant.name in known:
                    excused += 1
                else:
                    wrong = [where, "it survives. %s" % verdict.said]
                report.result("%-50s %-6s %s" % (mutant.name, verdict.by or "nobody", verdict.said[:100]), wrong)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.end_all()
            raise
    print("# %d mutants, %d do not compile; of %d that were run %d are noticed (%.1f %%), %d are no faults, %d survive"
          % (len(mutants.all), len(mutants.without), len(chosen), killed, 100 * killed / len(chosen), excused,
             len(chosen) - killed - excused))
    return report.status


if __name__ == "__main__":
    # What ends this ends all that it runs.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("mutants: interrupted; the same command goes on from here")
