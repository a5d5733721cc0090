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
import os
import re
import subprocess
import sys

# The limit in seconds for all interleavings of a test. Load on the machine does not change the results, as no
# test takes more than half a minute of one CPU.
LIMIT = 300
DEADLINE = 600
# Preemptions at most, and seeds, of which each stands for 16 interleavings.
QUICK = (1, 16)
WHOLE = (9, 256)
# For the breaks.
BROKEN = (2, 64)


def model(binary, test, effort, broken=None):
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


def run_test(binary, test, effort):
    passes, said = model(binary, test, effort)
    if not passes:
        return ["%s: %s: repeat it by %s --test %s" % (test, said, binary, test)], "", 0
    _, runs, bound, how_many, at_random, _, _ = said.split()
    wrong = [] if how_many == "all" else ["%s: not all interleavings with %s preemptions in %d seconds" % (test, bound, LIMIT)]
    return wrong, "%7s with up to %s preemptions, %5s at random" % (runs, bound, at_random), int(runs) + int(at_random)


def run_break(binary, name, tests):
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


def main():
    arguments = sys.argv[1:]
    quick = "--quick" in arguments
    if quick:
        arguments.remove("--quick")
    options = {"--only": None, "--whole": None}
    while len(arguments) > 1 and arguments[0] in options:
        options[arguments[0]] = arguments[1]
        arguments = arguments[2:]
    if len(arguments) != 2:
        sys.exit(__doc__.split("\n\n")[1])
    binary, breaks = arguments
    whole = options["--whole"] or binary

    listed = subprocess.run([whole, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    jobs = [(line.split()[0], run_test, (whole, line.split()[0], QUICK if quick else WHOLE)) for line in listed.splitlines()]
    tests = [name for name, _, _ in jobs]
    unknown = []
    for name in sorted(os.listdir(breaks)):
        with open(os.path.join(breaks, name), encoding="utf-8") as file:
            lines = file.read().splitlines()
        found = re.match(r"# seen by: (.+)$", lines[1]) if len(lines) > 1 else None
        named = found.group(1).split() if found else []
        unknown += ["breaks/%s: there is no test '%s'" % (name, test) for test in named if test not in tests]
        jobs.append(("without: " + name, run_break, (binary, name, named)))
    if options["--only"]:
        jobs = [job for job in jobs if options["--only"] in (job[0], job[0][len("without: "):])]

    failed = total = 0
    print("KTAP version 1\n1..%d" % (len(jobs) + 1))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = [(name, pool.submit(run, *arguments)) for name, run, arguments in jobs]
        for number, (name, job) in enumerate(running, 1):
            wrong, said, runs = job.result()
            total += runs
            failed += bool(wrong)
            print("%s %d %-28s %s" % ("not ok" if wrong else "ok", number, name, said))
            for line in wrong:
                print("# " + line)
            sys.stdout.flush()
    print("%s %d breaks name tests that there are" % ("not ok" if unknown else "ok", len(jobs) + 1))
    for line in unknown:
        print("# " + line)
    failed += bool(unknown)
    broken = sum(run is run_break for _, run, _ in jobs)
    print("# %d tests, %d interleavings; %d breaks, each of which is seen; %d failed" % (len(jobs) - broken, total, broken, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
