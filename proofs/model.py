#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the tests of the model, and what is to fail in it.

usage: model.py [--quick] [--only NAME] [--whole BINARY] BINARY BREAKS

BINARY is the model, in which each file of BREAKS can be broken. Each test has to pass with nothing
broken, in all interleavings with so many preemptions, and in many at random. Each break has to be
seen by the tests that it names.

Prints KTAP. With --quick fewer interleavings are run, and with --only what is named alone. With --whole
the tests are run by a model in which nothing can be broken.
"""

import concurrent.futures
import functools
import os
import re
import subprocess
import sys
from collections.abc import Callable

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from qemu import ktap  # noqa: E402

# The limit in seconds for all interleavings of a test. Load on the machine does not change the results, as no
# test takes more than half a minute of one CPU.
LIMIT = 300
DEADLINE = 600
# Preemptions at most, and seeds, of which each stands for 16 interleavings.
QUICK = (1, 16)
WHOLE = (9, 256)
# For the breaks.
BROKEN = (2, 256)
# What begins the name of a result that is of a break.
WITHOUT = "without: "


# What is wrong, in lines, what is said of it, and how many interleavings were run.
Outcome = tuple[list[str], str, int]


def model(binary: str, test: str, effort: tuple[int, int], broken: str | None = None) -> tuple[bool | None, str]:
    """Returns whether it passes, and what the model says."""
    preemptions, seeds = effort
    command = [binary, "--test", test, "--preemptions", str(preemptions), "--seeds", str(seeds), "--limit", str(LIMIT)]
    if broken:
        command += ["--break", broken]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=DEADLINE, text=True,
                              check=False)
    except subprocess.TimeoutExpired:
        return None, "it has not ended after %d seconds" % DEADLINE
    said = done.stdout.strip().replace("\n", " ")
    if done.returncode == 0:
        return True, said
    # An undetected fault may still crash the model.
    return False, said or "it ends with status %d" % done.returncode


def run_test(binary: str, test: str, effort: tuple[int, int]) -> Outcome:
    passes, said = model(binary, test, effort)
    if not passes:
        return ["%s: %s: repeat it by %s --test %s" % (test, said, binary, test)], "", 0
    _, runs, bound, how_many, at_random, _, _ = said.split()
    wrong = [] if how_many == "all" else ["%s: not all interleavings with %s preemptions in %d seconds" % (test, bound, LIMIT)]
    return wrong, "%7s with up to %s preemptions, %5s at random" % (runs, bound, at_random), int(runs) + int(at_random)


def run_break(binary: str, name: str, tests: list[str]) -> Outcome:
    wrong = []
    seen = []
    for test in tests:
        passes, said = model(binary, test, BROKEN, name)
        if passes is False:
            seen.append(test)
        else:
            wrong.append("breaks/%s: %s does not see it%s" % (name, test, "" if passes else ": " + said))
    if not tests:
        wrong.append("breaks/%s: it names no test that sees it" % name)
    return wrong, "seen by " + " ".join(seen), 0


def main() -> int:
    arguments = sys.argv[1:]
    quick = "--quick" in arguments
    if quick:
        arguments.remove("--quick")
    options = {"--only": "", "--whole": ""}
    while len(arguments) > 1 and arguments[0] in options:
        options[arguments[0]] = arguments[1]
        arguments = arguments[2:]
    if len(arguments) != 2:
        sys.exit(__doc__.split("\n\n")[1])
    binary, breaks = arguments
    whole = options["--whole"] or binary

    listed = subprocess.run([whole, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    tests = [line.split()[0] for line in listed.splitlines()]
    jobs: list[tuple[str, Callable[[], Outcome]]] = [
        (test, functools.partial(run_test, whole, test, QUICK if quick else WHOLE)) for test in tests]
    unknown = []
    for name in sorted(os.listdir(breaks)):
        with open(os.path.join(breaks, name), encoding="utf-8") as file:
            lines = file.read().splitlines()
        found = re.match(r"# seen by: (.+)$", lines[1]) if len(lines) > 1 else None
        named = found.group(1).split() if found else []
        unknown += ["breaks/%s: there is no test '%s'" % (name, test) for test in named if test not in tests]
        jobs.append((WITHOUT + name, functools.partial(run_break, binary, name, named)))
    if options["--only"]:
        jobs = [job for job in jobs if options["--only"] in (job[0], job[0].removeprefix(WITHOUT))]

    total = 0
    report = ktap.Printer(len(jobs) + 1)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = [(name, pool.submit(run)) for name, run in jobs]
        for name, job in running:
            wrong, said, runs = job.result()
            total += runs
            report.result("%-28s %s" % (name, said), wrong)
    report.result("breaks name tests that there are", unknown)
    broken = sum(name.startswith(WITHOUT) for name, _ in jobs)
    print("# %d tests, %d interleavings; %d breaks, each of which is seen; %d failed" % (len(jobs) - broken, total, broken, report.failed))
    return report.status


if __name__ == "__main__":
    sys.exit(main())
