# SPDX-License-Identifier: GPL-2.0
"""Pack the guest's user space: one busybox, the init, the tests and the modules.

The archive is written anew for each boot: that takes a few milliseconds, needs
no root, and can therefore never be out of date.
"""

import functools
import os
import shutil
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from qemu import lab, layout, machine
from qemu.verdict import SetupError

STATIC_CFLAGS = ["-static", "-O2", "-Wall", "-Wextra", "-Werror"]


COMPILING = threading.Lock()


class Cpio:
    """Writer of the newc format of an initramfs."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self.inode = 0
        self.dirs: set[str] = set()

    def _entry(self, name: str, mode: int, data: bytes = b"", rdev: tuple[int, int] = (0, 0)) -> None:
        self.inode += 1
        raw = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0,
                  rdev[0], rdev[1], len(raw), 0]
        head = b"070701" + b"".join(b"%08x" % f for f in fields)
        self.out.write(head + raw + b"\0" * (-(len(head) + len(raw)) % 4))
        self.out.write(data + b"\0" * (-len(data) % 4))

    def directory(self, name: str) -> None:
        """Add a directory and those above it, once."""
        name = name.strip("/")
        if not name or name in self.dirs:
            return
        self.directory(os.path.dirname(name))
        self.dirs.add(name)
        self._entry(name, 0o040755)

    def data(self, name: str, data: bytes | str, mode: int = 0o755) -> None:
        name = name.strip("/")
        self.directory(os.path.dirname(name))
        if isinstance(data, str):
            data = data.encode()
        self._entry(name, 0o100000 | mode, data)

    def file(self, name: str, path: str, mode: int = 0o755) -> None:
        with open(path, "rb") as f:
            self.data(name, f.read(), mode)

    def symlink(self, name: str, target: str) -> None:
        name = name.strip("/")
        self.directory(os.path.dirname(name))
        self._entry(name, 0o120777, target.encode())

    def char_device(self, name: str, major: int, minor: int) -> None:
        name = name.strip("/")
        self.directory(os.path.dirname(name))
        self._entry(name, 0o020600, rdev=(major, minor))

    def tree(self, name: str, path: str, without: Sequence[str] = ()) -> None:
        for top, dirs, files in os.walk(path):
            dirs[:] = sorted(d for d in dirs if d not in without)
            place = os.path.normpath(os.path.join(name, os.path.relpath(top, path)))
            self.directory(place)
            for item in sorted(files):
                self.file(os.path.join(place, item), os.path.join(top, item))

    def close(self) -> None:
        self._entry("TRAILER!!!", 0)


def is_static(path: str) -> bool:
    """True for an ELF program that needs no interpreter (no PT_INTERP)."""
    with open(path, "rb") as f:
        head = f.read(64)
        if head[:5] != b"\x7fELF\x02":
            return False
        phoff, = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        for i in range(count):
            f.seek(phoff + i * size)
            if struct.unpack("<I", f.read(4))[0] == 3:
                return False
    return True


def busybox(arch: machine.Arch | None = None) -> str:
    """The busybox of an architecture, or of this machine."""
    if arch and not arch.is_host:
        path = os.path.join(lab.CACHE, "busybox", arch.name, "busybox")
        if not os.path.exists(path):
            raise SetupError("there is no busybox for %s: run scripts/busybox.sh %s" % ((arch.name,) * 2))
        return path
    found = shutil.which("busybox")
    if found is None or not is_static(found):
        raise SetupError("the guest needs a static busybox: install the package busybox-static")
    return found


@functools.lru_cache(maxsize=None)
def applets() -> list[str]:
    """The names of busybox' programs, which are the same on each architecture."""
    return subprocess.run([busybox(), "--list"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, check=True, text=True).stdout.split()


def compiler(arch: machine.Arch) -> str:
    """The command that compiles C for the guest; for one of this machine's architecture any C compiler does."""
    if arch.cross:
        if not shutil.which(arch.cross + "gcc"):
            raise SetupError("there is no %sgcc: install the package %s" % (arch.cross, arch["CROSS_PACKAGE"]))
        return "%sgcc" % arch.cross
    names = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    names += ["clang-%d" % v for v in range(30, 13, -1)]
    for name in names:
        if name and shutil.which(name):
            return name
    raise SetupError("no C compiler found for tests/programs: install clang or gcc")


def run_compiler(arch: machine.Arch, arguments: list[str], source: str) -> None:
    run = subprocess.run([compiler(arch), *STATIC_CFLAGS, *arguments],
                         stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if run.returncode != 0:
        raise SetupError("failed to compile %s for the guest:\n%s" % (source, run.stderr.rstrip()))


def compile_program(arch: machine.Arch, source: str, program: str, objects: Iterable[str] = ()) -> None:
    """Compile one program, complete or not at all: another run may want it too."""
    part = "%s.%d" % (program, os.getpid())
    run_compiler(arch, ["-o", part, source, *objects], source)
    os.rename(part, program)


# The source directories of programs, for tests and the benchmark.
SOURCES = [os.path.join(lab.ROOT, where) for where in lab.PROJECT["PROJECT_PROGRAMS"].split(":")]

# One program that contains all, as busybox does.
ALL = "test-programs"
DISPATCHER = """#include <stdio.h>
#include <string.h>

%(declarations)s

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];

%(calls)s
    fprintf(stderr, "there is no program %%s\\n", name);
    return 127;
}
"""


def compile_all(arch: machine.Arch, sources: dict[str, str], program: str) -> None:
    """Compile programs, by name, into one that acts as the one by whose name it is called."""
    text = DISPATCHER % {
        "declarations": "\n".join("int %s_main(int argc, char **argv);" % name for name in sources),
        "calls": "\n".join('\tif (!strcmp(name, "%s"))\n\t\treturn %s_main(argc, argv);' % (name, name)
                           for name in sources)}
    with tempfile.TemporaryDirectory() as work:
        objects = []
        for name, source in sources.items():
            objects.append(os.path.join(work, name + ".o"))
            run_compiler(arch, ["-c", "-Dmain=%s_main" % name, "-o", objects[-1], source], source)
        dispatcher = os.path.join(work, ALL + ".c")
        with open(dispatcher, "w", encoding="utf-8") as out:
            out.write(text)
        compile_program(arch, dispatcher, program, objects)


def programs(arch: machine.Arch) -> tuple[str, list[str]]:
    """Compile the guest's programs where that was not yet done. Returns the one that contains all, and their names.

    With a libc in each they would be most of the initramfs, and a slow kernel takes long to unpack that.
    """
    program = os.path.join(lab.ROOT, "build", "programs" if arch.is_host else "programs@" + arch.name, ALL)
    sources = {}
    newest = os.path.getmtime(__file__)
    with COMPILING:
        for source_dir in SOURCES:
            for item in sorted(os.listdir(source_dir)) if os.path.isdir(source_dir) else []:
                path = os.path.join(source_dir, item)
                if item.endswith(".c"):
                    sources[item[:-2]] = path
                if item.endswith((".c", ".h")):
                    newest = max(newest, os.path.getmtime(path))
        if not os.path.exists(program) or os.path.getmtime(program) < newest:
            os.makedirs(os.path.dirname(program), exist_ok=True)
            compile_all(arch, sources, program)
    return program, list(sources)


def module_depends(path: str) -> list[str]:
    """The names in the `depends=` line of a module's .modinfo."""
    with open(path, "rb") as f:
        image = f.read()
    start = image.find(b"\0depends=")
    if start < 0:
        return []
    value = image[start + 9:image.index(b"\0", start + 9)].decode()
    return [name for name in value.split(",") if name]


def add_modules(cpio: Cpio, release: str, paths: Iterable[str]) -> None:
    """Put the modules where modprobe looks and write the modules.dep that depmod would."""
    place = "lib/modules/" + release
    by_name = {layout.module_name(p): p for p in paths}
    lines = []
    for path in by_name.values():
        cpio.file(place + "/" + os.path.basename(path), path, 0o644)
        needs = [os.path.basename(by_name[n]) for n in module_depends(path) if n in by_name]
        lines.append("%s:%s\n" % (os.path.basename(path), "".join(" " + n for n in needs)))
    cpio.data(place + "/modules.dep", "".join(lines), 0o644)


def add_kselftest(cpio: Cpio, kernel: lab.Kernel) -> None:
    """Put the tests and the kernel's own runner of selftests where kselftest_install would."""
    source = os.path.join(kernel.build, "source")
    selftests = os.path.join(source if os.path.isdir(source) else kernel.build, "tools", "testing", "selftests")
    runner = ("run_kselftest.sh", "kselftest/runner.sh", "kselftest/ktap_helpers.sh")
    if not all(os.path.isfile(os.path.join(selftests, name)) for name in runner):
        return
    for name in runner:
        cpio.file("kselftest/" + name, os.path.join(selftests, name))
    names = sorted(name for name in os.listdir(lab.TESTS) if name.endswith(".sh"))
    cpio.data("kselftest/kselftest-list.txt", "".join("%s:%s\n" % (lab.MODULE, name) for name in names), 0o644)
    cpio.symlink("kselftest/" + lab.MODULE, "/tests")


def write(path: str, kernel: lab.Kernel, conf: str, modules: Iterable[str] = (),
          extra: Iterable[tuple[str, bytes | str]] = (), tests: bool = True) -> None:
    """Write the initramfs for one boot.

    conf: text of /etc/guest.conf, which init.sh reads as shell.
    extra: pairs (name in the guest, bytes or text), for example the script to run.
    """
    box = busybox(kernel.arch)
    with open(path, "wb") as out:
        cpio = Cpio(out)
        for name in ("dev", "proc", "sys", "tmp", "run", "etc", "root"):
            cpio.directory(name)
        cpio.char_device("dev/console", 5, 1)
        cpio.file("bin/busybox", box)
        for name in applets():
            if name != "busybox":
                cpio.symlink("bin/" + name, "busybox")
        cpio.symlink("sbin", "bin")
        for name, target in ("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"):
            cpio.symlink("lib/dev/" + name, target)
        cpio.file("init", os.path.join(lab.ROOT, "qemu", "init.sh"))
        cpio.file("lib/run-tests.sh", os.path.join(lab.ROOT, "qemu", "run-tests.sh"))
        cpio.data("etc/guest.conf", conf, 0o644)
        cpio.data("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644)
        add_modules(cpio, kernel.release, modules)
        if tests:
            cpio.tree("tests", lab.TESTS, without=("host", "selfcheck", "programs", "__pycache__"))
            cpio.file("docs/debugfs.md", os.path.join(lab.ROOT, "docs", "debugfs.md"), 0o644)
            program, names = programs(kernel.arch)
            cpio.file("bin/" + ALL, program)
            for name in names:
                cpio.symlink("bin/" + name, ALL)
            add_kselftest(cpio, kernel)
        for name, data in extra:
            cpio.data(name, data)
        cpio.close()
