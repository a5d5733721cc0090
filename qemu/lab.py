# SPDX-License-Identifier: GPL-2.0
"""The layout of a checkout: the kernel, the modules and the run directories."""

import contextlib
import fcntl
import glob
import os
import re
import time

from qemu import machine
from qemu.verdict import SetupError

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
TESTS = os.path.join(ROOT, "tests")

# All that the lab knows of the project.
PROJECT = machine.settings(os.path.join(ROOT, "qemu", "project.conf"))
MODULE = PROJECT["PROJECT_MODULE"]
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), PROJECT["PROJECT_CACHE"])

# How much slower than the fast kernel each kernel is.
SLOWNESS = {"debug": 8, "kcsan": 8, "rt": 4, "debian": 4, "debian-rt": 8, "debian-cloud": 4}

# Memory of the guest in MiB; the sanitizers need more.
MEMORY = {"debug": 1024, "kcsan": 1024}

KEPT_RUNS = 10
PASSED = "passed"  # a file in the directory of a run


class Kernel:
    """A finished kernel build, as scripts/build-kernel.sh leaves it in build/NAME/kernel."""

    def __init__(self, name: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.+@-]+", name) or name.startswith("."):
            raise SetupError("'%s' is no kernel name: use a name from qemu/config" % name)
        self.arch = machine.arch_of(name)
        self.name = name
        self.dir = os.path.join(ROOT, "build", name)
        self.build = os.path.join(self.dir, "kernel")
        self.vmlinux = os.path.join(self.build, "vmlinux")
        base = re.split("[+@]", name)[0]  # NAME@ARCH is the same for another architecture, NAME+HASH with more options
        self.factor = SLOWNESS.get(base, 1)
        self.mem = MEMORY.get(base, 512)
        if not os.path.exists(self.vmlinux):
            raise SetupError("the kernel '%s' is not built: run scripts/build-kernel.sh %s" % (name, name))
        # It stays in the cache for as long as this process needs it.
        self.lock = os.open(self.build, os.O_RDONLY | os.O_DIRECTORY)
        with contextlib.suppress(OSError):
            fcntl.flock(self.lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        with open(os.path.join(self.build, "include", "config", "kernel.release")) as f:
            self.release = f.read().strip()
        with open(os.path.join(self.build, ".config")) as f:
            self.config = f.read()
        # A distribution's kernel is compressed, and there is no uncompressed one.
        packed = os.path.join(self.build, "vmlinuz")
        symbols = os.path.join(self.build, "vmlinux.debug")
        self.symbols = symbols if os.path.exists(symbols) else self.vmlinux
        self.image = packed if os.path.exists(packed) else os.path.join(self.build, self.arch["IMAGE"])
        self.machine = machine.Machine(self.arch, self.image == packed)
        hz = re.search(r"^CONFIG_HZ=(\d+)$", self.config, re.M)
        if hz is None:
            raise SetupError("the kernel '%s' has no CONFIG_HZ" % name)
        self.hz = int(hz[1])

    def function_at(self, address: int) -> str:
        """The symbol at an address; the lab's kernels run where they were linked."""
        found = "user space" if address < 1 << 63 else "a module, at 0x%x" % address
        with open(os.path.join(self.build, "System.map")) as f:
            for line in f:
                words = line.split()
                if len(words) != 3:
                    # A distribution's kernel, whose symbols are in another package.
                    return "0x%x" % address
                start, kind, name = words
                if kind not in "tT":
                    continue
                if int(start, 16) > address:
                    return found
                if name == "_etext":
                    break
                found = name
        return "a module, at 0x%x" % address

    def modules(self, kind: str = "module") -> list[str]:
        """The modules that were built against this kernel (kind: module or selfcheck), as the guest gets them."""
        return sorted(glob.glob(os.path.join(glob.escape(self.dir), kind, "stripped", "*.ko")))

    def demo_module(self) -> str:
        path = os.path.join(self.dir, "module", "stripped", MODULE + ".ko")
        if not os.path.exists(path):
            raise SetupError("the module is not built for the kernel '%s': run "
                             "scripts/build-module.sh %s . build/%s/module" % ((self.name,) * 3))
        return path


class RunDir:
    """A directory for this run, so that concurrent runs share no file."""

    def __init__(self, kernel: Kernel, kind: str) -> None:
        base = os.path.join(kernel.dir, "runs")
        os.makedirs(base, exist_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for n in range(1000):
            path = os.path.join(base, "%s-%s%s" % (kind, stamp, "-%d" % n if n else ""))
            try:
                os.mkdir(path)
                break
            except FileExistsError:
                continue
        self.path = path
        # The lock tells other runs that this directory is in use; it goes with the process.
        self.lock = os.open(os.path.join(path, "lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self._forget_old(base, kind)

    @staticmethod
    def _forget_old(base: str, kind: str) -> None:
        """Keep the last runs. Passed ones are removed first."""
        old = sorted(glob.glob(os.path.join(glob.escape(base), kind + "-*")), key=os.path.getmtime)
        old.sort(key=lambda path: not os.path.exists(os.path.join(path, PASSED)))
        for path in old[:-KEPT_RUNS]:
            try:
                lock = os.open(os.path.join(path, "lock"), os.O_RDWR | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for top, dirs, files in os.walk(path, topdown=False):
                    for item in files:
                        os.unlink(os.path.join(top, item))
                    for item in dirs:
                        os.rmdir(os.path.join(top, item))
                os.rmdir(path)
            except OSError:
                pass
            finally:
                os.close(lock)

    def passed(self) -> None:
        """Record that this run has passed."""
        with contextlib.suppress(OSError):
            open(self.file(PASSED), "w").close()

    def file(self, *names: str) -> str:
        return os.path.join(self.path, *names)

    def subdir(self, name: str) -> str:
        path = self.file(name)
        os.makedirs(path, exist_ok=True)
        return path

    def __str__(self) -> str:
        return os.path.relpath(self.path) if self.path.startswith(os.getcwd() + os.sep) else self.path
