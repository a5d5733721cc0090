#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measure Rust against C in one boot, keep every sample, and show the results.

usage: run.py [--kernel NAME] [--seed N] [--out DIR]

Writes results.json to DIR (default build/bench), for report.py, plot.py and compare.py.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
VM = os.path.join(TOP, "qemu", "vm.py")
sys.path.insert(0, TOP)

from bench import baseline, report, size  # noqa: E402
from qemu import accel, guest, lab, machine, verdict  # noqa: E402


def first_line(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, cwd=TOP)
    return done.stdout.splitlines()[0] if done.stdout else "unknown"


def configuration(kernel: str, seed: int) -> report.Configuration:
    """The properties of the machine and the programs that the figures depend on."""
    build = os.path.join(TOP, "build", kernel, "kernel")
    with open(os.path.join(build, ".config"), encoding="ascii") as f:
        options = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", f.read(), re.M))
    with open(os.path.join(build, "include", "config", "kernel.release"), encoding="ascii") as f:
        release = f.read().strip()
    arch = machine.arch_of(kernel)
    wanted = ("CC_VERSION_TEXT", "RUSTC_VERSION_TEXT", "BINDGEN_VERSION_TEXT", "PREEMPT", "HZ", "SMP",
              "FUNCTION_TRACER", "CC_OPTIMIZE_FOR_PERFORMANCE", "RUST_INLINE_HELPERS")
    return {
        "kernel": release,
        "kernel name": kernel,
        "options": {name: options.get("CONFIG_" + name, "n").strip('"') for name in wanted},
        "architecture": arch.name,
        "qemu": first_line(guest.find_qemu(arch), "--version"),
        "accelerator": " ".join(machine.Counting(arch, seed).args("single")),
        "ns per instruction": machine.Counting.NS_PER_INSTRUCTION,
        "commit": first_line("git", "describe", "--always", "--dirty"),
    }


def boot(kernel: str, *options: str) -> Iterator[str]:
    """Run a script in a guest. Yields the lines that it prints."""
    command = [VM, "--kernel", kernel, *options]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as vm:
        yield from vm.stdout or ()
    if vm.returncode:
        sys.exit("run.py: the guest failed, see above")


GUEST = os.path.join(TOP, "bench", "guest.sh")

# The numbers of CPUs for stop.sh. The instruction clock allows one CPU only, so these boots measure time.
STOP_CPUS = (1, 2, 4)


def keep(samples: report.Table, words: list[str]) -> None:
    side, op, n, ns = words
    samples.setdefault(op, {}).setdefault(side, {"n": int(n), "ns": []})["ns"].append(int(ns))


def keep_wake(wake: report.Rounds, words: list[str]) -> None:
    side, _, *quantiles = words
    wake.setdefault(side, []).append([int(ns) for ns in quantiles])


def count(results: report.Results, kernel: str, seed: int) -> None:
    """The boot in which the clock counts instructions."""
    for line in boot(kernel, "--script", GUEST, "--count", str(seed), "--mem", "1024", "--limit", "1800"):
        word, *rest = line.split()
        if word == "sample":
            keep(results["samples"], rest)
        elif word == "wake":
            keep_wake(results["wake"], rest)
        elif word == "scale":
            side, n, *figures = rest
            results["scale"].setdefault(side, {}).setdefault(n, []).append([int(figure) for figure in figures])
        elif word == "unload":
            results["unload"].setdefault(rest[0], []).append(int(rest[1]))
        elif word == "latency":
            results["latency"].append(" ".join(rest))


def stop(results: report.Results, kernel: str, cpus: int) -> None:
    """The boot in real time, for the ratio of two times that are measured in turns."""
    entry = results["stop"].setdefault(str(cpus), {})
    for line in boot(kernel, "--script", os.path.join(TOP, "bench", "stop.sh"), "--smp", str(cpus)):
        word, side, n, ns = line.split()
        if word == "stop":
            entry.setdefault(side, {"n": int(n), "ns": []})["ns"].append(int(ns))


def processor() -> str:
    """The name that the processor has in /proc/cpuinfo, or its architecture."""
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as f:
        found = re.search(r"^model name\s*: (.*)$", f.read(), re.M)
    return found.group(1) if found else platform.machine()


def machine_of(kernel: str) -> report.Wall:
    built = lab.Kernel(kernel)
    choice = accel.choose(built, lab.RunDir(built, "bench"))
    return {"on": "%s, %s" % (choice, processor()), "is real": choice.kind != "tcg", "samples": {}, "wake": {}}


def wall(entry: report.Wall, kernel: str) -> None:
    """The boot that measures time, on one CPU."""
    with open(GUEST, encoding="utf-8") as f:
        script = "PAIRS=1\n" + f.read()
    for line in boot(kernel, "--command", script, "--smp", "1", "--mem", "1024"):
        word, *rest = line.split()
        if word == "sample":
            keep(entry["samples"], rest)
        elif word == "wake":
            keep_wake(entry["wake"], rest)


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", default="fast", metavar="NAME")
    parser.add_argument("--seed", type=int, default=1, metavar="N",
                        help="seed of the guest's random numbers; a different one shows how much of a figure is chance")
    parser.add_argument("--out", default=os.path.join(TOP, "build", "bench"), metavar="DIR")
    args = parser.parse_args()

    os.makedirs(args.out, exist_ok=True)
    start = time.monotonic()
    results: report.Results = {
        "configuration": configuration(args.kernel, args.seed), "samples": {}, "scale": {}, "unload": {},
        "latency": [], "wake": {}, "wall": machine_of(args.kernel), "stop": {},
        "size": size.sizes(args.kernel)}
    count(results, args.kernel, args.seed)
    if results["wall"]["is real"]:
        wall(results["wall"], args.kernel)
    for cpus in STOP_CPUS:
        stop(results, args.kernel, cpus)
    path = os.path.join(args.out, "results.json")
    with open(path, "w", encoding="ascii") as f:
        json.dump(results, f, indent=1)
        f.write("\n")
    report.show(results)
    print()
    baseline.compare(results, report.load(baseline.BASELINE))
    # matplotlib comes with the distribution's Python, which need not be the first on PATH.
    plots = subprocess.run(["/usr/bin/python3", os.path.join(TOP, "bench", "plot.py"), path, args.out],
                           stdin=subprocess.DEVNULL)
    if plots.returncode:
        sys.exit("run.py: the plots failed, see above; the results are in %s" % os.path.relpath(path))
    print("measured in %.0f s; every sample is in %s" % (time.monotonic() - start, os.path.relpath(path)))


if __name__ == "__main__":
    try:
        main()
    except verdict.SetupError as e:
        sys.exit("run.py: %s" % e)
