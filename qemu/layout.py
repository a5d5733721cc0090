# SPDX-License-Identifier: GPL-2.0
"""The kernel's layout of a module's sections, following layout_sections() of kernel/module/main.c."""

import os
import struct
from collections.abc import Iterator

WRITE, ALLOC, EXECUTE, RO_AFTER_INIT = 1, 2, 4, 1 << 21
# The flags that a section must have, and must not have, for each kind of memory.
KINDS = ((EXECUTE | ALLOC, 0, "TEXT"), (ALLOC, WRITE, "RODATA"), (RO_AFTER_INIT | ALLOC, 0, "RO_AFTER_INIT"),
         (WRITE | ALLOC, 0, "DATA"))
# Sections that the kernel skips, and those that become read-only after init.
ELSEWHERE = (".modinfo", "__versions", "__version_ext_crcs", "__version_ext_names", ".data..percpu")
LATE = (".data..ro_after_init", "__jump_table", ".static_call_sites")

RELA = 4
# On arm64 module_frob_arch_sections() of arch/arm64/kernel/module-plts.c reserves veneers of 12 bytes: one for each
# branch to another section, and one for ftrace. Each section has a twin for init.
AARCH64 = 183
BRANCHES = (282, 283)  # R_AARCH64_JUMP26 and R_AARCH64_CALL26
VENEER = 12
PLT, TRAMPOLINE = (".plt", ".init.plt"), (".text.ftrace_trampoline", ".init.text.ftrace_trampoline")


def module_name(path: str) -> str:
    """The kernel's name for the module in this file."""
    return os.path.basename(path)[:-len(".ko")].replace("-", "_")


def sections(path: str) -> Iterator[tuple[str, int, int, int]]:
    """(name, flags, size, alignment) of each section of an ELF file, in its order."""
    with open(path, "rb") as f:
        data = f.read()
    machine, = struct.unpack_from("<H", data, 18)
    offset, = struct.unpack_from("<Q", data, 40)
    size, count, table = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, offset + n * size) for n in range(count)]
    starts = [headers[table][4] + header[0] for header in headers]
    names = [data[start:data.index(b"\0", start)].decode() for start in starts]
    for name, header in zip(names, headers):
        if machine == AARCH64 and name in PLT:
            yield name, EXECUTE | ALLOC, VENEER * (veneers(data, headers, names, name == PLT[1]) + 1), 64
        elif machine == AARCH64 and name in TRAMPOLINE:
            yield name, EXECUTE | ALLOC, VENEER, 4
        else:
            yield name, header[2], header[5], header[8]


def veneers(data: bytes, headers: list[tuple[int, ...]], names: list[str], of_init: bool) -> int:
    """How many branches of the code, or of the code for init, have a veneer reserved for them."""
    count = 0
    for _, kind, _, _, offset, size, link, target, _, _ in headers:
        if kind != RELA or not headers[target][2] & EXECUTE or names[target].startswith(".init") != of_init:
            continue
        seen = set()
        for place in range(offset, offset + size, 24):
            _, info, addend = struct.unpack_from("<QQq", data, place)
            section, = struct.unpack_from("<H", data, headers[link][4] + 24 * (info >> 32) + 6)
            branch = info & 0xffffffff, info >> 32, addend
            if branch[0] not in BRANCHES or section == target:
                continue
            if addend or branch not in seen:
                count += 1
            seen.add(branch)
    return count


def places(path: str) -> dict[str, tuple[str, int]]:
    """For each section that gets memory, the kind of memory and the place in it."""
    found: dict[str, tuple[str, int]] = {}
    ends: dict[str, int] = {}
    for prefix in "", "INIT_":
        for wanted, unwanted, kind in KINDS:
            for name, flags, size, align in sections(path):
                if name in LATE:
                    flags |= RO_AFTER_INIT
                if (name in found or name in ELSEWHERE or flags & wanted != wanted or flags & unwanted
                        or name.startswith(".init") != bool(prefix)):
                    continue
                align = max(align, 1)
                start = (ends.get(prefix + kind, 0) + align - 1) // align * align
                ends[prefix + kind] = start + size
                found[name] = prefix + kind, start
    return found
