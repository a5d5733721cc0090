# SPDX-License-Identifier: GPL-2.0
"""Choose between hardware virtualization and TCG.

That /dev/kvm opens says nothing: there are hosts on which it does and then
hangs every guest. KVM is used only where the real kernel has booted with it
within a short budget. QEMU_ACCEL=kvm or tcg decides without a probe.
"""

import hashlib
import json
import os
import platform
import subprocess
import time

from qemu import guest, initramfs, lab, output
from qemu.machine import Accel
from qemu.verdict import RC_PASS, SetupError

BUDGET = 10.0
# Its first line comes in a fraction of a second, if any does.
SILENCE = 3.0
KVM = "/dev/kvm"
CPUINFO = "/proc/cpuinfo"


def _tcg(kernel: lab.Kernel, reason: str) -> Accel:
    return Accel("tcg", kernel.arch["TCG_CPU"], reason)


def _cpu_model() -> list[str]:
    """The host's processor, with the microcode, of which hypervisors make a difference."""
    with open(CPUINFO) as f:
        first = f.read().split("\n\n")[0]
    return [line.split(":", 1)[1].strip() for line in first.splitlines()
            if line.startswith(("vendor_id", "cpu family", "model", "stepping", "microcode", "CPU "))]


def _key(kernel: lab.Kernel) -> list[object]:
    """Everything on which the answer of a probe depends."""
    digest = hashlib.sha256()
    with open(kernel.image, "rb") as f:
        while chunk := f.read(1 << 20):
            digest.update(chunk)
    qemu = os.path.realpath(guest.find_qemu(kernel.arch))
    version = subprocess.run([qemu, "--version"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()[0]
    binary = os.stat(qemu)
    node = os.stat(KVM)
    return [qemu, version, binary.st_size, binary.st_mtime_ns, digest.hexdigest(), node.st_ino, node.st_rdev,
            platform.release(), _cpu_model()]


class Probe(guest.Guest):
    """A guest that has to say something soon, and then has more time."""

    silent = True

    def on_console(self, line: str) -> None:
        if self.silent:
            self.silent = False
            self._until(BUDGET)


def _probe(kernel: lab.Kernel, cpu: str, run_dir: lab.RunDir) -> bool | str:
    """Boot the kernel with KVM and an init that leaves at once. True or the reason why not."""
    path = run_dir.subdir("kvm-" + cpu.replace(",", "_"))
    initrd = os.path.join(path, "initrd")
    initramfs.write(initrd, kernel, "mode=probe\n", tests=False)
    request = guest.Request(kernel, Accel("kvm", cpu, "probe"), smp=1, factor=1, limit=SILENCE + BUDGET,
                            boot_limit=SILENCE)
    probe = Probe(request, path, initrd, ["status"])
    failures = probe.run()
    if probe.rc == RC_PASS and not failures:
        return True
    if any(f.kind in ("boot", "limit") for f in failures):
        return "no line in %.0f s" % SILENCE if probe.silent else "no answer in %.0f s" % BUDGET
    if probe.rc is not None and probe.rc < 0:
        return "QEMU died of signal %d" % -probe.rc
    return failures[0].text if failures else "exit code %s" % probe.rc


def _auto(kernel: lab.Kernel, run_dir: lab.RunDir) -> Accel:
    if not kernel.arch.is_host:
        return _tcg(kernel, "the host is no %s machine" % kernel.arch.name)
    if not os.path.exists(KVM):
        return _tcg(kernel, "no /dev/kvm")
    if not os.access(KVM, os.R_OK | os.W_OK):
        return _tcg(kernel, "/dev/kvm may not be opened")
    cache = os.path.join(kernel.dir, "accel.json")
    key = _key(kernel)
    try:
        with open(cache) as f:
            entry = json.load(f)
        if entry["key"] == key:
            return Accel(entry["kind"], entry["cpu"], entry["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    output.say("# accel: trying KVM with this kernel, at most %.0f s a CPU model" % BUDGET)
    verdicts = []
    found = None
    for cpu in kernel.arch["KVM_CPUS"].split():
        start = time.monotonic()
        answer = _probe(kernel, cpu, run_dir)
        if answer is True:
            found = Accel("kvm", cpu, "boot probe with -cpu %s: %.1f s" % (cpu, time.monotonic() - start))
            break
        verdicts.append("-cpu %s: %s" % (cpu, answer))
    if found is None:
        found = _tcg(kernel, "kvm boot probe: " + "; ".join(verdicts))
        if os.getloadavg()[0] > 2 * (os.cpu_count() or 1):
            # The guest may have had no time to answer, and is asked again next time.
            return found
    part = "%s.%d" % (cache, os.getpid())
    with open(part, "w") as f:
        json.dump({"key": key, "kind": found.kind, "cpu": found.cpu, "reason": found.reason}, f)
    os.rename(part, cache)
    return found


def choose(kernel: lab.Kernel, run_dir: lab.RunDir) -> Accel:
    """The accelerator for this kernel on this machine, with the reason."""
    guest.find_qemu(kernel.arch)
    wish = os.environ.get("QEMU_ACCEL", "") or "auto"
    if wish == "tcg":
        return _tcg(kernel, "QEMU_ACCEL=tcg")
    if wish == "kvm":
        if not kernel.arch.is_host:
            raise SetupError("QEMU_ACCEL=kvm: this machine does not run %s guests with KVM: leave it out" % kernel.arch.name)
        return Accel("kvm", "host", "QEMU_ACCEL=kvm")
    if wish == "auto":
        return _auto(kernel, run_dir)
    raise SetupError("QEMU_ACCEL=%s: use kvm, tcg or auto" % wish)
