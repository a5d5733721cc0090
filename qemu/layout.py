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


def module_name(path: str) -> str:
    """The kernel's name for the module in this file."""
    return os.path.basename(path)[:-len(".ko")].replace("-", "_")


def sections(path: str) -> Iterator[tuple[str, int, int, int]]:
    """(name, flags, size, alignment) of each section of an ELF file, in its order."""
    with open(path, "rb") as f:
        data = f.read()
    offset, = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, offset + n * size) for n in range(count)]
    for header in headers:
        start = headers[names][4] + header[0]
        yield data[start:data.index(b"\0", start)].decode(), header[2], header[5], header[8]


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
