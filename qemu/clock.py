# SPDX-License-Identifier: GPL-2.0
"""The rate of the host's time stamp counter.

Without ACPI the guest has nothing to calibrate its TSC against and would fall
back to a clock of 4 ms ticks, so it is told the rate on its command line. QEMU
passes rdtsc through, with and without TCG: the host's rate is the guest's.
"""

import ctypes
import functools
import mmap
import re
import time
from collections.abc import Callable

# rdtsc; shl rdx, 32; or rax, rdx; ret
RDTSC = bytes.fromhex("0f3148c1e2204809d0c3")
SPAN_NS = 50_000_000


def _reader() -> Callable[[], int]:
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(RDTSC)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    function = ctypes.CFUNCTYPE(ctypes.c_uint64)(address)

    def read(page: mmap.mmap = page) -> int:
        """The page stays for as long as what is in it may be called."""
        ticks: int = function()
        return ticks
    return read


def _sample(read: Callable[[], int]) -> tuple[int, int]:
    """A pair (ns, ticks) taken as close together as possible."""
    samples = []
    for _ in range(20):
        before = time.monotonic_ns()
        ticks = read()
        after = time.monotonic_ns()
        samples.append((after - before, (before + after) // 2, ticks))
    _, ns, ticks = min(samples)
    return ns, ticks


def measure_khz() -> int:
    """Count ticks against CLOCK_MONOTONIC for 50 ms; good to about 20 ppm."""
    read = _reader()
    ns0, ticks0 = _sample(read)
    time.sleep(SPAN_NS / 1e9)
    ns1, ticks1 = _sample(read)
    return round((ticks1 - ticks0) * 1_000_000 / (ns1 - ns0))


def cpuinfo_khz() -> int | None:
    """Half the BogoMIPS, which the kernel derives from the TSC rate on most x86 hosts."""
    with open("/proc/cpuinfo") as f:
        found = re.search(r"^bogomips\s*:\s*([0-9.]+)", f.read(), re.M)
    return round(float(found.group(1)) * 500) if found else None


@functools.lru_cache(maxsize=None)
def tsc_khz() -> int | None:
    """The TSC rate in kHz, for a guest that has a TSC, or None if it is unknown."""
    try:
        return measure_khz()
    except (OSError, ValueError):
        # A hardened host may refuse executable anonymous memory.
        return cpuinfo_khz()


if __name__ == "__main__":
    print("measured %s kHz, from cpuinfo %s kHz" % (measure_khz(), cpuinfo_khz()))
