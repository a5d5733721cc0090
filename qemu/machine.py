# SPDX-License-Identifier: GPL-2.0
"""The machines that QEMU emulates for a guest, and what differs between them."""


MAX_CPUS = 255  # on every machine here


class Machine:
    def __init__(self, model, bus, thread):
        self.model = model
        self.bus = bus  # how QEMU calls a virtio device on it
        self.thread = thread  # whether an emulated CPU has a thread of its own: multi or single

    def args(self, accel, smp, mem):
        """The QEMU arguments that every guest on it has."""
        return [
            "-M", self.model,
            *accel.args(self.thread),
            "-smp", str(smp), "-m", str(mem),
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
        ]

    def virtio(self, kind):
        """The name of a virtio device, such as serial."""
        return "virtio-%s-%s" % (kind, self.bus)


# Boots fastest, and takes the ELF file of a kernel that finds its devices on the command line.
MICROVM = Machine("microvm,acpi=off,pcie=off,rtc=on", "device", "multi")
# What the kernels of distributions are for. They patch their code while they run (CONFIG_JUMP_LABEL), and a QEMU
# with several threads may go on with what another CPU has just replaced: seen as an Oops by int3.
PC = Machine("q35", "pci", "single")


def of(config):
    """The machine for a kernel with this configuration."""
    return MICROVM if "\nCONFIG_VIRTIO_MMIO=y\n" in config else PC
