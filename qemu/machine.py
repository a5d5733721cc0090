# SPDX-License-Identifier: GPL-2.0
"""The architectures of guests, from qemu/arch, and the machines that QEMU emulates for them."""

import glob
import os
import platform
from dataclasses import dataclass

from qemu.verdict import SetupError

HERE = os.path.dirname(os.path.realpath(__file__))
MAX_CPUS = 255  # on every machine here

# Ends the guest: a virtio port of this name. On "16q" QEMU exits with the status 2 * 16 + 1.
EXIT = ["-chardev", "testdev,id=exit", "-device", "virtserialport,chardev=exit,name=exit"]


def settings(path: str) -> dict[str, str]:
    """The lines KEY=VALUE of a file."""
    with open(path) as f:
        return dict(line.rstrip("\n").split("=", 1) for line in f if line[0].isupper() and "=" in line)


class Arch:
    """The values of qemu/arch/NAME.conf, as arch["KEY"]."""

    def __init__(self, path: str) -> None:
        self.name = os.path.basename(path)[:-len(".conf")]
        self.keys = settings(path)

    def __getitem__(self, key: str) -> str:
        return self.keys.get(key, "")

    @property
    def is_host(self) -> bool:
        """Whether this machine has this architecture."""
        return self["MACHINE"] == platform.machine()

    @property
    def cross(self) -> str:
        """The prefix of the commands that build for it, empty where these are the machine's own."""
        return "" if self.is_host else self["CROSS"]


def archs() -> list[Arch]:
    return [Arch(path) for path in sorted(glob.glob(os.path.join(glob.escape(HERE), "arch", "*.conf")))]


def arch_of(kernel: str) -> Arch:
    """The architecture of the kernel NAME[@ARCH][+HASH]."""
    name = kernel.partition("+")[0].partition("@")[2]
    for arch in archs():
        if arch.name == name if name else arch.is_host:
            return arch
    raise SetupError("'%s' is a kernel for an architecture that is not in qemu/arch" % kernel)


@dataclass
class Accel:
    """How QEMU runs the guest's code, and why so."""

    kind: str  # kvm or tcg
    cpu: str
    reason: str
    tsc_khz: int | None = None  # where it is not that of the host

    def args(self, thread: str) -> list[str]:
        kind = "tcg,thread=" + thread if self.kind == "tcg" else self.kind
        return ["-accel", kind, "-cpu", self.cpu]

    def __str__(self) -> str:
        return "%s (%s)" % (self.kind, self.reason)


class Counting(Accel):
    """TCG with a clock that counts instructions, on one CPU, and jumps where that idles.

    With 1 ns for each instruction, the kernel would spend half a minute of the boot on waiting for 20 ticks
    to calibrate its timer.

    All that differs between two boots is kept out, so that the same programs take the same instructions: what
    the guest takes for random comes from the seed, the date is set, and a virtio device does at once what it is
    told.
    """

    SHIFT = 2
    NS_PER_INSTRUCTION = 1 << SHIFT

    def __init__(self, arch: Arch, seed: int) -> None:
        super().__init__("tcg", arch["COUNTING_CPU"], "counts instructions", 1_000_000)
        self.seed = seed

    def args(self, thread: str) -> list[str]:
        return ["-accel", "tcg", "-cpu", self.cpu, "-icount", "shift=%d,sleep=off" % self.SHIFT,
                "-seed", str(self.seed), "-rtc", "base=2026-01-01,clock=vm", "-global", "virtio-mmio.ioeventfd=off"]


class Machine:
    """The one for a kernel of an architecture; those that distributions package want another than the lab's own."""

    def __init__(self, arch: Arch, packaged: bool) -> None:
        prefix = "PACKAGED_" if packaged else ""
        self.model = arch[prefix + "MODEL"]
        self.bus = arch[prefix + "BUS"]
        self.thread = arch[prefix + "THREAD"]

    def args(self, accel: Accel, smp: int, mem: int) -> list[str]:
        """The QEMU arguments that every guest on it has."""
        return [
            "-M", self.model,
            *accel.args(self.thread),
            "-smp", str(smp), "-m", str(mem),
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-device", self.virtio("serial"), *EXIT,
        ]

    def virtio(self, kind: str) -> str:
        """The name of a virtio device, such as serial."""
        return "virtio-%s-%s" % (kind, self.bus)
