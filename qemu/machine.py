# SPDX-License-Identifier: GPL-2.0
"""The architectures of guests, from qemu/arch, and the machines that QEMU emulates for them."""

import glob
import os
import platform

HERE = os.path.dirname(os.path.realpath(__file__))
MAX_CPUS = 255  # on every machine here

# Ends the guest: a virtio port of this name. On "16q" QEMU exits with the status 2 * 16 + 1.
EXIT = ["-chardev", "testdev,id=exit", "-device", "virtserialport,chardev=exit,name=exit"]


class Arch:
    """The values of qemu/arch/NAME.conf, as arch["KEY"]."""

    def __init__(self, path):
        self.name = os.path.basename(path)[:-len(".conf")]
        with open(path) as f:
            self.keys = dict(line.rstrip("\n").split("=", 1) for line in f if line[0].isupper() and "=" in line)

    def __getitem__(self, key):
        return self.keys.get(key, "")

    @property
    def is_host(self):
        """Whether this machine has this architecture."""
        return self["MACHINE"] == platform.machine()

    @property
    def cross(self):
        """The prefix of the commands that build for it, empty where these are the machine's own."""
        return "" if self.is_host else self["CROSS"]


def archs():
    return [Arch(path) for path in sorted(glob.glob(os.path.join(glob.escape(HERE), "arch", "*.conf")))]


def arch_of(kernel):
    """The architecture of the kernel NAME[@ARCH][+HASH], or None if it is unknown."""
    name = kernel.partition("+")[0].partition("@")[2]
    return next((arch for arch in archs() if (arch.name == name if name else arch.is_host)), None)


class Machine:
    """The one for a kernel of an architecture; those that distributions package want another than the lab's own."""

    def __init__(self, arch, packaged):
        prefix = "PACKAGED_" if packaged else ""
        self.model = arch[prefix + "MODEL"]
        self.bus = arch[prefix + "BUS"]
        self.thread = arch[prefix + "THREAD"]

    def args(self, accel, smp, mem):
        """The QEMU arguments that every guest on it has."""
        return [
            "-M", self.model,
            *accel.args(self.thread),
            "-smp", str(smp), "-m", str(mem),
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-device", self.virtio("serial"), *EXIT,
        ]

    def virtio(self, kind):
        """The name of a virtio device, such as serial."""
        return "virtio-%s-%s" % (kind, self.bus)
