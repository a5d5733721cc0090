#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Measure Rust against C in one boot, keep every sample, and show what came of it.

usage: run.py [--kernel NAME] [--out DIR]

Leaves results.json in DIR (build/bench), for report.py, plot.py and compare.py.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time

import report

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
VM = os.path.join(TOP, "qemu", "vm.py")
sys.path.insert(0, os.path.join(TOP, "qemu"))

import accel  # noqa: E402 (the path has to be set first)
import guest  # noqa: E402


def first_line(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, cwd=TOP)
    return done.stdout.splitlines()[0] if done.stdout else "unknown"


def configuration(kernel):
    """What the figures depend on."""
    build = os.path.join(TOP, "build", kernel, "kernel")
    with open(os.path.join(build, ".config"), encoding="ascii") as f:
        options = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", f.read(), re.M))
    with open(os.path.join(build, "include", "config", "kernel.release"), encoding="ascii") as f:
        release = f.read().strip()
    wanted = ("CC_VERSION_TEXT", "RUSTC_VERSION_TEXT", "BINDGEN_VERSION_TEXT", "PREEMPT", "HZ", "SMP",
              "FUNCTION_TRACER", "CC_OPTIMIZE_FOR_PERFORMANCE", "RUST_INLINE_HELPERS")
    return {
        "kernel": release,
        "kernel name": kernel,
        "options": {name: options.get("CONFIG_" + name, "n").strip('"') for name in wanted},
        "qemu": first_line(guest.find_qemu(), "--version"),
        "accelerator": " ".join(accel.Counting().args()),
        "ns per instruction": accel.Counting.NS_PER_INSTRUCTION,
        "commit": first_line("git", "describe", "--always", "--dirty"),
    }


def boot(kernel, script, *options):
    """Run a script in a guest. Yields the lines that it prints."""
    command = [VM, "--kernel", kernel, "--fail-on-splat", "--script", script, *options]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as vm:
        yield from vm.stdout
    if vm.returncode:
        sys.exit("run.py: the guest failed, see above")


def main():
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", default="fast", metavar="NAME")
    parser.add_argument("--out", default=os.path.join(TOP, "build", "bench"), metavar="DIR")
    args = parser.parse_args()

    os.makedirs(args.out, exist_ok=True)
    start = time.monotonic()
    results = {"configuration": configuration(args.kernel), "samples": {}}
    script = os.path.join(TOP, "bench", "guest.sh")
    for line in boot(args.kernel, script, "--count", "--mem", "1024"):
        word, *rest = line.split()
        if word == "sample":
            side, op, n, ns = rest
            entry = results["samples"].setdefault(op, {}).setdefault(side, {"n": int(n), "ns": []})
            entry["ns"].append(int(ns))
    path = os.path.join(args.out, "results.json")
    with open(path, "w", encoding="ascii") as f:
        json.dump(results, f, indent=1)
        f.write("\n")
    report.show(results)
    print("measured in %.0f s; every sample is in %s" % (time.monotonic() - start, os.path.relpath(path)))


if __name__ == "__main__":
    main()
