# SPDX-License-Identifier: GPL-2.0
"""The options of all programs that boot a guest. scripts/options.sh checks those of make."""

import argparse
import re

from qemu import guest, lab, machine
from qemu.verdict import SetupError

LEAST_MEM = 96


def size(text: str) -> int:
    """Memory in MiB, from a number of them or one with K, M or G."""
    match = re.fullmatch("([0-9]{1,11})([KkMmGg]?)", text)
    if not match:
        raise argparse.ArgumentTypeError("'%s' is not a size of memory: give a number of MiB, or one with K, M or G"
                                         % text)
    kib = int(match.group(1)) * {"k": 1, "": 1 << 10, "m": 1 << 10, "g": 1 << 20}[match.group(2).lower()]
    if kib >> 10 < LEAST_MEM:
        raise argparse.ArgumentTypeError("'%s' is too little memory to boot: give at least %d (MiB)"
                                         % (text, LEAST_MEM))
    return kib >> 10


def above_zero(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError("'%s' is not a whole number above 0" % text)
    return int(text)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kernel", default="fast", metavar="NAME", help="a kernel in build/ (default: fast)")
    parser.add_argument("--smp", type=above_zero, default=2, metavar="N", help="number of CPUs (default: 2)")
    parser.add_argument("--mem", type=size, metavar="SIZE", help="memory in MiB, or with K, M or G behind it")
    parser.add_argument("--boot", default="", metavar="WORDS", help="more words for the kernel's command line")


def request(kernel: lab.Kernel, accel: machine.Accel, args: argparse.Namespace) -> guest.Request:
    """The guest that these options ask for."""
    share = getattr(args, "share", None)
    return guest.Request(kernel, accel, smp=args.smp, mem=args.mem or kernel.mem, append=args.boot.split(),
                         devices=guest.share_devices(kernel, share, args.share_rw) if share else ())


def check(kernel: lab.Kernel, args: argparse.Namespace) -> None:
    """Refuse options that this kernel would silently ignore."""
    found = re.search(r"^CONFIG_NR_CPUS=(\d+)$", kernel.config, re.M)
    cpus = min(int(found[1]) if found else 1, machine.MAX_CPUS)
    if args.smp > cpus:
        raise SetupError("--smp %d: the kernel '%s' takes at most %d CPUs" % (args.smp, kernel.name, cpus))
    if getattr(args, "share", None) and "\nCONFIG_9P_FS=y\n" not in kernel.config:
        raise SetupError("--share: the kernel '%s' has no 9p: make ... SHARE=DIR builds one that has" % kernel.name)
