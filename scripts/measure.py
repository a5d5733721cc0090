#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measure how long the lab's jobs take on this machine and put a table into README.md.

usage: measure.py

Phases that run once on a machine are not repeated: the scripts recorded their times in
the cache. Everything else runs now.
"""

import os
import platform
import re
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TOP)

from qemu import lab  # noqa: E402

BEGIN = "<!-- times: begin -->"
END = "<!-- times: end -->"


def run(*command: str) -> tuple[float, str]:
    """Run a command in the checkout; return the seconds it took and what it printed."""
    start = time.monotonic()
    done = subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit("measure.py: %s failed:\n%s" % (" ".join(command), done.stdout[-2000:]))
    return time.monotonic() - start, done.stdout


def first_line() -> float:
    """Seconds from the harness's start to the first line of a script in the guest."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as script:
        script.write("echo up\n")
        script.flush()
        start = time.monotonic()
        with subprocess.Popen(["scripts/run.sh", "qemu/vm.py", "--kernel", "fast", "--script", script.name], cwd=TOP,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as vm:
            for line in vm.stdout or ():
                if line.strip() == "up":
                    return time.monotonic() - start
    sys.exit("measure.py: the guest said nothing")


def noted(phase: str) -> str:
    try:
        with open(os.path.join(lab.CACHE, "took", phase), encoding="ascii") as file:
            return "%d s" % int(file.read())
    except (OSError, ValueError):
        return "not noted here"


def processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def main() -> None:
    if len(sys.argv) > 1:
        sys.exit("measure.py: it takes no arguments, and runs for ten minutes")
    run("make", "demo")
    second, _ = run("make", "demo")
    boots = sorted(first_line() for _ in range(5))
    tests, output = run("make", "test")
    accel = re.search(r"^# accel: (\w+)", output, re.MULTILINE)
    totals = [line for line in output.splitlines() if re.fullmatch(r"\d+ passed, \d+ failed, \d+ skipped", line)]
    rows = [
        ("installing packages", noted("setup")),
        ("fetching and unpacking the kernel tree", noted("source")),
        ("building the fast kernel", noted("kernel-fast")),
        ("making the metadata for Debian's own kernel", noted("metadata")),
        ("`make demo KERNEL=debian` on a bare Debian 13, to its end", noted("demo-debian")),
        ("second `make demo`", "%.1f s" % second),
        ("guest start to the first line of a script, median of 5", "%.2f s" % boots[2]),
        ("`make test` with the kernel built (%s)" % totals[-1], "%.0f s" % tests),
    ]
    table = ["| job | time |", "|---|---|"] + ["| %s | %s |" % row for row in rows]
    text = "Measured by `scripts/measure.py` (%d CPUs, %s, %s):\n\n%s\n" % (
        len(os.sched_getaffinity(0)), processor(),
        "emulated guest" if not accel or accel.group(1) == "tcg" else "guest on " + accel.group(1),
        "\n".join(table))
    print(text)

    path = os.path.join(TOP, "README.md")
    with open(path, encoding="utf-8") as file:
        readme = file.read()
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        sys.exit("measure.py: README.md does not have the two marks %s and %s" % (BEGIN, END))
    head, rest = readme.split(BEGIN)
    tail = rest.split(END)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + BEGIN + "\n" + text + END + tail)


if __name__ == "__main__":
    main()
