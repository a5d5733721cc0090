#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Show which lines of modules ran, from the records of qemu/coverage/lab_coverage.c.

usage: coverage.py KERNEL SOURCE BUILT REACHED INFO

KERNEL is the name of the kernel, SOURCE the directory of the modules, BUILT that of their .ko files, REACHED what the
guest noted. Writes INFO for genhtml, and prints a summary. A line is one where a block
of code begins, which is what the compiler makes count.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from qemu import layout, machine  # noqa: E402

SECTION = re.compile(r"^Disassembly of section (\S+):$")
CALL = re.compile(r"^\t+([0-9a-f]+): R_\w+\t__sanitizer_cov_trace_pc\b")
INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t+(\S+)")
PLACE = re.compile(r"^(/.*):([1-9][0-9]*)(?: \(discriminator [0-9]+\))?$")


def calls(arch: machine.Arch, path: str) -> Iterator[tuple[str, int, bool]]:
    """The recording calls in the code of a module: (section, address, whether it is one of a block).

    A block is noted by the address after its call. One that ends its function with that has none: it
    jumps, and what is noted is the address after the call of that function.
    """
    run = subprocess.run([arch.cross + "objdump", "-dr", "--no-show-raw-insn", path], stdout=subprocess.PIPE, check=True, text=True,
                         errors="replace")
    section, operation, notes = "", "", False
    for line in run.stdout.splitlines():
        header, call, instruction = SECTION.match(line), CALL.match(line), INSTRUCTION.match(line)
        if header:
            section, operation = header.group(1), ""
        elif call and operation == arch["CALL"]:
            notes = True
            # The place of the address is the last of the instruction, or all of it, which is as long.
            yield section, int(call.group(1), 16) + 4, True
        elif instruction:
            if operation == arch["CALL"] and not notes:
                yield section, int(instruction.group(1), 16), False
            operation, notes = instruction.group(2), False


def lines(arch: machine.Arch, path: str, section: str, addresses: list[int]) -> list[list[tuple[str, int]]]:
    """For each address its (file, line), including those that it was inlined into."""
    # The call ends where the next instruction begins.
    text = "".join("0x%x\n" % (address - 1) for address in addresses)
    run = subprocess.run([arch.cross + "addr2line", "-a", "-i", "-j", section, "-e", path], input=text, stdout=subprocess.PIPE,
                         check=True, text=True, errors="replace")
    found: list[list[tuple[str, int]]] = []
    for line in run.stdout.splitlines():
        place = PLACE.match(line)
        if line.startswith("0x"):
            found.append([])
        elif place:
            found[-1].append((os.path.normpath(place[1]), int(place[2])))
    return found


def measure(arch: machine.Arch, source: str, built: str, reached: str) -> dict[str, dict[int, bool]]:
    """{file: {line: whether it was reached}}"""
    result: dict[str, dict[int, bool]] = {}
    seen: dict[str, set[tuple[str, int]]] = {}
    with open(reached) as f:
        for line in f:
            name, kind, offset = line.split()
            seen.setdefault(name, set()).add((kind, int(offset, 16)))
    for top, dirs, items in os.walk(built):
        dirs[:] = sorted(d for d in dirs if d != "stripped")
        for item in sorted(items):
            path = os.path.join(top, item)
            if not item.endswith(".ko"):
                continue
            here = seen.get(layout.module_name(path), set())
            places = layout.places(path)
            blocks: dict[str, list[int]] = {}
            known = set()
            for section, address, is_block in calls(arch, path):
                if section in places:
                    known.add((places[section][0], places[section][1] + address))
                    if is_block:
                        blocks.setdefault(section, []).append(address)
            if here - known:
                raise SystemExit("coverage.py: %d of %d places that %s was at follow no call there: this kernel lays "
                                 "modules out in another way" % (len(here - known), len(here), item))
            for section, addresses in blocks.items():
                kind, start = places[section]
                for address, found in zip(addresses, lines(arch, path, section, addresses)):
                    ran = (kind, start + address) in here
                    for file, number in found:
                        if file.startswith(source + "/"):
                            file_lines = result.setdefault(file, {})
                            file_lines[number] = file_lines.get(number, False) or ran
    return result


def ranges(numbers: list[int]) -> str:
    """1 2 3 5 as 1-3, 5."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join("%d" % a if a == b else "%d-%d" % (a, b) for a, b in found)


def main(kernel: str, source: str, built: str, reached: str, info: str) -> None:
    source = os.path.realpath(source)
    result = measure(machine.arch_of(kernel), source, built, reached)
    if not result:
        raise SystemExit("coverage.py: no module in %s has code that tells when it runs" % built)
    total = hit = 0
    with open(info, "w") as f:
        for file, found in sorted(result.items()):
            f.write("TN:\nSF:%s\n" % file)
            for number, ran in sorted(found.items()):
                f.write("DA:%d,%d\n" % (number, ran))
            count = sum(found.values())
            f.write("LF:%d\nLH:%d\nend_of_record\n" % (len(found), count))
            total += len(found)
            hit += count
            print("%5.1f %% %6d of %6d  %s" % (100 * count / len(found), count, len(found), os.path.relpath(file, source)))
            missed = [number for number, ran in sorted(found.items()) if not ran]
            if missed:
                print("        not reached: %s" % ranges(missed))
    print("%5.1f %% %6d of %6d  all" % (100 * hit / total, hit, total))


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
