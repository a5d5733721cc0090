#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compare the code size of the API and of its C twin in a module.

usage: size.py [KERNEL]
"""

import bisect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import TypedDict

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))

# Matches mangled Rust names of kthread/, except its tests.
API = re.compile(r"7kthread(?!.*5tests)")
# The part of kthread/ that the twin has as well.
THREADS = re.compile(r"7kthread(6packet|6thread|7context|7builder|5group|10completion)(?!.*5tests)")
# What there is once for each closure, which is part of it.
KIND = re.compile(r"7kthread.*6[pP]acket.*NC(?!.*5tests)")
TWIN = re.compile(r"twin_(fn|create|start|stop|reap|join|wake|wait|threads)")


def readelf(option: str, path: str) -> list[str]:
    return subprocess.run(["readelf", option, "-W", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          check=True, text=True).stdout.splitlines()


def demangle(name: str) -> str:
    return subprocess.run(["c++filt", name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True,
                          text=True).stdout.strip()


class Size(TypedDict):
    """Text, data and relocations by what has them, and the paths to a panic."""

    rows: dict[str, list[int]]
    panics: list[tuple[str, str]]


class Object:
    """The functions and data of an object file whose names match, and their relocations."""

    def __init__(self, path: str, wanted: Callable[[str], object]) -> None:
        self.sections = {}
        for line in readelf("-S", path):
            found = re.match(r"\s*\[\s*(\d+)\]\s+(\S+)", line)
            if found:
                self.sections[found.group(1)] = found.group(2)
        self.places: dict[str | None, list[tuple[int, int, str]]] = {}
        self.text = self.data = 0
        for line in readelf("-s", path):
            words = line.split()
            if len(words) < 8 or words[3] not in ("FUNC", "OBJECT") or not wanted(words[7]):
                continue
            start, size = int(words[1], 16), int(words[2], 0)
            if words[3] == "FUNC":
                self.text += size
            else:
                self.data += size
            self.places.setdefault(self.sections.get(words[6]), []).append((start, start + size, words[7]))
        for places in self.places.values():
            places.sort()
        self.relocations = []
        section = None
        for line in readelf("-r", path):
            found = re.match(r"Relocation section '\.rela(\S+)'", line)
            if found:
                section = found.group(1)
                continue
            words = line.split()
            if len(words) < 5 or not words[2].startswith("R_"):
                continue
            name = self.holder(section, int(words[0], 16))
            if name:
                self.relocations.append((name, words[4]))

    def holder(self, section: str | None, offset: int) -> str | None:
        places = self.places.get(section, [])
        place = bisect.bisect_right(places, offset, key=lambda found: found[0]) - 1
        if place >= 0 and places[place][0] <= offset < places[place][1]:
            return places[place][2]
        return None

    def panics(self) -> list[tuple[str, str]]:
        """Pairs of a function and the panic function that it calls."""
        return sorted({(demangle(name), demangle(target)) for name, target in self.relocations
                       if "panic" in target})


def sizes(kernel: str) -> Size:
    module = os.path.join(TOP, "build", kernel, "module")
    # A module with one kind of thread: each kind has its own copy of the generic code.
    user = os.path.join(module, "samples", "kthread_monitor.o")
    api = Object(user, API.search)
    rows = {
        "C twin: threads": Object(os.path.join(module, "bench", "twin.o"), TWIN.match),
        "Rust: threads and groups": Object(user, THREADS.search),
        "Rust: ... for one more spawn": Object(user, KIND.search),
        "Rust: all that is used": api,
    }
    return {
        "rows": {name: [item.text, item.data, len(item.relocations)] for name, item in rows.items()},
        "panics": api.panics(),
    }


def show(size: Size) -> None:
    print("\n%-32s %8s %8s %12s" % ("size in bytes", "text", "data", "relocations"))
    for name, row in size["rows"].items():
        print("%-32s %8d %8d %12d" % (name, row[0], row[1], row[2]))
    print("paths in kthread/ that can panic: %d" % len(size["panics"]))
    for name, target in size["panics"]:
        print("  %s -> %s" % (name, target))


if __name__ == "__main__":
    show(sizes(sys.argv[1] if len(sys.argv) > 1 else "fast"))
